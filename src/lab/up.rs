//! `lab up`: prepares, starts what is not there, stops what is too many, and returns when every service answers.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::down::down;
use crate::lab::error::{Doing, LabError};
use crate::lab::facts::{MOST_HOSTS, Network, name};
use crate::lab::files;
use crate::lab::form::{Form, Wanted, obstacle};
use crate::lab::health::healthy;
use crate::lab::keys;
use crate::lab::label;
use crate::lab::loopback;
use crate::lab::order::{Conversation, FleetSpec, Order, Phase, STATE, State, Tools, line};
use crate::lab::place::Place;
use crate::lab::programs;
use crate::lab::supervisor::{HOLD, KEEP, LISTENING};

/// The longest a whole fleet may take after its preparation.
const LIMIT: Duration = Duration::from_secs(300);
/// The longest a service may take once its start was ordered.
const HEALTH: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(20);
const DEFAULT_NETWORK: u8 = 77;
/// Which faults are in.
pub(crate) const FAULTS: &str = "faults.json";

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The lab's folder.
    pub dir: PathBuf,
    /// How many hosts.
    pub hosts: u16,
    /// The second octet of its addresses; the running lab's, or 77.
    pub network: Option<u8>,
    /// A folder with PM2 that several labs share.
    pub pm2: Option<PathBuf>,
    /// How the hosts are kept apart.
    pub form: Wanted,
    /// Stay, and end the lab when standard input ends.
    pub hold: bool,
}

/// Brings it about. `say` hears what is done, a line at a time.
pub fn up(wish: &Wish, say: &mut dyn FnMut(&str)) -> Result<(), LabError> {
    let begun = Instant::now();
    if wish.hosts == 0 || wish.hosts > MOST_HOSTS {
        return Err(LabError::Invalid {
            what: format!("a lab has 1 to {MOST_HOSTS} hosts"),
            hint: "runbook lab up --hosts 6".to_owned(),
        });
    }
    let place = Place::new(&wish.dir)?;
    place.make()?;
    let lock = place.lock()?;
    let old = living(&place)?;
    let ground = prepare(&place, wish, old.as_ref(), begun, say)?;
    let network = ground.network;
    let starting = Instant::now();
    let mut fresh = None;
    match ground.form {
        Form::Loopback => loopback::up(&place, network, &ground.tools, wish.hosts, starters())?,
        Form::Namespaces => {
            if old.is_none() {
                fresh = Some(Fresh::start(&place, ground.tools, network)?);
            }
            follow(&place, wish.hosts, starting, say)?;
        }
    }
    wait_for_health(&place, network, 1..=wish.hosts)?;
    let word = if wish.hold { HOLD } else { KEEP };
    fresh.as_mut().map_or(Ok(()), |fresh| fresh.tell(&format!("{word}\n")))?;
    say(&format!("{} up, every service answers, {} in all", count(wish.hosts), seconds(begun)));
    drop(lock);
    if wish.hold {
        // whatever is written is not for us; only the end matters
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).doing(|| "wait for the end of standard input".to_owned())?;
        drop(fresh);
        down(&wish.dir, say)?;
    }
    Ok(())
}

/// What a lab stands on.
#[derive(Debug)]
struct Ground {
    network: Network,
    form: Form,
    tools: Tools,
}

/// Finds or makes everything that is on disk: programs, keys, homes, the inventory.
fn prepare(
    place: &Place,
    wish: &Wish,
    old: Option<&State>,
    begun: Instant,
    say: &mut dyn FnMut(&str),
) -> Result<Ground, LabError> {
    if let (Some(old), Some(network)) = (old, wish.network)
        && old.network != Network(network)
    {
        let what = format!("the lab is up with --network {}", old.network.0);
        return Err(LabError::Invalid { what, hint: "runbook lab down".to_owned() });
    }
    let ground = match old {
        Some(old) => Ground { network: old.network, form: old.form, tools: old.tools.clone() },
        None => Ground {
            network: Network(wish.network.unwrap_or(DEFAULT_NETWORK)),
            form: choose(wish.form, say)?,
            tools: programs::prepare(place, wish.pm2.as_deref(), say)?,
        },
    };
    let there: Vec<u16> = old.iter().flat_map(|old| &old.hosts).map(|host| host.number).collect();
    let new: Vec<u16> = (1..=wish.hosts).filter(|number| !there.contains(number)).collect();
    keys::prepare(place, ground.network, wish.hosts.max(there.iter().copied().max().unwrap_or(0)))?;
    let owner = if ground.form == Form::Namespaces { files::app_owner() } else { None };
    for number in &new {
        files::fresh_home(place, *number, owner)?;
    }
    files::write_inventory(place, ground.network, wish.hosts, &user(ground.form))?;
    if let Ok(new @ 1..) = u16::try_from(new.len()) {
        say(&format!("prepared {} in {}", count(new), seconds(begun)));
    }
    Ok(ground)
}

