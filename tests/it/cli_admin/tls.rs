//! `https://` and `--tls-ca`: calls go through TLS, and only to whom one trusts.
use std::fs;

use crate::{
    startup::ended::run,
    support::{program::run_well, replica::Replica, tls::TlsFront},
};

#[tokio::test]
async fn a_server_is_called_through_tls_when_its_authority_is_named() {
    let replica = Replica::start(&[]).await;
    let front = TlsFront::before(replica.addr()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, front.certificate()).unwrap();
    let environment = [
        ("CATALOG_ADDR", front.addr()),
        ("CATALOG_TLS_CA", file.display().to_string()),
    ];
    run_well(&["admin", "cache", "status"], &environment).await;
    assert_eq!(run_well(&["health"], &environment).await, "SERVING\n");
    let listed = run_well(&["list", "--all"], &environment).await;
    assert_eq!(listed.lines().count(), 18);

    let stranger = run(&["list", "--addr", &front.addr()], &[]).await;
    stranger.with(1, &["cannot trust", "--tls-ca"]);
    let plain = [
        ("CATALOG_ADDR", replica.addr().to_string()),
        environment[1].clone(),
    ];
    run(&["list"], &plain)
        .await
        .with(2, &["CATALOG_TLS_CA", "https://"]);
    let no_tls = format!("https://localhost:{}", replica.addr().port());
    let ended = run(&["list", "--addr", &no_tls], &environment[1..]).await;
    ended.with(1, &[&no_tls, "answers, but not as a gRPC server with TLS"]);
    let too_plain = front.addr().replace("https://", "http://");
    let ended = run(&["list", "--addr", &too_plain], &[]).await;
    ended.with(1, &["is http:// or https:// right?"]);
}
