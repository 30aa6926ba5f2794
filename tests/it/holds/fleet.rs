//! A folder with runbooks, a record of its own, and the binary on a simulated fleet.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jsonschema::Validator;
use serde_json::Value;

/// Changes every host at once, whatever happens on others.
const WORK: &str = r#"
name  = "work"
title = "runs a command"
[rollout]
batches = ["100%"]
max_failures = 100000
[[step]]
id = "work"
kind = "exec"
run = "work"
"#;

/// Looks before it changes anything.
const GUARDED: &str = r#"
name  = "guarded"
title = "runs a command where a look allows it"
[rollout]
batches = ["100%"]
max_failures = 100000
[[precheck]]
id = "fit"
kind = "require"
run = "fit"
stdout = "SIM"
[[step]]
id = "work"
kind = "exec"
run = "work"
[[verify]]
id = "proof"
kind = "require"
run = "proof"
"#;

/// Takes its time, one host after the other.
const SLOW: &str = r#"
name  = "slow"
title = "waits"
[rollout]
batches = ["1"]
max_failures = 100000
[[step]]
id = "rest"
kind = "wait"
for = "50s"
timeout = "2m"
[[step]]
id = "work"
kind = "exec"
run = "work"
"#;

/// Only looks.
const LOOK: &str = r#"
name  = "look"
title = "looks at everything once"
risk  = "read-only"
[rollout]
batches = ["100%"]
max_failures = 100000
[[precheck]]
id = "daemon"
kind = "pm2-daemon"
[[precheck]]
id = "held"
kind = "port"
port = 3000
app = "proxy-service"
[[precheck]]
id = "answers"
kind = "http"
url = "http://127.0.0.1:3000/api/trackier-status"
"#;

/// Exit code, standard output, standard error.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

/// A folder to work in.
pub(super) struct Fleet {
    folder: tempfile::TempDir,
    sim: String,
}

impl Fleet {
    /// On this simulated fleet.
    pub(super) fn new(sim: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        for name in ["runbooks", "bin", "home"] {
            fs::create_dir(at.join(name)).expect("a folder");
        }
        for (name, text) in [("work", WORK), ("guarded", GUARDED), ("slow", SLOW), ("look", LOOK)] {
            fs::write(at.join(format!("runbooks/{name}.toml")), text).expect("written");
        }
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/kill-switch.toml");
        fs::copy(shipped, at.join("runbooks/kill-switch.toml")).expect("copied");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_runbook"), at.join("bin/runbook")).expect("a link");
        Self { folder, sim: sim.to_owned() }
    }

    /// A file of the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn at_home(&self, mut command: Command) -> Command {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        command.current_dir(self.folder.path()).env_clear().env("PATH", path).env("HOME", self.path("home"));
        command.env("USER", "ana").stdin(Stdio::null());
        command
    }

    /// The binary with these arguments, as a user types them: everything that is not the default is said.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.at_home(Command::new(env!("CARGO_BIN_EXE_runbook")));
        // `--` ends the options of `exec`
        command.args(["-i", &self.sim, "--state-dir", "state"]).args(args);
        command
    }

    /// What the binary says.
    pub(super) fn runbook(&self, args: &[&str]) -> Said {
        said(self.command(args))
    }

    /// What a shell says to a line as it was printed.
    pub(super) fn pasted(&self, line: &str) -> Said {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]);
        said(self.at_home(shell))
    }

    /// The lines that a command prints for programs, every one of them as the schema says.
    pub(super) fn json(&self, schemas: &Schemas, what: &str, args: &[&str]) -> (i32, Vec<Value>) {
        let said = self.runbook(&[args, &["-o", "json"]].concat());
        let lines = schemas.lines(what, &said.out);
        assert!(!lines.is_empty(), "{args:?} printed nothing: {}", said.err);
        (said.code, lines)
    }

    /// The id of the newest run.
    pub(super) fn last_run(&self) -> String {
        let said = self.runbook(&["history", "-n", "1", "-o", "quiet"]);
        said.out.trim().to_owned()
    }
}

fn said(mut command: Command) -> Said {
    let output = command.output().expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Said { code: output.status.code().expect("a status"), out: text(output.stdout), err: text(output.stderr) }
}

/// The schemas as the binary prints them.
pub(super) struct Schemas(BTreeMap<&'static str, Validator>);

impl Schemas {
    /// All of them.
    pub(super) fn printed() -> Self {
        let names = [
            "events",
            "hosts",
            "exec",
            "steps",
            "list",
            "show",
            "show-run",
            "show-host",
            "show-step",
            "history",
            "lint",
            "timeline",
            "error",
        ];
        let one = |name| {
            let output = Command::new(env!("CARGO_BIN_EXE_runbook")).args(["schema", name]).output().expect("it starts");
            let schema: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            (name, jsonschema::draft202012::new(&schema).expect("a schema of its draft"))
        };
        Self(names.into_iter().map(one).collect())
    }

    /// The objects that were printed, one a line, each as this schema says.
    pub(super) fn lines(&self, what: &str, out: &str) -> Vec<Value> {
        let schema = &self.0[what];
        assert!(out.is_empty() || out.ends_with('\n'), "{what}: the last line is not ended");
        let lines: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{what}: {e}: {line}"))).collect();
        for line in &lines {
            let wrong: Vec<String> = schema.iter_errors(line).map(|error| error.to_string()).collect();
            assert_eq!(wrong, Vec::<String>::new(), "{what}: {line}");
        }
        lines
    }
}
