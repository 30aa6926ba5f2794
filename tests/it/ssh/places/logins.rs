//! Login shells, their files and what a login leaves in the environment.

use std::fs;
use std::time::Duration;

use runbook::engine::world::{Session, World};
use runbook::model::op::{Exit, Op, Shell};
use runbook::world::timeouts::Timeouts;
use serde_json::json;

use super::{Visit, code};
use crate::harness::place::{Odd, Place};
use crate::harness::sshd::{fleet_with, timeouts};
use crate::ssh::arguments::SHELLS;

/// Short patience for hosts that never say anything we wait for.
fn hasty() -> Timeouts {
    Timeouts { shell: Duration::from_secs(2), ..timeouts() }
}

/// Functions, options and variables with which everything a script says would mean something else.
fn hostile() -> Odd {
    let mut odd = Odd::default();
    for name in ["printf", "[", "test", "cd", "kill", "read", "command", "sleep", "echo", "true", "awk", "sed", "ls", "id", "ps"]
    {
        odd = odd.env(&format!("BASH_FUNC_{name}%%"), "() { echo FAKE; return 0; }");
    }
    odd.env("SHELLOPTS", "errexit:nounset:noglob:noclobber:xtrace:verbose:pipefail:keyword")
        .env("BASHOPTS", "nocasematch:failglob:xpg_echo:nullglob:dotglob")
}

/// Functions with the names of what POSIX finds before functions; a login that is a POSIX shell itself has no such thing.
fn special(odd: Odd) -> Odd {
    let names = ["export", "unset", "eval", "set", "shift", "exit", "trap", "return", "."];
    names.into_iter().fold(odd, |odd, name| odd.env(&format!("BASH_FUNC_{name}%%"), "() { echo FAKE; }"))
}

/// What programs and shells obey.
fn obeyed(odd: Odd) -> Odd {
    [
        ("IFS", "e"),
        ("CDPATH", "/"),
        ("ENV", "$DIR/rc"),
        ("BASH_ENV", "$DIR/rc"),
        ("POSIXLY_CORRECT", "1"),
        ("GREP_OPTIONS", "--color=always -v"),
        ("QUOTING_STYLE", "shell-escape-always"),
        ("TIME_STYLE", "+%s -> %s"),
        ("BLOCK_SIZE", "7"),
        ("PS_PERSONALITY", "bsd"),
        ("PS_FORMAT", "comm"),
        ("PS4", "$(touch $DIR/canary)"),
        ("PROMPT_COMMAND", "touch $DIR/canary"),
        ("OPTIND", "9"),
        ("LS_COLORS", "*=31"),
        ("COLUMNS", "7"),
        ("TERM", "xterm"),
        ("__rb_end", "9"),
        ("__rb", "9"),
        ("LC_ALL", "no_SUCH.locale"),
        ("LANGUAGE", "tr:de"),
        ("TZ", "Pacific/Kiritimati"),
    ]
    .into_iter()
    .fold(odd, |odd, (name, value)| odd.env(name, value))
    .before("printf 'touch %s/canary; echo NOISE; alias printf=false; set -e\\n' \"$DIR\" >\"$DIR/rc\"")
}

/// All that a session promises, in short.
async fn holds(place: &Place, name: &str) {
    let mut visit = Visit::to(place, "root").await;
    for (text, want) in [
        ("printf '%s' \"$#\"", (code(0), "0")),
        ("false; echo on", (code(0), "on\n")),
        ("echo \"${NONE_SUCH}x\"", (code(0), "x\n")),
        ("cd /; for f in [e]tc; do echo \"$f\"; done", (code(0), "etc\n")),
        ("f=$HOME/f; echo a >\"$f\"; echo b >\"$f\"; cat \"$f\"", (code(0), "b\n")),
        ("case A in a) echo folded;; *) echo kept;; esac", (code(0), "kept\n")),
        ("[ a = b ] || echo differ", (code(0), "differ\n")),
        ("false | true; echo $?", (code(0), "0\n")),
        ("set -- 'a e' b; echo $#; echo $1", (code(0), "2\na e\n")),
        ("exit 7", (code(7), "")),
        ("kill -s KILL $$", (Exit::Signal { name: "KILL".to_owned() }, "")),
        ("echo a 'b", (code(2), "")),
        ("echo on", (code(0), "on\n")),
    ] {
        let (exit, out, err) = visit.run(text).await;
        // shells differ in the status of what cannot be parsed
        let same = exit == want.0 || want.0 == code(2) && matches!(exit, Exit::Code { code: 1.. });
        assert!(same && out == want.1, "{name}: {text}: {exit:?} {out:?} {err:?}");
    }
    let late = Shell::authored("late".to_owned(), "sleep 60".to_owned(), true).timeout(Duration::from_millis(500));
    assert_eq!(visit.op(Op::Shell(late)).await.0, Exit::TimedOut, "{name}");
    visit.session.close().await;
}

