//! Copying, and saying how: whatever way it went, the text is in a file too.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::model::visible::visible;
use crate::tui::private;
use crate::tui::terminal::Terminal;
use crate::tui::withhold;

/// The longest text that goes anywhere but into the file, in bytes: terminals take no more by OSC 52.
pub const MAX_COPY: usize = 74_994;
/// The file in the state directory.
pub const FILE: &str = "clip.txt";
/// How long a program may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// Which way a text went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Through the terminal, which does not say whether it listened.
    Osc52,
    /// Through a program of this machine.
    Program(&'static str),
    /// It is longer than any way takes.
    TooLong,
    /// No way was open.
    None,
}

/// A text that was copied as far as that goes without the terminal.
#[derive(Debug)]
pub struct Copied {
    text: String,
    /// None: no program took it.
    way: Option<Way>,
    /// Where it is in a file.
    kept: Result<String, String>,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Osc52 => write!(f, "by OSC 52"),
            Self::Program(name) => write!(f, "by {name}"),
            Self::TooLong => write!(f, "to the file alone: a clipboard takes {MAX_COPY}"),
            Self::None => write!(f, "to the file alone: there is no clipboard"),
        }
    }
}

impl Terminal {
    /// Copies `text` as it is. Over SSH the terminal's own clipboard is meant, not that of this machine. It takes two
    /// seconds for each program that does not answer, three programs at most; [`Terminal::copied`] ends it.
    pub fn copying(&self, text: String, state_dir: PathBuf) -> impl Future<Output = Copied> + Send + 'static {
        let way = match () {
            () if text.len() > MAX_COPY => Some(Way::TooLong),
            () if self.is_remote() && self.by_terminal(&text) => Some(Way::Osc52),
            () => None,
        };
        async move {
            let way = match way {
                None => by_program(&text).await.map(Way::Program),
                way => way,
            };
            let kept = keep(&state_dir, text.as_bytes()).await;
            Copied { text, way, kept }
        }
    }

    /// Says in one clean line how it was copied: `copied 312 bytes by OSC 52; also in ~/.local/state/runbook/clip.txt`.
    /// Where no program took it the terminal is asked to.
    pub fn copied(&self, copied: &Copied) -> String {
        let Copied { text, way, kept } = copied;
        let way = way.unwrap_or_else(|| if self.by_terminal(text) { Way::Osc52 } else { Way::None });
        sentence(text.len(), way, kept)
    }

    fn by_terminal(&self, text: &str) -> bool {
        self.say(format!("\x1b]52;c;{}\x1b\\", STANDARD.encode(text)).as_bytes())
    }
}

fn sentence(count: usize, way: Way, kept: &Result<String, String>) -> String {
    match (way, kept) {
        (Way::TooLong | Way::None, Ok(path)) => format!("copied {count} bytes {way}; it is {path}"),
        (_, Ok(path)) => format!("copied {count} bytes {way}; also in {path}"),
        (Way::TooLong | Way::None, Err(why)) => format!("could not copy {count} bytes: {why}"),
        (_, Err(why)) => format!("copied {count} bytes {way}; {why}"),
    }
}

/// Writes the file; its path as a person writes it, or why there is none.
async fn keep(state_dir: &Path, bytes: &[u8]) -> Result<String, String> {
    let (dir, path, bytes) = (state_dir.to_path_buf(), state_dir.join(FILE), bytes.to_vec());
    let shown = shown(&path, std::env::var_os("HOME").as_deref().map(Path::new));
    let written = tokio::task::spawn_blocking(move || private::directory(&dir).and_then(|()| private::replace(&path, &bytes)));
    match written.await {
        Ok(Ok(())) => Ok(shown),
        Ok(Err(error)) => Err(format!("{shown} cannot be written: {error}")),
        Err(_) => Err(format!("{shown} cannot be written")),
    }
}

fn shown(path: &Path, home: Option<&Path>) -> String {
    let below = home.filter(|home| home.parent().is_some()).and_then(|home| path.strip_prefix(home).ok());
    let path = below.map_or_else(|| path.display().to_string(), |rest| format!("~/{}", rest.display()));
    visible(&path).into_owned()
}

/// The programs that there may be, each where it makes sense.
async fn by_program(text: &str) -> Option<&'static str> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let programs: [(&'static str, &[&str], bool); 3] = [
        ("wl-copy", &[], set("WAYLAND_DISPLAY")),
        ("xclip", &["-selection", "clipboard"], set("DISPLAY")),
        ("pbcopy", &[], cfg!(target_os = "macos")),
    ];
    for (name, args, fits) in programs {
        if fits && run(name, args, text).await {
            return Some(name);
        }
    }
    None
}

/// Whether the program took it in time. Those that stay to serve the text keep no pipe of ours.
async fn run(name: &str, args: &[&str], text: &str) -> bool {
    let mut command = Command::new(name);
    withhold::from(&mut command);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let Ok(mut child) = command.spawn() else { return false };
    let whole = async {
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(text.as_bytes()).await?;
        }
        child.wait().await
    };
    matches!(tokio::time::timeout(DEADLINE, whole).await, Ok(Ok(status)) if status.success())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{FILE, Way, keep, run, sentence, shown};

    #[test]
    fn a_copy_says_which_way_it_went() {
        let path = Ok("~/clip.txt".to_owned());
        assert_eq!(sentence(312, Way::Osc52, &path), "copied 312 bytes by OSC 52; also in ~/clip.txt");
        assert_eq!(sentence(1, Way::Program("xclip"), &path), "copied 1 bytes by xclip; also in ~/clip.txt");
        let long = sentence(80_000, Way::TooLong, &path);
        assert_eq!(long, "copied 80000 bytes to the file alone: a clipboard takes 74994; it is ~/clip.txt");
        let not = Err("~/clip.txt cannot be written: no space".to_owned());
        assert_eq!(sentence(312, Way::Osc52, &not), "copied 312 bytes by OSC 52; ~/clip.txt cannot be written: no space");
        assert_eq!(sentence(3, Way::None, &not), "could not copy 3 bytes: ~/clip.txt cannot be written: no space");
    }

    #[test]
    fn a_path_is_written_as_a_person_writes_it() {
        let path = Path::new("/home/ann/.local/state/clip.txt");
        assert_eq!(shown(path, Some(Path::new("/home/ann"))), "~/.local/state/clip.txt");
        assert_eq!(shown(path, Some(Path::new("/home/bob"))), "/home/ann/.local/state/clip.txt");
        assert_eq!(shown(path, Some(Path::new("/"))), "/home/ann/.local/state/clip.txt");
        assert_eq!(shown(Path::new("/a\u{1b}b"), None), "/a\\x1bb");
    }

    #[tokio::test]
    async fn the_file_is_for_its_owner_alone_even_where_a_link_stands_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let (state, other) = (dir.path().join("state"), dir.path().join("other"));
        std::fs::create_dir(&state).unwrap();
        std::fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, state.join(FILE)).unwrap();
        keep(&state, b"copied").await.unwrap();
        assert_eq!(std::fs::read(state.join(FILE)).unwrap(), b"copied");
        assert_eq!(std::fs::metadata(state.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read(&other).unwrap(), b"mine");
        assert_eq!(std::fs::read_dir(&state).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_program_is_believed_only_when_it_says_yes() {
        assert!(run("sh", &["-c", "cat >/dev/null"], "text").await);
        assert!(!run("sh", &["-c", "cat >/dev/null; exit 1"], "text").await);
        assert!(!run("/there/is/no/such/program", &[], "text").await);
        assert!(!run("sleep", &["60"], "text").await);
    }
}
