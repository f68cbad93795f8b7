//! Texts without the passwords in them.
use url::Url;

/// The URL for people: scheme, user, host, port and path; never the password, the query or the fragment.
pub(super) fn redacted(url: &Url) -> String {
    redacted_list(std::slice::from_ref(url))
}

/// URLs that are alike but for host and port as one, as [`redacted`]; empty for none.
pub(super) fn redacted_list(urls: &[Url]) -> String {
    let Some(first) = urls.first() else {
        return String::new();
    };
    let hosts: Vec<_> = urls.iter().map(host).collect();
    format!(
        "{}://{}{}{}",
        first.scheme(),
        credentials(first),
        hosts.join(","),
        first.path()
    )
}

/// The host and the port, where it is named.
fn host(url: &Url) -> String {
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// The user and a blank for the password, with the `@`; empty when the URL has neither.
fn credentials(url: &Url) -> String {
    match (url.username(), url.password()) {
        ("", None) => String::new(),
        (user, None) => format!("{user}@"),
        (user, Some(_)) => format!("{user}:***@"),
    }
}

/// The text with everything blanked that stands between `://` and an `@`, for
/// messages that repeat what somebody typed.
#[must_use]
pub fn blank_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut blanked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(char::is_whitespace).unwrap_or(part.len());
        let (address, rest) = part.split_at_checked(end).unwrap_or((part, ""));
        blanked.push_str("://");
        match address.rsplit_once('@') {
            Some((_, host)) => blanked.extend(["***@", host]),
            None => blanked.push_str(address),
        }
        blanked.push_str(rest);
    }
    blanked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_blanked_wherever_a_url_stands() {
        let text = "unknown 'postgres://u:p@ss@db/x' and redis://:p@r or http://open here@there";
        assert_eq!(
            blank_passwords(text),
            "unknown 'postgres://***@db/x' and redis://***@r or http://open here@there"
        );
    }
}
