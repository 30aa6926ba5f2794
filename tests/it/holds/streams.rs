//! What programs read: every line of every command against its printed schema, and how the stream of a run ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use super::fleet::{Fleet, Schemas};

/// Runs it and holds the stream against the promise: `run.finished` is last and has the exit code of the process.
fn run(fleet: &Fleet, schemas: &Schemas, args: &[&str]) -> (i32, Vec<Value>) {
    let (code, lines) = fleet.json(schemas, "events", &[&["run"], args].concat());
    assert_eq!(lines[0]["type"], "stream.start", "{args:?}");
    assert_eq!(lines[0]["sim"], true);
    let last = lines.last().expect("a last line");
    assert_eq!((last["type"].as_str(), &last["exit_code"]), (Some("run.finished"), &json!(code)), "{args:?}");
    untouched_where_refused_or_ended(&lines);
    (code, lines)
}

/// No intent on a host that refused, nothing more of a step on a host that has ended.
fn untouched_where_refused_or_ended(lines: &[Value]) {
    let mut ended: BTreeMap<&str, &str> = BTreeMap::new();
    let mut intended: BTreeSet<&str> = BTreeSet::new();
    for line in lines {
        let (Some(kind), Some(host)) = (line["type"].as_str(), line["host"].as_str()) else { continue };
        if kind.starts_with("step.") {
            assert_eq!(ended.get(host), None, "after its end: {line}");
        }
        match kind {
            "step.intent" => {
                intended.insert(host);
            }
            "host.finished" => {
                ended.insert(host, line["outcome"].as_str().expect("an outcome"));
            }
            _ => {}
        }
    }
    let refused = ended.iter().filter(|(_, outcome)| **outcome == "refused").map(|(host, _)| *host);
    assert_eq!(refused.filter(|host| intended.contains(host)).collect::<Vec<_>>(), Vec::<&str>::new());
}

fn count(lines: &[Value], kind: &str) -> usize {
    lines.iter().filter(|line| line["type"] == kind).count()
}

fn outcomes(lines: &[Value], outcome: &str) -> usize {
    lines.iter().filter(|line| line["type"] == "host.finished" && line["outcome"] == outcome).count()
}

#[test]
fn the_stream_of_every_run_is_as_its_schema_says_and_ends_with_the_exit_code() {
    let schemas = Schemas::printed();
    let well = Fleet::new("sim:3?speed=max");
    assert_eq!(run(&well, &schemas, &["guarded", "--hosts", "all", "--confirm", "guarded 3"]).0, 0);
    assert_eq!(run(&well, &schemas, &["look", "--hosts", "all"]).0, 0);
    assert_eq!(run(&well, &schemas, &["guarded", "--hosts", "all", "--dry-run"]).0, 0);
    assert_eq!(run(&well, &schemas, &["look", "--hosts", "all", "--dry-run", "--detailed-exitcode"]).0, 0);
    assert_eq!(run(&well, &schemas, &["work", "--hosts", "all", "--dry-run", "--detailed-exitcode"]).0, 5);
    assert_eq!(run(&well, &schemas, &["kill-switch", "--hosts", "sim-1", "--yes"]).0, 7);
    let failing = Fleet::new("sim:6?fail=disk:1,exit:1&unreach=auth:1&speed=max");
    assert_eq!(run(&failing, &schemas, &["work", "--hosts", "all", "--confirm", "work 6", "--with-output"]).0, 1);
    let dead = Fleet::new("sim:3?unreach=refused:2,host-key:1&speed=max");
    assert_eq!(run(&dead, &schemas, &["work", "--hosts", "all", "--confirm", "work 3"]).0, 3);
    assert_eq!(run(&dead, &schemas, &["look", "--hosts", "all"]).0, 3);
}

#[test]
fn nothing_is_done_to_a_host_that_refused_or_has_failed() {
    let schemas = Schemas::printed();
    let fleet = Fleet::new("sim:12?fail=exit:5&speed=max");
    let (code, lines) = run(&fleet, &schemas, &["guarded", "--hosts", "all", "--confirm", "guarded 12"]);
    assert_eq!((code, outcomes(&lines, "refused"), outcomes(&lines, "ok")), (6, 5, 7));
    assert_eq!(count(&lines, "step.intent"), 7, "and on the others it is");
    let (code, lines) = run(&fleet, &schemas, &["work", "--hosts", "all", "--confirm", "work 12"]);
    assert_eq!((code, outcomes(&lines, "failed"), outcomes(&lines, "ok")), (1, 5, 7));
    assert_eq!(count(&lines, "step.intent"), 12);
}

