use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::{Postgres, server::initdb};
use crate::support::{
    authority::Authority,
    process::{self, User},
};

/// A role that gets in over TLS alone, with a certificate of its name.
pub const CERTIFIED_ROLE: &str = "certified";

/// A server of the test's own that speaks TLS, certified by `authority`, which certifies its clients too.
pub fn own_server_with_tls(authority: &Authority) -> Postgres {
    let (server, trusted) = (authority.server(), authority.pem());
    let settings = [
        "ssl=on",
        "ssl_cert_file=server.pem",
        "ssl_key_file=server.key",
        "ssl_ca_file=ca.pem",
    ];
    let make_data = |programs: &Path, folder: &Path, user: Option<User>| {
        initdb(programs, folder, user);
        let data = folder.join("data");
        server.write(&data);
        fs::write(data.join("ca.pem"), &trusted).unwrap();
        // The server wants its key to be its own and nobody else's.
        let key = data.join("server.key");
        fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        if let Some(User { uid, gid }) = user {
            for file in ["server.key", "server.pem", "ca.pem"] {
                std::os::unix::fs::chown(data.join(file), Some(uid), Some(gid)).unwrap();
            }
        }
        let access = data.join("pg_hba.conf");
        let others = fs::read_to_string(&access).unwrap();
        let rules = format!(
            "hostssl all {CERTIFIED_ROLE} 127.0.0.1/32 cert\n\
             host all {CERTIFIED_ROLE} 127.0.0.1/32 reject\n{others}"
        );
        fs::write(&access, rules).unwrap();
    };
    process::on_free_port("PostgreSQL with TLS", |port| {
        Postgres::start(port, &settings, make_data)
    })
}
