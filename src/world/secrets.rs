//! Secrets: resolved when a script that names them is sent, kept in memory for the run, taken out of what comes back.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use memchr::memmem;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::model::op::{Captured, Shell, ShellReply};
use crate::model::plan::SecretSource;

/// How long a program that prints a secret may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest secret, in bytes.
const LONGEST: u64 = 64 * 1024;
/// A shorter one could not be told from other text in an output.
const SHORTEST: usize = 8;

/// The secrets of a run.
#[derive(Default)]
pub(crate) struct Secrets {
    sources: BTreeMap<String, SecretSource>,
    home: Option<PathBuf>,
    known: Mutex<BTreeMap<String, String>>,
    /// Name and value of all that are known, the longest first: one may be a part of another.
    hidden: RwLock<Vec<(String, String)>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("sources", &self.sources).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Nothing is resolved yet. `home` is what `~/` in the name of a file stands for.
    pub(crate) fn new(sources: BTreeMap<String, SecretSource>, home: Option<PathBuf>) -> Self {
        Self { sources, home, known: Mutex::default(), hidden: RwLock::default() }
    }

    /// The script with the values of its secrets in its environment; an error says which secret cannot be had, and why,
    /// without the value.
    pub(crate) async fn equip(&self, script: &Shell) -> Result<Shell, String> {
        let mut equipped = script.clone();
        for name in &script.secrets {
            let value = self.value(name).await.map_err(|why| format!("secret `{name}`: {why}"))?;
            equipped.env.insert(name.clone(), value);
        }
        Ok(equipped)
    }

    /// Takes every value that is known by now out of what a command printed: one command writes what another prints.
    pub(crate) fn redact(&self, reply: &mut ShellReply) {
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        for captured in [&mut reply.stdout, &mut reply.stderr] {
            for (name, value) in hidden.iter() {
                redact_stream(captured, name, value.as_bytes());
            }
        }
    }

    async fn value(&self, name: &str) -> Result<String, String> {
        // held while it is resolved: a program that asks somebody is run once, not once a host
        let mut known = self.known.lock().await;
        if let Some(value) = known.get(name) {
            return Ok(value.clone());
        }
        let value = match self.sources.get(name) {
            None => return Err("the runbook does not say where it is".to_owned()),
            Some(SecretSource::Env(variable)) => {
                env::var(variable).map_err(|_| format!("the environment variable {variable} is not set, or is no UTF-8"))?
            }
            Some(SecretSource::File(path)) => self.file(path).await?,
            Some(SecretSource::Command(argv)) => printed(argv).await?,
        };
        let value = fit(value)?;
        known.insert(name.to_owned(), value.clone());
        let mut hidden = self.hidden.write().unwrap_or_else(PoisonError::into_inner);
        hidden.push((name.to_owned(), value.clone()));
        hidden.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        Ok(value)
    }

    async fn file(&self, path: &Path) -> Result<String, String> {
        let path = match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        };
        let shown = path.display().to_string();
        let wrong = |error: std::io::Error| format!("{shown} cannot be read: {error}");
        let kind = tokio::fs::metadata(&path).await.map_err(wrong)?;
        if !kind.is_file() {
            return Err(format!("{shown} is no file"));
        }
        let mut text = String::new();
        let file = tokio::fs::File::open(&path).await.map_err(wrong)?;
        file.take(LONGEST + 1).read_to_string(&mut text).await.map_err(wrong)?;
        Ok(text)
    }
}

