//! What is recorded and what there is, told by commands: in words, as JSON against the printed schema, as bare names.

use std::path::Path;
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use runbook::cli::schema::{What, text};
use runbook::engine::log::Log;
use runbook::journal::store::{Journal, NewRun};
use runbook::model::id::RunId;
use runbook::model::op::Exit;
use serde_json::{Value, json};

use crate::harness::script::{Run, units};
use crate::harness::world::Machine;

const FINE: &str = r#"name = "look"
title = "Is it up?"
about = "Looks, and changes nothing."
risk = "read-only"

[vars]
port = { type = "port", default = 3000, about = "where it listens" }
app = { type = "string" }

[[precheck]]
id = "up"
kind = "http"
url = "http://127.0.0.1:{{ port }}/status"
observe = true

[[precheck]]
id = "tools"
kind = "require"
run = 'test "$app"'
when = "steps.up.outcome == 'ok'"
"#;

/// A place with two runbooks, a broken one of them, and a recorded run.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().expect("a directory") };
        std::fs::create_dir(place.path().join("runbooks")).expect("a directory");
        std::fs::write(place.path().join("runbooks/look.toml"), FINE).expect("a file");
        std::fs::write(place.path().join("runbooks/broken.toml"), "name = \"broken\"\nrisks = 1\n").expect("a file");
        let fails = Machine::default().ending("work", &[Exit::Code { code: 7 }]);
        let dead = Machine { reachable: false, ..Machine::default() };
        let script = Run::new(vec![("a", fails), ("b", dead), ("c", Machine::default())], units());
        script.ends().await;
        let journal = Journal::open(&place.path().join("state")).expect("a journal");
        let (run, events) = (RunId::parse("abcdef").expect("a run id"), script.world.events());
        let plan = serde_json::to_string(&script.plan).expect("a plan");
        let new = NewRun { run: &run, started: events[0].ts, runbook: "look", selector: "all", plan: &plan };
        journal.create_run(&new).expect("a run").append(&events).await.expect("it is recorded");
        place
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Exit code, standard output, standard error.
    fn runbook(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
        command.args(args).current_dir(self.path()).env_clear().env("RUNBOOK_STATE_DIR", self.path().join("state"));
        let out = command.stdin(Stdio::null()).output().expect("it starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8").replace(&self.path().display().to_string(), "PLACE");
        (out.status.code().expect("an exit code"), text(out.stdout), text(out.stderr))
    }

    /// The lines that a command prints as JSON, each held against a schema.
    fn json(&self, args: &[&str], what: What) -> Vec<Value> {
        let (_, out, err) = self.runbook(&[args, &["--output", "json"]].concat());
        let schema: Value = serde_json::from_str(&text(what).expect("a schema")).expect("JSON");
        let schema = jsonschema::draft202012::new(&schema).expect("a schema of its draft");
        let lines = serde_json::Deserializer::from_str(&out).into_iter::<Value>();
        let lines: Vec<Value> = lines.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{error}: {out}{err}"));
        for line in &lines {
            let wrong: Vec<String> = schema.iter_errors(line).map(|error| error.to_string()).collect();
            assert_eq!(wrong, Vec::<String>::new(), "{line}");
        }
        lines
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_shown_as_a_whole_by_host_and_by_step() {
    let place = Place::new().await;
    let told = |args: &[&str]| {
        let (code, out, err) = place.runbook(args);
        assert_eq!((code, err.as_str()), (0, ""), "{args:?}");
        out
    };
    assert_snapshot!("show-run", told(&["show", "abcdef"]));
    assert_eq!(told(&["show", "abcd"]), told(&["show", "last"]));
    assert_snapshot!("show-host", told(&["show", "abcdef", "a"]));
    assert_snapshot!("show-host-unreachable", told(&["show", "abcdef", "b"]));
    assert_snapshot!("show-step", told(&["show", "abcdef", "a", "work"]));
    assert_eq!(told(&["show", "abcdef", "a", "3"]), told(&["show", "abcdef", "a", "work"]), "by its number");

    let run = place.json(&["show", "abcdef"], What::ShowRun);
    assert_eq!((&run[0]["state"], &run[0]["hosts"]["unreachable"]), (&json!("failed"), &json!(["b"])));
    let host = place.json(&["show", "abcdef", "a"], What::ShowHost);
    assert_eq!((&host[0]["outcome"], &host[0]["steps"][2]["id"]), (&json!("failed"), &json!("work")));
    let step = place.json(&["show", "abcdef", "a", "work"], What::ShowStep);
    let whats: Vec<&str> = step[0]["events"].as_array().expect("events").iter().filter_map(|e| e["what"].as_str()).collect();
    let judged = ["seen", "judged"];
    let want = [&judged[..], &["preview", "started"], &judged, &["intent", "seen"], &judged, &["finished"]].concat();
    assert_eq!(whats, want);

    let (code, _, err) = place.runbook(&["show", "abcdef", "z"]);
    assert_eq!((code, err.lines().next()), (2, Some("error: host `z` is not part of run abcdef")));
    let (code, _, err) = place.runbook(&["show", "abcdef", "a", "nap"]);
    assert_eq!(code, 2);
    assert!(err.contains("its steps are: 1 fit, 2 switch-off, 3 work, 4 proof"), "{err}");
    let (code, _, err) = place.runbook(&["show", "abcdee"]);
    assert_eq!((code, err.lines().next()), (2, Some("error: there is no run `abcdee`")));
}

#[tokio::test(start_paused = true)]
async fn a_runbook_is_explained_and_a_broken_one_shows_its_errors() {
    let place = Place::new().await;
    let (code, out, _) = place.runbook(&["show", "look"]);
    assert_eq!(code, 0);
    assert_snapshot!("show-runbook", out);
    let book = place.json(&["show", "look"], What::Show);
    assert_eq!((&book[0]["risk"], &book[0]["vars"][0]["default"]), (&json!("read-only"), &json!(3000)));
    let (code, out, err) = place.runbook(&["show", "broken"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("runbooks/broken.toml:2:1: error[") && err.contains("risks"), "{err}");
    let (code, _, err) = place.runbook(&["show", "lock"]);
    assert_eq!(code, 2);
    assert!(err.contains("did you mean `look`?"), "{err}");
    // what could be the beginning of a run's id is a runbook where there is one
    std::fs::write(place.path().join("runbooks/face.toml"), FINE.replace("\"look\"", "\"face\"")).expect("a file");
    let (code, out, _) = place.runbook(&["show", "face"]);
    assert_eq!((code, out.lines().next()), (0, Some("face  Is it up?")));
}

#[tokio::test(start_paused = true)]
async fn what_there_is_is_listed_for_people_programs_and_pipes() {
    let place = Place::new().await;
    let (code, out, _) = place.runbook(&["list"]);
    let rows = [
        "NAME\tRISK\tSTEPS\tLAST RUN\tRESULT\tTITLE",
        "broken\tBROKEN\t-\t-\t-\trunbooks/broken.toml:1:1",
        "look\tread-only\t2\t2026-11-18 11:06 test\tfailed: 1 ok 1 failed 1 unreachable\tIs it up?",
    ];
    assert_eq!((code, out), (0, rows.join("\n") + "\n"));
    assert_eq!(place.runbook(&["list", "--output", "quiet"]).1, "broken\nlook\n");
    let listed = place.json(&["list"], What::List);
    assert_eq!((&listed[1]["name"], &listed[1]["last_run"]["exit_code"]), (&json!("look"), &json!(1)));
    assert_eq!(listed[0]["risk"], Value::Null);

    let runs = place.json(&["history"], What::History);
    assert_eq!((&runs[0]["run"], &runs[0]["hosts"]), (&json!("abcdef"), &json!({ "ok": 1, "failed": 1, "unreachable": 1 })));
    assert_eq!(place.runbook(&["history", "-o", "quiet"]).1, "abcdef\n");
    assert_eq!(place.json(&["history", "--limit", "0"], What::History), Vec::<Value>::new());

    let found = place.json(&["lint", "runbooks/broken.toml"], What::Lint);
    assert!(found.iter().any(|one| one["severity"] == "error" && one["line"] == 2 && one["col"] == 1), "{found:?}");
    assert!(found.iter().all(|one| one["file"] == "runbooks/broken.toml"));
    assert_eq!(place.runbook(&["lint", "runbooks/look.toml", "-o", "quiet"]), (0, String::new(), String::new()));

    let told = place.json(&["timeline", "abcdef"], What::Timeline);
    assert_eq!(told[0]["run"], "abcdef");
    let noted = place.json(&["note", "abcdef", "seen"], What::Events);
    assert_eq!((&noted[0]["type"], &noted[0]["text"]), (&json!("note"), &json!("seen")));
}

#[tokio::test(start_paused = true)]
async fn a_list_does_without_a_record() {
    let place = Place::new().await;
    std::fs::write(place.path().join("state/journal.db"), "no database").expect("a file");
    let (code, out, _) = place.runbook(&["list"]);
    assert_eq!((code, out.lines().count()), (0, 3));
    assert!(out.contains("look\tread-only\t2\t-\t-\tIs it up?"), "{out}");
    assert!(place.runbook(&["completions", "bash"]).1.contains("complete -F"));
}
