//! The `when` of a step: it reads, names what there is, and compares what can be compared.

use std::ops::Range;

use serde_json::Value;

use crate::load::diagnostic::Diagnostic;
use crate::load::step::Read;
use crate::model::fields::nearest;
use crate::model::outcome::Outcome;
use crate::model::plan::Section;
use crate::model::runbook::{VarDecl, VarType};
use crate::model::visible::literal;
use crate::model::when::{Lookup, Name, Truth, When};

/// The most ways that a condition is tried in.
const MAX_CASES: usize = 2_000;

/// A message and what to write instead.
type Wrong = (String, Option<String>);

/// Checks the condition of the step at `at`.
pub(super) fn check(steps: &[Read<'_>], at: usize, found: &mut Vec<Diagnostic>) {
    let step = &steps[at];
    let Some(text) = &step.decl.when else { return };
    let Some(node) = step.node.entries().and_then(|list| list.iter().find(|e| e.key == "when")).map(|e| &e.node) else {
        return;
    };
    let place = |part: &Range<usize>| step.frame.source.inside(node, part);
    let when = match When::parse(text) {
        Ok(when) => when,
        Err(error) => {
            found.push(Diagnostic::error("E311", error.message).at(place(&error.at), ""));
            return;
        }
    };
    let before = found.len();
    for name in when.names() {
        if let Err((message, help)) = resolve(name, steps, at, &step.frame.vars) {
            found.push(Diagnostic::error("E312", message).at(place(&name.at), "").help_if(help));
        }
    }
    for (name, value, part) in when.compared() {
        if let Some((message, help)) = wrong_word(name, value, steps, &step.frame.vars) {
            found.push(Diagnostic::error("E313", message).at(place(&part), "").help(help));
        }
    }
    if found.len() > before {
        return;
    }
    if let Err(error) = when.judge(&|name| by_default(name, &step.frame.vars, &steps[..at])) {
        found.push(Diagnostic::error("E311", error.message).at(place(&error.at), ""));
    } else if is_never(&when, &step.frame.vars, &steps[..at]) {
        let message = format!("this is never true, so `{}` would never run", step.decl.id);
        let help = "take the step out, or say when it runs";
        found.push(Diagnostic::error("E313", message).at(node.span.clone(), "").help(help));
    }
}

/// Whether a condition is false whatever is found out: with every word that the names in it can come to.
fn is_never(when: &When, vars: &[VarDecl], before: &[Read<'_>]) -> bool {
    let mut closed: Vec<(Vec<&str>, Vec<Lookup>)> = Vec::new();
    for name in when.names() {
        let parts: Vec<&str> = name.parts.iter().map(String::as_str).collect();
        if let Some(words) = words(&parts, vars, before)
            && closed.iter().all(|(known, _)| *known != parts)
        {
            closed.push((parts, words));
        }
    }
    let cases = closed.iter().try_fold(1usize, |all, (_, words)| all.checked_mul(words.len()).filter(|all| *all <= MAX_CASES));
    let Some(cases) = cases else { return false };
    (0..cases).all(|case| {
        let mut rest = case;
        let mut chosen: Vec<(&[&str], &Lookup)> = Vec::new();
        for (parts, words) in &closed {
            chosen.extend(words.get(rest % words.len()).map(|word| (parts.as_slice(), word)));
            rest /= words.len();
        }
        let known = |name: &[&str]| chosen.iter().find(|(parts, _)| *parts == name).map(|(_, word)| (*word).clone());
        when.judge(&|name| known(name).unwrap_or(Lookup::NotKnown)) == Ok(Truth::Known(false))
    })
}

/// Everything that a name can come to, where that is known.
fn words(name: &[&str], vars: &[VarDecl], before: &[Read<'_>]) -> Option<Vec<Lookup>> {
    let texts = |words: Vec<&str>| words.into_iter().map(|word| Lookup::Value(Value::from(word))).collect::<Vec<_>>();
    let mut found = match name {
        ["steps", id, "verdict"] => {
            let kind = before.iter().find(|step| step.decl.id.as_str() == *id)?.kind?;
            texts(kind.verdicts.iter().map(|(word, _)| *word).collect())
        }
        ["steps", _, "outcome"] => texts(Outcome::ALL.iter().map(|outcome| outcome.word()).collect()),
        [var] => {
            let var = vars.iter().find(|decl| decl.name.as_str() == *var)?;
            return match var.ty {
                VarType::Enum => Some(texts(var.values.iter().map(String::as_str).collect())),
                VarType::Bool => Some([true, false].map(|yes| Lookup::Value(Value::Bool(yes))).to_vec()),
                _ => None,
            };
        }
        _ => return None,
    };
    // a step that was skipped came to nothing
    found.push(Lookup::Absent);
    Some(found)
}

/// Whether a name of a condition stands for something.
fn resolve(name: &Name, steps: &[Read<'_>], at: usize, vars: &[VarDecl]) -> Result<(), Wrong> {
    let parts: Vec<&str> = name.parts.iter().map(String::as_str).collect();
    let unknown = || format!("there is no `{name}`");
    let one_of = |words: &str| Some(format!("there is: {words}"));
    match parts.as_slice() {
        ["host", "name" | "tags" | "groups"] | ["host", "vars", _] | ["facts", "os" | "arch" | "user"] => Ok(()),
        ["host", ..] => Err((unknown(), one_of("host.name, host.tags, host.groups, host.vars.NAME"))),
        ["facts", ..] => Err((unknown(), one_of("facts.os, facts.arch, facts.user"))),
        ["steps", id, _] => earlier(id, steps, at),
        ["steps", ..] => Err((unknown(), one_of("steps.ID.outcome, steps.ID.verdict, steps.ID.NAME"))),
        [var] if vars.iter().any(|v| v.name.as_str() == *var) => Ok(()),
        _ => {
            let near = nearest(&name.to_string(), vars.iter().map(|v| v.name.as_str()));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "texts stand in quotes; names are variables, host.*, facts.* and steps.*".to_owned(),
            };
            Err((unknown(), Some(help)))
        }
    }
}

/// Whether a step may be named at `at`: pre-checks and steps may that stand before it.
fn earlier(id: &str, steps: &[Read<'_>], at: usize) -> Result<(), Wrong> {
    let named = |step: &Read<'_>| matches!(step.decl.section, Section::Precheck | Section::Step);
    match steps.iter().position(|step| step.decl.id.as_str() == id) {
        Some(found) if found < at && named(&steps[found]) => Ok(()),
        Some(found) if found < at => Err((format!("a condition cannot name `{id}`: it is a [[verify]]"), None)),
        Some(found) if found == at => Err((format!("the condition of `{id}` names itself"), None)),
        Some(_) => {
            Err((format!("the step `{id}` comes later"), Some("a condition names earlier steps and pre-checks".to_owned())))
        }
        None => {
            let ids = steps[..at].iter().filter(|s| named(s)).map(|s| s.decl.id.as_str());
            let near = nearest(id, ids).map(|near| format!("did you mean `{near}`?"));
            Err((format!("there is no step `{}` before this one", literal(id)), near))
        }
    }
}

/// A word that the named step never says: such a condition would be silently false for ever.
fn wrong_word(name: &Name, value: &Value, steps: &[Read<'_>], vars: &[VarDecl]) -> Option<(String, String)> {
    if let [var] = name.parts.as_slice() {
        let var = vars.iter().find(|decl| decl.ty == VarType::Enum && decl.name.as_str() == var)?;
        let word = value.as_str().filter(|word| var.values.iter().all(|own| own != word))?;
        return Some(never_said(name, word, &var.values.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    let [first, id, what] = name.parts.as_slice() else { return None };
    if first != "steps" {
        return None;
    }
    let word = value.as_str()?;
    let words: Vec<&str> = match what.as_str() {
        "outcome" => Outcome::ALL.iter().map(|outcome| outcome.word()).collect(),
        "verdict" => {
            let step = steps.iter().find(|step| step.decl.id.as_str() == id)?;
            step.kind?.verdicts.iter().map(|(word, _)| *word).collect()
        }
        _ => return None,
    };
    (!words.contains(&word)).then(|| never_said(name, word, &words))
}

fn never_said(name: &Name, word: &str, words: &[&str]) -> (String, String) {
    let help = match nearest(word, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of: {}", words.join(", ")),
    };
    (format!("`{name}` is never `{}`", literal(word)), help)
}

/// What is known of a name before any host is: the types of the variables and of what steps capture.
fn by_default(name: &[&str], vars: &[VarDecl], before: &[Read<'_>]) -> Lookup {
    match name {
        ["host", "name"] => Lookup::Value(Value::from("host")),
        ["host", "tags" | "groups"] => Lookup::Value(Value::Array(Vec::new())),
        ["steps", id, what] => {
            let step = before.iter().find(|step| step.decl.id.as_str() == *id);
            let captured = step.and_then(|step| step.captures.iter().find(|captured| captured.name == *what));
            captured.map_or(Lookup::NotKnown, |captured| Lookup::Value(captured.stand_in.clone()))
        }
        [var] => match vars.iter().find(|v| v.name.as_str() == *var) {
            Some(var) => Lookup::Value(var.default.clone().unwrap_or_else(|| var.stand_in())),
            None => Lookup::Absent,
        },
        _ => Lookup::NotKnown,
    }
}