/// What a program prints; its words on standard error are never shown, they may be about the secret.
async fn printed(argv: &[String]) -> Result<String, String> {
    let [program, arguments @ ..] = argv else { return Err("the command is empty".to_owned()) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    let Some(out) = child.stdout.take() else { return Err(format!("{program} has no output")) };
    let asked = async {
        let mut text = String::new();
        out.take(LONGEST + 1).read_to_string(&mut text).await.map_err(|error| format!("{program}: {error}"))?;
        if text.len() as u64 > LONGEST {
            // refused as too long; the rest is not waited for
            return Ok(text);
        }
        let status = child.wait().await.map_err(|error| format!("{program}: {error}"))?;
        if status.success() { Ok(text) } else { Err(format!("{program} ended with {status}")) }
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(format!("{program} took longer than {} s", PATIENCE.as_secs())))
}

/// Without the line break at its end, and of a length that can be kept out of outputs.
fn fit(value: String) -> Result<String, String> {
    let value = value.strip_suffix('\n').map_or(value.as_str(), |cut| cut.strip_suffix('\r').unwrap_or(cut));
    match value.len() {
        0 => Err("it is empty".to_owned()),
        length if length < SHORTEST => Err(format!("it is shorter than {SHORTEST} bytes and could not be kept out of outputs")),
        length if length as u64 > LONGEST => Err(format!("it is longer than {} KiB", LONGEST / 1024)),
        _ if value.contains('\0') => Err("it contains a NUL byte".to_owned()),
        _ => Ok(value.to_owned()),
    }
}

fn redact_stream(captured: &mut Captured, name: &str, value: &[u8]) {
    if captured.is_cut() {
        captured.head = replaced(&captured.head, name, value);
        captured.tail = replaced(&captured.tail, name, value);
        // the cut may go through the value
        let ends = (1..value.len().min(captured.head.len() + 1)).rev().find(|n| captured.head.ends_with(&value[..*n]));
        captured.head.truncate(captured.head.len() - ends.unwrap_or(0));
        let begins =
            (1..value.len().min(captured.tail.len() + 1)).rev().find(|n| captured.tail.starts_with(&value[value.len() - n..]));
        captured.tail.drain(..begins.unwrap_or(0));
        // what was cut stays cut, however long the names are that stand in it now
        captured.total = captured.total.max((captured.head.len() + captured.tail.len()) as u64 + 1);
    } else {
        // nothing is missing between head and tail, and a value may lie across both
        captured.head.append(&mut captured.tail);
        captured.head = replaced(&captured.head, name, value);
        // what is whole stays whole: its length is that of what is kept
        captured.total = captured.head.len() as u64;
    }
}

fn replaced(bytes: &[u8], name: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for at in memmem::find_iter(bytes, value) {
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(format!("[secret:{name}]").as_bytes());
        from = at + value.len();
    }
    out.extend_from_slice(&bytes[from..]);
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Write;

    use super::{Secrets, redact_stream};
    use crate::model::op::{Captured, Exit, Shell, ShellReply};
    use crate::model::plan::SecretSource;

    fn secrets(source: SecretSource) -> Secrets {
        Secrets::new(BTreeMap::from([("token".to_owned(), source)]), None)
    }

    async fn value(source: SecretSource) -> Result<String, String> {
        secrets(source).value("token").await
    }

    fn command(argv: &[&str]) -> SecretSource {
        SecretSource::Command(argv.iter().map(|word| (*word).to_owned()).collect())
    }

    #[tokio::test]
    async fn a_secret_comes_from_where_the_runbook_says() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"s3cret-value\n").expect("written");
        assert_eq!(value(SecretSource::File(file.path().to_owned())).await, Ok("s3cret-value".to_owned()));
        assert_eq!(value(command(&["printf", "abcdefgh"])).await, Ok("abcdefgh".to_owned()));
        assert!(value(SecretSource::Env("PATH".to_owned())).await.is_ok());
    }

    #[tokio::test]
    async fn what_cannot_be_had_is_said_without_the_value() {
        let missing = value(SecretSource::Env("RUNBOOK_NO_SUCH_VARIABLE".to_owned())).await;
        assert_eq!(missing, Err("the environment variable RUNBOOK_NO_SUCH_VARIABLE is not set, or is no UTF-8".to_owned()));
        assert_eq!(value(SecretSource::File("/".into())).await, Err("/ is no file".to_owned()));
        assert_eq!(value(command(&["false"])).await, Err("false ended with exit status: 1".to_owned()));
        assert_eq!(value(command(&["true"])).await, Err("it is empty".to_owned()));
        let short = value(command(&["printf", "abcdefg"])).await;
        assert_eq!(short, Err("it is shorter than 8 bytes and could not be kept out of outputs".to_owned()));
        let long = value(command(&["head", "-c", "100000", "/dev/zero"])).await;
        assert_eq!(long, Err("it is longer than 64 KiB".to_owned()));
        let mut shell = Shell::look("x", "true");
        shell.secrets = vec!["other".to_owned()];
        let unknown = secrets(command(&["true"])).equip(&shell).await;
        assert_eq!(unknown.map(drop), Err("secret `other`: the runbook does not say where it is".to_owned()));
    }

    #[test]
    fn a_value_is_taken_out_of_an_output_also_at_its_cut() {
        let clean = |mut captured: Captured| {
            redact_stream(&mut captured, "t", b"hunter-2");
            captured
        };
        assert_eq!(clean(Captured::whole("a hunter-2 b hunter-2")), Captured::whole("a [secret:t] b [secret:t]"));
        let cut = Captured { head: b"x hunt".to_vec(), tail: b"er-2 y hunter-2".to_vec(), total: 1000, ..Captured::default() };
        let got = clean(cut);
        assert_eq!((got.head, got.tail, got.total), (b"x ".to_vec(), b" y [secret:t]".to_vec(), 1000));
        let long = clean(Captured { head: b"hunter-2".to_vec(), tail: b"hunter-2".to_vec(), total: 17, ..Captured::default() });
        assert!(long.is_cut(), "{long:?}");
    }

    #[test]
    fn a_value_is_taken_out_where_it_lies_across_the_two_parts_that_are_kept() {
        let mut captured = Captured { head: b"x hunt".to_vec(), tail: b"er-2 y".to_vec(), total: 12, ..Captured::default() };
        redact_stream(&mut captured, "t", b"hunter-2");
        assert_eq!(captured, Captured::whole("x [secret:t] y"));
    }

    #[tokio::test]
    async fn what_one_command_was_given_is_taken_out_of_the_output_of_every_other() {
        let sources =
            [("a", "hunter-1"), ("b", "hunter-1-two")].map(|(name, value)| (name.to_owned(), command(&["printf", value])));
        let secrets = Secrets::new(BTreeMap::from(sources), None);
        for name in ["a", "b"] {
            secrets.value(name).await.expect("a value");
        }
        let (stdout, stderr) = (Captured::whole("hunter-1-two, hunter-1"), Captured::default());
        let exit = Exit::Code { code: 0 };
        let mut reply = ShellReply { exit, stdout, stderr, took: std::time::Duration::ZERO };
        secrets.redact(&mut reply);
        assert_eq!(reply.stdout, Captured::whole("[secret:b], [secret:a]"));
    }
}
