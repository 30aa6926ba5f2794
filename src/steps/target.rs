//! `target`: takes a host out of a load balancer's target group, and puts it back. It is read and checked here, and not
//! run yet.

use std::sync::Arc;

use crate::model::fields::Fields;
use crate::model::op::Op;
use crate::model::outcome::Risk;
use crate::model::plan::Scope;
use crate::model::step::{Evidence, Step, Target as Host, Unreadable, Verdict};
use crate::steps::target_health::read_group;
use crate::steps::{Class, Key, Kind, Parsed};

/// The kind.
pub(crate) static KIND: Kind = Kind {
    name: "target",
    class: Class::Action,
    risk: Risk::Toggles,
    scopes: &[Scope::EachHost],
    acts_as: false,
    runs: false,
    title: "this host leaves a target group, and comes back",
    about: "\
This version loads and checks it and does not run it: a plan with such a step is refused.
Looks at: the health of every target of `group`, from this machine, right before it acts.
Follows: this host's target already is as `to` says: already. Without it fewer than `min_healthy` of the group would be healthy: \
refused.
Would change: to = \"deregistered\" takes this host's target out and waits until it is drained; to = \"registered\" puts it in and \
waits until it is healthy.
Undone: with close = \"when-verified\" the former state is restored once this host is verified; on any other way out it stays as it \
is on purpose, is listed, and the run says what to type.",
    verdicts: &[
        ("registered", "its target is in the group; where it was put in, it is healthy"),
        ("deregistered", "its target is not in the group, and is drained"),
        ("draining", "it is taken out, and open connections end"),
        ("initial", "it is put in, and its first health checks are under way"),
        ("unhealthy", "it is put in, and does not answer its health checks"),
        ("too-few-healthy", "without it fewer than `min_healthy` targets would be healthy"),
        ("no-target", "the inventory names no target of this host in the group"),
        ("theirs", "closing: somebody else has changed it since"),
    ],
    keys: &[
        Key { name: "group", required: true, about: "the name of a [target_groups] table of the inventory" },
        Key { name: "to", required: false, about: "\"deregistered\" (default) or \"registered\"" },
        Key {
            name: "close",
            required: false,
            about: "\"when-verified\" (default): restored once this host is verified; \"always\": on every way out; \"never\": needs \
                    `because`",
        },
        Key { name: "because", required: false, about: "why it is not restored" },
    ],
    parse,
};

fn parse(mut fields: Fields<'_>) -> Parsed {
    let group = read_group(&mut fields);
    fields.word("to", &["deregistered", "registered"]);
    let close = fields.word("close", &["when-verified", "always", "never"]);
    let because = fields.string("because");
    if close == Some("never") && because.is_none() {
        let hint = "because = \"…\": it goes into the timeline";
        fields.error("close", "a target that is not put back needs a reason", Some(hint.to_owned()));
    }
    fields.finish(group.map(|_| Arc::new(Target) as Arc<dyn Step>))
}

#[derive(Debug)]
struct Target;

impl Step for Target {
    fn probes(&self, _target: &Host) -> Vec<Op> {
        Vec::new()
    }

    fn judge(&self, _seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        Err(Unreadable::new("`target` is not built: this version cannot ask a load balancer"))
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
        (KIND.parse)(Fields::new(map, Context { vars: &none, host_vars: &none, section: Section::Step }))
    }

    #[test]
    fn what_is_not_run_is_checked_all_the_same() {
        for fine in [
            json!({"group": "alb"}),
            json!({"group": "alb", "to": "deregistered", "close": "when-verified"}),
            json!({"group": "alb", "to": "registered", "close": "never", "because": "it stays in"}),
        ] {
            assert!(parse(&fine).is_ok(), "{fine}");
        }
        let errors = parse(&json!({"to": "drained", "close": "never", "state": "healthy"}));
        let shown: Vec<String> =
            errors.expect_err("there are errors").iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect();
        let want = [
            "group: `group` is missing",
            "to: `to` cannot be `drained`",
            "close: a target that is not put back needs a reason",
            "state: `state` is no key here",
        ];
        assert_eq!(shown, want);
    }

    #[test]
    fn what_is_not_run_says_so_first() {
        assert!(!KIND.runs);
        assert!(KIND.about.starts_with("This version loads and checks it and does not run it"));
    }
}
