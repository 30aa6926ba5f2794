//! Why a host is not running now, in one sentence.

use crate::model::id::HostName;
use crate::state::run::RunState;
use crate::state::summary::cause;
use crate::state::words;
use crate::tui::model::Model;
use crate::tui::ui::Ui;

/// Says it, for a host of the run that is shown.
pub(super) fn why(ui: &Ui, model: &Model, name: &str) -> String {
    let Some(watched) = ui.watched(model) else { return "No run is shown.".to_owned() };
    let run = &watched.run;
    let Some((host, state)) = HostName::parse(name).ok().and_then(|host| run.hosts.get_key_value(&host)) else {
        return format!("`{name}` is no host of the run that is shown.");
    };
    if let Some((step, since)) = &state.running {
        return format!("{host} runs {} for {}.", words::step(run, step), words::clock(model.now.since(*since)));
    }
    if let Some(asked) = run.waiting.iter().find(|asked| asked.hosts.contains(host) && asked.step.is_some()) {
        return format!("{host} waits for you since {}: {}", words::clock(model.now.since(asked.since)), asked.question);
    }
    if let Some(outcome) = state.outcome {
        let why = cause(run, state).map_or_else(String::new, |(_, finding)| format!(": {}", finding.summary));
        return format!("{host} has ended {}{why}.", words::outcome(outcome));
    }
    if let Some(by) = &state.excluded {
        return format!("{host} is left out by {by}.");
    }
    if let Some(finding) = &state.unreachable {
        return format!("{host} cannot be reached: {}.", finding.summary);
    }
    format!("{host} {}.", waits(run, host))
}

/// Why its turn has not come.
fn waits(run: &RunState, host: &HostName) -> String {
    let batch = run.batches.iter().position(|batch| batch.contains(host)).map_or(0, |at| at + 1);
    let now = run.batch.map_or(0, |(n, _)| n);
    match () {
        () if run.is_over() => "was never begun: the run ended before its turn".to_owned(),
        () if run.stopping.is_some() => "is not begun any more: the run is stopping".to_owned(),
        () if run.asked.is_some() && run.confirmed.is_none() => "waits for the run to be confirmed".to_owned(),
        () if batch > now => {
            let held = match &run.paused {
                Some(paused) => format!("; the run is paused by {}", paused.by),
                None => String::new(),
            };
            format!("is in batch {batch}, the run is at batch {now}{held}")
        }
        () if run.paused.is_some() => "waits: the run is paused".to_owned(),
        () => "is in the batch that runs, and waits for a free place or a connection".to_owned(),
    }
}
