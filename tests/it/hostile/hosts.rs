//! What a host says, through every field that it has a say in.

use std::process::{Child, Command, Stdio};

use runbook::journal::store::Journal;
use serde_json::Value;

use super::{Place, log_of, says};
use crate::harness::hostile::{hostile, readable};
use crate::harness::scan::Lines;
use crate::harness::sshd::free_port;

const COLOR: Lines = Lines { color: true, live: false, tabs: true };
const TABLE: Lines = Lines { tabs: true, ..Lines::PLAIN };
const LIVE: Lines = Lines { color: true, live: true, tabs: false };

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
}

#[test]
fn what_a_command_says_is_text_in_every_form_of_exec() {
    let place = Place::new();
    let cat = format!("cat {0}; cat {0} >&2; exit 3", place.path("hostile").display());
    let exec = |flags: &[&'static str]| {
        [&["exec", "web-1"], flags, &["--", &cat]].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for flags in [&[][..], &["--color", "always"], &["-o", "quiet"], &["--accessible"], &["-v"], &["--glyphs", "ascii"]] {
        let args = exec(flags);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let told = place.piped(&args, COLOR);
        assert_eq!(told.code, Some(1), "{args:?}: {}", told.err);
        for text in readable().filter(|text| text.is_ascii() || !flags.contains(&"ascii")) {
            assert!(
                told.out.contains(&format!("  | {}", text.trim_end())) || text.starts_with("EVIL-CR"),
                "{args:?}: no {text:?} in {}",
                told.out
            );
            assert!(told.out.contains("  ! EVIL-CSI \\x1b[2J"), "{args:?}");
        }
        assert!(!flags.contains(&"ascii") || told.out.is_ascii());
        let shown = place.on_terminal(&args, LIVE);
        assert!(shown.out.contains("  | EVIL-C1 \\x9b2J"), "{args:?}: {}", shown.out);
    }
    let args = exec(&["-o", "json"]);
    let told = place.piped(&args.iter().map(String::as_str).collect::<Vec<_>>(), Lines::PLAIN);
    let text = objects(&told.out)[0]["stdout"]["text"].as_str().unwrap().to_owned();
    for part in [
        "EVIL-CSI \x1b[2J\x1b[1;1H",
        "EVIL-C1 \\x9b2J",
        "EVIL-C1U \u{9b}2J",
        "\u{202e}txet",
        "EVIL-UTF8 \\xff\\xfe\\xc3(",
        "a\u{e0001}",
    ] {
        assert!(text.contains(part), "no {part:?} in {text:?}");
    }
    let long = format!("cat {}", place.path("long").display());
    for flags in [&[][..], &["--color", "always"]] {
        let args = [&["exec", "web-1"], flags, &["--", &long]].concat();
        assert!(place.on_terminal(&args, LIVE).out.contains("EVIL-LONG"));
        assert!(place.piped(&args, COLOR).out.contains("  | EVIL-LONG"));
    }
}

#[test]
fn what_a_run_meets_is_text_in_every_form_of_it_and_raw_in_the_record() {
    let place = Place::new();
    let run = |flags: &[&'static str]| {
        [&["run", "work", "--hosts", "all", "--yes", "--set", "what=EVIL\x1b[2J\u{202e}", "--ticket", "EVIL-7"], flags].concat()
    };
    let forms: [&[&str]; 8] = [
        &[],
        &["--progress", "bar"],
        &["--progress", "lines", "-v"],
        &["--progress", "none", "-vv"],
        &["-o", "quiet"],
        &["--accessible", "-v"],
        &["--glyphs", "ascii", "-vv"],
        &["--color", "always", "-vv"],
    ];
    for flags in forms {
        let args = run(flags);
        let told = place.piped(&args, COLOR);
        assert_eq!(told.code, Some(1), "{args:?}: {}{}", told.out, told.err);
        assert!(told.out.contains("EVIL-NUL a\\x00b"), "{args:?}: {}", told.out);
        let shown = place.on_terminal(&args, LIVE);
        assert_eq!(shown.code, Some(1), "{args:?}: {}", shown.out);
    }
    let told = place.piped(&run(&["-o", "json"]), Lines::PLAIN);
    let events = objects(&told.out);
    assert!(events.iter().any(|event| event.to_string().contains("EVIL-CSI \\u001b[2J")), "{}", told.out);
    let id = events[0]["run"].as_str().unwrap().to_owned();
    let journal = Journal::open(&place.state()).unwrap();
    let recorded = journal.events(&serde_json::from_value(events[0]["run"].clone()).unwrap()).unwrap();
    let recorded: Vec<Value> = recorded.iter().map(|event| serde_json::to_value(event).unwrap()).collect();
    assert_eq!(events, recorded, "what is told is what is recorded");
    assert!(log_of(&place.state()).lines().all(|line| line.starts_with("20")), "a record is one line");
    afterwards(&place, &id);
}

/// Every way to look at a run that is over.
fn afterwards(place: &Place, id: &str) {
    let looks: [&[&str]; 9] = [
        &["show", id],
        &["show", id, "web-1"],
        &["show", id, "web-1", "work", "-v"],
        &["show", id, "web-1", "tell", "-v"],
        &["timeline", id],
        &["timeline", id, "--export", "md"],
        &["timeline", id, "--export", "json"],
        &["history"],
        &["journal", "verify"],
    ];
    for args in looks {
        for more in [&[][..], &["--color", "always"], &["-o", "json"], &["--accessible"], &["--glyphs", "ascii"]] {
            let args = [args, more].concat();
            let told = place.piped(&args, COLOR);
            assert_eq!(told.code, Some(0), "{args:?}: {}", told.err);
            place.on_terminal(&args, LIVE);
        }
    }
    let step = place.piped(&["show", id, "web-1", "work", "-v"], COLOR).out;
    assert!(step.contains("| EVIL-CSI \\x1b[2J") && step.contains("| EVIL-TAG a\\u{e0001}"), "{step}");
    let story = place.piped(&["timeline", id, "--export", "md"], COLOR).out;
    assert!(story.contains("EVIL-USERst\\\\x1b"), "{story}");
}

#[test]
fn what_a_host_says_of_itself_is_text() {
    let place = Place::new();
    for args in [&["hosts", "--probe"][..], &["hosts", "--probe", "-o", "json"], &["hosts", "--probe", "--color", "always"]] {
        let told = place.piped(args, COLOR);
        assert_eq!(told.code, Some(0), "{}", told.err);
        let want = if args.contains(&"json") { "EVIL-HOST\\u202ex\\u200b" } else { "EVIL-HOST\\u{202e}x\\u{200b}" };
        assert!(told.out.contains(want), "{}", told.out);
        place.on_terminal(args, LIVE);
    }
}

#[test]
fn what_no_ssh_server_says_is_text() {
    let place = Place::new();
    let ports = [hostile(), b"SSH-2.0-\x1b[2JEVIL\xff\x9b\r\n".to_vec(), b"HTTP/1.1 400 \x1b]0;x\x07\r\n\r\n".to_vec()]
        .map(|said| says(said, false));
    let mut inventory = place.host("web-1");
    for (n, port) in ports.iter().enumerate() {
        let host = place.host(&format!("bad-{n}"));
        inventory.push_str(&host.replace(&format!("port = {}\n", place.sshd.port), &format!("port = {port}\n")));
    }
    place.write("inventory.toml", inventory);
    let args: [&[&str]; 4] = [
        &["exec", "bad-*", "--", "true"],
        &["exec", "bad-*", "-o", "json", "--", "true"],
        &["hosts", "--probe"],
        &["run", "work", "--hosts", "all", "--dry-run", "--yes", "-v"],
    ];
    for args in args {
        let told = place.piped(args, COLOR);
        assert_eq!(told.code, Some(3), "{args:?}: {}{}", told.out, told.err);
        place.on_terminal(args, LIVE);
    }
    log_of(&place.state());
}

/// A process that listens on a port, with a command line that means ill; it ends with the value.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_a_host_shows_of_services_logs_and_processes_is_text() {
    let place = Place::new();
    let body =
        [&b"HTTP/1.1 500 EVIL-REASON\xff\r\nx-evil: EVIL-HEAD\x9b2J\xff\r\nconnection: close\r\n\r\nEVIL-BODY "[..], &hostile()]
            .concat();
    let (web, held) = (says(body, true), free_port());
    let listen = "import socket,sys,time\ns=socket.socket()\ns.bind(('127.0.0.1',int(sys.argv[1])))\ns.listen()\nprint()\nsys.stdout.flush()\ntime.sleep(300)";
    let script = place.dir.path().join(super::os(b"EVIL-ARGV\x1b[2J\x9b\xff\r\n          ok evil-9  0:00  nothing was changed"));
    std::fs::write(&script, listen).unwrap();
    let mut child = Command::new("python3").arg(script).arg(held.to_string()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    let _holder = Holder(child);
    let log = place.path("hostile");
    let steps = [
        ("logs", format!("kind = \"log-scan\"\nfile = {log:?}\npattern = \"EVIL\"")),
        (
            "body",
            format!("kind = \"http\"\nfrom = \"here\"\nurl = \"http://127.0.0.1:{web}/\"\nstatus = 500\njson = {{ a = 1 }}"),
        ),
        (
            "head",
            format!(
                "kind = \"http\"\nfrom = \"here\"\nurl = \"http://127.0.0.1:{web}/\"\nstatus = 500\nheader = {{ x-evil = \"x\" }}"
            ),
        ),
        ("says", "kind = \"require\"\nrun = \"grep -a -v -e C1 -e UTF8 -e END -e NUL HOSTILE\"\nstdout = \"fine\"".to_owned()),
        ("port", format!("kind = \"free-port\"\nport = {held}\nkeep = {{ pm2 = \"app\" }}")),
    ];
    for (name, step) in &steps {
        let table = if *name == "port" { "step" } else { "precheck" };
        let head = format!("name = {name:?}\ntitle = \"looks\"\n[rollout]\nbatches = [\"100%\"]\n");
        place.book(name, &format!("{head}[[{table}]]\nid = \"look\"\n{step}\n"));
        let run = ["run", *name, "--hosts", "all", "--dry-run", "--yes"];
        let told = place.piped(&[&run[..], &["-vv"]].concat(), TABLE);
        assert_ne!(told.code, Some(0), "{name}: {}", told.out);
        assert_ne!(told.code, Some(2), "{name}: {}", told.err);
        assert!(told.out.contains("EVIL-"), "{name}: {}{}", told.out, told.err);
        place.on_terminal(&[&run[..], &["-vv"]].concat(), LIVE);
        place.piped(&[&run[..], &["-o", "json"]].concat(), Lines::PLAIN);
        let id = place.last();
        for args in [&["show", &id, "web-1", "look", "-vv"][..], &["timeline", &id], &["timeline", &id, "--export", "md"]] {
            place.piped(args, TABLE);
            place.on_terminal(args, LIVE);
        }
    }
}