#[tokio::test]
async fn nothing_a_login_leaves_behind_changes_what_scripts_mean() {
    for sh in ["/bin/dash", "/bin/bash"] {
        // only a bash hands functions and options on
        let place = obeyed(hostile()).sh(sh).start();
        holds(&place, &format!("functions, {sh}")).await;
        let place = special(hostile()).sh(sh).start();
        holds(&place, &format!("special functions, {sh}")).await;
    }
    for sh in SHELLS {
        let place = obeyed(Odd::default()).shell("$DIR/bin/dash").sh(sh).start();
        holds(&place, sh).await;
        assert!(!place.path("canary").exists(), "{sh}: a file of the environment was read");
    }
}

#[tokio::test]
async fn own_looks_tell_the_same_whatever_the_environment_says() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut told = Vec::new();
    for odd in [Odd::default(), obeyed(Odd::default()), obeyed(hostile()).sh("/bin/bash")] {
        let place = odd.home("a file'\n.log", "EADDRINUSE\n").home("x/app.log", "one\nEADDRINUSE two\n").start();
        let mut visit = Visit::to(&place, "root").await;
        let mut all = Vec::new();
        for (kind, fields) in [
            ("port", json!({ "port": port })),
            ("file", json!({ "path": "~/a file'\n.log", "type": "file", "owner": "root", "readable_by": "app" })),
            ("file", json!({ "path": "~/x", "type": "directory", "mode": "0755", "writable_by": "root" })),
            ("resources", json!({ "memory_free": "1B", "disk_free": { "~": "1B" }, "inodes_free": 0, "swap_max": "1000TiB" })),
            ("log-scan", json!({ "file": "~/x/app.log", "pattern": "EADDRINUSE" })),
            ("pm2-daemon", json!({})),
        ] {
            let line = visit.look(kind, &fields).await.replace(&place.path("").display().to_string(), "");
            // what a machine has left changes all the time
            let line = if kind == "resources" { line.split(':').next().unwrap_or_default().to_owned() } else { line };
            all.push(line);
        }
        visit.session.close().await;
        told.push(all);
    }
    assert!(told[0][0].starts_with("not-yet foreign:"), "{:?}", told[0]);
    assert!(told[0].iter().all(|line| !line.starts_with("unreadable")), "{:?}", told[0]);
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
}

#[tokio::test]
async fn shells_that_are_none_are_named_and_nothing_runs() {
    let menu = |odd: Odd| {
        odd.before("printf '#!/bin/dash\\nwhile read -r x; do echo \"1) status 2) quit\"; done\\n' >\"$DIR/bin/menu\"; chmod +x \"$DIR/bin/menu\"")
    };
    let bash = |text: &str| Odd::default().home(".bashrc", text);
    for (name, odd, want, words) in [
        ("rbash", Odd::default().shell("/bin/rbash"), "no-shell", "restricted"),
        ("nologin", Odd::default().shell("/usr/sbin/nologin"), "no-shell", "not available"),
        ("false", Odd::default().shell("/bin/false"), "no-shell", ""),
        ("true", Odd::default().shell("/bin/true"), "forced-command", ""),
        ("menu", menu(Odd::default()).shell("$DIR/bin/menu"), "forced-command", "1) status"),
        ("a file that ends it", bash("exit 1"), "no-shell", ""),
        (
            "a file that becomes something else",
            bash("echo hello, and welcome to this host where nobody has a shell; exec sleep 30"),
            "forced-command",
            "hello",
        ),
        ("a file that gives back what it reads", bash("exec cat"), "forced-command", "__rb"),
        ("a file that never ends", bash("while :; do echo busy; sleep 0.1; done"), "forced-command", "busy"),
        ("a file that floods", bash("exec yes flood"), "forced-command", "flood"),
        ("a file that reads all input", bash("cat >/dev/null"), "shell-timeout", ""),
        (
            "an alias of tcsh",
            Odd::default().shell("/usr/bin/tcsh").home(".tcshrc", "alias exec echo"),
            "forced-command",
            "/bin/sh -s",
        ),
        (
            "an alias of zsh",
            Odd::default().shell("/usr/bin/zsh").home(".zshenv", "alias exec=echo"),
            "forced-command",
            "/bin/sh -s",
        ),
    ] {
        let place = odd.start();
        let fault = place.refused(&fleet_with(hasty())).await;
        assert_eq!(fault.code, want, "{name}: {fault:?}");
        assert!(fault.summary.contains(words), "{name}: {fault:?}");
    }
}

