//! `pm2` with `replace_holder`: the wanted app takes the port from the one other entry of this PM2 that holds it.
//!
//! What PM2 shows of an entry is not enough to make it anew: the old one is only stopped until the wanted one listens, and
//! so can be started again as it was.

use serde_json::Value;

use crate::model::finding::Finding;
use crate::model::op::Exit;
use crate::model::step::{Acted, Change, Evidence, Note, Unreadable, Verdict};
use crate::read::holder::{Holder, Owner};
use crate::read::pm2::Pm2App;
use crate::read::proc::clean;
use crate::steps::pm2::act::{BOOT, before_replace, replace, targets, with_replies};
use crate::steps::pm2::{Place, SAVED, is_plain};
use crate::steps::rivals::family;

impl Place<'_> {
    /// The change that puts the wanted app in the holder's place; `held` says who that is.
    pub(crate) fn replace(&self, held: Finding) -> Verdict {
        let no = |why: &str| {
            let hint = format!("{why}: delete the wrong one by hand, by its id");
            Verdict::Refuse(Finding { hint: Some(hint), ..held.clone() })
        };
        let Some((port, old)) = self.port.zip(self.one_holder()) else {
            return no("replace_holder takes the port from one entry, and more than one holds it");
        };
        if old.cluster {
            return no("replace_holder takes no port from a worker of a cluster");
        }
        if let Some(told) = old.port.filter(|told| *told != port) {
            return no(&format!("{} was told port {told}, so it is no duplicate", clean(&old.title())));
        }
        let wanted = self.wanted();
        let [next] = wanted.as_slice() else {
            return match wanted.len() {
                0 => {
                    let finding = Finding::new("absent", format!("PM2 has no entry {}; {}", self.name(), held.summary));
                    Verdict::Refuse(finding.hint("there must be an entry that can take the port over"))
                }
                n => no(&format!("{n} entries are called {}, and replace_holder restarts one", self.name())),
            };
        };
        let family = family(self.seen, self.apps, &self.step.wanted, self.port, self.holders, None);
        let rivals: Vec<(&Pm2App, &str)> =
            family.rivals.iter().filter(|(app, _)| app.pm_id != old.pm_id).map(|(app, why)| (*app, why.as_str())).collect();
        let named = rivals.iter().map(|(app, _)| *app).chain([old]);
        if let Some(app) = named.into_iter().find(|app| !is_plain(&app.name)) {
            let line = format!("entry {} has a name that cannot be given to pm2", clean(&app.title()));
            return Verdict::Refuse(Finding::new("odd-name", line).hint(format!("delete it by hand: pm2 delete {}", app.pm_id)));
        }
        Verdict::Change(Box::new(self.taking(port, old, next, &rivals, held)))
    }

    fn taking(&self, port: u16, old: &Pm2App, next: &Pm2App, rivals: &[(&Pm2App, &str)], held: Finding) -> Change {
        let (was, title) = (clean(&old.title()), clean(&next.title()));
        let (old_name, wait) = (clean(&old.name), BOOT.as_secs());
        let mut effects: Vec<String> = rivals
            .iter()
            .map(|(app, why)| format!("delete pm2 entry {} ({why}, does not hold :{port})", clean(&app.title())))
            .collect();
        effects.push(format!(
            "stop pm2 entry {was}, which holds :{port}: the service is away from then until {} listens, at most {wait} s",
            self.name()
        ));
        effects.push(format!("restart pm2 entry {title}; where it does not listen on :{port}, stop it and restart {old_name}"));
        effects.push(format!("delete pm2 entry {was} once {} listens: that cannot be undone", self.name()));
        if self.step.save {
            effects.push(SAVED.to_owned());
        }
        let why = Note::new("wrong-holder", held.summary)
            .value("unique_ids", vec![Value::from(old.unique_id.clone()), Value::from(next.unique_id.clone())])
            .value(
                "holder",
                self.holders.iter().map(|holder| Value::from(vec![holder.pid.map(u64::from), holder.start])).collect::<Vec<_>>(),
            );
        let gone: Vec<&Pm2App> = rivals.iter().map(|(app, _)| *app).collect();
        let mut ops = before_replace(&self.step.home, &gone, next);
        ops.push(replace(&self.step.home, old, next, port, gone.is_empty(), self.step.save));
        Change { why, effects, destroys: true, ops, undo: Vec::new(), obligation: None }
    }

    /// The entry that holds the port, where all that hold it are one.
    fn one_holder(&self) -> Option<&Pm2App> {
        let ids: Option<Vec<u32>> = self.holders.iter().map(only_app).collect();
        let mut ids = ids?;
        ids.sort_unstable();
        ids.dedup();
        let [id] = ids.as_slice() else { return None };
        self.apps.iter().find(|app| app.pm_id == *id)
    }

    /// Who has the port decides; `exit` is how the script ended that handed it over.
    pub(crate) fn after_replace(
        &self,
        evidence: &Evidence<'_>,
        acted: &Acted,
        exit: Option<&Exit>,
    ) -> Result<Verdict, Unreadable> {
        let said = with_replies(Finding::new("", ""), acted).evidence;
        let not_yet = |word: &str, line: String| Ok(Verdict::NotYet(Note { evidence: said.clone(), ..Note::new(word, line) }));
        let port = self.port.ok_or_else(|| Unreadable::new(format!("no port is known to tell {} by", self.name())))?;
        let put_back = matches!(exit, Some(Exit::Code { code: 97 }));
        if let Some(finding) = self.stranger()? {
            if put_back && finding.code == "wrong-holder" {
                let line = format!("{} did not listen and is stopped again; {}", self.name(), finding.summary);
                let finding = Finding::new("put-back", line).hint("its error log tells why it does not listen");
                return Ok(Verdict::Refuse(with_replies(finding, acted)));
            }
            return Ok(Verdict::Refuse(with_replies(finding, acted)));
        }
        if self.holders.is_empty() && put_back {
            return not_yet("put-back", format!("{} did not listen, and the old holder does not listen again yet", self.name()));
        }
        if self.holders.is_empty() && matches!(exit, Some(Exit::Code { code: 98 })) {
            let line = format!("nobody listens on :{port}: neither {} nor the old holder could be started", self.name());
            let finding = Finding::new("not-listening", line).hint("start one of them by hand: pm2 restart ID");
            return Ok(Verdict::Refuse(with_replies(finding, acted)));
        }
        let state = self.state(&self.wanted());
        if state.word != "running" || self.holders.is_empty() {
            let word = if state.word == "running" { "not-listening" } else { state.word.as_str() };
            return not_yet(word, format!("{}; :{port} is held by {}", state.summary, self.first_holder()));
        }
        let gone = targets(acted);
        let is_target = |app: &Pm2App| gone.iter().any(|(id, name)| *id == app.pm_id && *name == app.name);
        if let Some(app) = self.apps.iter().find(|app| is_target(app)) {
            return not_yet("duplicates", format!("entry {} is still there", clean(&app.title())));
        }
        let meant = |app: &Pm2App| is_target(app) || self.step.wanted.is(app, &self.seen.view);
        if let Some(verdict) = self.after(evidence, acted, meant)? {
            return Ok(verdict);
        }
        let deleted: Vec<String> = gone.iter().map(|(id, name)| format!("{id} {}", clean(name))).collect();
        let line = format!("{} holds :{port}, {}; deleted {}", self.name(), self.first_holder(), deleted.join(", "));
        Ok(Verdict::Holds(Note::new("replaced", line)))
    }

    fn first_holder(&self) -> String {
        self.holders.first().map_or_else(|| "nobody".to_owned(), Holder::shown)
    }
}

/// The one app that a process holds the port for.
fn only_app(holder: &Holder) -> Option<u32> {
    match &holder.owner {
        Owner::Apps(apps) => match apps.as_slice() {
            [app] => Some(app.pm_id),
            _ => None,
        },
        _ => None,
    }
}
