//! Addresses as hosters and their tools write them.
use std::{fs, os::unix::fs::chown};

use challenges_catalog::pb::catalog::v1::Difficulty;

use crate::support::{
    fleet::{self, list},
    postgres,
    process::User,
    program,
    replica::Replica,
};

/// Parameters that hosters add, and those of other programs with the same address.
const ADDED: &str = "channel_binding=prefer&gssencmode=prefer&keepalives=1&keepalives_idle=30&connect_timeout=5\
    &options=-c%20search_path%3Dpg_catalog&pgbouncer=false&connection_limit=5";

#[tokio::test]
async fn a_socket_and_the_parameters_of_hosters_lead_to_the_database() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    if let Some(User { uid, gid }) = User::other_than_root() {
        chown(folder.path(), Some(uid), Some(gid)).unwrap();
    }
    let socket = folder.path().display().to_string();
    let server = postgres::own_server_with(&[&format!("unix_socket_directories={socket}")]);
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let (name, port) = (database.name(), server.port());
    let by_parameter =
        format!("postgres:///{name}?host={socket}&user=postgres&port={port}&{ADDED}");
    let encoded = socket.replace('/', "%2F");
    let by_host = format!("postgres://postgres@{encoded}:{port}/{name}?{ADDED}");
    for url in [by_parameter, by_host] {
        program::run_well(&["verify"], &[("DATABASE_URL", url.clone())]).await;
        let replica = Replica::start(&[("DATABASE_URL", url)]).await;
        list(&replica, Difficulty::Beginner, 20).await.unwrap();
    }
    let over_tcp = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'challenges-catalog' AND client_port <> -1";
    assert_eq!(database.query_i64(over_tcp).await, 0);
    fs::remove_dir_all(folder).ok();
}
