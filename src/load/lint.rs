//! What a runbook may do but should not: warnings, each with its place and with what to write instead.
//!
//! They come from incidents. None of them stops a run, so a warning that is wrong costs more than one that is missed:
//! words in comments and in texts that are only printed do not count.

mod changes;
mod commands;
mod credentials;
mod sh;
mod texts;

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::load::diagnostic::{Diagnostic, Severity};
use crate::load::document::{Node, Tree};
use crate::load::lint::sh::{Command, commands};
use crate::load::secrets::Secrets;
use crate::load::source::Source;
use crate::load::step::Read;
use crate::model::plan::Section;
use crate::model::runbook::SignatureDecl;
use crate::model::template::{SHELL_KEYS, placeholders};
use crate::model::visible::literal;
use crate::model::when::When;
use crate::steps::Class;

/// Shell text of a step.
struct Script<'s> {
    source: &'s Source,
    node: &'s Node,
    text: &'s str,
    commands: Vec<Command>,
    /// The key that it stands under.
    key: &'s str,
    /// Whether it is run in every dry run and may be run many times.
    only_looks: bool,
}

impl Script<'_> {
    fn warning(&self, code: &'static str, at: &Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::warning(code, message).at(self.source.inside(self.node, at), "")
    }
}

/// Warns. `files` are the runbook and those that it takes in.
pub(super) fn warn(
    steps: &[Read<'_>],
    signatures: &[SignatureDecl],
    files: &[(&Source, &Node)],
    secrets: &Secrets,
    found: &mut Vec<Diagnostic>,
) {
    unverified(steps, found);
    unused(steps, secrets, found);
    // a step that could not be read may be the one that reads it
    if found.iter().all(|found| found.severity == Severity::Warning) {
        unread(steps, signatures, files.first(), found);
    }
    let scripts: Vec<Script<'_>> = steps.iter().flat_map(scripts).collect();
    for script in &scripts {
        commands::warn(script, found);
        if script.only_looks {
            changes::warn(script, found);
        }
    }
    commands::toggles(&scripts, found);
    for step in steps {
        kinds(step, found);
        for entry in step.node.entries().unwrap_or_default() {
            texts::warn(step.frame.source, &entry.node, is_words(&entry.key), found);
        }
    }
    for (source, root) in files {
        for entry in root.entries().unwrap_or_default().iter().filter(|entry| entry.key == "vars") {
            texts::defaults(source, &entry.node, found);
        }
    }
}

/// Keys whose texts are for people.
fn is_words(key: &str) -> bool {
    matches!(key, "name" | "about" | "because" | "ask")
}

/// Every shell text of a step.
fn scripts<'s>(step: &'s Read<'_>) -> Vec<Script<'s>> {
    let looks = step.kind.is_some_and(|kind| kind.class != Class::Action);
    let mut found = Vec::new();
    for entry in step.node.entries().unwrap_or_default() {
        let nested = !SHELL_KEYS.contains(&entry.key.as_str());
        // what is asked or remembered before a change is looked at like any check
        let only_looks = looks || matches!(entry.key.as_str(), "unless" | "remember");
        collect(step.frame.source, &entry.key, &entry.node, nested, only_looks, &mut found);
    }
    found
}

/// The text of a key of shell text, and those of `run` further down.
fn collect<'s>(source: &'s Source, key: &'s str, node: &'s Node, nested: bool, only_looks: bool, found: &mut Vec<Script<'s>>) {
    match &node.tree {
        Tree::Plain(Value::String(text)) if !nested => {
            found.push(Script { source, node, text, commands: commands(text), key, only_looks });
        }
        Tree::Table(entries) => {
            for entry in entries {
                collect(source, &entry.key, &entry.node, entry.key != "run", only_looks, found);
            }
        }
        _ => {}
    }
}

