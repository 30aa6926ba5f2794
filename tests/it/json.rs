//! What programs read: every line of real runs against the printed schema, and that the schema says no to wrong ones.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jsonschema::Validator;
use runbook::cli::schema::{What, text};
use runbook::engine::link::Asking;
use runbook::engine::report::Reporter;
use runbook::engine::run::run;
use runbook::model::control::Control;
use runbook::model::event::{Event, EventKind};
use runbook::model::id::{HostName, RunId, StepId};
use runbook::model::op::Exit;
use runbook::model::outcome::HostOutcome;
use runbook::model::time::Timestamp;
use runbook::report::json::Json;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::harness::script::{Run, code, units};
use crate::harness::world::Machine;

fn schema() -> Validator {
    let schema: Value = serde_json::from_str(&text(What::Events).expect("a schema")).expect("JSON");
    jsonschema::draft202012::new(&schema).expect("a schema of its draft")
}

/// The lines that the reporter prints of these events.
fn lines(events: &[Event]) -> Vec<Value> {
    let mut json = Json::new(Vec::new());
    events.iter().for_each(|event| json.on(event).expect("memory"));
    parsed(&json.into_inner())
}

fn parsed(out: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(out).expect("UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'), "every line is ended");
    text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

fn wrong(schema: &Validator, line: &Value) -> Vec<String> {
    schema.iter_errors(line).map(|error| format!("{error}: {line}")).collect()
}

/// Events of the types that no run of these tests emits.
fn further() -> Vec<Event> {
    let host = || HostName::parse("a").expect("a host name");
    let step = || StepId::parse("work").expect("a step id");
    let text = |text: &str| text.to_owned();
    let kinds = vec![
        EventKind::StepOutput { host: host(), step: step(), attempt: 1, stream: text("stdout"), text: text("x"), lossy: false },
        EventKind::DecisionAsked {
            id: text("work"),
            step: Some(step()),
            hosts: vec![host()],
            question: text("go on?"),
            options: vec![text("yes"), text("no")],
            finding: None,
        },
        EventKind::DecisionMade {
            id: text("work"),
            option: text("yes"),
            by: text("ana"),
            via: text("tty"),
            note: Some(text("seen before")),
        },
        EventKind::HostExcluded { host: host(), by: text("ana") },
        EventKind::RollbackStarted { host: host(), steps: vec![step()] },
        EventKind::RollbackFinished { host: host(), outcome: HostOutcome::RolledBack },
        EventKind::RunPaused { reason: text("asked"), by: text("ana") },
        EventKind::RunResumed { by: text("ana") },
        EventKind::Note { by: text("ana"), text: text("x") },
        EventKind::Heartbeat { running: vec![text("a work")] },
    ];
    let run = RunId::parse("abcdef").expect("a run id");
    let event = |(n, kind)| Event { seq: n, ts: Timestamp::from_millis(1_795_000_000_123), run: run.clone(), kind };
    (1_u64..).zip(kinds).map(event).collect()
}

/// Runs that together show every type that a run emits by itself; each with its exit code.
async fn real() -> Vec<(u8, Vec<Event>)> {
    let mut runs = Vec::new();
    let well = || Run::new(vec![("a", Machine::default())], units());
    let mut soaks = well();
    soaks.plan.rollout.soak = Duration::from_secs(10);
    let mut looks = well();
    looks.dry_run = true;
    let dead = Machine { reachable: false, ..Machine::default() };
    let two = Run::new(vec![("a", Machine::default().ending("work", &[Exit::Code { code: 7 }])), ("b", dead)], units());
    let lost = Run::new(vec![("a", Machine { dies_at: Some("work"), ..Machine::default() })], units());
    let refused = Run::new(vec![("a", Machine::default().ending("fit", &[Exit::Code { code: 1 }]))], units());
    let unknown = Machine::default().ending("work", &[Exit::Unknown { why: "no-status".to_owned() }]);
    let unknown = Run::new(vec![("a", unknown)], units());
    let mut declined = well();
    declined.orders = vec![Control::Decline { reason: "no".to_owned() }];
    let mut stopped = well();
    stopped.orders.push(Control::Stop { by: "test".to_owned() });
    for run in [soaks, looks, two, lost, refused, unknown, declined, stopped] {
        let state = run.ends().await;
        runs.push((code(&state), run.world.events()));
    }
    let cancelled = Run::new(vec![("a", Machine::default().ending("proof", &[Exit::Code { code: 1 }]))], units());
    let state = cancelled.cancelled_after(Duration::from_secs(2)).await;
    runs.push((code(&state), cancelled.world.events()));
    runs
}

#[tokio::test(start_paused = true)]
async fn every_line_is_as_the_schema_says() {
    let schema = schema();
    let mut seen = BTreeSet::new();
    for (code, events) in real().await {
        let lines = lines(&events);
        for (n, line) in (1_u64..).zip(&lines) {
            assert_eq!(wrong(&schema, line), Vec::<String>::new());
            assert_eq!((line["seq"].as_u64(), line["run"].as_str()), (Some(n), Some("abcdef")), "{line}");
            seen.insert(line["type"].as_str().expect("a type").to_owned());
        }
        assert_eq!(lines.first().map(|line| &line["type"]), Some(&json!("stream.start")));
        let last = lines.last().expect("a last line");
        assert_eq!((&last["type"], &last["exit_code"]), (&json!("run.finished"), &json!(code)));
    }
    for line in lines(&further()) {
        assert_eq!(wrong(&schema, &line), Vec::<String>::new());
        seen.insert(line["type"].as_str().expect("a type").to_owned());
    }
    assert_eq!(seen, types(), "a type was not seen");
}

/// Every type of the schema.
fn types() -> BTreeSet<String> {
    let schema: Value = serde_json::from_str(&text(What::Events).expect("a schema")).expect("JSON");
    let of_event = schema["$defs"]["Event"]["oneOf"].as_array().expect("the types").clone();
    of_event.iter().filter_map(|kind| kind["properties"]["type"]["const"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_line_without_a_field_or_with_a_wrong_one_is_no_line() {
    let schema = schema();
    let mut one_of_each: BTreeMap<String, Value> = BTreeMap::new();
    for (_, events) in real().await {
        for line in lines(&events) {
            one_of_each.insert(line["type"].to_string(), line);
        }
    }
    assert!(one_of_each.len() > 20, "{:?}", one_of_each.keys());
    // present only where there is something to say
    let optional = [
        ("run.planned", "ticket max_out"),
        ("host.reach", "finding"),
        ("preview.step", "word effects"),
        ("confirm.asked", "phrase"),
        ("step.finished", "exit_code note finding effects"),
        ("host.finished", "finding"),
    ];
    let is_optional = |line: &Value, field: &str| {
        optional.iter().any(|(kind, fields)| line["type"] == *kind && fields.split(' ').any(|name| name == field))
    };
    for line in one_of_each.values() {
        assert_eq!(wrong(&schema, line), Vec::<String>::new());
        let fields: Vec<String> = line.as_object().expect("an object").keys().cloned().collect();
        for field in fields {
            let mut less = line.clone();
            less.as_object_mut().expect("an object").remove(&field);
            assert_eq!(schema.is_valid(&less), is_optional(line, &field), "without {field}: {line}");
            let mut other = line.clone();
            other[&field] = json!({ "no": ["such", "value"] });
            assert!(!schema.is_valid(&other), "{field} is anything: {line}");
        }
        let mut more = line.clone();
        more["from_a_newer_program"] = json!(1);
        assert!(schema.is_valid(&more), "readers skip what they do not know");
    }
    let finished = &one_of_each["\"step.finished\""];
    for (field, value) in
        [("outcome", json!("fine")), ("type", json!("step.done")), ("seq", json!(0)), ("ts", json!("2026-11-21T03:13:25Z"))]
    {
        let mut other = finished.clone();
        other[field] = value;
        assert!(!schema.is_valid(&other), "{other}");
    }
}

/// Output that a test can read while it is written.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A pipe whose reader leaves after so many lines.
struct Closes(usize, Shared);

impl Write for Closes {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                self.1.write(bytes)
            }
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Answers what a run asks, as a person would.
struct Person(mpsc::Sender<Control>);

impl Reporter for Person {
    fn on(&mut self, event: &Event) -> std::io::Result<()> {
        let by = || "ana".to_owned();
        let order = match &event.kind {
            EventKind::ConfirmAsked { .. } => Control::Confirm { by: by(), via: "tty".to_owned() },
            EventKind::DecisionAsked { id, .. } => {
                Control::Answer { id: id.clone(), option: "yes".to_owned(), by: by(), note: None }
            }
            _ => return Ok(()),
        };
        let _ = self.0.try_send(order);
        Ok(())
    }
}

#[tokio::test]
async fn what_is_printed_is_what_is_recorded() {
    let fails = Machine::default().ending("work", &[Exit::Code { code: 7 }]);
    let mut script = Run::new(vec![("a", fails), ("b", Machine::default())], units());
    script.plan.batches = vec![vec![0], vec![1]];
    let (to, control) = mpsc::channel(8);
    let out = Shared::default();
    let mut setup = script.setup(control);
    setup.asking = Asking { can_ask: true, ..Asking::default() };
    setup.reporters = vec![Box::new(Json::new(out.clone())), Box::new(Person(to))];
    let state = run(setup).await.expect("the record holds");
    let printed = parsed(&out.0.lock().expect("not poisoned"));
    assert_eq!(printed, lines(&script.world.events()));
    let schema = schema();
    for line in &printed {
        assert_eq!(wrong(&schema, line), Vec::<String>::new());
    }
    assert!(printed.iter().any(|line| line["type"] == "decision.made"), "the canary failed, and somebody said to go on");
    assert_eq!(code(&state), 1);
}

#[tokio::test]
async fn a_reader_that_leaves_costs_the_run_nothing() {
    let script = Run::new(vec![("a", Machine::default())], units());
    let (to, control) = mpsc::channel(8);
    let out = Shared::default();
    let mut setup = script.setup(control);
    setup.reporters = vec![Box::new(Json::new(Closes(3, out.clone()))), Box::new(Person(to))];
    let state = run(setup).await.expect("the record holds");
    assert_eq!(code(&state), 0);
    assert_eq!(parsed(&out.0.lock().expect("not poisoned")), lines(&script.world.events())[..3]);
    assert_eq!(script.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
}

fn runbook(args: &[&str]) -> std::process::Output {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.args(args).current_dir(dir.path()).env_clear().env("RUNBOOK_STATE_DIR", dir.path().join("state"));
    command.stdin(Stdio::null()).output().expect("it starts")
}

#[test]
fn the_committed_schema_is_the_printed_one() {
    let out = runbook(&["schema", "events"]);
    let printed = String::from_utf8(out.stdout).expect("UTF-8");
    assert!(printed == include_str!("../../schema/events.json"), "runbook schema events > schema/events.json");
}

#[test]
fn what_could_not_be_run_is_told_to_the_program_and_to_the_person() {
    let schema = schema();
    for args in [
        &["run", "nothing", "--hosts", "all", "--output", "json"][..],
        &["close", "abcdef", "-o", "json"],
        &["run", "-o", "json"],
        &["--output=json", "histori"],
    ] {
        let out = runbook(args);
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        let lines = parsed(&out.stdout);
        let [line] = lines.as_slice() else { panic!("{args:?}: {lines:?}") };
        assert_eq!(wrong(&schema, line), Vec::<String>::new());
        assert_eq!((&line["type"], &line["code"]), (&json!("error"), &json!(2)));
        let said = String::from_utf8(out.stderr).expect("UTF-8");
        let message = line["message"].as_str().expect("a message");
        assert!(said.contains(message), "{said:?} does not say {message:?}");
    }
    assert_eq!(runbook(&["run", "nothing", "--hosts", "all"]).stdout, b"", "people are told on standard error");
}
