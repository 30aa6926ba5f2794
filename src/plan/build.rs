//! From a runbook, an inventory and a selection to a plan. Pure: the same request always gives the same plan.
//!
//! Variables: `--set` over host over group over defaults over the runbook. Equal units are kept once, so that a
//! thousand equal hosts cost little more than one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::model::fields::{Context, FieldError, nearest};
use crate::model::host::Host;
use crate::model::id::{HostName, StepId, VarName};
use crate::model::inventory::Inventory;
use crate::model::outcome::Risk;
use crate::model::own_vars::own_values;
use crate::model::plan::{BatchSize, Confirmation, Lane, OnFailure, Plan, Rollout, RunbookRef, UnitSpec};
use crate::model::runbook::{Runbook, StepDecl, VarDecl, Vars};
use crate::model::template::{Placeholder, fill, late, length, placeholders};
use crate::model::visible::literal;
use crate::plan::batches::{cut, sort};
use crate::plan::digest::digest;
use crate::plan::select::{Selection, selected};

/// More hosts than this are confirmed by a phrase.
const MANY_HOSTS: usize = 10;

/// The most bytes that the variables of one host may come to: a program is not started with much more.
const MAX_VARS: usize = 1 << 20;
/// The most bytes that the values of all hosts and steps may come to.
const MAX_VALUES: usize = 64 << 20;

/// What a plan is made from.
#[derive(Debug)]
pub struct Request<'a> {
    /// The runbook.
    pub runbook: &'a Runbook,
    /// The inventory.
    pub inventory: &'a Inventory,
    /// The hosts, in run order.
    pub hosts: Vec<HostName>,
    /// The selector as typed.
    pub selector: String,
    /// `--set name=value`, in the order typed; the last one of a name counts.
    pub sets: Vec<(String, String)>,
    /// `--batch`, in place of the runbook's.
    pub batches: Option<Vec<BatchSize>>,
    /// `--max-fail`, in place of the runbook's.
    pub max_failures: Option<BatchSize>,
    /// `--on-fail`, or what failures do where it was not given; for the steps that do not say it themselves.
    pub on_failure: Option<OnFailure>,
    /// `--only`, `--skip`, `--start-at`.
    pub selection: Selection,
}

/// What must be known of kinds; given by the caller, since plans and kinds do not know each other.
#[derive(Debug, Clone, Copy)]
pub struct Kinds {
    /// What a kind can do to a host; none: there is no such kind.
    pub risk: fn(&str) -> Option<Risk>,
    /// Whether this version can run it.
    pub runs: fn(&str) -> bool,
    /// What is wrong with the fields of a unit of that kind.
    pub check: fn(&str, &Map<String, Value>, Context<'_>) -> Vec<FieldError>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PlanError {
    /// One line.
    pub message: String,
    /// The hosts for which it is so; none: for all.
    pub hosts: Vec<HostName>,
    /// The step, where it is one's.
    pub step: Option<StepId>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl PlanError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hosts: Vec::new(), step: None, hint: None }
    }
}

/// Makes the plan, or says everything that is in its way.
pub fn build(request: &Request<'_>, kinds: &Kinds) -> Result<Plan, Vec<PlanError>> {
    let mut errors = Errors::default();
    check_request(request, kinds, &mut errors);
    check_guards(request, kinds, &mut errors);
    if !errors.list.is_empty() {
        return Err(errors.list);
    }
    let steps = match selected(request.runbook, &request.selection) {
        Ok(steps) => steps,
        Err(found) => {
            return Err(found.into_iter().map(|(message, hint)| PlanError { hint, ..PlanError::new(message) }).collect());
        }
    };
    let salt = request.runbook.name.as_str();
    let hosts = sort(request.runbook.rollout.order, chosen(request), salt);
    let mut units = Units::new(request, &steps);
    let mut accepted = Accepted::default();
    let mut room = Room::default();
    let mut lanes = Vec::new();
    for host in &hosts {
        let vars = variables(request, host, &mut accepted, &mut errors);
        // what is missing was told; each step that uses it would only tell it again
        if vars.len() < request.runbook.vars.len() {
            continue;
        }
        if !room.takes(host, &vars, &mut errors) {
            break;
        }
        let before = units.list.len();
        let indexes = units.of(host, &vars, kinds, &mut errors);
        room.filled(&units.list[before..]);
        lanes.push(Lane { host: (*host).clone(), vars, units: indexes });
    }
    if !errors.list.is_empty() {
        return Err(errors.list);
    }
    let risk = steps.iter().filter_map(|(_, step)| (kinds.risk)(&step.kind)).max();
    let risk = request.runbook.risk.max(risk.unwrap_or(Risk::ReadOnly));
    let rollout = rollout(request, &hosts, risk);
    // what no step of this plan names is asked of nobody
    let uses = |name: &String| units.list.iter().any(|unit| unit.secrets.contains(name));
    let named = request.runbook.secrets.iter().filter(|(name, _)| uses(name));
    let named = named.map(|(name, source)| (name.clone(), source.clone())).collect();
    let mut plan = Plan {
        runbook: RunbookRef {
            name: request.runbook.name.clone(),
            title: request.runbook.title.clone(),
            path: request.runbook.path.clone(),
            sha256: request.runbook.sha256.clone(),
        },
        selector: request.selector.clone(),
        risk,
        phases: request.runbook.phases.clone(),
        batches: cut(&rollout.batches, lanes.len()),
        rollout,
        units: units.list,
        secrets: named,
        confirmation: confirmation(request.runbook.name.as_str(), &hosts, request.inventory, risk),
        lanes,
        digest: String::new(),
    };
    plan.digest = digest(&plan).map_err(|error| vec![PlanError::new(format!("the plan cannot be written down: {error}"))])?;
    Ok(plan)
}

