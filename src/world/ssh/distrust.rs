//! What is said of a host key that is not to be trusted.

use russh::client::Handle;

use crate::model::finding::Finding;
use crate::model::visible::literal;
use crate::world::ssh::client::{Client, HostKey, Learned};
use crate::world::ssh::known_hosts::{LookupName, Trust};

/// The host showed a key that is not to be trusted.
pub(crate) fn distrust(key: &HostKey, name: &LookupName) -> Finding {
    let shown_key = format!("{} {}", key.kind, key.fingerprint);
    let name = literal(name.as_str());
    match &key.trust {
        Trust::Revoked { place } => Finding::new("host-key-revoked", format!("the host key {shown_key} is revoked at {place}"))
            .hint("do not connect; find out how this key came back"),
        Trust::Changed { recorded } => {
            let summary = format!("the host key changed: the host shows {shown_key}, recorded for `{name}` is another");
            let finding = Finding::new("host-key-changed", summary).hint(
                "possible machine-in-the-middle or re-created instance: compare the fingerprint with the host's console \
                 before the recorded line is replaced",
            );
            let finding = recorded.iter().fold(finding, |finding, place| finding.evidence(format!("expected at {place}")));
            finding.evidence(format!("offered {shown_key}"))
        }
        Trust::Certificate(fault) => {
            let summary = format!("the host shows a certificate for {shown_key}, but {}", fault.why);
            let finding = Finding::new(fault.code, summary).hint(cert_hint(fault.code));
            fault.evidence.iter().fold(finding, |finding, line| finding.evidence(line.as_str()))
        }
        Trust::OnlyAuthority { place } => {
            let summary = format!("only a certificate authority is recorded for `{name}`, and the host shows no certificate");
            Finding::new("host-key-unknown", summary)
                .evidence(format!("@cert-authority at {place}"))
                .evidence(format!("the host shows {shown_key}"))
                .hint("give the host a certificate (HostCertificate in its sshd_config), or record its own key")
        }
        Trust::Unknown | Trust::Trusted => {
            let summary = format!("the host key {shown_key} is not recorded for `{name}`");
            let finding = Finding::new("host-key-unknown", summary)
                .hint(
                    "compare the fingerprint with `ssh-keygen -lf` of the key in /etc/ssh on the host's console; where they \
                     agree add the line to known_hosts",
                )
                .evidence(format!("the line would be: {name} {}", key.line.trim_end()));
            key.passed.iter().fold(finding, |finding, line| finding.evidence(format!("not read: {line}")))
        }
    }
}

fn cert_hint(code: &str) -> &'static str {
    match code {
        "host-cert-expired" => "sign the host's key again; where the clock here is wrong, set it",
        "host-cert-not-yet" => "compare the clock here with the one of the machine that signs",
        "host-cert-principal" => "sign the host's key for this name (ssh-keygen -h -n NAME), or set `host_key_alias`",
        "host-cert-authority" => "find out who signed it before you record it as @cert-authority",
        _ => "sign the host's key as a host's (ssh-keygen -s CA -h -n NAME)",
    }
}

/// The key is not one for the algorithm that was agreed on, or did not sign with it.
pub(crate) fn disagreement(key: &HostKey, name: &LookupName) -> Finding {
    let name = literal(name.as_str());
    let summary = match key.disagrees() {
        Some(agreed) => format!("`{name}` agreed on {agreed} and shows the key {} {}", key.kind, key.fingerprint),
        None => format!("`{name}` signed the key exchange with another algorithm than it agreed on"),
    };
    let hint = "possible machine-in-the-middle or a broken server: compare the host key with the host's console";
    Finding::new("host-key-algorithm", summary).hint(hint)
}

/// Whether the key exchange was signed with the algorithm that was agreed on.
pub(crate) fn honest(handle: &Handle<Client>, learned: &Learned) -> bool {
    let (Some(binding), Some(key)) = (handle.agent_session_binding(), learned.key()) else { return false };
    let kind = binding.signature().split_first_chunk::<4>().and_then(|(length, rest)| {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        std::str::from_utf8(rest.get(..length)?).ok()
    });
    kind.is_some_and(|kind| key.signs(kind))
}
