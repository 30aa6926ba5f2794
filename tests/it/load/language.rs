//! The whole language: every key is kept, and steps of other files stand where they are used.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runbook::load::diagnostic::Diagnostics;
use runbook::load::source::Source;
use runbook::load::{runbook as loader, source};
use runbook::model::own_vars::own_values;
use runbook::model::plan::{Backoff, BatchSize, Order, Retry, Scope, SecretSource, Section};
use runbook::plan::build::{Request, build};
use runbook::plan::select::Selection;
use serde_json::{Value, json};

use super::{FAKES, KINDS, fleet, inventory_of, step};

const WHOLE: &str = r#"
[vars]
app = { type = "string", default = "proxy" }
[secrets]
token = { env = "TOKEN" }
key = { file = "keys/key" }
home = { file = "~/.key" }
vault = { command = ["vault", "read", ""] }
[rollout]
order = "az-spread"
max_out = "25%"
max_failures = "10%"
[[precheck]]
id = "built"
kind = "require"
run = "cat build"
capture = { sha = { from = "stdout:trim", pattern = "[0-9a-f]{40}" }, port = { from = "stdout:line:2", type = "port" } }
retry = { times = 3, delay = "2s", backoff = "double" }
tags = ["slow"]
[[step]]
id = "gate"
kind = "confirm"
ask = "go?"
[[step]]
id = "each"
kind = "confirm"
ask = "go?"
each = true
[[step]]
id = "deploy"
kind = "run"
run = "deploy"
scope = "once"
become = "deploy"
secrets = ["vault", "token"]
retry = { times = 1 }
when = "steps.built.port > 1000"
[[verify]]
id = "held"
kind = "look"
port = "{{ steps.built.port }}"
app = "{{ app }}-{{ steps.built.sha }}"
stable_for = "20s"
timeout = "30s"
[[verify]]
id = "named"
kind = "require"
run = "true"
secrets = ["key", "home"]
[[signature]]
name = "the port is taken"
kind = "look"
port = 3000
"#;

#[test]
fn every_key_of_the_language_is_kept() {
    let path = PathBuf::from("etc/whole.toml");
    let text = format!("name = \"whole\"\ntitle = \"t\"{WHOLE}");
    let source = source::decode(&path, text.into_bytes()).expect("a text");
    let (runbook, warnings) = loader::from_source(&source, &FAKES);
    let runbook = runbook.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(warnings.lines(), "");
    let rollout = &runbook.rollout;
    assert_eq!((rollout.order, rollout.max_out), (Order::AzSpread, Some(BatchSize::Percent(25))));
    assert_eq!(rollout.max_failures, BatchSize::Percent(10));
    let secrets: Vec<(&str, &SecretSource)> = runbook.secrets.iter().map(|(name, place)| (name.as_str(), place)).collect();
    let want = [
        ("home", SecretSource::File(PathBuf::from("~/.key"))),
        ("key", SecretSource::File(PathBuf::from("etc/keys/key"))),
        ("token", SecretSource::Env("TOKEN".to_owned())),
        ("vault", SecretSource::Command(["vault", "read", ""].map(str::to_owned).to_vec())),
    ];
    assert_eq!(secrets, want.iter().map(|(name, place)| (*name, place)).collect::<Vec<_>>());
    let scopes: Vec<(&str, Scope)> = runbook.steps.iter().map(|step| (step.id.as_str(), step.scope)).collect();
    let want = [
        ("built", Scope::EachHost),
        ("gate", Scope::Controller),
        ("each", Scope::EachHost),
        ("deploy", Scope::Once),
        ("held", Scope::EachHost),
        ("named", Scope::EachHost),
    ];
    assert_eq!(scopes, want);
    let retry = |times, secs, backoff| Some(Retry { times, delay: Duration::from_secs(secs), backoff });
    let [built, deploy] = [&runbook.steps[0], &runbook.steps[3]];
    assert_eq!((built.retry, &built.tags), (retry(3, 2, Backoff::Double), &vec!["slow".to_owned()]));
    assert_eq!((deploy.retry, deploy.acts_as.as_deref()), (retry(1, 1, Backoff::Fixed), Some("deploy")));
    assert_eq!(deploy.secrets, ["vault", "token"]);
    assert_eq!(runbook.steps[4].fields["app"], json!("{{ app }}-{{ steps.built.sha }}"));
    let [signature] = runbook.signatures.as_slice() else { panic!("one signature: {:?}", runbook.signatures) };
    assert_eq!((signature.name.as_deref(), signature.kind.as_str()), (Some("the port is taken"), "look"));
}

