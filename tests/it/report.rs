//! Runs in words: hand-made events in the engine's order, told by every reporter, compared to the letter.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use insta::assert_snapshot;
use runbook::engine::log::Log;
use runbook::engine::report::Reporter;
use runbook::journal::store::{Journal, NewRun};
use runbook::model::event::{Event, EventKind, OpenItem, PlannedStep, PreviewGroup};
use runbook::model::finding::Finding;
use runbook::model::host::Facts;
use runbook::model::id::{HostName, RunId, RunbookName, StepId};
use runbook::model::outcome::{HostOutcome, Outcome, Risk, RunState as EndState};
use runbook::model::plan::{Phase, RunbookRef, Section, UnitSpec};
use runbook::model::step::{Basis, Change, ClosePolicy, Note, Obligation};
use runbook::model::time::Timestamp;
use runbook::report::human::{Human, Options};
use runbook::report::lines::Lines;
use runbook::report::paint::Paint;
use runbook::report::signs::Signs;
use runbook::report::{live, markdown, timeline as telling};
use runbook::state::run::RunState;
use runbook::state::summary::{self, Flags, conclude};
use runbook::state::timeline::timeline;
use serde_json::json;

mod fleet;
mod plain;
mod simulated;

const PLAIN: Options = Options {
    color: false,
    verbose: 0,
    columns: Some(80),
    live: false,
    still: false,
    signs: Signs { ascii: false, words: false },
};

