//! Why a key has no meaning on the screens of a run now.

use crate::state::class::Class;
use crate::tui::action::Action;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::run::rows::Item;
use crate::tui::ui::{Screen, Ui};

/// Why a key has no meaning now, on this screen and on that of a host.
pub fn off(ui: &Ui, model: &Model, action: Action) -> Option<String> {
    let why = reason(ui, model, action)?;
    Some(format!("{} is off: {why}.", ui.keys.key(action)))
}

/// Whether a key is about the run itself, and not about what is looked at.
fn steers(action: Action) -> bool {
    use Action as A;
    matches!(action, A::Decide | A::Pause | A::GoOn | A::Retry | A::Skip | A::Exclude | A::Abort)
}

fn reason(ui: &Ui, model: &Model, action: Action) -> Option<&'static str> {
    use Action as A;
    // the sentence of every screen names these keys, so they mean the live run wherever one is
    if let (A::Decide | A::GoOn, Some(live)) = (action, model.live.as_ref().filter(|live| live.is_live())) {
        return steering(ui, live, action);
    }
    let Some(watched) = ui.watched(model) else {
        let looks = matches!(action, A::NextProblem | A::PrevProblem | A::Follow | A::Sort | A::Export | A::Only | A::Copy);
        return (steers(action) || looks || matches!(action, A::CopyCommand | A::Plain)).then_some("no run is shown");
    };
    if steers(action) {
        return not_live(ui, model, watched).or_else(|| steering(ui, watched, action));
    }
    let on_run = ui.screen == Screen::Run;
    match action {
        A::NextProblem | A::PrevProblem if on_run && watched.fleet.needy() == 0 => Some("there is no problem"),
        A::Sort if on_run && ui.run.is_folded(&watched.fleet, ui.size) => Some("rows are folded; + shows a row a host"),
        _ => None,
    }
}

fn not_live(ui: &Ui, model: &Model, watched: &Watched) -> Option<&'static str> {
    match () {
        () if !watched.is_live() => Some("the run has ended"),
        () if !ui.shows_live(model) => Some("this is the record of a run that is not live here"),
        () => None,
    }
}

fn steering(ui: &Ui, watched: &Watched, action: Action) -> Option<&'static str> {
    let run = &watched.run;
    match action {
        Action::Decide => run.waiting.is_empty().then_some("nothing waits for you"),
        Action::GoOn => run.paused.is_none().then_some("the run is not paused"),
        Action::Pause if run.paused.is_some() => Some("the run is paused already"),
        Action::Pause | Action::Abort | Action::Exclude if !watched.is_past_preview() => Some("nothing has begun"),
        Action::Pause if run.stopping.is_some() => Some("the run is stopping"),
        Action::Abort if run.aborting => Some("the run is being aborted"),
        Action::Retry | Action::Skip => (!is_held(ui, watched)).then_some("no decision waits on this host"),
        _ => None,
    }
}

/// Whether what is under the cursor, or the host that is shown, waits for a decision.
fn is_held(ui: &Ui, watched: &Watched) -> bool {
    let fleet = &watched.fleet;
    let name = match (&ui.screen, &ui.run.cursor.at) {
        (Screen::Host(name), _) | (Screen::Run, Some(Item::Host(name))) => name,
        (Screen::Run, Some(Item::Group(key))) => return key.class == Class::Held,
        _ => return false,
    };
    fleet.place(name).and_then(|place| fleet.classes().get(place)) == Some(&Class::Held)
}
