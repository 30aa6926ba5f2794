//! The kinds that read PM2, beyond their golden cases: fields, the real look on this machine, saved lists, hostile text.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::{ProptestConfig, any, proptest};
use runbook::model::fields::Context;
use runbook::model::host::{Facts, Host};
use runbook::model::id::HostName;
use runbook::model::op::{Captured, Exit, Op, Pm2Reply, Reply, ShellReply};
use runbook::model::plan::Section;
use runbook::model::step::{Acted, Evidence, Look, Target, Verdict};
use runbook::model::time::Timestamp;
use runbook::read::pm2_host::{Dir, Dump, DumpApp, HostView, probe};
use runbook::steps::instantiate;
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
        instance_id: None,
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
        Ok(Verdict::Ask(question)) => json!({"verdict": "ask", "summary": question.text}),
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

/// The errors of a step's fields, as `key: message`.
fn errors(kind: &str, fields: &Value, section: Section) -> Vec<String> {
    let none = BTreeMap::new();
    let context = Context { vars: &none, host_vars: &none, section };
    match instantiate(kind, fields.as_object().expect("a table"), context).expect("a kind") {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect(),
    }
}

#[test]
fn fields_that_make_no_sense_are_refused_by_name() {
    let good = json!({"ensure": "no-duplicates", "app": "a", "namespace": "default", "port": 3000, "replace_holder": false, "save": true});
    assert_eq!(errors("pm2", &good, Section::Step), Vec::<String>::new());
    let bad = json!({"ensure": "running", "app": "-a", "start": {"config": "x.js", "only": "b"}, "replace_holder": true});
    let want = [
        "replace_holder: `replace_holder = true` belongs to `no-duplicates`",
        "app: `app` begins with a dash or contains a comma or a control character",
        "start: `start.only` must be the app itself",
        "start: `start` needs `cwd`: where x.js lies",
    ];
    assert_eq!(errors("pm2", &bad, Section::Step), want);
    let replace = json!({"ensure": "no-duplicates", "app": "a", "replace_holder": true});
    assert_eq!(errors("pm2", &replace, Section::Step), Vec::<String>::new());
    assert_eq!(errors("pm2", &json!({"app": "a"}), Section::Step), ["ensure: `ensure` is missing"]);
    assert_eq!(errors("port", &json!({"port": 1, "expect": "app"}), Section::Step), ["expect: `expect = \"app\"` needs `app`"]);
    let stable = json!({"app": "a", "stable_for": "20s"});
    assert_eq!(errors("single-process", &stable, Section::Precheck), ["stable_for: a pre-check does not wait"]);
    assert_eq!(errors("single-process", &stable, Section::Verify), Vec::<String>::new());
    let forged = json!({"pm2_home": "/a\n@end"});
    assert_eq!(errors("pm2-daemon", &forged, Section::Step), ["pm2_home: `pm2_home` contains a control character"]);
}

/// Runs a script of this program as a host would, with a HOME of its own.
fn sh(op: &Op, home: &Path) -> (i32, String, String) {
    let Op::Shell(shell) = op else { panic!("a script") };
    let out = std::process::Command::new("/bin/sh")
        .args(["-c", shell.text()])
        .env_clear()
        .envs(&shell.env)
        .env("HOME", home)
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .output()
        .expect("a shell");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().expect("an exit status"), text(&out.stdout), text(&out.stderr))
}

#[test]
fn the_look_runs_here_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().expect("a directory");
    let (code, out, _) = sh(&probe("~/.pm2"), home.path());
    assert_eq!(code, 0);
    let view = HostView::parse(&out).expect("readable");
    assert_eq!(view.home, home.path().join(".pm2").display().to_string());
    assert_eq!(view.dir, Dir::Missing);
    assert_eq!(view.dump, Dump::Missing);
    assert!(view.procs.get(std::process::id()).is_some(), "this very process is seen");
    assert_eq!(fs::read_dir(home.path()).expect("the home").count(), 0, "nothing was created");
}

