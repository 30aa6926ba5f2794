//! What keys mean, and what the screens ask of the rest.

use std::path::PathBuf;

use crate::model::control::Control;
use crate::model::id::{HostName, RunId};

/// What a key means; one meaning on every screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// One row down.
    Down,
    /// One row up.
    Up,
    /// Fold, or the pane before, or earlier.
    Left,
    /// Unfold, or the next pane, or later.
    Right,
    /// To the first row.
    First,
    /// To the last row; in a log also follows.
    Last,
    /// Half a page down.
    HalfDown,
    /// Half a page up.
    HalfUp,
    /// A page down.
    PageDown,
    /// A page up.
    PageUp,
    /// To the next problem.
    NextProblem,
    /// To the problem before.
    PrevProblem,
    /// Open what is under the cursor; in a panel do what is chosen.
    Open,
    /// Close, or go back; never acts.
    Back,
    /// Leave this screen.
    Leave,
    /// The next pane.
    NextPane,
    /// The pane before.
    PrevPane,
    /// To screen 1 to 6.
    Go(u8),
    /// To the screen before this one.
    LastScreen,
    /// Help for this screen.
    Help,
    /// Search a log, filter a list.
    Search,
    /// The next match.
    NextMatch,
    /// The match before.
    PrevMatch,
    /// A command by name.
    Command,
    /// What is open, of this run and of earlier ones.
    OpenItems,
    /// One pane takes the whole screen.
    Zoom,
    /// Freeze or follow.
    Follow,
    /// Wrap long lines.
    Wrap,
    /// Times relative, in UTC, local.
    Times,
    /// The next order of the list.
    Sort,
    /// Copy what is under the cursor.
    Copy,
    /// Copy the command line that does what this screen shows.
    CopyCommand,
    /// This pane as plain text in the real terminal.
    Plain,
    /// Open the file in the editor.
    Edit,
    /// Write this view to a file.
    Export,
    /// Look again; reads only.
    Reload,
    /// Mark the row.
    Mark,
    /// Mark all that is shown.
    MarkAll,
    /// Invert the marks.
    Invert,
    /// Mark from here to where it is pressed again.
    Range,
    /// Take the last marking back.
    Undo,
    /// Show only this host.
    Only,
    /// Show less severe things too.
    Less,
    /// Show only more severe things.
    More,
    /// The next source.
    Source,
    /// More detail.
    Plus,
    /// Less detail.
    Minus,
    /// A note at this moment.
    Note,
    /// Compare two marked runs.
    Compare,
    /// Open the waiting decision.
    Decide,
    /// No new step starts; at once.
    Pause,
    /// Go on after a pause; asks.
    GoOn,
    /// Try a failed step again; asks.
    Retry,
    /// Go on without a failed step; asks.
    Skip,
    /// Leave a host out; asks where a run is live.
    Exclude,
    /// End the run in order; asks.
    Abort,
    /// Draw everything anew.
    Redraw,
    /// Pause and go to the shell.
    Suspend,
    /// Ctrl-C: stop, then cancel, then leave; without a live run quit.
    Interrupt,
}

/// What the screens ask of the session around them.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// An order to the live run.
    Control(Control),
    /// Something to be read or begun.
    Ask(Request),
    /// To the clipboard; what it is, in a word or two, for the message.
    Copy {
        /// Such as `the command line`.
        what: String,
        /// The text.
        text: String,
    },
    /// Clean text to be shown in the real terminal.
    Plain(String),
    /// A file to be edited.
    Edit {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// Whether clicks are taken.
    Mouse(bool),
    /// Draw everything anew.
    Redraw,
    /// To the shell and back.
    Suspend,
    /// The first, second or third Ctrl-C of a live run: the session counts and debounces them.
    Interrupt,
    /// Stop the live run in order, and leave when it has ended.
    StopAndLeave,
    /// Leave with this exit code.
    Quit(u8),
}

/// Something that is read or begun away from the screen; the answer comes as a [`crate::tui::model::Reply`].
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Runbooks, inventory and record, read again.
    Reload,
    /// The same, where a file has changed since.
    ReloadIfChanged,
    /// Whether these hosts answer: TCP and the banner of their sshd, never a login.
    Probe(Vec<HostName>),
    /// The hosts that a selector names which needs the record.
    Select(String),
    /// A new run, up to its preview and the question whether to go on.
    Start(Order),
    /// A recorded run with its timeline.
    Open(RunId),
    /// Two recorded runs, to be compared.
    Compare(RunId, RunId),
    /// A file with a view in it.
    Export {
        /// A name without a directory, such as `timeline-7f3a9c.md`.
        name: String,
        /// What is in it; none: the timeline of `run` in the form that the name ends by.
        text: Option<String>,
        /// The run that it is about, if it is.
        run: Option<RunId>,
    },
    /// A note to a recorded run that is not live here.
    Note {
        /// The run.
        run: RunId,
        /// What.
        text: String,
    },
}

/// A run to be begun.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// The runbook's name.
    pub runbook: String,
    /// The hosts, as a selector.
    pub hosts: String,
    /// Variables, `NAME` and `VALUE`.
    pub set: Vec<(String, String)>,
}
