//! Files in, values or positioned errors out; and plans made from them.

mod language;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use runbook::load::diagnostic::Diagnostics;
use runbook::load::source::Source;
use runbook::load::{inventory, runbook as loader, source};
use runbook::model::fields::{Context, FieldError, Fields};
use runbook::model::id::HostName;
use runbook::model::inventory::Inventory;
use runbook::model::op::Op;
use runbook::model::outcome::Risk;
use runbook::model::plan::{BatchSize, Confirmation, Plan, Scope, Section};
use runbook::model::runbook::Runbook;
use runbook::model::selector::Selector;
use runbook::model::step::{Evidence, Step, Target, Unreadable, Verdict};
use runbook::plan::build::{Kinds, PlanError, Request, build};
use runbook::plan::select::Selection;
use runbook::steps::{ANYWHERE, Class, Key, Kind, ON_HOSTS, Parsed};
use serde_json::{Map, Value, json};

#[derive(Debug)]
struct Nothing;

impl Step for Nothing {
    fn probes(&self, _target: &Target) -> Vec<Op> {
        Vec::new()
    }

    fn judge(&self, _seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        Err(Unreadable::new("never asked"))
    }
}

fn done(fields: Fields<'_>, step: Option<()>) -> Parsed {
    fields.finish(step).map(|()| Arc::new(Nothing) as Arc<dyn Step>)
}

/// A step that waits by its own keys.
#[derive(Debug)]
struct Patient(Duration);

impl Step for Patient {
    fn probes(&self, _target: &Target) -> Vec<Op> {
        Vec::new()
    }

    fn judge(&self, _seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        Err(Unreadable::new("never asked"))
    }

    fn patience(&self) -> Duration {
        self.0
    }
}

fn look(mut fields: Fields<'_>) -> Parsed {
    let port = fields.need_port("port");
    fields.string("app");
    let stable_for = fields.duration("stable_for").unwrap_or_default();
    fields.finish(port).map(|_| Arc::new(Patient(stable_for)) as Arc<dyn Step>)
}

fn act(mut fields: Fields<'_>) -> Parsed {
    let app = fields.need_string("app");
    fields.bool("hard");
    fields.table("start", |start| {
        start.string("only");
        start.need_string("config")
    });
    done(fields, app.map(drop))
}

fn run(mut fields: Fields<'_>) -> Parsed {
    let run = fields.need_string("run");
    fields.string("unless");
    fields.value("capture");
    done(fields, run.map(drop))
}

fn ask(mut fields: Fields<'_>) -> Parsed {
    let text = fields.need_string("ask");
    fields.bool("each");
    done(fields, text.map(drop))
}

const fn key(name: &'static str) -> Key {
    Key { name, required: false, about: "" }
}

