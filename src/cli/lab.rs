//! `runbook lab`.

use std::path::PathBuf;

use crate::cli::failure::Failure;
use crate::cli::settings::Settings;

/// Arguments of `runbook lab`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The lab's folder
    #[arg(long, global = true, value_name = "DIR", default_value = ".lab")]
    pub dir: PathBuf,
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, clap::Subcommand)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "parsed everywhere, done on Linux"))]
enum Action {
    /// Bring the fleet up; what is up stays up
    Up {
        /// How many hosts
        #[arg(long, value_name = "N", default_value_t = 6)]
        hosts: u16,
        /// The second octet of the lab's addresses, so that several labs run side by side
        #[arg(long, value_name = "N", hide = true, value_parser = clap::value_parser!(u8).range(1..=254))]
        network: Option<u8>,
        /// A folder with PM2 that several labs share
        #[arg(long, value_name = "DIR", hide = true)]
        pm2: Option<PathBuf>,
        /// How the hosts are kept apart: auto, namespaces, loopback
        #[arg(long, value_name = "FORM", hide = true, default_value = "auto")]
        form: String,
        /// Stay, and end the lab when standard input ends
        #[arg(long, hide = true)]
        hold: bool,
    },
    /// Tell what is up, and which faults are in
    Status,
    /// Log in to a host, or run a command there
    Ssh {
        /// The host
        host: String,
        /// The command
        #[arg(last = true, value_name = "CMD")]
        words: Vec<String>,
    },
    /// End the fleet; nothing stays but keys and programs
    Down,
    /// Inject an incident, or what only looks like one, or take it back
    #[cfg_attr(target_os = "linux", command(after_help = crate::lab::fault::list()))]
    Fault {
        /// Its name
        #[arg(value_name = "NAME")]
        fault: String,
        /// The hosts: `all`, or names with commas between
        #[arg(long, value_name = "SEL", default_value = "all")]
        hosts: String,
        /// Take it back
        #[arg(long)]
        undo: bool,
    },
}

/// Does it.
#[cfg(not(target_os = "linux"))]
pub fn run(_args: &Args, _settings: &Settings) -> Result<u8, Failure> {
    Err(Failure::invalid("the lab needs Linux: its hosts are namespaces"))
}

/// Does it.
#[cfg(target_os = "linux")]
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    linux::run(args, settings)
}

/// The first process of a lab.
#[cfg(target_os = "linux")]
pub use linux::{init, supervisor};

#[cfg(target_os = "linux")]
mod linux {
    use std::io::Write;
    use std::os::unix::process::CommandExt;

    use clap::ValueEnum;

    use crate::cli::failure::Failure;
    use crate::cli::lab::{Action, Args};
    use crate::cli::settings::Settings;
    use crate::lab::down::down;
    use crate::lab::error::LabError;
    use crate::lab::fault::fault;
    use crate::lab::form::{Form, Wanted};
    use crate::lab::status::{Found, FoundHost, ssh, status};
    use crate::lab::up::{Wish, up};
    use crate::report::signs::Signs;
    use crate::report::sink;

    pub(super) fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
        let shown = settings.progress;
        let mut tell = |line: &str| {
            if shown {
                print(&format!("{line}\n"));
            }
        };
        match &args.command {
            Action::Up { hosts, network, pm2, form, hold } => {
                let form =
                    Wanted::from_str(form, true).map_err(|_| Failure::invalid("--form is auto, namespaces or loopback"))?;
                let wish = Wish { dir: args.dir.clone(), hosts: *hosts, network: *network, pm2: pm2.clone(), form, hold: *hold };
                up(&wish, &mut tell).map_err(failure)?;
            }
            Action::Status => {
                let Some(found) = status(&args.dir).map_err(failure)? else {
                    print("the lab is down; `runbook lab up` brings it up\n");
                    return Ok(3);
                };
                print(&table(&found));
            }
            Action::Ssh { host, words } => {
                // only returns when it could not be started
                let error = ssh(&args.dir, host, words).map_err(failure)?.exec();
                return Err(Failure::invalid(format!("cannot run ssh: {error}")));
            }
            Action::Down => down(&args.dir, &mut tell).map_err(failure)?,
            Action::Fault { fault: name, hosts, undo } => fault(&args.dir, name, hosts, *undo, &mut tell).map_err(failure)?,
        }
        Ok(0)
    }

    /// The first process of a lab.
    pub fn supervisor() -> Result<u8, Failure> {
        crate::lab::supervisor::run().map(|()| 0).map_err(failure)
    }

    /// The first process of a host of a lab.
    pub fn init() -> Result<u8, Failure> {
        crate::lab::init::run().map(|()| 0).map_err(failure)
    }

    fn failure(error: LabError) -> Failure {
        let code = match error {
            LabError::Invalid { .. } | LabError::Missing { .. } => 2,
            LabError::Down(_) => 3,
            _ => 1,
        };
        let hint = error.hint();
        let failure = Failure::new(code, error.to_string());
        hint.into_iter().fold(failure, Failure::hint)
    }

    fn table(found: &Found) -> String {
        let form = match found.form {
            Form::Namespaces => "each host has namespaces of its own",
            Form::Loopback => "loopback form: one sshd a host as the current user, no namespaces",
        };
        let mut text =
            format!("the lab is up: {form}\n\n{:<10} {:<18} {:<8} {:<10} {}\n", "HOST", "ADDRESS", "SSH", "SERVICE", "FAULTS");
        for host in &found.hosts {
            let line = format!(
                "{:<10} {:<18} {:<8} {:<10} {}",
                host.name,
                host.address,
                ssh_word(host),
                service_word(host),
                host.faults.join(" ")
            );
            text.push_str(line.trim_end());
            text.push('\n');
            if let Some(why) = &host.failed {
                text.push_str(&format!("  {why}\n"));
            }
        }
        text
    }

    fn ssh_word(host: &FoundHost) -> &'static str {
        match (host.alive, host.ssh) {
            (false, _) => "dead",
            (true, true) => "answers",
            (true, false) => "silent",
        }
    }

    fn service_word(host: &FoundHost) -> &'static str {
        if host.healthy { "healthy" } else { "unhealthy" }
    }

    fn print(text: &str) {
        // a closed pipe is no failure of ours
        let _ = sink::out(Signs::default(), false).write_all(text.as_bytes());
    }
}
