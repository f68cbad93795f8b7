//! Who belongs: tokens, client certificates and issuers of tokens, as an access file names them.
//!
//! [`AccessControl`] answers who has which credentials, and is told when the file changes. To read first:
//! `file` (what may stand in the file), then `control`.
mod control;
mod fetch;
mod file;
mod file_values;
#[doc(hidden)]
pub mod fuzzing;
mod issuer;
mod jwt_crypto;
mod metrics;
mod new_token;
mod san;

pub use control::AccessControl;
pub use file::{AccessFileError, AccessRules};
pub use new_token::NewToken;
