//! An authority that certifies servers and clients of tests.
use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType, date_time_ymd,
};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// An authority, which lives as long as the value.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate of its issuer's own name for one that certifies itself.
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "authority of a test");
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// What to trust, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a server on this machine.
    pub fn server(&self) -> Pair {
        self.certify(|params| {
            params.subject_alt_names = vec![
                SanType::DnsName("localhost".try_into().unwrap()),
                SanType::IpAddress([127, 0, 0, 1].into()),
            ];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        })
    }

    /// A certificate for a server on this machine that is a client of others like it.
    pub fn peer(&self) -> Pair {
        self.certify(|params| {
            params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
            params.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ];
        })
    }

    /// A certificate for a client of this common name.
    pub fn user(&self, name: &str) -> Pair {
        self.certify(|params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    /// A certificate for a client of this name, a URI or a DNS name.
    pub fn client(&self, name: &str) -> Pair {
        self.certify(|params| {
            let text = name.try_into().unwrap();
            params.subject_alt_names = vec![if name.contains("://") {
                SanType::URI(text)
            } else {
                SanType::DnsName(text)
            }];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    /// A certificate that `change` makes something else of.
    pub fn certify(&self, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// How a client that trusts this authority connects.
    pub fn trusted(&self) -> ClientTlsConfig {
        let certificate = Certificate::from_pem(self.pem());
        ClientTlsConfig::new()
            .ca_certificate(certificate)
            .domain_name("localhost")
    }
}

impl Pair {
    /// Writes both into `folder`, as one would who replaces files: each in one step.
    pub fn write(&self, folder: &Path) {
        self.write_as(folder, "server");
    }

    /// As [`Pair::write`], as `<name>.pem` and `<name>.key`.
    pub fn write_as(&self, folder: &Path, name: &str) {
        for (end, text) in [("key", &self.key), ("pem", &self.certificate)] {
            let new = folder.join("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, folder.join(name).with_extension(end)).unwrap();
        }
    }

    /// For a client that shows it.
    pub fn identity(&self) -> Identity {
        Identity::from_pem(&self.certificate, &self.key)
    }
}
