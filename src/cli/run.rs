//! `runbook run NAME --hosts SEL`.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::cli::args::{EXIT_CODES, Form};
use crate::cli::failure::Failure;
use crate::cli::fleet::{self, Choice, Chosen};
use crate::cli::identities;
use crate::cli::note::who;
use crate::cli::open;
use crate::cli::operator::console::{Console, Known};
use crate::cli::operator::{Consent, Signals, answer};
use crate::cli::settings::Settings;
use crate::engine;
use crate::engine::link::Asking;
use crate::engine::report::Reporter;
use crate::engine::run::{EngineError, Setup};
use crate::journal::store::{Journal, NewRun};
use crate::journal::writer::Writer;
use crate::load::kinds::KINDS;
use crate::load::runbook as loader;
use crate::model::control::Control;
use crate::model::grammar::TICKET;
use crate::model::host::Host;
use crate::model::id::{RunId, StepId};
use crate::model::outcome::{Risk, RunState as EndState};
use crate::model::plan::{BatchSize, Confirmation, OnFailure, Plan};
use crate::model::time::Timestamp;
use crate::model::visible::literal;
use crate::plan::build::{Request, build};
use crate::plan::select::Selection;
use crate::report::paint::Paint;
use crate::report::{end, lines};
use crate::state::run::RunState;
use crate::state::summary::{Flags, conclude, quoted};
use crate::world::any::AnyFleet;

/// How long an output may take the last words of a run.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Arguments of `runbook run`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_long_help = format!("{EXIT_CODES}

{}", fleet::SELECTORS))]
pub struct Args {
    /// The runbook: the name of a file in the runbooks directory, without .toml
    pub name: String,
    /// The hosts: all, proxy-1, proxy-*, web[1-6], @group, tag:az-a, failed:RUN, pick:2, !x, a,b, a&b
    #[arg(long, value_name = "SEL")]
    pub hosts: String,
    /// Of these, only these
    #[arg(short, long, value_name = "SEL")]
    pub limit: Option<String>,
    /// Of these, not these
    #[arg(short = 'x', long, value_name = "SEL")]
    pub exclude: Option<String>,
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
    #[arg(short, long, value_name = "N", default_value_t = 50, value_parser = RangedU64ValueParser::<usize>::new().range(1..=65_535))]
    pub forks: usize,
    /// The sizes of the batches; the last one repeats
    #[arg(long, value_name = "1,50%,100%", value_delimiter = ',')]
    pub batch: Vec<String>,
    /// No further batch once this many hosts have failed
    #[arg(long, value_name = "N|P%", value_parser = BatchSize::parse)]
    pub max_fail: Option<BatchSize>,
    /// What a failed step does where the runbook does not say it: ask on a terminal, else stop-host
    #[arg(long, value_name = "WORD")]
    pub on_fail: Option<OnFail>,
    /// Of the steps only these; pre-checks and verification always take part
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Of the steps not these
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// No step before this one
    #[arg(long, value_name = "ID")]
    pub start_at: Option<String>,
    /// Say yes to what this `confirm` step asks
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub approve: Vec<String>,
    /// Tell what commands of the runbook print
    #[arg(long)]
    pub with_output: bool,
    /// Never ask: what would ask fails and names the flag
    #[arg(long)]
    pub no_input: bool,
    /// Refuse unless exactly this many hosts are selected
    #[arg(long, value_name = "N")]
    pub expect_hosts: Option<usize>,
    /// The incident or change this belongs to; kept in the record
    #[arg(long, value_name = "T")]
    pub ticket: Option<String>,
}

/// What a failed step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnFail {
    /// Its host's lane ends; the others go on.
    #[value(alias = "stop")]
    StopHost,
    /// Nothing new starts anywhere but closes.
    StopRun,
    /// The lane goes on; the host is failed all the same.
    Continue,
    /// You are asked: retry, skip, exclude, abort; where nobody can be asked as stop-host.
    Ask,
}

