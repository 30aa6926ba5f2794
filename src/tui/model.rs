//! What the screens show: runbooks, hosts, recorded runs, the live run. Owned by the session; screens only read it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::event::{Event, EventKind, OpenItem};
use crate::model::hostset;
use crate::model::id::{HostName, RunId};
use crate::model::inventory::Inventory;
use crate::model::outcome::{HostOutcome, RunState as EndState};
use crate::model::runbook::Runbook;
use crate::model::time::Timestamp;
use crate::state::fleet::Fleet;
use crate::state::log::Logs;
use crate::state::looked::Looked;
use crate::state::run::RunState;
use crate::state::series::Series;
use crate::state::timeline::Timeline;
use crate::state::trail::Trail;
use crate::tui::action::Order;

/// Everything there is to show.
#[derive(Debug)]
pub struct Model {
    /// As last read.
    pub shelf: Shelf,
    /// Whether each host answers, as far as it was asked.
    pub reach: Reached,
    /// The run of this session: previewing, running or ended.
    pub live: Option<Watched>,
    /// What the live run was begun by; the same again is begun from it.
    pub order: Option<Order>,
    /// A recorded run that was opened, with its timeline. The live run is opened too when its timeline is looked at.
    pub opened: Option<Opened>,
    /// Two recorded runs that are compared.
    pub compared: Option<Box<(Watched, Watched)>>,
    /// The time on the wall.
    pub now: Timestamp,
    /// How far local time is ahead of UTC, in seconds.
    pub offset: i32,
    /// Who sits here.
    pub operator: String,
    /// Whether the hosts are simulated.
    pub sim: bool,
}

/// Runbooks, hosts and records, as last read.
#[derive(Debug, Default)]
pub struct Shelf {
    /// When it was read; none: it is being read for the first time.
    pub read: Option<Timestamp>,
    /// The runbooks, last used first.
    pub books: Vec<Book>,
    /// The inventory, or why there is none.
    pub inventory: Option<Result<Inventory, Broken>>,
    /// How the inventory is named on the command line.
    pub inventory_name: String,
    /// Flags that must be repeated in a command that is typed next, as a shell takes them, with a space before; may be empty.
    pub run_flags: String,
    /// The same for commands about the record.
    pub record_flags: String,
    /// The newest runs, newest first.
    pub runs: Vec<Ran>,
    /// How many runs are recorded in all.
    pub runs_recorded: usize,
    /// What earlier runs have left open.
    pub open: Vec<LeftOpen>,
    /// What each host came to when it last took part in one of the newest runs.
    pub last: BTreeMap<HostName, Last>,
    /// Why the record cannot be read, where it cannot.
    pub trouble: Option<String>,
}

/// A runbook.
#[derive(Debug, Clone)]
pub struct Book {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The runbook, or what is wrong with it.
    pub is: Result<Box<Runbook>, Broken>,
    /// What is not wrong but should not be so: one line each, with its place.
    pub warnings: Vec<String>,
    /// Its newest run that was no dry run.
    pub last: Option<Ran>,
    /// The median time of its newest runs that ended ok.
    pub typical: Option<Duration>,
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Broken {
    /// The file.
    pub path: PathBuf,
    /// Its problems, in the order of the text.
    pub problems: Vec<Problem>,
    /// How many of them are errors.
    pub errors: usize,
    /// How many are warnings.
    pub warnings: usize,
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// As `runbook lint` draws it, without colours; several lines.
    pub text: String,
}

/// A recorded run.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// Its id.
    pub run: RunId,
    /// When it began.
    pub started: Timestamp,
    /// The runbook's name.
    pub runbook: String,
    /// The selector as typed.
    pub selector: String,
    /// Who started it.
    pub by: String,
    /// Whether it was a dry run.
    pub dry_run: bool,
    /// Whether its hosts were simulated.
    pub sim: bool,
    /// Whether a preview was all that there was: nobody confirmed it.
    pub unconfirmed: bool,
    /// How many hosts it was for; none where it was not planned to its end.
    pub planned: Option<usize>,
    /// Whether a process works on it now.
    pub running: bool,
    /// How it ended; none where it did not.
    pub state: Option<EndState>,
    /// Hosts by outcome, where it ended.
    pub hosts: BTreeMap<HostOutcome, usize>,
    /// The first failure's words, where there was one.
    pub why: Option<String>,
    /// How long it took, where it ended.
    pub took: Option<Duration>,
    /// What is open now.
    pub open: Vec<OpenItem>,
    /// SHA-256 of its runbook's text, in hex.
    pub sha256: Option<String>,
}

