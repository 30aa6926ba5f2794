//! `[secrets]`: where values are that no file may hold. Only the places are read here, never a value.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use crate::load::diagnostic::Diagnostic;
use crate::load::document::{Entry, Table};
use crate::load::source::Source;
use crate::load::vars::name;
use crate::model::id::VarName;
use crate::model::plan::SecretSource;
use crate::model::runbook::VarDecl;
use crate::model::visible::literal;

/// The secrets of a runbook, each with the place of its name.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// Where each one is.
    pub(super) sources: BTreeMap<String, SecretSource>,
    /// Where each one is declared, also those that are declared wrongly.
    pub(super) places: BTreeMap<String, Range<usize>>,
}

/// Reads the declarations. `vars` are the runbook's: both reach commands under their names.
pub(super) fn declarations(entries: &[Entry], source: &Source, vars: &[VarDecl], found: &mut Vec<Diagnostic>) -> Secrets {
    let mut secrets = Secrets::default();
    for entry in entries {
        let secret = name(entry, found);
        secrets.places.insert(entry.key.clone(), entry.key_span.clone());
        if vars.iter().any(|var| var.name.as_str() == entry.key) {
            let message = format!("`{}` is the name of a variable as well", literal(&entry.key));
            let help = "both reach commands as environment under their names: give one of them another";
            found.push(Diagnostic::error("E303", message).at(entry.key_span.clone(), "").help(help));
        }
        if let Some((secret, place)) = secret.zip(place(entry, source, found)) {
            secrets.sources.insert(secret.to_string(), place);
        }
    }
    secrets
}

fn place(entry: &Entry, source: &Source, found: &mut Vec<Diagnostic>) -> Option<SecretSource> {
    let Some(mut table) = Table::of(&entry.node, &entry.key, entry.key_span.clone(), found) else {
        if let Some(last) = found.last_mut() {
            last.help.push("say where it is, such as { env = \"NAME\" }: the secret itself stands in no file".to_owned());
        }
        return None;
    };
    let env = text("env", &mut table, found).and_then(|name| {
        let ok = VarName::parse(name).is_ok();
        if !ok {
            let message = format!("`{}` is no name of an environment variable", literal(name));
            found.push(Diagnostic::error("E204", message).at(table.find("env"), ""));
        }
        ok.then(|| SecretSource::Env(name.to_owned()))
    });
    let file = text("file", &mut table, found).map(|path| SecretSource::File(beside(path, source)));
    let command = command(&mut table, found);
    let written = ["env", "file", "command"].into_iter().filter(|key| table.has(key)).count();
    // a key that is none is told by itself
    if written > 1 || (written == 0 && table.rest().next().is_none()) {
        let message = format!("`{}` must say one place where it is", literal(&entry.key));
        let help = "one of: { env = \"NAME\" }, { file = \"PATH\" }, { command = [\"PROGRAM\", \"ARGUMENT\"] }";
        found.push(Diagnostic::error("E204", message).at(entry.key_span.clone(), "").help(help));
    }
    table.finish(found);
    env.or(file).or(command).filter(|_| written == 1)
}

fn text<'n>(key: &'static str, table: &mut Table<'n>, found: &mut Vec<Diagnostic>) -> Option<&'n str> {
    let text = table.string(key, found)?;
    plain(text, table.find(key), found).then_some(text)
}

fn plain(text: &str, at: Range<usize>, found: &mut Vec<Diagnostic>) -> bool {
    let wrong = match text {
        text if text.contains("{{") => "the place of a secret takes no placeholder",
        text if text.contains('\0') => "this contains a NUL byte",
        _ => return true,
    };
    found.push(Diagnostic::error("E204", wrong).at(at, ""));
    false
}

/// A relative path is relative to the file that names it; whose home `~/` is, is not known here.
fn beside(path: &str, source: &Source) -> PathBuf {
    if path == "~" || path.starts_with("~/") {
        return PathBuf::from(path);
    }
    source.path.parent().map_or_else(|| PathBuf::from(path), |dir| dir.join(path))
}

fn command(table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<SecretSource> {
    let words = table.strings("command", found)?;
    if words.is_empty() {
        let message = "`command` is empty: it is a program and its arguments";
        found.push(Diagnostic::error("E204", message).at(table.find("command"), ""));
        return None;
    }
    let mut fine = words.iter().all(|(word, node)| plain(word, node.span.clone(), found));
    if words.first().is_some_and(|(program, _)| program.is_empty()) {
        found.push(Diagnostic::error("E204", "the name of the program is empty").at(table.find("command"), ""));
        fine = false;
    }
    fine.then(|| SecretSource::Command(words.into_iter().map(|(word, _)| word.to_owned()).collect()))
}
