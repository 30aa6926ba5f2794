//! What a capital key would do, told before it is done: Enter does it, Esc does nothing.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::control::Control;
use crate::model::id::HostName;
use crate::state::words;
use crate::tui::action::{Action, Effect};
use crate::tui::input::Key;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::After;
use crate::tui::theme::Tone;
use crate::tui::ui::Ui;
use crate::tui::view::cells::Cells;
use crate::tui::view::panel;

/// The most columns of a set of hosts.
const HOSTS: usize = 50;

/// What the panel remembers. The hosts are frozen when it opens.
#[derive(Debug)]
pub struct State {
    /// What would be done: exclude, abort, go on.
    pub action: Action,
    /// To which hosts; none where it is about the run.
    pub hosts: Vec<HostName>,
}

/// What a key does.
pub fn key(state: &mut State, _ui: &mut Ui, model: &Model, key: Key) -> (After, Vec<Effect>) {
    let by = model.operator.clone();
    let order = match (key, state.action) {
        (Key::Enter, Action::Exclude) => Control::Exclude { hosts: state.hosts.clone(), by },
        (Key::Enter, Action::Abort) => Control::Stop { by },
        (Key::Enter, Action::GoOn) => Control::Resume { by },
        (Key::Enter | Key::Esc, _) => return (After::Close, Vec::new()),
        _ => return (After::Stay, Vec::new()),
    };
    (After::Close, vec![Effect::Control(order)])
}

/// Paints it over the screen.
pub fn draw(state: &State, buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    let Some(live) = &model.live else { return };
    let (title, follows) = match state.action {
        Action::Exclude => exclude(&state.hosts, live),
        Action::Abort => abort(live),
        _ => go_on(live),
    };
    let line = |text: String| Cells::of(ui.theme, Tone::Plain, &text.replace('→', ui.theme.arrow()));
    let mut lines: Vec<Cells> = follows.into_iter().map(line).collect();
    lines.push(Cells::new(ui.theme));
    lines.push(Cells::of(ui.theme, Tone::Strong, "Enter does it. Esc does nothing."));
    let height = u16::try_from(lines.len() + 2).unwrap_or(area.height).min(area.height);
    panel::paint(buf, Rect { height, ..area }, ui.theme, &title, lines);
}

fn exclude(hosts: &[HostName], live: &Watched) -> (String, Vec<String>) {
    let state = |name: &HostName| live.run.hosts.get(name);
    let working = hosts.iter().filter(|name| state(name).is_some_and(|host| host.running.is_some())).count();
    let open = hosts.iter().filter_map(state).map(|host| host.open.len()).sum::<usize>();
    let mut lines = vec![format!("Leaves out     {}", words::hosts(hosts, HOSTS))];
    if working > 0 {
        lines.push(format!("Running        {} first; nothing new starts there", finish(working)));
    }
    lines.push(format!("Open there     {}", if open == 0 { "nothing".to_owned() } else { format!("{open}, closed now") }));
    lines.push("The others     go on".to_owned());
    (format!("Exclude {} from this run?", words::count(hosts.len(), "host")), lines)
}

fn abort(live: &Watched) -> (String, Vec<String>) {
    let counts = live.fleet.counts();
    let waiting = counts.of(crate::state::class::Class::Waiting);
    let lines = vec![
        format!("Running        {}, then nothing new starts", finish(counts.working())),
        format!("Open           {}", open(live)),
        format!("Never touched  {}", words::count(waiting, "host")),
        "Exit code      4, unless something worse is true".to_owned(),
    ];
    ("Abort the run?".to_owned(), lines)
}

fn go_on(live: &Watched) -> (String, Vec<String>) {
    let counts = live.fleet.counts();
    let since = live.run.paused.as_ref().map(|paused| format!("by {}: {}", paused.by, paused.reason));
    let lines = vec![
        format!("Paused         {}", since.unwrap_or_else(|| "no more".to_owned())),
        format!("Goes on        on {} at once", words::count(counts.working(), "host")),
        format!("Then           {}", words::count(counts.of(crate::state::class::Class::Waiting), "waiting host")),
        "Checks         that are older than 60 s are asked again first".to_owned(),
    ];
    ("Go on changing hosts?".to_owned(), lines)
}

fn finish(n: usize) -> String {
    if n == 0 { "nothing runs".to_owned() } else { format!("{} finish", words::count(n, "step")) }
}

fn open(live: &Watched) -> String {
    match live.fleet.open().len() {
        0 => "nothing".to_owned(),
        n => format!("{}, closed before the run ends as its runbook says", words::count(n, "thing")),
    }
}

/// The last two rows.
pub fn foot(_state: &State, _model: &Model, _ui: &Ui) -> (String, String) {
    (String::new(), "Enter do it  Esc do nothing".to_owned())
}