fn host(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

fn step(text: &str) -> StepId {
    StepId::parse(text).unwrap()
}

/// Events with a clock.
struct Story {
    run: RunId,
    now: Timestamp,
    events: Vec<Event>,
}

impl Story {
    fn new(run: &str, hosts: &[&str], batches: &[&[&str]], dry_run: bool) -> Self {
        let names = |list: &[&str]| list.iter().map(|name| host(name)).collect::<Vec<_>>();
        let planned = |n, id: &str, kind: &str, section, phase: Option<&str>| PlannedStep {
            n,
            id: step(id),
            kind: kind.to_owned(),
            section,
            phase: phase.map(str::to_owned),
        };
        let minutes = |n: u64| Some(Duration::from_secs(60 * n));
        let mut story = Self {
            run: RunId::parse(run).unwrap(),
            now: Timestamp::try_from("2026-11-21T03:13:25.000Z".to_owned()).unwrap(),
            events: Vec::new(),
        };
        story.add(EventKind::RunPlanned {
            runbook: RunbookRef {
                name: RunbookName::parse("restart-loop").unwrap(),
                title: "PM2 restart loop".to_owned(),
                path: PathBuf::from("runbooks/restart-loop.toml"),
                sha256: "9be1f02c".to_owned(),
            },
            digest: "e41c".to_owned(),
            selector: "web-[01-06]".to_owned(),
            hosts: names(hosts),
            batches: batches.iter().map(|batch| names(batch)).collect(),
            steps: vec![
                planned(1, "loop", "single-process", Section::Precheck, None),
                planned(2, "switch-off", "kill-switch", Section::Step, Some("contain")),
                planned(3, "duplicates", "pm2", Section::Step, Some("recover")),
                planned(4, "one-process", "single-process", Section::Verify, Some("verify")),
            ],
            phases: vec![
                Phase { name: "contain".to_owned(), budget: minutes(2) },
                Phase { name: "recover".to_owned(), budget: Some(Duration::from_secs(2)) },
                Phase { name: "verify".to_owned(), budget: minutes(5) },
            ],
            risk: Risk::Restarts,
            max_failures: 1,
            max_out: None,
            dry_run,
            by: "ana@ops-1".to_owned(),
            ticket: Some("INC-8841".to_owned()),
        });
        story
    }

    fn add(&mut self, kind: EventKind) -> &mut Self {
        let seq = self.events.len() as u64 + 1;
        self.events.push(Event { seq, ts: self.now, run: self.run.clone(), kind });
        self
    }

    fn wait(&mut self, ms: u64) -> &mut Self {
        self.now = self.now.plus(Duration::from_millis(ms));
        self
    }

    fn up(&mut self, name: &str) -> &mut Self {
        let facts = Facts {
            os: "Linux".to_owned(),
            arch: "x86_64".to_owned(),
            user: "deploy".to_owned(),
            uid: 1000,
            home: "/home/deploy".to_owned(),
            hostname: name.to_owned(),
            boot_id: None,
            machine_id: None,
            instance_id: None,
            skew_ms: 0,
            skew_err_ms: 5,
        };
        let (key_type, fingerprint) = ("ssh-ed25519".to_owned(), "SHA256:abc".to_owned());
        self.add(EventKind::HostConnected { host: host(name), key_type, fingerprint, facts, took_ms: 90, algorithms: None })
    }

    fn down(&mut self, name: &str) -> &mut Self {
        let finding = Finding::new("connect-timeout", "no answer from 10.0.1.15:22 within 5 s").hint("check the instance");
        self.add(EventKind::HostReach { host: host(name), state: "down".to_owned(), finding: Some(finding) })
    }

    fn preview(&mut self, name: &str, id: &str, outcome: Outcome, summary: &str, effects: &[&str]) -> &mut Self {
        let (basis, word) = match outcome {
            Outcome::NotKnown => (Basis::NotKnown, None),
            _ if id == "loop" => (Basis::Seen, Some(if effects.is_empty() { "single" } else { "looping" })),
            _ => (Basis::Seen, None),
        };
        let effects = if outcome == Outcome::WouldChange { effects } else { &[] };
        self.add(EventKind::PreviewStep {
            host: host(name),
            step: step(id),
            outcome,
            basis,
            word: word.map(str::to_owned),
            summary: summary.to_owned(),
            effects: effects.iter().map(|effect| (*effect).to_owned()).collect(),
            destroys: id == "duplicates" && outcome == Outcome::WouldChange,
        })
    }

    fn sick(&mut self, name: &str) -> &mut Self {
        self.preview(name, "loop", Outcome::Ok, "looping: 41 restarts in 10 min", &["x"])
            .preview(name, "switch-off", Outcome::WouldChange, "enabled is true", &["set kill switch enabled true → false"])
            .preview(
                name,
                "duplicates",
                Outcome::WouldChange,
                "2 entries for :3000",
                &["delete pm2 entry 2 proxy-server (errored, does not hold :3000)", "save the process list"],
            )
            .preview(name, "one-process", Outcome::NotKnown, "needs step 3", &[])
    }

    fn well(&mut self, name: &str) -> &mut Self {
        self.preview(name, "loop", Outcome::Ok, "one process, counter still at 3", &[])
            .preview(name, "switch-off", Outcome::Skipped, "steps.loop.verdict != 'single' is false", &[])
            .preview(name, "duplicates", Outcome::Already, "one entry for :3000", &[])
            .preview(name, "one-process", Outcome::Ok, "one process, counter still at 3", &[])
    }

    fn summary(&mut self, groups: &[&[&str]], changes: usize, destroy: usize) -> &mut Self {
        let group = |(n, names): (usize, &&[&str])| PreviewGroup {
            hosts: names.iter().map(|name| host(name)).collect(),
            signature: format!("s{n}"),
        };
        self.add(EventKind::PlanSummary {
            at_worst: 1,
            change_hosts: changes / 2,
            unreachable_hosts: 1,
            refused_hosts: 0,
            changes,
            destroy,
            basis: BTreeMap::from([("seen".to_owned(), 19), ("not known".to_owned(), 1)]),
            groups: groups.iter().enumerate().map(group).collect(),
        })
    }

    fn batch(&mut self, n: usize, of: usize, names: &[&str]) -> &mut Self {
        let hosts = names.iter().map(|name| host(name)).collect();
        self.add(EventKind::BatchStarted { n, of, canary: n == 1, hosts })
    }

    fn judged(&mut self, name: &str, id: &str, word: &str, summary: &str, restarts: u64) -> &mut Self {
        let note = Note::new(word, summary).value("app", "proxy-service").value("restarts", restarts);
        self.add(EventKind::StepStarted { host: host(name), step: step(id), attempt: 1 }).wait(400);
        self.add(EventKind::StepJudged { host: host(name), step: step(id), look: 1, note })
    }

    fn finished(&mut self, name: &str, id: &str, outcome: Outcome, effects: &[&str], finding: Option<Finding>) -> &mut Self {
        self.add(EventKind::StepFinished {
            host: host(name),
            step: step(id),
            attempt: 1,
            outcome,
            changed: !effects.is_empty(),
            exit_code: finding.as_ref().map(|_| 1),
            note: None,
            finding,
            effects: effects.iter().map(|effect| (*effect).to_owned()).collect(),
            duration_ms: 1_800,
        })
    }

    fn opened(&mut self, name: &str) -> &mut Self {
        let closer =
            UnitSpec { n: 2, ..UnitSpec::new(step("switch-off"), Section::Close, "kill-switch", serde_json::Map::new()) };
        let obligation = Obligation {
            key: "ks".to_owned(),
            title: "kill switch enabled".to_owned(),
            was: json!(true),
            set: json!(false),
            close: ClosePolicy::Always,
            closer: Box::new(closer),
        };
        let change = Change {
            why: Note::new("on", "enabled is true"),
            effects: vec![],
            destroys: false,
            ops: vec![],
            undo: vec![],
            obligation: None,
        };
        self.add(EventKind::StepStarted { host: host(name), step: step("switch-off"), attempt: 1 });
        self.add(EventKind::ObligationOpened { host: host(name), step: step("switch-off"), obligation });
        self.add(EventKind::StepIntent { host: host(name), step: step("switch-off"), attempt: 1, change }).wait(700);
        self.finished(name, "switch-off", Outcome::Changed, &["set kill switch enabled true → false"], None)
    }

    fn closed(&mut self, name: &str) -> &mut Self {
        let (how, summary) = ("restored".to_owned(), "enabled is true again".to_owned());
        self.add(EventKind::ObligationClosed { host: host(name), key: "ks".to_owned(), how, summary })
    }

    fn host_finished(&mut self, name: &str, outcome: HostOutcome, finding: Option<Finding>, ms: u64) -> &mut Self {
        let changed = !matches!(outcome, HostOutcome::Unreachable);
        self.add(EventKind::HostFinished { host: host(name), outcome, changed, finding, duration_ms: ms })
    }

    fn cured(&mut self, name: &str) -> &mut Self {
        self.judged(name, "loop", "looping", "41 restarts in 10 min", 1187).finished(name, "loop", Outcome::Ok, &[], None);
        self.opened(name).wait(300);
        self.judged(name, "duplicates", "duplicates", "2 entries for :3000", 1188).wait(2_500);
        let effects = ["delete pm2 entry 2 proxy-server (errored, does not hold :3000)"];
        self.finished(name, "duplicates", Outcome::Changed, &effects, None).wait(20_000);
        self.judged(name, "one-process", "single", "one process, counter still for 20 s", 1188);
        self.finished(name, "one-process", Outcome::Ok, &[], None).wait(100).closed(name);
        self.host_finished(name, HostOutcome::Ok, None, 109_000)
    }

    fn conclude(&mut self, extra: &[EndState]) -> &mut Self {
        let state = RunState::replay(&self.events);
        let end = conclude(&state, extra, &Flags::default());
        let duration_ms = self.now.since(self.events[0].ts).as_millis() as u64;
        self.add(EventKind::RunFinished {
            state: end.state,
            exit_code: end.exit_code,
            hosts: end.hosts,
            changed: end.changed,
            open: end.open,
            failures: end.failures,
            next: end.next,
            duration_ms,
        })
    }
}

fn eaddrinuse() -> Finding {
    Finding::new("exit", "web-04: listen EADDRINUSE :::3000, pid 18422 holds it")
        .hint("end pid 18422 or choose free-port")
        .evidence("[PM2][ERROR] Process api errored")
        .evidence("\u{1b}[2J\u{1b}]0;owned\u{7}Error: listen EADDRINUSE :::3000")
        .evidence("    at Server.setupListenHandle (node:net:1817:16)\r")
        .evidence("    at listenInCluster (node:net:1865:12)")
}

const WEB: [&str; 4] = ["web-01", "web-02", "web-04", "web-05"];

fn planned(dry_run: bool) -> Story {
    let mut story = Story::new("7f3a9c", &WEB, &[&["web-01"], &["web-02", "web-04"], &["web-05"]], dry_run);
    story.wait(600).up("web-01").up("web-02").up("web-04").wait(1_400).down("web-05");
    story.sick("web-01").well("web-02").sick("web-04").wait(2_100);
    story.summary(&[&["web-01", "web-04"], &["web-02"], &["web-05"]], 4, 2);
    story
}

fn failing(close: bool) -> Story {
    let mut story = planned(false);
    let why = "3 of the 4 hosts of group `web` are selected".to_owned();
    story.add(EventKind::ConfirmAsked { phrase: Some("restart-loop 4".to_owned()), why }).wait(1_900);
    story.add(EventKind::ConfirmGiven { by: "ana".to_owned(), via: "tty".to_owned() });
    story.batch(1, 3, &["web-01"]).cured("web-01").wait(1_000).batch(2, 3, &["web-02", "web-04"]);
    story.judged("web-02", "loop", "single", "one process", 3).finished("web-02", "loop", Outcome::Ok, &[], None);
    story.add(EventKind::HostFinished {
        host: host("web-02"),
        outcome: HostOutcome::Ok,
        changed: false,
        finding: None,
        duration_ms: 900,
    });
    story.judged("web-04", "loop", "looping", "41 restarts in 10 min", 1146).finished("web-04", "loop", Outcome::Ok, &[], None);
    story.opened("web-04").wait(9_000);
    story.judged("web-04", "duplicates", "duplicates", "2 entries for :3000", 1191);
    story.finished("web-04", "duplicates", Outcome::Failed, &["delete pm2 entry 2"], Some(eaddrinuse())).wait(1_200);
    if close {
        story.closed("web-04");
    } else {
        let finding = Finding::new("timeout", "the switch did not answer within 10 s").hint("runbook close 7f3a9c");
        story.add(EventKind::ObligationFailed { host: host("web-04"), key: "ks".to_owned(), finding });
    }
    story.host_finished("web-04", HostOutcome::Failed, Some(eaddrinuse()), 19_000);
    story.add(EventKind::RunStopping { reason: "max_failures = 1 reached".to_owned(), by: "engine".to_owned() });
    story.conclude(&[]);
    story
}

fn human(events: &[Event], options: Options) -> String {
    let mut reporter = Human::new(Vec::new(), options);
    for event in events {
        reporter.on(event).unwrap();
    }
    reporter.finish().unwrap();
    String::from_utf8(reporter.into_inner()).unwrap()
}

fn lines(events: &[Event]) -> String {
    let mut reporter = Lines::new(Vec::new(), 0);
    for event in events {
        reporter.on(event).unwrap();
    }
    String::from_utf8(reporter.into_inner()).unwrap()
}

#[test]
fn a_run_on_a_terminal() {
    assert_snapshot!("human-failing", human(&failing(true).events, PLAIN));
}

#[test]
fn a_run_on_a_terminal_with_detail() {
    assert_snapshot!("human-verbose", human(&failing(true).events, Options { verbose: 2, columns: None, ..PLAIN }));
}

#[test]
fn a_run_that_leaves_something_open() {
    assert_snapshot!("human-left-open", human(&failing(false).events, PLAIN));
}

#[test]
fn a_run_on_a_pipe() {
    let text = lines(&failing(true).events);
    assert!(!text.contains('\u{1b}'));
    assert_snapshot!("lines-failing", text);
    assert_snapshot!("lines-left-open", lines(&failing(false).events));
}

#[test]
fn a_dry_run() {
    let mut story = planned(true);
    story.conclude(&[]);
    assert_snapshot!("human-dry-run", human(&story.events, PLAIN));
    assert_snapshot!("lines-dry-run", lines(&story.events));
}

#[test]
fn colour_adds_nothing_but_colour() {
    let events = failing(false).events;
    let colored = human(&events, Options { color: true, ..PLAIN });
    assert!(colored.contains('\u{1b}'));
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, human(&events, PLAIN));
}