/// How much the values of a plan come to.
#[derive(Default)]
struct Room {
    used: usize,
}

impl Room {
    /// Takes the variables of one host; false where the plan has become too large.
    fn takes(&mut self, host: &Host, vars: &Vars, errors: &mut Errors) -> bool {
        let own: usize = vars.iter().map(|(name, value)| name.len() + length(value)).sum();
        if own > MAX_VARS {
            let message = format!("the variables come to more than {} KiB: no command can be given so much", MAX_VARS / 1024);
            errors.push(PlanError { hosts: vec![host.name.clone()], ..PlanError::new(message) });
        }
        self.used += own;
        let fits = self.used <= MAX_VALUES;
        if !fits {
            let message = format!("the values of all hosts and steps come to more than {} MiB", MAX_VALUES >> 20);
            let hint = Some("give fewer hosts, or shorter values".to_owned());
            errors.push(PlanError { hint, ..PlanError::new(message) });
        }
        fits
    }

    /// Counts what steps were filled in with.
    fn filled(&mut self, units: &[UnitSpec]) {
        for unit in units {
            let own = unit.own_vars.iter().flatten().map(|(_, value)| length(value)).sum::<usize>();
            self.used += own + unit.fields.values().map(length).sum::<usize>();
        }
    }
}

/// Errors, with the hosts of equal ones folded.
#[derive(Default)]
struct Errors {
    list: Vec<PlanError>,
}

impl Errors {
    fn push(&mut self, error: PlanError) {
        let same = |e: &&mut PlanError| e.message == error.message && e.step == error.step && e.hint == error.hint;
        match self.list.iter_mut().find(same) {
            Some(known) => known.hosts.extend(error.hosts.into_iter().filter(|h| !known.hosts.contains(h)).collect::<Vec<_>>()),
            None => self.list.push(error),
        }
    }
}

/// What the inventory asks for and this version does not enforce stops every plan that could change something: a guard
/// that is written down and not held is worse than none.
fn check_guards(request: &Request<'_>, kinds: &Kinds, errors: &mut Errors) {
    let only_looks = |step: &StepDecl| (kinds.risk)(&step.kind) == Some(Risk::ReadOnly);
    if request.runbook.steps.iter().all(only_looks) {
        return;
    }
    for name in &request.hosts {
        if request.inventory.targets.get(name).is_some_and(|targets| !targets.is_empty()) {
            let hint = "only read-only runbooks run on these hosts; without `targets` no load balancer is asked".to_owned();
            let message = "`targets` is in the inventory, and holding a change to it is not built yet";
            errors.push(PlanError { hosts: vec![name.clone()], hint: Some(hint), ..PlanError::new(message) });
        }
    }
}