fn unverified(steps: &[Read<'_>], found: &mut Vec<Diagnostic>) {
    let acts = |step: &&Read<'_>| step.kind.is_some_and(|kind| kind.class == Class::Action);
    let verified = steps.iter().any(|step| matches!(step.decl.section, Section::Verify | Section::VerifyAfterClose));
    if let (Some(step), false) = (steps.iter().find(acts), verified) {
        let message = "this changes something, and nothing verifies it afterwards";
        found.push(Diagnostic::warning("W305", message).at(step.find("kind"), "").help("add a [[verify]]"));
    }
}

fn unused(steps: &[Read<'_>], secrets: &Secrets, found: &mut Vec<Diagnostic>) {
    for (name, at) in secrets.places.iter().filter(|(name, _)| secrets.sources.contains_key(*name)) {
        if !steps.iter().any(|step| step.decl.secrets.iter().any(|used| used == name)) {
            let message = format!("no step uses the secret `{}`", literal(name));
            let help = format!("name it in a step: secrets = [\"{}\"]", literal(name));
            found.push(Diagnostic::warning("W313", message).at(at.clone(), "").help(help));
        }
    }
}

/// Variables that nothing reads. A program that a command starts may read any of them, so that only a runbook without
/// commands is known not to.
fn unread(steps: &[Read<'_>], signatures: &[SignatureDecl], root: Option<&(&Source, &Node)>, found: &mut Vec<Diagnostic>) {
    let vars = root.and_then(|(_, root)| root.entries()?.iter().find(|entry| entry.key == "vars")?.node.entries());
    if steps.iter().any(|step| !scripts(step).is_empty()) {
        return;
    }
    let mut names: BTreeSet<String> = BTreeSet::new();
    let all = steps.iter().map(|step| &step.decl.fields).chain(signatures.iter().map(|signature| &signature.fields));
    names.extend(all.flat_map(placeholders).map(|placeholder| placeholder.name));
    for step in steps {
        let given = step.decl.own_vars.iter().flatten().filter_map(|var| var.with.clone());
        let given = Map::from_iter(given.enumerate().map(|(n, value)| (n.to_string(), value)));
        names.extend(placeholders(&given).into_iter().map(|placeholder| placeholder.name));
        let when = step.decl.when.as_deref().and_then(|text| When::parse(text).ok());
        names.extend(when.iter().flat_map(When::names).map(ToString::to_string));
    }
    for entry in vars.unwrap_or_default().iter().filter(|entry| !names.contains(&entry.key)) {
        let message = format!("nothing reads the variable `{}`", literal(&entry.key));
        found.push(Diagnostic::warning("W315", message).at(entry.key_span.clone(), "").help("use it, or take it out"));
    }
}

/// Keys of kinds that make them do what went wrong before.
fn kinds(step: &Read<'_>, found: &mut Vec<Diagnostic>) {
    let field = |key: &str| step.decl.fields.get(key);
    match step.decl.kind.as_str() {
        "pm2" => {
            if field("save") == Some(&Value::Bool(false)) {
                let message = "what PM2 runs then is not what it starts after a reboot";
                let help = "leave `save` out: the list is saved after the change and compared with what runs";
                found.push(Diagnostic::warning("W307", message).at(step.find("save"), "").help(help));
            }
            if field("app").and_then(Value::as_str) == Some("all") {
                let message = "`all` is no app: for pm2 it is every app, also those of others";
                found.push(Diagnostic::warning("W303", message).at(step.find("app"), "").help("name one app"));
            }
        }
        "kill-switch" if field("close").and_then(Value::as_str) == Some("never") => {
            let message = "this switch stays as it is set: nothing of this run puts it back";
            let help = "leave `close` out: the value read before is put back on every way out of the run";
            found.push(Diagnostic::warning("W309", message).at(step.find("close"), "").help(help));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::load::runbook::from_source;
    use crate::load::source::decode;
    use crate::steps::KINDS;

    /// The warnings of a runbook, each as `W301 the text it points at`.
    fn warned(body: &str) -> Vec<String> {
        let text = format!("name = \"x\"\ntitle = \"t\"\n{body}\n[[verify]]\nid = \"v\"\nkind = \"port\"\nport = 1\n");
        let source = decode(Path::new("x.toml"), text.into_bytes()).expect("a text");
        let (runbook, warnings) = from_source(&source, KINDS);
        runbook.unwrap_or_else(|errors| panic!("{errors}"));
        let shown = |d: &crate::load::diagnostic::Diagnostic| {
            format!("{} {}", d.code, d.span.clone().and_then(|at| source.text.get(at)).unwrap_or("?"))
        };
        warnings.list.iter().map(shown).collect()
    }

    fn of_exec(script: &str) -> Vec<String> {
        warned(&format!("[[step]]\nid = \"s\"\nkind = \"exec\"\nrun = '''\n{script}\n'''"))
    }

    fn of_require(script: &str) -> Vec<String> {
        warned(&format!("[[precheck]]\nid = \"s\"\nkind = \"require\"\nrun = '''\n{script}\n'''"))
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn commands_that_went_wrong_before_are_told_where_they_stand() {
        let cases: &[(&str, &[&str])] = &[
            ("sudo pkill -9 node", &["W301 pkill -9 node"]),
            ("killall node", &["W301 killall node"]),
            ("kill -9 -1", &["W301 kill -9 -1"]),
            ("kill $(pgrep -f server.js)", &["W301 kill $(pgrep -f server.js)"]),
            ("kill -TERM `pidof node`", &["W301 kill -TERM `pidof node`"]),
            ("fuser -k 3000/tcp", &["W301 fuser -k 3000/tcp"]),
            ("lsof -ti :3000 | xargs kill -9", &["W301 kill -9"]),
            ("sh -c 'pkill node'", &["W301 pkill node"]),
            ("pm2 save --force", &["W302 --force"]),
            ("pm2 restart all && pm2 save", &["W303 pm2 restart all"]),
            ("pm2 delete /api/; pm2 save", &["W303 pm2 delete /api/"]),
            ("pm2 stop; pm2 save", &["W303 pm2 stop"]),
            ("pm2 kill", &["W303 pm2 kill"]),
            ("pm2 restart api --namespace test && pm2 save", &["W304 --namespace"]),
            ("pm2 logs api --namespace=test", &["W304 --namespace=test"]),
            ("pm2 start e.js --only api", &["W307 pm2 start e.js --only api"]),
            ("npm start\nsleep 10", &["W310 sleep 10"]),
            ("sleep 5 && curl -fsS http://127.0.0.1:3000/", &["W310 sleep 5"]),
            ("curl -fsS http://localhost:3000/x", &["W306 localhost"]),
            ("curl localhost:3000", &["W306 localhost"]),
            ("curl -X POST 'http://127.0.0.1:1/t?enabled=false'", &["W309 'http://127.0.0.1:1/t?enabled=false'"]),
            ("DB_PASSWORD=hunter2 npm start", &["W308 hunter2"]),
            ("cat > e.js <<'E'\nmodule.exports = { namespace: 'x', apps: [] }\nE", &["W312 namespace"]),
        ];
        for (script, want) in cases {
            assert_eq!(of_exec(script), *want, "{script}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_not_told() {
        let misses = [
            "xpkill node",
            "# pkill node",
            "echo 'run pkill -9 node by hand' # killall",
            "pkill -F /run/app.pid",
            "kill -0 $(pgrep node)",
            "kill \"$pid\"",
            "kill -1 \"$pid\"",
            "fuser 3000/tcp",
            "lsof -ti :3000 | xargs ps -p",
            "pm2 save",
            "echo pm2 save --force",
            "pm2 restart \"$app\" && pm2 save",
            "pm2 start e.js --only api --namespace test\npm2 save",
            "pm2 jlist",
            "sleep 1; npm start",
            "until curl -fsS http://127.0.0.1:3000/; do sleep 1; done",
            "curl http://localhost.example.com/",
            "echo http://localhost:3000/",
            "curl -X POST 'http://127.0.0.1:1/t?enabled=false'; npm ci; curl -X POST 'http://127.0.0.1:1/t?enabled=true'",
            "DB_PASSWORD=\"$password\" npm start",
            "rm -rf build",
        ];
        for script in misses {
            assert_eq!(of_exec(script), NONE, "{script}");
        }
    }

    #[test]
    fn what_changes_something_is_told_where_only_looking_is_meant() {
        let cases: &[(&str, &str)] = &[
            ("rm -f x", "rm -f x"),
            ("test -e x || cp a b", "cp a b"),
            ("kill 1", "kill 1"),
            ("pm2 start api", "pm2 start api"),
            ("systemctl restart nginx", "systemctl restart nginx"),
            ("service nginx reload", "service nginx reload"),
            ("curl -fsS -X POST http://127.0.0.1:1/", "curl -fsS -X POST http://127.0.0.1:1/"),
            ("curl -sXDELETE http://127.0.0.1:1/", "curl -sXDELETE http://127.0.0.1:1/"),
            ("curl -d a=b http://127.0.0.1:1/", "curl -d a=b http://127.0.0.1:1/"),
            ("sed -i s/a/b/ f", "sed -i s/a/b/ f"),
            ("echo x | tee f", "tee f"),
            ("echo x > f", "f"),
            ("git -C /srv checkout main", "git -C /srv checkout main"),
            ("npm ci", "npm ci"),
            ("docker compose up -d", "docker compose up -d"),
            ("find /tmp -name x -delete", "find /tmp -name x -delete"),
            ("x=$(rm y)", "rm y"),
        ];
        for (script, want) in cases {
            assert_eq!(of_require(script), [format!("W311 {want}")], "{script}");
            let unless = format!("[[step]]\nid = \"s\"\nkind = \"exec\"\nrun = \"true\"\nunless = '''{script}'''");
            assert_eq!(warned(&unless), [format!("W311 {want}")], "unless: {script}");
        }
        let misses = [
            "test -e /srv/rm",
            "grep -q 'rm -rf' deploy.sh 2>/dev/null",
            "# rm x",
            "curl -fsS -o /dev/null http://127.0.0.1:1/",
            "curl -G -d a=b http://127.0.0.1:1/",
            "systemctl is-active nginx",
            "git -C /srv rev-parse HEAD >/dev/null 2>&1",
            "sed -n 1p f",
            "docker ps --filter name=rm",
            "find /tmp -name rm",
            "command -v rm",
            "kill -0 \"$pid\"",
            "crontab -l",
            "echo 'rm x'",
        ];
        for script in misses {
            assert_eq!(of_require(script), NONE, "{script}");
        }
    }

    #[test]
    fn kinds_and_variables_are_looked_at_too() {
        let pm2 = "[[step]]\nid = \"s\"\nkind = \"pm2\"\nensure = \"restarted\"\napp = \"x\"\n";
        assert_eq!(warned(&format!("{pm2}save = false")), ["W307 false"]);
        assert_eq!(warned(&format!("{pm2}save = true")), NONE);
        let switch = "[[step]]\nid = \"s\"\nkind = \"kill-switch\"\nurl = \"http://127.0.0.1:1/\"\nfield = \"on\"\nto = false\n\
                      set = { method = \"POST\", url = \"http://127.0.0.1:1/?on={{ value }}\" }\n";
        assert_eq!(warned(&format!("{switch}close = \"never\"\nbecause = \"x\"")), ["W309 \"never\""]);
        assert_eq!(warned(&format!("{switch}close = \"always\"")), NONE);
        assert_eq!(warned("[vars]\ntoken = { default = \"abcd\" }"), ["W315 token", "W308 \"abcd\""]);
        assert_eq!(
            warned("[vars]\nbase = { type = \"url\", default = \"http://localhost:1/\" }"),
            ["W315 base", "W306 localhost"]
        );
        assert_eq!(warned("[vars]\ntoken = { type = \"string\", default = \"\", allow_empty = true }"), ["W315 token"]);
        let used = "[vars]\nport = { default = 1 }\non = { default = true }\n[[precheck]]\nid = \"p\"\nkind = \"port\"\nport = \"{{ port }}\"\nwhen = \"on\"";
        assert_eq!(warned(used), NONE);
        let command = "[vars]\napp = { default = \"x\" }\n[[precheck]]\nid = \"p\"\nkind = \"require\"\nrun = \"./look\"";
        assert_eq!(warned(command), NONE, "what it starts may read it");
        assert_eq!(warned("[secrets]\nkey = { env = \"X\" }"), ["W313 key"]);
    }
}
