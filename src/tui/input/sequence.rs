//! What the escape sequences of keys mean.

use super::Key;

/// What a sequence means.
pub(super) enum Meaning {
    /// A key, perhaps one that is not known.
    Key(Key),
    /// The focus came or went.
    Focus(bool),
    /// A paste begins.
    Paste,
    /// Nothing for anybody: a click, an answer, an end without a beginning.
    Nothing,
}

/// `ESC [`, then `bytes`, then the final byte.
pub(super) fn csi(bytes: &[u8], last: u8) -> Meaning {
    match bytes.first() {
        Some(b'<') => return mouse(bytes, last),
        // an answer to a question that we did not ask
        Some(b'=' | b'>' | b'?') => return Meaning::Nothing,
        _ => {}
    }
    match (bytes, last) {
        (b"", b'I') => return Meaning::Focus(true),
        (b"", b'O') => return Meaning::Focus(false),
        (b"200", b'~') => return Meaning::Paste,
        (b"201", b'~') => return Meaning::Nothing,
        _ => {}
    }
    let Some((number, modifiers)) = parameters(bytes) else { return Meaning::Key(Key::Unknown) };
    let key = match last {
        b'~' => numbered(number),
        b'Z' => Key::BackTab,
        _ if number > 1 => Key::Unknown,
        _ => lettered(last),
    };
    Meaning::Key(if allowed(key, modifiers) { key } else { Key::Unknown })
}

/// `ESC O`, then the final byte.
pub(super) fn ss3(last: u8) -> Key {
    lettered(last)
}

fn lettered(last: u8) -> Key {
    match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'F' => Key::End,
        b'H' => Key::Home,
        b'P' => Key::F1,
        _ => Key::Unknown,
    }
}

fn numbered(number: u32) -> Key {
    match number {
        1 | 7 => Key::Home,
        3 => Key::Delete,
        4 | 8 => Key::End,
        5 => Key::PageUp,
        6 => Key::PageDown,
        11 => Key::F1,
        _ => Key::Unknown,
    }
}

/// The first number, or 1, and the modifiers as a terminal counts them: 1 is none.
fn parameters(bytes: &[u8]) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut numbers = text.split(';').map(|part| if part.is_empty() { Some(1) } else { part.parse::<u32>().ok() });
    let first = numbers.next().flatten()?;
    let modifiers = match numbers.next() {
        None => 1,
        Some(number) => number?,
    };
    numbers.next().is_none().then_some((first, modifiers))
}

/// Shift and Ctrl change nothing about moving around; every other key with a modifier is another key.
fn allowed(key: Key, modifiers: u32) -> bool {
    const SHIFT: u32 = 1;
    const CTRL: u32 = 4;
    let Some(bits) = modifiers.checked_sub(1) else { return false };
    let also = match key {
        Key::BackTab => SHIFT,
        Key::Delete | Key::F1 => 0,
        _ => SHIFT | CTRL,
    };
    bits & !also == 0
}

/// A report of the mouse: the wheel moves, as it does without clicks being captured.
fn mouse(bytes: &[u8], last: u8) -> Meaning {
    let button = bytes.get(1..).and_then(|rest| rest.split(|b| *b == b';').next());
    match (button, last) {
        (Some(b"64"), b'M') => Meaning::Key(Key::Up),
        (Some(b"65"), b'M') => Meaning::Key(Key::Down),
        (_, b'M' | b'm') => Meaning::Nothing,
        _ => Meaning::Key(Key::Unknown),
    }
}