#[tokio::test]
async fn files_of_a_login_that_are_broken_but_go_on_are_noise() {
    let text = "no-such-command\nstty -ixon\necho noise; echo more >&2\nset -eu\nalias cd=false ls='ls --color=always'\ncd() { echo never; }\nexport -f cd\n";
    for (shell, name, text) in [
        ("/bin/bash", ".bashrc", text),
        ("/usr/bin/tcsh", ".tcshrc", "no-such-command\nstty -ixon\necho noise\nalias cd false\nset noclobber\n"),
        ("/usr/bin/zsh", ".zshenv", "no-such-command\nstty -ixon\necho noise\nset -eu\nalias cd=false\nsetopt noclobber\n"),
        ("/usr/bin/fish", ".config/fish/config.fish", "no-such-command\nstty -ixon\necho noise\nfunction cd; false; end\n"),
    ] {
        for sh in ["/bin/dash", "/bin/bash"] {
            let place = Odd::default().shell(shell).sh(sh).home(name, text).start();
            if shell == "/usr/bin/zsh" {
                // its own `set -e` ends it at the first command that fails: that is no shell
                let fault = fleet_with(hasty()).connect(&place.host("root")).await.err();
                assert!(fault.is_none_or(|fault| fault.finding.code == "no-shell"), "{shell}");
                continue;
            }
            holds(&place, &format!("{shell} {sh}")).await;
        }
    }
}

#[tokio::test]
async fn a_login_that_eats_some_of_our_words_is_noticed_before_anything_runs() {
    let place = Odd::default().home(".bashrc", "dd bs=1 count=\"$(cat \"$HOME/count\")\" >/dev/null 2>&1").start();
    let mut seen = std::collections::BTreeMap::new();
    for count in (0..3600).step_by(239) {
        fs::write(place.path("home").join("count"), count.to_string()).expect("written");
        let word = match fleet_with(hasty()).connect(&place.host("root")).await {
            Ok((mut session, _)) => {
                let text = format!("echo {count} >>\"$HOME/ran\"");
                let op = Op::Shell(Shell::authored("change".to_owned(), text, true));
                let replies = crate::ssh::perform(&mut session, &[op]).await;
                // each script goes to the shell that has shown that it is ours
                assert_eq!(crate::ssh::shell(&replies[0]).exit, code(0), "{count}");
                let ran = fs::read_to_string(place.path("home").join("ran")).expect("it ran");
                assert_eq!(ran.lines().filter(|line| *line == count.to_string()).count(), 1, "{count}");
                "connected".to_owned()
            }
            Err(fault) => fault.finding.code,
        };
        *seen.entry(word).or_insert(0) += 1;
    }
    let known = ["connected", "forced-command", "no-shell", "shell-timeout"];
    assert!(seen.keys().all(|word| known.contains(&word.as_str())), "{seen:?}");
    assert!(seen.contains_key("connected") && seen.len() > 1, "{seen:?}");
}

#[tokio::test]
async fn own_looks_speak_the_language_of_programs_and_commands_that_of_the_host() {
    // every tool speaks another language unless it is told not to
    let tools = "id uname date ls stat readlink sed grep awk cut head tr cat ps ss df dd getconf tail fold getent sort";
    let before = format!(
        "mkdir \"$DIR/fake\"; for t in {tools}; do printf '#!/bin/dash\\n[ \"$LC_ALL\" = C ] || {{ echo \"ğüş 1,5\"; exit 3; }}\\nexec %s \"$@\"\\n' \"$(command -v $t)\" >\"$DIR/fake/$t\"; chmod +x \"$DIR/fake/$t\"; done\n\
         localedef -i tr_TR -f UTF-8 \"$DIR/tr_TR.UTF-8\" || [ $? = 1 ]; localedef -i de_DE -f UTF-8 \"$DIR/de_DE.UTF-8\" || [ $? = 1 ]"
    );
    for (name, value) in [("LANG", "tr_TR.UTF-8"), ("LC_ALL", "de_DE.UTF-8"), ("LC_ALL", "garbage"), ("LANG", "ja_JP.EUC-JP")] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let odd = Odd::default().before(&before).env("LOCPATH", "$DIR").env("PATH", "$DIR/fake:/usr/bin:/bin").env(name, value);
        let place = odd.home("app.log", "EADDRINUSE\n").start();
        let mut visit = Visit::to(&place, "root").await;
        for (kind, fields, want) in [
            ("port", json!({ "port": port }), "not-yet foreign:"),
            ("file", json!({ "path": "~/app.log", "type": "file", "owner": "root" }), "holds fits:"),
            ("resources", json!({ "memory_free": "1B", "disk_free": { "~": "1B" }, "load_max": 100_000 }), "holds enough:"),
            ("log-scan", json!({ "file": "~/app.log", "pattern": "EADDRINUSE" }), "not-yet found:"),
        ] {
            let line = visit.look(kind, &fields).await;
            assert!(line.starts_with(want), "{name}={value}: {kind}: {line}");
        }
        let (_, out, _) = visit.run(&format!("printf '%s' \"${name}\"")).await;
        assert_eq!(out, value, "a command has the host's own locale");
        visit.session.close().await;
    }
}