#[test]
fn what_is_refused_before_a_run_is_one_error_as_its_schema_says() {
    let schemas = Schemas::printed();
    let fleet = Fleet::new("sim:3?speed=max");
    for args in [
        &["run", "work", "--hosts", "all"][..],
        &["run", "work", "--hosts", "nobody", "--yes"],
        &["run", "nothing", "--hosts", "all"],
        &["run", "work", "--hosts", "all", "--confirm", "work 4"],
        &["hosts", "nobody"],
        &["exec", "nobody", "-o", "json", "--", "true"],
        &["show", "abcdef"],
        &["timeline", "abcdef"],
        &["note", "abcdef", "x"],
        &["close", "abcdef"],
        &["steps", "nothing"],
    ] {
        let said = if args[0] == "exec" { fleet.runbook(args) } else { fleet.runbook(&[args, &["-o", "json"]].concat()) };
        let lines = schemas.lines("error", &said.out);
        let [line] = lines.as_slice() else { panic!("{args:?}: {}", said.out) };
        schemas.lines("events", &said.out);
        assert_eq!((&line["type"], &line["code"], said.code), (&json!("error"), &json!(2), 2), "{args:?}");
    }
}

#[test]
fn what_is_said_of_a_run_afterwards_is_as_its_schemas_say() {
    let schemas = Schemas::printed();
    let fleet = Fleet::new("sim:4?fail=exit:1&unreach=refused:1&speed=max");
    fleet.json(&schemas, "events", &["run", "work", "--hosts", "all", "--confirm", "work 4"]);
    let id = fleet.last_run();
    let one = |what: &str, args: &[&str]| {
        let (code, mut lines) = fleet.json(&schemas, what, args);
        assert_eq!((code, lines.len()), (0, 1), "{args:?}: {lines:?}");
        lines.remove(0)
    };
    let shown = one("show-run", &["show", &id]);
    assert_eq!((&shown["sim"], &shown["exit_code"]), (&json!(true), &json!(1)));
    let failed = shown["hosts"]["failed"][0].as_str().expect("a host that failed").to_owned();
    assert_eq!(one("show-host", &["show", &id, &failed])["sim"], true);
    assert_eq!(one("show-step", &["show", &id, &failed, "work"])["outcome"], "failed");
    assert_eq!(one("timeline", &["timeline", &id])["sim"], true);
    assert_eq!(one("events", &["note", &id, "seen"])["type"], "note");
    assert_eq!(one("history", &["history"])["sim"], true);
    assert_eq!(one("show", &["show", "guarded"])["name"], "guarded");
    let (_, listed) = fleet.json(&schemas, "list", &["list"]);
    let sim: Vec<&Value> = listed.iter().filter(|line| line["last_run"]["sim"] == true).map(|line| &line["name"]).collect();
    assert_eq!((listed.len(), sim), (5, vec![&json!("work")]));
    let (_, kinds) = fleet.json(&schemas, "steps", &["steps"]);
    assert!(kinds.iter().any(|kind| kind["kind"] == "http") && kinds.len() > 10, "{kinds:?}");
    assert_eq!(one("steps", &["steps", "http"])["class"], "check");
    fs::write(fleet.path("runbooks/broken.toml"), "name = \"broken\"\n[[step]]\nid = 1\n").expect("written");
    let (code, wrong) = fleet.json(&schemas, "lint", &["lint"]);
    assert_eq!((code, &wrong[0]["severity"]), (2, &json!("error")));
}

#[test]
fn what_is_closed_is_as_the_schema_says_and_a_warning_says_that_it_is_simulated() {
    let schemas = Schemas::printed();
    let fleet = Fleet::new("sim:2?speed=max");
    let (code, lines) = run(&fleet, &schemas, &["kill-switch", "--hosts", "all", "--yes"]);
    assert_eq!((code, lines.last().map(|line| line["open"].as_array().map(Vec::len))), (7, Some(Some(2))));
    let id = fleet.last_run();
    let listed = fleet.runbook(&["list"]);
    assert!(listed.err.starts_with(&format!("   LEFT OPEN SIM by run {id} (kill-switch)\n")), "{}", listed.err);
    let (code, lines) = fleet.json(&schemas, "events", &["close", &id]);
    assert_eq!((code, count(&lines, "obligation.closed")), (0, 2), "{lines:?}");
    let again = fleet.runbook(&["close", &id, "-o", "json"]);
    assert_eq!((again.code, again.out.as_str()), (0, ""), "nothing is left to say");
}

