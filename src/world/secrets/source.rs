//! Where a secret comes from: a variable, a file of ours alone, or what a program prints.

use std::env;
use std::fs::Metadata;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, geteuid, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::model::plan::SecretSource;

/// How long a program that prints a secret, or a file system, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest secret, in bytes.
const LONGEST: usize = 64 * 1024;
/// A shorter one could not be told from other text in an output.
pub(super) const SHORTEST: usize = 8;
/// What a program that wanted to ask somebody says.
const QUIET: &str = "it is not shown what it says: run it yourself; it gets no terminal and no standard input";

/// The value of a secret. It has no words of its own: it is shown nowhere, and wiped from memory at its end.
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// Without the line break at its end, and of a length that can be kept out of outputs.
    pub(super) fn new(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LONGEST {
            return Err(format!("it is longer than {} KiB", LONGEST / 1024));
        }
        let value = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())?;
        let value = value.strip_suffix('\n').map_or(value, |cut| cut.strip_suffix('\r').unwrap_or(cut));
        match value.trim().len() {
            0 => Err("it is empty".to_owned()),
            length if length < SHORTEST => {
                Err(format!("it is shorter than {SHORTEST} bytes and could not be kept out of outputs"))
            }
            _ if value.contains('\0') => Err("it contains a NUL byte".to_owned()),
            _ => Ok(Self(Zeroizing::new(value.to_owned()))),
        }
    }

    /// The value itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Gets the value; an error says why it cannot be had, without it. `withheld` are variables that no program but the
/// declared one may see.
pub(super) async fn value(source: &SecretSource, home: Option<&Path>, withheld: &[String]) -> Result<Secret, String> {
    match source {
        SecretSource::Env(variable) => {
            let value = env::var(variable).map(Zeroizing::new);
            let value = value.map_err(|_| format!("the environment variable {variable} is not set, or is no UTF-8"))?;
            Secret::new(value.as_bytes())
        }
        SecretSource::File(path) => {
            let path = match (path.strip_prefix("~"), home) {
                (Ok(rest), Some(home)) => home.join(rest),
                _ => path.clone(),
            };
            let shown = path.display().to_string();
            // a file system that does not answer holds up a thread of its own
            let reading = tokio::task::spawn_blocking(move || file(&path));
            match timeout(PATIENCE, reading).await {
                Ok(Ok(read)) => read.and_then(|bytes| Secret::new(&bytes)),
                Ok(Err(_)) => Err(format!("{shown} cannot be read")),
                Err(_) => Err(format!("{shown} was not read in {} s", PATIENCE.as_secs())),
            }
        }
        SecretSource::Command(argv) => Secret::new(&printed(argv, withheld).await?),
    }
}

/// Reads a regular file that is nobody else's. Nothing else is ever opened: a FIFO would wait, a device would act.
fn file(path: &PathBuf) -> Result<Zeroizing<Vec<u8>>, String> {
    let shown = path.display();
    let wrong = |error: std::io::Error| format!("{shown} cannot be read: {error}");
    ours(&std::fs::metadata(path).map_err(wrong)?, path)?;
    // between the two looks it may have become something else
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC).bits();
    let flags = i32::try_from(flags).map_err(|_| format!("{shown} cannot be read"))?;
    let open = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(wrong)?;
    ours(&open.metadata().map_err(wrong)?, path)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    open.take(LONGEST as u64 + 1).read_to_end(&mut bytes).map_err(wrong)?;
    Ok(bytes)
}

fn ours(kind: &Metadata, path: &Path) -> Result<(), String> {
    let shown = path.display();
    if !kind.is_file() {
        return Err(format!("{shown} is no file"));
    }
    let (owner, me) = (kind.uid(), geteuid().as_raw());
    if owner != me && owner != 0 {
        return Err(format!("{shown} belongs to another user (id {owner}): copy it to a file of your own, with mode 0600"));
    }
    let mode = kind.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("{shown} is open to others (mode {mode:04o}): chmod 600 {shown}"));
    }
    Ok(())
}

