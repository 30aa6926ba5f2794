//! `file`: what lies at a path, whose it is, who may use it, and how old it is.

use std::sync::Arc;
use std::time::Duration;

use crate::model::fields::Fields;
use crate::model::op::Op;
use crate::model::outcome::Risk;
use crate::model::step::{Evidence, Note, Step, Target, Unreadable, Verdict};
use crate::model::visible::literal;
use crate::read::access::{Want, obstacle};
use crate::read::answer::line;
use crate::read::file::{Entry, FileType, PathView, Way, probe};
use crate::steps::{Class, Key, Kind, ON_HOSTS, Parsed, Touches};

/// How far a time of change may lie in the future before it is no age.
const AHEAD: i64 = 60;

/// The kind.
pub(crate) const KIND: Kind = Kind {
    name: "file",
    class: Class::Check,
    risk: Risk::ReadOnly,
    scopes: ON_HOSTS,
    acts_as: true,
    runs: true,
    touches: Touches::Nothing,
    title: "a path exists, is whose it should be, and can be used",
    about: "\
Looks at: what lies at `path`, where links lead, and every directory on the way; the users as the host's `id` knows them. Nothing \
is opened: no file, no FIFO, no device. Needs `stat -c` and `readlink` (coreutils or busybox).
Follows: `type` \"link\" and `target` speak of the link itself, every other key of what it leads to; a link that leads nowhere is \
missing. Whether a user can read or write is asked of the host where it is the acting user, else worked out from the modes, owners \
and groups of the path and of every directory on the way, as the kernel does; a directory is readable where it can be listed and \
entered. An access list (`+` in ls -l, which busybox does not show), a directory that the acting user may not enter, and a user \
that the host does not know are unreadable, never fine. Of several things that are wrong the first in the order of the list below \
is the verdict; the summary has all of them.
Would change: nothing.
Undone: nothing to undo.",
    verdicts: &[
        ("fits", "it is as described"),
        ("missing", "nothing is there, or its link leads nowhere"),
        ("wrong-type", "it is something else"),
        ("wrong-target", "the link leads elsewhere, or it is no link"),
        ("wrong-owner", "it belongs to another user or group"),
        ("wrong-mode", "its mode is another"),
        ("not-readable", "`readable_by` cannot read it"),
        ("not-writable", "`writable_by` cannot write it"),
        ("too-old", "it was changed longer ago than `max_age`"),
    ],
    keys: &[
        Key { name: "path", required: true, about: "the path; absolute, or ~/ of the acting user's home" },
        Key { name: "type", required: false, about: "file, directory, link or socket; default: any" },
        Key { name: "owner", required: false, about: "the owner, by name or number" },
        Key { name: "group", required: false, about: "the group, by name or number" },
        Key { name: "mode", required: false, about: "the exact mode, as octal text: \"0644\"" },
        Key { name: "readable_by", required: false, about: "a user that must be able to read it, by name or number" },
        Key { name: "writable_by", required: false, about: "a user that must be able to write it" },
        Key { name: "target", required: false, about: "where the link must point: as it is written, or the path it leads to" },
        Key { name: "max_age", required: false, about: "how long ago it may have been changed, by the host's clock" },
    ],
    parse,
};

fn parse(mut fields: Fields<'_>) -> Parsed {
    let path = fields.need_string("path");
    if let Some(path) = path.as_deref().filter(|path| !is_placed(path)) {
        fields.error("path", format!("`{}` must be absolute, or begin with ~/", literal(path)), None);
    }
    let kind = fields.word("type", &["file", "directory", "link", "socket"]);
    let [owner, group, reader, writer] = ["owner", "group", "readable_by", "writable_by"].map(|key| read_user(&mut fields, key));
    let mode = read_mode(&mut fields);
    let target = fields.string("target");
    let max_age = fields.duration("max_age");
    let step =
        path.map(|path| Arc::new(File { path, kind, owner, group, mode, reader, writer, target, max_age }) as Arc<dyn Step>);
    fields.finish(step)
}

fn is_placed(path: &str) -> bool {
    path.starts_with('/') || path == "~" || path.starts_with("~/")
}

fn read_user(fields: &mut Fields<'_>, key: &'static str) -> Option<String> {
    let name = fields.string(key)?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | '/');
    if name.starts_with('-') || name.contains(odd) || name.len() > 256 {
        fields.error(key, format!("`{}` is no name of a user or group", literal(&name)), None);
        return None;
    }
    Some(name)
}

fn read_mode(fields: &mut Fields<'_>) -> Option<u32> {
    let text = fields.string("mode")?;
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    match u32::from_str_radix(&text, 8) {
        Ok(mode) if octal => Some(mode),
        _ => {
            let message = format!("`mode` must be three or four octal digits, not `{}`", literal(&text));
            fields.error("mode", message, Some("write it as \"0644\"".to_owned()));
            None
        }
    }
}