impl OnFail {
    fn meaning(self) -> OnFailure {
        match self {
            OnFail::StopHost => OnFailure::StopHost,
            OnFail::StopRun => OnFailure::StopRun,
            OnFail::Continue => OnFailure::Continue,
            OnFail::Ask => OnFailure::Ask,
        }
    }
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
    let plan = plan(args, settings, fleet::chosen(settings, choice(args))?)?;
    let consent = consent(args, settings, &plan)?;
    let approved = approved(args, &plan)?;
    let runtime = runtime()?;
    let world = fleet::world(settings, plan.secrets.clone())?;
    runtime.block_on(identities::check(&world, &hosts_of(&plan)))?;
    let journal = open::journal(settings)?;
    open::warn_open(&journal, settings, &mut settings.err())?;
    let (run, log) = record(&journal, &plan)?;
    let ran = runtime.block_on(drive(Job { args, settings, plan, world, consent, approved, journal: &journal, run, log }));
    // a prompt that still waits for a line must not hold the process
    runtime.shutdown_background();
    ran
}

/// The hosts of a plan.
pub(super) fn hosts_of(plan: &Plan) -> Vec<Host> {
    plan.lanes.iter().map(|lane| lane.host.clone()).collect()
}

/// The threads that everything asynchronous runs on.
pub fn runtime() -> Result<Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| Failure::new(70, format!("no threads to run on: {error}")))
}

fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// Begins the record of a run.
pub(super) fn record(journal: &Journal, plan: &Plan) -> Result<(RunId, Writer), Failure> {
    let run = journal.new_run_id().map_err(open::failed)?;
    let text =
        serde_json::to_string(plan).map_err(|error| Failure::new(70, format!("the plan cannot be written down: {error}")))?;
    let started = now();
    let new = NewRun { run: &run, started, runbook: plan.runbook.name.as_str(), selector: &plan.selector, plan: &text };
    let log = journal.create_run(&new).map_err(open::failed)?;
    Ok((run, log))
}

/// The hosts that the arguments name.
pub(super) fn choice(args: &Args) -> Choice<'_> {
    Choice { hosts: &args.hosts, limit: args.limit.as_deref(), exclude: args.exclude.as_deref() }
}

/// Plans a run on these hosts; nothing is contacted.
pub(super) fn plan(args: &Args, settings: &Settings, chosen: Chosen) -> Result<Plan, Failure> {
    if let Some(Err(error)) = args.ticket.as_deref().map(|ticket| TICKET.check(ticket)) {
        return Err(Failure::invalid(format!("--ticket: {error}")));
    }
    let Chosen { inventory, names: hosts, selector } = chosen;
    if let Some(expected) = args.expect_hosts.filter(|n| *n != hosts.len()) {
        return Err(Failure::invalid(format!("--expect-hosts says {expected}, the selection has {}", hosts.len()))
            .hint(settings.flags.of_run(&format!("runbook hosts {}", quoted(&selector)))));
    }
    let path = loader::find(&settings.runbooks, &args.name).map_err(|missing| {
        let failure = Failure::invalid(missing.message);
        missing.hint.into_iter().fold(failure, Failure::hint)
    })?;
    let runbook = loader::load(&path).map_err(|errors| fleet::unusable("the runbook", &errors))?;
    let batches =
        args.batch.iter().map(|text| BatchSize::parse(text)).collect::<Result<Vec<_>, _>>().map_err(Failure::invalid)?;
    let request = Request {
        runbook: &runbook,
        inventory: &inventory,
        hosts,
        selector,
        sets: sets(&args.set)?,
        batches: (!batches.is_empty()).then_some(batches),
        max_failures: args.max_fail,
        on_failure: args.on_fail.map(OnFail::meaning).or(can_ask(args, settings).then_some(OnFailure::Ask)),
        selection: Selection { only: args.only.clone(), skip: args.skip.clone(), start_at: args.start_at.clone() },
    };
    build(&request, &KINDS).map_err(|errors| {
        let failure = Failure::invalid(format!("`{}` cannot be planned for these hosts", args.name));
        errors.into_iter().fold(failure, |failure, error| {
            let failure = failure.detail(error.message);
            error.hint.into_iter().fold(failure, Failure::hint)
        })
    })
}

