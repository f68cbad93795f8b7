//! Deliberate faults, by which the checker proves that it would notice (`docs/consistency.md`).
//! Without the feature `negative-controls` there are none: every question is the constant "no".

/// One deliberate fault; `CATALOG_FAULT` names it as `name` does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A load is stamped with what is known after it instead of what it saw.
    StampAfterRead,
    /// What Redis holds counts as current.
    TrustShared,
    /// Changes that are no longer listed did not happen.
    IgnoreLost,
    /// Only notifications lead to a poll, and freshness does not end.
    NotifyOnly,
    /// An entry that was valid once stays so.
    NearUnchecked,
    /// Freshness is a flag that a failed poll takes down, instead of an age.
    FlagFreshness,
    /// `min_version` is not looked at.
    IgnoreTicket,
    /// Everybody fills, whoever has the lease.
    IgnoreLease,
    /// What another replica tells counts as known, and is not applied.
    ForgetNews,
    /// A server that took over goes on in the history of before.
    IgnoreHistory,
}

#[cfg(not(feature = "negative-controls"))]
pub(super) const fn is(_: Fault) -> bool {
    false
}

#[cfg(feature = "negative-controls")]
pub(super) fn is(fault: Fault) -> bool {
    *CHOSEN == Some(fault)
}

#[cfg(feature = "negative-controls")]
static CHOSEN: std::sync::LazyLock<Option<Fault>> = std::sync::LazyLock::new(|| {
    #[expect(
        clippy::disallowed_methods,
        reason = "no setting of the product: this is compiled into no build that serves"
    )]
    let name = std::env::var("CATALOG_FAULT").ok()?;
    let chosen = Fault::named(&name);
    tracing::warn!(
        fault = name,
        known = chosen.is_some(),
        "serving with a deliberate fault"
    );
    chosen
});

#[cfg(feature = "negative-controls")]
impl Fault {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "stamp-after-read" => Self::StampAfterRead,
            "trust-shared" => Self::TrustShared,
            "ignore-lost" => Self::IgnoreLost,
            "notify-only" => Self::NotifyOnly,
            "near-unchecked" => Self::NearUnchecked,
            "flag-freshness" => Self::FlagFreshness,
            "ignore-ticket" => Self::IgnoreTicket,
            "ignore-lease" => Self::IgnoreLease,
            "forget-news" => Self::ForgetNews,
            "ignore-history" => Self::IgnoreHistory,
            _ => return None,
        })
    }
}
