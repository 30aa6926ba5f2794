//! What is going on, in one sentence: is anything changing, does anything wait for me, is anything left half done.

use crate::model::outcome::Risk;
use crate::model::time::Timestamp;
use crate::state::class::Class;
use crate::state::run::RunState;
use crate::state::words;
use crate::tui::action::Action;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::{hosts, open, preview};
use crate::tui::theme::Tone;
use crate::tui::ui::{Screen, Shown, Times, Ui};
use crate::tui::view::frame::WIDE;

/// Who pauses between two batches.
const GATE: &str = "gate";

/// The word of the first row, and its tone.
pub fn mode(model: &Model, ui: &Ui) -> (&'static str, Tone) {
    let Some(live) = model.live.as_ref().filter(|live| live.is_live()) else {
        let of_run = matches!(ui.screen, Screen::Run | Screen::Host(_) | Screen::Timeline);
        return if of_run && ui.watched(model).is_some() { ("DONE", Tone::Strong) } else { ("READY", Tone::Strong) };
    };
    let run = &live.run;
    match () {
        () if run.stopping.is_some() => ("STOP", Tone::Held),
        () if !live.is_past_preview() => ("DRY RUN", Tone::Strong),
        () if run.paused.is_some() => ("PAUSED", Tone::Held),
        () => ("LIVE", Tone::Reverse),
    }
}

/// The time at the end of the first row.
pub fn clock(model: &Model, ui: &Ui) -> String {
    at(model, ui, model.now)
}

/// A moment as the person wants times to be shown.
pub fn at(model: &Model, ui: &Ui, moment: Timestamp) -> String {
    match ui.times {
        Times::Utc => format!("{}Z", moment.clock()),
        Times::Local => {
            let local = Timestamp::from_millis(moment.as_millis() + i64::from(model.offset) * 1000);
            local.clock()
        }
        Times::Relative => {
            let start = ui.watched(model).and_then(|watched| watched.run.confirmed_at.or(watched.run.started));
            start.map_or_else(|| format!("{}Z", moment.clock()), |start| format!("+{}", words::clock(moment.since(start))))
        }
    }
}

/// The sentence.
pub fn sentence(model: &Model, ui: &Ui) -> String {
    if model.live.as_ref().is_some_and(|live| live.is_live() && live.behind) {
        return "THIS SCREEN FELL BEHIND: what it shows is old, and nobody is asked. The run goes on; Ctrl-C stops it."
            .to_owned();
    }
    if let Some(of_preview) = preview::now(model, ui) {
        return of_preview;
    }
    if let Some(live) = model.live.as_ref().filter(|live| live.is_live()) {
        return of_live(live, model, ui);
    }
    let of_run = matches!(ui.screen, Screen::Run | Screen::Host(_) | Screen::Timeline | Screen::Preview);
    match (ui.watched(model), &ui.shown) {
        (Some(recorded), Shown::Recorded(run)) if of_run => {
            format!("Nothing is changing (record of run {run}). {}", of_ended(recorded))
        }
        (Some(live), Shown::Live) if of_run && live.run.abandoned => {
            "This run broke off by a fault of this program: what it had begun may still run on its hosts.".to_owned()
        }
        (Some(live), Shown::Live) if of_run => format!("Nothing is changing. {}", of_ended(live)),
        _ if ui.screen == Screen::Hosts => hosts::now(ui, model),
        _ => ready(model, ui),
    }
}

fn ready(model: &Model, _ui: &Ui) -> String {
    let Some(last) = model.shelf.runs.iter().find(|run| !run.dry_run && !run.unconfirmed) else {
        return "Nothing is running.".to_owned();
    };
    let when = words::ago(model.now.since(last.started));
    let came = match last.running {
        true => "it runs elsewhere now".to_owned(),
        false if last.hosts.is_empty() => "it did not come to its end".to_owned(),
        false => words::tally(&last.hosts).replace("  ", ", "),
    };
    format!("Nothing is running. Last run {when}: {}, {came}.", last.runbook)
}