fn check_request(request: &Request<'_>, kinds: &Kinds, errors: &mut Errors) {
    if request.hosts.is_empty() {
        errors.push(PlanError::new("no host is selected"));
    }
    let mut seen = BTreeSet::new();
    for name in &request.hosts {
        if request.inventory.host(name).is_none() {
            errors.push(PlanError::new(format!("no host `{name}` in the inventory")));
        }
        if !seen.insert(name) {
            errors.push(PlanError::new(format!("host `{name}` is selected twice")));
        }
    }
    for (name, text) in &request.sets {
        let Some(decl) = request.runbook.vars.iter().find(|var| var.name.as_str() == name) else {
            let names = || request.runbook.vars.iter().map(|var| var.name.as_str());
            let hint = match nearest(name, names()) {
                _ if request.runbook.secrets.contains_key(name) => {
                    "it is a secret: on a command line everybody on this machine could read it".to_owned()
                }
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("variables: {}", names().collect::<Vec<_>>().join(", ")),
            };
            let message = format!("--set: runbook `{}` has no variable `{}`", request.runbook.name, literal(name));
            errors.push(PlanError { hint: Some(hint), ..PlanError::new(message) });
            continue;
        };
        if let Err(message) = decl.read(text) {
            errors.push(PlanError::new(format!("--set {name}: {message}")));
        }
    }
    if request.batches.as_ref().is_some_and(Vec::is_empty) {
        errors.push(PlanError::new("--batch: there is no batch"));
    }
    for step in &request.runbook.steps {
        let refuse =
            |message: String, hint: Option<String>| PlanError { step: Some(step.id.clone()), hint, ..PlanError::new(message) };
        if (kinds.risk)(&step.kind).is_none() {
            errors.push(refuse(format!("there is no kind `{}`", literal(&step.kind)), None));
        } else if !(kinds.runs)(&step.kind) {
            let message = format!("step `{}`: this version checks kind `{}` and does not run it", step.id, step.kind);
            errors.push(refuse(message, Some(format!("runbook show {}", request.runbook.name))));
        }
    }
}

fn chosen<'a>(request: &Request<'a>) -> Vec<&'a Host> {
    let index: HashMap<&HostName, &Host> = request.inventory.hosts.iter().map(|host| (&host.name, host)).collect();
    request.hosts.iter().filter_map(|name| index.get(name).copied()).collect()
}

/// What was accepted for a variable before: most hosts have the same values, and a pattern is costly to read.
#[derive(Default)]
struct Accepted {
    known: HashMap<(VarName, String), Result<Value, String>>,
}

impl Accepted {
    fn of(
        &mut self,
        decl: &VarDecl,
        value: &Value,
        accept: fn(&VarDecl, &Value) -> Result<Value, String>,
    ) -> Result<Value, String> {
        let key = (decl.name.clone(), value.to_string());
        self.known.entry(key).or_insert_with(|| accept(decl, value)).clone()
    }
}

/// The runbook's variables with their values on one host.
fn variables(request: &Request<'_>, host: &Host, accepted: &mut Accepted, errors: &mut Errors) -> Vars {
    let mut vars = Vars::new();
    for decl in &request.runbook.vars {
        let name = decl.name.as_str();
        let set = request.sets.iter().rev().find(|(set, _)| set == name);
        let value = match (set, host.vars.get(name), &decl.default) {
            (Some((_, text)), ..) => accepted
                .of(decl, &Value::from(text.as_str()), VarDecl::read_value)
                .map_err(|message| ("--set".to_owned(), message)),
            (None, Some(value), _) => {
                accepted.of(decl, value, VarDecl::accept).map_err(|message| (request.inventory.var_source(host, name), message))
            }
            (None, None, Some(default)) => {
                accepted.of(decl, default, VarDecl::accept).map_err(|message| ("the runbook".to_owned(), message))
            }
            (None, None, None) => {
                let error = PlanError::new(format!("the variable `{name}` has no value"));
                let hint = Some(format!("--set {name}=…, or vars = {{ {name} = … }} in the inventory"));
                errors.push(PlanError { hosts: vec![host.name.clone()], hint, ..error });
                continue;
            }
        };
        match value {
            Ok(value) => drop(vars.insert(name.to_owned(), value)),
            Err((source, message)) => {
                let error = PlanError::new(format!("`{name}` from {source}: {message}"));
                errors.push(PlanError { hosts: vec![host.name.clone()], ..error });
            }
        }
    }
    vars
}

/// The distinct units of all lanes.
struct Units<'r> {
    request: &'r Request<'r>,
    list: Vec<UnitSpec>,
    steps: Vec<StepUnits<'r>>,
}

/// The distinct units of one step, by the values that its placeholders have.
struct StepUnits<'r> {
    n: u32,
    decl: &'r StepDecl,
    names: Vec<String>,
    known: HashMap<String, usize>,
    /// The unit, variables and inventory variables that were checked last, and were fine.
    fine: Option<(usize, Vars, Vars)>,
}

