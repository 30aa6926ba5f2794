//! Something waits for a decision: the choices with what each comes to. None is chosen beforehand; a letter chooses, Enter
//! does it, Esc leaves everything held.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tui_input::Input as TextInput;

use crate::model::control::Control;
use crate::state::choices::{Choice, choices};
use crate::state::run::{RunState, Waiting};
use crate::state::words;
use crate::tui::action::{Action, Effect};
use crate::tui::input::Key;
use crate::tui::model::Model;
use crate::tui::screen::After;
use crate::tui::theme::Tone;
use crate::tui::ui::{Screen, Shown, Ui};
use crate::tui::update::edit;
use crate::tui::view::cells::{Cells, paint, rule};
use crate::tui::view::frame::{WIDE, text_with_cursor};
use crate::tui::view::panel;

/// The columns of the letter and the word of a choice.
const HEAD: usize = 16;
/// The longest note, in characters.
const NOTE: usize = 1_000;
/// The most lines of evidence on a screen of one column.
const EVIDENCE: usize = 3;

/// What the panel remembers. The questions are frozen when it opens: no other can slip under a key.
#[derive(Debug, Default)]
pub struct State {
    /// The questions that are decided together, by id.
    ids: Vec<String>,
    /// The choice that a letter has marked.
    chosen: Option<String>,
    /// Why, for the record.
    note: TextInput,
    /// Whether the note is being typed.
    noting: bool,
}

impl State {
    /// About these questions; `chosen` where a key has named the choice already.
    pub fn new(ids: Vec<String>, chosen: Option<&str>) -> Self {
        Self { ids, chosen: chosen.map(str::to_owned), ..Self::default() }
    }

    fn asked<'r>(&self, run: &'r RunState) -> Vec<&'r Waiting> {
        run.waiting.iter().filter(|asked| self.ids.contains(&asked.id)).collect()
    }
}

/// The questions that are decided together: those of the same step that failed in the same way, by id. Groups in the
/// order in which their first question was asked.
pub fn groups(run: &RunState) -> Vec<Vec<String>> {
    let mut groups: Vec<(&Waiting, Vec<String>)> = Vec::new();
    let cause = |asked: &Waiting| asked.finding.as_ref().and_then(|finding| finding.fold_key.clone());
    for asked in &run.waiting {
        let same = |(first, _): &&mut (&Waiting, Vec<String>)| {
            asked.finding.is_some() && first.step == asked.step && cause(first) == cause(asked) && first.options == asked.options
        };
        match groups.iter_mut().find(same) {
            Some((_, ids)) => ids.push(asked.id.clone()),
            None => groups.push((asked, vec![asked.id.clone()])),
        }
    }
    groups.into_iter().map(|(_, ids)| ids).collect()
}

/// The capital that chooses an option.
fn action(option: &str, gate: bool) -> Option<Action> {
    Some(match option {
        "retry" => Action::Retry,
        "skip" => Action::Skip,
        "exclude" => Action::Exclude,
        "abort" => Action::Abort,
        "yes" => Action::GoOn,
        "no" if gate => Action::Abort,
        "no" => Action::Exclude,
        _ => return None,
    })
}