fn of_live(live: &Watched, model: &Model, ui: &Ui) -> String {
    let (run, now) = (&live.run, model.now);
    let key = |action: Action| ui.keys.key(action);
    // a host that waits for its turn within the batch is not being changed
    let running = live.fleet.running().map(|(_, hosts)| hosts).sum::<usize>();
    let finish = finishes(running);
    if run.aborting {
        return "Aborting: running steps are ended on their hosts, then what is open is closed. Ctrl-C again leaves at once."
            .to_owned();
    }
    if let Some(reason) = &run.stopping {
        return format!("Stopping ({reason}): {finish}, then what is open is closed. Ctrl-C again ends them.");
    }
    // on a narrow screen the row of the counts says it
    let wide = ui.size.0 >= WIDE;
    let batch = run.batch.filter(|_| wide).map_or_else(String::new, |(n, of)| format!(" (batch {n} of {of})"));
    let waits = waiting(run, &key(Action::Decide));
    if let Some(paused) = run.paused.as_ref().filter(|paused| paused.by != GATE) {
        let since = words::clock(now.since(paused.since));
        let go_on = key(Action::GoOn);
        let by = if wide { format!(" by {}", paused.by) } else { String::new() };
        // a host between two steps is held as well
        let finish = finishes(run.at_work());
        return format!("{waits}PAUSED for {since}{by}: no new step starts, {finish}. {go_on} goes on.");
    }
    if let Some((since, for_how_long, hosts)) = run.soaking {
        let left = words::clock(for_how_long.saturating_sub(now.since(since)));
        return format!("{waits}Nothing is changing. Watching {} for {left} more{batch}.", words::count(hosts, "host"));
    }
    match running {
        0 => format!("{waits}Nothing is changing{batch}."),
        n if run.risk == Some(Risk::ReadOnly) => {
            format!("{waits}Looking at {}{batch}; this runbook changes nothing.", words::count(n, "host"))
        }
        n => format!("{waits}Changing {}{batch}.", words::count(n, "host")),
    }
}

/// What of `n` running steps is still waited for.
fn finishes(n: usize) -> String {
    match n {
        0 => "nothing is running".to_owned(),
        1 => "1 running step finishes".to_owned(),
        n => format!("{n} running steps finish"),
    }
}

/// Who waits for a person, and with which key; empty where nobody does.
fn waiting(run: &RunState, key: &str) -> String {
    match run.waiting.as_slice() {
        [] => String::new(),
        [one] => match (one.hosts.as_slice(), &one.step) {
            ([host], Some(step)) => format!("WAITING FOR YOU: {host} at {step} ({key}). "),
            (_, None) => format!("WAITING FOR YOU: {} ({key}). ", one.question),
            (hosts, Some(step)) => format!("WAITING FOR YOU: {} at {step} ({key}). ", words::count(hosts.len(), "host")),
        },
        many => format!("{} WAIT FOR YOU ({key}). ", words::count(many.len(), "question")),
    }
}

fn of_ended(ended: &Watched) -> String {
    let run = &ended.run;
    let Some(finished) = &run.finished else { return "It did not come to its end.".to_owned() };
    if let Some(reason) = &run.declined {
        return format!("Nothing was changed: {reason}.");
    }
    // a turn that never came is none that is waited for
    let word = |class: Class| if class == Class::Waiting { "not started" } else { class.word() };
    let hosts: Vec<String> = ended.fleet.counts().listed().map(|(class, n)| format!("{n} {}", word(class))).collect();
    let open = match ended.fleet.open().len() {
        0 => "Nothing left open.".to_owned(),
        n => format!("{} LEFT OPEN.", words::count(n, "thing")),
    };
    // what is cut on a narrow screen is the end: what was left open never is
    format!("{open} Ended {} (exit {}): {}.", finished.state, finished.exit_code, hosts.join(", "))
}

/// Whether something has been switched off and is not yet back on.
pub fn is_open(model: &Model, _ui: &Ui) -> bool {
    open::is_any(model)
}

/// What has been switched off and is not yet back on; none where nothing is.
pub fn open(model: &Model, ui: &Ui) -> Option<String> {
    open::line(model, ui)
}
