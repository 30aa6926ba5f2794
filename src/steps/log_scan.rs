//! `log-scan`: lines of log files that match a pattern, counted and folded into signatures.
//!
//! The pattern is judged here: the host's own tools would read it each in their own way. What the host sends is the end of
//! each file, and of that only what is new, where only that is asked for.

mod source;

use std::sync::Arc;
use std::time::Duration;

use regex::bytes::Regex;
use serde_json::{Value, json};

use self::source::{Sight, Source, file_fault, read_source, seen_of, window_of};
use crate::model::fields::Fields;
use crate::model::op::Op;
use crate::model::outcome::Risk;
use crate::model::plan::Section;
use crate::model::step::{Evidence, Look, Note, Step, Target, Unreadable, Verdict};
use crate::model::time::Timestamp;
use crate::model::vars::parse_size;
use crate::read::answer::line;
use crate::read::logs::{Found, Fresh, LogFile, MAX_LOOK, Stretch, Window, fresh};
use crate::read::signature::Signatures;
use crate::read::size::size;
use crate::steps::{Class, Key, Kind, ON_HOSTS, Parsed, Touches};

/// How much of the end of each file is read, and at most.
const TAIL: u64 = 64 * 1024;
const MAX_TAIL: u64 = 1024 * 1024;
/// The longest pattern, in characters, and the most memory that its program may take.
const MAX_PATTERN: usize = 1000;
const MAX_PROGRAM: usize = 1024 * 1024;
/// How long it is watched for new lines, and how often it is looked at meanwhile.
const WATCH: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_secs(5);
/// Before a look for the files that the one before it told of.
const SOON: Duration = Duration::from_millis(200);
/// How many signatures are shown, and how many are kept as values.
const SHOWN: usize = 5;
const KEPT: usize = 10;

/// The kind.
pub(crate) const KIND: Kind = Kind {
    name: "log-scan",
    class: Class::Check,
    risk: Risk::ReadOnly,
    scopes: ON_HOSTS,
    acts_as: true,
    runs: true,
    touches: Touches::Nothing,
    title: "lines of log files that match a pattern",
    about: "\
Looks at: the last `tail` bytes of each file of `file`, or of the files into which PM2 writes the standard output and error of the \
app `pm2`, as PM2's list tells them: default names and paths of its configuration alike. Regular files only; nothing else is \
opened. PM2 itself is asked as the user that is logged in.
Follows: the lines that match `pattern` are counted; more than `max` is a no. Times, ids, hex and numbers in them are replaced, \
so that lines of one fault are one signature. With since = \"first-look\" only what is written after the first look counts, for \
`stable_for`: application logs carry no times. A file that is rotated or cut meanwhile counts from its beginning, and that is \
told; since the end of the former one may not have been read, `stable_for` begins again. A file that may not be read, is no regular file or has grown by more than `tail` between two looks, a daemon that does not \
answer, and an app that logs to nothing but /dev/null are unreadable, never quiet; of an app that keeps one of its two streams that \
one is read.
Would change: nothing.
Undone: nothing to undo.",
    verdicts: &[
        ("quiet", "no more lines match than `max` allows"),
        ("found", "more lines match"),
        ("absent", "a file is not there, or PM2 has no such entry"),
    ],
    keys: &[
        Key { name: "pattern", required: true, about: "regular expression (Rust's `regex`), matched against each line" },
        Key { name: "pm2", required: false, about: "the PM2 app whose logs are read; either this or `file`" },
        Key { name: "file", required: false, about: "a path, or a list of up to 16; absolute, or ~/ of the acting user's home" },
        Key { name: "namespace", required: false, about: "the namespace of `pm2`; default: any" },
        Key { name: "since", required: false, about: "\"first-look\": only what is written after the first look; default: all of `tail`" },
        Key { name: "stable_for", required: false, about: "with `since`: for how long it must be quiet; default 5s; not in a pre-check" },
        Key { name: "tail", required: false, about: "how much of the end of each file is read; default 64KiB, at most 1MiB" },
        Key { name: "max", required: false, about: "how many lines may match; default 0" },
        Key { name: "pm2_home", required: false, about: "PM2_HOME; default: host.vars.pm2_home, else ~/.pm2 of the acting user" },
    ],
    parse,
};