/// Whether there is somebody to ask.
fn can_ask(args: &Args, settings: &Settings) -> bool {
    settings.can_ask && !args.no_input
}

fn sets(given: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let one = |set: &String| match set.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Failure::invalid(format!("--set takes NAME=VALUE, not `{}`", literal(set)))),
    };
    given.iter().map(one).collect()
}

/// The `confirm` steps that were approved by flag.
fn approved(args: &Args, plan: &Plan) -> Result<BTreeSet<StepId>, Failure> {
    let asks: BTreeSet<&StepId> = plan.units.iter().filter(|unit| unit.kind == "confirm").map(|unit| &unit.step).collect();
    let one = |id: &String| match asks.iter().find(|step| step.as_str() == id) {
        Some(step) => Ok((*step).clone()),
        None => Err(Failure::invalid(format!("--approve: no `confirm` step is called `{}`", literal(id)))
            .hint(format!("runbook show {}", plan.runbook.name))),
    };
    args.approve.iter().map(one).collect()
}

/// Compares what was confirmed by flag with what is planned, before anything is contacted.
fn consent(args: &Args, settings: &Settings, plan: &Plan) -> Result<Consent, Failure> {
    let n = plan.lanes.len();
    if let Some(given) = &args.confirm {
        let wanted = format!("{} {n}", plan.runbook.name);
        if *given != wanted {
            return Err(Failure::invalid(format!("--confirm says '{}', this plan is '{wanted}'", literal(given))).hint(
                again(args, settings).of_run(&format!(
                    "runbook run {} --hosts {} --dry-run",
                    plan.runbook.name,
                    quoted(&plan.selector)
                )),
            ));
        }
        return Ok(Consent::Flag);
    }
    if args.dry_run || plan.risk == Risk::ReadOnly {
        return Ok(Consent::Flag);
    }
    match &plan.confirmation {
        Confirmation::None => Ok(Consent::Flag),
        Confirmation::Yes if args.yes => Ok(Consent::Flag),
        _ if can_ask(args, settings) => Ok(Consent::Ask),
        Confirmation::Yes => Err(Failure::invalid("this run needs a confirmation and there is no terminal to ask on")
            .hint("add --yes, or look first with --dry-run")),
        Confirmation::Phrase { phrase, why } => {
            Err(Failure::invalid("this run needs a typed confirmation and there is no terminal to ask on")
                .detail(format!("it is asked for because {why}"))
                .hint(format!("add --confirm '{phrase}', or look first with --dry-run")))
        }
    }
}

/// A run that is about to start.
struct Job<'a> {
    args: &'a Args,
    settings: &'a Settings,
    plan: Plan,
    world: AnyFleet,
    consent: Consent,
    /// The `confirm` steps that were approved by flag.
    approved: BTreeSet<StepId>,
    journal: &'a Journal,
    run: RunId,
    log: Writer,
}