impl<'r> Units<'r> {
    fn new(request: &'r Request<'r>, steps: &[(u32, &'r StepDecl)]) -> Self {
        let names = |decl: &StepDecl| {
            let own = decl.own_vars.iter().flatten().filter_map(|var| var.with.clone());
            let with: Map<String, Value> = own.enumerate().map(|(n, value)| (n.to_string(), value)).collect();
            let all = placeholders(&decl.fields).into_iter().chain(placeholders(&with));
            all.map(|p| p.name).filter(|name| !is_late(name)).collect::<BTreeSet<String>>().into_iter().collect()
        };
        let units =
            |(n, decl): &(u32, &'r StepDecl)| StepUnits { n: *n, decl, names: names(decl), known: HashMap::new(), fine: None };
        Self { request, list: Vec::new(), steps: steps.iter().map(units).collect() }
    }

    fn of(&mut self, host: &Host, vars: &Vars, kinds: &Kinds, errors: &mut Errors) -> Vec<usize> {
        let mut indexes = Vec::with_capacity(self.steps.len());
        for step in &mut self.steps {
            let own = match own_vars(step.decl, host, vars) {
                Ok(own) => own,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            let here = own.as_ref().unwrap_or(vars);
            let values: Vec<Option<Value>> = step.names.iter().map(|name| named(name, host, here)).collect();
            let key = serde_json::to_string(&(values, &own)).unwrap_or_default();
            let index = match step.known.get(&key) {
                Some(index) => *index,
                None => {
                    let Some(mut unit) = unit(step.decl, step.n, here, host, errors) else { continue };
                    unit.on_failure = step.decl.on_failure.or(self.request.on_failure).unwrap_or_default();
                    unit.own_vars.clone_from(&own);
                    self.list.push(unit);
                    step.known.insert(key, self.list.len() - 1);
                    self.list.len() - 1
                }
            };
            indexes.push(index);
            let same = |(unit, vars, own): &(usize, Vars, Vars)| *unit == index && vars == here && *own == host.vars;
            if step.fine.as_ref().is_some_and(same) {
                continue;
            }
            // a kind may read more of a host than its fields, so the same unit is checked on each that differs
            let context = Context { vars: here, host_vars: &host.vars, section: step.decl.section };
            let fields = stood_in(step.decl, &self.list[index].fields, &self.request.runbook.steps);
            let waiting: Vec<Placeholder> = late(&step.decl.fields);
            // a value that stands in for another says nothing of it
            let stands_in = |error: &FieldError| {
                !error.unknown_key && waiting.iter().any(|placeholder| placeholder.path.first() == error.path.first())
            };
            let mut found = (kinds.check)(&step.decl.kind, &fields, context);
            found.retain(|error| !stands_in(error));
            step.fine = found.is_empty().then(|| (index, here.clone(), host.vars.clone()));
            for error in found {
                errors.push(field_error(step.decl, host, &error.path, error.message, error.hint));
            }
        }
        indexes
    }
}

fn field_error(decl: &StepDecl, host: &Host, path: &[String], message: String, hint: Option<String>) -> PlanError {
    let message = format!("step `{}`, {}: {message}", decl.id, path.join("."));
    PlanError { message, hosts: vec![host.name.clone()], step: Some(decl.id.clone()), hint }
}

/// The variables of a group of steps taken in by `use`, with their values for this use and host.
fn own_vars(decl: &StepDecl, host: &Host, vars: &Vars) -> Result<Option<Vars>, PlanError> {
    if decl.own_vars.is_empty() {
        return Ok(None);
    }
    let of_host = |name: &str| named(name, host, &Vars::new());
    own_values(&decl.own_vars, vars, &of_host).map(Some).map_err(|errors| {
        let names: Vec<&str> = errors.iter().map(|error| error.name.as_str()).collect();
        let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let hint = errors.iter().find_map(|error| error.hint.clone());
        field_error(decl, host, &["with".to_owned(), names.join(", ")], text, hint)
    })
}

/// Whether a placeholder is filled in when its step is reached.
fn is_late(name: &str) -> bool {
    name.starts_with("steps.")
}

/// Fields with what earlier steps will have captured stood in for by a value of its type, so that the rest is checked.
fn stood_in<'f>(decl: &StepDecl, fields: &'f Map<String, Value>, steps: &[StepDecl]) -> Cow<'f, Map<String, Value>> {
    if !placeholders(&decl.fields).iter().any(|p| is_late(&p.name)) {
        return Cow::Borrowed(fields);
    }
    let lookup = |name: &str| {
        let (id, value) = name.strip_prefix("steps.")?.split_once('.')?;
        let step = steps.iter().find(|step| step.id.as_str() == id)?;
        step.captured().into_iter().find(|(captured, _)| captured == value).map(|(_, ty)| ty.stand_in())
    };
    fill(fields, &lookup, &[]).map_or(Cow::Borrowed(fields), Cow::Owned)
}

fn unit(decl: &StepDecl, n: u32, vars: &Vars, host: &Host, errors: &mut Errors) -> Option<UnitSpec> {
    let own: Vec<String> = host.vars.keys().map(|name| format!("host.vars.{name}")).collect();
    let names: Vec<&str> = vars.keys().chain(&own).map(String::as_str).collect();
    let waits = placeholders(&decl.fields).iter().any(|p| is_late(&p.name));
    let lookup = |name: &str| {
        // what is filled in later stays as it is written
        if is_late(name) { Some(Value::from(format!("{{{{ {name} }}}}"))) } else { named(name, host, vars) }
    };
    if waits && let Some(name) = vars.iter().find(|(_, value)| value.to_string().contains("{{")).map(|(name, _)| name) {
        // else a value would be read as a placeholder later
        let message = format!("`{name}` contains {{{{, and this step has placeholders that are filled in later");
        errors.push(field_error(decl, host, &[], message, None));
        return None;
    }
    match fill(&decl.fields, &lookup, &names) {
        Ok(fields) => Some(UnitSpec {
            n,
            name: decl.name.clone(),
            phase: decl.phase.clone(),
            when: decl.when.clone(),
            observe: decl.observe,
            optional: decl.optional,
            timeout: decl.timeout,
            scope: decl.scope,
            retry: decl.retry,
            acts_as: decl.acts_as.clone(),
            secrets: decl.secrets.clone(),
            late: waits,
            ..UnitSpec::new(decl.id.clone(), decl.section, &decl.kind, fields)
        }),
        Err(found) => {
            for error in found {
                errors.push(field_error(decl, host, &error.path, error.message, error.hint));
            }
            None
        }
    }
}

/// What a name in a template stands for on a host.
fn named(name: &str, host: &Host, vars: &Vars) -> Option<Value> {
    match name {
        "host.name" => Some(Value::from(host.name.as_str())),
        "host.user" => Some(Value::from(host.user.as_str())),
        "host.address" => Some(Value::from(host.address.as_str())),
        _ => match name.strip_prefix("host.vars.") {
            Some(own) => host.vars.get(own).cloned(),
            None => vars.get(name).cloned(),
        },
    }
}

/// How the hosts are worked through: where production is changed, the canary is at most max(1, 5 %).
fn rollout(request: &Request<'_>, hosts: &[&Host], risk: Risk) -> Rollout {
    let mut rollout = request.runbook.rollout.clone();
    if let Some(batches) = &request.batches {
        rollout.batches.clone_from(batches);
    }
    if let Some(max) = request.max_failures {
        rollout.max_failures = max;
    }
    let most = (hosts.len() / 20).max(1);
    let first = rollout.batches.first().map_or(usize::MAX, |size| size.of(hosts.len()));
    if risk > Risk::ReadOnly && hosts.iter().any(|host| host.protected) && first > most {
        rollout.batches.insert(0, BatchSize::Count(most));
    }
    rollout
}

/// What must be given before the first change, scaled to what can go wrong.
pub fn confirmation(name: &str, hosts: &[&Host], inventory: &Inventory, risk: Risk) -> Confirmation {
    if risk == Risk::ReadOnly {
        return Confirmation::None;
    }
    let mut why = Vec::new();
    let chosen: BTreeSet<&HostName> = hosts.iter().map(|host| &host.name).collect();
    let touched = |group: &&crate::model::inventory::Group| group.hosts.iter().filter(|h| chosen.contains(h)).count();
    let protected: BTreeMap<&str, usize> = inventory
        .groups
        .iter()
        .filter(|group| group.protected)
        .map(|group| (group.name.as_str(), touched(&group)))
        .filter(|(_, count)| *count > 0)
        .collect();
    why.extend(protected.keys().map(|group| format!("group `{group}` is protected")));
    if hosts.len() > MANY_HOSTS {
        why.push(format!("{} hosts are more than {MANY_HOSTS}", hosts.len()));
    }
    for group in inventory.groups.iter().filter(|group| group.hosts.len() >= 3 && !protected.contains_key(group.name.as_str())) {
        let count = touched(&group);
        if count * 2 > group.hosts.len() {
            why.push(format!("{count} of the {} hosts of group `{}` are selected", group.hosts.len(), group.name));
        }
    }
    if risk == Risk::Destructive {
        why.push("the runbook is destructive".to_owned());
    }
    if why.is_empty() {
        return Confirmation::Yes;
    }
    Confirmation::Phrase { phrase: format!("{name} {}", hosts.len()), why: why.join("; ") }
}
