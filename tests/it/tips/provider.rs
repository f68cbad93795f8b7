//! A provider of the test's own, and replicas that call it.
use crate::{
    llm::fixture::{Protocol, events},
    support::{
        replica::Replica,
        scripted::{Act, Scripted},
    },
};

/// A tip in pieces, which break within words and characters of several bytes apart.
pub const PIECES: [&str; 5] = ["Geh hin,", " sag", " „Hallo“", " und", " lächle. 👋"];
/// The same, whole.
pub const TIP: &str = "Geh hin, sag „Hallo“ und lächle. 👋";

const SPOKEN: Protocol = Protocol::Anthropic;

/// The head of an answer, without any text.
pub fn silence() -> Act {
    events(SPOKEN.text(&[]))
}

/// One piece of text.
pub fn piece(text: &str) -> Act {
    Act::Send(SPOKEN.piece(text).into_bytes())
}

/// What makes the text a tip.
pub fn good_end() -> Act {
    Act::Send(SPOKEN.good_end().into_bytes())
}

/// The tip, with `between` before each piece and before the end.
pub fn tip(pieces: &[&str], between: &Act) -> Vec<Act> {
    let each = pieces.iter().map(|text| piece(text)).chain([good_end()]);
    let paced = each.flat_map(|act| [between.clone(), act]);
    std::iter::once(silence()).chain(paced).collect()
}

/// Writes [`TIP`], one piece for every gate that the test opens, and one more for the end.
pub async fn gated() -> Scripted {
    Scripted::playing(tip(&PIECES, &Act::Gate)).await
}

/// Writes [`TIP`] at once.
pub async fn quick() -> Scripted {
    let body = SPOKEN.text(&PIECES) + &SPOKEN.good_end();
    Scripted::playing(vec![events(body)]).await
}

/// Opens all gates of one tip.
pub fn finish(provider: &Scripted) {
    provider.open(PIECES.len() + 1);
}

/// The settings of a replica that calls `url`.
pub fn ordering_at(url: &str) -> Vec<(&'static str, &str)> {
    vec![
        ("ANTHROPIC_API_KEY", "key"),
        ("ANTHROPIC_BASE_URL", url),
        // On a busy machine, so that only what a test breaks is broken.
        ("CATALOG_REDIS_TIMEOUT", "5s"),
        ("CATALOG_TIP_STREAMS_PER_MINUTE", "100000"),
        ("CATALOG_TIP_STREAMS_AT_ONCE", "10000"),
    ]
}

/// One replica with a SQLite file, which calls `provider`.
pub async fn replica_of(provider: &Scripted, more: &[(&'static str, &str)]) -> Replica {
    let url = provider.url();
    let settings = ordering_at(&url);
    let settings = settings.iter().chain(more);
    let settings: Vec<_> = settings
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    Replica::start(&settings).await
}
