//! `lab status`: what is alive, by the labels and by asking, never by the state file alone.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::lab::error::LabError;
use crate::lab::facts::number;
use crate::lab::fault;
use crate::lab::health::{has_sshd, healthy};
use crate::lab::keys::{IDENTITY, KNOWN_HOSTS};
use crate::lab::label;
use crate::lab::loopback;
use crate::lab::order::{Form, Phase, State};
use crate::lab::place::Place;
use crate::lab::up::alive;
use crate::model::visible::literal;

const ASK: Duration = Duration::from_secs(3);

/// The lab as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// How the hosts are kept apart.
    pub form: Form,
    /// The hosts.
    pub hosts: Vec<FoundHost>,
}

/// A host as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundHost {
    /// Its name.
    pub name: String,
    /// Where its sshd is.
    pub address: String,
    /// Whether its first process runs.
    pub alive: bool,
    /// Whether its sshd sends a banner.
    pub ssh: bool,
    /// Whether its service says it is well.
    pub healthy: bool,
    /// Why it could not be started.
    pub failed: Option<String>,
    /// The faults that were injected and not taken back.
    pub faults: Vec<String>,
}

/// Looks; none if there is no lab.
pub fn status(dir: &Path) -> Result<Option<Found>, LabError> {
    let place = Place::new(dir)?;
    let Some(state) = alive(&place)? else { return Ok(None) };
    let living = label::find(place.id());
    let faults = fault::active(&place)?;
    let look = |host: &crate::lab::order::HostState| FoundHost {
        name: host.name.clone(),
        address: state.network.ssh(host.number).to_string(),
        alive: match state.form {
            Form::Namespaces => living.iter().any(|process| process.first && process.host.as_ref() == Some(&host.name)),
            Form::Loopback => has_sshd(state.network.ssh(host.number), ASK),
        },
        ssh: has_sshd(state.network.ssh(host.number), ASK),
        healthy: healthy(state.network.app(host.number), ASK),
        failed: match &host.phase {
            Phase::Failed(why) => Some(why.clone()),
            Phase::Building | Phase::Ssh | Phase::Up => None,
        },
        faults: faults.iter().filter(|(_, hosts)| hosts.contains(&host.name)).map(|(fault, _)| fault.clone()).collect(),
    };
    let hosts = std::thread::scope(|scope| {
        let looks: Vec<_> = state.hosts.iter().map(|host| scope.spawn(|| look(host))).collect();
        looks.into_iter().filter_map(|look| look.join().ok()).collect()
    });
    Ok(Some(Found { form: state.form, hosts }))
}

/// The system's `ssh` to a host, for people: strict, with the lab's key only.
pub fn ssh(dir: &Path, host: &str, words: &[String]) -> Result<Command, LabError> {
    let place = Place::new(dir)?;
    let state = alive(&place)?.ok_or_else(|| LabError::Down(place.dir().to_path_buf()))?;
    let number = known(&state, host)?;
    let address = state.network.ssh(number);
    let user = match state.form {
        Form::Namespaces => "app".to_owned(),
        Form::Loopback => loopback::user(),
    };
    let mut command = Command::new("ssh");
    command.args([
        "-F",
        "/dev/null",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "GlobalKnownHostsFile=/dev/null",
    ]);
    command.arg("-o").arg(format!("UserKnownHostsFile={}", quoted(&place.path(KNOWN_HOSTS))));
    command.arg("-i").arg(place.path(IDENTITY));
    command.args(["-p", &address.port().to_string(), "-l", &user, &address.ip().to_string()]);
    if !words.is_empty() {
        command.arg("--").args(words);
    }
    Ok(command)
}

/// ssh splits this option at spaces.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// The number of a host of this lab.
pub(crate) fn known(state: &State, host: &str) -> Result<u16, LabError> {
    number(host).filter(|number| state.hosts.iter().any(|known| known.number == *number)).ok_or_else(|| {
        let names: Vec<&str> = state.hosts.iter().map(|host| host.name.as_str()).collect();
        let what = format!("there is no host `{}` in the lab, but {}", literal(host), names.join(", "));
        LabError::Invalid { what, hint: "runbook lab status".to_owned() }
    })
}