async fn drive(job: Job<'_>) -> Result<Ran, Failure> {
    let Job { args, settings, plan, world, consent, approved, journal, run, log } = job;
    let by = who();
    let (to, control) = mpsc::channel(16);
    let known = Known::new(settings.signs);
    let signals = Signals::listen(to.clone(), known.clone())
        .map_err(|error| Failure::new(70, format!("signals cannot be listened to: {error}")))?;
    let mut reporters: Vec<Box<dyn Reporter>> = vec![settings.reporter()];
    if consent == Consent::Flag {
        // given before the start: it does not wait for an output that may be stalled
        answer(&to, Control::Confirm { by: by.clone(), via: "flag".to_owned() });
    }
    let can_ask = can_ask(args, settings);
    let asking = Asking { approved, by: by.clone(), can_ask };
    if consent == Consent::Ask {
        reporters.extend(settings.asking());
    }
    let console = Console::new(known);
    let console = if can_ask { console.asking(by.clone(), consent == Consent::Ask, to.clone()) } else { console };
    reporters.push(Box::new(console));
    let setup = Setup {
        run: run.clone(),
        plan: Arc::new(plan),
        dry_run: args.dry_run,
        pending: args.detailed_exitcode,
        by,
        ticket: args.ticket.clone(),
        forks: args.forks,
        argv: std::env::args().skip(1).collect(),
        sim: fleet::is_sim(settings),
        with_output: args.with_output,
        asking,
        world: Arc::new(world),
        log,
        control,
        flags: again(args, settings),
        reporters,
    };
    let ended = tokio::select! {
        ended = engine::run::run(setup) => ended,
        code = signals.leave() => return left(journal, settings, run, code),
    };
    match ended {
        Ok(state) => {
            let code = state.finished.as_ref().map_or(70, |finished| finished.exit_code);
            tell_head(journal, settings, &run, state.sim);
            Ok(Ran { run, code, state: Some(state) })
        }
        Err(error @ EngineError::Log(_)) => {
            let recorded = journal.events(&run).map(|events| RunState::replay(&events)).unwrap_or_default();
            open::tell(&recorded, &run, settings, &mut settings.err());
            let code = conclude(&recorded, &[EndState::RecordLost], &settings.flags).exit_code;
            Err(Failure::new(code, error.to_string())
                .detail("nothing new was started after that; the hosts are as the journal last says")
                .hint(settings.flags.of_record(&format!("runbook timeline {run}"))))
        }
        Err(error) => {
            let timeline = settings.flags.of_record(&format!("runbook timeline {run}"));
            Err(Failure::new(70, error.to_string()).hint(timeline))
        }
    }
}

/// What a further run needs to be given to be the same but for its hosts.
pub(super) fn again(args: &Args, settings: &Settings) -> Flags {
    let mut flags = settings.flags.clone();
    let mut say =
        |flag: &str, value: Option<String>| flags.run.extend(value.into_iter().flat_map(|value| [flag.to_owned(), value]));
    let listed = |list: &[String]| (!list.is_empty()).then(|| list.join(","));
    for set in &args.set {
        say("--set", Some(set.clone()));
    }
    say("--only", listed(&args.only));
    say("--skip", listed(&args.skip));
    say("--start-at", args.start_at.clone());
    say("--batch", listed(&args.batch));
    say("--max-fail", args.max_fail.map(|size| size.to_string()));
    say("--on-fail", args.on_fail.and_then(|word| Some(word.to_possible_value()?.get_name().to_owned())));
    say("--ticket", args.ticket.clone());
    flags
}

/// The length and head of the record, to be noted elsewhere. An output that nobody reads takes them never, and is not
/// waited for: it may be held by the last line that it did not take.
fn tell_head(journal: &Journal, settings: &Settings, run: &RunId, sim: bool) {
    let Ok(Some((events, head))) = journal.head(run) else { return };
    let settings = settings.clone();
    let (told, done) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let paint = Paint { color: settings.color };
        // a closed output is no failure of the run
        let _ = match settings.output {
            Form::Human if settings.person => end::record(&mut settings.out(), paint, events, &head),
            Form::Human => lines::record(&mut settings.out(), (now(), sim), events, &head),
            Form::Json => end::record(&mut settings.err(), Paint { color: false }, events, &head),
            Form::Quiet => Ok(()),
        };
        let _ = told.send(());
    });
    let _ = done.recv_timeout(LAST_WORDS);
}

/// The third Ctrl-C: says what is running and open, from the record.
fn left(journal: &Journal, settings: &Settings, run: RunId, code: u8) -> Result<Ran, Failure> {
    let state = RunState::replay(&journal.events(&run).map_err(open::failed)?);
    let mut err = settings.err();
    for (host, of) in &state.hosts {
        if let Some((step, _)) = &of.running {
            let _ = writeln!(err, "     running {host} {step}");
        }
    }
    open::tell(&state, &run, settings, &mut err);
    Ok(Ran { run, code, state: None })
}
