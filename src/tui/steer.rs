//! Steering the live run: pause at once; everything that can change a host asks first.

use crate::model::control::Control;
use crate::model::id::HostName;
use crate::state::run::RunState;
use crate::tui::action::{Action, Effect, Request};
use crate::tui::model::Model;
use crate::tui::screen::{acting, decide, run};
use crate::tui::ui::{Panel, Screen, Shown, Ui};

/// The longest note, in bytes.
const NOTE: usize = 4096;

/// Does what a steering key means: opens a panel, or pauses.
pub fn act(ui: &mut Ui, model: &Model, action: Action) -> Vec<Effect> {
    let Some(live) = model.live.as_ref().filter(|live| live.is_live()) else {
        ui.say(model, "No run is live.");
        return Vec::new();
    };
    let hosts = subject(ui, model);
    match action {
        Action::Pause => {
            ui.say(model, format!("Pausing: no new step starts. {} goes on.", ui.keys.key(Action::GoOn)));
            vec![Effect::Control(Control::Pause { by: model.operator.clone() })]
        }
        Action::Decide => {
            let ids = together_with(&live.run, &hosts).or_else(|| decide::groups(&live.run).into_iter().next());
            open_decision(ui, model, ids, None)
        }
        Action::Retry => open_decision(ui, model, of_hosts(&live.run, &hosts), Some("retry")),
        Action::Skip => open_decision(ui, model, of_hosts(&live.run, &hosts), Some("skip")),
        Action::Exclude => match of_hosts(&live.run, &hosts) {
            Some(ids) => open_decision(ui, model, Some(ids), Some("exclude")),
            None if hosts.is_empty() => {
                ui.say(model, "No host is under the cursor.");
                Vec::new()
            }
            None => ui.open(model, Panel::Acting(acting::State { action, hosts })),
        },
        _ => ui.open(model, Panel::Acting(acting::State { action, hosts: Vec::new() })),
    }
}

/// The hosts that a capital key is about.
fn subject(ui: &Ui, model: &Model) -> Vec<HostName> {
    match &ui.screen {
        _ if !ui.shows_live(model) => Vec::new(),
        Screen::Host(host) => vec![host.clone()],
        Screen::Run => run::subject(ui, model),
        _ => Vec::new(),
    }
}

/// The questions that are decided together with one about a failure of these hosts.
fn together_with(run: &RunState, hosts: &[HostName]) -> Option<Vec<String>> {
    decide::groups(run).into_iter().find(|ids| ids.iter().any(|id| is_about(run, id, hosts)))
}

/// Of these, only the questions about these very hosts: a capital is about what is under the cursor, and nothing else.
fn of_hosts(run: &RunState, hosts: &[HostName]) -> Option<Vec<String>> {
    let ids = together_with(run, hosts)?;
    Some(ids.into_iter().filter(|id| is_about(run, id, hosts)).collect())
}

fn is_about(run: &RunState, id: &str, hosts: &[HostName]) -> bool {
    run.waiting.iter().any(|asked| asked.id == id && asked.step.is_some() && asked.hosts.iter().any(|host| hosts.contains(host)))
}

fn open_decision(ui: &mut Ui, model: &Model, ids: Option<Vec<String>>, chosen: Option<&str>) -> Vec<Effect> {
    let Some(ids) = ids else {
        ui.say(model, "Nothing waits for you there.");
        return Vec::new();
    };
    let offered = |option: &str| {
        let run = model.live.as_ref().map(|live| &live.run);
        let asked = run.into_iter().flat_map(|run| &run.waiting).filter(|asked| ids.contains(&asked.id));
        asked.clone().count() > 0 && asked.into_iter().all(|asked| asked.options.iter().any(|known| known == option))
    };
    let chosen = chosen.filter(|option| offered(option));
    ui.shown = Shown::Live;
    ui.open(model, Panel::Decide(decide::State::new(ids, chosen)))
}

/// Writes a note into the run that is shown.
pub fn note(ui: &mut Ui, model: &Model, text: &str) -> Vec<Effect> {
    let text = text.trim();
    if text.is_empty() {
        return Vec::new();
    }
    if text.len() > NOTE {
        ui.say(model, format!("The note is {} bytes long, at most {NOTE} are kept.", text.len()));
        return Vec::new();
    }
    let text = text.to_owned();
    match (&ui.shown, model.live_run()) {
        (Shown::Recorded(run), _) => vec![Effect::Ask(Request::Note { run: run.clone(), text })],
        (Shown::Live, Some(_)) if model.is_live() => {
            ui.say(model, "Noted.");
            vec![Effect::Control(Control::Note { by: model.operator.clone(), text })]
        }
        (Shown::Live, Some(run)) => vec![Effect::Ask(Request::Note { run: run.clone(), text })],
        (Shown::Live, None) => {
            ui.say(model, "There is no run to note it in.");
            Vec::new()
        }
    }
}
