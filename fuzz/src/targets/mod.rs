//! The targets: each takes any bytes and panics where what was made of them is not as it must be. The fuzzer runs them one
//! at a time; the tests of runbook run them over everything in `fuzz/corpus` and `fuzz/regressions`.

mod bytes;
mod events;
pub mod files;
pub mod known_hosts;
mod language;
mod markers;
mod peer;
pub mod read;
pub mod session;
mod visible;

/// A target.
pub type Target = fn(&[u8]);

/// Every target by its name, which is the name of its folders.
pub const TARGETS: [(&str, Target); 11] = [
    ("events", events::events),
    ("inventory", files::inventory),
    ("known-hosts", known_hosts::known_hosts),
    ("language", language::language),
    ("markers", markers::markers),
    ("peer", peer::peer),
    ("read", read::read),
    ("runbook", files::runbook),
    ("session", session::session),
    ("settings", files::settings),
    ("visible", visible::visible),
];

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}