const USES: &str = r#"
[vars]
app = { type = "string", default = "proxy" }
port = { type = "port" }
[[phase]]
name = "one"
[[precheck]]
use = "lib/port"
with = { number = "{{ port }}" }
[[step]]
use = "lib/restart"
phase = "one"
with = { name = "{{ app }}-{{ host.user }}" }
[[step]]
id = "last"
kind = "act"
app = "{{ app }}"
when = "steps.free.verdict == 'free'"
[[verify]]
use = "lib/port"
"#;

/// The files that `USES` takes steps from.
fn shelf(path: &Path) -> Result<Source, Diagnostics> {
    let text = match path.to_str() {
        Some("etc/lib/port.toml") => {
            "[vars]\nnumber = { type = \"port\", default = 1 }\n\
             [[precheck]]\nid = \"free\"\nkind = \"look\"\nport = \"{{ number }}\"\n\
             [[verify]]\nid = \"held\"\nkind = \"look\"\nport = \"{{ number }}\"\n"
        }
        Some("etc/lib/restart.toml") => {
            "title = \"restart\"\n[vars]\nname = { type = \"string\", pattern = \"[a-z-]+\" }\nhard = { default = true }\n\
             [[step]]\nid = \"restart\"\nkind = \"act\"\napp = \"{{ name }}\"\nhard = \"{{ hard }}\"\nwhen = \"hard\"\n\
             [[step]]\nuse = \"lib/deep/save\"\nwith = { file = \"/srv/{{ name }}\" }\n"
        }
        Some("etc/lib/deep/save.toml") => {
            "[vars]\nfile = { type = \"path\" }\n[[step]]\nid = \"save\"\nphase = \"one\"\nkind = \"act\"\napp = \"{{ file }}\"\n"
        }
        _ => return source::read(path),
    };
    source::decode(path, text.as_bytes().to_vec())
}

#[test]
fn the_steps_of_other_files_stand_where_they_are_used() {
    let read = |text: &str, reader: source::Reader<'_>| {
        let path = PathBuf::from("etc/uses.toml");
        let source = source::decode(&path, format!("name = \"uses\"\ntitle = \"t\"{text}").into_bytes()).expect("a text");
        loader::from_sources(&source, &FAKES, reader).0.unwrap_or_else(|errors| panic!("{errors}"))
    };
    let runbook = read(USES, &shelf);
    let steps: Vec<(&str, Section, Option<&str>)> =
        runbook.steps.iter().map(|step| (step.id.as_str(), step.section, step.phase.as_deref())).collect();
    let want = [
        ("free", Section::Precheck, None),
        ("restart", Section::Step, Some("one")),
        ("save", Section::Step, Some("one")),
        ("last", Section::Step, None),
        ("held", Section::Verify, None),
    ];
    assert_eq!(steps, want);
    let vars = BTreeMap::from([("app".to_owned(), json!("web")), ("port".to_owned(), json!(8080))]);
    let host = |name: &str| (name == "host.user").then(|| json!("app"));
    let own: Vec<Value> = runbook
        .steps
        .iter()
        .map(|step| serde_json::to_value(own_values(&step.own_vars, &vars, &host).expect("values")).expect("JSON"))
        .collect();
    let runbooks_own = json!({"app": "web", "port": 8080});
    let restart = json!({"name": "web-app", "hard": true});
    assert_eq!(own, [json!({"number": 8080}), restart, json!({"file": "/srv/web-app"}), runbooks_own, json!({"number": 1})]);
    let changed = |path: &Path| {
        let source = shelf(path)?;
        source::decode(path, source.text.replace("id = \"save\"", "id = \"saves\"").into_bytes())
    };
    assert_ne!(read(USES, &changed).sha256, runbook.sha256, "another text of a file that is taken in is another runbook");
    let alone = step("look", "port = 1");
    let text = format!("name = \"uses\"\ntitle = \"t\"\n{alone}");
    let own = source::decode(Path::new("x"), text.into_bytes()).expect("a text").sha256;
    assert_eq!(read(&format!("\n{alone}"), &shelf).sha256, own, "without one it is the file's own");
}