#[test]
fn a_heartbeat_says_what_runs() {
    let mut story = planned(false);
    story.batch(1, 3, &["web-01"]);
    story.add(EventKind::StepStarted { host: host("web-01"), step: step("one-process"), attempt: 1 }).wait(19_000);
    story.add(EventKind::Heartbeat { running: vec!["web-01 one-process".to_owned()] });
    let text = lines(&story.events);
    assert_eq!(text.lines().last(), Some("2026-11-21T03:13:48Z still    web-01 4 one-process 0:19"));
}

#[test]
fn a_run_afterwards() {
    let events = failing(false).events;
    let state = RunState::replay(&events);
    let told = timeline(&events);
    let mut out = Vec::new();
    telling::render(&mut out, Paint { color: false }, &state, &told, None).unwrap();
    assert_snapshot!("timeline", String::from_utf8(out).unwrap());
    let mut out = Vec::new();
    telling::render(&mut out, Paint { color: false }, &state, &told, Some(&host("web-01"))).unwrap();
    assert_snapshot!("timeline-host", String::from_utf8(out).unwrap());
    let mut out = Vec::new();
    markdown::render(&mut out, &state, &told, Some(&(events.len() as u64, "61f0a2".to_owned()))).unwrap();
    assert_snapshot!("timeline-md", String::from_utf8(out).unwrap());
}

