//! A real Varnish with the documented VCL, before an origin that counts.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use challenges_catalog::{
    domain::{Difficulty, EdgeCache, Tag},
    edges::{self, HttpEdge},
};

use super::fixture::{BEGINNER, answer, line, version};
use crate::{
    ops::scene::ask,
    support::{scripted::Scripted, varnish::Varnish, wait::eventually},
};

const ADVANCED: Tag = Tag::Difficulty(Difficulty::Advanced);
const SOON: Duration = Duration::from_secs(5);

/// An origin whose lists say in which commit it is, and a Varnish before it.
struct Scene {
    commit: Arc<AtomicU64>,
    origin: Scripted,
    edge: HttpEdge,
    varnish: Varnish,
}

impl Scene {
    async fn start(cache_control: &'static str) -> Self {
        let commit = Arc::new(AtomicU64::new(1));
        let now = Arc::clone(&commit);
        let origin = Scripted::answering(move |exchange| {
            let all = "difficulty:beginner difficulty:intermediate difficulty:advanced";
            let line = line(exchange);
            let of = |name: &&str| line.contains(&format!("difficulty={name}"));
            let one = ["beginner", "intermediate", "advanced"]
                .into_iter()
                .find(of);
            let keys = one.map_or(all.to_owned(), |name| format!("difficulty:{name}"));
            let version = version(now.load(SeqCst));
            let head = format!(
                "200 OK\r\ncache-control: {cache_control}\r\nxkey: challenges {keys}\r\n\
                 x-catalog-version: {version}\r\n"
            );
            answer(&head, "{}")
        });
        let origin = origin.await;
        let varnish = Varnish::before(&origin.url());
        let edge = edges::varnish(varnish.url().parse().unwrap(), None);
        Self {
            commit,
            origin,
            edge: edge.unwrap(),
            varnish,
        }
    }

    async fn shows(&self, tag: Tag, commit: u64) -> bool {
        self.edge.reached(&[tag], version(commit)).await.is_ok()
    }
}

#[tokio::test]
async fn what_has_the_tag_is_gone_and_what_has_not_stays() {
    let scene = Scene::start("public, s-maxage=60").await;
    for tag in [Tag::Everything, BEGINNER, ADVANCED] {
        assert!(scene.shows(tag, 1).await);
    }
    scene.commit.store(2, SeqCst);
    for tag in [Tag::Everything, BEGINNER, ADVANCED] {
        assert!(!scene.shows(tag, 2).await, "{tag}: it is cached");
    }
    assert_eq!(scene.origin.exchanges().len(), 3);
    scene.edge.purge(&[BEGINNER], true).await.unwrap();
    assert!(scene.shows(BEGINNER, 2).await && scene.shows(Tag::Everything, 2).await);
    assert!(!scene.shows(ADVANCED, 2).await);
    scene.edge.purge(&[Tag::Everything], true).await.unwrap();
    assert!(scene.shows(ADVANCED, 2).await);
    assert_eq!(scene.origin.exchanges().len(), 6);
}

#[tokio::test]
async fn a_soft_purge_leaves_what_the_answer_allows_and_no_more() {
    let lenient = Scene::start("public, s-maxage=60, stale-while-revalidate=60").await;
    let strict = Scene::start("public, max-age=60, must-revalidate").await;
    for (scene, serves_stale) in [(&lenient, true), (&strict, false)] {
        assert!(scene.shows(BEGINNER, 1).await);
        scene.commit.store(2, SeqCst);
        scene.edge.purge(&[BEGINNER], false).await.unwrap();
        assert_eq!(scene.shows(BEGINNER, 2).await, !serves_stale);
        let fetched = "what it fetches in the background is shown";
        eventually(fetched, SOON, async || scene.shows(BEGINNER, 2).await).await;
    }
}

#[tokio::test]
async fn a_purge_without_tags_is_refused_and_purges_nothing() {
    let scene = Scene::start("public, s-maxage=60").await;
    assert!(scene.shows(BEGINNER, 1).await);
    let addr = scene.varnish.url().replace("http://", "").parse().unwrap();
    let answer = ask(addr, "PURGE / HTTP/1.1").await;
    assert_eq!(answer.status, 400, "{}", answer.head);
    scene.commit.store(2, SeqCst);
    assert!(!scene.shows(BEGINNER, 2).await);
}
