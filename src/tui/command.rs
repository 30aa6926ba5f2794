//! What is typed after `:`, by name and with Tab completion.

mod why;

use crate::model::id::HostName;
use crate::state::run::RunState;
use crate::tui::action::{Effect, Request};
use crate::tui::model::Model;
use crate::tui::screen::runbooks;
use crate::tui::steer;
use crate::tui::theme::Palette;
use crate::tui::ui::{Screen, Ui};
use crate::tui::update;

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// What follows it.
    pub takes: &'static str,
    /// What it does.
    pub does: &'static str,
}

/// Every command.
pub const COMMANDS: &[Command] = &[
    Command { name: "host", takes: "NAME", does: "one host of the run" },
    Command { name: "step", takes: "N|ID", does: "a step of the host that is shown" },
    Command { name: "why", takes: "NAME", does: "why a host is not running" },
    Command { name: "set", takes: "NAME=VALUE", does: "a variable of the runbook that is chosen" },
    Command { name: "note", takes: "TEXT", does: "a note in the record of the run" },
    Command { name: "export", takes: "md|json", does: "the timeline to a file here" },
    Command { name: "theme", takes: "default|high-contrast|mono", does: "the colours" },
    Command { name: "glyphs", takes: "unicode|ascii", does: "the marks" },
    Command { name: "mouse", takes: "on|off", does: "whether the wheel and clicks come here" },
    Command { name: "q", takes: "", does: "leave this screen" },
];

/// Does what was typed.
pub fn run(ui: &mut Ui, model: &Model, text: &str) -> Vec<Effect> {
    let text = text.trim();
    let (name, rest) = text.split_once(' ').map_or((text, ""), |(name, rest)| (name, rest.trim()));
    match name {
        "" => Vec::new(),
        "host" => host(ui, model, rest),
        "step" => step(ui, model, rest),
        "why" => {
            let said = why::why(ui, model, rest);
            ui.say(model, said);
            Vec::new()
        }
        "set" => set(ui, model, rest),
        "note" => steer::note(ui, model, rest),
        "export" => export(ui, model, rest),
        "theme" => theme(ui, model, rest),
        "glyphs" => glyphs(ui, model, rest),
        "mouse" => mouse(ui, model, rest),
        "q" | "quit" => update::leave(ui, model),
        other => {
            ui.say(model, unknown(other));
            Vec::new()
        }
    }
}

fn unknown(name: &str) -> String {
    let near = COMMANDS.iter().find(|command| strsim::damerau_levenshtein(command.name, name) <= 2);
    match near {
        Some(command) => format!("`{name}` is no command. Did you mean :{}?", command.name),
        None => format!("`{name}` is no command. Tab completes; ? lists them."),
    }
}

/// The run that commands about hosts are for.
fn shown<'m>(ui: &Ui, model: &'m Model) -> Option<&'m RunState> {
    ui.watched(model).map(|watched| &watched.run)
}

fn host(ui: &mut Ui, model: &Model, name: &str) -> Vec<Effect> {
    let found = HostName::parse(name).ok().filter(|host| shown(ui, model).is_some_and(|run| run.hosts.contains_key(host)));
    match found {
        Some(host) => ui.go(Screen::Host(host)),
        None => ui.say(model, format!("`{name}` is no host of the run that is shown.")),
    }
    Vec::new()
}

fn step(ui: &mut Ui, model: &Model, which: &str) -> Vec<Effect> {
    let steps = shown(ui, model).map(|run| run.steps.as_slice()).unwrap_or_default();
    let found = steps.iter().find(|step| step.id.as_str() == which || step.n.to_string() == which).map(|step| step.id.clone());
    match (found, &ui.screen) {
        (Some(step), Screen::Host(_)) => ui.host.wants = Some(step),
        (Some(_), _) => ui.say(model, "Open a host first: :host NAME."),
        (None, _) => ui.say(model, format!("`{which}` is no step of the run that is shown.")),
    }
    Vec::new()
}

fn set(ui: &mut Ui, model: &Model, text: &str) -> Vec<Effect> {
    let said = match text.split_once('=') {
        Some((name, value)) => match runbooks::set(ui, model, name.trim(), value.trim()) {
            Ok(()) => format!("{} is {} for the next run.", name.trim(), value.trim()),
            Err(why) => why,
        },
        None => ":set takes NAME=VALUE.".to_owned(),
    };
    ui.say(model, said);
    Vec::new()
}

