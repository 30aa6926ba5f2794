//! The user's own table of keys: what it may say, and what is wrong with it otherwise.

use std::collections::BTreeMap;

use crate::model::fields::nearest;
use crate::model::visible::visible;
use crate::tui::action::Action;
use crate::tui::input::Key;
use crate::tui::keymap::{ACTING, Binding, Keymap, TABLE, name};

/// Keys with a name, beside printable characters and those with Ctrl.
const NAMED: [Key; 16] = [
    Key::Enter,
    Key::Esc,
    Key::Tab,
    Key::BackTab,
    Key::Backspace,
    Key::Delete,
    Key::Up,
    Key::Down,
    Key::Left,
    Key::Right,
    Key::Home,
    Key::End,
    Key::PageUp,
    Key::PageDown,
    Key::F1,
    Key::Char(' '),
];
/// Whoever takes these away cannot open, leave or stop any more: panels know them by their own names too.
const KEPT: [Action; 3] = [Action::Interrupt, Action::Open, Action::Back];
/// These work while a text is typed, so that no key of theirs may be a part of one.
const ALWAYS: [Action; 3] = [Action::Interrupt, Action::Suspend, Action::Redraw];

impl Keymap {
    /// The table with what the user has moved: keys by the name of what they mean. An action that is named has the keys
    /// that are given and no others. The error is a line for each thing that is wrong.
    pub fn with(own: &BTreeMap<String, Vec<String>>) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let mut moved: BTreeMap<Action, Vec<Key>> = BTreeMap::new();
        for (name, written) in own {
            match TABLE.iter().find(|row| row.name == name) {
                Some(row) => drop(moved.insert(row.action, keys_of(row, written, &mut wrong))),
                None => wrong.push(unknown_name(name)),
            }
        }
        let mut keys: BTreeMap<Key, Action> = BTreeMap::new();
        for row in TABLE {
            let of_row = moved.get(&row.action).map_or(row.keys, Vec::as_slice);
            for key in of_row {
                if let Some(other) = keys.insert(*key, row.action) {
                    wrong.push(twice(*key, other, row, &moved));
                }
            }
        }
        if wrong.is_empty() { Ok(Self { keys }) } else { Err(wrong) }
    }
}

fn keys_of(row: &Binding, written: &[String], wrong: &mut Vec<String>) -> Vec<Key> {
    let mut keys = Vec::new();
    for text in written {
        match read(text).and_then(|key| allowed(row, key).map(|()| key)) {
            Ok(key) => keys.push(key),
            Err(why) => wrong.push(format!("[keys] {}: {why}", row.name)),
        }
    }
    let kept = row.keys.first().filter(|key| KEPT.contains(&row.action) && !keys.contains(key));
    if let Some(kept) = kept {
        let kept = name(*kept);
        let why = format!("`{kept}` cannot be taken away from it: write it down beside the others");
        wrong.push(format!("[keys] {}: {why}", row.name));
    }
    keys
}

fn unknown_name(name: &str) -> String {
    let hint = match nearest(name, TABLE.iter().map(|row| row.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("names are: {}", TABLE.iter().map(|row| row.name).collect::<Vec<_>>().join(", ")),
    };
    format!("[keys] `{}` is the name of no key; {hint}", visible(name))
}

fn twice(key: Key, other: Action, row: &Binding, moved: &BTreeMap<Action, Vec<Key>>) -> String {
    let other = TABLE.iter().find(|known| known.action == other).map_or("", |known| known.name);
    let key = name(key);
    if other == row.name {
        return format!("[keys] {other}: `{key}` stands there twice");
    }
    // the one that was moved is the one to be changed
    let (new, old) = if moved.contains_key(&row.action) { (row.name, other) } else { (other, row.name) };
    format!("[keys] {new}: `{key}` means `{old}` already; choose another one, or give `{old}` another key too")
}

/// A key as it is shown: `x`, `Ctrl-D`, `Space`, `PgDn`.
fn read(text: &str) -> Result<Key, String> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        // a key that cannot be seen could not be shown to anybody either
        (Some(c), None) if !c.is_whitespace() && visible(text) == text => return Ok(Key::Char(c)),
        _ => {}
    }
    if let Some(key) = NAMED.into_iter().find(|key| name(*key) == text) {
        return Ok(key);
    }
    if let Some(letter) = text.strip_prefix("Ctrl-") {
        let mut letters = letter.chars();
        if let (Some(c @ ('a'..='z' | 'A'..='Z')), None) = (letters.next(), letters.next()) {
            return Ok(Key::Ctrl(c.to_ascii_lowercase()));
        }
    }
    Err(unknown_key(text))
}

