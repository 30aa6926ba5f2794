//! A port in the wrong hands, on a real host: another app of the same PM2, then a process that PM2 has lost.

use std::process::Output;

use crate::harness::lab::{Lab, assert_well};
use crate::main_job::runs::{assert_exit, end_line, stdout};

const HOST: &str = "proxy-1";

const REPLACE: &str = r#"
name = "take-over"
title = "The wanted app takes its port"
risk = "restarts"
[[step]]
id = "take"
kind = "pm2"
ensure = "no-duplicates"
app = "proxy-service"
port = 3000
replace_holder = true
[[verify]]
id = "held"
kind = "port"
port = 3000
app = "proxy-service"
"#;

const FREE: &str = r#"
name = "free"
title = "What PM2 has lost lets go of the port"
risk = "restarts"
[[step]]
id = "free"
kind = "free-port"
port = 3000
keep = { pm2 = "proxy-service" }
[[verify]]
id = "nobody"
kind = "port"
port = 3000
expect = "free"
"#;

fn run(lab: &Lab, text: &str, more: &[&str]) -> Output {
    let name = text.split('"').nth(1).unwrap();
    let dir = lab.dir().join("port-runbooks");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(format!("{name}.toml")), text).unwrap();
    let mut command = lab.runbook(&["run", name, "--hosts", HOST, "--runbooks", dir.to_str().unwrap()]);
    command.args(more).output().unwrap()
}

fn holder(lab: &Lab) -> Option<u32> {
    let listeners = lab.told(HOST, "ss -Hltnp 'sport = :3000'");
    let pid = listeners.split("pid=").nth(1)?;
    pid.split(',').next()?.parse().ok()
}

fn listed(lab: &Lab) -> Vec<(String, String, bool)> {
    let holder = holder(lab);
    lab.pm2_processes(HOST).into_iter().map(|one| (one.name, one.status, Some(one.pid) == holder)).collect()
}

#[test]
fn the_wanted_app_takes_its_port_and_what_pm2_has_lost_lets_go_of_it() {
    let lab = Lab::up(1);
    let wrong = "cd proxy-service && pm2 stop proxy-service && PORT=3000 pm2 start server.js --name proxy-server && sleep 2 && \
                 pm2 restart proxy-service && pm2 save && sleep 2";
    assert_well(&lab.exec(HOST, &format!("({wrong}) >/dev/null")));
    let before = holder(&lab);
    let dry = run(&lab, REPLACE, &["--dry-run"]);
    assert!(stdout(&dry).contains("which holds :3000: the service is away"), "{}", stdout(&dry));
    assert_eq!(holder(&lab), before, "a dry run touches nothing");

    let out = run(&lab, REPLACE, &["--yes"]);
    assert_exit(&out, 0);
    assert_eq!(end_line(&stdout(&out)), "ok=1 changed=1 open=0 exit=0");
    assert_eq!(listed(&lab), [("proxy-service".to_owned(), "online".to_owned(), true)]);

    // an app that does not end with its daemon, and another daemon after it
    let lost = "pm2 delete proxy-service && cd proxy-service && \
                PORT=3000 pm2 start /usr/bin/env --name proxy-service --interpreter none -- node server.js && sleep 2 && \
                kill -9 $(cat ~/.pm2/pm2.pid) && sleep 3 && rm -f ~/.pm2/dump.pm2 && pm2 ping && sleep 1";
    assert_well(&lab.exec(HOST, &format!("({lost}) >/dev/null")));
    let orphan = holder(&lab).expect("it lives on");
    let out = run(&lab, FREE, &["--yes"]);
    assert_exit(&out, 0);
    assert_eq!(end_line(&stdout(&out)), "ok=1 changed=1 open=0 exit=0");
    assert_eq!(holder(&lab), None);
    assert!(!lab.exec(HOST, &format!("kill -0 {orphan}")).status.success(), "it has ended");
    assert_eq!(end_line(&stdout(&run(&lab, FREE, &["--yes"]))), "ok=1 changed=0 open=0 exit=0");
}
