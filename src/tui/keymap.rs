//! The one table of keys: what each means, what help says of it, and on which screens it has a meaning.

mod own;

use std::collections::BTreeMap;

use crate::tui::action::Action;
use crate::tui::input::Key;
use crate::tui::ui::Screen;

/// Under which heading help lists a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Look around.
    Look,
    /// Steer, safe: acts at once.
    Safe,
    /// Steer, changes hosts: asks first.
    Acts,
    /// Stop.
    Stop,
}

impl Group {
    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Group::Look => "Look around",
            Group::Safe => "Steer, safe: acts at once",
            Group::Acts => "Steer, changes hosts: asks first",
            Group::Stop => "Stop",
        }
    }
}

/// Where a key has a meaning, one bit a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct On(u8);

impl On {
    const RUNBOOKS: u8 = 1;
    const HOSTS: u8 = 2;
    const PREVIEW: u8 = 4;
    const RUN: u8 = 8;
    const TIMELINE: u8 = 16;
    const HISTORY: u8 = 32;
    const HOST: u8 = 64;
    const DIAGNOSTICS: u8 = 128;
    const ALL: Self = Self(255);

    /// Whether this screen is one of them.
    pub fn has(self, screen: &Screen) -> bool {
        let bit = match screen {
            Screen::Runbooks => Self::RUNBOOKS,
            Screen::Hosts => Self::HOSTS,
            Screen::Preview => Self::PREVIEW,
            Screen::Run => Self::RUN,
            Screen::Timeline => Self::TIMELINE,
            Screen::History => Self::HISTORY,
            Screen::Host(_) => Self::HOST,
            Screen::Diagnostics(_) => Self::DIAGNOSTICS,
        };
        self.0 & bit != 0
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Binding {
    /// The keys that mean it, as they are without the user's own table.
    pub keys: &'static [Key],
    /// What it means.
    pub action: Action,
    /// Its name in the user's own table of keys.
    pub name: &'static str,
    /// What it does, in a few words.
    pub does: &'static str,
    /// Under which heading help lists it.
    pub group: Group,
    /// Where it has a meaning.
    pub on: On,
}

macro_rules! table {
    ($($name:literal $action:expr, [$($key:expr),+], $group:ident, $on:expr, $does:literal;)+) => {
        /// Every key.
        pub const TABLE: &[Binding] = &[$(Binding {
            keys: &[$($key),+],
            action: $action,
            name: $name,
            does: $does,
            group: Group::$group,
            on: $on,
        }),+];
    };
}

const LISTS: On = On(On::RUNBOOKS | On::HOSTS | On::RUN | On::HISTORY | On::PREVIEW);
const OF_RUN: On = On(On::RUN | On::HOST);
const MARKS: On = On(On::HOSTS | On::HISTORY | On::TIMELINE);

table! {
    "down" Action::Down, [Key::Char('j'), Key::Down], Look, On::ALL, "down";
    "up" Action::Up, [Key::Char('k'), Key::Up], Look, On::ALL, "up";
    "left" Action::Left, [Key::Char('h'), Key::Left], Look, On::ALL, "fold, pane before, earlier";
    "right" Action::Right, [Key::Char('l'), Key::Right], Look, On::ALL, "unfold, next pane, later";
    "first" Action::First, [Key::Char('g'), Key::Home], Look, On::ALL, "first";
    "last" Action::Last, [Key::Char('G'), Key::End], Look, On::ALL, "last; a log follows again";
    "half-down" Action::HalfDown, [Key::Ctrl('d')], Look, On::ALL, "half a page down";
    "half-up" Action::HalfUp, [Key::Ctrl('u')], Look, On::ALL, "half a page up";
    "page-down" Action::PageDown, [Key::Ctrl('f'), Key::PageDown], Look, On::ALL, "page down";
    "page-up" Action::PageUp, [Key::Ctrl('b'), Key::PageUp], Look, On::ALL, "page up";
    "next-problem" Action::NextProblem, [Key::Char(']')], Look, On::ALL, "next problem";
    "prev-problem" Action::PrevProblem, [Key::Char('[')], Look, On::ALL, "problem before";
    "open" Action::Open, [Key::Enter], Look, On::ALL, "open; in a panel do what is chosen";
    "back" Action::Back, [Key::Esc], Look, On::ALL, "close, back; never acts";
    "leave" Action::Leave, [Key::Char('q')], Look, On::ALL, "leave this screen";
    "next-pane" Action::NextPane, [Key::Tab], Look, On::ALL, "next pane";
    "prev-pane" Action::PrevPane, [Key::BackTab], Look, On::ALL, "pane before";
    "runbooks" Action::Go(1), [Key::Char('1')], Look, On::ALL, "runbooks";
    "hosts" Action::Go(2), [Key::Char('2')], Look, On::ALL, "hosts";
    "preview" Action::Go(3), [Key::Char('3')], Look, On::ALL, "preview";
    "run" Action::Go(4), [Key::Char('4')], Look, On::ALL, "run";
    "timeline" Action::Go(5), [Key::Char('5')], Look, On::ALL, "timeline";
    "history" Action::Go(6), [Key::Char('6')], Look, On::ALL, "history";
    "last-screen" Action::LastScreen, [Key::Char('`')], Look, On::ALL, "the screen before";
    "help" Action::Help, [Key::Char('?'), Key::F1], Look, On::ALL, "help for this screen";
    "search" Action::Search, [Key::Char('/')], Look, On::ALL, "search, filter";
    "next-match" Action::NextMatch, [Key::Char('n')], Look, On::ALL, "next match";
    "prev-match" Action::PrevMatch, [Key::Char('N')], Look, On::ALL, "match before";
    "command" Action::Command, [Key::Char(':')], Look, On::ALL, "command";
    "open-items" Action::OpenItems, [Key::Char('!')], Look, On::ALL, "what is open";
    "zoom" Action::Zoom, [Key::Char('z')], Look, On::ALL, "pane to the full screen";
    "follow" Action::Follow, [Key::Char('f')], Look, On(On::RUN | On::HOST | On::TIMELINE), "freeze or follow";
    "wrap" Action::Wrap, [Key::Char('w')], Look, OF_RUN, "wrap long lines";
    "times" Action::Times, [Key::Char('t')], Look, On::ALL, "times: UTC, relative, local";
    "sort" Action::Sort, [Key::Char('s')], Look, LISTS, "next order";
    "copy" Action::Copy, [Key::Char('y')], Look, On::ALL, "copy the line";
    "copy-command" Action::CopyCommand, [Key::Char('Y')], Look, On::ALL, "copy the command line";
    "plain" Action::Plain, [Key::Char('o')], Look, On::ALL, "plain text, for the mouse";
    "edit" Action::Edit, [Key::Char('e')], Look, On(On::RUNBOOKS | On::DIAGNOSTICS), "edit the file";
    "export" Action::Export, [Key::Char('E')], Look, On(On::PREVIEW | On::RUN | On::TIMELINE | On::HISTORY), "export this view";
    "reload" Action::Reload, [Key::Char('r')], Look, On(On::RUNBOOKS | On::HOSTS | On::PREVIEW | On::TIMELINE | On::HISTORY | On::DIAGNOSTICS), "look again, reads only";
    "mark" Action::Mark, [Key::Char(' ')], Look, MARKS, "mark";
    "mark-all" Action::MarkAll, [Key::Char('a')], Look, On(On::HOSTS | On::HISTORY), "mark all shown";
    "invert" Action::Invert, [Key::Char('i')], Look, On(On::HOSTS | On::HISTORY), "invert the marks";
    "range" Action::Range, [Key::Char('v')], Look, On(On::HOSTS | On::HISTORY), "mark a range";
    "undo" Action::Undo, [Key::Char('u')], Look, On(On::HOSTS | On::HISTORY), "take the last marking back";
    "only" Action::Only, [Key::Char('x')], Look, On(On::RUN | On::TIMELINE), "only this host";
    "less" Action::Less, [Key::Char(',')], Look, On(On::TIMELINE | On::HOST), "more lines: less severe too";
    "more" Action::More, [Key::Char('.')], Look, On(On::TIMELINE | On::HOST), "fewer lines: more severe only";
    "source" Action::Source, [Key::Char('c')], Look, On(On::TIMELINE), "next source";
    "plus" Action::Plus, [Key::Char('+')], Look, On(On::RUN | On::PREVIEW | On::HOSTS | On::TIMELINE | On::HOST), "more detail, zoom in";
    "minus" Action::Minus, [Key::Char('-')], Look, On(On::RUN | On::PREVIEW | On::HOSTS | On::TIMELINE | On::HOST), "less detail, zoom out";
    "note" Action::Note, [Key::Char('m')], Look, On(On::RUN | On::HOST | On::TIMELINE), "note at this moment";
    "compare" Action::Compare, [Key::Char('=')], Look, On(On::HISTORY), "compare two marked runs";
    "redraw" Action::Redraw, [Key::Ctrl('l')], Look, On::ALL, "draw everything anew";
    "pause" Action::Pause, [Key::Char('p')], Safe, OF_RUN, "pause: no new step starts";
    "decide" Action::Decide, [Key::Char('d')], Safe, On::ALL, "open the waiting decision";
    "retry" Action::Retry, [Key::Char('R')], Acts, On(On::RUN | On::HOST | On::HISTORY), "retry the failed step";
    "skip" Action::Skip, [Key::Char('S')], Acts, OF_RUN, "skip the failed step";
    "exclude" Action::Exclude, [Key::Char('X')], Acts, On(On::HOSTS | On::PREVIEW | On::RUN | On::HOST), "exclude the host";
    "abort" Action::Abort, [Key::Char('A')], Acts, OF_RUN, "abort the run";
    "go-on" Action::GoOn, [Key::Char('P')], Acts, On::ALL, "go on after a pause";
    "interrupt" Action::Interrupt, [Key::Ctrl('c')], Stop, On::ALL, "stop softly; again: end running steps; third: leave";
    "suspend" Action::Suspend, [Key::Ctrl('z')], Stop, On::ALL, "pause the run, go to the shell; fg comes back";
}

/// Actions that can change a host: always a capital, always asked.
pub const ACTING: [Action; 5] = [Action::Retry, Action::Skip, Action::Exclude, Action::Abort, Action::GoOn];

/// The row of an action.
pub fn binding(action: Action) -> Option<&'static Binding> {
    TABLE.iter().find(|binding| binding.action == action)
}

/// What keys mean here: the table, with what the user has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    keys: BTreeMap<Key, Action>,
}