#[test]
fn hosts_are_told_to_programs_and_by_bare_names() {
    let schemas = Schemas::printed();
    let fleet = Fleet::new("sim:3?unreach=auth:1&speed=max");
    let (code, lines) = fleet.json(&schemas, "hosts", &["hosts"]);
    let names: Vec<&str> = lines.iter().filter_map(|line| line["host"].as_str()).collect();
    assert_eq!((code, names), (0, vec!["sim-1", "sim-2", "sim-3"]));
    assert!(lines.iter().all(|line| line["sim"] == true && line["probe"].is_null()), "{lines:?}");
    let said = fleet.runbook(&["hosts", "-o", "quiet"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "sim-1\nsim-2\nsim-3\n", ""));

    let (code, lines) = fleet.json(&schemas, "hosts", &["hosts", "--probe"]);
    let (up, down): (Vec<&Value>, Vec<&Value>) = lines.iter().partition(|line| line["probe"]["reach"] == "up");
    assert_eq!((code, up.len(), down.len()), (3, 2, 1));
    assert!(up.iter().all(|line| line["probe"]["facts"]["os"] == "Linux" && line["probe"]["skew_ms"].is_i64()), "{up:?}");
    assert!(up.iter().all(|line| line["probe"]["key"]["type"] == "ssh-ed25519"), "{up:?}");
    assert_eq!(
        (&down[0]["probe"]["class"], &down[0]["probe"]["finding"]["code"]),
        (&json!("auth-denied"), &json!("auth-denied"))
    );
    let said = fleet.runbook(&["hosts", "--probe", "-o", "quiet"]);
    let reached: String = up.iter().filter_map(|line| Some(format!("{}\n", line["host"].as_str()?))).collect();
    assert_eq!((said.code, said.out), (3, reached), "{}", said.err);
    let said = fleet.runbook(&["hosts", "--probe"]);
    assert!(said.err.starts_with("SIM simulated hosts"), "{}", said.err);
}

#[test]
fn commands_are_told_to_programs_and_quietly() {
    let schemas = Schemas::printed();
    let fleet = Fleet::new("sim:4?fail=disk:1&unreach=refused:1&speed=max");
    let said = fleet.runbook(&["exec", "all", "-o", "json", "--", "true"]);
    let lines = schemas.lines("exec", &said.out);
    let of = |outcome: &str| lines.iter().filter(|line| line["outcome"] == outcome).collect::<Vec<_>>();
    assert_eq!((said.code, of("ok").len(), of("failed").len(), of("unreachable").len()), (1, 2, 1, 1));
    let (ok, failed, gone) = (of("ok")[0], of("failed")[0], of("unreachable")[0]);
    assert_eq!((&ok["exit_code"], &ok["finding"]), (&json!(0), &Value::Null));
    assert_eq!(ok["stdout"], json!({ "text": "SIM\n", "bytes": 4, "cut": false }));
    assert_eq!((&failed["exit_code"], &failed["finding"]["code"]), (&json!(1), &json!("exit")));
    assert_eq!(failed["stderr"]["text"], "SIM sh: write error: No space left on device\n");
    assert_eq!((&gone["exit_code"], &gone["took_ms"], &gone["finding"]["code"]), (&Value::Null, &Value::Null, &json!("refused")));
    assert_eq!(gone["stdout"], json!({ "text": "", "bytes": 0, "cut": false }));

    let said = fleet.runbook(&["exec", "all", "-o", "quiet", "--", "true"]);
    assert!(said.out.lines().filter(|line| !line.starts_with(' ')).all(|line| line.starts_with("SIM sim-")), "{}", said.out);
    assert!(!said.out.contains(": ok"), "{}", said.out);
    assert_eq!((said.code, said.err.as_str()), (1, "SIM 2 ok, 1 failed, 1 unreachable\n"));
    let well = Fleet::new("sim:2?speed=max");
    let said = well.runbook(&["exec", "all", "-o", "quiet", "--", "true"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "", ""));
    let loud = Fleet::new("sim:1?rate=100000&speed=max");
    let said = loud.runbook(&["exec", "all", "-o", "json", "--", "true"]);
    let lines = schemas.lines("exec", &said.out);
    let stdout = &lines[0]["stdout"];
    assert_eq!((&stdout["cut"], stdout["bytes"].as_u64()), (&json!(true), Some(11_500_000)));
    let text = stdout["text"].as_str().expect("a text");
    assert!(text.contains(" of 11500000 bytes left out …\nSIM sim-1 line "), "what is left out is said in its place");
}
