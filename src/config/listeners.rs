//! What the settings of listeners and TLS must have in common: no address is open to all by accident.
use std::{net::SocketAddr, path::PathBuf};

use super::{
    ClientAuth, Setting,
    reader::Reader,
    settings::{
        ACCESS_FILE, ADMIN_ADDR, GRPC_ADDR, HEALTH_ADDR, HTTP_ADDR, INSECURE, OPS_ADDR, TLS_CERT,
        TLS_CLIENT_AUTH, TLS_CLIENT_CA, TLS_KEY,
    },
    text::is_loopback,
};

/// Notes what is wrong with the listeners together.
pub(super) fn check(reader: &mut Reader<'_>) {
    let needs = [
        [&TLS_CERT, &TLS_KEY],
        [&TLS_KEY, &TLS_CERT],
        [&TLS_CLIENT_CA, &TLS_CERT],
    ];
    refuse_halves(reader, &needs);
    check_client_auth(reader);
    check_reach(reader);
    check_distinct(reader);
}

/// False as well for a value that cannot be read: that was noted already.
pub(super) fn is_set(reader: &Reader<'_>, setting: &Setting) -> bool {
    let path = reader.value::<Option<PathBuf>>(setting);
    path.flatten().is_some()
}

/// False as well for a value that cannot be read.
fn is_missing(reader: &Reader<'_>, setting: &Setting) -> bool {
    matches!(reader.value::<Option<PathBuf>>(setting), Some(None))
}

fn address(reader: &Reader<'_>, setting: &Setting) -> Option<SocketAddr> {
    reader.value::<Option<SocketAddr>>(setting).flatten()
}

/// Refuses each setting that is there without the one that it needs.
pub(super) fn refuse_halves(reader: &mut Reader<'_>, needs: &[[&Setting; 2]]) {
    for [setting, other] in needs {
        if is_set(reader, setting) && is_missing(reader, other) {
            reader.refuse(setting, format!("needs {} as well", other.key()));
        }
    }
}

fn check_client_auth(reader: &mut Reader<'_>) {
    let Some(auth) = reader.value::<ClientAuth>(&TLS_CLIENT_AUTH) else {
        return;
    };
    let has_authorities = is_set(reader, &TLS_CLIENT_CA);
    let has_none = is_missing(reader, &TLS_CLIENT_CA);
    match auth {
        ClientAuth::None if has_authorities => reader.refuse(
            &TLS_CLIENT_CA,
            "is of no use: tls_client_auth is none, so no caller is asked for a certificate",
        ),
        ClientAuth::Request | ClientAuth::Required if has_none => reader.refuse(
            &TLS_CLIENT_AUTH,
            "needs tls_client_ca, the authorities that may certify callers",
        ),
        ClientAuth::None | ClientAuth::Request | ClientAuth::Required => {}
    }
}

/// Refuses addresses that others reach without encryption and credentials, unless that is meant. Health is
/// for everybody. The operator pages have neither, and show no secret: a server that protects its calls may show
/// them to its network.
fn check_reach(reader: &mut Reader<'_>) {
    if reader.value(&INSECURE).unwrap_or(true) {
        return;
    }
    let is_protected = !is_missing(reader, &TLS_CERT) && !is_missing(reader, &ACCESS_FILE);
    let calls = [
        (&GRPC_ADDR, reader.value::<SocketAddr>(&GRPC_ADDR)),
        (&ADMIN_ADDR, address(reader, &ADMIN_ADDR)),
        (&HTTP_ADDR, address(reader, &HTTP_ADDR)),
    ];
    for (setting, addr) in calls {
        if let Some(addr) = addr.filter(|addr| !is_protected && !is_loopback(*addr)) {
            let problem = format!(
                "{addr} can be reached from other machines, and calls need no credentials or no \
                 encryption; give --tls-cert, --tls-key and --access-file, use a loopback address \
                 such as 127.0.0.1:{}, or allow it with --insecure",
                addr.port()
            );
            reader.refuse(setting, problem);
        }
    }
    let ops = address(reader, &OPS_ADDR);
    if let Some(addr) = ops.filter(|addr| !is_protected && !is_loopback(*addr)) {
        let problem = format!(
            "{addr} can be reached from other machines, and so can the operator pages, in plain text; \
             protect calls with --tls-cert, --tls-key and --access-file, use a loopback address such as \
             127.0.0.1:{}, or allow it with --insecure",
            addr.port()
        );
        reader.refuse(&OPS_ADDR, problem);
    }
}

/// Refuses one address for two listeners: what one serves must not be reached by the address of the other.
fn check_distinct(reader: &mut Reader<'_>) {
    let grpc = reader.value::<SocketAddr>(&GRPC_ADDR);
    let mut taken: Vec<_> = grpc.map(|addr| (&GRPC_ADDR, addr)).into_iter().collect();
    for setting in [&ADMIN_ADDR, &OPS_ADDR, &HEALTH_ADDR, &HTTP_ADDR] {
        let Some(addr) = address(reader, setting) else {
            continue;
        };
        let other = taken.iter().find(|(_, taken)| is_shared(*taken, addr));
        if let Some((other, theirs)) = other {
            let problem = format!(
                "{addr} is taken by {} ({theirs}); use another port",
                other.key()
            );
            reader.refuse(setting, problem);
        }
        taken.push((setting, addr));
    }
}

/// Whether both are one address.
fn is_shared(one: SocketAddr, other: SocketAddr) -> bool {
    let any_address = one.ip().is_unspecified() || other.ip().is_unspecified();
    let same_address = any_address || one.ip() == other.ip();
    one.port() != 0 && one.port() == other.port() && same_address
}
