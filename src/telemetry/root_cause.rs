//! The cause of an error that is worth telling.
use std::error::Error;

/// The innermost cause, which says what is wrong where the errors around it say that something is.
#[must_use]
pub fn root_cause<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost
}