fn parse(mut fields: Fields<'_>) -> Parsed {
    let source = read_source(&mut fields);
    let pattern = fields.need_string("pattern");
    let regex = pattern.as_deref().and_then(|text| read_pattern(&mut fields, text));
    let since = fields.word("since", &["first-look"]);
    let stable_for = fields.duration("stable_for");
    if stable_for.is_some() && since.is_none() {
        let hint = "add since = \"first-look\"";
        fields.error("stable_for", "`stable_for` needs `since`: what has been written is not undone", Some(hint.to_owned()));
    }
    if stable_for.is_some() && fields.context.section == Section::Precheck {
        fields.error("stable_for", "a pre-check does not wait", Some("use stable_for in [[verify]]".to_owned()));
    }
    let tail = read_tail(&mut fields, &source);
    let max = fields.number("max", 0, 1_000_000).unwrap_or(0);
    let watch = since.map(|_| stable_for.unwrap_or(WATCH));
    let final_no = matches!(fields.context.section, Section::Verify | Section::VerifyAfterClose) && watch.is_some();
    let step = source.zip(pattern.zip(regex)).map(|(source, (pattern, regex))| {
        Arc::new(LogScan { source, pattern, regex, watch, tail, max, final_no }) as Arc<dyn Step>
    });
    fields.finish(step)
}

fn read_pattern(fields: &mut Fields<'_>, text: &str) -> Option<Regex> {
    if text.chars().count() > MAX_PATTERN {
        fields.error("pattern", format!("`pattern` is longer than {MAX_PATTERN} characters"), None);
        return None;
    }
    let built = regex::bytes::RegexBuilder::new(text).size_limit(MAX_PROGRAM).dfa_size_limit(MAX_PROGRAM).build();
    match built {
        Ok(regex) if regex.is_match(b"") => {
            fields.error("pattern", "`pattern` matches an empty line, so it would find every line", None);
            None
        }
        Ok(regex) => Some(regex),
        Err(error) => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or("it cannot be read").trim();
            let message = format!("`pattern` is no regular expression: {}", last.trim_start_matches("error: "));
            fields.error("pattern", message, None);
            None
        }
    }
}

fn read_tail(fields: &mut Fields<'_>, source: &Option<Source>) -> u64 {
    let Some(text) = fields.string("tail") else { return TAIL };
    match parse_size(&text) {
        Err(message) => fields.error("tail", message, None),
        Ok(bytes) if !(1..=MAX_TAIL).contains(&bytes) => {
            fields.error("tail", format!("`tail` must be more than 0 and at most 1MiB, not {}", size(bytes)), None);
        }
        Ok(bytes) => {
            let files = if let Some(Source::Files(files)) = source { files.len() as u64 } else { 1 };
            if bytes * files > MAX_LOOK {
                let message = format!("{files} files of {} are more than the {} of one look", size(bytes), size(MAX_LOOK));
                fields.error("tail", message, Some("read less of each, or use two steps".to_owned()));
            }
            return bytes;
        }
    }
    TAIL
}

#[derive(Debug)]
struct LogScan {
    source: Source,
    pattern: String,
    regex: Regex,
    /// For how long only new lines count; without it all that is read counts.
    watch: Option<Duration>,
    tail: u64,
    max: u64,
    /// Whether waiting cannot help: a line that was found is not taken back.
    final_no: bool,
}

impl Step for LogScan {
    fn patience(&self) -> Duration {
        self.watch.unwrap_or_default()
    }

    fn probes(&self, _: &Target) -> Vec<Op> {
        self.source.probes(&[], self.tail)
    }

    fn probes_again(&self, _: &Target, looks: &[Look]) -> Vec<Op> {
        // the newest list says where the logs are; a path that is wrong is said so by `judge`
        let paths = looks.iter().rev().find_map(|look| self.source.told(look)).unwrap_or_default();
        self.source.probes(&paths, self.tail)
    }

    fn judge(&self, seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        let last = seen.last()?;
        let files = match self.source.files(last, self.tail)? {
            Sight::Whole(files) => files,
            Sight::NoEntry(note) => return Ok(Verdict::NotYet(note)),
            Sight::Lacks(what) => return self.asked_too_little(seen.looks, what),
        };
        for file in &files {
            file_fault(file)?;
        }
        let gone: Vec<String> = files.iter().filter(|f| f.found == Found::Gone).map(|f| line(&f.path, 200)).collect();
        if !gone.is_empty() {
            let does = if gone.len() == 1 { "does" } else { "do" };
            return Ok(Verdict::NotYet(Note::new("absent", format!("{} {does} not exist", gone.join(" and ")))));
        }
        match self.watch {
            None => self.all(&files),
            Some(watch) => self.since_first(seen.looks, last.at, &files, watch),
        }
    }
}

