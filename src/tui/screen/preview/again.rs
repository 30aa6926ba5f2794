//! The same preview anew, with all hosts or without some; and the command line that tells it.

use crate::model::control::Control;
use crate::model::id::HostName;
use crate::state::summary::quoted;
use crate::state::words;
use crate::tui::action::{Effect, Order, Request};
use crate::tui::model::{Model, Watched};
use crate::tui::screen::preview::rows;
use crate::tui::ui::{Shown, Ui};

/// Why no preview can be begun anew from here.
pub(super) fn off(ui: &Ui, model: &Model, key: &str) -> Option<String> {
    if let Shown::Recorded(run) = &ui.shown {
        return Some(format!("{key} is off: this is the record of run {run}."));
    }
    let live = model.live.as_ref()?;
    if live.run.run.is_some() && ui.preview.again == live.run.run && live.is_live() {
        return Some(format!("{key} is off: the next preview begins when this one has ended."));
    }
    // what has only just begun has no hosts yet that could be looked at again
    if live.run.order.is_empty() {
        return Some(format!("{key} is off: the run is being planned."));
    }
    if live.is_live() && (live.is_past_preview() || live.run.confirmed.is_some()) {
        return Some(format!("{key} is off: the run goes on; its plan is the one that was confirmed."));
    }
    None
}

/// Looks again at the same hosts.
pub(super) fn check_again(ui: &mut Ui, model: &Model) -> Vec<Effect> {
    let Some(live) = &model.live else { return Vec::new() };
    let hosts = live.run.order.clone();
    ui.say(model, format!("{} looked at again; nothing is changed.", are(hosts.len())));
    begin(ui, model, live, &hosts, format!("checked again by {}", model.operator))
}

/// Leaves the hosts under the cursor out and looks again at the others.
pub(super) fn drop_hosts(ui: &mut Ui, model: &Model) -> Vec<Effect> {
    let Some(live) = &model.live else { return Vec::new() };
    let Some(row) = ui.preview.row() else {
        ui.say(model, "There is no plan under the cursor yet: wait until all hosts have answered.");
        return Vec::new();
    };
    let dropped = rows::hosts(&live.run, &ui.preview.seen, row).to_vec();
    let gone: std::collections::BTreeSet<&HostName> = dropped.iter().collect();
    let left: Vec<HostName> = live.run.order.iter().filter(|host| !gone.contains(host)).cloned().collect();
    if left.is_empty() {
        ui.say(model, "No host would be left: Esc goes back to the hosts.");
        return Vec::new();
    }
    let names = words::hosts(&dropped, 30).replace('…', ui.theme.more());
    ui.say(model, format!("{names} left out; {} looked at again.", are(left.len())));
    begin(ui, model, live, &left, format!("host dropped by {}", model.operator))
}

fn are(hosts: usize) -> String {
    format!("{} {}", words::count(hosts, "host"), if hosts == 1 { "is" } else { "are" })
}

/// Ends the live run, and asks for the next one: the session begins it when the one before has ended.
fn begin(ui: &mut Ui, model: &Model, live: &Watched, hosts: &[HostName], reason: String) -> Vec<Effect> {
    let mut effects = Vec::new();
    if live.is_live() {
        ui.preview.again = live.run.run.clone();
        // a run that still looks asks nobody yet: it hears a stop alone
        effects.push(Effect::Control(match live.waits_to_be_confirmed() {
            true => Control::Decline { reason },
            false => Control::Stop { by: model.operator.clone() },
        }));
    }
    let runbook = live.run.runbook.as_ref().map_or_else(String::new, |book| book.name.to_string());
    let set = model.order.as_ref().filter(|order| order.runbook == runbook).map_or_else(Vec::new, |order| order.set.clone());
    effects.push(Effect::Ask(Request::Start(Order { runbook, hosts: model.selector_of(hosts), set })));
    effects
}

/// The command line that shows this preview.
pub(super) fn command(model: &Model, ui: &Ui, watched: &Watched) -> String {
    let run = &watched.run;
    let name = run.runbook.as_ref().map_or_else(String::new, |book| book.name.to_string());
    let mut line = format!("runbook run {name} --hosts {}", quoted(&run.selector));
    if ui.shown == Shown::Live {
        let set = model.order.iter().filter(|order| order.runbook == name).flat_map(|order| &order.set);
        for (variable, value) in set {
            line.push_str(&format!(" --set {}", quoted(&format!("{variable}={value}"))));
        }
    }
    format!("{line}{} --dry-run", model.shelf.run_flags)
}
