//! A server with TLS and an access file, and clients of it.
use std::{fs, path::PathBuf};

use challenges_catalog::pb::catalog::v1::{
    ListChallengesRequest, challenges_catalog_client::ChallengesCatalogClient,
};
use ring::digest::{SHA256, digest};
use tempfile::TempDir;
use tonic::{
    Request, Status,
    metadata::MetadataValue,
    transport::{Channel, ClientTlsConfig},
};

use crate::support::{
    authority::{Authority, Pair},
    replica::Replica,
};

/// Where the files are of a server with TLS.
pub struct Files {
    pub folder: TempDir,
    pub authority: Authority,
}

impl Files {
    /// A server's pair, certified by a new authority.
    pub fn new() -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        authority.server().write(folder.path());
        let files = Self { folder, authority };
        files.write("ca.pem", &files.authority.pem());
        files
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Replaces a file in one step.
    pub fn write(&self, name: &str, text: &str) {
        let new = self.folder.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, PathBuf::from(self.path(name))).unwrap();
    }

    /// The settings for TLS.
    pub fn tls(&self) -> Vec<(&'static str, String)> {
        vec![
            ("CATALOG_TLS_CERT", self.path("server.pem")),
            ("CATALOG_TLS_KEY", self.path("server.key")),
            ("CATALOG_OPS_ADDR", "127.0.0.1:0".to_owned()),
        ]
    }

    /// The settings for TLS with certificates of clients.
    pub fn mutual_tls(&self, auth: &str) -> Vec<(&'static str, String)> {
        let mut settings = self.tls();
        settings.push(("CATALOG_TLS_CLIENT_CA", self.path("ca.pem")));
        settings.push(("CATALOG_TLS_CLIENT_AUTH", auth.to_owned()));
        settings
    }

    /// The setting for an access file with this text.
    pub fn access(&self, text: &str) -> (&'static str, String) {
        self.write("access.toml", text);
        ("CATALOG_ACCESS_FILE", self.path("access.toml"))
    }
}

/// The entry of a token in an access file, with `more` lines.
pub fn token_entry(name: &str, token: &str, role: &str, more: &str) -> String {
    let hash = digest(&SHA256, token.as_bytes());
    let hash = hash.as_ref().iter();
    let hash = hash.fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    format!("[[token]]\nname = \"{name}\"\nsha256 = \"{hash}\"\nrole = \"{role}\"\n{more}\n")
}

/// A connection over TLS.
pub async fn connect(
    replica: &Replica,
    tls: ClientTlsConfig,
) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Channel::from_shared(format!("https://{}", replica.addr())).unwrap();
    endpoint.tls_config(tls).unwrap().connect().await
}

/// A connection of a client that shows `pair`.
pub async fn connect_as(
    replica: &Replica,
    files: &Files,
    pair: &Pair,
) -> Result<Channel, tonic::transport::Error> {
    connect(replica, files.authority.trusted().identity(pair.identity())).await
}

/// A connection in plain text.
pub async fn plain(addr: impl std::fmt::Display) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{addr}")).unwrap();
    endpoint.connect().await.unwrap()
}

/// A request with this `authorization` header.
pub fn with_header<M>(message: M, header: &str) -> Request<M> {
    let mut request = Request::new(message);
    let value = MetadataValue::try_from(header).unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

/// Lists challenges; how many came.
pub async fn list(channel: &Channel, header: Option<&str>) -> Result<usize, Status> {
    let mut client = ChallengesCatalogClient::new(channel.clone());
    let message = ListChallengesRequest::default();
    let request = match header {
        Some(header) => with_header(message, header),
        None => Request::new(message),
    };
    let listed = client.list_challenges(request).await?;
    Ok(listed.get_ref().challenges.len())
}
