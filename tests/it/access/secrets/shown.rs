//! The places where a secret could be seen: none of them shows any.
use std::fs;

use bb8_redis::redis::cmd;
use challenges_catalog::{
    config::{ClientConfig, EnvVars, Flags, load},
    pb::{
        admin::v1::{GetCacheStatusRequest, cache_admin_client::CacheAdminClient},
        catalog::v1::{ListChallengesRequest, challenges_catalog_client::ChallengesCatalogClient},
    },
};
use futures_util::future::join_all;
use tonic::transport::Channel;

use super::{
    marks::Marks,
    scene::{GUARDED, Scene, admit, change_password, secret_settings},
};
use crate::{
    access::{
        roles::{call, methods},
        scene::{connect, with_header},
    },
    ops::scene::get,
    startup::ended::{Ended, run},
    support::{process::PATIENCE, program::run_well, replica::Replica, wait::eventually},
    tips::wire_stream::{ask, question},
};

impl Scene {
    fn none_is_in(&self, place: &str, text: &str) {
        self.marks.are_not_in(place, text);
    }

    /// What shows settings shows them blanked.
    async fn settings_are_blank(&self) {
        for arguments in [
            &["config", "print"][..],
            &["config", "print", "--output", "json"],
            &["config", "check"],
            &["config", "redis-acl"],
        ] {
            let shown = run_well(arguments, &self.environment()).await;
            self.none_is_in(&arguments.join(" "), &shown);
        }
        let environment: EnvVars = self.environment.iter().cloned().collect();
        let loaded = load(&Flags::new(), &environment).unwrap();
        self.none_is_in("Debug", &format!("{loaded:?} {loaded:#?}"));
    }

    async fn channel(&self, replica: &Replica) -> Channel {
        let trusted = self.files.authority.trusted();
        connect(replica, trusted).await.unwrap()
    }

    /// Calls every method with each of these credentials.
    async fn every_method(&self, replica: &Replica, headers: &[String]) {
        let channel = self.channel(replica).await;
        for path in methods() {
            let calls = headers
                .iter()
                .map(|header| call(&channel, &path, Some(header)));
            for status in join_all(calls).await.into_iter().filter_map(Result::err) {
                let shown = format!("{status:?} {:?}", status.metadata());
                self.none_is_in(&format!("a status of {path}"), &shown);
            }
        }
    }

    /// Makes calls that need every dependency.
    async fn calls(&self, replica: &Replica) {
        let channel = self.channel(replica).await;
        let request = with_header(ListChallengesRequest::default(), &self.operator);
        let mut catalog = ChallengesCatalogClient::new(channel.clone());
        let listed = catalog.list_challenges(request).await;
        self.none_is_in("a list", &format!("{listed:?}"));
        let heard = ask(catalog, with_header(question(), &self.operator)).await;
        self.none_is_in("a tip", &format!("{heard:?}"));
        let request = with_header(GetCacheStatusRequest::default(), &self.operator);
        let told = CacheAdminClient::new(channel)
            .get_cache_status(request)
            .await;
        self.none_is_in("the cache status", &format!("{told:?}"));
    }

    /// What operators look at.
    async fn pages(&self, replica: &Replica) {
        for page in ["/metrics", "/livez", "/readyz?verbose", "/debug/config"] {
            let shown = get(self.pages, page).await;
            assert!(!shown.body.is_empty(), "{page}");
            self.none_is_in(page, &format!("{}{}", shown.head, shown.body));
        }
        // What `ps` shows to everybody.
        let command = fs::read(format!("/proc/{}/cmdline", replica.pid())).unwrap();
        self.none_is_in("ps", &String::from_utf8_lossy(&command));
    }

    /// The command line with each token, and with a certificate.
    async fn commands(&self, replica: &Replica) {
        for header in &self.headers[2..7] {
            let token = header.trim_start_matches("Bearer ");
            self.files.write("token", token);
            let environment = [
                ("CATALOG_ADDR", format!("https://{}", replica.addr())),
                ("CATALOG_TLS_CA", self.files.path("ca.pem")),
                ("CATALOG_TOKEN_FILE", self.files.path("token")),
                ("CATALOG_CLIENT_CERT", self.files.path("server.pem")),
                ("CATALOG_CLIENT_KEY", self.files.path("server.key")),
            ];
            for arguments in [&["list"][..], &["admin", "cache", "status"]] {
                let Ended { out, err, .. } = run(arguments, &environment).await;
                self.none_is_in(&arguments.join(" "), &format!("{out}{err}"));
            }
            let environment = environment.into_iter().collect();
            let config = ClientConfig::load(&Flags::new(), &environment);
            self.none_is_in("Debug", &format!("{config:?}"));
        }
    }

