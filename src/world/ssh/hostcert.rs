//! Host certificates: whether an authority that is recorded for a host says that this key is the host's, now.
//!
//! The rules are OpenSSH's, and stricter in one: a certificate that names no host proves nothing, for every machine that
//! has one could be every other.

use std::borrow::Cow;

use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};

use crate::model::time::Timestamp;
use crate::world::shown::shown;
use crate::world::ssh::known_hosts::{CertFault, Known, Trust, fingerprint};

/// What follows for a certificate that a host shows.
pub(crate) fn judge(known: &Known, cert: &Certificate, now: Timestamp) -> Trust {
    let (Some(key), Some(authority)) = (blob(cert.public_key()), blob(cert.signature_key())) else {
        return Trust::Certificate(fault("host-cert-type", "the certificate holds a key that cannot be written down"));
    };
    // to revoke an authority is to revoke all that it signed
    if let Some(place) = known.revoked(&key).or_else(|| known.revoked(&authority)) {
        return Trust::Revoked { place: place.to_owned() };
    }
    match (known.is_authority(&authority), known.judge(&key)) {
        // recorded by itself, whoever signed it
        (_, Trust::Trusted) => Trust::Trusted,
        (false, changed @ Trust::Changed { .. }) => changed,
        (false, _) => Trust::Certificate(stranger(known, cert, &authority)),
        (true, _) => match check(cert, known.principal(), now) {
            Ok(()) => Trust::Trusted,
            Err(fault) => Trust::Certificate(CertFault { evidence: told(cert, &authority, now), ..fault }),
        },
    }
}

fn blob(key: &KeyData) -> Option<Vec<u8>> {
    PublicKey::from(key.clone()).to_bytes().ok()
}

fn fault(code: &'static str, why: impl Into<String>) -> CertFault {
    CertFault { code, why: why.into(), evidence: Vec::new() }
}

/// Signed by somebody who is not recorded.
fn stranger(known: &Known, cert: &Certificate, authority: &[u8]) -> CertFault {
    let why = format!("it is signed by {}, which is not recorded as an authority for this host", fingerprint(authority));
    let recorded = known.authorities().into_iter().map(|place| format!("@cert-authority at {place}"));
    let evidence = [format!("the certificate is `{}`", shown(cert.key_id().as_bytes(), 100))];
    CertFault { evidence: evidence.into_iter().chain(recorded).collect(), ..fault("host-cert-authority", why) }
}

/// What a certificate says of itself, in the order in which a person checks it.
fn told(cert: &Certificate, authority: &[u8], now: Timestamp) -> Vec<String> {
    let names = cert.valid_principals().join(",");
    let names = if names.is_empty() { Cow::Borrowed("nobody") } else { Cow::Owned(shown(names.as_bytes(), 200)) };
    vec![
        format!("the certificate `{}`, serial {}, is for {names}", shown(cert.key_id().as_bytes(), 100), cert.serial()),
        format!("valid from {} to {}", moment(cert.valid_after()), moment(cert.valid_before())),
        format!("the clock here says {}", moment(seconds(now))),
        format!("signed by {} {}", cert.signature_key().algorithm().as_str(), fingerprint(authority)),
    ]
}

fn check(cert: &Certificate, principal: &str, now: Timestamp) -> Result<(), CertFault> {
    if cert.signature().algorithm() == (Algorithm::Rsa { hash: None }) {
        return Err(fault("host-cert-authority", "it is signed with SHA-1"));
    }
    if !cert.cert_type().is_host() {
        return Err(fault("host-cert-type", "it is the certificate of a user, not of a host"));
    }
    let now = seconds(now);
    if now < cert.valid_after() {
        return Err(fault("host-cert-not-yet", format!("it is not valid before {}", moment(cert.valid_after()))));
    }
    if now >= cert.valid_before() {
        return Err(fault("host-cert-expired", format!("it expired on {}", moment(cert.valid_before()))));
    }
    let names = cert.valid_principals();
    if names.is_empty() {
        return Err(fault("host-cert-principal", "it names no host, so that any machine that has one could be any other"));
    }
    if !names.iter().any(|name| name == principal) {
        return Err(fault("host-cert-principal", format!("it is not for `{}`", principal.escape_debug())));
    }
    if let Some(option) = cert.critical_options().keys().next() {
        let option = shown(option.as_bytes(), 100);
        let why = format!("it has the critical option `{option}`, which no host certificate may have");
        return Err(fault("host-cert-type", why));
    }
    // the library checks time and authority once more, and the signature
    let authority = cert.signature_key().fingerprint(HashAlg::Sha256);
    cert.validate_at(now, [&authority]).map_err(|_| fault("host-cert-authority", "its signature is wrong"))
}

/// Seconds since 1970; a clock that stands before that is as good as none.
fn seconds(now: Timestamp) -> u64 {
    u64::try_from(now.as_millis() / 1000).unwrap_or(0)
}

fn moment(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "forever".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}
