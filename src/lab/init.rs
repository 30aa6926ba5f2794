//! The first process of a host: builds its view, runs sshd and starts it again when it ends, starts the apps as the
//! user, reaps orphans, and ends the host on SIGTERM or when the supervisor lets go.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use rustix::system::sethostname;
use tokio::io::AsyncBufReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::lab::error::{Doing, LabError};
use crate::lab::facts::{APP_UID, Network, name};
use crate::lab::label::namespace_pids;
use crate::lab::order::{HostSpec, LONGEST, Said, Step, line, parse};
use crate::lab::view;
use crate::model::visible::visible;

const BOOT: &str = include_str!("../../lab/host/boot.sh");
/// While this file is there, sshd stays down.
const NO_SSHD: &str = "/run/no-sshd";
const SSHD_PAUSE: Duration = Duration::from_millis(300);
const GRACE: Duration = Duration::from_millis(1500);

/// Runs a host until it is to end.
pub fn run() -> Result<(), LabError> {
    let outcome = live();
    if let Err(error) = &outcome
        && !matches!(error, LabError::Abandoned)
    {
        // the supervisor may be gone; our own end says as much
        let _ = say(&Said::Failed(error.to_string()));
    }
    outcome
}

fn live() -> Result<(), LabError> {
    let status = std::fs::read_to_string("/proc/self/status").doing(|| "read /proc/self/status".to_owned())?;
    say(&Said::Pids(namespace_pids(&status)))?;
    let spec: HostSpec = parse("the host's spec", &heard()?)?;
    sethostname(name(spec.number).as_bytes()).doing(|| "set the host's name".to_owned())?;
    view::build(&spec)?;
    say(&Said::Built)?;
    if parse::<Step>("the supervisor's word", &heard()?)? != Step::Go {
        return Err(LabError::Unreadable {
            what: "the supervisor's word".to_owned(),
            why: "not the turn of the boot".to_owned(),
        });
    }
    network(spec.fleet.network, spec.number)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().doing(|| "start the host's runtime".to_owned())?;
    runtime.block_on(serve(&spec))
}

async fn serve(spec: &HostSpec) -> Result<(), LabError> {
    let mut child = signal(SignalKind::child()).doing(|| "watch the children".to_owned())?;
    let mut term = signal(SignalKind::terminate()).doing(|| "watch for SIGTERM".to_owned())?;
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().doing(|| "keep the supervisor's line".to_owned())?;
    let stdin = Receiver::from_owned_fd(stdin).doing(|| "read the supervisor's line".to_owned())?;
    let mut words = tokio::io::BufReader::new(stdin).lines();
    let (listening, mut listens) = mpsc::channel(4);
    let mut sshd = Some(start_sshd(&spec.fleet.tools.sshd, &listening)?);
    let mut again = Instant::now();
    let mut boot = None;
    loop {
        tokio::select! {
            _ = child.recv() => while let Some((pid, status)) = reap() {
                if sshd == Some(pid) {
                    sshd = None;
                    again = Instant::now() + SSHD_PAUSE;
                } else if boot == Some(pid) {
                    boot = None;
                    say(&Said::Booted { ok: status.exit_status() == Some(0) })?;
                }
            },
            Some(()) = listens.recv() => say(&Said::Ready)?,
            () = sleep_until(again), if sshd.is_none() => {
                again = Instant::now() + SSHD_PAUSE;
                if !Path::new(NO_SSHD).exists() {
                    sshd = Some(start_sshd(&spec.fleet.tools.sshd, &listening)?);
                }
            }
            word = words.next_line() => match word {
                Ok(Some(word)) if parse::<Step>("the supervisor's word", &word)? == Step::Boot => boot = Some(start_apps()?),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return Ok(()),
            },
            _ = term.recv() => return end().await,
        }
    }
}

