//! File descriptors: as many as the system allows, and a word when they are too few.
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is needed beside the connections of callers, with room to spare: the pools of database and
/// Redis, providers, pages for operators, listeners and files.
const OTHERS: u64 = 256;

/// Raises the soft limit to the hard one, and warns when that is too few for `connections` callers.
pub(super) fn raise_limit(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(error) => {
            tracing::warn!(%error, "the limit of file descriptors cannot be raised");
            limit.current
        }
    };
    let needed = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHERS);
    // `None` is no limit.
    if let Some(limit) = now.filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "too few file descriptors for all connections that may be open: raise `ulimit -n` or LimitNOFILE, \
             or lower max_connections"
        );
    }
}
