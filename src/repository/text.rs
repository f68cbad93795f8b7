use sqlx::{Database, Decode, Type, error::BoxDynError};

/// Text as the database has it. SQLite keeps bytes that are not UTF-8 as text too: they are a value
/// like any other here, so that the row that has them can be told from its neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(Vec<u8>);

impl Text {
    /// The text; its bytes when they are not UTF-8.
    pub(super) fn into_string(self) -> Result<String, Vec<u8>> {
        String::from_utf8(self.0).map_err(std::string::FromUtf8Error::into_bytes)
    }

    /// Whether it is text indeed.
    pub(super) fn is_utf8(&self) -> bool {
        std::str::from_utf8(&self.0).is_ok()
    }

    /// The text with U+FFFD in place of what is not UTF-8.
    pub(super) fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// The bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<DB: Database> Type<DB> for Text
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

impl<'r, DB: Database> Decode<'r, DB> for Text
where
    &'r [u8]: Decode<'r, DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<&[u8]>::decode(value)?.to_vec()))
    }
}
