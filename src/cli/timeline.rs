//! `runbook timeline`: the story of a recorded run.

use std::io;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::args::Form;
use crate::cli::failure::Failure;
use crate::cli::history::print;
use crate::cli::open;
use crate::cli::settings::Settings;
use crate::journal::store::Journal;
use crate::model::event::OpenItem;
use crate::model::id::{HostName, RunId};
use crate::model::plan::RunbookRef;
use crate::report::json;
use crate::report::paint::Paint;
use crate::report::signs::Signs;
use crate::report::sink;
use crate::report::{markdown, timeline as telling};
use crate::state::run::RunState;
use crate::state::timeline::{Timeline, timeline};

/// Arguments of `runbook timeline`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run, or the beginning of its id; `last` is the newest
    #[arg(value_name = "RUN", default_value = "last")]
    pub run: String,
    /// Only this host and the run as a whole
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// As a document
    #[arg(long, value_name = "FORMAT")]
    pub export: Option<Export>,
}

/// The formats of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Export {
    /// Markdown, to hand in
    Md,
    /// One JSON object
    Json,
}

/// What `runbook timeline --output json` prints: the story of a run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Document {
    /// The run.
    pub run: RunId,
    /// Which runbook; none where the run was not planned to its end.
    pub runbook: Option<RunbookRef>,
    /// The selector as typed.
    pub selector: String,
    /// Who started it.
    pub by: String,
    /// The ticket, where given.
    pub ticket: Option<String>,
    /// Whether its hosts were simulated.
    pub sim: bool,
    /// The story.
    pub timeline: Timeline,
    /// What is open now.
    pub open: Vec<OpenItem>,
    /// How many events are recorded.
    pub events: Option<u64>,
    /// The hash of the last one, in hex.
    pub head: Option<String>,
}

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let journal = open::journal(settings)?;
    let run = open::run(&journal, &args.run)?;
    let events = journal.events(&run).map_err(open::failed)?;
    let state = RunState::replay(&events);
    let host = match &args.host {
        None => None,
        Some(text) => {
            let host = HostName::parse(text).map_err(|error| Failure::invalid(error.to_string()))?;
            if !state.hosts.contains_key(&host) {
                return Err(Failure::invalid(format!("host `{host}` is not part of run {run}")));
            }
            Some(host)
        }
    };
    // one object a line for programs; what is handed in is read by people too
    let lined = settings.output == Form::Json && args.export.is_none();
    let form = match args.export.or(lined.then_some(Export::Json)) {
        None => Shape::Told(Paint { color: settings.color }),
        Some(Export::Md) => Shape::Markdown,
        Some(Export::Json) => Shape::Json { lined },
    };
    let told = matches!(form, Shape::Told(_));
    let out = text(&journal, run, host.as_ref(), form)?;
    // what is handed in or read by a program stays as it is
    if told {
        print(settings.out(), &out)
    } else {
        print(sink::out(Signs::default(), false), &out)
    }
    Ok(0)
}

/// In which form a timeline is written.
pub(super) enum Shape {
    /// In words.
    Told(Paint),
    /// To hand in.
    Markdown,
    /// As an object, on one line or on several.
    Json {
        /// On one line.
        lined: bool,
    },
}

/// The story of a recorded run as text.
pub(super) fn text(journal: &Journal, run: RunId, host: Option<&HostName>, form: Shape) -> Result<Vec<u8>, Failure> {
    let events = journal.events(&run).map_err(open::failed)?;
    let state = RunState::replay(&events);
    let mut told = timeline(&events);
    let head = journal.head(&run).map_err(open::failed)?;
    let mut out = Vec::new();
    if let (Some(host), Shape::Markdown | Shape::Json { .. }) = (host, &form) {
        told.entries.retain(|entry| entry.host.as_ref().is_none_or(|of| of == host));
        told.counters.retain(|counter| counter.host == *host);
    }
    let written = match form {
        Shape::Told(paint) => telling::render(&mut out, paint, &state, &told, host),
        Shape::Markdown => markdown::render(&mut out, &state, &told, head.as_ref()),
        Shape::Json { lined } => {
            let (events, head) = head.unzip();
            let document = Document {
                run,
                runbook: state.runbook.clone(),
                selector: state.selector.clone(),
                by: state.by.clone(),
                ticket: state.ticket.clone(),
                sim: state.sim,
                timeline: told,
                open: state.open(),
                events,
                head,
            };
            let told = if lined { json::line(&document) } else { json::lines(&document) };
            told.map_err(io::Error::from).map(|text| out.extend(text.bytes()))
        }
    };
    written.map_err(|error| Failure::new(70, format!("the timeline could not be written: {error}")))?;
    Ok(out)
}
