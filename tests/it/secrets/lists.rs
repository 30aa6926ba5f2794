//! Process lists of both sides, while a value is in use.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Bench, both};
use crate::harness::sshd::Sshd;

const VALUE: &str = "lists-hunter-2-value";

/// What was seen of processes that had the value.
#[derive(Default)]
struct Sightings {
    on_command_lines: BTreeSet<String>,
    in_environments: BTreeSet<String>,
    looks: usize,
}

fn watch(ends: &AtomicBool) -> Sightings {
    let mut seen = Sightings::default();
    let holds = |bytes: &[u8]| memchr::memmem::find(bytes, VALUE.as_bytes()).is_some();
    while !ends.load(Ordering::SeqCst) {
        seen.looks += 1;
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let path = entry.path();
            let line = fs::read(path.join("cmdline")).unwrap_or_default();
            let shown = || String::from_utf8_lossy(&line).replace('\0', " ").trim().to_owned();
            if holds(&line) {
                seen.on_command_lines.insert(shown());
            }
            if holds(&fs::read(path.join("environ")).unwrap_or_default()) {
                seen.in_environments.insert(shown());
            }
        }
    }
    seen
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A server whose `/bin/sh` is another shell, and whose sudo writes a log.
fn server(shell: &str) -> Option<Sshd> {
    let real =
        ["/bin", "/usr/bin"].map(|dir| format!("{dir}/{shell}")).into_iter().find(|path| fs::exists(path).unwrap_or(false))?;
    let dir = std::env::temp_dir().join(format!("secrets-lists-{}-{shell}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    let sudoers = dir.join("sudoers");
    let text = format!("Defaults logfile={}/sudo.log\nroot ALL=(ALL:ALL) NOPASSWD: ALL\n", dir.display());
    fs::write(&sudoers, text).expect("written");
    fs::set_permissions(&sudoers, fs::Permissions::from_mode(0o440)).expect("a mode");
    let forced = dir.join("forced");
    let text = format!(
        "mount --bind '{}' /etc/sudoers && mount --bind {real} \"$(readlink -f /bin/sh)\" && exec /bin/sh -s\n",
        sudoers.display()
    );
    fs::write(&forced, text).expect("written");
    Some(Sshd::with(&format!("ForceCommand exec unshare -m /bin/bash '{}'", forced.display())))
}

#[test]
fn only_the_declared_command_and_its_children_have_the_value_on_either_side() {
    // binding another shell in the place of /bin/sh takes root
    let shells: &[&str] = if is_root() { &["dash", "bash", "busybox", "mksh"] } else { &[] };
    for shell in shells {
        let Some(sshd) = server(shell) else { continue };
        let dir = std::env::temp_dir().join(format!("secrets-lists-{}-{shell}", std::process::id()));
        let mut bench = Bench::new(sshd);
        bench.env.push(("RB_LISTED".to_owned(), VALUE.to_owned()));
        let step = |id: &str, more: &str| {
            format!(
                "[[step]]\nid = \"{id}\"\nkind = \"exec\"\nsecrets = [\"pw\"]\n{more}run = '[ \"$pw\" = \"$want\" ] && {{ sleep 0.7; \
                 /bin/cat </dev/null; sleep 0.7; }}'\n"
            )
        };
        // a name that only the declared command knows; the variable holds no value
        let text = "name = \"lists\"\ntitle = \"t\"\n[secrets]\npw = { env = \"RB_LISTED\" }\nother = { command = [\"sh\", \"-c\", \"sleep 1; echo other-value-8\"] }\n"
            .to_owned()
            + &step("plain", "").replace("secrets = [\"pw\"]", "secrets = [\"pw\", \"other\"]").replace("\"$want\"", "\"${pw}\"")
            + &step("other", "become = \"nobody\"\n").replace("\"$want\"", "\"${pw}\"");
        bench.put("runbooks/lists.toml", text);
        let ends = Arc::new(AtomicBool::new(false));
        let watching = std::thread::spawn({
            let ends = Arc::clone(&ends);
            move || watch(&ends)
        });
        let ran = bench.run(&["run", "lists", "--hosts", "web-1", "--yes"]);
        ends.store(true, Ordering::SeqCst);
        let seen = watching.join().expect("watched");
        assert_eq!(ran.status.code(), Some(0), "{shell}: {}", both(&ran));
        assert!(seen.looks > 3, "{shell}: {}", seen.looks);
        assert_eq!(seen.on_command_lines, BTreeSet::new(), "{shell}");
        let ours = env!("CARGO_BIN_EXE_runbook");
        let theirs: Vec<&String> = seen.in_environments.iter().filter(|line| !line.starts_with(ours)).collect();
        assert!(theirs.iter().any(|line| line.contains("sleep 0.7")), "{shell}: the command has it: {theirs:?}");
        let declared = |line: &&&String| line.contains("sleep 0.7") || line.contains("/bin/cat");
        // between fork and exec a child looks like its shell
        let others: Vec<_> = theirs.iter().filter(|line| !declared(line)).collect();
        assert!(others.is_empty(), "{shell}: {others:?}");
        let log = fs::read_to_string(dir.join("sudo.log")).expect("sudo has a log");
        assert!(log.contains("COMMAND=") && !log.contains(VALUE), "{shell}: {log}");
        let _ = fs::remove_dir_all(&dir);
    }
}
