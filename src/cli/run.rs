//! `runbook run NAME --hosts SEL`.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::cli::failure::Failure;
use crate::cli::fleet;
use crate::cli::open;
use crate::cli::operator::{Consent, Prompter, Signals};
use crate::cli::settings::Settings;
use crate::engine::report::Reporter;
use crate::engine::run::{EngineError, Setup};
use crate::engine::{self};
use crate::journal::Journal;
use crate::load::runbook as loader;
use crate::model::id::RunId;
use crate::model::outcome::Risk;
use crate::model::plan::{BatchSize, Confirmation, Plan};
use crate::plan::build::{Request, build};
use crate::report;
use crate::state::run::RunState;
use crate::steps;
use crate::world::{Fleet, FleetOptions};

/// Arguments of `runbook run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The runbook: the name of a file in the runbooks directory, without .toml
    pub name: String,
    /// The hosts: all, proxy-1, proxy-*, web[1-6], @group, tag:az-a, !x, a,b, a&b
    #[arg(long, value_name = "SEL")]
    pub hosts: String,
    /// Of these, only …
    #[arg(short, long, value_name = "SEL")]
    pub limit: Vec<String>,
    /// Of these, not …
    #[arg(short = 'x', long, value_name = "SEL")]
    pub exclude: Vec<String>,
    /// Only look, and say what would be changed
    #[arg(long, alias = "check")]
    pub dry_run: bool,
    /// With --dry-run: exit 5 when there are changes to make
    #[arg(long, requires = "dry_run")]
    pub detailed_exitcode: bool,
    /// Answer a plain confirmation with yes; a typed phrase needs --confirm
    #[arg(long)]
    pub yes: bool,
    /// The phrase that a protected or large run asks for, such as 'restart-loop 6'
    #[arg(long, value_name = "TEXT")]
    pub confirm: Option<String>,
    /// Set a variable of the runbook
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// How many hosts are worked on at a time
    #[arg(short, long, value_name = "N", default_value_t = 50)]
    pub forks: usize,
    /// The sizes of the batches; the last one repeats
    #[arg(long, value_name = "1,50%,100%", value_delimiter = ',')]
    pub batch: Vec<String>,
    /// No further batch once this many hosts have failed
    #[arg(long, value_name = "N")]
    pub max_fail: Option<usize>,
    /// Refuse unless exactly this many hosts are selected
    #[arg(long, value_name = "N")]
    pub expect_hosts: Option<usize>,
    /// The incident or change this belongs to; kept in the record
    #[arg(long, value_name = "T")]
    pub ticket: Option<String>,
}

/// What a run left behind.
pub struct Ran {
    /// Its id.
    pub run: RunId,
    /// Its exit code.
    pub code: u8,
    /// Its final state; none when the process was told to leave.
    pub state: Option<RunState>,
}

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    execute(args, settings).map(|ran| ran.code)
}

/// Plans, asks and runs.
pub fn execute(args: &Args, settings: &Settings) -> Result<Ran, Failure> {
    let plan = plan(args, settings)?;
    let consent = consent(args, settings, &plan)?;
    let journal = Journal::open(&settings.state_dir)?;
    open::warn(&journal, settings)?;
    let run = journal.create_run(&plan)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(70, format!("no runtime: {error}")))?;
    let ran = runtime.block_on(drive(args, settings, plan, consent, &journal, run));
    // a prompt that still waits for a line must not hold the process
    runtime.shutdown_background();
    ran
}

