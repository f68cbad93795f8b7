//! Enums whose variants have a word each: in logs, in metrics, in stores and on the command line.

/// Declares such enums, each variant with its word.
macro_rules! words {
    ($(
        $(#[$about:meta])*
        pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }
    )+) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All of them, in their order.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )+};
}
pub(crate) use words;

/// Reads enums that [`words`] declares by their words.
macro_rules! read_by_word {
    ($($name:ident),+) => {$(
        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let named = Self::ALL.into_iter().find(|it| it.as_str() == text);
                named.ok_or_else(|| {
                    let words = Self::ALL.map(Self::as_str);
                    let found = super::shown::quoted(text);
                    format!("must be {}, not {found}", super::words::either(&words))
                })
            }
        }
    )+};
}
pub(super) use read_by_word;

/// The words as a sentence has them: `a, b or c`.
pub(super) fn either(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        words => words.concat(),
    }
}