fn unknown_key(text: &str) -> String {
    let shown = visible(text);
    let number: Option<u8> = text.strip_prefix('F').and_then(|n| n.parse().ok());
    let names: Vec<String> = NAMED.into_iter().filter(|key| never(*key).is_none()).map(name).collect();
    match text {
        _ if number.is_some() => format!("`{shown}` is not taken: terminals send function keys above F1 in many ways"),
        _ if text.starts_with("Alt-") => format!("`{shown}` is not taken: on a slow line it arrives as Esc and a letter"),
        "Ctrl-Enter" => format!("`{shown}` is not taken: terminals cannot tell it from Enter"),
        "PageDown" => format!("`{shown}` is no key; did you mean `PgDn`?"),
        "PageUp" => format!("`{shown}` is no key; did you mean `PgUp`?"),
        _ => match nearest(text, names.iter().map(String::as_str)) {
            Some(near) => format!("`{shown}` is no key; did you mean `{near}`?"),
            None => format!("`{shown}` is no key: write one character, Ctrl-D, or one of {}", names.join(", ")),
        },
    }
}

/// Why a key is never given a meaning.
fn never(key: Key) -> Option<&'static str> {
    match key {
        Key::Ctrl('a') => Some("screen takes it for itself"),
        Key::Ctrl('s' | 'q') => Some("terminals stop and start their output by it"),
        Key::Ctrl('k' | 'w') => Some("it deletes text elsewhere"),
        Key::Delete | Key::Backspace => Some("it deletes text, and means nothing else"),
        Key::Ctrl('i') => Some("terminals send it as Tab"),
        Key::Ctrl('m' | 'j') => Some("terminals send it as Enter"),
        Key::Ctrl('h') => Some("terminals send it as Backspace"),
        _ => None,
    }
}

