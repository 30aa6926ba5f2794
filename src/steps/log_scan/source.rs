//! Where a log scan reads: files by name, or the logs of a PM2 app as PM2's own list tells them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::model::fields::Fields;
use crate::model::op::{Op, Pm2Call, Pm2Method, Pm2Reply, Reply};
use crate::model::step::{Look, Note, Unreadable};
use crate::model::visible::literal;
use crate::read::answer::line;
use crate::read::logs::{Found, LogFile, MAX_FILES, Which, Window, probe, read};
use crate::read::pm2::parse_apps;
use crate::read::size::size;
use crate::steps::pm2_look::pm2_home;

/// Where the lines come from.
#[derive(Debug)]
pub(super) enum Source {
    /// These files.
    Files(Vec<String>),
    /// The logs of this app.
    App {
        /// Its name.
        app: String,
        /// Its namespace; not set: any.
        namespace: Option<String>,
        /// PM2_HOME.
        home: String,
    },
}

/// What a look shows of the files.
pub(super) enum Sight {
    /// All of them.
    Whole(Vec<LogFile>),
    /// PM2 has no such entry.
    NoEntry(Note),
    /// Not all of them: what is lacking, in words.
    Lacks(String),
}

/// Reads the keys that say where the lines come from.
pub(super) fn read_source(fields: &mut Fields<'_>) -> Option<Source> {
    let app = fields.string("pm2");
    let namespace = fields.string("namespace");
    let files = fields.value("file").map(|value| match value {
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>(),
        Value::String(text) => Some(vec![text.clone()]),
        _ => None,
    });
    match (app, files) {
        (Some(app), None) => Some(Source::App { app, namespace, home: pm2_home(fields) }),
        (Some(_), Some(_)) => {
            fields.value("pm2_home");
            fields.error("file", "`file` and `pm2` exclude each other", Some("use two steps".to_owned()));
            None
        }
        (None, None) => {
            fields.value("pm2_home");
            fields.error("file", "`pm2` or `file` is missing", Some("add pm2 = \"…\" or file = \"…\"".to_owned()));
            None
        }
        (None, Some(files)) => {
            for (key, given) in [("namespace", namespace.is_some()), ("pm2_home", fields.value("pm2_home").is_some())] {
                if given {
                    fields.error(key, format!("`{key}` is for `pm2` only"), None);
                }
            }
            let Some(files) = files.filter(|files| (1..=16).contains(&files.len())) else {
                fields.error("file", "`file` must be a path or a list of 1 to 16 paths", None);
                return None;
            };
            files.iter().filter_map(|path| fault_of(path)).for_each(|fault| fields.error("file", fault, None));
            Some(Source::Files(files))
        }
    }
}

/// What is wrong with the path of a log file.
fn fault_of(path: &str) -> Option<String> {
    let shown = literal(path);
    if !(path.starts_with('/') || path.starts_with("~/")) {
        return Some(format!("`{shown}` must be absolute, or begin with ~/"));
    }
    // the paths of a look are a line each
    path.contains(char::is_control).then(|| format!("`{shown}` contains a control character"))
}

impl Source {
    /// The look: for an app its entries in PM2's list first. `paths` are those that a list has told of before.
    pub(super) fn probes(&self, paths: &[String], tail: u64) -> Vec<Op> {
        let (app, home) = match self {
            Source::Files(files) => return probe(&Which::Paths(files), tail),
            Source::App { app, home, .. } => (app, home),
        };
        let files = if paths.is_empty() { probe(&Which::OfApp { home, app }, tail) } else { probe(&Which::Paths(paths), tail) };
        let call = Pm2Call { home: home.clone(), method: Pm2Method::Processes, timeout: Duration::from_secs(5) };
        std::iter::once(Op::Pm2(call)).chain(files).collect()
    }

    /// Where the app logs, as a look's list tells it; nothing where it has no entry or its output is thrown away.
    pub(super) fn told(&self, look: &Look) -> Option<Vec<String>> {
        Some(self.listed(look).ok()?.into_iter().flatten().collect())
    }

    /// The files of a look, of whatever app.
    pub(super) fn sighted(&self, look: &Look) -> Result<Vec<LogFile>, Unreadable> {
        match self {
            Source::Files(_) => read(&look.replies),
            Source::App { .. } => read(look.replies.get(1..).unwrap_or_default()),
        }
    }

