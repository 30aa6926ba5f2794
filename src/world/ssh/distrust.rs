//! What is said of a host key that is not to be trusted.

use crate::model::finding::Finding;
use crate::world::ssh::client::HostKey;
use crate::world::ssh::known_hosts::{LookupName, Trust};

/// The host showed a key that is not to be trusted.
pub(crate) fn distrust(key: &HostKey, name: &LookupName) -> Finding {
    let shown_key = format!("{} {}", key.kind, key.fingerprint);
    let name = name.as_str().escape_debug();
    match &key.trust {
        Trust::Revoked { place } => Finding::new("host-key-revoked", format!("the host key {shown_key} is revoked"))
            .evidence(format!("revoked at {place}"))
            .hint("do not connect; find out how this key came back"),
        Trust::Changed { recorded } => {
            let summary = format!("the host key changed: {shown_key} is not what is recorded for `{name}`");
            let finding = Finding::new("host-key-changed", summary)
                .hint("a re-created machine, or somebody in the middle: compare the key with the host's console");
            recorded.iter().fold(finding, |finding, place| finding.evidence(format!("recorded at {place}")))
        }
        Trust::OnlyAuthority { place } => {
            let summary =
                format!("only a certificate authority is recorded for `{name}`, and certificates of hosts are not supported yet");
            Finding::new("host-key-unknown", summary)
                .evidence(format!("@cert-authority at {place}"))
                .evidence(format!("the host shows {shown_key}"))
                .hint("add a line with the host's own key to known_hosts")
        }
        Trust::Unknown | Trust::Trusted => {
            Finding::new("host-key-unknown", format!("the host key {shown_key} is not recorded for `{name}`"))
                .hint("compare it with the host's console, then add it to known_hosts")
        }
    }
}
