//! `pm2` with `ensure` = stopped, absent, restarted or reloaded: one verb of PM2 for each entry of that name, by id.

use crate::model::finding::Finding;
use crate::model::step::{Acted, Change, Evidence, Note, Unreadable, Verdict};
use crate::read::pm2::{Pm2App, Status};
use crate::read::proc::clean;
use crate::steps::pm2::act::{Verb, before, by_id, targets, with_replies};
use crate::steps::pm2::{Place, SAVED};

impl Place<'_> {
    /// What is to be done, or that it is so already. A restart is never there already.
    pub(crate) fn verb(&self, verb: Verb) -> Result<Verdict, Unreadable> {
        let wanted = self.wanted();
        let due: Vec<&Pm2App> = wanted.iter().copied().filter(|app| verb != Verb::Stop || !is_down(app)).collect();
        if wanted.is_empty() && verb != Verb::Delete {
            return Ok(Verdict::Refuse(Finding::new("absent", format!("PM2 has no entry {}", self.name()))));
        }
        if due.is_empty() {
            let note = match verb {
                Verb::Delete => Note::new("absent", format!("PM2 has no entry {}", self.name())),
                _ => Note::new("stopped", format!("{} is stopped", self.name())),
            };
            return Ok(Verdict::Holds(note));
        }
        if matches!(verb, Verb::Restart | Verb::Reload)
            && self.step.port.is_some()
            && let Some(finding) = self.stranger()?
        {
            return Ok(Verdict::Refuse(finding));
        }
        let name = self.name();
        let why = match verb {
            Verb::Delete => Note::new("present", format!("PM2 has {name}")),
            Verb::Stop => Note::new("running", format!("{name} is not stopped")),
            Verb::Restart | Verb::Reload => Note::new("due", format!("{name} is to {}", verb.word())),
        };
        let mut effects: Vec<String> =
            due.iter().map(|app| format!("{} pm2 entry {}", verb.word(), clean(&app.title()))).collect();
        if self.step.save {
            effects.push(SAVED.to_owned());
        }
        let undo = if verb == Verb::Stop { by_id(&self.step.home, Verb::Restart, &due, self.step.save) } else { Vec::new() };
        Ok(Verdict::Change(Box::new(Change {
            why,
            effects,
            destroys: verb == Verb::Delete,
            ops: by_id(&self.step.home, verb, &due, self.step.save),
            undo,
            obligation: None,
        })))
    }

    /// Whether it came about, with everything else as it was.
    pub(crate) fn after_verb(&self, verb: Verb, evidence: &Evidence<'_>, acted: &Acted) -> Result<Verdict, Unreadable> {
        let done = targets(acted);
        let is_target = |app: &Pm2App| done.iter().any(|(id, name)| *id == app.pm_id && *name == app.name);
        let left: Vec<&Pm2App> = self.apps.iter().filter(|app| is_target(app)).collect();
        let said = with_replies(Finding::new("", ""), acted).evidence;
        let not_yet = |word: &str, line: String| Ok(Verdict::NotYet(Note { evidence: said.clone(), ..Note::new(word, line) }));
        let note = match verb {
            Verb::Delete => match left.first() {
                Some(app) => return not_yet("present", format!("entry {} is still there", clean(&app.title()))),
                None => Note::new("absent", format!("{} is deleted", self.name())),
            },
            _ if left.len() < done.len() => return not_yet("absent", format!("an entry of {} is gone", self.name())),
            Verb::Stop => match left.iter().find(|app| !is_down(app)) {
                Some(app) => return not_yet("running", format!("entry {} is {}", clean(&app.title()), app.status)),
                None => Note::new("stopped", format!("{} is stopped", self.name())),
            },
            Verb::Restart | Verb::Reload => {
                let state = self.state(&left);
                if state.word != "running" {
                    return not_yet(&state.word, state.summary);
                }
                let (_, last) = before(evidence, acted)?;
                let old = last.apps.as_deref().unwrap_or_default();
                // An entry that changed its process by itself in between has a new counter too: PM2 counts all of them.
                let same = |app: &&&Pm2App| {
                    old.iter().any(|old| old.pm_id == app.pm_id && old.pid == app.pid && old.up_since == app.up_since)
                };
                if let Some(app) = left.iter().find(same) {
                    return not_yet("due", format!("entry {} has the same process as before", clean(&app.title())));
                }
                Note { word: "restarted".to_owned(), ..state }
            }
        };
        Ok(self.after(evidence, acted, is_target)?.unwrap_or(Verdict::Holds(note)))
    }
}

/// Stopped for good: between two restarts PM2 says `stopped` too, with a process.
fn is_down(app: &Pm2App) -> bool {
    app.status == Status::Stopped && app.pid.is_none()
}
