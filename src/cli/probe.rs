//! `runbook hosts --probe`: who can be reached, how fast, whose clock is off, and what each says of itself.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::cli::args::Form;
use crate::cli::failure::Failure;
use crate::cli::fleet;
use crate::cli::fold::{Down, causes};
use crate::cli::hosts::Hosted;
use crate::cli::identities;
use crate::cli::output::{counted, json, note_sim, present, print, table};
use crate::cli::run::runtime;
use crate::cli::settings::Settings;
use crate::engine::machines::meant;
use crate::engine::world::{Connected, Session, World};
use crate::model::finding::Finding;
use crate::model::host::{Facts, Host};
use crate::model::id::HostName;
use crate::model::op::{Exit, Op, Reply, Shell};
use crate::model::outcome::RunState;
use crate::model::time::parse_deadline;
use crate::state::words;
use crate::world::any::AnyFleet;

/// The names of the columns; stable.
const COLUMNS: [&str; 8] = ["HOST", "REACH", "LATENCY", "SKEW", "SYSTEM", "NAME", "USER", "KEY"];

/// How hosts are probed.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many hosts at the same time
    #[arg(short, long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..), requires = "probe")]
    forks: u16,
    /// How long one host may take, from its name to its answer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_deadline, requires = "probe")]
    timeout: Duration,
}

/// What was found of a host that is up.
#[derive(Debug)]
struct Up {
    connected: Connected,
    /// One round trip through the open shell; none where that look did not come to its end.
    latency: Option<Duration>,
}

type Probed = (Host, Result<Up, Down>);

/// What a probe found of a host.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Found {
    /// Whether it could be reached.
    pub reach: Reach,
    /// Where it is down, the class of the fault, such as `refused`, `host-key-changed`, `auth-denied`.
    pub class: Option<String>,
    /// One round trip through its open shell, in milliseconds; none where it is down or did not answer that.
    pub latency_ms: Option<f64>,
    /// How far its clock is ahead of this machine's, in milliseconds.
    pub skew_ms: Option<i64>,
    /// How far off that may be, in milliseconds.
    pub skew_err_ms: Option<u64>,
    /// The key that it was recognised by.
    pub key: Option<Key>,
    /// What it says of itself.
    pub facts: Option<Facts>,
    /// Why it is down.
    pub finding: Option<Finding>,
}

/// Whether a host could be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// It could.
    Up,
    /// It could not.
    Down,
}

/// The key of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Key {
    /// Such as `ssh-ed25519`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `SHA256:…`.
    pub fingerprint: String,
}

impl Found {
    fn of(found: &Result<Up, Down>) -> Self {
        match found {
            Ok(Up { connected, latency }) => Self {
                reach: Reach::Up,
                class: None,
                latency_ms: latency.map(|time| (time.as_secs_f64() * 1e6).round() / 1e3),
                skew_ms: Some(connected.facts.skew_ms),
                skew_err_ms: Some(connected.facts.skew_err_ms),
                key: Some(Key { kind: connected.key_type.clone(), fingerprint: connected.fingerprint.clone() }),
                facts: Some(connected.facts.clone()),
                finding: None,
            },
            Err(down) => Self {
                reach: Reach::Down,
                class: Some(down.finding.code.clone()),
                latency_ms: None,
                skew_ms: None,
                skew_err_ms: None,
                key: None,
                facts: None,
                finding: Some(down.finding.clone()),
            },
        }
    }
}

/// Does it.
pub fn run(hosts: Vec<Host>, options: &Options, settings: &Settings) -> Result<u8, Failure> {
    let runtime = runtime()?;
    let world = fleet::world(settings, BTreeMap::new())?;
    runtime.block_on(identities::check(&world, &hosts))?;
    let probed = runtime.block_on(everywhere(&world, hosts, options));
    // what did not end in time must not hold up the exit
    runtime.shutdown_timeout(Duration::from_millis(100));
    tell(&probed, settings)?;
    let state = if probed.iter().all(|(_, found)| found.is_ok()) { RunState::Ok } else { RunState::Unreachable };
    Ok(state.code())
}