#[test]
fn both_forms_of_a_saved_list_are_read_and_nothing_else_of_it_leaves_the_host() {
    let home = tempfile::tempdir().expect("a directory");
    let pm2 = home.path().join(".pm2");
    fs::create_dir(&pm2).expect("a directory");
    let list = json!([
        {"env": {"name": "no", "TOKEN": "geheim"}, "name": "a \"q\" \\ ü", "namespace": "x", "args": [{"name": "no"}, "}"], "pm_cwd": "/a b"},
        {"name": "b", "list": ["name", "geheim"], "secret": "geheim"}
    ]);
    let saved = |name: &str, space: Option<&str>, cwd: Option<&str>| {
        let own = |text: Option<&str>| text.map(str::to_owned);
        DumpApp { name: name.to_owned(), namespace: own(space), cwd: own(cwd), script: None }
    };
    let want = Dump::Apps(vec![saved("a \"q\" \\ ü", Some("x"), Some("/a b")), saved("b", None, None)]);
    let look = |text: &str| {
        fs::write(pm2.join("dump.pm2"), text).expect("written");
        let (_, out, _) = sh(&probe("~/.pm2"), home.path());
        assert!(!out.contains("geheim"), "{out}");
        HostView::parse(&out).expect("readable").dump
    };
    let pretty = serde_json::to_string_pretty(&list).expect("json");
    assert_eq!(look(&pretty), want);
    assert_eq!(look(&list.to_string()), want);
    assert_eq!(look(&pretty[..pretty.len() / 2]), Dump::Broken);
    assert_eq!(look(""), Dump::Broken);
    assert_eq!(look("[]"), Dump::Apps(Vec::new()));
}

#[test]
fn the_script_that_changes_does_nothing_without_a_daemon() {
    let home = tempfile::tempdir().expect("a directory");
    fs::create_dir(home.path().join(".pm2")).expect("a directory");
    let case = toml::from_str::<Value>(&fs::read_to_string(root().join("pm2/duplicates.toml")).expect("a case")).expect("toml");
    let look = Look { at: Timestamp::from_millis(0), replies: replies(&case["look"][0]) };
    let none = BTreeMap::new();
    let context = Context { vars: &none, host_vars: &none, section: Section::Step };
    let step = instantiate("pm2", case["step"].as_object().expect("[step]"), context).expect("a kind").expect("right fields");
    let Ok(Verdict::Change(change)) = step.judge(&Evidence { target: &target(), looks: &[look], acted: None }) else {
        panic!("a change")
    };
    assert_eq!(change.ops.len(), 1);
    assert!(change.ops[0].mutates());
    let (code, out, err) = sh(&change.ops[0], home.path());
    let want = format!("runbook: 0 daemons for {}/.pm2 instead of one\n", home.path().display());
    assert_eq!((code, out.as_str(), err.as_str()), (93, "", want.as_str()));
    assert_eq!(fs::read_dir(home.path().join(".pm2")).expect("the home").count(), 0, "nothing was created");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_reply_makes_a_judgement_panic(at in 0usize..3000, with in "[ -~\\n@!]{0,20}", number in any::<u32>()) {
        for (_, mut case) in KINDS.iter().flat_map(|kind| cases(kind)).filter(|(path, _)| path.contains("duplicates") || path.contains("owned.")) {
            let probe = fs::read_to_string(root().join("samples/dup-loop.probe")).expect("the sample");
            let (front, back) = probe.split_at(at.min(probe.len()));
            let apps = fs::read_to_string(root().join("samples/dup-loop.rpc.json")).expect("the sample").replace("3000", &number.to_string());
            let look = json!([{"to": "shell", "exit": 0, "text": format!("{front}{with}{back}")}, {"to": "pm2", "text": apps}]);
            case["look"] = json!([{"at_ms": 0, "replies": look}, {"at_ms": 2600, "replies": look}]);
            let _ = run(&case);
        }
    }
}
