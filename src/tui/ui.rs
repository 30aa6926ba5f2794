//! Where the person is: the screen, the panel over it, what is being typed. Changed by [`crate::tui::update`] alone.

use std::time::Duration;

use tui_input::Input as TextInput;

use crate::model::id::{HostName, RunId};
use crate::model::time::Timestamp;
use crate::tui::action::Effect;
use crate::tui::keymap::Keymap;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::{
    acting, confirm, decide, diagnostics, help, history, host, hosts, message, open, preview, quit, run, runbooks, timeline,
};
use crate::tui::theme::Theme;

/// A panel takes no key for so long after it has opened: what was typed for something else cannot answer it.
pub const DEAF: Duration = Duration::from_millis(400);

/// The screens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screen {
    /// 1
    Runbooks,
    /// 2
    Hosts,
    /// 3
    Preview,
    /// 4
    Run,
    /// 5
    Timeline,
    /// 6
    History,
    /// One host of a run.
    Host(HostName),
    /// What is wrong with the runbook of this name; an empty name means the inventory.
    Diagnostics(String),
}

/// What lies over a screen.
#[derive(Debug)]
pub enum Panel {
    /// Keys and marks.
    Help(help::State),
    /// The question whether to go on after the preview.
    Confirm(confirm::State),
    /// Something waits for a decision.
    Decide(decide::State),
    /// The consequence of a capital key.
    Acting(acting::State),
    /// Whether to leave a live run.
    Quit(quit::State),
    /// What is open.
    Open(open::State),
    /// Something to be read.
    Message(message::State),
}

impl Panel {
    /// Whether a key in it can come to an order to the live run.
    pub fn acts(&self) -> bool {
        matches!(self, Panel::Confirm(_) | Panel::Decide(_) | Panel::Acting(_) | Panel::Quit(_))
    }
}

/// What a line is typed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Narrows a list down or finds in a text, while it is typed.
    Search,
    /// A command by name.
    Command,
    /// A note.
    Note,
}

/// A line that is being typed.
#[derive(Debug)]
pub struct Typing {
    /// What for.
    pub purpose: Purpose,
    /// The text with its cursor.
    pub text: TextInput,
}

/// How times are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// `03:17:40Z`.
    #[default]
    Utc,
    /// Since the start of the run.
    Relative,
    /// In the zone of this machine.
    Local,
}

impl Times {
    /// How it shows them, in a sentence.
    pub fn does(self) -> &'static str {
        match self {
            Times::Utc => "Times are UTC.",
            Times::Relative => "Times count from the start of the run; without a run they are UTC.",
            Times::Local => "Times are those of this machine's zone.",
        }
    }
}

/// Which run the screens of a run show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Shown {
    /// The one of this session.
    #[default]
    Live,
    /// A recorded one.
    Recorded(RunId),
}

/// Where the person is.
#[derive(Debug)]
pub struct Ui {
    /// The screen.
    pub screen: Screen,
    /// Where Esc leads, the nearest last.
    pub back: Vec<Screen>,
    /// The screen before this one.
    pub before: Option<Screen>,
    /// What lies over it.
    pub panel: Option<Panel>,
    /// Since when.
    pub panel_since: Timestamp,
    /// What is being typed.
    pub typing: Option<Typing>,
    /// What is said in the last line but one, and when that began.
    pub said: Option<(String, Timestamp)>,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// How things look.
    pub theme: Theme,
    /// How times are shown.
    pub times: Times,
    /// Which run is shown.
    pub shown: Shown,
    /// What keys mean.
    pub keys: Keymap,
    /// How many unbound capitals were pressed in a row.
    pub capitals: u8,
    /// Whether the terminal has the focus.
    pub focused: bool,
    /// State of the runbook picker.
    pub runbooks: runbooks::State,
    /// State of the host picker.
    pub hosts: hosts::State,
    /// State of the preview.
    pub preview: preview::State,
    /// State of the run screen.
    pub run: run::State,
    /// State of the host screen.
    pub host: host::State,
    /// State of the timeline.
    pub timeline: timeline::State,
    /// State of the history.
    pub history: history::State,
    /// State of the diagnostics.
    pub diagnostics: diagnostics::State,
}

impl Ui {
    /// At the start: the runbook picker.
    pub fn new(theme: Theme, keys: Keymap, size: (u16, u16)) -> Self {
        Self {
            screen: Screen::Runbooks,
            back: Vec::new(),
            before: None,
            panel: None,
            panel_since: Timestamp::from_millis(0),
            typing: None,
            said: None,
            size,
            theme,
            times: Times::default(),
            shown: Shown::default(),
            keys,
            capitals: 0,
            focused: true,
            runbooks: runbooks::State::default(),
            hosts: hosts::State::default(),
            preview: preview::State::default(),
            run: run::State::default(),
            host: host::State::default(),
            timeline: timeline::State::default(),
            history: history::State::default(),
            diagnostics: diagnostics::State::default(),
        }
    }

    /// To another screen; Esc comes back from it.
    pub fn go(&mut self, screen: Screen) {
        if screen == self.screen {
            return;
        }
        let from = std::mem::replace(&mut self.screen, screen);
        // the way back never grows: a screen that was visited is gone back to, not stacked
        self.back.retain(|known| *known != from && *known != self.screen);
        self.back.push(from.clone());
        self.before = Some(from);
        self.panel = None;
        self.typing = None;
    }

    /// Back to where this screen was opened from.
    pub fn go_back(&mut self) -> bool {
        let Some(to) = self.back.pop() else { return false };
        self.before = Some(std::mem::replace(&mut self.screen, to));
        true
    }

    /// Opens a panel over the screen.
    pub fn open(&mut self, model: &Model, panel: Panel) -> Vec<Effect> {
        (self.panel, self.panel_since) = (Some(panel), model.now);
        Vec::new()
    }

    /// Whether a panel that can act has only just opened: keys that were meant for something else do nothing.
    pub fn is_deaf(&self, model: &Model) -> bool {
        let acts = self.panel.as_ref().is_some_and(Panel::acts);
        // a clock that was set back must not make a panel deaf for good
        acts && model.now >= self.panel_since && model.now.since(self.panel_since) < DEAF
    }

    /// Begins a line that is typed.
    pub fn type_in(&mut self, purpose: Purpose, text: &str) -> Vec<Effect> {
        self.typing = Some(Typing { purpose, text: TextInput::new(text.to_owned()) });
        Vec::new()
    }

    /// Says something in the last line but one.
    pub fn say(&mut self, model: &Model, text: impl Into<String>) {
        self.said = Some((text.into(), model.now));
    }

    /// The run that is shown.
    pub fn watched<'m>(&self, model: &'m Model) -> Option<&'m Watched> {
        match &self.shown {
            Shown::Live => model.live.as_ref(),
            Shown::Recorded(run) => model.opened.as_ref().filter(|opened| opened.run == *run).map(|opened| &opened.watched),
        }
    }

    /// Whether the run that is shown is the one of this session and under way.
    pub fn shows_live(&self, model: &Model) -> bool {
        self.shown == Shown::Live && model.is_live()
    }
}