/// What a key does.
pub fn key(state: &mut State, ui: &mut Ui, model: &Model, key: Key) -> (After, Vec<Effect>) {
    let Some(live) = model.live.as_ref() else { return (After::Close, Vec::new()) };
    let asked = state.asked(&live.run);
    if asked.is_empty() {
        return (After::Close, Vec::new());
    }
    if state.noting {
        note_key(state, key);
        return (After::Stay, Vec::new());
    }
    let meaning = ui.keys.action(key);
    match meaning {
        Some(Action::Open) => return decided(state, ui, model, &asked),
        Some(Action::Back | Action::Leave) => return (After::Close, Vec::new()),
        Some(Action::NextPane) => state.noting = true,
        Some(Action::NextProblem | Action::PrevProblem) => other(state, &live.run, meaning == Some(Action::NextProblem)),
        Some(Action::Right) => {
            if let Some(host) = asked.iter().find_map(|asked| asked.hosts.first()) {
                ui.shown = Shown::Live;
                ui.go(Screen::Host(host.clone()));
            }
            return (After::Close, Vec::new());
        }
        Some(Action::Copy) => {
            let command = asked.first().and_then(|asked| ssh(model, asked));
            let copied = command.map(|text| Effect::Copy { what: "the ssh command".to_owned(), text });
            return (After::Stay, copied.into_iter().collect());
        }
        Some(meant) => {
            let gate = asked.iter().any(|asked| asked.step.is_none());
            let offered = asked.iter().flat_map(|asked| &asked.options).find(|option| action(option, gate) == Some(meant));
            match offered {
                Some(option) => state.chosen = Some(option.clone()),
                None if crate::tui::keymap::ACTING.contains(&meant) => ui.say(model, "That is not offered here."),
                None => {}
            }
        }
        None => {}
    }
    (After::Stay, Vec::new())
}

fn note_key(state: &mut State, key: Key) {
    match key {
        Key::Tab | Key::BackTab | Key::Enter | Key::Esc => state.noting = false,
        Key::Char(_) if state.note.value().chars().count() >= NOTE => {}
        key => edit(&mut state.note, key),
    }
}

fn other(state: &mut State, run: &RunState, next: bool) {
    let groups = groups(run);
    let at = groups.iter().position(|ids| ids.iter().any(|id| state.ids.contains(id))).unwrap_or(0);
    let step = if next { 1 } else { groups.len().saturating_sub(1) };
    if let Some(ids) = groups.get((at + step) % groups.len().max(1)) {
        *state = State::new(ids.clone(), None);
    }
}

fn decided(state: &State, ui: &mut Ui, model: &Model, asked: &[&Waiting]) -> (After, Vec<Effect>) {
    let Some(option) = &state.chosen else {
        ui.say(model, "Nothing is chosen: a letter chooses, then Enter does it.");
        return (After::Stay, Vec::new());
    };
    let note = state.note.value().trim();
    let note = (!note.is_empty()).then(|| note.to_owned());
    let answer = |asked: &&Waiting| {
        Effect::Control(Control::Answer {
            id: asked.id.clone(),
            option: option.clone(),
            by: model.operator.clone(),
            note: note.clone(),
        })
    };
    (After::Close, asked.iter().map(answer).collect())
}

/// How to look oneself.
fn ssh(model: &Model, asked: &Waiting) -> Option<String> {
    let host = model.inventory()?.host(asked.hosts.first()?)?;
    let port = if host.port == 22 { String::new() } else { format!("-p {} ", host.port) };
    Some(format!("ssh {port}{}@{}", host.user, host.address))
}

/// Paints it over the screen.
pub fn draw(state: &State, buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    panel::clear(buf, area);
    let Some(live) = model.live.as_ref() else { return };
    let asked = state.asked(&live.run);
    if asked.is_empty() {
        let said = Cells::of(ui.theme, Tone::Plain, " This does not wait for you any more. Esc closes.");
        return paint(buf, area, [said]);
    }
    let columns = usize::from(area.width);
    let mut lines = vec![rule(ui.theme, &title(&live.run, &asked), &place(state, &live.run), columns)];
    let tall = area.height >= 16;
    lines.extend(why(ui, &asked, if tall { EVIDENCE } else { 1 }));
    if tall {
        lines.push(Cells::new(ui.theme));
    }
    let gate = asked.iter().any(|asked| asked.step.is_none());
    let chosen = state.chosen.as_deref();
    for choice in choices(&live.run, &asked) {
        lines.extend(row(ui, &choice, action(&choice.option, gate), chosen == Some(choice.option.as_str())));
    }
    if tall {
        lines.push(Cells::new(ui.theme));
    }
    lines.push(note_line(state, ui));
    if area.width >= WIDE
        && let Some(command) = asked.first().and_then(|asked| ssh(model, asked))
    {
        lines.push(Cells::new(ui.theme));
        lines.push(rule(ui.theme, "one command to look yourself", "", columns));
        lines.push(Cells::of(ui.theme, Tone::Plain, &format!(" {command}")));
    }
    paint(buf, area, lines);
}