    /// Passwords do not count any more, and files have what they must not have.
    async fn break_everything(&self, replica: &Replica) {
        change_password(&self.database, "another").await;
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{GUARDED}'"
        );
        admit(&self.redis, "another");
        for name in ["DATABASE_URL", "REDIS_URL"] {
            let url = fs::read_to_string(self.files.path(name)).unwrap();
            let password = url.split([':', '@']).nth(2).unwrap();
            self.files.write(name, password);
        }
        self.database.execute(&end).await;
        self.redis
            .ask::<i64>(cmd("CLIENT").arg(&["KILL", "USER", "catalog"]));
        let token = self.operator.trim_start_matches("Bearer ");
        let pasted = format!("[[token]]\nname = \"a\"\nsha256 = \"{token}\"\nrole = \"viewer\"\n");
        self.files.write("access.toml", &pasted);
        replica.signal("HUP");
        eventually("all of it is told", 3 * PATIENCE, async || {
            self.calls(replica).await;
            let log = replica.log();
            [
                "it refuses the login",
                "DATABASE_URL_FILE cannot be read",
                "shared cache does not answer",
                "a file with the log-in cannot be used",
                "the access file cannot be used",
            ]
            .iter()
            .all(|told| log.contains(told))
        })
        .await;
    }
}

#[tokio::test]
async fn no_secret_that_a_server_is_given_or_sent_is_shown_by_anything() {
    let scene = Scene::new().await;
    scene.settings_are_blank().await;
    let replica = Replica::start(&scene.environment()).await;
    scene.every_method(&replica, &scene.headers).await;
    scene.calls(&replica).await;
    scene.pages(&replica).await;
    scene.commands(&replica).await;
    scene.break_everything(&replica).await;
    scene.pages(&replica).await;
    scene.postgres.kill();
    scene.redis.kill();
    let operator = std::slice::from_ref(&scene.operator);
    scene.every_method(&replica, operator).await;
    scene.calls(&replica).await;
    scene.pages(&replica).await;
    replica.sigterm_and_wait().await;
    let log = replica.log();
    // The last stands for all that do not trace but log, such as rustls.
    for library in ["h2", "hyper", "log"] {
        let is_loud = log.contains(&format!("\"target\":\"{library}"));
        assert!(is_loud, "nothing of {library} is logged");
    }
    scene.none_is_in("the log", &log);
    for file in fs::read_dir(replica.folder()).unwrap() {
        let text = fs::read(file.unwrap().path()).unwrap_or_default();
        scene.none_is_in("a file beside", &String::from_utf8_lossy(&text));
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for setting in secret_settings() {
        let mut marks = Marks::default();
        let mark = marks.make(setting.env);
        let file = folder.path().join(setting.env);
        fs::write(&file, format!("{mark}\n{mark}: ä\n")).unwrap();
        let in_file = (setting.env_file().unwrap(), file.display().to_string());
        for (name, value) in [
            (setting.env.to_owned(), format!("{mark}\n{mark}")),
            (setting.env.to_owned(), format!("redis://a:{mark}/x@{mark}")),
            in_file,
        ] {
            let environment = [(name.as_str(), value)];
            for arguments in [&["config", "check"][..], &["config", "print"]] {
                let Ended { out, err, .. } = run(arguments, &environment).await;
                marks.are_not_in(&arguments.join(" "), &format!("{out}{err}"));
            }
        }
    }
    let mut marks = Marks::default();
    let token = marks.make("a token");
    let file = folder.path().join("access.toml");
    for entry in [
        format!("[[token]]\nname = \"a\"\nrole = \"viewer\"\nsha256 = \"{token}\"\n"),
        format!("[[token]]\nname = \"a\"\nrole = \"viewer\"\ntoken = \"{token}\"\n"),
        format!("[[token]]\nname = \"a\"\nrole = \"viewer\"\nsha256 = {token}\n"),
        format!("[[token]]\nname = \"a\"\nrole = \"viewer\"\nsha256 = [\"{token}\"]\n"),
        token.clone(),
    ] {
        fs::write(&file, entry).unwrap();
        let environment = [("CATALOG_ACCESS_FILE", file.display().to_string())];
        let arguments = ["serve", "--grpc-addr", "127.0.0.1:0"];
        let Ended { code, out, err } = run(&arguments, &environment).await;
        assert_ne!(code, Some(0));
        marks.are_not_in("serve", &format!("{out}{err}"));
    }
}