const fn fake(name: &'static str, class: Class, risk: Risk, keys: &'static [Key], parse: fn(Fields<'_>) -> Parsed) -> Kind {
    let verdicts = &[("free", ""), ("owned", "")];
    Kind { name, class, risk, scopes: ANYWHERE, acts_as: true, runs: true, title: "", about: "", verdicts, keys, parse }
}

static LOOK: Kind = fake("look", Class::Check, Risk::ReadOnly, &[key("port"), key("app"), key("stable_for")], look);
static ACT: Kind = Kind {
    scopes: ON_HOSTS,
    acts_as: false,
    ..fake("act", Class::Action, Risk::Restarts, &[key("app"), key("hard"), key("start")], act)
};
static RUN: Kind = fake("run", Class::Action, Risk::Destructive, &[key("run"), key("unless"), key("capture")], run);
/// What is run and only looks.
static REQUIRE: Kind = fake("require", Class::Check, Risk::ReadOnly, &[key("run"), key("capture")], run);
static CONFIRM: Kind = Kind {
    scopes: &[Scope::Controller, Scope::EachHost],
    acts_as: false,
    ..fake("confirm", Class::Wait, Risk::ReadOnly, &[key("ask"), key("each")], ask)
};
/// What this version reads and does not run.
static LATER: Kind = Kind { runs: false, ..fake("later", Class::Action, Risk::Restarts, &[key("app")], act) };
static FAKES: [&Kind; 6] = [&LOOK, &ACT, &RUN, &REQUIRE, &CONFIRM, &LATER];

const KINDS: Kinds = Kinds { risk: fake_risk, runs: |_| true, check: fake_check };

fn fake_risk(name: &str) -> Option<Risk> {
    FAKES.iter().find(|kind| kind.name == name).map(|kind| kind.risk)
}

fn fake_check(name: &str, fields: &Map<String, Value>, context: Context<'_>) -> Vec<FieldError> {
    let kind = FAKES.iter().find(|kind| kind.name == name).expect("a fake kind");
    (kind.parse)(Fields::new(fields, context)).err().unwrap_or_default()
}

fn broken() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

fn inventory_of(text: &str) -> Result<Inventory, Diagnostics> {
    let source = source::decode(Path::new("etc/inventory.toml"), text.as_bytes().to_vec())?;
    inventory::from_source(&source, Some(Path::new("/home/me")))
}

fn runbook_of(name: &str, text: &str) -> Result<Runbook, Diagnostics> {
    let path = PathBuf::from(format!("{name}.toml"));
    let source = source::decode(&path, format!("name = \"{name}\"\ntitle = \"t\"\n{text}").into_bytes())?;
    loader::from_source(&source, &FAKES).0
}

/// A file that a broken one takes steps from.
fn beside(path: &Path) -> Result<Source, Diagnostics> {
    match fs::read(broken().join(path)) {
        Ok(bytes) => source::decode(path, bytes),
        Err(_) => source::read(path),
    }
}

/// Everything that is told of a file, as on a pipe and as on a terminal.
fn told(file: &Path) -> String {
    let name = PathBuf::from(file.file_name().expect("a file"));
    let bytes = fs::read(file).expect("a readable file");
    let lists: Vec<Diagnostics> = match source::decode(&name, bytes) {
        Err(errors) => vec![errors],
        Ok(source) if name.to_string_lossy().starts_with("inventory") => {
            inventory::from_source(&source, None).err().into_iter().collect()
        }
        Ok(source) => {
            let (runbook, warnings) = loader::from_sources(&source, &FAKES, &beside);
            runbook.err().into_iter().chain([warnings]).collect()
        }
    };
    let lines: String = lists.iter().map(Diagnostics::lines).collect();
    let drawn: String = lists.iter().map(|list| list.drawn(false)).collect();
    assert!(!lines.is_empty(), "{}: nothing is told of it", file.display());
    let trimmed: Vec<&str> = drawn.lines().map(str::trim_end).collect();
    format!("{lines}\n{}", trimmed.join("\n"))
}

#[test]
fn broken_files_are_told_with_places() {
    let files = source::list(&broken()).expect("the folder");
    assert_eq!(files.len(), 20);
    for file in files {
        let stem = file.file_stem().expect("a name").to_string_lossy().into_owned();
        insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(format!("broken-{stem}"), told(&file));
        });
    }
}

#[test]
fn only_regular_files_of_a_bounded_size_are_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let why = |path: &Path| {
        let began = Instant::now();
        let errors = loader::load(path).expect_err("refused");
        assert!(began.elapsed() < Duration::from_secs(5), "it hung");
        errors.list.iter().map(|d| d.message.replace(&dir.path().display().to_string(), "DIR")).collect::<Vec<_>>()
    };
    let fifo = dir.path().join("fifo.toml");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs");
    assert!(made.success());
    assert_eq!(why(&fifo), ["cannot read DIR/fifo.toml: it is no regular file"]);
    assert_eq!(why(dir.path()), ["cannot read DIR: it is a directory"]);
    assert_eq!(why(&dir.path().join("none.toml")), ["cannot read DIR/none.toml: there is no such file"]);
    let big = dir.path().join("big.toml");
    fs::write(&big, vec![b'#'; (1 << 20) + 1]).expect("written");
    assert_eq!(why(&big), ["cannot read DIR/big.toml: it is larger than 1024 KiB"]);
    fs::write(&big, vec![b'['; 1 << 20]).expect("written");
    assert_eq!(why(&big), ["this is nested too deep"]);
    fs::write(&big, "x\n".repeat(500_000)).expect("written");
    assert_eq!(why(&big).len(), 50);
}

