//! The flags in force, which the hot path reads without a lock.
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use ring::digest::{Context, SHA256};

use super::{CallerId, Flag, Percentage, finished};

/// How the flags stand, for those who must know at once: one load of an atomic byte each.
#[derive(Debug)]
pub struct Switches {
    /// By the order of [`Flag::ALL`]: for how many of the callers the flag is on.
    percentages: [AtomicU8; Flag::ALL.len()],
}

impl Default for Switches {
    /// Everything is on.
    fn default() -> Self {
        Self {
            percentages: [const { AtomicU8::new(Percentage::FULL.get()) }; Flag::ALL.len()],
        }
    }
}

impl Switches {
    /// Whether the flag is on, at least for some.
    #[must_use]
    pub fn is_on(&self, flag: Flag) -> bool {
        self.percentage(flag) > 0
    }

    /// Whether the flag is on for this caller: always the same answer for the same percentage, on
    /// every replica, and who is in stays in when it grows.
    #[must_use]
    pub fn is_on_for(&self, flag: Flag, caller: &CallerId) -> bool {
        match self.percentage(flag) {
            0 => false,
            percentage if percentage == Percentage::FULL.get() => true,
            percentage => place(flag, caller) < percentage,
        }
    }

    /// Throws a switch.
    pub fn set(&self, flag: Flag, percentage: Percentage) {
        if let Some(own) = self.percentages.get(flag as usize) {
            own.store(percentage.get(), Relaxed);
        }
    }

    fn percentage(&self, flag: Flag) -> u8 {
        let own = self.percentages.get(flag as usize);
        own.map_or(0, |own| own.load(Relaxed))
    }
}

/// The caller's place among a hundred; another one for each flag, so that not the same callers are
/// always the first to try something.
fn place(flag: Flag, caller: &CallerId) -> u8 {
    let mut hash = Context::new(&SHA256);
    hash.update(flag.definition().name.as_bytes());
    hash.update(&[0]);
    hash.update(caller.0.as_bytes());
    let first = u64::from_be_bytes(finished(hash));
    // Out of 2^64 the hundred parts are equal but for 1 in 10^17.
    u8::try_from(first % 100).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callers_in(switches: &Switches) -> Vec<usize> {
        let is_in = |n: &usize| {
            let caller = CallerId(format!("name caller-{n}"));
            switches.is_on_for(Flag::AiTips, &caller)
        };
        (0..2_000).filter(is_in).collect()
    }

    #[test]
    fn a_rollout_takes_its_part_of_the_callers_and_keeps_them_as_it_grows() {
        let switches = Switches::default();
        let mut before: Vec<usize> = Vec::new();
        for (percentage, least, most) in [
            (0, 0, 0),
            (10, 150, 250),
            (50, 920, 1_080),
            (100, 2_000, 2_000),
        ] {
            switches.set(Flag::AiTips, Percentage::parse(percentage).unwrap());
            let now = callers_in(&switches);
            assert!(
                (least..=most).contains(&now.len()),
                "{percentage} %: {}",
                now.len()
            );
            assert!(
                before.iter().all(|caller| now.contains(caller)),
                "{percentage} %"
            );
            assert_eq!(callers_in(&switches), now);
            before = now;
        }
    }

    /// Another hash would change who is in on all replicas of another release.
    #[test]
    fn the_place_of_a_caller_is_the_same_for_every_release() {
        let caller = CallerId("name ann@example.org".to_owned());
        assert_eq!(place(Flag::AiTips, &caller), PLACE_OF_ANN);
    }

    /// By `printf 'ai_tips\0name ann@example.org' | sha256sum`, the first 16 digits modulo 100.
    const PLACE_OF_ANN: u8 = 65;

    #[test]
    fn one_switch_moves_no_other() {
        let switches = Switches::default();
        switches.set(Flag::NearCache, Percentage::NONE);
        for flag in Flag::ALL {
            assert_eq!(switches.is_on(flag), flag != Flag::NearCache, "{flag}");
        }
    }
}
