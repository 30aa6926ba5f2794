//! The form without namespaces: one sshd a host as the current user on the host's loopback address, with a home and a
//! PM2 of its own. Weaker: one process table, one file system, one `127.0.0.1` for all hosts.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::lab::error::{Doing, LabError};
use crate::lab::facts::{APP_PORT, Network, SSH_PORT, name};
use crate::lab::files::{app_home, put};
use crate::lab::health::{has_sshd, healthy};
use crate::lab::keys::HOST_KEY;
use crate::lab::label::{self, VARIABLE, end_some};
use crate::lab::order::{Form, HostState, Phase, STATE, State, Tools};
use crate::lab::place::Place;

const BOOT: &str = include_str!("../../lab/host/boot.sh");
const LISTEN: Duration = Duration::from_secs(20);

/// The user whose sshd it is.
pub(crate) fn user() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let named = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    };
    fs::read_to_string("/etc/passwd").ok().and_then(|text| text.lines().find_map(named)).unwrap_or_else(|| uid.to_string())
}

/// A host's environment: its own home, its own PM2, its address, and the label, by which it is found again.
pub(crate) fn environment(place: &Place, network: Network, tools: &Tools, number: u16) -> Vec<String> {
    let home = app_home(place, number).display().to_string();
    let node = tools.node.as_ref().map(|prefix| format!("{}/bin:", prefix.display())).unwrap_or_default();
    vec![
        format!("HOME={home}"),
        format!("PM2_HOME={home}/.pm2"),
        format!("USER={}", user()),
        format!("PATH={}/bin:{node}/usr/local/bin:/usr/bin:/bin", tools.pm2.display()),
        "LANG=C.UTF-8".to_owned(),
        format!("HOST={}", network.outside(number)),
        format!("PORT={APP_PORT}"),
        format!("{VARIABLE}={}", place.id()),
    ]
}

/// Brings hosts 1 to `hosts` up, and ends those above.
pub(crate) fn up(place: &Place, network: Network, tools: &Tools, hosts: u16, starters: usize) -> Result<(), LabError> {
    file(place, network, tools, hosts, Phase::Building)?;
    surplus(place, network, hosts)?;
    let next = AtomicUsize::new(1);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..starters {
            scope.spawn(|| {
                while let Ok(number @ 1..) = u16::try_from(next.fetch_add(1, Ordering::Relaxed)) {
                    if number > hosts {
                        break;
                    }
                    if let Err(error) = host(place, network, tools, number) {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => file(place, network, tools, hosts, Phase::Up),
    }
}

fn file(place: &Place, network: Network, tools: &Tools, hosts: u16, phase: Phase) -> Result<(), LabError> {
    let state = |number| HostState { number, name: name(number), init: None, boots: 1, phase: phase.clone() };
    let state = State {
        id: place.id().to_owned(),
        form: Form::Loopback,
        network,
        // what is missing of this form is made up for by the next `up`
        stands: true,
        supervisor: None,
        tools: tools.clone(),
        hosts: (1..=hosts).map(state).collect(),
    };
    place.write_json(STATE, &state)
}

/// Hosts beyond the wanted number are ended, told among the lab's processes by their address or their configuration.
fn surplus(place: &Place, network: Network, hosts: u16) -> Result<(), LabError> {
    let marks = |number| [format!("HOST={}", network.outside(number)), config(place, number).display().to_string()];
    let kept: Vec<String> = (1..=hosts).flat_map(marks).collect();
    end_some(place.id(), LISTEN, |words| !kept.iter().any(|kept| words.contains(kept)))?;
    Ok(())
}

fn config(place: &Place, number: u16) -> PathBuf {
    place.host(&name(number)).join(label::sshd_config(place.id()))
}

fn host(place: &Place, network: Network, tools: &Tools, number: u16) -> Result<(), LabError> {
    if !has_sshd(network.ssh(number), Duration::from_secs(2)) {
        start_sshd(place, network, tools, number)?;
    }
    if healthy(network.app(number), Duration::from_secs(2)) {
        return Ok(());
    }
    let log = log(place, number)?;
    let status = Command::new("env")
        .arg("-i")
        .args(environment(place, network, tools, number))
        .args(["/bin/sh", "-c", BOOT])
        .stdin(Stdio::null())
        .stdout(log.try_clone().doing(|| "keep the log".to_owned())?)
        .stderr(log)
        .status()
        .doing(|| "start the apps".to_owned())?;
    if status.success() { Ok(()) } else { Err(failed(place, number, "PM2 ended with an error")) }
}

fn start_sshd(place: &Place, network: Network, tools: &Tools, number: u16) -> Result<(), LabError> {
    if rustix::process::geteuid().is_root() {
        // its privilege separation wants this folder
        fs::create_dir_all("/run/sshd").doing(|| "make /run/sshd".to_owned())?;
    }
    let environment = environment(place, network, tools, number);
    let config = config(place, number);
    put(&config, &sshd_config(place, network, number, &environment), 0o600)?;
    let log = log(place, number)?;
    Command::new("setsid")
        .args(["env", "-i"])
        .args(&environment)
        .arg(&tools.sshd)
        .args(["-D", "-e", "-f"])
        .arg(&config)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .doing(|| "start sshd".to_owned())?;
    let late = Instant::now() + LISTEN;
    while !has_sshd(network.ssh(number), Duration::from_secs(2)) {
        if Instant::now() >= late {
            return Err(failed(place, number, "its sshd does not answer"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn sshd_config(place: &Place, network: Network, number: u16, environment: &[String]) -> String {
    let dir = place.host(&name(number));
    let home = app_home(place, number);
    let quoted: Vec<String> = environment.iter().map(|entry| format!("\"{entry}\"")).collect();
    // sshd enters the home of the password file; the host's is another
    let enter = "cd \"$HOME\" && if [ -n \"$SSH_ORIGINAL_COMMAND\" ]; then exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"; else exec /bin/bash -l; fi";
    format!(
        "Port {SSH_PORT}\nListenAddress {}\nHostKey \"{}\"\nPidFile none\nUsePAM no\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nAuthorizedKeysFile \"{}\"\nStrictModes no\nUseDNS no\nPrintMotd no\n\
         PermitRootLogin prohibit-password\nMaxStartups 100:30:200\nAcceptEnv LC_* RUNBOOK_RUN_*\nSubsystem sftp internal-sftp\n\
         SetEnv {}\nForceCommand {enter}\n",
        network.outside(number),
        dir.join(HOST_KEY).display(),
        home.join(".ssh/authorized_keys").display(),
        quoted.join(" "),
    )
}

fn log(place: &Place, number: u16) -> Result<fs::File, LabError> {
    let path = place.path(&format!("log/{}.log", name(number)));
    fs::OpenOptions::new().create(true).append(true).open(&path).doing(|| format!("open {}", path.display()))
}

fn failed(place: &Place, number: u16, why: &str) -> LabError {
    let host = name(number);
    LabError::Host { why: why.to_owned(), log: place.path(&format!("log/{host}.log")), host }
}