#[test]
fn moments_are_told_only_when_they_are_true() {
    let names = |events: &[Event]| timeline(events).moments.iter().map(|m| m.name).collect::<Vec<_>>();
    assert_eq!(names(&failing(false).events), ["detected", "contained", "ended"]);
    let mut story = planned(false);
    story.batch(1, 1, &["web-01"]).cured("web-01");
    assert_eq!(names(&story.events), ["detected", "contained", "fixed", "verified", "closed"]);
    story.judged("web-02", "one-process", "looping", "it loops", 9);
    let late = Some(Finding::new("timeout", "still looping"));
    story.finished("web-02", "one-process", Outcome::Failed, &[], late);
    assert_eq!(names(&story.events), ["detected", "contained", "closed"]);
}

#[test]
fn the_worst_that_is_true_decides() {
    let end = |story: &mut Story, extra: &[EndState]| conclude(&RunState::replay(&story.events), extra, &Flags::default()).state;
    let mut story = planned(false);
    assert_eq!(end(&mut story, &[EndState::Aborted]), EndState::Aborted);
    assert_eq!(end(&mut story, &[]), EndState::Unreachable);
    story.batch(1, 1, &["web-01"]).cured("web-01");
    assert_eq!(end(&mut story, &[]), EndState::Unreachable);
    story.host_finished("web-02", HostOutcome::Refused, Some(Finding::new("wrong-holder", "x")), 1);
    assert_eq!(end(&mut story, &[]), EndState::Unreachable);
    story.host_finished("web-04", HostOutcome::Failed, Some(Finding::new("exit", "x")), 1);
    assert_eq!(end(&mut story, &[]), EndState::Failed);
    story.host_finished("web-02", HostOutcome::Unknown, Some(Finding::new("connection-lost", "x")), 1);
    assert_eq!(end(&mut story, &[EndState::RecordLost]), EndState::Unknown);
    story.opened("web-04");
    assert_eq!(end(&mut story, &[]), EndState::LeftOpen);

    let mut fine = Story::new("7f3a9c", &["web-01", "web-02"], &[], false);
    fine.host_finished("web-01", HostOutcome::Ok, None, 1);
    assert_eq!(end(&mut fine, &[]), EndState::Aborted, "a host never had its turn");
    fine.host_finished("web-02", HostOutcome::Ok, None, 1);
    assert_eq!(end(&mut fine, &[]), EndState::Ok);

    let mut cut = Story::new("7f3a9c", &["web-01"], &[], false);
    cut.opened("web-01").closed("web-01");
    cut.events.retain(|event| !matches!(event.kind, EventKind::StepFinished { .. }));
    assert_eq!(end(&mut cut, &[]), EndState::Unknown, "an intent without an end");

    let dry = planned(true);
    let state = RunState::replay(&dry.events);
    assert!(summary::pending(&state));
    let ended = conclude(&state, &[EndState::Pending], &Flags::default());
    assert_eq!((ended.state, ended.changed), (EndState::Unreachable, 0));
    assert_eq!(ended.hosts, BTreeMap::from([(HostOutcome::Ok, 3), (HostOutcome::Unreachable, 1)]));
    assert_eq!(ended.next, ["runbook show 7f3a9c web-05", "runbook run restart-loop --hosts 'web-[01-06]'"]);
}