    /// The files that are meant, if all of them were looked at, and `tail` bytes of each.
    pub(super) fn files(&self, look: &Look, tail: u64) -> Result<Sight, Unreadable> {
        let (app, namespace) = match self {
            Source::Files(paths) => {
                let files = self.sighted(look)?;
                if files.len() != paths.len() {
                    return Err(Unreadable::new(format!("{} of {} log files were looked at", files.len(), paths.len())));
                }
                return Ok(enough(files, tail));
            }
            Source::App { app, namespace, .. } => (line(app, 80), namespace),
        };
        let Some(wanted) = self.listed(look)? else {
            let place = namespace.as_ref().map_or_else(String::new, |n| format!(" in namespace {}", line(n, 80)));
            let note = Note::new("absent", format!("PM2 has no entry {app}{place}"));
            return Ok(Sight::NoEntry(note.hint("logs survive their entry: name them with file = [\"~/.pm2/logs/…\"]")));
        };
        if wanted.is_empty() {
            return Err(Unreadable::new(format!("PM2 throws the output of {app} away (/dev/null)")));
        }
        let mut files = self.sighted(look)?;
        files.retain(|file| wanted.contains(&file.path));
        let missing = wanted.iter().find(|path| files.iter().all(|file| file.path != **path));
        Ok(match missing {
            Some(path) => Sight::Lacks(format!("{app} logs to {}, which was not looked at", line(path, 200))),
            None => enough(files, tail),
        })
    }

    /// Where the app's entries log, by PM2's answer; none where it has no entry.
    fn listed(&self, look: &Look) -> Result<Option<BTreeSet<String>>, Unreadable> {
        let Source::App { app, namespace, .. } = self else { return Ok(None) };
        let mut apps = match look.replies.first() {
            Some(Reply::Pm2(Pm2Reply::Answer { value })) => parse_apps(value)?,
            Some(Reply::Pm2(Pm2Reply::Fault { class, message })) => {
                let what = format!("PM2 does not say where {} logs ({}): {}", line(app, 80), line(class, 40), line(message, 160));
                return Err(Unreadable::new(what).hint("kind = \"pm2-daemon\" tells why; file = [\"…\"] needs no PM2"));
            }
            _ => return Err(Unreadable::new("the look at PM2 lacks a reply")),
        };
        apps.retain(|one| one.name == *app && namespace.as_ref().is_none_or(|wanted| one.namespace == *wanted));
        let mut paths = BTreeSet::new();
        for one in &apps {
            let title = line(&one.title(), 100);
            for path in [&one.out_log, &one.err_log] {
                let path = path.as_deref().ok_or_else(|| Unreadable::new(format!("PM2 does not tell where {title} logs")))?;
                if matches!(path, "/dev/null" | "NULL") {
                    continue;
                }
                if let Some(fault) = fault_of(path) {
                    return Err(Unreadable::new(format!("{title} logs to a path that cannot be read: {}", line(&fault, 200))));
                }
                paths.insert(path.to_owned());
            }
        }
        if paths.len() > MAX_FILES {
            let what = format!("the app logs to {} files; at most {MAX_FILES} are read", paths.len());
            return Err(Unreadable::new(what).hint("name the ones you mean: file = [\"…\"]"));
        }
        Ok((!apps.is_empty()).then_some(paths))
    }
}

/// Whether as much of each file was read as is asked for.
fn enough(files: Vec<LogFile>, tail: u64) -> Sight {
    let lacks = files.iter().find_map(|file| match &file.found {
        Found::Read(window) if (window.bytes.len() as u64) < tail.min(window.size) => {
            let (read, path) = (size(window.bytes.len() as u64), line(&file.path, 200));
            Some(format!("only the last {read} of {path} were read, and {} are asked for", size(tail)))
        }
        _ => None,
    });
    lacks.map_or(Sight::Whole(files), Sight::Lacks)
}

/// The stretch that was read of a file.
pub(super) fn window_of(file: &LogFile) -> Option<&Window> {
    if let Found::Read(window) = &file.found { Some(window) } else { None }
}

/// What a look saw of a path; `None` where it tells nothing of it.
pub(super) fn seen_of<'f>(files: &'f [LogFile], path: &str) -> Option<Option<&'f Window>> {
    let file = files.iter().find(|file| file.path == path)?;
    match &file.found {
        Found::Read(window) => Some(Some(window)),
        Found::Gone => Some(None),
        Found::Link | Found::Denied | Found::Odd | Found::Blind => None,
    }
}

/// Why a file cannot be read, where it cannot.
pub(super) fn file_fault(file: &LogFile) -> Result<(), Unreadable> {
    let path = line(&file.path, 200);
    let (what, hint) = match file.found {
        Found::Read(_) | Found::Gone => return Ok(()),
        Found::Link => ("is a link that leads nowhere, or where this user may not look", "follow it with: ls -l"),
        Found::Denied => ("may not be read by this user", "look as its owner or as root: become = \"root\""),
        Found::Odd => {
            ("is no regular file, and nothing else is opened", "where it goes, such as to a container's log, is where to look")
        }
        Found::Blind => ("has a size that `ls` does not tell", "install coreutils or busybox on it"),
    };
    Err(Unreadable::new(format!("{path} {what}")).hint(hint))
}
