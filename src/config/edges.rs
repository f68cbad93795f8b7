//! What the settings of edge caches must have in common: no kind lacks what it needs, and nothing is set in vain.
use std::collections::BTreeSet;

use secrecy::SecretString;

use super::{
    EdgeKind, EdgesConfig, ProviderUrl, Setting,
    reader::{Origin, Reader},
    settings::{
        EDGE_PURGE, EDGE_PURGE_ON, EDGE_PURGE_SERVICE, EDGE_PURGE_TOKEN, EDGE_PURGE_URL, EDGE_URL,
    },
};

/// The most instances of Varnish, and the most URLs that are asked.
const URLS_MAX: usize = 32;

/// Notes what is wrong with the settings of edge caches together.
pub(super) fn check(reader: &mut Reader<'_>) {
    let Some(kind) = reader.value::<EdgeKind>(&EDGE_PURGE) else {
        return;
    };
    match kind {
        EdgeKind::None => check_none(reader),
        EdgeKind::Varnish => check_varnish(reader),
        EdgeKind::Fastly => check_service(reader, "the id of the service at Fastly"),
        EdgeKind::Cloudflare => check_service(reader, "the id of the zone at Cloudflare"),
    }
}

/// Without an edge nothing else is of use.
fn check_none(reader: &mut Reader<'_>) {
    let others = [
        &EDGE_PURGE_URL,
        &EDGE_PURGE_TOKEN,
        &EDGE_PURGE_SERVICE,
        &EDGE_URL,
        &EDGE_PURGE_ON,
    ];
    for setting in others {
        if reader.origin(setting) != Origin::Default {
            reader.refuse(
                setting,
                "is of no use: edge_purge is none, so no edge cache is purged",
            );
        }
    }
}

fn check_varnish(reader: &mut Reader<'_>) {
    for setting in [&EDGE_PURGE_TOKEN, &EDGE_PURGE_SERVICE] {
        if reader.origin(setting) != Origin::Default {
            let problem = "is of no use: Varnish lets in who purges by an ACL of its VCL, and has no services";
            reader.refuse(setting, problem);
        }
    }
    let (Some(instances), Some(asked)) = (urls(reader, &EDGE_PURGE_URL), urls(reader, &EDGE_URL))
    else {
        return;
    };
    let place = |url: &ProviderUrl| {
        let (host, port) = (url.url().host_str(), url.url().port_or_known_default());
        (host.map(str::to_owned), port)
    };
    let places: BTreeSet<_> = instances.iter().map(place).collect();
    if places.len() < instances.len() {
        reader.refuse(&EDGE_PURGE_URL, "names an instance twice");
    } else if instances.is_empty() {
        let problem = "needs edge_purge_url as well: where the instances of Varnish are";
        reader.refuse(&EDGE_PURGE, problem);
    } else if asked.len() > 1 && asked.len() != instances.len() {
        let problem = format!(
            "must be one URL, or one for each of the {} instances of edge_purge_url in their order, not {}",
            instances.len(),
            asked.len()
        );
        reader.refuse(&EDGE_URL, problem);
    }
}

fn check_service(reader: &mut Reader<'_>, service: &str) {
    let token = reader.value::<Option<SecretString>>(&EDGE_PURGE_TOKEN);
    if matches!(token, Some(None)) {
        let problem = "needs edge_purge_token as well: the API token that may purge";
        reader.refuse(&EDGE_PURGE, problem);
    }
    let id = reader.value::<Option<String>>(&EDGE_PURGE_SERVICE);
    if matches!(id, Some(None)) {
        let problem = format!("needs edge_purge_service as well: {service}");
        reader.refuse(&EDGE_PURGE, problem);
    }
    if urls(reader, &EDGE_URL).is_some_and(|urls| urls.is_empty()) {
        let problem = "needs edge_url as well: what callers of the edge ask, to prove purges by";
        reader.refuse(&EDGE_PURGE, problem);
    }
    if urls(reader, &EDGE_PURGE_URL).is_some_and(|urls| urls.len() > 1) {
        reader.refuse(
            &EDGE_PURGE_URL,
            "must be one URL: there is one API, whatever it purges",
        );
    }
}

/// The URLs of a setting. None: they cannot be read, or are too many; that is noted.
fn urls(reader: &mut Reader<'_>, setting: &Setting) -> Option<Vec<ProviderUrl>> {
    let urls = reader.value::<Vec<ProviderUrl>>(setting)?;
    if urls.len() > URLS_MAX {
        reader.refuse(setting, format!("must be {URLS_MAX} URLs at most"));
        return None;
    }
    Some(urls)
}