/// The group of a program that was not waited for to its end: it is ended with all that it started.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // it may have ended meanwhile
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// What a program prints; its words on standard error are never shown, they may be about the secret.
async fn printed(argv: &[String], withheld: &[String]) -> Result<Zeroizing<Vec<u8>>, String> {
    let [program, arguments @ ..] = argv else { return Err("the command is empty".to_owned()) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    for variable in withheld {
        command.env_remove(variable);
    }
    let mut child =
        command.process_group(0).kill_on_drop(true).spawn().map_err(|error| format!("{program} cannot be run: {error}"))?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let Some(out) = child.stdout.take() else { return Err(format!("{program} has no output")) };
    let asked = async {
        // room for all of it: what grows leaves copies behind
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
        out.take(LONGEST as u64 + 1).read_to_end(&mut bytes).await.map_err(|error| format!("{program}: {error}"))?;
        if bytes.len() > LONGEST {
            // refused as too long; the rest is not waited for
            return Ok(bytes);
        }
        let status = child.wait().await.map_err(|error| format!("{program}: {error}"))?;
        group.0 = None;
        if status.success() { Ok(bytes) } else { Err(format!("{program} ended with {status}; {QUIET}")) }
    };
    let late = || format!("{program} took longer than {} s; {QUIET}", PATIENCE.as_secs());
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::value;
    use crate::model::plan::SecretSource;

    async fn of(source: SecretSource) -> Result<String, String> {
        value(&source, None, &[]).await.map(|secret| secret.reveal().to_owned())
    }

    fn command(argv: &[&str]) -> SecretSource {
        SecretSource::Command(argv.iter().map(|word| (*word).to_owned()).collect())
    }

    fn put(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).expect("written");
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
    }

    #[tokio::test]
    async fn a_secret_comes_from_where_the_runbook_says() {
        let dir = tempfile::tempdir().expect("a directory");
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        put(&file, "s3cret-value\r\n", 0o400);
        symlink(&file, &link).expect("a link");
        assert_eq!(of(SecretSource::File(file)).await, Ok("s3cret-value".to_owned()));
        assert_eq!(of(SecretSource::File(link)).await, Ok("s3cret-value".to_owned()));
        assert_eq!(of(command(&["printf", "abcdefgh"])).await, Ok("abcdefgh".to_owned()));
        assert!(of(SecretSource::Env("PATH".to_owned())).await.is_ok());
        let home = value(&SecretSource::File("~/file".into()), Some(dir.path()), &[]).await;
        assert_eq!(home.map(|secret| secret.reveal().to_owned()), Ok("s3cret-value".to_owned()));
    }

    #[tokio::test]
    async fn what_cannot_be_had_is_said_without_the_value() {
        let missing = of(SecretSource::Env("RUNBOOK_NO_SUCH_VARIABLE".to_owned())).await;
        assert_eq!(missing, Err("the environment variable RUNBOOK_NO_SUCH_VARIABLE is not set, or is no UTF-8".to_owned()));
        let failed = of(command(&["sh", "-c", "echo s3cret-value; echo s3cret-value >&2; exit 3"])).await;
        let why = "sh ended with exit status: 3; it is not shown what it says: run it yourself; it gets no terminal and no \
                   standard input";
        assert_eq!(failed, Err(why.to_owned()));
        assert_eq!(of(command(&["true"])).await, Err("it is empty".to_owned()));
        let short = Err("it is shorter than 8 bytes and could not be kept out of outputs".to_owned());
        assert_eq!(of(command(&["printf", "abcdefg"])).await, short);
        assert_eq!(of(command(&["printf", "   abcdefg   "])).await, short, "blanks hide nothing");
        assert_eq!(of(command(&["printf", "abcdefgh\\0"])).await, Err("it contains a NUL byte".to_owned()));
        assert_eq!(of(command(&["printf", "abcdefgh\\377"])).await, Err("it is no UTF-8".to_owned()));
        assert_eq!(of(command(&["yes", "longer"])).await, Err("it is longer than 64 KiB".to_owned()));
        assert!(of(command(&["/there/is/no/such/program"])).await.is_err_and(|why| why.contains("cannot be run")));
    }

    #[tokio::test]
    async fn only_a_file_of_ours_alone_is_read_and_nothing_else_is_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        let shown = |name: &str| at(name).display().to_string();
        put(&at("open"), "s3cret-value", 0o640);
        let want = format!("{} is open to others (mode 0640): chmod 600 {}", shown("open"), shown("open"));
        assert_eq!(of(SecretSource::File(at("open"))).await, Err(want));
        let made = std::process::Command::new("mkfifo").arg(at("fifo")).status();
        assert!(made.expect("mkfifo").success());
        symlink(at("fifo"), at("link")).expect("a link");
        for name in ["fifo", "link"] {
            assert_eq!(of(SecretSource::File(at(name))).await, Err(format!("{} is no file", shown(name))));
        }
        for path in ["/", "/dev/zero", "/dev/tty"] {
            assert_eq!(of(SecretSource::File(path.into())).await, Err(format!("{path} is no file")));
        }
        let gone = of(SecretSource::File(at("gone"))).await;
        assert_eq!(gone, Err(format!("{} cannot be read: No such file or directory (os error 2)", shown("gone"))));
        put(&at("theirs"), "s3cret-value", 0o600);
        // only root can give a file away
        if std::os::unix::fs::chown(at("theirs"), Some(65534), None).is_ok() {
            let why = of(SecretSource::File(at("theirs"))).await.expect_err("not ours");
            assert!(why.contains("belongs to another user (id 65534)"), "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_is_late_is_ended_with_all_that_it_started() {
        let dir = tempfile::tempdir().expect("a directory");
        let pids = dir.path().join("pids");
        let text = format!("sleep 600 & echo $! $$ >'{}'; wait", pids.display());
        // the clock of the test stands still until the programs are there, then jumps to the deadline
        let source = command(&["sh", "-c", &text]);
        let asked = tokio::spawn(async move { of(source).await });
        let there = || fs::read_to_string(&pids).is_ok_and(|text| text.ends_with('\n'));
        while !there() {
            tokio::task::yield_now().await;
        }
        let why = asked.await.expect("asked").expect_err("late");
        assert!(why.starts_with("sh took longer than 10 s; it is not shown what it says"), "{why}");
        let pids = fs::read_to_string(&pids).expect("pids");
        for pid in pids.split_whitespace() {
            let gone = || match fs::read_to_string(format!("/proc/{pid}/stat")) {
                Err(_) => true,
                Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
            };
            while !gone() {
                std::thread::yield_now();
            }
        }
    }

    #[tokio::test]
    async fn variables_that_hold_secrets_are_kept_from_the_program() {
        let source = command(&["sh", "-c", "printf '%s-%s' \"${PATH-withheld}\" \"${HOME:+there}\""]);
        let got = value(&source, None, &["PATH".to_owned()]).await.map(|secret| secret.reveal().to_owned());
        // a shell that is given no PATH has one of its own
        assert_ne!(got, Ok(format!("{}-there", std::env::var("PATH").expect("PATH"))));
    }
}
