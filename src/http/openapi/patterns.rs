//! What texts look like that the service takes, and those that it shows.
pub(super) const UUID: &str =
    "^([0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$";
pub(super) const UUID_OR_NONE: &str =
    "^([0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$";
pub(super) const UUID_SHOWN: &str = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
pub(super) const TAG: &str = "^(challenges|difficulty:(beginner|intermediate|advanced)|\
    challenge:([0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}))$";
pub(super) const VERSION: &str = "^([0-9a-fA-F]{16}-[0-9a-fA-F]{24})?$";
pub(super) const ETAG: &str = "^((W/)?\"[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]\")?$";
pub(super) const ETAG_OR_ANY: &str = "^((W/)?\"[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]\"|\\*)$";
pub(super) const REQUEST_ID: &str = "^[A-Za-z0-9_.:/+=-]{0,128}$";
pub(super) const ENVIRONMENT: &str = "^[a-z0-9_-]{1,20}$";
pub(super) const LOCALE: &str = "^([A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?)?$";
pub(super) const PERSONA: &str = "^[a-z0-9-]{0,40}$";
pub(super) const BASE64: &str = "^[A-Za-z0-9+/_-]*={0,2}$";
pub(super) const HEARTBEAT: &str = r"^(0(\.0{1,9})?|0\.[1-9][0-9]{0,8}|[1-5]?[1-9](\.[0-9]{1,9})?|[1-5]0(\.[0-9]{1,9})?|60(\.0{1,9})?)s$";
pub(super) const COMMENT: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
pub(super) const TITLE: &str = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$";
pub(super) const TEXT: &str = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$";
pub(super) const CHALLENGE_MASK: &str = r"^((difficulty|title|description|points|tips|\*)(,(difficulty|title|description|points|tips|\*))*)?$";
pub(super) const FLAG_MASK: &str = "^((enabled|rollout_percentage|comment|environment)(,(enabled|rollout_percentage|comment|environment))*)?$";