#[test]
fn runbooks_are_found_by_name_and_the_nearest_is_named() {
    let found = loader::find(&broken(), "warnings").expect("found");
    assert_eq!(found, broken().join("warnings.toml"));
    let error = loader::find(&broken(), "warning").expect_err("not found");
    assert_eq!(error.hint.as_deref(), Some("did you mean `warnings`?"));
    assert_eq!(error.message, format!("there is no runbook `warning` in {}", broken().display()));
    assert_eq!(loader::find(&broken(), "x/y.toml"), Ok(PathBuf::from("x/y.toml")));
}

const FLEET: &str = r#"
[defaults]
user = "app"
identity = "~/.ssh/fleet"
known_hosts = ["hosts", "/etc/known"]
vars = { app = "api", size = 1, from = "defaults" }

[hosts.web-2]
address = "10.0.0.2"
tags = ["az-b"]
vars = { from = "host", port = 8080 }
[hosts.web-1]
address = "fe80::1%eth0"
port = 2222
user = "root"
targets = { alb = "i-1" }
[hosts.db]

[groups.old]
hosts = ["@web & tag:az-b"]
port = 24
[groups.web]
hosts = ["web-[1-2]"]
protected = true
port = 23
vars = { from = "group", size = 2 }

[target_groups.alb]
arn = "arn:aws:x"
min_healthy = 2
"#;

#[test]
fn an_inventory_is_resolved_host_over_group_over_defaults() {
    let inventory = inventory_of(FLEET).expect("loads");
    let names: Vec<&str> = inventory.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["web-2", "web-1", "db"], "file order");
    let [web2, web1, db] = inventory.hosts.as_slice() else { panic!("three hosts") };
    assert_eq!((web2.port, web1.port, db.port), (24, 2222, 22));
    assert_eq!((web2.user.as_str(), web1.user.as_str()), ("app", "root"));
    assert_eq!(db.address, "db");
    assert_eq!(web2.identity.as_deref(), Some(Path::new("/home/me/.ssh/fleet")));
    assert_eq!(web2.known_hosts, [PathBuf::from("etc/hosts"), PathBuf::from("/etc/known")]);
    assert_eq!(web2.groups, ["old", "web"]);
    assert!(web2.protected && web1.protected && !db.protected);
    let vars = |host: &runbook::model::host::Host| serde_json::to_value(&host.vars).expect("JSON");
    assert_eq!(vars(web2), json!({"app": "api", "size": 2, "from": "host", "port": 8080}));
    assert_eq!(vars(web1), json!({"app": "api", "size": 2, "from": "group"}));
    assert_eq!(vars(db), json!({"app": "api", "size": 1, "from": "defaults"}));
    assert_eq!(inventory.var_source(web2, "from"), "[hosts.web-2].vars");
    assert_eq!(inventory.var_source(web2, "size"), "[groups.web].vars");
    assert_eq!(inventory.var_source(db, "size"), "[defaults].vars");
    let chosen = inventory.select(&Selector::parse("@web & !tag:az-b").expect("reads")).expect("selects");
    assert_eq!(chosen, [HostName::parse("web-1").expect("a name")]);
    assert_eq!(inventory.target_groups["alb"]["min_healthy"], json!(2));
    assert_eq!(inventory.targets[&web1.name]["alb"], "i-1");
}