fn title(run: &RunState, asked: &[&Waiting]) -> String {
    match asked {
        [one] => one.question.clone(),
        [first, ..] => {
            let step = first.step.as_ref().map_or_else(String::new, |step| format!(" at {}", words::step(run, step)));
            let why = first.finding.as_ref().map_or_else(String::new, |finding| format!(": {}", finding.summary));
            format!("{} hosts failed{step}{why}", asked.len())
        }
        [] => String::new(),
    }
}

fn place(state: &State, run: &RunState) -> String {
    let groups = groups(run);
    let at = groups.iter().position(|ids| ids.iter().any(|id| state.ids.contains(id))).map_or(1, |at| at + 1);
    format!("decision {at} of {}", groups.len())
}

fn why(ui: &Ui, asked: &[&Waiting], most: usize) -> Vec<Cells> {
    let Some(finding) = asked.first().and_then(|asked| asked.finding.as_ref()) else { return Vec::new() };
    let shown = finding.evidence.iter().take(most).map(|line| Cells::of(ui.theme, Tone::Plain, &format!(" {line}")));
    let hint = finding.hint.iter().map(|hint| Cells::of(ui.theme, Tone::Dim, &format!(" try: {hint}")));
    shown.chain(hint).collect()
}

/// A choice with what it does, and what it leaves behind.
fn row(ui: &Ui, choice: &Choice, action: Option<Action>, chosen: bool) -> Vec<Cells> {
    let mark = if chosen { ui.theme.cursor() } else { " " };
    let key = action.map(|action| ui.keys.key(action)).unwrap_or_default();
    let words = |text: &str| text.replace('→', ui.theme.arrow());
    let head = Cells::new(ui.theme).put(Tone::Strong, &format!("{mark} {key}  ")).put(Tone::Strong, &choice.option).to(HEAD);
    let does = head.put(Tone::Plain, &words(&choice.does)).reversed(chosen);
    let leaves = Cells::new(ui.theme).to(HEAD).put(Tone::Dim, &words(&choice.leaves));
    if choice.leaves.is_empty() { vec![does] } else { vec![does, leaves] }
}

fn note_line(state: &State, ui: &Ui) -> Cells {
    let head = Cells::of(ui.theme, Tone::Plain, " Note for the timeline (optional): ");
    match state.noting {
        true => text_with_cursor(head, state.note.value(), state.note.cursor()),
        false => head.put(Tone::Dim, state.note.value()),
    }
}

/// The last two rows.
pub fn foot(state: &State, model: &Model, ui: &Ui) -> (String, String) {
    let key = |action: Action| ui.keys.key(action);
    if state.noting {
        return ("What is typed here becomes part of the record.".to_owned(), "Tab back to the choices".to_owned());
    }
    let asked = model.live.as_ref().map(|live| state.asked(&live.run)).unwrap_or_default();
    let said = match asked.first() {
        Some(asked) if asked.step.is_none() => {
            "Without an answer within an hour no further batch starts. The bell repeats every 60 s."
        }
        Some(asked) if asked.options.iter().any(|option| option == "yes") => {
            "It waits as long as its step may take; then it is refused. The bell repeats every 60 s."
        }
        _ => "No time limit: the run is held until you choose. The bell repeats every 60 s.",
    };
    let said = said.to_owned();
    let many = model.live.as_ref().is_some_and(|live| groups(&live.run).len() > 1);
    let others = if many { format!("{} next  ", key(Action::NextProblem)) } else { String::new() };
    let keys = format!(
        "letter picks, Enter does it  Esc not now  {others}{} note  {} log  {} ssh command",
        key(Action::NextPane),
        key(Action::Right),
        key(Action::Copy),
    );
    (said, keys)
}
