//! A path of an annotation, such as `/v1/admin/challenges/{id}:revert`.

/// The most segments that a template has; longer paths are not looked at.
pub(super) const SEGMENTS_MAX: usize = 8;

/// Literals, variables of one segment each, and perhaps a verb behind a colon.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    segments: Vec<Segment>,
    verb: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    /// The field's path.
    Variable(String),
}

impl Template {
    /// Reads a template; of the grammar of `google.api.http` only what the contract needs, so no wildcards.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let path = text.strip_prefix('/')?;
        // A variable has no colon in it.
        let (path, verb) = match path.rsplit_once(':') {
            Some((path, verb)) if is_word(verb) => (path, Some(verb.to_owned())),
            Some(_) => return None,
            None => (path, None),
        };
        let segments: Option<Vec<_>> = path.split('/').map(Segment::parse).collect();
        let segments = segments.filter(|segments| segments.len() <= SEGMENTS_MAX)?;
        Some(Self { segments, verb })
    }

    /// The paths of the fields that the path fills, from left to right.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Variable(name) => Some(name.as_str()),
        })
    }

    /// What stands in the place of each variable, still percent-encoded, if the path is one of this template.
    pub(super) fn values<'a>(&self, path: &SplitPath<'a>) -> Option<Vec<&'a str>> {
        if self.verb.as_deref() != path.verb || self.segments.len() != path.segments.len() {
            return None;
        }
        let mut values = Vec::new();
        for (segment, text) in self.segments.iter().zip(&path.segments) {
            match segment {
                Segment::Literal(literal) if literal == text => {}
                Segment::Variable(_) if !text.is_empty() => values.push(*text),
                Segment::Literal(_) | Segment::Variable(_) => return None,
            }
        }
        Some(values)
    }

    /// Whether the two have the same paths: only the names of variables differ.
    pub(super) fn equals(&self, other: &Self) -> bool {
        let equal = |(one, other): (&Segment, &Segment)| match (one, other) {
            (Segment::Literal(one), Segment::Literal(other)) => one == other,
            (Segment::Variable(_), Segment::Variable(_)) => true,
            (Segment::Literal(_), Segment::Variable(_))
            | (Segment::Variable(_), Segment::Literal(_)) => false,
        };
        self.verb == other.verb
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(equal)
    }

    /// Whether some path is one of both.
    #[cfg(test)]
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let meet = |(one, other): (&Segment, &Segment)| match (one, other) {
            (Segment::Literal(one), Segment::Literal(other)) => one == other,
            (Segment::Variable(_), _) | (_, Segment::Variable(_)) => true,
        };
        self.verb == other.verb
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(meet)
    }
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        let variable = text.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
        match variable {
            Some(name) => {
                let is_path = name.split('.').all(is_word);
                is_path.then(|| Self::Variable(name.to_owned()))
            }
            None => is_word(text).then(|| Self::Literal(text.to_owned())),
        }
    }
}

fn is_word(text: &str) -> bool {
    let is_of_words = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.bytes().all(is_of_words)
}

/// A path of a request, taken apart once for all templates.
pub(super) struct SplitPath<'a> {
    segments: Vec<&'a str>,
    verb: Option<&'a str>,
}

impl<'a> SplitPath<'a> {
    /// Takes `path` apart; nothing if no template has so many segments, however long the rest is. A colon in the
    /// last segment begins a verb unless it is percent-encoded.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let mut parts = path.splitn(SEGMENTS_MAX + 1, '/');
        let mut segments: Vec<_> = parts.by_ref().take(SEGMENTS_MAX).collect();
        if parts.next().is_some() {
            return None;
        }
        let mut verb = None;
        if let Some(last) = segments.last_mut()
            && let Some((segment, behind)) = last.rsplit_once(':')
        {
            *last = segment;
            verb = Some(behind);
        }
        Some(Self { segments, verb })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<'a>(template: &str, path: &'a str) -> Option<Vec<&'a str>> {
        Template::parse(template)
            .unwrap()
            .values(&SplitPath::of(path)?)
    }

    #[test]
    fn a_verb_a_literal_and_a_variable_are_not_confused() {
        let one = "/v1/challenges/{id}";
        assert_eq!(values(one, "/v1/challenges/a"), Some(vec!["a"]));
        assert_eq!(values(one, "/v1/challenges/a%3Ab"), Some(vec!["a%3Ab"]));
        for path in [
            "/v1/challenges",
            "/v1/challenges/",
            "/v1/challenges/a/",
            "/v1/challenges/a:b",
            "/v1/challenges/a:",
            "/v1/challenges/:b",
            "/v1/challenges:a",
            "//v1/challenges/a",
            "v1/challenges/a",
            "/V1/challenges/a",
            "/v1/%63hallenges/a",
            "/v1/challenges/a/tip",
            "",
            "*",
        ] {
            assert_eq!(values(one, path), None, "{path}");
        }
        let revert = "/v1/challenges/{id}:revert";
        assert_eq!(values(revert, "/v1/challenges/a:revert"), Some(vec!["a"]));
        assert_eq!(
            values(revert, "/v1/challenges/a:b:revert"),
            Some(vec!["a:b"])
        );
        assert_eq!(values(revert, "/v1/challenges/:revert"), None);
        let batch = "/v1/challenges:batchGet";
        assert_eq!(values(batch, "/v1/challenges:batchGet"), Some(vec![]));
        assert_eq!(values(batch, "/v1/challenges"), None);
    }

    #[test]
    fn a_path_of_a_million_slashes_is_left_alone() {
        assert!(SplitPath::of(&"/".repeat(1 << 20)).is_none());
        let colons = format!("/v1/challenges/{}", ":".repeat(1 << 20));
        assert_eq!(values("/v1/challenges/{id}", &colons), None);
    }

    #[test]
    fn a_template_that_this_does_not_understand_is_refused() {
        for text in [
            "",
            "v1",
            "/",
            "/v1/",
            "/v1/*",
            "/v1/{a=**}",
            "/v1/{}",
            "/v1/{a}:",
            "/v1/{a",
            "/v1:a/b",
        ] {
            assert_eq!(Template::parse(text), None, "{text}");
        }
        let template = Template::parse("/v1/{a.b}/c/{d}:e").unwrap();
        assert_eq!(template.variables().collect::<Vec<_>>(), ["a.b", "d"]);
    }
}