const STEPS: &str = r#"
risk = "destructive"
[vars]
app = { type = "string", default = "proxy" }
port = { type = "port", default = 3000 }
free = { type = "duration" }
[rollout]
batches = ["1", "50%", "100%"]
soak = "10s"
[[phase]]
name = "one"
budget = "2m"
[[verify]]
id = "after"
after = "close"
kind = "look"
port = "{{ port }}"
[[verify]]
id = "held"
kind = "look"
port = "{{ port }}"
timeout = "30s"
[[step]]
id = "act"
phase = "one"
kind = "act"
app = "{{ app }}-{{ port }}"
start = { config = "{{ host.vars.from }}" }
when = "steps.first.verdict == 'free' and port > 1000 and 'az-a' in host.tags"
on_failure = "stop-run"
[[precheck]]
id = "first"
kind = "look"
port = "{{ port }}"
app = "{{ free }}"
observe = true
"#;

#[test]
fn a_runbook_is_read_in_the_order_of_a_lane() {
    let runbook = runbook_of("steps", STEPS).unwrap_or_else(|errors| panic!("{errors}"));
    let steps: Vec<(&str, Section)> = runbook.steps.iter().map(|step| (step.id.as_str(), step.section)).collect();
    let want =
        [("first", Section::Precheck), ("act", Section::Step), ("held", Section::Verify), ("after", Section::VerifyAfterClose)];
    assert_eq!(steps, want);
    assert_eq!(runbook.risk, Risk::Destructive, "a claim may be higher than what is computed");
    assert_eq!(runbook.rollout.soak, Duration::from_secs(10));
    assert_eq!(runbook.steps[2].timeout, Some(Duration::from_secs(30)));
    assert_eq!(runbook.steps[1].fields["app"], json!("{{ app }}-{{ port }}"));
}

/// Guards of the inventory that are not held yet, and stop plans that could change something.
const GUARDS: &str = "targets = { alb = \"i-1\" }\n";

fn planned(inventory: &str, selector: &str, sets: &[(&str, &str)], text: &str) -> Result<Plan, Vec<PlanError>> {
    planned_as_is(&inventory.replace(GUARDS, ""), selector, sets, text)
}

fn planned_as_is(inventory: &str, selector: &str, sets: &[(&str, &str)], text: &str) -> Result<Plan, Vec<PlanError>> {
    let inventory = inventory_of(inventory).unwrap_or_else(|errors| panic!("{errors}"));
    let runbook = runbook_of("steps", text).unwrap_or_else(|errors| panic!("{errors}"));
    let hosts = Selector::parse(selector).and_then(|s| inventory.select(&s)).expect("selects");
    let request = Request {
        runbook: &runbook,
        inventory: &inventory,
        hosts,
        selector: selector.to_owned(),
        sets: sets.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        batches: None,
        max_failures: None,
        on_failure: None,
        selection: Selection::default(),
    };
    build(&request, &KINDS)
}

#[test]
fn a_guard_that_is_not_held_yet_stops_every_plan_that_could_change_something() {
    let errors = planned_as_is(FLEET, "all", &[], &step("act", "app = \"x\"")).expect_err("refused");
    let told: Vec<String> = errors.iter().map(|error| format!("{:?} {}", error.hosts, error.message)).collect();
    assert_eq!(told, ["[\"web-1\"] `targets` is in the inventory, and holding a change to it is not built yet"]);
    assert!(planned_as_is(FLEET, "all", &[], &step("look", "port = 1")).is_ok(), "looking needs no guard");
    assert!(planned_as_is(FLEET, "web-2", &[], &step("act", "app = \"x\"")).is_ok(), "its other hosts are free");
}

