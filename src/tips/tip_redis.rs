//! What tips have in Redis in common: the way to it, names that no other database has, and seals.
use std::{fmt, sync::Arc};

use super::frame::Position;
use crate::{
    domain::DatabaseId,
    redis::{Link, Listener, MacKey},
};

/// How the replicas reach each other.
pub struct TipRedis {
    /// For commands.
    pub link: Arc<Link>,
    /// For messages.
    pub listener: Arc<Listener>,
    /// Whose tips they are; it changes when another server takes over.
    pub database: Arc<dyn Fn() -> DatabaseId + Send + Sync>,
    /// Seals what other replicas are to believe.
    pub mac: MacKey,
}

/// Changes with what the keys hold.
const FORMAT: u32 = 2;

impl TipRedis {
    /// The name of a key or channel.
    pub(super) fn name(&self, rest: fmt::Arguments<'_>) -> String {
        format!("tip:{FORMAT}:{}:{rest}", (self.database)())
    }

    /// `content` with a code before it: that of an entry of `kind` under the name `scope`, at a position if
    /// it means something nowhere else.
    pub(super) fn seal(
        &self,
        scope: &str,
        kind: &str,
        at: Option<(Position, u64)>,
        content: &[u8],
    ) -> Vec<u8> {
        let at = written(at);
        let parts = [content, scope.as_bytes(), kind.as_bytes(), at.as_bytes()];
        [&self.mac.code(&parts), content].concat()
    }

    /// What [`TipRedis::seal`] sealed; `None` when it did not.
    pub(super) fn open<'a>(
        &self,
        scope: &str,
        kind: &str,
        at: Option<(Position, u64)>,
        sealed: &'a [u8],
    ) -> Option<&'a [u8]> {
        let (code, content) = sealed.split_first_chunk()?;
        let at = written(at);
        let parts = [content, scope.as_bytes(), kind.as_bytes(), at.as_bytes()];
        self.mac.is_code(code, &parts).then_some(content)
    }
}

fn written(at: Option<(Position, u64)>) -> String {
    at.map_or_else(String::new, |(at, offset)| format!("{} {offset}", at.id()))
}