fn plan(args: &Args, settings: &Settings) -> Result<Plan, Failure> {
    let mut selector = args.hosts.clone();
    for limit in &args.limit {
        selector = format!("({selector}) & ({limit})");
    }
    for exclude in &args.exclude {
        selector = format!("({selector}) & !({exclude})");
    }
    let (inventory, hosts) = fleet::select(settings, &selector)?;
    if let Some(expected) = args.expect_hosts.filter(|n| *n != hosts.len()) {
        return Err(Failure::invalid(format!("--expect-hosts says {expected}, the selection has {}", hosts.len())));
    }
    let runbook = loader::find(&settings.runbooks, &args.name).map_err(|report| fleet::refused(report, settings))?;
    let sets = args
        .set
        .iter()
        .map(|set| match set.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(Failure::invalid(format!("--set takes NAME=VALUE, not `{}`", set.escape_debug()))),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let batches = args.batch.iter().map(|text| BatchSize::parse(text)).collect::<Result<Vec<_>, _>>().map_err(Failure::invalid)?;
    let request = Request {
        runbook: &runbook,
        inventory: &inventory,
        hosts,
        selector,
        sets,
        batches: (!batches.is_empty()).then_some(batches),
        max_failures: args.max_fail,
    };
    build(&request, |kind| steps::kind(kind).map(|kind| kind.risk)).map_err(|errors| {
        let mut failure = Failure::invalid(format!("`{}` cannot be planned for these hosts", args.name));
        failure.details = errors.iter().map(ToString::to_string).collect();
        failure
    })
}

/// Compares what was confirmed by flag with what is planned, before anything is contacted.
fn consent(args: &Args, settings: &Settings, plan: &Plan) -> Result<Consent, Failure> {
    let n = plan.lanes.len();
    if let Some(given) = &args.confirm {
        let wanted = format!("{} {n}", plan.runbook.name);
        if *given != wanted {
            return Err(Failure::invalid(format!("--confirm says '{}', this plan is '{wanted}'", given.escape_debug()))
                .hint(format!("runbook run {} --hosts '{}' --dry-run", plan.runbook.name, plan.selector)));
        }
        return Ok(Consent::Flag);
    }
    if args.dry_run || plan.risk == Risk::ReadOnly {
        return Ok(Consent::Flag);
    }
    match &plan.confirmation {
        Confirmation::None => Ok(Consent::Flag),
        Confirmation::Yes if args.yes => Ok(Consent::Flag),
        _ if settings.can_ask => Ok(Consent::Ask),
        Confirmation::Yes => Err(Failure::invalid("this run needs a confirmation and there is no terminal to ask on")
            .hint("add --yes, or look first with --dry-run")),
        Confirmation::Phrase { phrase, why } => {
            Err(Failure::invalid("this run needs a typed confirmation and there is no terminal to ask on")
                .detail(format!("it is asked for because {why}"))
                .hint(format!("add --confirm '{phrase}', or look first with --dry-run")))
        }
    }
}

async fn drive(
    args: &Args,
    settings: &Settings,
    plan: Plan,
    consent: Consent,
    journal: &Journal,
    run: RunId,
) -> Result<Ran, Failure> {
    let by = fleet::who();
    let (to, control) = mpsc::channel(16);
    let signals = Signals::listen(to.clone()).map_err(|error| Failure::new(70, format!("no signals: {error}")))?;
    let mut reporters: Vec<Box<dyn Reporter>> = report::for_run(&settings.reporting());
    reporters.push(Box::new(Prompter::new(consent, by.clone(), to)));
    let setup = Setup {
        run: run.clone(),
        plan: Arc::new(plan),
        dry_run: args.dry_run,
        pending: args.detailed_exitcode,
        by,
        ticket: args.ticket.clone(),
        forks: args.forks,
        world: Arc::new(Fleet::new(FleetOptions::default())),
        log: journal.writer(&run)?,
        control,
        reporters,
    };
    let state = tokio::select! {
        state = engine::run::run(setup) => state,
        code = signals.leave() => return Ok(left(journal, run, code)),
    };
    match state {
        Ok(state) => {
            let code = state.finished.as_ref().map_or(70, |finished| finished.exit_code);
            Ok(Ran { run, code, state: Some(state) })
        }
        Err(error @ EngineError::Log(_)) => Err(Failure::new(9, error.to_string())
            .detail("nothing new was started after that; the hosts are as the journal last says")
            .hint(format!("runbook timeline {run}"))),
        Err(error) => Err(Failure::new(70, error.to_string()).hint(format!("runbook timeline {run}"))),
    }
}

/// The third Ctrl-C: says what is open, from the record.
fn left(journal: &Journal, run: RunId, code: u8) -> Ran {
    if let Ok(events) = journal.events(&run) {
        open::print(&RunState::replay(&events), &run);
    }
    Ran { run, code, state: None }
}
