//! The types that settings have: how each is read, and how it is shown.
use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::{
    DatabaseUrl, HttpOrigin, ProviderUrl, RedisUrl, provider, setting::Setting, text, unit,
    value_kind::ValueKind,
};
use crate::domain::{Environment, Locale};

/// A type that settings have.
pub(super) trait Value: Sized {
    /// Reads what somebody wrote. The error says what was expected instead, and repeats no secret.
    fn parse(setting: &Setting, text: &str) -> Result<Self, String>;

    /// As one would write it, but for what is secret.
    fn show(&self, setting: &Setting) -> String;
}

fn must_be<T>(setting: &Setting, text: &str) -> Result<T, String> {
    Err(format!("must be {}, not {text:?}", setting.kind.range()))
}

/// What need not be there: absent as an empty text, as a default in words, and as a limit of zero.
impl<T: Value> Value for Option<T> {
    fn parse(setting: &Setting, text: &str) -> Result<Self, String> {
        let is_limit = matches!(
            setting.kind,
            ValueKind::Count(0, _) | ValueKind::Money(0, _)
        );
        let number = setting.kind.number(text);
        let is_unlimited = is_limit && number == Ok(0);
        let is_default_in_words = text == setting.default && number.is_err();
        if text.is_empty() || is_default_in_words || is_unlimited {
            return Ok(None);
        }
        T::parse(setting, text).map(Some)
    }

    fn show(&self, setting: &Setting) -> String {
        match self {
            Some(value) => value.show(setting),
            None => setting.default.to_owned(),
        }
    }
}

impl Value for Duration {
    fn parse(setting: &Setting, text: &str) -> Result<Self, String> {
        setting.kind.number(text).map(Self::from_millis)
    }

    fn show(&self, _: &Setting) -> String {
        unit::show_duration(*self)
    }
}

macro_rules! whole_numbers {
    ($($number:ty)+) => { $(
        impl Value for $number {
            fn parse(setting: &Setting, text: &str) -> Result<Self, String> {
                let number = setting.kind.number(text)?;
                number.try_into().map_err(|_| format!("{number} is too large here"))
            }

            fn show(&self, setting: &Setting) -> String {
                shown(setting, *self)
            }
        }
    )+ };
}
whole_numbers!(u32 u64 usize);

fn shown(setting: &Setting, number: impl TryInto<u64>) -> String {
    number
        .try_into()
        .map_or_else(|_| String::new(), |number| setting.kind.show(number))
}

impl Value for bool {
    fn parse(setting: &Setting, text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => must_be(setting, text),
        }
    }

    fn show(&self, _: &Setting) -> String {
        self.to_string()
    }
}

