//! What is going on, in one sentence: is anything changing, does anything wait for me, is anything left half done.

use crate::model::time::Timestamp;
use crate::state::run::RunState;
use crate::state::words;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::preview;
use crate::tui::theme::Tone;
use crate::tui::ui::{Screen, Shown, Times, Ui};

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
    if let Some(of_preview) = preview::now(model, ui) {
        return of_preview;
    }
    match (&model.live, &ui.shown) {
        (Some(live), _) if live.is_live() => of_live(live, model.now),
        (_, Shown::Recorded(run)) if matches!(ui.screen, Screen::Run | Screen::Host(_) | Screen::Timeline) => {
            format!("Nothing is changing. This is the record of run {run}.")
        }
        (Some(live), _) => of_ended(&live.run),
        (None, _) => "Nothing is running.".to_owned(),
    }
}

fn of_live(live: &Watched, now: Timestamp) -> String {
    let _ = now;
    match () {
        () if live.waits_to_be_confirmed() => "Nothing has been changed. The preview waits for you.".to_owned(),
        () if !live.is_past_preview() => "Nothing has been changed. Read-only checks are running.".to_owned(),
        () => "Changing hosts.".to_owned(),
    }
}

fn of_ended(run: &RunState) -> String {
    let _ = run;
    "Nothing is running.".to_owned()
}

/// What has been switched off and is not yet back on; none where nothing is.
pub fn open(model: &Model, ui: &Ui) -> Option<String> {
    let _ = (model, ui);
    None
}