#[test]
fn a_plan_resolves_variables_per_host_and_keeps_equal_units_once() {
    let plan = planned(FLEET, "all", &[("free", "5s"), ("app", "web")], STEPS).expect("a plan");
    let vars: Vec<Value> = plan.lanes.iter().map(|lane| serde_json::to_value(&lane.vars).expect("JSON")).collect();
    let want = [
        json!({"app": "web", "port": 8080, "free": "5s"}),
        json!({"app": "web", "port": 3000, "free": "5s"}),
        json!({"app": "web", "port": 3000, "free": "5s"}),
    ];
    assert_eq!(vars, want);
    let units: Vec<&[usize]> = plan.lanes.iter().map(|lane| lane.units.as_slice()).collect();
    assert_eq!(units, [[0, 1, 2, 3], [4, 5, 6, 7], [4, 8, 6, 7]]);
    let shown: Vec<(u32, &str, Value)> =
        plan.units.iter().map(|unit| (unit.n, unit.step.as_str(), Value::Object(unit.fields.clone()))).collect();
    assert_eq!(shown[1], (2, "act", json!({"app": "web-8080", "start": {"config": "host"}})));
    assert_eq!(shown[4], (1, "first", json!({"port": 3000, "app": "5s"})));
    assert_eq!(plan.batches, [vec![0], vec![1], vec![2]], "half of three, rounded down");
    let phrase = "steps 3".to_owned();
    let why = "group `web` is protected; the runbook is destructive".to_owned();
    assert_eq!(plan.confirmation, Confirmation::Phrase { phrase, why });
    assert_eq!(plan.digest.len(), 64);
    assert_eq!(planned(FLEET, "all", &[("app", "web"), ("free", "5s")], STEPS).expect("a plan").digest, plan.digest);
    assert_ne!(planned(FLEET, "all", &[("app", "web"), ("free", "6s")], STEPS).expect("a plan").digest, plan.digest);
    let back: Plan = serde_json::from_str(&serde_json::to_string(&plan).expect("JSON")).expect("a plan");
    assert_eq!(back, plan);
}

#[test]
fn what_is_in_the_way_of_a_plan_names_host_and_source() {
    let why = |fleet: &str, sets: &[(&str, &str)]| {
        let errors = planned(fleet, "all", sets, STEPS).expect_err("no plan");
        let hosts = |e: &PlanError| e.hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(",");
        errors.iter().map(|e| format!("{} [{}] {}", e.message, hosts(e), e.hint.as_deref().unwrap_or("-"))).collect::<Vec<_>>()
    };
    let unset = "the variable `free` has no value [web-2,web-1,db] --set free=…, or vars = { free = … } in the inventory";
    assert_eq!(why(FLEET, &[]), [unset]);
    let want = [
        "--set: runbook `steps` has no variable `prot` [] did you mean `port`?",
        "--set port: `http` is not a port from 1 to 65535 [] -",
    ];
    assert_eq!(why(FLEET, &[("prot", "1"), ("port", "http")]), want);
    let wrong = FLEET.replace("port = 8080", "port = \"x\"").replace("size = 1", "size = 1, free = \"soon\"");
    let want = [
        "`port` from [hosts.web-2].vars: `x` is not a port from 1 to 65535 [web-2] -",
        "`free` from [defaults].vars: `soon` is not a duration: write it as 250ms, 20s, 2m, 1h or 1h30m [web-2,web-1,db] -",
    ];
    assert_eq!(why(&wrong, &[]), want);
    let absent = FLEET.replace("from = \"defaults\"", "x = 1");
    let want = "step `act`, start.config: there is no `host.vars.from` here [db] set it in the inventory";
    assert_eq!(why(&absent, &[("free", "1s")]), [want]);
    let empty = FLEET.replace("from = \"defaults\"", "from = \"\"");
    assert_eq!(why(&empty, &[("free", "1s")]), ["step `act`, start.config: `config` is empty [db] -"]);
}

/// So many equal hosts in one group, and one host outside.
fn fleet(count: usize, protected: bool) -> String {
    let hosts: String = (1..=count).map(|n| format!("[hosts.web-{n:02}]\n")).collect();
    format!("[defaults]\nuser = \"app\"\n{hosts}[hosts.db]\n[groups.web]\nhosts = [\"web-*\"]\nprotected = {protected}\n")
}