/// Two thousand hosts, of which many fail for three reasons and one for its own.
fn fleet() -> Story {
    let names: Vec<String> = (1..=2000).map(|n| format!("edge-{n:04}")).collect();
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut story = Story::new("81c2d0", &refs, &[], false);
    for name in &refs {
        story.up(name);
    }
    story.batch(1, 2, &refs[..1000]);
    for (n, name) in refs.iter().enumerate().take(1990) {
        let (outcome, finding) = match n % 500 {
            7 => (HostOutcome::Failed, Some(Finding::new("exit", format!("listen EADDRINUSE :::{}", 3000 + n)))),
            8 => (HostOutcome::Failed, Some(Finding::new("exit", format!("{name} restarts rose by {n}")))),
            9 => (HostOutcome::Unreachable, Some(Finding::new("no-route", "no route to host"))),
            10..=19 => (HostOutcome::Refused, Some(Finding::new(&format!("odd-{n}"), "oddity"))),
            _ => (HostOutcome::Ok, None),
        };
        story.host_finished(name, outcome, finding, 1_000);
    }
    for name in &refs[100..110] {
        story.opened(name);
    }
    story.conclude(&[]);
    story
}

#[test]
fn the_end_of_a_large_fleet_fits_a_screen() {
    let events = fleet().events;
    let text = human(&events, PLAIN);
    let end = text.split("\n\n").last().unwrap();
    assert!(end.lines().count() <= 16, "{end}");
    assert_snapshot!("human-fleet-end", end);
    // a line for every host with a problem, none for the others
    assert_eq!(text.matches("\n      FAILED edge-").count(), 8);
    assert_eq!(text.matches("\n          ok edge-").count(), 0);
}