fn allowed(row: &Binding, key: Key) -> Result<(), String> {
    let shown = name(key);
    if let Some(why) = never(key) {
        return Err(format!("`{shown}` is not taken: {why}"));
    }
    if key == Key::Ctrl('b') && row.action != Action::PageUp {
        return Err(format!("`{shown}` is not taken: tmux takes it for itself"));
    }
    if ACTING.contains(&row.action) && !matches!(key, Key::Char('A'..='Z')) {
        return Err(format!("`{shown}` is not taken: what changes hosts is on an upper-case letter"));
    }
    if ALWAYS.contains(&row.action) && matches!(key, Key::Char(_)) {
        return Err(format!("`{shown}` is not taken: it works while a text is typed, so it needs Ctrl"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::NAMED;
    use crate::tui::action::Action;
    use crate::tui::input::Key;
    use crate::tui::keymap::{Keymap, TABLE, name};

    fn with(own: &[(&str, &[&str])]) -> Result<Keymap, Vec<String>> {
        let own: BTreeMap<String, Vec<String>> =
            own.iter().map(|(name, keys)| ((*name).to_owned(), keys.iter().map(|key| (*key).to_owned()).collect())).collect();
        Keymap::with(&own)
    }

    #[test]
    fn an_empty_table_changes_nothing() {
        assert_eq!(with(&[]), Ok(Keymap::default()));
    }

    #[test]
    fn every_key_can_be_written_as_it_is_shown() {
        let shown: Vec<(&str, Vec<String>)> = TABLE.iter().map(|row| (row.name, Keymap::default().shown(row.action))).collect();
        let own: BTreeMap<String, Vec<String>> = shown.into_iter().map(|(name, keys)| (name.to_owned(), keys)).collect();
        assert_eq!(Keymap::with(&own), Ok(Keymap::default()));
        assert!(NAMED.into_iter().all(|key| super::read(&name(key)) == Ok(key)));
    }

    #[test]
    fn a_key_that_is_moved_leaves_its_old_place() {
        let keys = with(&[("pause", &["Ctrl-t", "("]), ("abort", &["K"]), ("skip", &[])]).expect("it is fine");
        assert_eq!(keys.shown(Action::Pause), ["(", "Ctrl-T"]);
        assert_eq!(keys.action(Key::Char('p')), None);
        assert_eq!((keys.action(Key::Char('K')), keys.action(Key::Char('A'))), (Some(Action::Abort), None));
        assert_eq!(keys.key(Action::Skip), "");
        let swapped = with(&[("up", &["j"]), ("down", &["k"])]).expect("two keys may change places");
        assert_eq!((swapped.action(Key::Char('j')), swapped.action(Key::Char('k'))), (Some(Action::Up), Some(Action::Down)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_write_instead() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("pauze", &["x"], "[keys] `pauze` is the name of no key; did you mean `pause`?"),
            ("pause", &["PageDown"], "[keys] pause: `PageDown` is no key; did you mean `PgDn`?"),
            ("pause", &["Hmoe"], "[keys] pause: `Hmoe` is no key; did you mean `Home`?"),
            ("pause", &["x"], "[keys] pause: `x` means `only` already; choose another one, or give `only` another key too"),
            ("only", &["p"], "[keys] only: `p` means `pause` already; choose another one, or give `pause` another key too"),
            ("pause", &["(", "("], "[keys] pause: `(` stands there twice"),
            ("pause", &["Ctrl-S"], "[keys] pause: `Ctrl-S` is not taken: terminals stop and start their output by it"),
            ("pause", &["Ctrl-A"], "[keys] pause: `Ctrl-A` is not taken: screen takes it for itself"),
            ("pause", &["Ctrl-B"], "[keys] pause: `Ctrl-B` is not taken: tmux takes it for itself"),
            ("pause", &["Backspace"], "[keys] pause: `Backspace` is not taken: it deletes text, and means nothing else"),
            ("pause", &["Ctrl-I"], "[keys] pause: `Ctrl-I` is not taken: terminals send it as Tab"),
            ("pause", &["F5"], "[keys] pause: `F5` is not taken: terminals send function keys above F1 in many ways"),
            ("pause", &["Alt-x"], "[keys] pause: `Alt-x` is not taken: on a slow line it arrives as Esc and a letter"),
            ("pause", &["Ctrl-Enter"], "[keys] pause: `Ctrl-Enter` is not taken: terminals cannot tell it from Enter"),
            ("abort", &["b"], "[keys] abort: `b` is not taken: what changes hosts is on an upper-case letter"),
            ("go-on", &["F1"], "[keys] go-on: `F1` is not taken: what changes hosts is on an upper-case letter"),
            (
                "interrupt",
                &["Ctrl-T"],
                "[keys] interrupt: `Ctrl-C` cannot be taken away from it: write it down beside the others",
            ),
            ("open", &[], "[keys] open: `Enter` cannot be taken away from it: write it down beside the others"),
            ("back", &["Left"], "[keys] back: `Esc` cannot be taken away from it: write it down beside the others"),
            ("suspend", &["("], "[keys] suspend: `(` is not taken: it works while a text is typed, so it needs Ctrl"),
        ];
        for (name, keys, want) in cases {
            let wrong = with(&[(name, keys)]).expect_err(want);
            assert_eq!(wrong.first().map(String::as_str), Some(*want), "{wrong:?}");
        }
        let many = with(&[("pauze", &["x"]), ("abort", &["b"])]).expect_err("two things are wrong");
        assert_eq!(many.len(), 2, "{many:?}");
    }
}
