//! Raises the limit of file descriptors to what the system allows, and warns when that is too low.
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors needed beside callers' connections, generously: the pools of database and Redis,
/// providers, operator pages, listeners and files.
const OTHER_DESCRIPTORS: u64 = 256;

/// Raises the soft limit to the hard one, and warns when that is too low for `connections` callers.
pub(super) fn raise_limit(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(error) => {
            tracing::warn!(%error, "the limit of file descriptors cannot be raised");
            limit.current
        }
    };
    let connections = u64::try_from(connections).unwrap_or(u64::MAX);
    let needed = connections.saturating_add(OTHER_DESCRIPTORS);
    // `None` means unlimited.
    if let Some(limit) = current.filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "too few file descriptors for all connections that may be open: raise `ulimit -n` or LimitNOFILE, \
             or lower max_connections"
        );
    }
}
