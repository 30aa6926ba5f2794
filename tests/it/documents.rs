//! What the documents say that the program knows better.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use runbook::model::id::HostName;
use runbook::tui::keymap::{Binding, Group, Keymap, TABLE};
use runbook::tui::ui::Screen;

const FROM: &str = "<!-- keys -->\n";
const TO: &str = "<!-- /keys -->\n";

/// The screens by their names, in the order of the table.
fn screens() -> Vec<(&'static str, Screen)> {
    let host = HostName::parse("web-01").expect("a host name");
    vec![
        ("Runbooks", Screen::Runbooks),
        ("Diagnostics", Screen::Diagnostics("x".into())),
        ("Hosts", Screen::Hosts),
        ("Preview", Screen::Preview),
        ("Run", Screen::Run),
        ("Host", Screen::Host(host)),
        ("Timeline", Screen::Timeline),
        ("History", Screen::History),
    ]
}

fn on(row: &Binding) -> String {
    let all = screens();
    let names: Vec<&str> = all.iter().filter(|(_, screen)| row.on.has(screen)).map(|(name, _)| *name).collect();
    if names.len() == all.len() { "all".to_owned() } else { names.join(", ") }
}

/// Every key, as the document has it.
fn keys() -> String {
    let (keymap, mut text) = (Keymap::default(), String::new());
    for group in [Group::Look, Group::Safe, Group::Acts, Group::Stop] {
        writeln!(text, "\n**{}**\n\n| key | does | where | name |\n|---|---|---|---|", group.title()).expect("written");
        for row in TABLE.iter().filter(|row| row.group == group) {
            // a backquote in code needs two around it
            let code = |key: String| if key.contains('`') { format!("`` {key} ``") } else { format!("`{key}`") };
            let shown: Vec<String> = keymap.shown(row.action).into_iter().map(code).collect();
            writeln!(text, "| {} | {} | {} | {} |", shown.join(" "), row.does, on(row), row.name).expect("written");
        }
    }
    text + "\n"
}

#[test]
fn the_keys_of_the_documents_example_are_taken() {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Keys {
        One(String),
        Several(Vec<String>),
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/session.md");
    let text = fs::read_to_string(path).expect("the document");
    let (_, rest) = text.split_once("```toml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let file: toml::Table = toml::from_str(example).expect("TOML");
    let keys: BTreeMap<String, Keys> = file["keys"].clone().try_into().expect("keys");
    let own = keys.into_iter().map(|(name, keys)| match keys {
        Keys::One(key) => (name, vec![key]),
        Keys::Several(keys) => (name, keys),
    });
    assert!(Keymap::with(&own.collect()).is_ok());
}

#[test]
fn the_document_of_the_session_has_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/session.md");
    let text = fs::read_to_string(&path).expect("the document");
    let (before, rest) = text.split_once(FROM).expect("where the keys begin");
    let (told, after) = rest.split_once(TO).expect("where the keys end");
    let keys = keys();
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(&path, format!("{before}{FROM}{keys}{TO}{after}")).expect("written");
    } else {
        assert_eq!(told, keys, "UPDATE_DOCUMENTS=1 with this test writes it anew");
    }
}
