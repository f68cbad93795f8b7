//! Which certificates are taken, and which are not.
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::*;

const NOW: i64 = 1_800_000_000;

/// A certificate for 2026 to 2028, and its key.
fn pair(from: i32, until: i32) -> (Vec<u8>, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    (
        certificate.pem().into_bytes(),
        key.serialize_pem().into_bytes(),
    )
}

fn material((certificates, key): (Vec<u8>, Vec<u8>)) -> TlsMaterial {
    TlsMaterial {
        certificates,
        key,
        callers: ClientCertificates::NotAsked,
    }
}

fn refusal(material: &TlsMaterial) -> String {
    match Tls::new(material, NOW, Arc::default()) {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_pair_that_is_valid_now_is_taken_and_its_end_is_known() {
    let tls = Tls::new(&material(pair(2026, 2028)), NOW, Arc::default()).unwrap();
    assert_eq!(tls.expires_at_seconds(), 1_830_297_600);
}

#[test]
fn a_pair_that_cannot_be_used_is_refused_in_words() {
    assert!(refusal(&material(pair(2020, 2021))).contains("expired at Jan"));
    assert!(refusal(&material(pair(2030, 2031))).contains("valid only from Jan"));
    let (certificate, key) = pair(2026, 2028);
    let (_, other_key) = pair(2026, 2028);
    let mixed = material((certificate.clone(), other_key));
    assert!(refusal(&mixed).contains("the key is not that of the certificate"));
    let nothing = material((b"hello".to_vec(), key.clone()));
    assert!(refusal(&nothing).contains("no certificate in PEM"));
    let no_key = material((certificate.clone(), certificate.clone()));
    assert!(refusal(&no_key).contains("no private key"));
    let key_text = String::from_utf8(key.clone()).unwrap();
    let encrypted = key_text.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let encrypted = material((certificate.clone(), encrypted.into_bytes()));
    assert!(refusal(&encrypted).contains("the private key is encrypted"));
    let damaged = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let damaged = material((certificate.clone(), damaged.to_vec()));
    assert!(refusal(&damaged).contains("the private key cannot be used"));
    let text = String::from_utf8(certificate.clone()).unwrap();
    let damaged = text.replace("MII", "MIJ").into_bytes();
    assert!(refusal(&material((damaged, key.clone()))).contains("cannot be read"));
    let mut asking = material((certificate, key));
    asking.callers = ClientCertificates::Required(b"nobody".to_vec());
    assert!(refusal(&asking).contains("authorities for callers' certificates"));
}

#[test]
fn what_cannot_be_used_changes_nothing() {
    let tls = Tls::new(&material(pair(2026, 2028)), NOW, Arc::default()).unwrap();
    let before = tls.config(Protocols::Http2);
    tls.renew(&material(pair(2020, 2021)), NOW).unwrap_err();
    assert!(Arc::ptr_eq(&before, &tls.config(Protocols::Http2)));
    tls.renew(&material(pair(2026, 2030)), NOW).unwrap();
    assert!(!Arc::ptr_eq(&before, &tls.config(Protocols::Http2)));
    assert_eq!(tls.expires_at_seconds(), 1_893_456_000);
}

#[test]
fn several_authorities_of_callers_may_stand_in_one_file() {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap());
        issuer.unwrap().pem()
    };
    let both = authority("old") + &authority("new");
    let mut asking = material(pair(2026, 2028));
    asking.callers = ClientCertificates::Requested(both.into_bytes());
    Tls::new(&asking, NOW, Arc::default()).unwrap();
}