fn export(ui: &mut Ui, model: &Model, form: &str) -> Vec<Effect> {
    let run = shown(ui, model).and_then(|run| run.run.clone());
    match (run, form) {
        (Some(run), "md" | "json") => {
            vec![Effect::Ask(Request::Export { name: format!("timeline-{run}.{form}"), text: None, run: Some(run) })]
        }
        (Some(_), _) => {
            ui.say(model, ":export takes md or json.");
            Vec::new()
        }
        (None, _) => {
            ui.say(model, "No run is shown that could be exported.");
            Vec::new()
        }
    }
}

fn theme(ui: &mut Ui, model: &Model, name: &str) -> Vec<Effect> {
    match palette(name) {
        Some(palette) => ui.theme.palette = palette,
        None => ui.say(model, ":theme takes default, high-contrast or mono."),
    }
    vec![Effect::Redraw]
}

/// The colours of a name.
pub fn palette(name: &str) -> Option<Palette> {
    match name {
        "default" => Some(Palette::Default),
        "high-contrast" => Some(Palette::HighContrast),
        "mono" => Some(Palette::Mono),
        _ => None,
    }
}

fn glyphs(ui: &mut Ui, model: &Model, set: &str) -> Vec<Effect> {
    match set {
        "unicode" => ui.theme.ascii = false,
        "ascii" => ui.theme.ascii = true,
        _ => ui.say(model, ":glyphs takes unicode or ascii."),
    }
    vec![Effect::Redraw]
}

fn mouse(ui: &mut Ui, model: &Model, text: &str) -> Vec<Effect> {
    match text {
        "on" | "off" => vec![Effect::Mouse(text == "on")],
        _ => {
            ui.say(model, ":mouse takes on or off.");
            Vec::new()
        }
    }
}

/// The text with what it begins completed, as far as there is only one way.
pub fn complete(ui: &Ui, model: &Model, text: &str) -> String {
    let Some((name, begun)) = text.split_once(' ') else {
        let names = COMMANDS.iter().map(|command| command.name.to_owned());
        return match common(names, text) {
            Some(name) if COMMANDS.iter().any(|command| command.name == name && !command.takes.is_empty()) => format!("{name} "),
            Some(name) => name,
            None => text.to_owned(),
        };
    };
    let run = shown(ui, model);
    let words: Vec<String> = match name {
        "host" | "why" => run.map(|run| run.order.iter().map(ToString::to_string).collect()).unwrap_or_default(),
        "step" => run.map(|run| run.steps.iter().map(|step| step.id.to_string()).collect()).unwrap_or_default(),
        "set" => runbooks::variables(ui, model).into_iter().map(|name| format!("{name}=")).collect(),
        _ => {
            let takes = COMMANDS.iter().find(|command| command.name == name).map_or("", |command| command.takes);
            takes.split('|').filter(|word| !word.chars().any(char::is_uppercase)).map(str::to_owned).collect()
        }
    };
    common(words.into_iter(), begun).map_or_else(|| text.to_owned(), |word| format!("{name} {word}"))
}

/// What all words have in common that begin so; none where no word does.
fn common(words: impl Iterator<Item = String>, begun: &str) -> Option<String> {
    let mut fitting = words.filter(|word| word.starts_with(begun));
    let first = fitting.next()?;
    Some(fitting.fold(first, |so_far, word| {
        so_far.chars().zip(word.chars()).take_while(|(one, other)| one == other).map(|(one, _)| one).collect()
    }))
}

#[cfg(test)]
mod tests {
    use super::{COMMANDS, common, unknown};

    #[test]
    fn tab_completes_as_far_as_there_is_one_way() {
        let words = || ["web-01", "web-02", "db-1"].map(str::to_owned).into_iter();
        assert_eq!(common(words(), "w").as_deref(), Some("web-0"));
        assert_eq!(common(words(), "d").as_deref(), Some("db-1"));
        assert_eq!(common(words(), "x"), None);
    }

    #[test]
    fn a_mistyped_command_is_met_with_the_one_that_was_meant() {
        assert_eq!(unknown("hots"), "`hots` is no command. Did you mean :host?");
        assert!(COMMANDS.iter().all(|command| command.name.len() <= 6));
    }
}