/// What a run left open.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOpen {
    /// The run.
    pub run: RunId,
    /// Its runbook.
    pub runbook: String,
    /// Whether its hosts were simulated.
    pub sim: bool,
    /// Who works on it now, if anybody does.
    pub holder: Option<String>,
    /// What is open, oldest first.
    pub items: Vec<OpenItem>,
    /// The command that closes it.
    pub closes: String,
}

/// What a host came to when it last took part in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Last {
    /// When that run began.
    pub at: Timestamp,
    /// Which run.
    pub run: RunId,
    /// What became of the host.
    pub outcome: HostOutcome,
}

/// Whether a host answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Reach {
    /// It is being asked.
    Asked,
    /// Its sshd answers.
    Up {
        /// From the first packet to the banner.
        took: Duration,
        /// When.
        at: Timestamp,
    },
    /// It does not.
    Down {
        /// The class of the fault, such as `timeout`.
        class: String,
        /// In words.
        why: String,
        /// When.
        at: Timestamp,
    },
}

/// Whether each host answers, and how often that has changed: what is counted from it is counted again only then.
#[derive(Debug, Clone, Default)]
pub struct Reached {
    hosts: BTreeMap<HostName, Reach>,
    changes: u64,
}

impl Reached {
    /// Takes in what is known of a host now.
    pub fn insert(&mut self, host: HostName, reach: Reach) -> Option<Reach> {
        self.changes += 1;
        self.hosts.insert(host, reach)
    }

    /// How many times something was taken in.
    pub fn changes(&self) -> u64 {
        self.changes
    }
}

impl Deref for Reached {
    type Target = BTreeMap<HostName, Reach>;

    fn deref(&self) -> &Self::Target {
        &self.hosts
    }
}

/// A run with everything that screens need of it.
#[derive(Debug, Default)]
pub struct Watched {
    /// Its state.
    pub run: RunState,
    /// Its hosts as a screen lists them, kept up to date with every event.
    pub fleet: Fleet,
    /// Its last notable events as lines.
    pub trail: Trail,
    /// Restart counters over time.
    pub series: Series,
    /// What was seen and done on each host, line by line.
    pub logs: Logs,
    /// How far its preview has come.
    pub looked: Looked,
    /// How many of its hosts are in a protected group.
    pub protected: usize,
    /// Whether more happened than could be told: it goes on, and what is shown of it is old.
    pub behind: bool,
}

impl Watched {
    /// Takes one more event in.
    pub fn apply(&mut self, event: &Event) {
        self.run.apply(event);
        self.fleet.apply(event, &self.run);
        self.trail.apply(event, &self.run);
        self.series.apply(event);
        self.logs.apply(event);
        self.looked.apply(event);
    }

    /// A run that begins, of which nothing was told yet.
    pub fn begun(run: RunId) -> Self {
        let mut watched = Self::default();
        watched.run.run = Some(run);
        watched
    }

    /// A recorded run.
    pub fn of<'e>(events: impl IntoIterator<Item = &'e Event>) -> Self {
        let mut watched = Self::default();
        for event in events {
            watched.apply(event);
        }
        watched
    }

    /// Nobody works on it any more, though its end is not in the record.
    pub fn abandon(&mut self) {
        self.run.abandon();
        self.fleet = Fleet::of(&self.run);
    }

    /// Whether it was begun and has not ended.
    pub fn is_live(&self) -> bool {
        !self.run.is_over()
    }

    /// Whether its preview waits to be confirmed.
    pub fn waits_to_be_confirmed(&self) -> bool {
        self.run.asked.is_some() && self.run.confirmed.is_none() && self.run.declined.is_none() && self.is_live()
    }

    /// Whether it has gone beyond its preview.
    pub fn is_past_preview(&self) -> bool {
        !self.run.begun.is_empty()
    }
}

