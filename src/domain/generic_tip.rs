//! The tip for a challenge that has none of its own.
use super::Difficulty;

/// The tip for a challenge that has none: true for every challenge of its difficulty, in English.
#[must_use]
pub const fn generic_tip(difficulty: Difficulty) -> &'static str {
    match difficulty {
        Difficulty::Beginner => {
            "You do not have to be impressive; being friendly is enough. Take one slow breath, \
             smile, and say the first honest thing that comes to mind. However it goes, you did it."
        }
        Difficulty::Intermediate => {
            "Feeling nervous means that this matters to you, and you can act while you feel it. Be \
             curious about the other person, and listen more than you plan. If they are busy or not \
             interested, thank them and wish them a good day."
        }
        Difficulty::Advanced => {
            "Go in to be honest, not to win something. Say plainly what you mean, leave the other \
             person free to say no, and take any answer with respect. Afterwards, note one thing \
             that you did well; courage grows from that."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difficulty_has_a_tip_of_its_own_of_two_to_four_sentences() {
        let tips = Difficulty::ALL.map(generic_tip);
        for tip in tips {
            let sentences = tip.matches(". ").count() + usize::from(tip.ends_with('.'));
            assert!((2..=4).contains(&sentences), "{tip}");
            assert!(!tip.contains("  "), "{tip}");
        }
        assert!(tips[0] != tips[1] && tips[1] != tips[2]);
    }
}