#[derive(Debug)]
struct File {
    path: String,
    kind: Option<&'static str>,
    owner: Option<String>,
    group: Option<String>,
    mode: Option<u32>,
    reader: Option<String>,
    writer: Option<String>,
    target: Option<String>,
    max_age: Option<Duration>,
}

impl Step for File {
    fn probes(&self, _: &Target) -> Vec<Op> {
        let mut users: Vec<&str> = [&self.owner, &self.reader, &self.writer].into_iter().flatten().map(String::as_str).collect();
        users.sort_unstable();
        users.dedup();
        vec![probe(&self.path, &users)]
    }

    fn judge(&self, seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        let [reply] = seen.last()?.replies.as_slice() else { return Err(Unreadable::new("the look at the path lacks a reply")) };
        let view = PathView::read(reply)?;
        let path = line(&view.path, 200);
        let leads = match (view.way, &view.leads) {
            (Way::There, Some(leads)) => leads,
            (Way::Shut, _) => {
                let dir = view
                    .dirs
                    .last()
                    .map_or_else(String::new, |(dir, entry)| format!(": {} is {}", line(dir, 200), entry.rights()));
                return Err(
                    Unreadable::new(format!("this user may not look for {path}{dir}")).hint("look as root: become = \"root\"")
                );
            }
            _ => return Ok(Verdict::NotYet(Note::new("missing", absence(&view)).value("path", path))),
        };
        let faults = self.faults(&view, leads)?;
        let through = view.target.as_ref().map_or_else(String::new, |_| format!(", through a link to {}", line(&view.real, 200)));
        let is = format!("{path} is a {} {}{through}", leads.kind.word(), leads.rights());
        let mut note = match faults.first() {
            None => Note::new("fits", is),
            Some((word, _)) => {
                let lines: Vec<&str> = faults.iter().map(|(_, line)| line.as_str()).collect();
                Note::new(word, format!("{path}: {}", lines.join("; "))).evidence(is)
            }
        };
        note = note
            .value("path", line(&view.path, 300))
            .value("type", leads.kind.word())
            .value("mode", format!("{:04o}", leads.mode))
            .value("owner", leads.owner.as_str())
            .value("group", leads.group.as_str())
            .value("uid", leads.uid)
            .value("gid", leads.gid)
            .value("size", leads.size)
            .value("age_s", view.now.saturating_sub(leads.changed));
        if let Some(target) = &view.target {
            note = note.value("target", line(target, 300));
        }
        Ok(if faults.is_empty() { Verdict::Holds(note) } else { Verdict::NotYet(note) })
    }
}

/// What is not there, in words.
fn absence(view: &PathView) -> String {
    let (path, real) = (line(&view.path, 200), line(&view.real, 200));
    match (&view.target, view.way) {
        (_, Way::Circle) => format!("{path} leads in a circle of links"),
        (Some(target), _) => format!("{path} is a link to {}, and {real} does not exist", line(target, 200)),
        (None, _) if view.real == view.path => format!("{path} does not exist"),
        (None, _) => format!("{path} does not exist: there is no {real}"),
    }
}

impl File {
    /// Everything that is not as described, the worst first.
    fn faults(&self, view: &PathView, leads: &Entry) -> Result<Vec<(&'static str, String)>, Unreadable> {
        let mut faults = Vec::new();
        faults.extend(self.type_fault(view, leads).map(|line| ("wrong-type", line)));
        faults.extend(self.target_fault(view).map(|line| ("wrong-target", line)));
        faults.extend(self.owner_fault(view, leads).map(|line| ("wrong-owner", line)));
        if let Some(group) = self.group.as_ref().filter(|group| !names(group, &leads.group, leads.gid)) {
            faults.push(("wrong-owner", format!("its group is {} ({}), not {}", leads.group, leads.gid, line(group, 80))));
        }
        if let Some(mode) = self.mode.filter(|mode| *mode != leads.mode) {
            faults.push(("wrong-mode", format!("its mode is {:04o}, not {mode:04o}", leads.mode)));
        }
        for (user, want, word, verb) in
            [(&self.reader, Want::Read, "not-readable", "read"), (&self.writer, Want::Write, "not-writable", "write")]
        {
            let Some(user) = user else { continue };
            if let Some(why) = obstacle(view, user, want)? {
                faults.push((word, format!("{} cannot {verb} it: {why}", line(user, 80))));
            }
        }
        faults.extend(self.age_fault(view, leads)?.map(|line| ("too-old", line)));
        Ok(faults)
    }

