//! Which steps of a runbook take part: `--only`, `--skip`, `--start-at`. Pre-checks, questions and verification always do.

use crate::model::fields::nearest;
use crate::model::plan::Section;
use crate::model::runbook::{Runbook, StepDecl};
use crate::model::template::{placeholders, reads};
use crate::model::visible::literal;
use crate::model::when::When;

/// The kind that asks somebody: a question is a guard, and no flag but `--approve` answers it.
const QUESTION: &str = "confirm";

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Of the `[[step]]` entries only these; empty: all.
    pub only: Vec<String>,
    /// Of the `[[step]]` entries not these.
    pub skip: Vec<String>,
    /// No `[[step]]` before this one.
    pub start_at: Option<String>,
}

/// A step and its number in the runbook.
pub type Numbered<'r> = (u32, &'r StepDecl);

/// What is wrong with a selection, and what to do about it.
pub type Refusal = (String, Option<String>);

/// The steps that take part, with their numbers in the runbook, or what is wrong with the selection.
pub fn selected<'r>(runbook: &'r Runbook, selection: &Selection) -> Result<Vec<Numbered<'r>>, Vec<Refusal>> {
    let numbered: Vec<(u32, &StepDecl)> = (1..).zip(&runbook.steps).collect();
    let mut errors = Vec::new();
    let named = [("--only", &selection.only), ("--skip", &selection.skip)];
    let named = named.iter().flat_map(|(flag, ids)| ids.iter().map(move |id| (*flag, id)));
    for (flag, id) in named.chain(selection.start_at.iter().map(|id| ("--start-at", id))) {
        errors.extend(check(flag, id, runbook));
    }
    for id in selection.only.iter().filter(|id| selection.skip.contains(id)) {
        let message = format!("--only and --skip both name `{}`", literal(id));
        errors.push((message, Some("leave one of them out".to_owned())));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let is = |step: &StepDecl, id: &String| step.id.as_str() == id;
    let from = selection.start_at.as_ref().and_then(|id| numbered.iter().position(|(_, step)| is(step, id)));
    let takes_part = |at: usize, step: &StepDecl| {
        step.section != Section::Step
            || step.kind == QUESTION
            || (from.is_none_or(|from| at >= from)
                && (selection.only.is_empty() || selection.only.iter().any(|id| is(step, id)))
                && !selection.skip.iter().any(|id| is(step, id)))
    };
    let (kept, left): (Vec<_>, Vec<_>) = numbered.iter().copied().enumerate().partition(|(at, (_, step))| takes_part(*at, step));
    for (_, (_, step)) in &kept {
        for (_, (_, left)) in left.iter().filter(|(_, (_, left))| depends(step, left) || lacks(step, left, &kept)) {
            let id = &left.id;
            let message = format!("step `{}` depends on `{id}`, which is left out", step.id);
            errors.push((message, Some(format!("leave out `{}` as well, or keep `{id}`", step.id))));
        }
    }
    if errors.is_empty() { Ok(kept.into_iter().map(|(_, step)| step).collect()) } else { Err(errors) }
}

fn check(flag: &str, id: &str, runbook: &Runbook) -> Option<Refusal> {
    match runbook.steps.iter().find(|step| step.id.as_str() == id) {
        Some(step) if step.kind == QUESTION => {
            Some((format!("{flag}: `{id}` asks somebody: it always takes part"), Some(format!("--approve {id} says yes"))))
        }
        Some(step) if step.section == Section::Step => None,
        Some(step) => Some((
            format!("{flag}: `{id}` is a [[{}]]: these always take part", step.section.word()),
            Some(format!("name one of the [[step]] entries: runbook show {}", runbook.name)),
        )),
        None => {
            let ids = runbook.steps.iter().filter(|step| step.section == Section::Step).map(|step| step.id.as_str());
            let hint = match nearest(id, ids.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("steps: {}", ids.collect::<Vec<_>>().join(", ")),
            };
            Some((format!("{flag}: runbook `{}` has no step `{}`", runbook.name, literal(id)), Some(hint)))
        }
    }
}

/// Whether a step reads what another came to, in its condition or in a placeholder.
fn depends(step: &StepDecl, other: &StepDecl) -> bool {
    let id = other.id.as_str();
    let condition = step.when.as_deref().and_then(|text| When::parse(text).ok());
    let in_condition = condition.is_some_and(|when| {
        when.names().iter().any(|name| matches!(name.parts.as_slice(), [steps, named, ..] if steps == "steps" && named == id))
    });
    let late = format!("steps.{id}.");
    in_condition || placeholders(&step.fields).iter().any(|p| p.name.starts_with(&late))
}

/// Whether a command of a step reads a variable that only a step captures which is left out: `rm -r "$dir/old"` without
/// its `dir` is another command.
fn lacks(step: &StepDecl, left: &StepDecl, kept: &[(usize, Numbered<'_>)]) -> bool {
    let captures = |step: &StepDecl, name: &str| step.captured().iter().any(|(own, _)| own == name);
    let is_read = |name: &str| reads(&step.fields, name) && !kept.iter().any(|(_, (_, kept))| captures(kept, name));
    left.captured().iter().any(|(name, _)| is_read(name))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Selection, selected};
    use crate::model::runbook::Runbook;

    fn step(id: &str, section: &str, fields: Value) -> Value {
        json!({"id": id, "section": section, "kind": "exec", "observe": false, "optional": false, "timeout": null, "scope": "each-host",
            "secrets": [], "tags": [], "fields": fields})
    }

    fn runbook(steps: Vec<Value>) -> Runbook {
        let rollout = serde_json::to_value(crate::model::plan::Rollout::default()).expect("JSON");
        let text = json!({"name": "x", "title": "x", "risk": "restarts", "vars": [], "rollout": rollout, "phases": [],
            "steps": steps, "path": "x.toml", "sha256": ""});
        serde_json::from_value(text).expect("a runbook")
    }

    fn skipping(book: &Runbook, id: &str) -> Result<usize, Vec<String>> {
        let selection = Selection { skip: vec![id.to_owned()], ..Selection::default() };
        let told = |errors: Vec<super::Refusal>| errors.into_iter().map(|(message, _)| message).collect();
        selected(book, &selection).map(|kept| kept.len()).map_err(told)
    }

    #[test]
    fn a_command_is_not_run_without_the_value_that_a_step_left_out_captures() {
        let find = || step("find", "step", json!({"run": "readlink x", "capture": {"dir": {"from": "stdout:trim"}}}));
        let wipe = || step("wipe", "step", json!({"run": "rm -r \"$dir/old\""}));
        let book = runbook(vec![find(), wipe()]);
        assert_eq!(skipping(&book, "find"), Err(vec!["step `wipe` depends on `find`, which is left out".to_owned()]));
        assert_eq!(skipping(&book, "wipe"), Ok(1));
        let other = step("other", "precheck", json!({"run": "pwd", "capture": {"dir": {"from": "stdout:trim"}}}));
        assert_eq!(skipping(&runbook(vec![other, find(), wipe()]), "find"), Ok(2), "another step captures it");
    }
}
