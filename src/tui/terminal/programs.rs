//! Programs that get the terminal for a while: a pager, an editor.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::tty::Tty;
use crate::tui::input::{Input, Key};
use crate::tui::withhold;

/// How long the terminal may take for a text that is printed on it.
const PRINTING: Duration = Duration::from_secs(60);
/// A program with arguments of its own, as people set them: `code --wait`, `less -R`.
const RUN: &str = "eval \"$RUNBOOK_PROGRAM\" '\"$@\"'";

/// Prints `text` through `$PAGER`, or straight to the terminal.
pub(super) async fn show(tty: &Arc<Tty>, text: &str) -> io::Result<()> {
    let pager = set("PAGER");
    if let Some(pager) = &pager {
        page(pager, text).await?;
    }
    let text = if pager.is_none() { text.trim_end() } else { "" };
    let text = format!("{text}\n(Enter goes back to the screen)\n");
    let tty = Arc::clone(tty);
    tokio::task::spawn_blocking(move || tty.write_within(text.as_bytes(), PRINTING)).await?
}

/// The editor that is set.
pub(super) fn editor() -> io::Result<String> {
    let none = || io::Error::other("no editor is set; try `export EDITOR=vi`");
    set("VISUAL").or_else(|| set("EDITOR")).ok_or_else(none)
}

/// Runs the editor at a line of a file.
pub(super) async fn edit(editor: &str, path: &Path, line: usize) -> io::Result<()> {
    let status = run(program(editor).arg(format!("+{line}")).arg(path), None).await?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("the editor `{editor}` ended with {status}"))) }
}

/// Whether this is the line that was waited for; a cooked terminal sends its line break.
pub(super) fn ends_the_wait(input: &Input) -> bool {
    matches!(input, Input::Key(Key::Enter | Key::Ctrl('j')))
}

async fn page(pager: &str, text: &str) -> io::Result<()> {
    let status = run(program(pager).stdin(Stdio::piped()), Some(text)).await?;
    match status.code() {
        Some(126 | 127) => Err(io::Error::other(format!("PAGER=`{pager}` cannot be run"))),
        // what else it says of itself is its own business: `less` ends with 2 on a Ctrl-C
        _ => Ok(()),
    }
}

fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn program(line: &str) -> Command {
    let mut command = Command::new("sh");
    withhold::from(&mut command);
    command.args(["-c", RUN, "sh"]).env("RUNBOOK_PROGRAM", line);
    command
}

/// Runs it to its end, however long a person takes. A Ctrl-C at its terminal reaches us too, and must not end us.
async fn run(command: &mut Command, input: Option<&str>) -> io::Result<ExitStatus> {
    let _ctrl_c = signal(SignalKind::interrupt())?;
    let _ctrl_backslash = signal(SignalKind::quit())?;
    let mut child = command.spawn()?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // a pager that was closed early has seen enough
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    child.wait().await
}
