//! Classifies the errors of the Redis client.
use bb8_redis::redis::{ErrorKind, RedisError, ServerErrorKind};

const PROBLEM_MAX_CHARS: usize = 200;

pub(super) fn is_no_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Whether the server is no primary any more; the address may lead to another one by now.
pub(super) fn is_demoted(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// In a pipeline, or out of a script, the word stands amid others.
pub(super) fn is_other_type(error: &RedisError) -> bool {
    error.to_string().contains("WRONGTYPE")
}

/// What failed, in the server's own words where it has some; no more than a line of them, and
/// nothing of what was sent.
pub(super) fn problem_of(error: &RedisError) -> String {
    let text = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => {
            let words = detail.split(", with args beginning with").next();
            format!("{code} {}", words.unwrap_or_default())
        }
        (Some(_) | None, _) => error.to_string(),
    };
    let mut problem: String = text.chars().take(PROBLEM_MAX_CHARS).collect();
    if text.contains("can't run this command") {
        problem.push_str("; `config redis-acl` prints the rights that are needed");
    }
    problem
}