/// Asks everything to end and gives it a moment; what is left the kernel ends with us.
async fn end() -> Result<(), LabError> {
    Command::new("/bin/sh").args(["-c", "kill -TERM -1"]).spawn().doing(|| "ask everything to end".to_owned())?;
    let late = Instant::now() + GRACE;
    while Instant::now() < late {
        if matches!(wait(WaitOptions::NOHANG), Err(rustix::io::Errno::CHILD)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn reap() -> Option<(i32, WaitStatus)> {
    wait(WaitOptions::NOHANG).ok().flatten().map(|(pid, status)| (Pid::as_raw(Some(pid)), status))
}

/// In a session of its own; it says itself when it listens.
fn start_sshd(sshd: &Path, listening: &mpsc::Sender<()>) -> Result<i32, LabError> {
    let mut child = Command::new("setsid")
        .arg(sshd)
        .args(["-D", "-e"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .env_clear()
        .spawn()
        .doing(|| "start sshd".to_owned())?;
    let log = child.stderr.take();
    let listening = listening.clone();
    std::thread::spawn(move || {
        for text in log.into_iter().flat_map(|log| BufReader::new(log).lines()).map_while(Result::ok) {
            if text.starts_with("Server listening on ") {
                // a full channel has said it already
                let _ = listening.try_send(());
            }
            eprintln!("sshd: {}", visible(&text));
        }
    });
    raw(&child)
}

fn start_apps() -> Result<i32, LabError> {
    let child = as_app("setpriv")
        .args(["/bin/sh", "-c", BOOT])
        .stdin(Stdio::null())
        .stdout(std::io::stderr().as_fd().try_clone_to_owned().doing(|| "keep the log".to_owned())?)
        .spawn()
        .doing(|| "start the apps".to_owned())?;
    raw(&child)
}

/// A command as the user app with the environment of a login, to be given a program and its arguments.
pub(crate) fn as_app(setpriv: &str) -> Command {
    let mut command = Command::new(setpriv);
    command.args([format!("--reuid={APP_UID}"), format!("--regid={APP_UID}"), "--init-groups".to_owned()]);
    command.args(app_environment());
    command
}

/// `env -i …` for the user app.
pub(crate) fn app_environment() -> Vec<String> {
    let path = format!("PATH={}", view::PATH);
    ["/usr/bin/env", "-i", "HOME=/home/app", "USER=app", "LOGNAME=app", "SHELL=/bin/bash", "LANG=C.UTF-8", &path]
        .map(str::to_owned)
        .to_vec()
}

fn raw(child: &std::process::Child) -> Result<i32, LabError> {
    i32::try_from(child.id()).map_err(std::io::Error::other).doing(|| "name a child".to_owned())
}

fn network(network: Network, number: u16) -> Result<(), LabError> {
    let batch = format!(
        "link set lo up\naddr add {}/24 brd + dev eth0\nlink set eth0 up\nroute add default via {}\n",
        network.inside(number),
        network.gateway()
    );
    ip(&batch)
}

/// Runs `ip` once for many orders.
pub(crate) fn ip(batch: &str) -> Result<(), LabError> {
    let doing = || "run ip".to_owned();
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .doing(doing)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(batch.as_bytes()).doing(doing)?;
    }
    let out = child.wait_with_output().doing(doing)?;
    if out.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&out.stderr).trim().replace('\n', "; ");
    Err(LabError::Program { doing: "setting up the network".to_owned(), said })
}

/// The next line from the one who started us, byte by byte: nothing behind it may be swallowed.
pub(crate) fn heard() -> Result<String, LabError> {
    let stdin = std::io::stdin();
    let mut text = Vec::new();
    loop {
        let mut byte = [0];
        match rustix::io::read(stdin.as_fd(), &mut byte) {
            Ok(1) if byte[0] == b'\n' => break,
            Ok(1) if (text.len() as u64) < LONGEST => text.push(byte[0]),
            Err(rustix::io::Errno::INTR) => {}
            _ => return Err(LabError::Abandoned),
        }
    }
    String::from_utf8(text).map_err(|error| LabError::Unreadable { what: "a message".to_owned(), why: error.to_string() })
}

/// Tells the one who started us.
pub(crate) fn say(what: &Said) -> Result<(), LabError> {
    let mut out = std::io::stdout().lock();
    out.write_all(line(what)?.as_bytes()).and_then(|()| out.flush()).map_err(|_| LabError::Abandoned)
}
