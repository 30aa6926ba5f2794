//! How a run ends is how it exits: stopped by a signal, not confirmed, not reached.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::lab::Lab;
use crate::main_job::runs::{Running, assert_exit, end_line, shipped, stderr, stdout, words};
use crate::main_job::service::status;

#[test]
fn a_signal_while_it_verifies_puts_the_switch_back_and_ends_in_order() {
    let lab = Lab::up(2);
    lab.fault("restart-loop", "all");
    let runbooks = shipped();
    let runbooks = runbooks.to_str().unwrap();
    let start = |host: &str| {
        let words = ["run", "restart-loop", "--hosts", host, "--yes", "--set", "quiet=15s", "--runbooks", runbooks, "-v"];
        Running::start(&mut lab.runbook(&words))
    };
    let mut runs = [("proxy-1", Signal::INT), ("proxy-2", Signal::TERM)].map(|(host, signal)| (host, signal, start(host)));
    for (host, signal, run) in &mut runs {
        // the last step before the verification
        run.wait_for(&["Z already  ", &format!("{host} 10 app ")]);
        assert!(!status(lab.service(host)).unwrap().enabled);
        run.signal(*signal);
    }
    for (host, _, run) in runs {
        let (code, log) = run.end();
        assert!(status(lab.service(host)).unwrap().enabled, "{log}");
        assert_eq!(code, Some(4), "{log}");
        assert!(end_line(&log).ends_with(" changed=1 open=0 exit=4"), "{log}");
        let told = words(&log);
        assert!(told.contains(&"stop") && told.contains(&"close"), "{log}");
        assert_eq!(lab.pm2_processes(host).len(), 1);
    }
    let history = lab.runbook(&["history"]).output().unwrap();
    assert_eq!(stderr(&history), "", "nothing is left open");
}

/// The program on the lab's hosts and one more, at an address of the test's choice.
fn with_one_more(lab: &Lab, address: &str, port: u16) -> impl Fn(&[&str]) -> Command + use<> {
    let more = format!("\n[hosts.elsewhere]\naddress = \"{address}\"\nport = {port}\n");
    let path = lab.dir().join("one-more.toml");
    fs::write(&path, fs::read_to_string(lab.inventory()).unwrap() + &more).unwrap();
    let state = lab.state_dir();
    move |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
        command.args(words).arg("-i").arg(&path).arg("--state-dir").arg(&state).arg("--runbooks").arg(shipped());
        command.env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
        command
    }
}

#[test]
fn a_host_that_cannot_be_reached_is_told_apart_from_one_that_is_refused() {
    let lab = Lab::up(2);
    lab.fault("no-daemon", "proxy-2");
    let service = lab.service("proxy-1").ip();
    // an address of the lab where nobody is
    let runbook = with_one_more(&lab, &service.to_string().replace(".0.11", ".0.99"), 2222);
    let precheck = |hosts: &str| runbook(&["run", "precheck", "--hosts", hosts]).output().unwrap();
    let well = precheck("proxy-1");
    assert_exit(&well, 0);
    let lost = precheck("proxy-1,elsewhere");
    assert_exit(&lost, 3);
    assert_eq!(end_line(&stdout(&lost)), "ok=1 unreachable=1 changed=0 open=0 exit=3");
    let refused = precheck("proxy-[1-2]");
    assert_exit(&refused, 6);
    assert_eq!(end_line(&stdout(&refused)), "ok=1 refused=1 changed=0 open=0 exit=6");
    // a host that is not reached weighs more than one that is refused
    let both = precheck("all");
    assert_exit(&both, 3);
    assert_eq!(end_line(&stdout(&both)), "ok=1 refused=1 unreachable=1 changed=0 open=0 exit=3");
}

#[test]
fn what_is_not_confirmed_contacts_nobody() {
    let lab = Lab::up(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    let contacted = || match listener.accept() {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    };
    let runbook = with_one_more(&lab, "127.0.0.1", port);
    let run = |more: &[&str]| {
        let words = ["run", "restart-loop", "--hosts", "elsewhere"].iter().chain(more).copied().collect::<Vec<_>>();
        runbook(&words).output().unwrap()
    };
    let recorded = || {
        let history = lab.runbook(&["history"]).output().unwrap();
        stdout(&history).lines().count()
    };
    let none = recorded();

    let wrong = run(&["--confirm", "restart-loop 2"]);
    assert_exit(&wrong, 2);
    let place = |path: &std::path::Path| path.display().to_string();
    let (inventory, books, state) = (place(&lab.dir().join("one-more.toml")), place(&shipped()), place(&lab.state_dir()));
    assert_eq!(
        stderr(&wrong),
        format!(
            "error: --confirm says 'restart-loop 2', this plan is 'restart-loop 1'\n  try: runbook run restart-loop --hosts elsewhere \
             --dry-run -i {inventory} --runbooks {books} --state-dir {state}\n"
        )
    );
    let silent = run(&[]);
    assert_exit(&silent, 2);
    assert_eq!(
        stderr(&silent),
        "error: this run needs a confirmation and there is no terminal to ask on\n  try: add --yes, or look first with --dry-run\n"
    );
    let other = run(&["--yes", "--expect-hosts", "2"]);
    assert_exit(&other, 2);
    assert!(!contacted(), "it was refused after the host was contacted");
    assert_eq!(recorded(), none);

    // with the right phrase it does go there; nobody answers, which is not reached
    std::thread::scope(|scope| {
        let right = scope.spawn(|| run(&["--confirm", "restart-loop 1"]));
        let mut seen = false;
        while !right.is_finished() {
            seen |= contacted();
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_exit(&right.join().unwrap(), 3);
        assert!(seen);
    });
}
