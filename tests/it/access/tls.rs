//! TLS: what is spoken, whom it lets in, and how certificates are replaced while calls go on.
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        pki_types::{CertificateDer, pem::PemObject},
        version::{TLS12, TLS13},
    },
};

use super::scene::{Files, connect, connect_as, list, token_entry};
use crate::{
    ops::scene::{metric, metrics},
    startup::ended::{run, serve},
    support::{authority::Authority, process::PATIENCE, replica::Replica, wait::eventually},
};

/// Does a handshake with one version; the certificate that the server shows, and what was agreed to be spoken.
async fn handshake(
    replica: &Replica,
    files: &Files,
    version: &'static SupportedProtocolVersion,
) -> (CertificateDer<'static>, Option<Vec<u8>>) {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(files.authority.pem().as_bytes());
    roots.add(authority.unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_protocol_versions(&[version])
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let stream = TcpStream::connect(replica.addr()).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect("localhost".try_into().unwrap(), stream);
    let stream = stream.await.unwrap();
    let (_, connection) = stream.get_ref();
    let shown = connection.peer_certificates().unwrap().first().unwrap();
    let spoken = connection.alpn_protocol().map(<[u8]>::to_vec);
    (shown.clone().into_owned(), spoken)
}

#[tokio::test]
async fn calls_come_over_tls_12_and_13_and_speak_http_2() {
    let files = Files::new();
    let replica = Replica::start(&files.tls()).await;
    let channel = connect(&replica, files.authority.trusted()).await.unwrap();
    assert_eq!(list(&channel, None).await.unwrap(), 18);
    for version in [&TLS12, &TLS13] {
        let (_, spoken) = handshake(&replica, &files, version).await;
        assert_eq!(spoken.as_deref(), Some(&b"h2"[..]));
    }
    let page = metrics(&replica).await;
    assert!(metric(&page, "catalog_tls_certificate_expiry_timestamp_seconds ") > 1.8e9);
    let log = replica.log();
    assert!(!log.contains("warning alert"), "{log}");
}

#[tokio::test]
async fn certificates_are_replaced_under_load_without_a_failure() {
    let files = Files::new();
    let replica = Replica::start(&files.tls()).await;
    let (first, _) = handshake(&replica, &files, &TLS13).await;
    let (stop, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut callers = JoinSet::new();
    for keeps_connection in [true, true, false, false] {
        let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
        let tls = files.authority.trusted();
        let addr = replica.addr();
        callers.spawn(async move {
            let connect = || {
                let endpoint = tonic::transport::Channel::from_shared(format!("https://{addr}"));
                let endpoint = endpoint.unwrap().tls_config(tls.clone()).unwrap();
                async move { endpoint.connect().await.unwrap() }
            };
            let mut channel = connect().await;
            while !stop.load(SeqCst) {
                if !keeps_connection {
                    channel = connect().await;
                }
                list(&channel, None).await.unwrap();
                calls.fetch_add(1, SeqCst);
            }
        });
    }
    let mut shown_last = first;
    for _ in 0..10 {
        files.authority.server().write(files.folder.path());
        replica.signal("HUP");
        eventually(
            "new handshakes show the new certificate",
            PATIENCE,
            async || handshake(&replica, &files, &TLS13).await.0 != shown_last,
        )
        .await;
        (shown_last, _) = handshake(&replica, &files, &TLS13).await;
        let before = calls.load(SeqCst);
        eventually("calls go on", PATIENCE, async || {
            calls.load(SeqCst) > before + 10
        })
        .await;
    }
    stop.store(true, SeqCst);
    while let Some(ended) = callers.join_next().await {
        ended.expect("no call failed");
    }
}

#[tokio::test]
async fn a_pair_that_cannot_be_used_is_refused_and_the_old_one_stays() {
    let files = Files::new();
    let replica = Replica::start(&files.tls()).await;
    let (before, _) = handshake(&replica, &files, &TLS13).await;
    let other_key = files.authority.server().key;
    files.write("server.key", &other_key);
    replica.signal("HUP");
    let refused = || async {
        let page = metrics(&replica).await;
        metric(&page, "catalog_reload_refused{file=\"tls\"} ") > 0.5
    };
    eventually("the pair is refused", PATIENCE, refused).await;
    eventually("the log says why", PATIENCE, async || {
        let log = replica.log();
        log.contains("the key is not that of the certificate")
    })
    .await;
    let (now, _) = handshake(&replica, &files, &TLS13).await;
    assert_eq!(before, now);
    files.authority.server().write(files.folder.path());
    replica.signal("HUP");
    eventually("a good pair is taken", PATIENCE, || async {
        !refused().await
    })
    .await;
    let (now, _) = handshake(&replica, &files, &TLS13).await;
    assert_ne!(before, now);
}

#[tokio::test]
async fn certificates_and_the_access_file_are_read_again_each_on_its_own() {
    let files = Files::new();
    let mut settings = files.mutual_tls("request");
    settings.push(files.access(&token_entry("shop", "old", "viewer", "")));
    let replica = Replica::start(&settings).await;
    let (first, _) = handshake(&replica, &files, &TLS13).await;
    let channel = connect(&replica, files.authority.trusted()).await.unwrap();
    list(&channel, Some("Bearer old")).await.unwrap();
    let refused = async |file: &str| {
        let page = metrics(&replica).await;
        metric(
            &page,
            &format!("catalog_reload_refused{{file=\"{file}\"}} "),
        ) > 0.5
    };
    // A token is removed while the authorities of callers are gone.
    let authorities = fs::read_to_string(files.path("ca.pem")).unwrap();
    fs::remove_file(files.path("ca.pem")).unwrap();
    files.write("access.toml", &token_entry("shop", "new", "viewer", ""));
    replica.signal("HUP");
    eventually("the token is not known any more", PATIENCE, async || {
        list(&channel, Some("Bearer old")).await.is_err()
    })
    .await;
    list(&channel, Some("Bearer new")).await.unwrap();
    eventually("TLS is refused", PATIENCE, async || refused("tls").await).await;
    assert!(!refused("access").await);
    let expired = token_entry("a", "a", "viewer", "not_after = 2020-01-31T00:00:00Z");
    files.write("access.toml", &expired);
    eventually("it is refused", PATIENCE, async || refused("access").await).await;
    list(&channel, Some("Bearer new")).await.unwrap();
    // A certificate is replaced while the access file is gone.
    files.write("ca.pem", &authorities);
    files.authority.server().write(files.folder.path());
    fs::remove_file(files.path("access.toml")).unwrap();
    replica.signal("HUP");
    eventually("the new certificate is shown", PATIENCE, async || {
        handshake(&replica, &files, &TLS13).await.0 != first
    })
    .await;
    eventually("the access file is refused", PATIENCE, async || {
        refused("access").await && !refused("tls").await
    })
    .await;
    list(&channel, Some("Bearer new")).await.unwrap();
    let told = || {
        let log = replica.log();
        log.matches("the access file cannot be used").count()
    };
    eventually("the log names the access file", PATIENCE, async || {
        told() > 0
    })
    .await;
    let before = told();
    replica.signal("HUP");
    eventually("who asks again is told again", PATIENCE, async || {
        told() > before
    })
    .await;
    let log = replica.log();
    assert!(log.contains("the TLS certificate cannot be used"), "{log}");
}

#[tokio::test]
async fn files_that_others_may_change_are_warned_of_at_the_start_and_when_they_are_read_again() {
    let files = Files::new();
    let open = |name: &str| {
        let all = fs::Permissions::from_mode(0o666);
        fs::set_permissions(files.path(name), all).unwrap();
    };
    let mut settings = files.tls();
    settings.push(files.access("anonymous = \"viewer\"\n"));
    open("access.toml");
    open("server.key");
    let replica = Replica::start(&settings).await;
    let told = |name: &str| {
        let log = replica.log();
        let lines = log.lines().filter(|line| {
            line.contains(name) && line.contains("every user of this machine may read and change")
        });
        lines.count()
    };
    for name in ["access.toml", "server.key"] {
        eventually("a warning at the start", PATIENCE, async || told(name) == 1).await;
    }
    replica.signal("HUP");
    for name in ["access.toml", "server.key"] {
        eventually("a warning on SIGHUP", PATIENCE, async || told(name) == 2).await;
    }
}

#[tokio::test]
async fn a_file_is_read_again_without_a_signal() {
    let files = Files::new();
    let replica = Replica::start(&files.tls()).await;
    let (before, _) = handshake(&replica, &files, &TLS13).await;
    files.authority.server().write(files.folder.path());
    eventually(
        "the new certificate is shown",
        Duration::from_secs(30),
        async || handshake(&replica, &files, &TLS13).await.0 != before,
    )
    .await;
}

#[tokio::test]
async fn plain_text_where_tls_is_spoken_and_the_reverse_are_counted_and_told_once() {
    let files = Files::new();
    let secured = Replica::start(&files.tls()).await;
    for _ in 0..50 {
        let mut stream = TcpStream::connect(secured.addr()).await.unwrap();
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
    }
    let page = metrics(&secured).await;
    let family = "catalog_tls_handshake_failures_total";
    let counted = metric(&page, &format!("{family}{{reason=\"plaintext\"}} "));
    assert!((counted - 50.0).abs() < f64::EPSILON, "{counted}");
    let lines = secured.log().matches("a caller spoke no TLS").count();
    assert!((1..=10).contains(&lines), "{lines}");

    let ops = [("CATALOG_OPS_ADDR", "127.0.0.1:0".to_owned())];
    let replica = Replica::start(&ops).await;
    connect(&replica, files.authority.trusted())
        .await
        .unwrap_err();
    let page = metrics(&replica).await;
    assert!(metric(&page, &format!("{family}{{reason=\"tls_on_plaintext\"}} ")) > 0.5);
    assert!(
        replica
            .log()
            .contains("a caller spoke TLS, and none is served here")
    );
}

#[tokio::test]
async fn callers_must_show_a_certificate_of_the_authority_where_it_is_required() {
    let files = Files::new();
    let replica = Replica::start(&files.mutual_tls("required")).await;
    let good = connect_as(&replica, &files, &files.authority.client("shop.example")).await;
    assert_eq!(list(&good.unwrap(), None).await.unwrap(), 18);
    let fails = async |pair: Option<crate::support::authority::Pair>| {
        let channel = match pair {
            Some(pair) => connect_as(&replica, &files, &pair).await,
            None => connect(&replica, files.authority.trusted()).await,
        };
        // With TLS 1.3 a client is refused after it has finished its part of the handshake.
        match channel {
            Ok(channel) => list(&channel, None).await.is_err(),
            Err(_) => true,
        }
    };
    assert!(fails(None).await);
    let (addr, authority) = (format!("https://{}", replica.addr()), files.path("ca.pem"));
    let listed = run(&["list", "--addr", &addr, "--tls-ca", &authority], &[]).await;
    listed.with(1, &["--client-cert"]);
    assert!(fails(Some(Authority::new().client("shop.example"))).await);
    let expired = files.authority.certify(|params| {
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    assert!(fails(Some(expired)).await);
    let page = metrics(&replica).await;
    let count = |reason: &str| {
        metric(
            &page,
            &format!("catalog_tls_handshake_failures_total{{reason=\"{reason}\"}} "),
        )
    };
    assert!(
        count("no_certificate") > 0.5 && count("bad_certificate") > 1.5,
        "{page}"
    );
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_at_the_start_in_words() {
    let files = Files::new();
    let only = |names: &[&'static str]| -> Vec<_> {
        let all = files.mutual_tls("required").into_iter();
        all.filter(|(name, _)| names.contains(name)).collect()
    };
    let half = serve(&only(&["CATALOG_TLS_CERT"])).await;
    half.with(2, &["CATALOG_TLS_CERT", "needs tls_key as well"]);
    let half = serve(&only(&["CATALOG_TLS_KEY"])).await;
    half.with(2, &["CATALOG_TLS_KEY", "needs tls_cert as well"]);
    let mut unreadable = only(&["CATALOG_TLS_KEY"]);
    unreadable.push(("CATALOG_TLS_CERT", files.path("nothere.pem")));
    let ended = serve(&unreadable).await;
    ended.with(2, &["CATALOG_TLS_CERT", "nothere.pem"]);
    assert!(!ended.err.contains("needs"), "{ended:?}");
    let mut unreadable = only(&[
        "CATALOG_TLS_CERT",
        "CATALOG_TLS_KEY",
        "CATALOG_TLS_CLIENT_AUTH",
    ]);
    unreadable.push(("CATALOG_TLS_CLIENT_CA", files.path("nothere.pem")));
    let ended = serve(&unreadable).await;
    ended.with(2, &["CATALOG_TLS_CLIENT_CA", "nothere.pem"]);
    assert!(!ended.err.contains("needs"), "{ended:?}");
    let pair = ["CATALOG_TLS_CERT", "CATALOG_TLS_KEY"];
    let no_auth = serve(&only(&[&pair[..], &["CATALOG_TLS_CLIENT_CA"]].concat())).await;
    no_auth.with(2, &["CATALOG_TLS_CLIENT_CA", "is of no use"]);
    let no_authority = serve(&only(&[&pair[..], &["CATALOG_TLS_CLIENT_AUTH"]].concat())).await;
    no_authority.with(2, &["CATALOG_TLS_CLIENT_AUTH", "needs tls_client_ca"]);
    let expired = files.authority.certify(|params| {
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    expired.write(files.folder.path());
    let ended = serve(&only(&pair)).await;
    ended.with(1, &["server.pem", "the certificate expired at"]);
    files.write("server.pem", &files.authority.server().certificate);
    let ended = serve(&only(&pair)).await;
    ended.with(1, &["server.key", "the key is not that of the certificate"]);
    let key = files.authority.server().key;
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    files.write("server.key", &encrypted);
    let ended = serve(&only(&pair)).await;
    ended.with(1, &["server.key: the private key is encrypted"]);
}

#[tokio::test]
async fn a_caller_that_says_nothing_within_tls_is_let_go() {
    let files = Files::new();
    let replica = Replica::start(&files.tls()).await;
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(files.authority.pem().as_bytes());
    roots.add(authority.unwrap()).unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(replica.addr()).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect("localhost".try_into().unwrap(), stream);
    let mut stream = stream.await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer));
    ended.await.expect("the server closes the connection").ok();
}
