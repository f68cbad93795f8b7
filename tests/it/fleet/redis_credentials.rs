//! What shows Redis who the service is, and how it is replaced while the service runs.
use std::fs;

use bb8_redis::redis::cmd;
use rcgen::date_time_ymd;
use tempfile::TempDir;

use super::redis_kinds::{NO_NEAR_CACHE, TIMEOUT, comes_to, has, read};
use crate::{
    startup::ended::serve,
    support::{
        authority::{Authority, Pair},
        fleet,
        postgres::{self, Database},
        process::{self, PATIENCE},
        redis::{self, Redis, SERVICE, Sentinel},
        replica::Replica,
        wait::eventually,
    },
};

/// Servers that ask for certificates, and the files of a client.
pub struct Files {
    folder: TempDir,
    authority: Authority,
}

impl Files {
    pub fn new() -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        authority.peer().write(folder.path());
        fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let files = Self { folder, authority };
        files.show(&files.authority.user("catalog"));
        files
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// What a server needs to speak TLS on this port with those alone who have a certificate.
    pub fn server(&self, port: u16) -> Vec<String> {
        [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", self.path("server.pem")),
            ("--tls-key-file", self.path("server.key")),
            ("--tls-ca-cert-file", self.path("ca.pem")),
            ("--tls-auth-clients", "yes".to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }

    /// Puts this pair where the client's is.
    fn show(&self, pair: &Pair) {
        pair.write_as(self.folder.path(), "client");
    }

    pub fn client(&self, url: &str) -> Vec<(&'static str, String)> {
        vec![
            ("REDIS_URL", url.to_owned()),
            ("REDIS_TLS_CA", self.path("ca.pem")),
            ("REDIS_TLS_CERT", self.path("client.pem")),
            ("REDIS_TLS_KEY", self.path("client.key")),
        ]
    }
}

/// A server with these arguments beside the usual ones.
pub fn start(arguments: &[String]) -> Redis {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    redis::start_with(&arguments)
}

async fn replica(database: &Database, settings: &[(&'static str, String)]) -> Replica {
    let usual = [NO_NEAR_CACHE, TIMEOUT].map(|(name, value)| (name, value.to_owned()));
    let mut all = vec![("DATABASE_URL", database.url())];
    all.extend(usual);
    all.extend_from_slice(settings);
    Replica::start(&all).await
}

async fn migrated() -> Database {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    database
}

#[tokio::test]
async fn servers_sentinels_and_clusters_that_ask_for_a_certificate_are_shown_ours() {
    let (files, database) = (Files::new(), migrated().await);
    let tls_port = process::free_port();
    let redis = start(&files.server(tls_port));
    let sentinel_port = process::free_port();
    let mut lines = files
        .server(sentinel_port)
        .chunks(2)
        .map(|setting| setting.join(" ").replacen("--", "", 1))
        .collect::<Vec<_>>();
    lines.push("tls-replication yes".to_owned());
    let _sentinel = Sentinel::watching(tls_port, &lines.join("\n"));
    for (url, page_size) in [
        (format!("rediss://127.0.0.1:{tls_port}"), 20),
        (
            format!("rediss-sentinel://127.0.0.1:{sentinel_port}/{SERVICE}"),
            40,
        ),
    ] {
        let replica = replica(&database, &files.client(&url)).await;
        comes_to(&redis, &replica, page_size).await;
    }

    let tls_port = process::free_port();
    let mut arguments = files.server(tls_port);
    let more = [
        "--tls-cluster",
        "yes",
        "--cluster-enabled",
        "yes",
        "--cluster-announce-ip",
        "127.0.0.1",
    ];
    arguments.extend(more.map(str::to_owned));
    let node = start(&arguments);
    let slots = ["ADDSLOTSRANGE", "0", "16383"];
    node.ask::<()>(cmd("CLUSTER").arg(&slots));
    eventually("the cluster has begun", PATIENCE, async || {
        let told: String = node.ask(cmd("CLUSTER").arg("INFO"));
        told.contains("cluster_state:ok")
    })
    .await;
    let url = format!("rediss-cluster://127.0.0.1:{tls_port}");
    let replica = replica(&database, &files.client(&url)).await;
    comes_to(&node, &replica, 30).await;
}

#[tokio::test]
async fn a_certificate_that_redis_refuses_is_told_and_its_successor_is_taken_without_a_restart() {
    let (files, database) = (Files::new(), migrated().await);
    let tls_port = process::free_port();
    let redis = start(&files.server(tls_port));
    files.show(&files.authority.certify(|params| {
        params.not_after = date_time_ymd(2021, 1, 1);
    }));
    let url = format!("rediss://127.0.0.1:{tls_port}");
    let replica = replica(&database, &files.client(&url)).await;
    eventually("the log tells the cause", PATIENCE, async || {
        read(&replica, 20).await;
        let log = replica.log();
        log.contains("shared cache does not answer") && log.contains("CertificateExpired")
    })
    .await;
    files.show(&files.authority.user("catalog"));
    comes_to(&redis, &replica, 20).await;
}

#[tokio::test]
async fn what_is_no_certificate_with_its_key_is_refused_in_words() {
    let (files, database) = (Files::new(), migrated().await);
    let url = "rediss://127.0.0.1:1";
    let with = |name: &str, value: &str| {
        let mut settings = files.client(url);
        settings.retain(|(own, _)| *own != name);
        settings.push(("DATABASE_URL", database.url()));
        if !value.is_empty() {
            let name = if name == "REDIS_TLS_KEY" {
                "REDIS_TLS_KEY"
            } else {
                "REDIS_TLS_CERT"
            };
            settings.push((name, value.to_owned()));
        }
        settings
    };
    let half = serve(&with("REDIS_TLS_KEY", "")).await;
    half.with(2, &["REDIS_TLS_CERT", "needs redis_tls_key as well"]);
    let half = serve(&with("REDIS_TLS_CERT", "")).await;
    half.with(2, &["REDIS_TLS_KEY", "needs redis_tls_cert as well"]);
    let missing = serve(&with("REDIS_TLS_CERT", "/no/such")).await;
    missing.with(2, &["REDIS_TLS_CERT", "cannot read /no/such"]);
    let missing = serve(&with("REDIS_TLS_KEY", "/no/such")).await;
    missing.with(1, &["REDIS_TLS_KEY", "cannot read /no/such"]);
    let no_key = serve(&with("REDIS_TLS_KEY", &files.path("client.pem"))).await;
    no_key.with(1, &["REDIS_TLS_KEY", "no private key in PEM"]);
    let other = serve(&with("REDIS_TLS_KEY", &files.path("server.key"))).await;
    other.with(1, &["the key is not that of the certificate"]);
    fs::write(files.path("odd.pem"), "-----BEGIN CERTIFICATE-----\n!\n").unwrap();
    let odd = serve(&with("REDIS_TLS_CERT", &files.path("odd.pem"))).await;
    odd.with(1, &["REDIS_TLS_CERT", "the certificate cannot be read"]);
    let mut plain = files.client("redis://127.0.0.1:1");
    plain.retain(|(name, _)| *name != "REDIS_TLS_CA");
    let refused = serve(&plain).await;
    refused.with(2, &["REDIS_TLS_CERT", "REDIS_TLS_KEY", "is of no use"]);
}

#[tokio::test]
async fn a_password_that_was_changed_in_a_cluster_is_taken_from_the_file_without_a_restart() {
    let (cluster, database) = (redis::cluster(), migrated().await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    let change_to = |password: &str| {
        let rule = format!(">{password}");
        let user = [
            "SETUSER",
            "catalog",
            "on",
            "resetpass",
            &rule,
            "~*",
            "&*",
            "+@all",
        ];
        for node in &cluster.nodes {
            node.ask::<()>(cmd("ACL").arg(&user));
        }
    };
    let write = |password: &str| {
        let url = cluster.url();
        let url = url.replace("://", &format!("://catalog:{password}@"));
        fs::write(&file, url).unwrap();
    };
    let is_in_redis = async |replica: &Replica, page_size| {
        read(replica, page_size).await;
        cluster.nodes.iter().any(|node| has(node, page_size))
    };
    change_to("before");
    write("before");
    let settings = [("REDIS_URL_FILE", file.display().to_string())];
    let replica = replica(&database, &settings).await;
    eventually("it is used", PATIENCE, async || {
        is_in_redis(&replica, 20).await
    })
    .await;
    change_to("after");
    for node in &cluster.nodes {
        node.ask::<i64>(cmd("CLIENT").arg(&["KILL", "USER", "catalog"]));
    }
    eventually("the old password is refused", PATIENCE, async || {
        read(&replica, 30).await;
        replica.log().contains("shared cache does not answer")
    })
    .await;
    write("after");
    eventually("it is used again", PATIENCE, async || {
        is_in_redis(&replica, 40).await
    })
    .await;
}
