use std::collections::BTreeSet;

use super::*;
use crate::http::{fixtures::ROUTES, openapi};

fn made() -> (Value, String) {
    let document = openapi::document(&ROUTES);
    let page = String::from_utf8(page(&document).to_vec()).unwrap();
    (document, page)
}

/// The values of an attribute.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!(" {name}=\"");
    let values = page.split(&begin).skip(1);
    values.map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn every_operation_and_every_message_is_shown() {
    let (document, page) = made();
    let ids = attributes(&page, "id");
    let different: BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len());
    for (path, item) in entries(&document, "/paths") {
        assert!(
            page.contains(&format!("<code>{}</code>", escaped(path))),
            "{path}"
        );
        for call in item.as_object().unwrap().values() {
            assert!(ids.contains(&text(call, "/operationId")));
        }
    }
    for (name, _) in entries(&document, "/components/schemas") {
        assert!(ids.contains(&&*format!("schema-{name}")), "{name}");
    }
}

#[test]
fn nothing_is_fetched_and_every_link_within_the_page_leads_somewhere() {
    let (_, page) = made();
    let ids = attributes(&page, "id");
    for link in attributes(&page, "href") {
        let target = link.strip_prefix('#');
        assert!(
            target.map_or(link == "/openapi.json", |target| ids.contains(&target)),
            "{link}"
        );
    }
    for fetched in [
        "<script", "<link", "<img", "<iframe", " src=", "url(", "@import", " style=", "onclick",
    ] {
        assert!(!page.contains(fetched), "{fetched}");
    }
}

#[test]
fn elements_are_closed_in_the_order_in_which_they_were_opened() {
    let (_, page) = made();
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.split([' ', '\n']).next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if matches!(name, "!doctype" | "meta" | "br") => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn examples_are_lines_for_a_shell() {
    let (_, page) = made();
    for line in [
        "curl 'http://127.0.0.1:8080/v1/challenges'",
        "curl 'http://127.0.0.1:8080/v1/challenges:batchGet?ids=7368dad2-43a3-4359-95c9-2405f700f00e'",
        "curl -N 'http://127.0.0.1:8080/v1/challenges/7368dad2-43a3-4359-95c9-2405f700f00e/tip'",
        "curl -X POST -H 'Content-Type: application/json' -d '{\"difficulty\":\"DIFFICULTY_BEGINNER\",\"title\":\"…\"}' \
         'http://127.0.0.1:8080/v1/admin/challenges'",
        "curl -X POST -H 'Content-Type: application/json' -d '{\"tag\":\"challenges\"}' \
         'http://127.0.0.1:8080/v1/admin/cache:invalidate'",
        "curl -X PATCH -H 'Content-Type: application/json' -d '{\"value\":1}' 'http://127.0.0.1:8080/v1/admin/settings/cache_ttl_ms'",
    ] {
        assert!(
            page.contains(&format!("<code>{}</code>", escaped(line))),
            "{line}"
        );
    }
}