/// What works, and was probably not meant so: a token that others can read on its way.
pub(super) fn warning(config: &EdgesConfig) -> Option<String> {
    let is_exposed = config
        .purge_urls
        .iter()
        .any(ProviderUrl::is_open_to_readers);
    (config.token.is_some() && is_exposed).then(|| {
        format!(
            "{} is plain http: the token can be read on its way",
            EDGE_PURGE_URL.env
        )
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{EnvVars, Flags, load};

    fn problems(pairs: &[(&str, &str)]) -> Vec<String> {
        let environment: EnvVars = pairs.iter().copied().collect();
        let loaded = load(&Flags::new(), &environment).map(|_| ());
        loaded.err().map_or_else(Vec::new, |problems| {
            problems.0.iter().map(ToString::to_string).collect()
        })
    }

    const FASTLY: [(&str, &str); 4] = [
        ("CATALOG_EDGE_PURGE", "fastly"),
        ("CATALOG_EDGE_PURGE_TOKEN", "S3CR3T"),
        ("CATALOG_EDGE_PURGE_SERVICE", "SU1Z0isxPaozGVKXdv0eY"),
        ("CATALOG_EDGE_URL", "https://catalog.example.org"),
    ];

    #[test]
    fn each_kind_is_accepted_with_what_it_needs() {
        let varnish = [
            ("CATALOG_EDGE_PURGE", "varnish"),
            ("CATALOG_EDGE_PURGE_URL", "http://a:6081, http://b:6081"),
            ("CATALOG_EDGE_PURGE_ON", "commits"),
        ];
        let mut cloudflare = FASTLY;
        cloudflare[0].1 = "cloudflare";
        for settings in [&varnish[..], &FASTLY, &cloudflare] {
            assert_eq!(problems(settings), [""; 0]);
        }
    }

    #[test]
    fn what_a_kind_lacks_is_named() {
        let found = problems(&[("CATALOG_EDGE_PURGE", "varnish")]);
        assert!(
            matches!(&*found, [problem] if problem.contains("needs edge_purge_url")),
            "{found:?}"
        );
        for kind in ["fastly", "cloudflare"] {
            let found = problems(&[("CATALOG_EDGE_PURGE", kind)]);
            let wanted = ["edge_purge_token", "edge_purge_service", "edge_url"];
            assert_eq!(found.len(), wanted.len(), "{found:?}");
            for (problem, setting) in found.iter().zip(wanted) {
                let needs = format!("CATALOG_EDGE_PURGE: needs {setting} as well");
                assert!(problem.starts_with(&needs), "{problem}");
            }
        }
    }

    #[test]
    fn what_is_set_in_vain_is_refused() {
        let mut none = FASTLY;
        none[0].1 = "none";
        assert_eq!(problems(&none).len(), 3);
        let mut varnish = FASTLY.to_vec();
        varnish[0].1 = "varnish";
        varnish.push(("CATALOG_EDGE_PURGE_URL", "http://a:6081"));
        let found = problems(&varnish);
        assert!(
            found.len() == 2 && found.iter().all(|problem| problem.contains("of no use")),
            "{found:?}"
        );
    }

    #[test]
    fn urls_that_do_not_go_together_are_refused() {
        let varnish = |instances, asked| {
            problems(&[
                ("CATALOG_EDGE_PURGE", "varnish"),
                ("CATALOG_EDGE_PURGE_URL", instances),
                ("CATALOG_EDGE_URL", asked),
            ])
        };
        assert_eq!(varnish("http://a,http://b", "https://c"), [""; 0]);
        assert_eq!(varnish("http://a,http://b", "http://c,http://d"), [""; 0]);
        assert!(varnish("http://a", "http://c,http://d")[0].contains("one for each of the 1"));
        for twice in ["http://a,http://a", "http://a:80/x,http://a"] {
            assert!(varnish(twice, "")[0].contains("twice"), "{twice}");
        }
        assert!(varnish("a:6081", "")[0].starts_with("CATALOG_EDGE_PURGE_URL"));
        let mut two = FASTLY.to_vec();
        two.push(("CATALOG_EDGE_PURGE_URL", "https://a,https://b"));
        assert!(problems(&two)[0].contains("must be one URL"));
    }

    #[test]
    fn an_id_that_would_leave_its_place_in_the_path_is_refused() {
        for id in ["../x", "a b", "a?b", "a/b"] {
            let mut fastly = FASTLY;
            fastly[2].1 = id;
            assert!(problems(&fastly)[0].contains("letters"), "{id}");
        }
    }

    #[test]
    fn a_token_is_shown_to_nobody_and_not_sent_in_the_open_without_a_warning() {
        let mut settings = FASTLY.to_vec();
        settings.push(("CATALOG_EDGE_PURGE_URL", "http://api.example.org"));
        let environment: EnvVars = settings.into_iter().collect();
        let loaded = load(&Flags::new(), &environment).unwrap();
        assert!(!format!("{:?} {:?}", loaded.config, loaded.entries).contains("S3CR3T"));
        assert!(
            loaded.warnings.iter().any(|it| it.contains("plain http")),
            "{:?}",
            loaded.warnings
        );
    }
}