fn tell(probed: &[Probed], settings: &Settings) -> Result<(), Failure> {
    let sim = fleet::is_sim(settings);
    match settings.output {
        Form::Json => probed.iter().try_for_each(|(host, found)| json(&Hosted::new(host, sim, Some(Found::of(found)))))?,
        Form::Quiet => {
            let up = probed.iter().filter(|(_, found)| found.is_ok());
            print(&up.map(|(host, _)| format!("{}\n", host.name)).collect::<String>())?;
        }
        Form::Human => {
            note_sim(sim);
            let rows: Vec<Vec<String>> = probed.iter().map(|(host, found)| row(&host.name, found)).collect();
            present(settings, &table(&COLUMNS, &rows, settings.stdout_terminal))?;
        }
    }
    let down = probed.iter().filter_map(|(host, found)| Some((&host.name, found.as_ref().err()?)));
    // nobody is left to tell when standard error is closed
    let _ = settings.err().write_all(causes(down).as_bytes());
    if settings.stdout_terminal && settings.output == Form::Human {
        present(settings, &format!("{}{}\n", words::sim(sim), summary(probed)))?;
    }
    Ok(())
}

/// Every host on its own: one that is dead keeps a place among `forks` until its deadline, and nobody's result.
async fn everywhere(world: &AnyFleet, hosts: Vec<Host>, options: &Options) -> Vec<Probed> {
    let forks = usize::from(options.forks);
    let one = async |(index, host): (usize, Host)| {
        let found = match timeout(options.timeout, probe(world, &host)).await {
            Ok(found) => found,
            Err(_) => {
                Err(Finding::new("probe-timeout", format!("it was not done in {:?}", options.timeout)).hint("--timeout TIME"))
            }
        };
        let found = found.map_err(|finding| Down::new(&host, finding));
        (index, (host, found))
    };
    let mut done: Vec<(usize, Probed)> =
        stream::iter(hosts.into_iter().enumerate()).map(one).buffer_unordered(forks).collect().await;
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, probed)| probed).collect()
}

async fn probe(world: &AnyFleet, host: &Host) -> Result<Up, Finding> {
    let (mut session, connected) = world.connect(host).await.map_err(|fault| fault.finding)?;
    meant(host, &connected.facts)?;
    let reply = session.perform(&[Op::Shell(Shell::look("latency", ":"))], &CancellationToken::new()).await.pop();
    if let Some((class, why)) = session.lost() {
        return Err(Finding::new(&class, why));
    }
    session.close().await;
    let latency = match reply {
        Some(Reply::Shell(reply)) if reply.exit == (Exit::Code { code: 0 }) => Some(reply.took),
        _ => None,
    };
    Ok(Up { connected, latency })
}

fn row(name: &HostName, found: &Result<Up, Down>) -> Vec<String> {
    let cells = match found {
        Err(down) => [format!("down {}", down.finding.code)].into_iter().chain((0..6).map(|_| "-".to_owned())).collect(),
        Ok(Up { connected, latency }) => {
            let facts = &connected.facts;
            vec![
                "up".to_owned(),
                latency.map_or_else(|| "-".to_owned(), millis),
                format!("{} ±{}s", skew(facts), centis(facts.skew_err_ms.saturating_add(9))),
                format!("{} {}", facts.os, facts.arch),
                facts.hostname.clone(),
                format!("{}({})", facts.user, facts.uid),
                format!("{} {}", connected.key_type, connected.fingerprint),
            ]
        }
    };
    [name.to_string()].into_iter().chain::<Vec<String>>(cells).collect()
}

/// `0.4ms`, `12ms`.
fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 10.0 { format!("{millis:.1}ms") } else { format!("{millis:.0}ms") }
}

/// `+2.31s`.
fn skew(facts: &Facts) -> String {
    let off = centis(facts.skew_ms.unsigned_abs().saturating_add(5));
    let sign = if facts.skew_ms < 0 && off != "0.00" { '-' } else { '+' };
    format!("{sign}{off}s")
}

