//! `target-health`: the load balancer's view of a host and of its group. It is read and checked here, and not run yet.

use std::sync::Arc;

use serde_json::Value;

use crate::model::fields::Fields;
use crate::model::op::Op;
use crate::model::outcome::Risk;
use crate::model::step::{Evidence, Step, Target, Unreadable, Verdict};
use crate::model::visible::literal;
use crate::steps::{ANYWHERE, Class, Key, Kind, Parsed, Touches};

/// The kind.
pub(crate) static KIND: Kind = Kind {
    name: "target-health",
    class: Class::Check,
    risk: Risk::ReadOnly,
    scopes: ANYWHERE,
    acts_as: false,
    runs: false,
    touches: Touches::Nothing,
    title: "the load balancer's view of this host and of its group",
    about: "\
This version loads and checks it and does not run it: a plan with such a step is refused.
Looks at: the health of every target of `group`, from this machine, with the reason codes of the load balancer.
Follows: this host's target must be in `state`, `times` looks in a row, and at least `healthy_others` other targets must be \
healthy. A state that is not known is not healthy. An empty or cut list is unreadable, never healthy.
Would change: nothing.
Undone: nothing to undo.",
    verdicts: &[
        ("healthy", "its target is healthy; with `times`, perhaps not often enough yet"),
        ("initial", "it is registered, and its first health checks are under way"),
        ("unhealthy", "it does not answer its health checks"),
        ("draining", "it is being deregistered: open connections end"),
        ("unused", "it is not registered, or gets no traffic where it is"),
        ("unavailable", "the load balancer does not check its health"),
        ("unknown-state", "the load balancer names a state that is not known here"),
        ("no-target", "the inventory names no target of this host in the group"),
        ("too-few-others", "fewer other targets are healthy than `healthy_others`"),
        ("fail-open", "no target of the group is healthy: the load balancer sends traffic to all of them"),
    ],
    keys: &[
        Key { name: "group", required: true, about: "the name of a [target_groups] table of the inventory" },
        Key {
            name: "state",
            required: false,
            about: "the state wanted of this host: healthy, initial, unhealthy, draining, unused or unavailable; default: healthy, \
                    or any where `healthy_others` is given",
        },
        Key {
            name: "healthy_others",
            required: false,
            about: "how many targets but this host's must be healthy: a number, or \"min_healthy\" for that of the group",
        },
        Key { name: "times", required: false, about: "how many looks in a row, 1 to 20; default 1" },
    ],
    parse,
};

/// The states that a load balancer tells.
const STATES: &[&str] = &["healthy", "initial", "unhealthy", "draining", "unused", "unavailable"];

fn parse(mut fields: Fields<'_>) -> Parsed {
    let group = read_group(&mut fields);
    fields.word("state", STATES);
    match fields.value("healthy_others") {
        Some(Value::String(word)) if word == "min_healthy" => {}
        Some(Value::String(_)) => {
            let message = "`healthy_others` must be a number, or \"min_healthy\" for that of the group";
            fields.error("healthy_others", message, None);
        }
        Some(_) => drop(fields.number("healthy_others", 0, 100_000)),
        None => {}
    }
    fields.number("times", 1, 20);
    fields.finish(group.map(|_| Arc::new(TargetHealth) as Arc<dyn Step>))
}

/// The name of a target group. Which ones there are is for the plan to know.
pub(in crate::steps) fn read_group(fields: &mut Fields<'_>) -> Option<String> {
    let group = fields.need_string("group")?;
    if group.len() <= 64 && group.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        return Some(group);
    }
    let hint = "the name of a [target_groups] table of the inventory, of A-Z a-z 0-9 . _ -";
    fields.error("group", format!("`{}` is no name of a target group", literal(&group)), Some(hint.to_owned()));
    None
}

#[derive(Debug)]
struct TargetHealth;

impl Step for TargetHealth {
    fn probes(&self, _target: &Target) -> Vec<Op> {
        Vec::new()
    }

    fn judge(&self, _seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        Err(Unreadable::new("`target-health` is not built: this version cannot ask a load balancer"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::KIND;
    use crate::model::fields::{Context, Fields};
    use crate::model::plan::Section;
    use crate::steps::Parsed;

    fn parse(value: &Value) -> Parsed {
        let none = BTreeMap::new();
        let map = value.as_object().expect("a table");
        (KIND.parse)(Fields::new(map, Context { vars: &none, host_vars: &none, section: Section::Precheck }))
    }

    #[test]
    fn what_is_not_run_is_checked_all_the_same() {
        for fine in [
            json!({"group": "alb"}),
            json!({"group": "alb", "healthy_others": "min_healthy"}),
            json!({"group": "alb", "state": "healthy", "healthy_others": 2, "times": 3}),
        ] {
            assert!(parse(&fine).is_ok(), "{fine}");
        }
        let errors = parse(&json!({"group": "a b", "state": "fine", "healthy_others": "most", "times": 0, "port": 80}));
        let shown: Vec<String> =
            errors.expect_err("there are errors").iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect();
        let want = [
            "group: `a b` is no name of a target group",
            "state: `state` cannot be `fine`",
            "healthy_others: `healthy_others` must be a number, or \"min_healthy\" for that of the group",
            "times: `times` must be from 1 to 20, not 0",
            "port: `port` is no key here",
        ];
        assert_eq!(shown, want);
    }

    #[test]
    fn what_is_not_run_says_so_first() {
        assert!(!KIND.runs);
        assert!(KIND.about.starts_with("This version loads and checks it and does not run it"));
    }
}
