//! Nothing that a host says reaches the terminal as anything but text, whatever it says and wherever it is shown.

use super::folder::{Folder, choose_all, listens, quit};
use super::person::Session;
use crate::harness::hostile::hostile;
use crate::harness::scan::foreign;
use crate::harness::sshd::Sshd;

const BOOK: &str = r#"
name  = "work"
title = "shows what a host says"
[rollout]
batches = ["100%"]
max_failures = 10
[[precheck]]
id = "say"
kind = "require"
run = "cat HOSTILE; cat HOSTILE >&2"
[[precheck]]
id = "tell"
kind = "require"
run = "grep -a -v -e C1 -e UTF8 -e END -e NUL HOSTILE"
[precheck.capture]
first = { from = "stdout:line:1" }
last = { from = "stdout:line:-1" }
[[precheck]]
id = "fine"
kind = "require"
run = "test \"$WHO\" = refused && grep -a -v -e C1 -e UTF8 -e END HOSTILE || echo fine"
stdout = "fine"
[[step]]
id = "work"
kind = "exec"
unless = "cat HOSTILE; cat HOSTILE >&2; exit 1"
run = "cat HOSTILE; cat HOSTILE >&2; exit 3"
on_failure = "ask"
[[step]]
id = "flood"
kind = "exec"
run = "head -c 1000000 /dev/zero | tr '\\0' 'F'; cat HOSTILE; head -c 1000000 /dev/zero | tr '\\0' '\\033' >&2; exit 3"
on_failure = "ask"
"#;

/// A host that is refused for what it says.
const REFUSED: &str = r#"
name  = "work"
title = "refuses what a host says"
[[precheck]]
id = "say"
kind = "require"
run = "cat HOSTILE; cat HOSTILE >&2; exit 1"
[[precheck]]
id = "told"
kind = "require"
run = "grep -a -v -e C1 -e UTF8 -e END -e NUL HOSTILE"
stdout = "fine"
"#;

/// Looks at everything that a screen shows: each pane, each row, each page.
fn look_around(session: &Session) {
    for keys in ["j", "j", "<Tab>", "z", "g", "<PageDown>", "G", "w", "z", "<Tab>", "+", "-", "g"] {
        session.keys(keys);
    }
    // a note is typed and left: by then all of it was read and drawn
    session.keys(":note looked");
    session.shows("note looked");
    session.keys("<Esc>");
    session.hides("note looked");
}

fn folder(sshd: &Sshd, book: &str) -> Folder {
    let evil = sshd.path("hostile");
    std::fs::write(&evil, hostile()).unwrap();
    Folder::new(&book.replace("HOSTILE", evil.to_str().unwrap()))
}

fn assert_clean(raw: &[u8]) {
    let foreign = foreign(raw);
    assert!(foreign.is_empty(), "{} of them: {:#?}", foreign.len(), &foreign[..foreign.len().min(20)]);
}

#[test]
fn what_a_refused_host_says_is_text_too() {
    let sshd = Sshd::start();
    let folder = folder(&sshd, REFUSED);
    folder.inventory(&[&sshd]);
    let session = folder.session("inventory.toml", (80, 24));
    session.shows("› work ");
    session.keys("<Enter>");
    session.shows("No host is selected");
    session.keys("a");
    session.hides("No host is selected");
    session.keys("<Enter>");
    session.shows("exit code 6");
    session.shows("EVIL-");
    look_around(&session);
    let end = quit(session);
    assert_eq!(end.code, Some(6), "{}", end.scrollback);
    assert_clean(&end.raw);
}

#[test]
fn no_byte_of_a_host_reaches_the_terminal_as_a_control_sequence() {
    let sshd = Sshd::start();
    // one is refused already by the preview, which shows why
    let refused = Sshd::with("SetEnv WHO=refused");
    let folder = folder(&sshd, BOOK);
    folder.inventory(&[&sshd, &refused]);
    for size in [(80, 24), (140, 40)] {
        let session = folder.session("inventory.toml", size);
        session.shows("› work ");
        choose_all(&session);
        session.shows("refused at 3 fine");
        session.keys("j");
        look_around(&session);
        session.keys("3");
        session.shows("Enter confirm");
        super::folder::confirm(&session);
        let mut steps = 0;
        while session
            .until("a question or the end", |lines| lines[0].starts_with("DONE ") || lines[1].contains("WAITING FOR YOU"))[1]
            .contains("WAITING FOR YOU")
        {
            session.shows("EVIL-");
            look_around(&session);
            session.keys("g<Enter>4d");
            session.shows("letter picks, Enter does it");
            listens();
            let letter = if steps == 1 { "X" } else { "S" };
            let asked = folder.of("decision.asked").len();
            session.keys(letter);
            session.shows(&format!("› {letter}  "));
            session.keys("<Enter>");
            session.hides("letter picks, Enter does it");
            steps += 1;
            session.until("what comes of it", |lines| lines[0].starts_with("DONE ") || folder.of("decision.asked").len() > asked);
        }
        assert_eq!(steps, 2, "each step was decided about");
        session.keys("5");
        session.until("the timeline", |lines| lines[0].contains("Timeline"));
        for keys in ["G", "<Enter>", "j", "<PageDown>", "c", "c", "c", "k", "k", "k", "<Enter>", "j"] {
            session.keys(keys);
        }
        look_around(&session);
        session.keys("6");
        session.until("the history", |lines| lines[0].contains("History"));
        let end = quit(session);
        assert_eq!(end.code, Some(1), "{}", end.scrollback);
        assert_clean(&end.raw);
    }
}