#[test]
fn the_live_part_is_two_lines_whatever_the_fleet() {
    let story = fleet();
    let at = |n: usize| {
        let state = RunState::replay(&story.events[..n]);
        live::two_lines(&state, story.now.plus(Duration::from_secs(249)), 80)
    };
    for n in [0, 1, 500, 2002, 3000, story.events.len()] {
        for line in at(n) {
            assert!(runbook::model::visible::width(&line) <= 80 && !line.contains('\n'), "{line}");
        }
    }
    assert_snapshot!("live-checking", at(1001).join("\n"));
    assert_snapshot!("live-running", at(2500).join("\n"));
    let mut story = planned(false);
    story.batch(2, 3, &["web-01", "web-02", "web-04"]);
    for name in ["web-04", "web-01"] {
        story.add(EventKind::StepStarted { host: host(name), step: step("one-process"), attempt: 1 }).wait(7_000);
    }
    story.host_finished("web-05", HostOutcome::Unreachable, None, 1).opened("web-02");
    let state = RunState::replay(&story.events);
    assert_snapshot!("live-small", live::two_lines(&state, story.now, 80).join("\n"));
}

#[test]
fn what_is_open_is_named() {
    let events = failing(false).events;
    let EventKind::RunFinished { open, failures, exit_code, .. } = &events.last().unwrap().kind else { panic!() };
    assert_eq!(*exit_code, 7);
    let since = Timestamp::try_from("2026-11-21T03:13:57.600Z".to_owned()).unwrap();
    let item = OpenItem { host: host("web-04"), key: "ks".to_owned(), title: "kill switch enabled".to_owned(), since };
    assert_eq!(*open, [item]);
    let keys: Vec<&str> = failures.iter().map(|f| f.fold_key.as_str()).collect();
    let timeout = "-|connect-timeout|no answer from <n>.<n>.<n>.<n>:<n> within <n> s";
    assert_eq!(keys, ["duplicates|exit|<host>: listen EADDRINUSE :::<n>, pid <n> holds it", timeout]);
}