#[test]
fn a_plan_has_the_variables_of_each_use_and_leaves_for_later_what_a_run_learns() {
    let text = format!("name = \"uses\"\ntitle = \"t\"{}", USES.replace("id = \"last\"", LEARNS));
    let source = source::decode(Path::new("etc/uses.toml"), text.into_bytes()).expect("a text");
    let runbook = loader::from_sources(&source, &FAKES, &shelf).0.unwrap_or_else(|errors| panic!("{errors}"));
    let inventory = inventory_of(&fleet(1, false)).expect("loads");
    let request = |sets: &[(&str, &str)]| Request {
        runbook: &runbook,
        inventory: &inventory,
        hosts: vec![inventory.hosts[0].name.clone()],
        selector: "all".to_owned(),
        sets: sets.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        batches: None,
        max_failures: None,
        on_failure: None,
        selection: Selection::default(),
    };
    let plan = build(&request(&[("port", "8080")]), &KINDS).expect("a plan");
    let shown: Vec<(&str, Value, Value)> = plan
        .units
        .iter()
        .map(|unit| (unit.step.as_str(), Value::Object(unit.fields.clone()), serde_json::to_value(&unit.own_vars).expect("JSON")))
        .collect();
    let want = [
        ("free", json!({"port": 8080}), json!({"number": 8080})),
        ("restart", json!({"app": "proxy-app", "hard": true}), json!({"name": "proxy-app", "hard": true})),
        ("save", json!({"app": "/srv/proxy-app"}), json!({"file": "/srv/proxy-app"})),
        ("built", json!({"run": "true", "capture": {"n": {"from": "stdout:trim", "pattern": "[0-9]+"}}}), json!(null)),
        ("probe", json!({"port": "{{ steps.built.n }}"}), json!(null)),
        ("last", json!({"app": "proxy"}), json!(null)),
        ("held", json!({"port": 1}), json!({"number": 1})),
    ];
    assert_eq!(shown, want);
    let errors = build(&request(&[("port", "8080"), ("app", "Web 1")]), &KINDS).expect_err("no plan");
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let wrong = "step `restart`, with.name: `name`: `Web 1-app` does not match [a-z-]+";
    assert_eq!(told[0], wrong);
}

/// A step that captures a text, and one that takes it for a port.
const LEARNS: &str = r#"id = "built"
kind = "require"
run = "true"
capture = { n = { from = "stdout:trim", pattern = "[0-9]+" } }
[[step]]
id = "probe"
kind = "look"
port = "{{ steps.built.n }}"
[[step]]
id = "last""#;

#[test]
fn files_are_taken_in_with_the_same_care_as_runbooks() {
    let dir = tempfile::tempdir().expect("a folder");
    let lib = dir.path().join("lib");
    fs::create_dir(&lib).expect("a folder");
    let runbook = dir.path().join("uses.toml");
    fs::write(&runbook, "name = \"uses\"\ntitle = \"t\"\n[[step]]\nuse = \"lib/x\"\n").expect("written");
    let made = std::process::Command::new("mkfifo").arg(lib.join("x.toml")).status().expect("mkfifo runs");
    assert!(made.success());
    let why = || {
        let errors = loader::load(&runbook).expect_err("refused");
        errors.lines().replace(&dir.path().display().to_string(), "DIR")
    };
    assert_eq!(why(), "DIR/uses.toml:4:7: error[E315]: cannot read DIR/lib/x.toml: it is no regular file\n");
    fs::remove_file(lib.join("x.toml")).expect("removed");
    fs::write(lib.join("x.toml"), vec![b'#'; (1 << 20) + 1]).expect("written");
    assert_eq!(why(), "DIR/uses.toml:4:7: error[E315]: cannot read DIR/lib/x.toml: it is larger than 1024 KiB\n");
    fs::write(lib.join("x.toml"), b"a = \"\xff\"\n").expect("written");
    assert_eq!(why(), "DIR/lib/x.toml:1:6: error[E102]: the byte 0xff is not UTF-8; taken in here: DIR/uses.toml:4:7\n");
}