impl LogScan {
    /// The next look asks for the files that this one's list tells of; where it has already, it will not help.
    fn asked_too_little(&self, looks: &[Look], what: String) -> Result<Verdict, Unreadable> {
        let mut told = looks.iter().rev().map(|look| self.source.told(look));
        let (last, before) = (told.next().flatten(), told.next().flatten());
        if matches!(self.source, Source::App { .. }) && last != before {
            return Ok(Verdict::Again { after: SOON });
        }
        Err(Unreadable::new(what).hint("name the files: file = [\"…\"], or lower tail"))
    }

    /// Judges the end of each file.
    fn all(&self, files: &[LogFile]) -> Result<Verdict, Unreadable> {
        let mut stretches = Vec::new();
        let (mut read, mut all) = (0, 0);
        for window in files.iter().filter_map(window_of) {
            // what is brought is rounded up to whole blocks
            let most = usize::try_from(self.tail).unwrap_or(usize::MAX);
            let end = &window.bytes[window.bytes.len().saturating_sub(most)..];
            stretches.push(Stretch { bytes: end.to_vec(), from: 0 });
            read += end.len() as u64;
            all += window.size;
        }
        let hits = self.count(&stretches);
        let place = if read < all {
            format!("the last {} of {}", size(read), named(files))
        } else {
            format!("{} ({})", named(files), size(all))
        };
        let note = self.note(&hits, files, &format!("in {place}"), "line").value("read", read);
        Ok(if hits.count <= self.max { Verdict::Holds(note) } else { Verdict::NotYet(note) })
    }

    /// Judges what was written after each file was first seen.
    fn since_first(&self, looks: &[Look], now: Timestamp, files: &[LogFile], watch: Duration) -> Result<Verdict, Unreadable> {
        // a look that cannot be read tells nothing; those on both sides of it still tell what was written in between
        let sights: Vec<(Timestamp, Vec<LogFile>)> =
            looks.iter().filter_map(|look| Some((look.at, self.source.sighted(look).ok()?))).collect();
        let mut hits = Hits::default();
        let (mut written, mut missed, mut rotated, mut first, mut whole) = (0, 0, Vec::new(), None, None);
        for file in files {
            let course: Vec<(Timestamp, Option<&Window>)> =
                sights.iter().filter_map(|(at, all)| Some((*at, seen_of(all, &file.path)?))).collect();
            let news: Fresh = fresh(course.iter().map(|(_, window)| *window));
            hits.take(self.count(&news.stretches));
            written += news.total;
            missed += news.missed;
            if let Some(at) = news.rotated {
                rotated.push(line(&file.path, 120));
                // the end of the former file may not have been read: the watch starts again
                whole = whole.max(course.get(at).map(|(at, _)| *at));
            }
            // the shortest watch of a file is the watch of all
            first = first.max(course.first().map(|(at, _)| *at));
        }
        let watched = now.since(first.unwrap_or(now));
        let seconds = watched.as_millis().div_ceil(100);
        let place = format!("of {} written to {} in {}.{} s", size(written), named(files), seconds / 10, seconds % 10);
        let mut note = self.note(&hits, files, &place, "new line").value("written", written);
        if !rotated.is_empty() {
            note.summary =
                format!("{}; {} was rotated or cut meanwhile and read from its beginning", note.summary, rotated.join(" and "));
            note = note.value("rotated", rotated);
        }
        if hits.count > self.max {
            return Ok(if self.final_no { Verdict::Refuse(note.into()) } else { Verdict::NotYet(note) });
        }
        if missed > 0 {
            let what = format!("{} were written to {} between two looks and not read", size(missed), named(files));
            return Err(Unreadable::new(what).hint("read more of each file: tail = \"1MiB\""));
        }
        let left = watch.saturating_sub(now.since(first.max(whole).unwrap_or(now)));
        if left.is_zero() && looks.len() > 1 {
            return Ok(Verdict::Holds(note));
        }
        Ok(Verdict::Again { after: left.clamp(SOON, EVERY) })
    }

    fn count(&self, stretches: &[Stretch]) -> Hits {
        let mut hits = Hits::default();
        for stretch in stretches {
            let mut at = 0;
            for text in stretch.bytes.split(|b| *b == b'\n') {
                let old = stretch.from.saturating_sub(at);
                at += text.len() + 1;
                // what ended before the first look was there before it
                if text.len() >= old && self.regex.find_iter(text).any(|found| found.end() > old) {
                    hits.count += 1;
                    hits.signatures.add(&String::from_utf8_lossy(text));
                }
            }
        }
        hits
    }

