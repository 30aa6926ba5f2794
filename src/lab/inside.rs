//! Doing something on a host from this machine, as its user, without SSH: for faults, which may break SSH.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::lab::error::{Doing, LabError};
use crate::lab::facts::{APP_PORT, name};
use crate::lab::init::app_environment;
use crate::lab::label::Labelled;
use crate::lab::loopback;
use crate::lab::order::{Form, State};
use crate::lab::place::Place;

/// Runs a script on a host as the user app; it is ended after `seconds`.
pub(crate) fn script(
    place: &Place,
    state: &State,
    living: &[Labelled],
    number: u16,
    text: &str,
    seconds: u32,
) -> Result<Output, LabError> {
    let mut command = match state.form {
        Form::Loopback => {
            let mut command = Command::new("env");
            command.arg("-i").args(loopback::environment(place, state.network, &state.tools, number));
            command
        }
        Form::Namespaces => {
            let host = name(number);
            let init =
                living.iter().find(|process| process.first && process.host.as_deref() == Some(&host)).ok_or_else(|| {
                    LabError::Host {
                        host: host.clone(),
                        why: "it is not running".to_owned(),
                        log: place.path(&format!("log/{host}.log")),
                    }
                })?;
            let mut command = Command::new("nsenter");
            command.args(["--target", &init.pid.to_string(), "--mount", "--uts", "--ipc", "--net", "--pid", "--"]);
            command.args(["/usr/bin/setpriv", "--reuid=1001", "--regid=1001", "--init-groups"]).args(app_environment());
            command.arg(format!("PORT={APP_PORT}"));
            command
        }
    };
    let doing = || format!("run a script on {}", name(number));
    let mut child = command
        .args(["timeout", "--kill-after=5", &seconds.to_string(), "/bin/sh", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .doing(doing)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes()).doing(doing)?;
    }
    child.wait_with_output().doing(doing)
}