/// What `runbook` says about a recorded run: exit code, standard output, standard error.
fn runbook(state: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.arg("--state-dir").arg(state).args(args).env("NO_COLOR", "1").env("USER", "ana").env_remove("SUDO_USER");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn record(state: &Path, story: &Story) {
    let journal = Journal::open(state).unwrap();
    let started = story.events[0].ts;
    let new = NewRun { run: &story.run, started, runbook: "restart-loop", selector: "web-[01-06]", plan: "{}" };
    let mut writer = journal.create_run(&new).unwrap();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(writer.append(&story.events)).unwrap();
}

#[test]
fn the_record_is_told_on_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let (code, out, err) = runbook(&state, &["history"]);
    let file = state.canonicalize().unwrap().join("journal.db");
    assert_eq!((code, out.as_str(), err), (0, "", format!("no run is recorded in {}\n", file.display())));

    record(&state, &failing(false));
    let mut dry = planned(true);
    dry.run = RunId::parse("5c01e8").unwrap();
    for event in &mut dry.events {
        event.run = dry.run.clone();
        event.ts = event.ts.plus(Duration::from_secs(3600));
    }
    record(&state, &dry);
    let (code, out, err) = runbook(&state, &["history"]);
    let rows = [
        "RUN\tWHEN (UTC)\tBY\tRUNBOOK\tHOSTS\tRESULT\tTOOK\tOPEN",
        "5c01e8\t2026-11-21 04:13\tana@ops-1\trestart-loop\tweb-[01-06] (4)\tdry run: NOT FINISHED\t-\t-",
        "7f3a9c\t2026-11-21 03:13\tana@ops-1\trestart-loop\tweb-[01-06] (4)\tleft-open: 2 ok 1 failed 1 unreachable\t0:43\t1",
    ];
    let left = [
        "   LEFT OPEN by run 7f3a9c (restart-loop)",
        "             web-04  kill switch enabled, since 2026-11-21 03:13:57Z",
        &format!("             close it: runbook close 7f3a9c --state-dir {}", state.display()),
    ];
    assert_eq!((code, out, err), (0, rows.join("\n") + "\n", left.join("\n") + "\n"));

    let (code, out, err) = runbook(&state, &["note", "7f3", "the", "old unit \u{1b}[31mwas enabled"]);
    let events = failing(false).events.len();
    assert_eq!((code, out, err.as_str()), (0, format!("noted as event {} of run 7f3a9c\n", events + 1), ""));
    let (code, out, _) = runbook(&state, &["timeline", "7f3"]);
    assert_eq!(code, 0);
    let note = out.lines().find(|line| line.contains(" note by ana@")).unwrap();
    assert!(note.ends_with(": the old unit \\x1b[31mwas enabled"), "{note}");
    let (code, out, _) = runbook(&state, &["timeline", "7f3", "--export", "json", "--host", "web-04"]);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &document["run"], &document["events"]), (0, &json!("7f3a9c"), &json!(events + 1)));
    assert_eq!(document["open"][0]["key"], "ks");
    assert!(document["timeline"]["entries"].as_array().unwrap().iter().all(|entry| entry["host"] != "web-01"));

    let (code, out, err) = runbook(&state, &["timeline", "aaaaaa"]);
    let error = "error: there is no run `aaaaaa`\n  try: runbook history\n";
    assert_eq!((code, out.as_str(), err.as_str()), (2, "", error));
    let (code, _, err) = runbook(&state, &["timeline", "7f3a9c", "--host", "web-99"]);
    assert_eq!((code, err.as_str()), (2, "error: host `web-99` is not part of run 7f3a9c\n"));

    let journal = Journal::open(&state).unwrap();
    let head = |run: &str| journal.head(&RunId::parse(run).unwrap()).unwrap().unwrap();
    let (fine, cut) = (head("7f3a9c"), head("5c01e8"));
    let (code, out, err) = runbook(&state, &["journal", "verify"]);
    let held =
        format!("7f3a9c  ok  {} events  head {}\n5c01e8  ok  {} events  head {}  (did not end)\n", fine.0, fine.1, cut.0, cut.1);
    assert_eq!((code, out, err.as_str()), (0, held, ""));
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute("DELETE FROM events WHERE run = '7f3a9c' AND seq = 12", []).unwrap();
    let (code, out, err) = runbook(&state, &["journal", "verify", "7f3a9c"]);
    assert_eq!((code, out.as_str()), (9, "7f3a9c  BROKEN at event 12; 11 events before it hold\n"));
    assert_eq!(err.lines().next(), Some("error: 1 of 1 runs are not as they were written"));
}
