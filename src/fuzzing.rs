//! What the fuzz targets (`fuzz/`) need of this library and nobody else does: bytes in, what was made of them out.
//!
//! Nothing here is a promise to other programs, and nothing else in the library names this module.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;

use crate::cli::session::config::Config;
use crate::engine::world::Session as _;
use crate::model::finding::Finding;
use crate::model::id::HostName;
use crate::model::op::{Captured, Op, Reply};
use crate::report::markdown;
use crate::world::ssh::Identities;
use crate::world::ssh::addresses::Book;
use crate::world::ssh::client::Learned;
use crate::world::ssh::connect::{Ground, Joined};
use crate::world::ssh::crowd::Crowd;
use crate::world::ssh::known_hosts::{HostFile, Known, LookupName};
use crate::world::ssh::session::SshSession;
use crate::world::ssh::split::{Section, Stream};
use crate::world::ssh::trust::TrustStore;
use crate::world::ssh::wire::Carrier;
use crate::world::timeouts::Timeouts;

/// Reads a user's own file of settings; the errors are those that would be shown.
pub fn config(text: &str) -> Result<(), Vec<String>> {
    Config::of(text).map(drop)
}

/// A text as it stands in a story in Markdown.
pub fn markdown(text: &str) -> String {
    markdown::text(text)
}

/// What the scripts with these nonces printed on one stream, each with whether its end was seen, and what came outside of
/// them.
pub fn cut(parts: &[&[u8]], nonces: &[&str]) -> (Vec<(bool, Captured)>, Vec<u8>) {
    let mut sections: Vec<Section> = nonces.iter().map(|nonce| Section::new(nonce)).collect();
    let mut stream = Stream::default();
    for part in parts {
        stream.feed(part, sections.iter_mut());
    }
    stream.flush(sections.iter_mut().find(|section| section.ended().is_none()));
    let noise = stream.noise().to_vec();
    let ended = sections.into_iter().map(|section| (section.ended().is_some(), section.into_captured(false)));
    (ended.collect(), noise)
}

impl Carrier for DuplexStream {}

/// Speaks SSH over a stream as with a host whose keys `known_hosts` records as those of `host`, logs in without a key,
/// and performs `ops` in a session. An error says why there is no session.
pub async fn converse(stream: DuplexStream, known_hosts: &[u8], timeouts: Timeouts, ops: &[Op]) -> Result<Vec<Reply>, Finding> {
    let began = Instant::now();
    let name = LookupName::new("host", 22, None);
    let known = Known::lookup(&[Arc::new(HostFile::parse(Path::new("known_hosts"), known_hosts))], &name);
    let trust = Arc::new(TrustStore::new(None, Vec::new()));
    let identities = Arc::new(Identities::new(None, None, &timeouts));
    let Ok(host) = HostName::parse("host") else { return Err(Finding::new("internal", "a name that is none")) };
    let crowd = Arc::new(Crowd::new(1, 1));
    let (secrets, book) = (Arc::default(), Book::default());
    let ground = Ground { timeouts, trust, identities, secrets, book, crowd: Arc::clone(&crowd) };
    let (gauge, learned) = (Arc::default(), Arc::new(Learned::new(host, crowd)));
    let joining = ground.exchange_keys(stream, (&gauge, &learned), known, (&name, None));
    let mut handle = joining.await.map_err(|fault| fault.finding)?;
    // as in a real session: whatever fails from here on cuts the wire
    let guard = gauge.cut.clone().drop_guard();
    let login = tokio::time::timeout(ground.timeouts.auth, handle.authenticate_none("nobody"));
    if !login.await.is_ok_and(|result| result.is_ok_and(|answer| answer.success())) {
        return Err(Finding::new("auth-denied", "the server wants more than a name"));
    }
    let Some(key) = learned.key().cloned() else { return Err(Finding::new("protocol-error", "there was no host key")) };
    guard.disarm();
    let joined = Joined { handle, gauge, learned, key };
    let (mut session, _) = SshSession::start(&ground, joined, began).await?;
    let replies = session.perform(ops, &CancellationToken::new()).await;
    session.close().await;
    Ok(replies)
}
