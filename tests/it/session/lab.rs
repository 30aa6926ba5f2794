//! The main job at the keyboard: a restart loop on the practice fleet, repaired with keys alone.

use super::folder::{Folder, choose_all, confirm, quit};
use super::person::Session;
use crate::harness::lab::Lab;

/// A run on real hosts takes its time: every wait is long, and there are several.
fn patiently(session: &Session, what: &str, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
    session.within(std::time::Duration::from_secs(200), what, is_so)
}

#[test]
fn a_restart_loop_is_repaired_with_keys_alone() {
    let lab = Lab::up(3);
    lab.fault("restart-loop", "all");
    let folder = Folder::new("");
    std::fs::remove_file(folder.path().join("runbooks/work.toml")).unwrap();
    let text = std::fs::read_to_string(format!("{}/runbooks/restart-loop.toml", env!("CARGO_MANIFEST_DIR"))).unwrap();
    folder.write("runbooks/restart-loop.toml", text);
    let inventory = lab.inventory();
    let session = folder.session(inventory.to_str().unwrap(), (80, 24));
    session.shows("› restart-loop ");
    session.keys(":set quiet=4s<Enter>");
    session.shows("quiet is 4s for the next run.");
    choose_all(&session);
    let page = session.page();
    assert!(page.contains("3 hosts change"), "{page}");
    confirm(&session);
    patiently(&session, "something that is open", |lines| lines[2].starts_with("OPEN ") || lines[0].starts_with("DONE "));
    let lines = patiently(&session, "the end", |lines| lines[0].starts_with("DONE "));
    let page = lines.join("\n");
    assert!(page.contains("exit code 0") && page.contains("3 ok"), "{page}");
    session.keys("5");
    session.until("the timeline", |lines| {
        lines[0].contains("Timeline") && lines.join("\n").contains("planned restart-loop on 3 hosts")
    });
    let run = folder.run();
    let end = quit(session);
    assert_eq!(end.code, Some(0), "{}", end.scrollback);
    assert!(end.scrollback.contains(&run) && end.scrollback.contains("3 ok"), "{}", end.scrollback);
    for host in ["proxy-1", "proxy-2", "proxy-3"] {
        let left = lab.pm2_processes(host);
        assert_eq!(
            left.iter().map(|one| (one.name.as_str(), one.status.as_str())).collect::<Vec<_>>(),
            [("proxy-service", "online")]
        );
    }
}