/// Values that are one of a few words.
macro_rules! words {
    ($( $(#[$about:meta])+ $name:ident { $( $(#[$meaning:meta])+ $variant:ident = $word:literal, )+ } )+) => { $(
        $(#[$about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $( $(#[$meaning])+ $variant, )+ }

        impl Value for $name {
            fn parse(setting: &Setting, text: &str) -> Result<Self, String> {
                match text {
                    $( $word => Ok(Self::$variant), )+
                    _ => must_be(setting, text),
                }
            }

            fn show(&self, _: &Setting) -> String {
                match self { $( Self::$variant => $word.to_owned(), )+ }
            }
        }
    )+ };
}

words! {
    /// How log lines look.
    LogFormat {
        /// Text on a terminal, JSON otherwise.
        Auto = "auto",
        /// Lines for people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
    /// Who may have a tip written anew that is there.
    TipRefresh {
        /// Every caller.
        All = "all",
        /// Callers on the server's machine.
        Local = "local",
        /// None.
        Nobody = "nobody",
    }
    /// What becomes of a tip that nobody waits for any more.
    AbandonedTips {
        /// It is written to its end, and kept.
        Finish = "finish",
        /// The provider is told to stop.
        Abort = "abort",
    }
    /// How long browsers and shared caches may keep answers over HTTP.
    HttpCaching {
        /// As long as answers are called fresh, by everybody.
        Proof = "proof",
        /// Longer by shared caches, which are purged when something changes.
        Edge = "edge",
        /// Not at all.
        Off = "off",
    }
    /// Which form of the replaced service the old routes take after, where the two differ.
    HttpCompat {
        /// The one that was planned.
        Plan = "plan",
        /// The one that was deployed.
        Deployed = "deployed",
    }
    /// Whether callers show certificates.
    ClientAuth {
        /// They are not asked.
        None = "none",
        /// They may.
        Request = "request",
        /// They must.
        Required = "required",
    }
    /// Who may use server reflection.
    ReflectionAccess {
        /// Everybody.
        On = "on",
        /// Whoever is known, in any role.
        Authenticated = "authenticated",
        /// Nobody: there is none.
        Off = "off",
    }
    /// What the limit of tokens is called in requests.
    TokenLimitField {
        /// `max_tokens`.
        MaxTokens = "max_tokens",
        /// `max_completion_tokens`.
        MaxCompletionTokens = "max_completion_tokens",
    }
}

/// Types that are shown as their own text.
macro_rules! shown_as_they_are {
    ($($value:ty: $parse:expr;)+) => { $(
        impl Value for $value {
            fn parse(_: &Setting, text: &str) -> Result<Self, String> {
                ($parse)(text)
            }

            fn show(&self, _: &Setting) -> String {
                self.to_string()
            }
        }
    )+ };
}
shown_as_they_are! {
    // What is asked of a text stands with the setting.
    String: |text: &str| Ok(text.to_owned());
    SocketAddr: text::listen_addr;
    DatabaseUrl: DatabaseUrl::parse;
    RedisUrl: RedisUrl::parse;
    ProviderUrl: ProviderUrl::parse;
    Environment: environment;
}

/// Origins of browsers; an empty text has none.
impl Value for Vec<HttpOrigin> {
    fn parse(_: &Setting, text: &str) -> Result<Self, String> {
        let texts = text.split(',').filter(|_| !text.is_empty());
        texts.map(HttpOrigin::parse).collect()
    }

    fn show(&self, _: &Setting) -> String {
        let origins: Vec<_> = self.iter().map(|origin| origin.0.as_str()).collect();
        origins.join(",")
    }
}

impl Value for PathBuf {
    fn parse(_: &Setting, text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    fn show(&self, _: &Setting) -> String {
        self.display().to_string()
    }
}

impl Value for SecretString {
    fn parse(_: &Setting, text: &str) -> Result<Self, String> {
        provider::key(text)
    }

    fn show(&self, _: &Setting) -> String {
        "***".to_owned()
    }
}

/// Headers by their names.
impl Value for Vec<(String, SecretString)> {
    fn parse(_: &Setting, text: &str) -> Result<Self, String> {
        provider::headers(text)
    }

    fn show(&self, _: &Setting) -> String {
        let names = self.iter().map(|(name, _)| format!("{name}: ***"));
        names.collect::<Vec<_>>().join("; ")
    }
}

/// A decimal number from 0 to 2 with at most three places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thousandths(pub(super) u32);

impl Value for Thousandths {
    fn parse(_: &Setting, text: &str) -> Result<Self, String> {
        let read = || {
            let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
            let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number(whole) || !is_number(places) || !(1..=3).contains(&places.len()) {
                return None;
            }
            let milli: u32 = format!("{whole}{places:0<3}").parse().ok()?;
            (!whole.is_empty() && milli <= 2_000).then_some(Self(milli))
        };
        read().ok_or_else(|| {
            format!("must be 0 to 2, such as 0.7, with three places at most, not {text:?}")
        })
    }

    fn show(&self, _: &Setting) -> String {
        (f64::from(self.0) / 1_000.0).to_string()
    }
}

impl Value for Vec<Locale> {
    fn parse(_: &Setting, text: &str) -> Result<Self, String> {
        const MOST: usize = 200;
        let locales = text.split(',').map(str::trim).map(|name| {
            let locale = name.parse::<Locale>();
            locale.map_err(|problem| format!("{name:?} {problem}"))
        });
        let locales: Self = locales.collect::<Result<_, _>>()?;
        if locales.len() > MOST {
            return Err(format!("must be {MOST} languages at most"));
        }
        Ok(locales)
    }

    fn show(&self, _: &Setting) -> String {
        let names: Vec<_> = self.iter().map(Locale::as_str).collect();
        names.join(",")
    }
}

fn environment(text: &str) -> Result<Environment, String> {
    match Environment::parse(text)? {
        name if name == Environment::all() => {
            Err("must be the name of one environment; rows for all count without it".to_owned())
        }
        name => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::setting;

    #[test]
    fn a_switch_is_read_in_any_case() {
        let switch = |text| bool::parse(&setting::switch(), text);
        assert_eq!(
            [switch("YES"), switch("1"), switch("off")],
            [Ok(true), Ok(true), Ok(false)]
        );
        assert!(switch("maybe").is_err());
    }

    #[test]
    fn a_temperature_has_three_places_at_most() {
        let any = setting::text("", "");
        for (text, milli) in [
            ("0", 0),
            ("1", 1_000),
            ("0.7", 700),
            ("2.0", 2_000),
            ("0.125", 125),
        ] {
            assert_eq!(
                Thousandths::parse(&any, text).map(|it| it.0),
                Ok(milli),
                "{text}"
            );
        }
        for text in [
            "", "-1", "2.001", "0.1234", "0.", ".5", "1e0", "NaN", "warm",
        ] {
            assert!(Thousandths::parse(&any, text).is_err(), "{text}");
        }
        assert_eq!(
            (Thousandths(1_000).show(&any), Thousandths(125).show(&any)),
            ("1".into(), "0.125".into())
        );
    }
}
