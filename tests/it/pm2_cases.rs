//! The golden cases of the kinds that read PM2: replies as hosts gave them, and the judgement that must follow.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runbook::model::fields::Context;
use runbook::model::host::{Facts, Host};
use runbook::model::id::HostName;
use runbook::model::op::{Captured, Exit, Pm2Reply, Reply, ShellReply};
use runbook::model::plan::Section;
use runbook::model::step::{Acted, Evidence, Look, Target, Verdict};
use runbook::model::time::Timestamp;
use runbook::steps::{instantiate, kind};
use serde_json::{Value, json};

const KINDS: [&str; 4] = ["pm2-daemon", "port", "single-process", "pm2"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn target() -> Target {
    let host = Host {
        name: HostName::parse("web-1").expect("a name"),
        address: "127.0.0.1".to_owned(),
        port: 22,
        user: "app".to_owned(),
        identity: None,
        known_hosts: Vec::new(),
        host_key_alias: None,
        instance_id: None,
        tags: Vec::new(),
        groups: Vec::new(),
        protected: false,
        vars: BTreeMap::new(),
    };
    let facts = Facts {
        os: "Linux".to_owned(),
        arch: "x86_64".to_owned(),
        user: "app".to_owned(),
        uid: 1000,
        home: "/home/app".to_owned(),
        hostname: "web-1".to_owned(),
        boot_id: None,
        machine_id: None,
        skew_ms: 0,
        skew_err_ms: 0,
    };
    Target { host, facts }
}

fn reply(spec: &Value) -> Reply {
    let text = |key: &str| spec.get(key).and_then(Value::as_str).map(str::to_owned);
    let body = text("file").map(|file| fs::read_to_string(root().join(file)).expect("the sample")).or_else(|| text("text"));
    match spec["to"].as_str().expect("to") {
        "shell" => {
            let code = u32::try_from(spec["exit"].as_u64().expect("exit")).expect("a status");
            let (stdout, stderr) = (body.unwrap_or_default(), text("stderr").unwrap_or_default());
            let exit = Exit::Code { code };
            Reply::Shell(ShellReply {
                exit,
                stdout: Captured::whole(stdout),
                stderr: Captured::whole(stderr),
                took: Duration::ZERO,
            })
        }
        "pm2" => Reply::Pm2(Pm2Reply::Answer { value: serde_json::from_str(&body.expect("a body")).expect("json") }),
        "pm2-fault" => {
            let [class, message] = ["class", "message"].map(|key| text(key).expect("class and message"));
            Reply::Pm2(Pm2Reply::Fault { class, message })
        }
        other => panic!("no reply to `{other}` in these cases"),
    }
}

fn replies(spec: &Value) -> Vec<Reply> {
    spec["replies"].as_array().expect("replies").iter().map(reply).collect()
}

/// What a case comes to, in the words of its `[expect]`.
fn run(case: &Value) -> Value {
    let none = BTreeMap::new();
    let section = match case.pointer("/section/name").and_then(Value::as_str) {
        Some("verify") => Section::Verify,
        Some("precheck") => Section::Precheck,
        _ => Section::Step,
    };
    let context = Context { vars: &none, host_vars: &none, section };
    let fields = case["step"].as_object().expect("[step]");
    let step = instantiate(case["kind"].as_str().expect("kind"), fields, context).expect("a kind").expect("right fields");
    let target = target();
    let looks: Vec<Look> = case["look"]
        .as_array()
        .expect("looks")
        .iter()
        .map(|look| Look {
            at: Timestamp::from_millis(1_795_000_000_000 + look["at_ms"].as_i64().expect("at_ms")),
            replies: replies(look),
        })
        .collect();
    for look in &looks {
        assert_eq!(look.replies.len(), step.probes(&target).len(), "one reply per probe");
    }
    let acted = case.get("acted").and_then(|all| all.get(0)).map(|spec| {
        let looks_before = usize::try_from(spec["looks_before"].as_u64().expect("looks_before")).expect("a count");
        let seen = Evidence { target: &target, looks: &looks[..looks_before], acted: None };
        let Ok(Verdict::Change(change)) = step.judge(&seen) else { panic!("no change before the change") };
        let replies = replies(spec);
        assert_eq!(replies.len(), change.ops.len(), "one reply per op");
        Acted { change: *change, replies, looks_before, at: looks[looks_before].at }
    });
    let word = |verdict: &str, word: &str, summary: &str| json!({"verdict": verdict, "word": word, "summary": summary});
    match step.judge(&Evidence { target: &target, looks: &looks, acted: acted.as_ref() }) {
        Err(unreadable) => json!({"verdict": "unreadable", "summary": unreadable.what}),
        Ok(Verdict::Again { .. }) => json!({"verdict": "again"}),
        Ok(Verdict::Holds(note)) => word("holds", &note.word, &note.summary),
        Ok(Verdict::NotYet(note)) => word("not-yet", &note.word, &note.summary),
        Ok(Verdict::Refuse(finding)) => word("refuse", &finding.code, &finding.summary),
        Ok(Verdict::Change(change)) => {
            let mut got = word("change", &change.why.word, &change.why.summary);
            got["effects"] = json!(change.effects);
            got
        }
    }
}

fn cases(kind: &str) -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> = fs::read_dir(root().join(kind))
        .expect("the cases")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a case");
            (path.display().to_string(), toml::from_str(&text).expect("toml"))
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn every_case_comes_to_what_it_says() {
    let mut wrong = Vec::new();
    for (path, case) in KINDS.iter().flat_map(|kind| cases(kind)) {
        let got = run(&case);
        for (key, want) in case["expect"].as_object().expect("[expect]") {
            if got.get(key) != Some(want) {
                wrong.push(format!("{path}\n  {key} wanted {want}\n  got {got}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_verdict_word_has_a_case_and_every_kind_an_unreadable_one() {
    for name in KINDS {
        let all = cases(name);
        let words: Vec<&str> = all.iter().filter_map(|(_, case)| case["expect"].get("word").and_then(Value::as_str)).collect();
        let missing: Vec<&str> =
            kind(name).expect("a kind").verdicts.iter().map(|(word, _)| *word).filter(|word| !words.contains(word)).collect();
        assert!(missing.is_empty(), "{name}: no case for {missing:?}");
        assert!(all.iter().any(|(_, case)| case["expect"]["verdict"] == "unreadable"), "{name}: no unreadable case");
    }
}