/// A recorded run that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The run.
    pub run: RunId,
    /// Its fold.
    pub watched: Watched,
    /// Its story.
    pub timeline: Timeline,
}

/// What comes back from [`crate::tui::action::Request`], and what the live run tells.
#[derive(Debug)]
pub enum Reply {
    /// Everything was read again.
    Shelf(Box<Shelf>),
    /// A host was asked whether it answers.
    Reach(HostName, Reach),
    /// The hosts that a selector names, or why it names none.
    Selected {
        /// The selector.
        text: String,
        /// The hosts.
        hosts: Result<Vec<HostName>, String>,
    },
    /// A run could not be begun: what is wrong, a line each.
    NotStarted(Vec<String>),
    /// A run begins; orders to it go to the session.
    Started(RunId),
    /// More happened than could be told: nothing more is told of the live run but its end.
    Behind,
    /// The live run ended, with its exit code; the error is this program's own.
    Ended(Result<u8, String>),
    /// A recorded run was read.
    Opened(Box<Opened>),
    /// Two recorded runs were read.
    Compared(Box<(Watched, Watched)>),
    /// Something to be said in the last line but one.
    Said(String),
}

impl Model {
    /// Nothing is known yet.
    pub fn new(operator: &str, sim: bool, now: Timestamp) -> Self {
        Self {
            shelf: Shelf::default(),
            reach: Reached::default(),
            live: None,
            order: None,
            opened: None,
            compared: None,
            now,
            offset: 0,
            operator: operator.to_owned(),
            sim,
        }
    }

    /// The inventory, where it can be used.
    pub fn inventory(&self) -> Option<&Inventory> {
        self.shelf.inventory.as_ref()?.as_ref().ok()
    }

    /// Takes in an event of the live run; one of any other, told late, is none of it.
    pub fn tell(&mut self, event: &Event) {
        let protected = match &event.kind {
            EventKind::RunPlanned { hosts, .. } => Some(self.protected(hosts)),
            _ => None,
        };
        let live = self.live.get_or_insert_with(Watched::default);
        if live.run.run.as_ref().is_some_and(|run| *run != event.run) {
            return;
        }
        live.apply(event);
        live.protected = protected.unwrap_or(live.protected);
    }

    /// Counts the protected hosts of the live run again, by an inventory that was read anew.
    pub fn count_protected(&mut self) {
        let hosts = self.live.as_ref().map(|live| live.run.order.clone()).unwrap_or_default();
        let protected = self.protected(&hosts);
        if let Some(live) = &mut self.live {
            live.protected = protected;
        }
    }

    /// How many of these hosts are in a protected group.
    pub fn protected<'h>(&self, hosts: impl IntoIterator<Item = &'h HostName>) -> usize {
        let Some(inventory) = self.inventory() else { return 0 };
        let protected: BTreeSet<&HostName> =
            inventory.hosts.iter().filter(|host| host.protected).map(|host| &host.name).collect();
        hosts.into_iter().filter(|host| protected.contains(host)).count()
    }

    /// The runbook of this name.
    pub fn book(&self, name: &str) -> Option<&Book> {
        self.shelf.books.iter().find(|book| book.name == name)
    }

    /// Whether a run of this session is under way.
    pub fn is_live(&self) -> bool {
        self.live.as_ref().is_some_and(Watched::is_live)
    }

    /// The run id of the live run.
    pub fn live_run(&self) -> Option<&RunId> {
        self.live.as_ref()?.run.run.as_ref()
    }

    /// A short selector of exactly these hosts, which are in the order of the inventory: `all`, `@group`, groups and names.
    pub fn selector_of(&self, hosts: &[HostName]) -> String {
        match self.inventory() {
            Some(inventory) => inventory.selector_of(hosts),
            None => hostset::fold(hosts),
        }
    }
}
