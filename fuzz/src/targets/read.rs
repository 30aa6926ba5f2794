//! Outputs of tools. What a host printed is read as it is meant or not at all: nothing that was cut short and nothing
//! that stands where it should not is ever taken for an answer.

use runbook::model::op::{HttpAnswer, Pm2Reply};
use runbook::read::access::{Want, obstacle};
use runbook::read::answer;
use runbook::read::file::PathView;
use runbook::read::holder::{from_env, holders, is_shared};
use runbook::read::logs::{self, Found, LogFile, Window, fresh};
use runbook::read::pm2::parse_apps;
use runbook::read::pm2_daemon::{DaemonState, assess};
use runbook::read::pm2_host::HostView;
use runbook::read::pm2_project::project;
use runbook::read::proc::ProcTable;
use runbook::read::room::Room;
use runbook::read::signature::{Signatures, signature};
use runbook::read::sockets::{Listener, parse_proc_net, parse_ss};
use serde_json::Value;

use super::bytes::is_odd;

/// Every text is given to all readers: which tool it came from is not written on it.
pub(super) fn read(bytes: &[u8]) {
    let _ = readers(bytes);
}

/// The same; the readers that could read it.
pub fn readers(bytes: &[u8]) -> Vec<&'static str> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    signatures(&text);
    let (ss, proc_net) = sockets(&lines);
    let read = [
        ("ss", ss),
        ("proc-net", proc_net),
        ("processes", processes(&lines)),
        ("host", host(&text)),
        ("file", files(bytes)),
        ("logs", log_files(bytes)),
        ("room", room(&text)),
        ("apps", answers(bytes)),
    ];
    read.into_iter().filter(|(_, read)| *read).map(|(name, _)| name).collect()
}

/// Where to cut a text: everywhere if it is short, else at a few places.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    let step = (length / 16).max(1);
    (0..length).step_by(step).chain(length.checked_sub(1))
}

fn sockets(lines: &[&str]) -> (bool, bool) {
    let told = |listener: &Listener, line: &str| {
        let stands = |number: String| line.contains(&number);
        assert!(listener.pids.iter().all(|pid| stands(format!("pid={pid}"))), "{listener:?} of {line:?}");
        assert!(stands(format!(":{}", listener.port)) || stands(format!(":0{}", listener.port)), "{listener:?} of {line:?}");
    };
    if let Ok(listeners) = parse_ss(lines) {
        assert_eq!(listeners.len(), lines.len(), "a line was passed over");
        for (listener, line) in listeners.iter().zip(lines) {
            let zeros = line.contains(":00") || line.contains(":+");
            if !zeros {
                told(listener, line);
            }
        }
    }
    if let Ok(listeners) = parse_proc_net(lines) {
        let count = lines.iter().filter(|line| line.split_ascii_whitespace().next() == Some("tcp")).count();
        assert_eq!(listeners.len(), count, "a line was passed over");
    }
    // one line that is none makes all of it unreadable
    let odd = [lines, &["Netid State Recv-Q"]].concat();
    assert!(parse_ss(&odd).is_err() && parse_proc_net(&odd).is_err());
    (parse_ss(lines).is_ok_and(|all| !all.is_empty()), parse_proc_net(lines).is_ok_and(|all| !all.is_empty()))
}

fn processes(lines: &[&str]) -> bool {
    let Ok(mut table) = ProcTable::parse(lines) else { return false };
    let count = table.iter().count();
    assert!((1..=lines.len()).contains(&count));
    let _ = (table.add_commands(lines), table.add_cwds(lines), table.add_env(lines));
    assert_eq!(table.iter().count(), count, "a look at names made a process");
    for proc in table.iter() {
        assert!(!proc.comm.chars().any(char::is_control) && proc.comm.chars().count() <= 500);
        assert!(table.chain(proc.pid).len() <= count);
        let _ = from_env(proc);
    }
    let odd = [lines, &["not a process"]].concat();
    assert!(ProcTable::parse(&odd).is_err());
    true
}

fn host(text: &str) -> bool {
    let Ok(view) = HostView::parse(text) else { return false };
    let end = text.rfind("@end").expect("a look has its end");
    for cut in cuts(end + 4).filter(|cut| text.is_char_boundary(*cut)) {
        assert!(HostView::parse(&text[..cut]).is_err(), "cut at {cut} of {}", text.len());
    }
    assert!(HostView::parse(&format!("{}\nmore", text.trim_end_matches('\n'))).is_err(), "more after the end");
    for port in [22, 80, 3000, 3001, 8080] {
        if let (Ok(found), Ok(listeners)) = (holders(port, &view, None), &view.listeners) {
            let held = listeners.iter().any(|listener| listener.port == port);
            assert_eq!(held, !found.is_empty(), "a port is free where nobody listens, and only there");
        }
        let _ = is_shared(port, &view);
    }
    let fault = |class: &str| Pm2Reply::Fault { class: class.to_owned(), message: "\x1b".to_owned() };
    for class in ["no-connect", "no-reply", "forbidden", "not-pm2", "cancelled", "connection-lost", "what"] {
        if let Ok((state, line)) = assess(&view, &fault(class)) {
            assert_ne!(state, DaemonState::Alive, "nobody answered: {line}");
        }
    }
    true
}

