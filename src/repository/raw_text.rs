//! A text column as stored, valid UTF-8 or not.
use sqlx::{Database, Decode, Type, error::BoxDynError};

/// The bytes of a text column. SQLite stores bytes that are not UTF-8 as text too; reading them as a value
/// means that one such row does not fail the statement for all other rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawText(Vec<u8>);

impl RawText {
    /// The text, if it is UTF-8.
    pub(super) fn into_string(self) -> Option<String> {
        String::from_utf8(self.0).ok()
    }

    pub(super) fn is_utf8(&self) -> bool {
        std::str::from_utf8(&self.0).is_ok()
    }

    /// The text, with U+FFFD in place of bytes that are not UTF-8.
    pub(super) fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<DB: Database> Type<DB> for RawText
where
    str: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        <str as Type<DB>>::type_info()
    }

    fn compatible(kind: &DB::TypeInfo) -> bool {
        <str as Type<DB>>::compatible(kind)
    }
}

impl<'r, DB: Database> Decode<'r, DB> for RawText
where
    &'r [u8]: Decode<'r, DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<&[u8]>::decode(value)?.to_vec()))
    }
}
