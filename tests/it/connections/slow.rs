//! A server that is far away: each answer takes as long as a trip around the world.
use std::{fs, os::unix::fs::chown, time::Duration};

use super::scene::Scene;
use crate::support::{
    fleet,
    postgres::{self, GUARDED_PASSWORD},
    process::User,
    proxy::{Mode, Proxy},
    replica::Replica,
};

/// One way: there and back it is twice that.
const DELAY: Duration = Duration::from_millis(150);

/// How long a replica may take to be right again: connecting alone takes a dozen trips.
const SOON: Duration = Duration::from_secs(20);

/// A server that speaks TLS and asks for a password, 300 ms away.
async fn far_away() -> Scene {
    let folder = tempfile::tempdir_in("/tmp").unwrap().keep();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    set_owner_only(&key);
    if let Some(User { uid, gid }) = User::other_than_root() {
        for path in [&folder, &certificate, &key] {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }
    let settings = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", certificate.display()),
        format!("ssl_key_file={}", key.display()),
    ];
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let server = postgres::own_server_with(&settings);
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let mut proxy = Proxy::to(server.port()).await;
    proxy.set(Mode::Delay(DELAY)).await;
    let url = database.url_with_password(GUARDED_PASSWORD).await;
    let near = format!(":{}/", server.port());
    let far = format!(":{}/", proxy.port());
    let url = url.replace(&near, &far) + "?sslmode=require";
    let settings = [("DATABASE_URL", url), ("CATALOG_LOG", "info".to_owned())];
    let replica = Replica::start(&settings).await;
    fs::remove_dir_all(folder).unwrap();
    Scene {
        replica,
        proxy,
        database,
        server,
        soon: SOON,
    }
}

fn set_owner_only(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn a_replica_far_from_its_database_serves_fresh_answers() {
    let scene = far_away().await;
    scene.shows_a_commit("far").await;
}

#[tokio::test]
async fn a_replica_far_from_its_database_connects_again_after_a_cut() {
    let scene = far_away().await;
    scene.shows_a_commit("before").await;
    scene.proxy.cut();
    scene.shows_a_commit("after").await;
    scene.proxy.lose();
    scene.shows_a_commit("and again").await;
}
