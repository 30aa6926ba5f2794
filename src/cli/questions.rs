//! `runbook --accessible` without a command: the session as questions on the line, one after the other. Nothing that was
//! written changes any more, and nothing is said by a mark alone.

use std::io::{self, BufRead, Write};
use std::path::Path;

use crate::cli::failure::Failure;
use crate::cli::fleet::{self, Choice, SELECTORS};
use crate::cli::list::{self, Listed};
use crate::cli::output::counted;
use crate::cli::run;
use crate::cli::settings::Settings;
use crate::load::runbook as loader;
use crate::model::hostset::fold;
use crate::model::runbook::{Runbook, VarDecl};
use crate::model::visible::visible;
use crate::state::words;

/// How many hosts are worked on at a time, as `runbook run` has it.
const FORKS: usize = 50;
/// What leaving comes to once a runbook was chosen.
const DECLINED: u8 = 4;

/// Asks which runbook, on which hosts, with which values, and goes on as `runbook run` does: its exit code; 0 where nothing
/// was chosen, 4 where the rest was not answered.
pub fn run(settings: &Settings) -> Result<u8, Failure> {
    if !settings.can_ask {
        return Err(Failure::invalid("questions on the line need a terminal on standard input and standard error")
            .hint("runbook run NAME --hosts SEL")
            .hint("runbook --help"));
    }
    let asker = Asker { settings };
    let listed = listed(settings)?;
    let Some((name, runbook)) = asker.runbook(&listed)? else { return Ok(0) };
    let Some(hosts) = asker.hosts()? else { return Ok(DECLINED) };
    let Some(set) = asker.values(&runbook, &hosts)? else { return Ok(DECLINED) };
    let args = run::Args { name, hosts, set, forks: FORKS, ..run::Args::default() };
    run::run(&args, settings)
}

/// Who asks, and hears the answers.
struct Asker<'s> {
    settings: &'s Settings,
}

impl Asker<'_> {
    fn say(&self, text: &str) -> Result<(), Failure> {
        let mut err = self.settings.err();
        err.write_all(text.as_bytes()).and_then(|()| err.flush()).map_err(unreadable)
    }

    /// A line that was typed; none where it is empty, or where nothing more is typed.
    fn ask(&self, question: &str) -> Result<Option<String>, Failure> {
        self.say(&format!("{question}: "))?;
        let mut line = String::new();
        let n = io::stdin().lock().read_line(&mut line).map_err(unreadable)?;
        if n == 0 {
            self.say("\n")?;
        }
        Ok(Some(line.trim().to_owned()).filter(|line| !line.is_empty()))
    }

    fn runbook(&self, listed: &[Listed]) -> Result<Option<(String, Runbook)>, Failure> {
        let sim = if fleet::is_sim(self.settings) { format!("SIM {}\n", words::SIMULATED) } else { String::new() };
        let lines: String = listed.iter().enumerate().map(|(i, one)| format!("{}. {}\n", i + 1, line(one))).collect();
        self.say(&format!("{sim}{}:\n{lines}", counted(listed.len(), "runbook")))?;
        while let Some(said) = self.ask("Which runbook? Its number or its name; an empty line leaves")? {
            let number = said.parse::<usize>().ok().and_then(|n| listed.get(n.checked_sub(1)?));
            let Some(one) = number.or_else(|| listed.iter().find(|one| one.name == said)) else {
                let range = format!("1 to {}", listed.len());
                self.say(&format!("There is no runbook {}: type {range}, or a name from the list.\n", visible(&said)))?;
                continue;
            };
            match load(&one.file) {
                Ok(runbook) => return Ok(Some((one.name.clone(), runbook))),
                Err(failure) => self.say(&failure.to_string())?,
            }
        }
        Ok(None)
    }

    /// A selector that names hosts.
    fn hosts(&self) -> Result<Option<String>, Failure> {
        let all = fleet::inventory(self.settings)?;
        let names: Vec<_> = all.hosts.iter().map(|host| host.name.clone()).collect();
        self.say(&format!("{} in the inventory: {}\n", counted(names.len(), "host"), fold(&names)))?;
        while let Some(said) = self.ask("Which hosts? A selector; ? explains, an empty line leaves")? {
            if said == "?" {
                self.say(&format!("{SELECTORS}\n"))?;
                continue;
            }
            match fleet::chosen(self.settings, Choice { hosts: &said, limit: None, exclude: None }) {
                Ok(chosen) => {
                    self.say(&format!("{}: {}\n", counted(chosen.names.len(), "host"), fold(&chosen.names)))?;
                    return Ok(Some(said));
                }
                Err(failure) => self.say(&failure.to_string())?,
            }
        }
        Ok(None)
    }

    /// What has no value on one of the hosts, as `--set` takes it.
    fn values(&self, runbook: &Runbook, hosts: &str) -> Result<Option<Vec<String>>, Failure> {
        let hosts = fleet::chosen_quietly(self.settings, Choice { hosts, limit: None, exclude: None })?.hosts();
        let open =
            |decl: &&VarDecl| decl.default.is_none() && hosts.iter().any(|host| !host.vars.contains_key(decl.name.as_str()));
        let mut set = Vec::new();
        for decl in runbook.vars.iter().filter(open) {
            let Some(value) = self.value(decl)? else { return Ok(None) };
            set.push(format!("{}={value}", decl.name));
        }
        Ok(Some(set))
    }

    fn value(&self, decl: &VarDecl) -> Result<Option<String>, Failure> {
        let about = decl.about.as_deref().map_or_else(String::new, |about| format!(" ({})", visible(about)));
        while let Some(said) = self.ask(&format!("Value of {}{about}; an empty line leaves", decl.name))? {
            match decl.read(&said) {
                Ok(_) => return Ok(Some(said)),
                Err(why) => self.say(&format!("{} cannot be that: {}\n", decl.name, visible(&why)))?,
            }
        }
        Ok(None)
    }
}

/// `restart-loop: risk restarts, 8 steps, last run 2026-11-21 03:13 by ana, failed: 5 ok 1 failed. PM2 restart loop`.
fn line(one: &Listed) -> String {
    let steps = one.steps.map_or_else(String::new, |n| format!(", {}", counted(n, "step")));
    let risk = one.risk.map_or_else(|| "BROKEN".to_owned(), |risk| format!("risk {}", risk.word()));
    let last = match &one.last_run {
        Some(ran) => format!("last run {} by {}, {}", ran.when(), ran.by, ran.result()),
        None => "not run yet".to_owned(),
    };
    let about = one.title.as_ref().or(one.broken.as_ref()).map_or("", String::as_str);
    visible(&format!("{}: {risk}{steps}, {last}. {about}", one.name)).into_owned()
}

fn listed(settings: &Settings) -> Result<Vec<Listed>, Failure> {
    let listed = list::all(settings)?;
    if listed.is_empty() {
        let place = settings.runbooks.display().to_string();
        return Err(Failure::invalid(format!("there is no runbook in {}", visible(&place))).hint("--runbooks DIR"));
    }
    Ok(listed)
}

fn load(file: &Path) -> Result<Runbook, Failure> {
    loader::load(file).map_err(|errors| fleet::unusable("the runbook", &errors))
}

fn unreadable(error: io::Error) -> Failure {
    Failure::invalid(format!("the terminal cannot be used: {error}"))
}
