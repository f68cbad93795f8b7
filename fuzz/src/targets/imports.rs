//! Files of challenges, in a list or one after another, as `import` reads them.
use challenges_catalog::cli::fuzzing::{exported, rows};

use crate::{input::Input, target::Target};

pub(super) const TARGET: Target = Target {
    name: "imports",
    words: &[
        "{",
        "}",
        "[",
        "]",
        ",",
        "\n",
        "\"",
        "\\",
        "\\u",
        "\\ud83d",
        "\u{feff}",
        "\"id\":",
        "\"difficulty\":",
        "\"beginner\"",
        "\"title\":",
        "\"description\":",
        "\"points\":",
        "\"tips\":",
        "null",
        "1e400",
        "-0",
        "5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01",
        "\u{308}",
        "\u{202e}",
        "\u{200b}",
    ],
    memory_bytes: 1 << 20,
    check,
};

fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let buffer = 1 + usize::from(input.byte());
    let file = input.rest();
    let whole = rows(file, 1 << 16);
    assert_eq!(whole, rows(file, buffer), "read in pieces of {buffer}");
    let mut line = 1;
    for row in whole {
        match row {
            Ok((begins, challenge)) => {
                assert!(begins >= line, "lines in order");
                line = begins;
                let text = exported(&challenge).expect("texts and numbers can be written");
                assert!(!text.contains('\n'), "one line: {text}");
                assert_eq!(rows(text.as_bytes(), 1 << 16), [Ok((1, challenge))]);
            }
            Err(problems) => {
                assert!(!problems.is_empty());
                for problem in problems {
                    assert!(problem.starts_with("line "), "{problem}");
                    // People read them on a terminal.
                    assert!(problem.len() < 700, "{problem}");
                }
            }
        }
    }
}