fn step(kind: &str, keys: &str) -> String {
    format!("[[step]]\nid = \"x\"\nkind = \"{kind}\"\n{keys}\n")
}

#[test]
fn batches_are_cut_from_all_hosts_and_the_last_size_repeats() {
    let sizes = |count: usize, protected: bool, batches: &str, body: &str| {
        let text = format!("[rollout]\nbatches = {batches}\n{body}");
        let plan = planned(&fleet(count, protected), "web-*", &[], &text).expect("a plan");
        assert_eq!(plan.batches.concat(), (0..count).collect::<Vec<_>>());
        plan.batches.iter().map(Vec::len).collect::<Vec<_>>()
    };
    let act = step("act", "app = \"x\"");
    assert_eq!(sizes(6, false, r#"["1", "50%", "100%"]"#, &act), [1, 3, 2]);
    assert_eq!(sizes(6, false, r#"["1"]"#, &act), [1; 6]);
    assert_eq!(sizes(7, false, r#"["2", "30%"]"#, &act), [2, 2, 2, 1]);
    assert_eq!(sizes(6, false, r#"["100%"]"#, &act), [6]);
    assert_eq!(sizes(6, true, r#"["100%"]"#, &act), [1, 5], "production has a canary");
    assert_eq!(sizes(40, true, r#"["50%"]"#, &act), [2, 20, 18]);
    assert_eq!(sizes(6, true, r#"["100%"]"#, &step("look", "port = 1")), [6], "looking needs none");
}

#[test]
fn the_confirmation_is_scaled_to_the_risk() {
    let ask = |count: usize, protected: bool, selector: &str, body: &str| {
        planned(&fleet(count, protected), selector, &[], body).expect("a plan").confirmation
    };
    let phrase = |phrase: &str, why: &str| Confirmation::Phrase { phrase: phrase.to_owned(), why: why.to_owned() };
    let (look, act, wipe) = (step("look", "port = 1"), step("act", "app = \"x\""), step("run", "run = \"true\""));
    assert_eq!(ask(12, true, "all", &look), Confirmation::None);
    assert_eq!(ask(6, false, "web-[01-03]", &act), Confirmation::Yes);
    assert_eq!(ask(2, false, "web-*", &act), Confirmation::Yes, "a group of two has no majority to protect");
    assert_eq!(ask(6, false, "web-[01-04]", &act), phrase("steps 4", "4 of the 6 hosts of group `web` are selected"));
    assert_eq!(ask(6, true, "web-01", &act), phrase("steps 1", "group `web` is protected"));
    assert_eq!(ask(6, true, "db", &act), Confirmation::Yes);
    assert_eq!(ask(30, false, "web-[01-11]", &act), phrase("steps 11", "11 hosts are more than 10"));
    assert_eq!(ask(6, false, "db", &wipe), phrase("steps 1", "the runbook is destructive"));
}

#[test]
fn flags_take_the_place_of_the_rollout() {
    let inventory = inventory_of(&fleet(4, false)).expect("loads");
    let runbook = runbook_of("steps", &step("act", "app = \"x\"")).expect("loads");
    let hosts = inventory.hosts.iter().map(|host| host.name.clone()).collect();
    let batches = Some(vec![BatchSize::Count(3)]);
    let selector = "all".to_owned();
    let request = Request {
        runbook: &runbook,
        inventory: &inventory,
        hosts,
        selector,
        sets: Vec::new(),
        batches,
        max_failures: Some(BatchSize::Count(2)),
        on_failure: None,
        selection: Selection::default(),
    };
    let plan = build(&request, &KINDS).expect("a plan");
    assert_eq!(plan.batches, [vec![0, 1, 2], vec![3, 4]]);
    assert_eq!(plan.rollout.max_failures, BatchSize::Count(2));
    let none = BTreeMap::<String, Value>::new();
    assert_eq!(plan.lanes[0].vars, none);
}