    fn note(&self, hits: &Hits, files: &[LogFile], place: &str, what: &str) -> Note {
        let word = if hits.count > self.max { "found" } else { "quiet" };
        let pattern = line(&self.pattern, 60);
        let (top, rest) = hits.signatures.top(KEPT);
        let mut summary = match hits.count {
            0 => format!("no {what} {place} matches `{pattern}`"),
            1 => format!("1 {what} {place} matches `{pattern}`"),
            many => format!("{many} {what}s {place} match `{pattern}`"),
        };
        if self.max > 0 && hits.count > 0 {
            summary.push_str(&format!(", {} may", self.max));
        }
        if let Some((text, _)) = top.first() {
            summary.push_str(&format!(": {}", line(text, 120)));
        }
        let kept: Vec<Value> = top.iter().map(|(text, count)| json!({ "text": text, "count": count })).collect();
        let about =
            |file: &LogFile| window_of(file).map(|w| json!({ "path": line(&file.path, 300), "size": w.size, "inode": w.inode }));
        let mut note = Note::new(word, summary)
            .value("hits", hits.count)
            .value("signatures", kept)
            .value("files", files.iter().filter_map(about).collect::<Vec<Value>>());
        for (text, count) in top.iter().take(SHOWN) {
            note = note.evidence(format!("{count}x {text}"));
        }
        let unshown: u64 = top.iter().skip(SHOWN).map(|(_, count)| count).sum::<u64>() + rest;
        if unshown > 0 {
            note = note.evidence(format!("{unshown} more of other kinds"));
        }
        note
    }
}

/// Lines that match.
#[derive(Debug, Default)]
struct Hits {
    count: u64,
    signatures: Signatures,
}

impl Hits {
    fn take(&mut self, other: Hits) {
        self.count += other.count;
        self.signatures.merge(other.signatures);
    }
}

fn named(files: &[LogFile]) -> String {
    match files {
        [one] => line(&one.path, 120),
        many => format!("{} files", many.len()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::KIND;
    use crate::model::fields::{Context, Fields};
    use crate::model::plan::Section;

    fn errors(value: &Value, section: Section) -> Vec<String> {
        let none = BTreeMap::new();
        let map = value.as_object().expect("a table");
        let parsed = (KIND.parse)(Fields::new(map, Context { vars: &none, host_vars: &none, section }));
        parsed.err().unwrap_or_default().iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect()
    }

    #[test]
    fn every_wrong_key_is_named() {
        let cases = [
            (json!({"pm2": "a", "pattern": "x"}), ""),
            (json!({"file": ["/a", "~/b"], "pattern": "x", "tail": "1MiB", "max": 3}), ""),
            (json!({"pattern": "x"}), "file: `pm2` or `file` is missing"),
            (json!({"pm2": "a", "file": "/b", "pattern": "x"}), "file: `file` and `pm2` exclude each other"),
            (json!({"file": "b", "pattern": "x"}), "file: `b` must be absolute, or begin with ~/"),
            (json!({"file": "/b\n/c", "pattern": "x"}), "file: `/b\\x0a/c` contains a control character"),
            (json!({"file": [3], "pattern": "x"}), "file: `file` must be a path or a list of 1 to 16 paths"),
            (json!({"file": "/b", "pattern": "x", "namespace": "n"}), "namespace: `namespace` is for `pm2` only"),
            (json!({"file": "/b"}), "pattern: `pattern` is missing"),
            (json!({"file": "/b", "pattern": "("}), "pattern: `pattern` is no regular expression: unclosed group"),
            (json!({"file": "/b", "pattern": "x*"}), "pattern: `pattern` matches an empty line, so it would find every line"),
            (
                json!({"file": "/b", "pattern": "(\\w{100}){100}"}),
                "pattern: `pattern` is no regular expression: \
             Compiled regex exceeds size limit of 1048576 bytes.",
            ),
            (
                json!({"file": "/b", "pattern": "x", "tail": "2MiB"}),
                "tail: `tail` must be more than 0 and at most 1MiB, not 2 MiB",
            ),
            (json!({"file": "/b", "pattern": "x", "since": "boot"}), "since: `since` cannot be `boot`"),
            (
                json!({"file": "/b", "pattern": "x", "stable_for": "5s"}),
                "stable_for: `stable_for` needs `since`: what has been written is not undone",
            ),
        ];
        for (value, want) in cases {
            assert_eq!(errors(&value, Section::Verify).join("; "), want, "{value}");
        }
        let waits = json!({"file": "/b", "pattern": "x", "since": "first-look", "stable_for": "5s"});
        assert_eq!(errors(&waits, Section::Precheck), ["stable_for: a pre-check does not wait"]);
    }
}