const REAL: &str = r#"
[vars]
app = { type = "string", default = "shop" }
port = { type = "port", default = 8080 }
[secrets]
token = { env = "DEPLOY_TOKEN" }
[[precheck]]
id = "fits"
kind = "target-health"
group = "front"
healthy_others = "min_healthy"
[[precheck]]
id = "dir"
kind = "file"
path = "/srv/shop"
type = "directory"
readable_by = "{{ host.user }}"
[[precheck]]
id = "space"
kind = "resources"
disk_free = { "/" = "1GiB" }
[[precheck]]
id = "built"
kind = "require"
run = "cat /srv/shop/build"
capture = { port = { from = "stdout:line:2", type = "port" } }
[[step]]
id = "sure"
kind = "confirm"
ask = "take it out?"
[[step]]
id = "out"
kind = "target"
group = "front"
to = "deregistered"
close = "when-verified"
[[step]]
id = "ship"
kind = "exec"
run = "deploy \"$app\""
become = "deploy"
secrets = ["token"]
[[step]]
id = "settle"
kind = "wait"
until = { kind = "port", port = "{{ steps.built.port }}", app = "{{ app }}" }
timeout = "2m"
[[step]]
id = "lost"
kind = "free-port"
port = "{{ port }}"
keep = { pm2 = "{{ app }}" }
when = "steps.fits.outcome == 'ok'"
[[verify]]
id = "quiet"
kind = "log-scan"
pm2 = "{{ app }}"
pattern = "EADDRINUSE"
since = "first-look"
[[signature]]
kind = "log-scan"
pm2 = "{{ app }}"
pattern = "EADDRINUSE"
"#;

#[test]
fn the_kinds_there_are_take_the_whole_language() {
    let told = |from: &str, to: &str| {
        assert!(REAL.contains(from), "{from}");
        let text = format!("name = \"real\"\ntitle = \"t\"{}", REAL.replace("port = { from", "at = { from").replace(from, to));
        let text = text.replace("steps.built.port", "steps.built.at");
        let source = source::decode(Path::new("real.toml"), text.into_bytes()).expect("a text");
        let (runbook, warnings) = loader::from_source(&source, runbook::steps::KINDS);
        let shown = |list: &Diagnostics| list.list.iter().map(|d| format!("{} {}", d.code, d.message)).collect::<Vec<_>>();
        (runbook.err().map(|errors| shown(&errors)).unwrap_or_default(), shown(&warnings))
    };
    let later = |kind: &str| format!("W314 `{kind}` is checked by this version and not run");
    assert_eq!(told("ask", "ask"), (Vec::new(), vec![later("target-health"), later("target")]));
    let errors = |from: &str, to: &str| told(from, to).0;
    let late = "until = { kind = \"port\", port = \"{{ steps.built.port }}\", app = \"{{ app }}\" }";
    assert_eq!(errors(late, "for = \"3m\""), ["E319 `for` must be shorter than the timeout of the step"]);
    let here = format!("scope = \"controller\"\n{late}");
    assert_eq!(errors(late, &here), ["E318 `port` cannot have scope = \"controller\""], "as the check that it asks");
    let user = errors("to = \"deregistered\"", "to = \"deregistered\"\nbecome = \"root\"");
    assert_eq!(user, ["E318 `target` cannot become another user: not all that it does is a command"]);
    let placed = errors(
        "[[verify]]\nid = \"quiet\"",
        "[[verify]]\nid = \"again\"\nkind = \"wait\"\nfor = \"1s\"\n[[verify]]\nid = \"quiet\"",
    );
    assert_eq!(placed, ["E307 `wait` waits, so it cannot stand in [[verify]]"]);
}

#[test]
fn the_runbook_of_the_guide_loads_without_a_warning() {
    let guide = std::fs::read_to_string("docs/runbooks.md").expect("the guide");
    let block = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("restart-app.toml");
    std::fs::write(&path, block).expect("written");
    let (loaded, warnings) = runbook::load::runbook::check(&path, runbook::steps::KINDS);
    assert!(loaded.is_ok(), "{}", loaded.err().map(|errors| errors.lines()).unwrap_or_default());
    assert_eq!(warnings.lines(), "");
}