/// How many PM2 commands may run at once: more of them starve everything else.
fn starters() -> usize {
    2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The state of a lab that is alive, by its own word or its labels; what is left of a dead one is ended.
fn living(place: &Place) -> Result<Option<State>, LabError> {
    // one that never stood is about to end: whoever built it is gone, for we have the lock
    let state = alive(place)?.filter(|state| state.stands);
    if state.is_none() {
        label::end_all(place.id(), END)?;
        for name in [STATE, FAULTS] {
            let _ = std::fs::remove_file(place.path(name));
        }
    }
    Ok(state)
}

/// The state of a lab that is alive.
pub(crate) fn alive(place: &Place) -> Result<Option<State>, LabError> {
    // a file that is no state of ours says as much as none
    let Some(state) = place.read_json::<State>(STATE).ok().flatten() else { return Ok(None) };
    let living = label::find(place.id());
    let supervised =
        |process: crate::lab::order::Process| living.iter().any(|found| found.pid == process.pid && found.start == process.start);
    let alive = match state.form {
        Form::Namespaces => state.supervisor.is_some_and(supervised),
        Form::Loopback => !living.is_empty(),
    };
    Ok(alive.then_some(state))
}

fn choose(wanted: Wanted, say: &mut dyn FnMut(&str)) -> Result<Form, LabError> {
    match (wanted, if wanted == Wanted::Loopback { None } else { obstacle() }) {
        (Wanted::Loopback, _) => Ok(Form::Loopback),
        (_, None) => Ok(Form::Namespaces),
        (Wanted::Namespaces, Some(why)) => Err(LabError::Invalid {
            what: format!("no namespaces here: {why}"),
            hint: "runbook lab up --form loopback".to_owned(),
        }),
        (Wanted::Auto, Some(why)) => {
            say(&format!("no namespaces here: {why}"));
            say("taking the loopback form: one sshd a host as the current user");
            Ok(Form::Loopback)
        }
    }
}

fn user(form: Form) -> String {
    match form {
        Form::Namespaces => "app".to_owned(),
        Form::Loopback => loopback::user(),
    }
}

/// Waits until every host has what was ordered, and tells the milestones.
fn follow(place: &Place, hosts: u16, starting: Instant, say: &mut dyn FnMut(&str)) -> Result<(), LabError> {
    let gone = || LabError::Program { doing: "the supervisor".to_owned(), said: "it does not answer".to_owned() };
    let mut conversation = Conversation::start(place, &Order::Hosts(hosts), LIMIT)?.ok_or_else(gone)?;
    let mut ssh_told = None;
    loop {
        let state = conversation.next()?;
        let all_up = state.hosts.iter().all(|host| host.phase == Phase::Up);
        // what was there from the start is no news
        let ssh_told = ssh_told.get_or_insert(all_up);
        for host in &state.hosts {
            if let Phase::Failed(why) = &host.phase {
                let log = place.path(&format!("log/{}.log", host.name));
                return Err(LabError::Host { host: host.name.clone(), why: why.clone(), log });
            }
        }
        let with =
            |phases: &[Phase]| state.hosts.iter().filter(|host| phases.contains(&host.phase)).count() == usize::from(hosts);
        if !*ssh_told && with(&[Phase::Ssh, Phase::Up]) {
            *ssh_told = true;
            say(&format!("sshd answers on every host after {}", seconds(starting)));
        }
        if with(&[Phase::Up]) {
            return Ok(());
        }
        if starting.elapsed() > LIMIT {
            return Err(LabError::Late { what: "starting the fleet".to_owned(), seconds: LIMIT.as_secs() });
        }
    }
}

/// Waits until these hosts' services say they are well.
pub(crate) fn wait_for_health(place: &Place, network: Network, hosts: impl IntoIterator<Item = u16>) -> Result<(), LabError> {
    let late = Instant::now() + HEALTH;
    for number in hosts {
        while !healthy(network.app(number), Duration::from_secs(5)) {
            if Instant::now() >= late {
                let host = name(number);
                let log = place.path(&format!("log/{host}.log"));
                return Err(LabError::Host { host, why: "its service does not answer".to_owned(), log });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// A supervisor that ends with us until it is told to stay.
#[derive(Debug)]
struct Fresh {
    child: Child,
    line: Option<ChildStdin>,
}

impl Fresh {
    fn start(place: &Place, tools: Tools, network: Network) -> Result<Self, LabError> {
        let spec = FleetSpec { id: place.id().to_owned(), dir: place.dir().to_path_buf(), network, tools, starters: starters() };
        let program = std::env::current_exe().doing(|| "name this program".to_owned())?;
        let log = place.path("log/supervisor.log");
        let log = OpenOptions::new().create(true).append(true).open(&log).doing(|| format!("open {}", log.display()))?;
        let mut child = Command::new("setsid")
            .args(["unshare", "--fork", "--kill-child", "--pid", "--mount", "--propagation", "private", "--"])
            .arg(program)
            .args(["lab-supervisor", place.id()])
            .env(label::VARIABLE, place.id())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .doing(|| "start the supervisor".to_owned())?;
        let mut fresh = Self { line: child.stdin.take(), child };
        fresh.tell(&line(&spec)?)?;
        let mut said = String::new();
        if let Some(stdout) = fresh.child.stdout.take() {
            BufReader::new(stdout).read_line(&mut said).doing(|| "hear from the supervisor".to_owned())?;
        }
        if said.trim_end() != LISTENING {
            let log = std::fs::read_to_string(place.path("log/supervisor.log")).unwrap_or_default();
            let said = log.lines().last().unwrap_or("it ended").to_owned();
            return Err(LabError::Program { doing: "starting the supervisor".to_owned(), said });
        }
        Ok(fresh)
    }

    fn tell(&mut self, text: &str) -> Result<(), LabError> {
        match &mut self.line {
            Some(line) => line.write_all(text.as_bytes()).doing(|| "tell the supervisor".to_owned()),
            None => Ok(()),
        }
    }
}

fn count(hosts: u16) -> String {
    if hosts == 1 { "1 host".to_owned() } else { format!("{hosts} hosts") }
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}