    fn type_fault(&self, view: &PathView, leads: &Entry) -> Option<String> {
        let wanted = self.kind?;
        let is = if wanted == "link" { view.own.as_ref().map_or(leads.kind, |own| own.kind) } else { leads.kind };
        (is.word() != wanted).then(|| format!("it is a {}, not a {wanted}", is.word()))
    }

    fn target_fault(&self, view: &PathView) -> Option<String> {
        let wanted = self.target.as_deref()?;
        let shown = line(wanted, 200);
        let Some(target) = view.target.as_deref().filter(|_| view.own.as_ref().is_some_and(|own| own.kind == FileType::Link))
        else {
            return Some(format!("it is no link, and should be one to {shown}"));
        };
        let absolute = wanted.strip_prefix("~/").map(|rest| format!("{}/{rest}", view.home.trim_end_matches('/')));
        let wanted = absolute.as_deref().unwrap_or(wanted).trim_end_matches('/');
        let written = target.trim_end_matches('/');
        let is = wanted == written || wanted == view.real || wanted == beside(&view.path, written);
        (!is).then(|| format!("it is a link to {}, not to {shown}", line(target, 200)))
    }

    fn owner_fault(&self, view: &PathView, leads: &Entry) -> Option<String> {
        let wanted = self.owner.as_deref()?;
        let uid = view.user(wanted).and_then(|user| user.uid);
        if names(wanted, &leads.owner, leads.uid) || uid == Some(leads.uid) {
            return None;
        }
        let unknown = if uid.is_none() { ", whom the host does not know" } else { "" };
        Some(format!("its owner is {} ({}), not {}{unknown}", leads.owner, leads.uid, line(wanted, 80)))
    }

    fn age_fault(&self, view: &PathView, leads: &Entry) -> Result<Option<String>, Unreadable> {
        let Some(most) = self.max_age else { return Ok(None) };
        let age = view.now.saturating_sub(leads.changed);
        if age < -AHEAD {
            let what = format!("its time of change lies {} in the future of the host's clock", ago(age.unsigned_abs()));
            return Err(Unreadable::new(what).hint("one of the two is wrong: compare date with stat"));
        }
        let age = age.max(0).unsigned_abs();
        Ok((age > most.as_secs()).then(|| format!("it was changed {} ago, more than {}", ago(age), ago(most.as_secs()))))
    }
}

/// Whether the wanted name or number is this one.
fn names(wanted: &str, name: &str, id: u32) -> bool {
    wanted == name || wanted.parse() == Ok(id)
}

/// A relative target as seen from the link.
fn beside(link: &str, target: &str) -> String {
    let folder = link.trim_end_matches('/').rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{target}")
}

/// `90 s`, `15 min`, `30 h`, `12 d`.
fn ago(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::{KIND, ago, beside};
    use crate::model::fields::{Context, Fields};
    use crate::model::plan::Section;

    fn errors(value: &Value) -> String {
        let none = BTreeMap::new();
        let map = value.as_object().expect("a table");
        let parsed = (KIND.parse)(Fields::new(map, Context { vars: &none, host_vars: &none, section: Section::Precheck }));
        let all: Vec<String> =
            parsed.err().unwrap_or_default().iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect();
        all.join("; ")
    }

    #[test]
    fn every_wrong_key_is_named() {
        for (value, want) in [
            (json!({"path": "~/a\nb 'c'/-d", "mode": "644", "owner": "app", "group": "0", "readable_by": "1001"}), ""),
            (json!({"mode": "0644"}), "path: `path` is missing"),
            (json!({"path": "a"}), "path: `a` must be absolute, or begin with ~/"),
            (json!({"path": "~bob/a"}), "path: `~bob/a` must be absolute, or begin with ~/"),
            (json!({"path": "/a", "type": "fifo"}), "type: `type` cannot be `fifo`"),
            (json!({"path": "/a", "mode": "rwx"}), "mode: `mode` must be three or four octal digits, not `rwx`"),
            (json!({"path": "/a", "mode": "+644"}), "mode: `mode` must be three or four octal digits, not `+644`"),
            (json!({"path": "/a", "readable_by": "-G"}), "readable_by: `-G` is no name of a user or group"),
            (json!({"path": "/a", "writable_by": "a\nb"}), "writable_by: `a\\x0ab` is no name of a user or group"),
        ] {
            assert_eq!(errors(&value), want, "{value}");
        }
    }

    #[test]
    fn paths_and_ages_are_told_in_words() {
        assert_eq!((beside("/srv/current", "releases/7"), beside("/l", "x")), ("/srv/releases/7".to_owned(), "/x".to_owned()));
        assert_eq!([119, 120, 7_200, 172_800].map(ago), ["119 s", "2 min", "2 h", "2 d"]);
    }
}
