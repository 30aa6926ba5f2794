//! What files, arguments and the environment say.

use super::{Place, os};
use crate::harness::scan::Lines;

const COLOR: Lines = Lines { color: true, live: false, tabs: true };
const LIVE: Lines = Lines { color: true, live: true, tabs: false };

/// Characters that TOML takes where they are escaped.
const EVIL: &str = r#"EVIL\u001b[2J\u009b31m\u202e\u200b\r\n          ok evil-9  0:00  nothing was changed"#;

#[test]
fn what_a_runbook_says_is_text_wherever_it_is_shown() {
    let place = Place::new();
    place.book(
        "evil",
        &format!(
            "name = \"evil\"\ntitle = \"EVIL\"\n[vars]\nwhat = {{ type = \"string\", about = \"EVIL\", default = \"{EVIL}\" }}\n\
             [rollout]\nbatches = [\"100%\"]\n[[step]]\nid = \"work\"\nkind = \"exec\"\nrun = \"echo '{EVIL}'\"\n"
        ),
    );
    place.book("worse", &format!("name = \"{EVIL}\"\ntitle = 7\n\"{EVIL}\" = 1\n[[step]]\nid = \"{EVIL}\"\nkind = \"{EVIL}\"\n"));
    place.write("runbooks/raw.toml", b"name = \"raw\x1b[2J\xff\x9b\"\r\r\n\x1b]0;x\x07 = \xe2\x80\xae\n");
    let looks: [&[&str]; 9] = [
        &["list"],
        &["show", "evil"],
        &["show", "worse"],
        &["lint"],
        &["lint", "-o", "json"],
        &["list", "-o", "json"],
        &["show", "evil", "-o", "json"],
        &["run", "worse", "--hosts", "all"],
        &["run", "evil", "--hosts", "all", "--dry-run", "--yes", "-vv"],
    ];
    for args in looks {
        for more in [&[][..], &["--color", "always"], &["--glyphs", "ascii"], &["--accessible"]] {
            let args = [args, more].concat();
            let told = place.piped(&args, COLOR);
            assert!(
                told.out.contains("EVIL") || told.err.contains("EVIL") || told.out.contains("evil"),
                "{args:?}: {}{}",
                told.out,
                told.err
            );
            place.on_terminal(&args, LIVE);
        }
    }
}

#[test]
fn what_an_inventory_says_is_text() {
    let place = Place::new();
    let own = place.host("web-1");
    for evil in [
        format!("{own}[hosts.\"{EVIL}\"]\naddress = \"127.0.0.1\"\nuser = \"x\"\n"),
        own.replace("127.0.0.1", EVIL),
        own.replace("user = ", &format!("tags = [\"{EVIL}\"]\nuser = ")),
        own.replace("user = ", &format!("\"{EVIL}\" = 1\nuser = ")),
        format!("{own}[hosts.web-1.vars]\nwhat = \"{EVIL}\"\n"),
        format!("{own}[groups.\"{EVIL}\"]\nhosts = [\"{EVIL}\"]\n"),
    ] {
        place.write("inventory.toml", evil);
        for args in [&["hosts"][..], &["hosts", "--probe"], &["lint"], &["run", "work", "--hosts", "all", "--yes", "--dry-run"]] {
            for more in [&[][..], &["-o", "json"]] {
                let args = [args, more].concat();
                place.piped(&args, COLOR);
                place.on_terminal(&args, LIVE);
            }
        }
    }
}

#[test]
fn what_is_typed_is_text_in_the_message_that_refuses_it() {
    let place = Place::new();
    let evil = "EVIL\x1b[2J\x1b[31m\u{9b}1m\u{202e}\r\n          ok evil-9  0:00  nothing was changed";
    let typed: [&[&str]; 12] = [
        &[evil],
        &["run", evil, "--hosts", "all"],
        &["run", "work", "--hosts", evil],
        &["run", "work", "--hosts", "all", "--set", evil],
        &["run", "work", "--hosts", "all", "--confirm", evil],
        &["run", "work", "--hosts", "all", "--yes", "--approve", evil],
        &["run", "work", "--hosts", "all", "--forks", evil],
        &["exec", evil, "--", "true"],
        &["show", evil],
        &["steps", evil],
        &["lint", evil],
        &["-i", evil, "hosts"],
    ];
    for args in typed {
        for more in [&[][..], &["-o", "json"]] {
            let args = [more, args].concat();
            let told = place.piped(&args, Lines::PLAIN);
            assert_eq!(told.code, Some(2), "{args:?}: {}{}", told.out, told.err);
            // JSON has escapes of its own
            let said = format!("{}{}", told.out, told.err)
                .replace("\\u001b", "\\x1b")
                .replace("\\u009b", "\\x9b")
                .replace("\\u202e", "\\u{202e}");
            let whole = said.contains("EVIL\\x1b[2J\\x1b[31m\\x9b1m\\u{202e}");
            // a selection is refused at its first wrong character
            assert!(whole || said.contains("unexpected `\\x1b`"), "{args:?}: {said}");
            let shown = place.on_terminal(&args, LIVE);
            let shown = shown.out.replace("\\u001b", "\\x1b");
            assert!(shown.contains(if whole { "EVIL\\x1b[2J" } else { "unexpected `\\x1b`" }), "{args:?}: {shown}");
        }
    }
    let told = place.command(&["show"]).arg(os(b"EVIL\xff\x1b[2J")).output().unwrap();
    super::assert_clean(&["show", "EVIL"], Lines::PLAIN, &told.stderr);
}
