//! How a step runs: where and how often, how often again, as whom, with which secrets.

use std::time::Duration;

use crate::load::diagnostic::Diagnostic;
use crate::load::document::Table;
use crate::load::rollout::{duration, word};
use crate::load::step::{Frame, plain};
use crate::model::fields::nearest;
use crate::model::grammar::TAG;
use crate::model::plan::{Backoff, Retry, Scope};
use crate::model::visible::literal;
use crate::steps::Kind;

/// The most further attempts.
const MAX_RETRIES: u64 = 10;
/// The longest delay before the second attempt.
const MAX_DELAY: Duration = Duration::from_secs(600);
const BACKOFF: &[(&str, Backoff)] = &[("fixed", Backoff::Fixed), ("double", Backoff::Double)];

/// How a step runs.
#[derive(Debug, Default)]
pub(super) struct Manner {
    pub(super) scope: Scope,
    pub(super) retry: Option<Retry>,
    pub(super) acts_as: Option<String>,
    pub(super) secrets: Vec<String>,
    pub(super) tags: Vec<String>,
}

impl Frame<'_> {
    /// Reads it.
    pub(super) fn manner(&self, kind: Option<&'static Kind>, table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Manner {
        let scope = self.scope(kind, table, found);
        Manner {
            scope,
            retry: retry(table, found),
            acts_as: self.acts_as(kind, scope, table, found),
            secrets: self.named_secrets(kind, table, found),
            tags: table.names("tags", &TAG, found),
        }
    }

    fn scope(&self, kind: Option<&'static Kind>, table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Scope {
        let each = kind.is_some_and(|kind| kind.keys.iter().any(|key| key.name == "each")) && is_true("each", table);
        let default = match kind {
            _ if each => Scope::EachHost,
            Some(kind) if kind.name == "confirm" || !kind.scopes.contains(&Scope::EachHost) => Scope::Controller,
            _ => Scope::EachHost,
        };
        let Some(text) = table.string("scope", found) else { return default };
        let Some(scope) = word("scope", text, Scope::WORDS, table, found) else { return default };
        let at = table.find("scope");
        if each && scope != Scope::EachHost {
            let message = format!("scope = \"{text}\" is once a run, and each = true is once a host");
            found.push(Diagnostic::error("E318", message).at(at, "").help("leave one of them out"));
        } else if let Some(kind) = kind.into_iter().chain(self.asked(table)).find(|kind| !kind.scopes.contains(&scope)) {
            let message = format!("`{}` cannot have scope = \"{text}\"", kind.name);
            let can = |scope: Scope| self.list(|kind| kind.scopes.contains(&scope)).unwrap_or_else(|| "no kind".to_owned());
            let own = Scope::WORDS.iter().filter(|(_, own)| kind.scopes.contains(own)).map(|(word, _)| *word);
            let own: Vec<&str> = own.collect();
            let help = format!("it can have: {}; \"{text}\" is for: {}", own.join(", "), can(scope));
            found.push(Diagnostic::error("E318", message).at(at, "").help(help));
        }
        scope
    }

    /// The kind of the check that a step waits for.
    fn asked(&self, table: &Table<'_>) -> Option<&'static Kind> {
        let until = table.rest().find(|entry| entry.key == "until")?.node.value();
        let name = until.get("kind")?.as_str()?;
        self.kinds.iter().copied().find(|kind| kind.name == name)
    }

    /// The names of the kinds that are so, for hints.
    fn list(&self, so: impl Fn(&Kind) -> bool) -> Option<String> {
        let names: Vec<&str> = self.kinds.iter().filter(|kind| so(kind)).map(|kind| kind.name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    fn acts_as(
        &self,
        kind: Option<&'static Kind>,
        scope: Scope,
        table: &mut Table<'_>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let user = plain("become", table, found)?;
        let at = table.find("become");
        if user.contains("{{") {
            // told
            return None;
        }
        if !is_user(&user) {
            let message = format!("`{}` is no user name", literal(&user));
            let help = "a letter or _, then at most 31 of A-Z a-z 0-9 . _ -";
            found.push(Diagnostic::error("E204", message).at(at, "").help(help));
            return None;
        }
        if let Some(kind) = kind.filter(|kind| !kind.acts_as) {
            let message = format!("`{}` cannot become another user: not all that it does is a command", kind.name);
            let help = self.list(|kind| kind.acts_as).map(|names| format!("kinds that can: {names}"));
            found.push(Diagnostic::error("E318", message).at(at, "").help_if(help));
        } else if scope == Scope::Controller {
            let message = "`become` is a user of a host, and scope = \"controller\" works on none";
            found.push(Diagnostic::error("E318", message).at(at, "").help("leave one of them out"));
        }
        Some(user)
    }

    /// The secrets that the commands of a step get, by name.
    fn named_secrets(&self, kind: Option<&'static Kind>, table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Vec<String> {
        let Some(list) = table.strings("secrets", found) else { return Vec::new() };
        let runs = |kind: &Kind| kind.keys.iter().any(|key| key.name == "run");
        if let Some(kind) = kind.filter(|kind| !runs(kind)) {
            let message = format!("`{}` has no command that could get a secret", kind.name);
            let help = self.list(runs).map(|names| format!("kinds that have: {names}"));
            found.push(Diagnostic::error("E314", message).at(table.find("secrets"), "").help_if(help));
        }
        let mut names: Vec<String> = Vec::new();
        for (name, node) in list {
            let mut refuse = |message: String, help: Option<String>| {
                found.push(Diagnostic::error("E314", message).at(node.span.clone(), "").help_if(help));
            };
            if !self.secrets.places.contains_key(name) {
                let help = match nearest(name, self.secrets.places.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("declare it: [secrets] {} = {{ env = \"NAME\" }}", literal(name)),
                };
                refuse(format!("there is no secret `{}`", literal(name)), Some(help));
            } else if names.iter().any(|known| known == name) {
                refuse(format!("the secret `{name}` is there twice"), None);
            } else if !self.own.is_empty() && self.vars.iter().any(|var| var.name.as_str() == name) {
                let help = "both reach the command as environment under their names: give one of them another";
                refuse(format!("`{name}` is the name of a variable of this group as well"), Some(help.to_owned()));
            } else {
                names.push(name.to_owned());
            }
        }
        names
    }
}

/// Whether a key that stays in the table is true.
fn is_true(key: &str, table: &Table<'_>) -> bool {
    table.rest().any(|entry| entry.key == key && entry.node.value() == serde_json::Value::Bool(true))
}

fn retry(table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<Retry> {
    let entry = table.entry("retry")?;
    let mut table = Table::of(&entry.node, "retry", entry.key_span.clone(), found)?;
    let times = table.number("times", 1, MAX_RETRIES, found);
    let times = table.need("times", times, "3", found);
    let delay = duration("delay", &mut table, found).unwrap_or(Duration::from_secs(1));
    if delay > MAX_DELAY {
        let message = format!("`delay` must be at most {}m", MAX_DELAY.as_secs() / 60);
        found.push(Diagnostic::error("E204", message).at(table.find("delay"), ""));
    }
    let text = table.string("backoff", found);
    let backoff = text.and_then(|text| word("backoff", text, BACKOFF, &table, found)).unwrap_or_default();
    table.finish(found);
    Some(Retry { times: times.and_then(|times| u32::try_from(times).ok())?, delay, backoff })
}

/// What `sudo -u` can be given without being taken for something else.
fn is_user(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && name.len() <= 32 && chars.all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
