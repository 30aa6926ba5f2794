//! `runbook` without a command: the full-screen session.

pub mod config;
pub mod desk;
pub mod export;
pub mod reach;
pub mod shelf;

use std::env;
use std::io::{self, IsTerminal};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use clap::CommandFactory;
use futures_util::FutureExt;
use tokio::sync::mpsc;

use crate::cli::args::Cli;
use crate::cli::failure::Failure;
use crate::cli::fleet;
use crate::cli::note::who;
use crate::cli::open;
use crate::cli::output;
use crate::cli::run::runtime;
use crate::cli::session::config::Config;
use crate::cli::session::desk::{Begun, Bench, LiveRun};
use crate::cli::settings::Settings;
use crate::model::control::Control;
use crate::model::event::EventKind;
use crate::model::id::RunId;
use crate::model::time::Timestamp;
use crate::report::end;
use crate::report::paint::Paint;
use crate::state::run::RunState;
use crate::tui::crash;
use crate::tui::model::Model;
use crate::tui::session::{self, End, Parts};
use crate::tui::terminal::{Options, Terminal};
use crate::tui::theme::{Palette, Theme};
use crate::tui::ui::Ui;
use crate::world::secrets::sink;

/// How many events may wait for the screen.
const EVENTS: usize = 4096;
/// How many answers may wait for it.
const REPLIES: usize = 1024;
/// How long a run has to end in order when the screen has crashed.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what is being written when the session is left may take.
const WRITING: Duration = Duration::from_secs(2);

/// Runs it: the exit code of the last run that was begun, 0 where none was.
pub fn run(settings: &Settings) -> Result<u8, Failure> {
    if !is_possible() {
        output::say(settings.signs, &Cli::command().render_help().to_string());
        return Err(Failure::invalid("the screen needs a terminal").hint("runbook run NAME --hosts SEL").hint("runbook --help"));
    }
    let config = Config::read()?;
    crash::install(&settings.state_dir, sink::clean);
    let theme = Theme { ascii: settings.signs.ascii, palette: palette(settings, &config) };
    let runtime = runtime()?;
    let (ended, begun) = runtime.block_on(async {
        let (to, replies) = mpsc::channel(REPLIES);
        let (tell, events) = mpsc::channel(EVENTS);
        let bench = Bench::new(settings.clone(), to, tell, now);
        let (live, begun) = (bench.live(), bench.begun());
        let ended = on_screen(settings, theme, config, bench, replies, events).await;
        (after(ended, &live).await, begun)
    });
    match &ended {
        // a note or a file that is being written is written
        Ok(end) if !end.left_live => runtime.shutdown_timeout(WRITING),
        _ => runtime.shutdown_background(),
    }
    let last = tell(settings, &begun);
    let end = ended?;
    Ok(if end.code == 0 { last.unwrap_or(0) } else { end.code })
}

fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// Whether there is a terminal that can show a screen.
pub fn is_possible() -> bool {
    let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    !dumb && io::stdin().is_terminal() && io::stdout().is_terminal()
}

fn palette(settings: &Settings, config: &Config) -> Palette {
    if settings.color { config.palette } else { Palette::Mono }
}

/// What the screen came to; none where it crashed.
async fn on_screen(
    settings: &Settings,
    theme: Theme,
    config: Config,
    desk: Bench,
    replies: mpsc::Receiver<crate::tui::model::Reply>,
    events: mpsc::Receiver<crate::model::event::Event>,
) -> Option<Result<End, Failure>> {
    let (terminal, input) = match Terminal::enter(Options::from_env()) {
        Ok(entered) => entered,
        Err(error) => return Some(Err(Failure::new(70, format!("the screen cannot be brought up: {error}")))),
    };
    let size = crossterm::terminal::size().unwrap_or((80, 24));
    let mut model = Model::new(&who(), fleet::is_sim(settings), now());
    model.offset = jiff::Zoned::now().offset().seconds();
    let parts = Parts {
        terminal,
        input,
        desk,
        replies,
        events,
        model,
        ui: Ui::new(theme, config.keys, size),
        clock: now,
        state_dir: settings.state_dir.clone(),
        motion: env::var_os("NO_MOTION").is_none_or(|value| value.is_empty() || value == "0"),
    };
    let failed = |error: io::Error| Failure::new(70, format!("the terminal failed: {error}"));
    // a panic leaves the screen on its way out
    AssertUnwindSafe(session::run(parts)).catch_unwind().await.ok().map(|ended| ended.map_err(failed))
}

/// After the screen: a run that is still live when the screen has failed is stopped in order, as far as that goes in time.
async fn after(ended: Option<Result<End, Failure>>, live: &LiveRun) -> Result<End, Failure> {
    if let Some(Ok(end)) = &ended {
        return Ok(end.clone());
    }
    live.order(Control::Stop { by: "a fault of the screen".to_owned() });
    let stopped = match live.take() {
        Some(task) => tokio::time::timeout(PATIENCE, task).await.is_ok(),
        None => true,
    };
    let failure = match ended {
        Some(Err(failure)) => failure,
        _ => Failure::new(70, "runbook crashed; the terminal was given back"),
    };
    let failure = if stopped { failure } else { failure.detail("the run was asked to stop, and had not ended 5 s later") };
    Err(match crash::took() {
        Some(path) => failure.detail(format!("report {}", path.display())),
        None => failure,
    })
}

/// What stays in the scrollback: how each run ended, what is open, what to type next. The exit code of the last one.
fn tell(settings: &Settings, begun: &Begun) -> Option<u8> {
    let runs: Vec<RunId> = begun.lock().map(|runs| runs.clone()).unwrap_or_default();
    if runs.is_empty() {
        // where nothing was begun, no record is begun either
        return None;
    }
    let journal = open::journal(settings).ok()?;
    let mut last = None;
    for run in runs {
        let Ok(events) = journal.events(&run) else { continue };
        let state = RunState::replay(&events);
        // a preview that nobody confirmed is not worth a word
        if state.confirmed.is_none() && state.begun.is_empty() {
            continue;
        }
        match events.iter().rev().find(|event| matches!(event.kind, EventKind::RunFinished { .. })) {
            Some(finished) => {
                // a closed output is no failure of the run
                let _ = end::block(&mut settings.out(), Paint { color: settings.color }, &state, finished);
                last = state.finished.as_ref().map(|finished| finished.exit_code);
            }
            None => {
                let running = state.hosts.iter().filter_map(|(host, of)| of.running.as_ref().map(|(step, _)| (host, step)));
                for (host, step) in running {
                    output::say(settings.signs, &format!("     running {host} {step}\n"));
                }
                open::tell(&state, &run, settings, &mut settings.err());
            }
        }
    }
    last
}
