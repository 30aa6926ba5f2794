//! `port`: who holds a TCP port, and whether that is the right one.

use std::sync::Arc;

use crate::model::fields::Fields;
use crate::model::op::{Op, Pm2Method};
use crate::model::outcome::Risk;
use crate::model::step::{Evidence, Note, Step, Target, Unreadable, Verdict};
use crate::read::holder::Holder;
use crate::steps::pm2_look::{SHARED, Seen, describe, holder_hint, note_holder, pm2_home, probes};
use crate::steps::{Class, Key, Kind, ON_HOSTS, Parsed, Touches};

/// The kind.
pub(crate) const KIND: Kind = Kind {
    name: "port",
    class: Class::Check,
    risk: Risk::ReadOnly,
    scopes: ON_HOSTS,
    acts_as: false,
    runs: true,
    touches: Touches::Nothing,
    title: "who holds a TCP port",
    about: "Finds every listener on the port, whatever the address, and walks up from its process: an app of this PM2 (a cluster \
            worker's daemon and the grandchild of `npm start` count as the app), a process that PM2 has lost, an app of another \
            daemon, something else, or somebody who may not be seen. TIME_WAIT and clients are no conflict. Where several hold \
            it on different addresses, the worst one is the verdict.",
    verdicts: &[
        ("owned", "held by `app`; without `app`, by an app of this PM2"),
        ("free", "nobody listens on it"),
        ("wrong-holder", "held, or shared in cluster mode, by another app of this PM2"),
        ("orphan", "held by a process that this PM2 started and has lost"),
        ("other-daemon", "held by an app of a daemon with another PM2_HOME"),
        ("foreign", "held by a process that PM2 did not start"),
        ("hidden", "held by a process of another user that may not be seen"),
    ],
    keys: &[
        Key { name: "port", required: true, about: "the port" },
        Key { name: "app", required: false, about: "the PM2 app that should hold it" },
        Key { name: "expect", required: false, about: "app or free; default: app where `app` is given, else free" },
        Key { name: "namespace", required: false, about: "the namespace of `app`; default: any" },
        Key { name: "pm2_home", required: false, about: "PM2_HOME; default: host.vars.pm2_home, else ~/.pm2 of the acting user" },
    ],
    parse,
};

fn parse(mut fields: Fields<'_>) -> Parsed {
    let port = fields.need_port("port");
    let app = fields.string("app");
    let namespace = fields.string("namespace");
    let expect = fields.word("expect", &["app", "free"]);
    let home = pm2_home(&mut fields);
    if expect == Some("app") && app.is_none() {
        fields.error("expect", "`expect = \"app\"` needs `app`", Some("add app = \"…\"".to_owned()));
    }
    let want_free = expect.map_or(app.is_none(), |word| word == "free");
    let step = port.map(|port| Arc::new(Port { port, app, namespace, want_free, home }) as Arc<dyn Step>);
    fields.finish(step)
}

#[derive(Debug)]
struct Port {
    port: u16,
    app: Option<String>,
    namespace: Option<String>,
    want_free: bool,
    home: String,
}

impl Step for Port {
    fn probes(&self, _: &Target) -> Vec<Op> {
        probes(&self.home, Pm2Method::Processes)
    }

    fn judge(&self, seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        let seen = Seen::read(seen.last()?)?;
        let holders = seen.holders(self.port)?;
        let mut told: Vec<(&'static str, String, &Holder)> = Vec::new();
        for holder in &holders {
            let (word, line) = describe(holder, |name, namespace| self.is_wanted(name, namespace))?;
            told.push((word, line, holder));
        }
        told.sort_by_key(|(word, _, _)| rank(word));
        let mut note = match told.first() {
            None => Note::new("free", format!(":{} is free", self.port)),
            Some((word, _, holder)) => {
                let lines: Vec<&str> = told.iter().map(|(_, line, _)| line.as_str()).collect();
                let mut note = Note::new(word, format!(":{} is held by {}", self.port, lines.join(", and by ")));
                for (_, _, other) in told.iter().skip(1).rev() {
                    note = note_holder(note, other);
                }
                note.hint = holder_hint(word).map(str::to_owned);
                note_holder(note, holder)
            }
        };
        if seen.ways(self.port, &holders)?.contains(&SHARED) {
            note.summary.push_str(&format!(", sharing it by {SHARED}"));
        }
        if let Some(count) = seen.view.waiting.get(&self.port) {
            note.summary.push_str(&format!("; {count} connections in TIME_WAIT are no conflict"));
            note = note.value("time_wait", *count);
        }
        let good = if self.want_free { "free" } else { "owned" };
        Ok(if note.word == good { Verdict::Holds(note) } else { Verdict::NotYet(note) })
    }
}

impl Port {
    fn is_wanted(&self, name: &str, namespace: &str) -> bool {
        self.app.as_ref().is_none_or(|app| app == name) && self.namespace.as_ref().is_none_or(|want| want == namespace)
    }
}

/// The worst first: what may not be touched decides over what is known to be ours.
fn rank(word: &str) -> usize {
    ["hidden", "foreign", "other-daemon", "orphan", "wrong-holder", "owned"].iter().position(|w| *w == word).unwrap_or(0)
}