fn files(bytes: &[u8]) -> bool {
    let Ok(view) = PathView::parse(bytes) else { return false };
    for cut in cuts(bytes.len()).filter(|cut| !bytes[..*cut].ends_with(b"end \0")) {
        assert!(PathView::parse(&bytes[..cut]).is_err(), "cut at {cut} of {}", bytes.len());
    }
    for want in [Want::Read, Want::Write] {
        for name in ["root", "ana", ""] {
            let _ = obstacle(&view, name, want);
        }
    }
    true
}

fn log_files(bytes: &[u8]) -> bool {
    let Ok(files) = logs::parse(bytes) else { return false };
    for cut in cuts(bytes.len()) {
        assert!(logs::parse(&bytes[..cut]).is_err(), "cut at {cut} of {}", bytes.len());
    }
    assert!(logs::parse(&[bytes, b"\n"].concat()).is_err(), "more after the end");
    let windows: Vec<Option<&Window>> = files.iter().map(window).collect();
    let read: usize = windows.iter().flatten().map(|window| window.bytes.len()).sum();
    assert!(read <= bytes.len(), "more was read than came");
    let fresh = fresh(windows);
    assert!(fresh.stretches.iter().map(|stretch| stretch.bytes.len() - stretch.from).sum::<usize>() <= bytes.len());
    true
}

fn window(file: &LogFile) -> Option<&Window> {
    match &file.found {
        Found::Read(window) => {
            assert!(window.end() <= window.size, "it ends behind its end");
            Some(window)
        }
        _ => None,
    }
}

fn room(text: &str) -> bool {
    let Ok(room) = Room::parse(text) else { return false };
    for cut in cuts(text.len()).filter(|cut| text.is_char_boundary(*cut)) {
        assert!(Room::parse(&text[..cut]).is_err(), "cut at {cut} of {}", text.len());
    }
    if let Ok(load) = room.load() {
        assert!(load.is_finite() && load >= 0.0);
    }
    let _ = (room.memory(), room.swap_used());
    for disk in &room.disks {
        for free in [disk.space().ok(), disk.inodes().ok().flatten()].into_iter().flatten() {
            assert!(free.free <= free.total, "more is free than there is: {free:?}");
        }
    }
    true
}

fn answers(bytes: &[u8]) -> bool {
    let short = answer::excerpt(bytes);
    assert!(!short.chars().any(char::is_control) && short.chars().count() <= 161);
    let http = HttpAnswer { body: bytes.to_vec(), ..http() };
    match answer::json(&http) {
        Err(unreadable) => {
            assert_eq!(unreadable.what.chars().find(|c| c.is_control()), None);
            false
        }
        Ok(value) => apps(&value),
    }
}

fn http() -> HttpAnswer {
    HttpAnswer { status: 200, headers: Vec::new(), body: Vec::new(), took: std::time::Duration::ZERO }
}

fn apps(value: &Value) -> bool {
    let kept = project(value);
    assert_eq!(project(&kept), kept, "what is kept stays as it is");
    assert!(kept.to_string().len() <= value.to_string().len() + 64, "more is kept than came");
    let Ok(apps) = parse_apps(&kept) else { return false };
    assert_eq!(Some(apps.len()), value.as_array().map(Vec::len), "an app was passed over");
    for (app, entry) in apps.iter().zip(value.as_array().into_iter().flatten()) {
        let told = entry["pm2_env"]["status"].as_str();
        assert!(told.is_some(), "{app:?} has a status that was not told");
        assert_eq!(entry["pm2_env"]["restart_time"].as_u64(), Some(app.restarts), "restarts");
    }
    true
}

fn signatures(text: &str) {
    let mut all = Signatures::default();
    for line in text.lines().take(200) {
        let one = signature(line);
        assert_eq!(one.chars().find(|c| *c != '\t' && c.is_control() && is_odd(*c)), None, "{one:?}");
        all.add(line);
    }
    let (top, rest) = all.top(5);
    let counted: u64 = top.iter().map(|(_, count)| count).sum::<u64>() + rest;
    assert!(counted <= 200 && top.len() <= 5);
}
