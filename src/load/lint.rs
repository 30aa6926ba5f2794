//! What a runbook may do but should not: warnings, each with what to write instead.

use serde_json::Value;

use crate::load::diagnostic::Diagnostic;
use crate::load::document::{Node, Tree, inside};
use crate::load::step::Read;
use crate::model::plan::Section;
use crate::model::template::SHELL_KEYS;
use crate::steps::Class;

/// Shell that went wrong before: what it contains, what is wrong, what to do.
const SHELL: &[(&str, &[&str], &str, &str)] = &[
    (
        "W301",
        &["killall ", "pkill "],
        "this ends every process of that name, also those of others",
        "end one pid that a check has named",
    ),
    (
        "W302",
        &["pm2 save --force", "pm2 dump --force"],
        "this can save an empty list over a good one",
        "use kind = \"pm2\" with save = true",
    ),
    (
        "W303",
        &["pm2 restart all", "pm2 stop all", "pm2 delete all", "pm2 reload all", "pm2 kill"],
        "this touches apps that are none of ours",
        "name the app: kind = \"pm2\" with app = \"…\"",
    ),
    (
        "W304",
        &["--namespace"],
        "outside `pm2 start` this does not scope: `restart all --namespace X` moves every app into X",
        "use kind = \"pm2\" with namespace = \"…\"",
    ),
];

/// Warns.
pub(super) fn warn(steps: &[Read<'_>], text: &str, found: &mut Vec<Diagnostic>) {
    let acts = |step: &&Read<'_>| step.kind.is_some_and(|kind| kind.class == Class::Action);
    let verified = steps.iter().any(|step| matches!(step.decl.section, Section::Verify | Section::VerifyAfterClose));
    if let (Some(step), false) = (steps.iter().find(acts), verified) {
        let at = step.node.find(&["kind".to_owned()], false).unwrap_or(step.node.span.clone());
        let message = "this changes something, and nothing verifies it afterwards";
        found.push(Diagnostic::warning("W305", message).at(at, "").help("add a [[verify]]"));
    }
    for step in steps {
        for entry in step.node.entries().unwrap_or_default() {
            if SHELL_KEYS.contains(&entry.key.as_str()) {
                shell(&entry.node, text, found);
            } else {
                localhost(&entry.node, text, found);
            }
        }
    }
}

fn shell(node: &Node, text: &str, found: &mut Vec<Diagnostic>) {
    let Tree::Plain(Value::String(script)) = &node.tree else { return };
    for (code, words, message, help) in SHELL {
        let hit = words.iter().find_map(|word| Some((script.find(word)?, word.len())));
        if let Some((at, length)) = hit
            && !(*code == "W304" && script.contains("pm2 start"))
        {
            found.push(Diagnostic::warning(code, *message).at(inside(text, node, &(at..at + length)), "").help(*help));
        }
    }
}

/// A name that resolves to two addresses, one of which may be somebody else's.
fn localhost(node: &Node, text: &str, found: &mut Vec<Diagnostic>) {
    match &node.tree {
        Tree::Plain(Value::String(url)) => {
            if let Some(at) = url.find("://localhost").map(|at| at + 3) {
                let place = inside(text, node, &(at..at + "localhost".len()));
                let found_here = Diagnostic::warning("W306", "`localhost` can be either of two addresses").at(place, "");
                found.push(found_here.help("write 127.0.0.1 or [::1]"));
            }
        }
        Tree::Plain(_) => {}
        Tree::List(items) => items.iter().for_each(|item| localhost(item, text, found)),
        Tree::Table(entries) => entries.iter().for_each(|entry| localhost(&entry.node, text, found)),
    }
}