/// Seconds with two digits, cut.
fn centis(millis: u64) -> String {
    format!("{}.{:02}", millis / 1000, millis % 1000 / 10)
}

/// `8 hosts: 7 up, 1 down; worst skew +2.31s (web-04)`.
fn summary(probed: &[Probed]) -> String {
    let up: Vec<(&HostName, &Facts)> =
        probed.iter().filter_map(|(host, found)| Some((&host.name, &found.as_ref().ok()?.connected.facts))).collect();
    let down = match probed.len() - up.len() {
        0 => String::new(),
        count => format!(", {count} down"),
    };
    let worst = up.iter().max_by_key(|(_, facts)| facts.skew_ms.unsigned_abs());
    let worst = worst.map_or(String::new(), |(name, facts)| format!("; worst skew {} ({name})", skew(facts)));
    format!("{}: {} up{down}{worst}", counted(probed.len(), "host"), up.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::{Probed, Up, row, summary};
    use crate::cli::fold::Down;
    use crate::engine::world::Connected;
    use crate::model::finding::Finding;
    use crate::model::host::{Facts, Host};
    use crate::model::id::HostName;

    fn host(name: &str) -> Host {
        Host {
            name: HostName::parse(name).expect("a name"),
            address: "10.0.0.1".to_owned(),
            port: 22,
            user: "ec2-user".to_owned(),
            identity: None,
            known_hosts: Vec::new(),
            host_key_alias: None,
            instance_id: None,
            tags: Vec::new(),
            groups: Vec::new(),
            protected: false,
            vars: BTreeMap::new(),
        }
    }

    fn up(name: &str, skew_ms: i64, latency: Option<u64>) -> Probed {
        let facts = Facts {
            os: "Linux".to_owned(),
            arch: "x86_64".to_owned(),
            user: "app".to_owned(),
            uid: 1000,
            home: "/home/app".to_owned(),
            hostname: "ip-10-0-0-1".to_owned(),
            boot_id: None,
            machine_id: None,
            instance_id: None,
            skew_ms,
            skew_err_ms: 6,
        };
        let (key_type, fingerprint) = ("ssh-ed25519".to_owned(), "SHA256:abc".to_owned());
        let connected = Connected { key_type, fingerprint, facts, took: Duration::from_millis(90), algorithms: None };
        (host(name), Ok(Up { connected, latency: latency.map(Duration::from_micros) }))
    }

    fn down(name: &str) -> Probed {
        let host = host(name);
        let why = Down::new(&host, Finding::new("refused", "connection refused"));
        (host, Err(why))
    }

    #[test]
    fn a_row_says_what_was_found() {
        let cells = |(host, found): Probed| row(&host.name, &found).join("|");
        let rest = "Linux x86_64|ip-10-0-0-1|app(1000)|ssh-ed25519 SHA256:abc";
        assert_eq!(cells(up("web-04", 2308, Some(12_400))), format!("web-04|up|12ms|+2.31s ±0.01s|{rest}"));
        assert_eq!(cells(up("web-04", -44, Some(440))), format!("web-04|up|0.4ms|-0.04s ±0.01s|{rest}"));
        assert_eq!(cells(up("web-04", -4, None)), format!("web-04|up|-|+0.00s ±0.01s|{rest}"));
        assert_eq!(cells(down("web-05")), "web-05|down refused|-|-|-|-|-|-");
    }

    #[test]
    fn the_summary_names_the_worst_clock() {
        let probed = [up("web-01", 12, None), up("web-04", -2308, None), down("web-05")];
        assert_eq!(summary(&probed), "3 hosts: 2 up, 1 down; worst skew -2.31s (web-04)");
        assert_eq!(summary(&probed[2..]), "1 host: 0 up, 1 down");
        assert_eq!(summary(&probed[..1]), "1 host: 1 up; worst skew +0.01s (web-01)");
    }
}