impl Default for Keymap {
    fn default() -> Self {
        let all = TABLE.iter().flat_map(|binding| binding.keys.iter().map(|key| (*key, binding.action)));
        Self { keys: all.collect() }
    }
}

impl Keymap {
    /// What a key means.
    pub fn action(&self, key: Key) -> Option<Action> {
        self.keys.get(&key).copied()
    }

    /// The keys that mean an action, as they are shown, the plainest first: `j`, `Ctrl-D`.
    pub fn shown(&self, action: Action) -> Vec<String> {
        let mut keys: Vec<Key> = self.keys.iter().filter(|(_, of)| **of == action).map(|(key, _)| *key).collect();
        let first = |key: &Key| binding(action).and_then(|b| b.keys.iter().position(|k| k == key)).unwrap_or(0);
        keys.sort_by_key(first);
        keys.into_iter().map(name).collect()
    }

    /// The plainest key that means an action; empty where none does.
    pub fn key(&self, action: Action) -> String {
        self.shown(action).into_iter().next().unwrap_or_default()
    }
}

/// A key as it is shown.
pub fn name(key: Key) -> String {
    match key {
        Key::Char(' ') => "Space".to_owned(),
        Key::Char(c) => c.to_string(),
        Key::Ctrl(c) => format!("Ctrl-{}", c.to_ascii_uppercase()),
        Key::BackTab => "Shift-Tab".to_owned(),
        Key::PageUp => "PgUp".to_owned(),
        Key::PageDown => "PgDn".to_owned(),
        Key::Unknown => String::new(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ACTING, Keymap, TABLE};
    use crate::tui::input::Key;

    #[test]
    fn a_key_has_one_meaning() {
        let keys: Vec<Key> = TABLE.iter().flat_map(|binding| binding.keys.iter().copied()).collect();
        let different: BTreeSet<Key> = keys.iter().copied().collect();
        assert_eq!(keys.len(), different.len());
    }

    #[test]
    fn only_capitals_can_change_a_host() {
        for action in ACTING {
            let keys = Keymap::default().shown(action);
            assert!(keys.iter().all(|key| key.len() == 1 && key.chars().all(char::is_uppercase)), "{action:?}: {keys:?}");
        }
    }

    #[test]
    fn keys_that_hurt_elsewhere_mean_nothing_here() {
        let keys = Keymap::default();
        let never = [Key::Ctrl('a'), Key::Ctrl('s'), Key::Ctrl('q'), Key::Ctrl('k'), Key::Ctrl('w'), Key::Delete, Key::Backspace];
        assert!(never.iter().all(|key| keys.action(*key).is_none()));
        assert!(keys.action(Key::Unknown).is_none());
    }
}
