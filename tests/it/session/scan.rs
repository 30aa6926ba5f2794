//! What a program may say to a terminal: the few sequences that it uses itself, and text.

/// Private modes that are switched on and off.
const MODES: [&str; 8] = ["1049", "25", "2004", "1004", "1007", "2026", "1000", "1006"];

/// What is not allowed, with where it stands; empty where all is well.
pub(super) fn foreign(raw: &[u8]) -> Vec<String> {
    let text = match std::str::from_utf8(raw) {
        Ok(text) => text,
        Err(error) => return vec![format!("no UTF-8 at {}", error.valid_up_to())],
    };
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let used = match c {
            '\x1b' => sequence(&rest[1..]).map(|used| used + 1),
            '\r' | '\n' | '\x07' => Ok(1),
            c if is_hostile(c) => Err(format!("{c:?}")),
            c => Ok(c.len_utf8()),
        };
        rest = match used {
            Ok(used) => &rest[used..],
            Err(what) => {
                let around: String = rest.chars().take(40).collect();
                found.push(format!("{what} at {}: {around:?}", text.len() - rest.len()));
                &rest[c.len_utf8()..]
            }
        };
    }
    found
}

/// Control characters, and those that turn or hide what stands beside them.
fn is_hostile(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// How many bytes after an ESC belong to it, where it is one of those that are allowed.
fn sequence(rest: &str) -> Result<usize, String> {
    match rest.as_bytes().first() {
        Some(b'[') => control(&rest[1..]).map(|used| used + 1),
        Some(b']') => title(&rest[1..]).map(|used| used + 1),
        // the end of a string that may have been cut off
        Some(b'\\') => Ok(1),
        other => Err(format!("ESC {other:?}")),
    }
}

fn control(rest: &str) -> Result<usize, String> {
    let end = rest.find(|c: char| !matches!(c, '\x20'..='\x3f')).ok_or("a control sequence without an end")?;
    let (given, last) = (&rest[..end], rest[end..].chars().next().unwrap_or_default());
    let numbers = given.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':'));
    let is_fine = match last {
        'm' | 'H' | 'A' | 'B' | 'C' | 'D' | 'G' | 'd' | 'J' | 'K' => numbers,
        'h' | 'l' => given.strip_prefix('?').is_some_and(|mode| MODES.contains(&mode)),
        's' | 'r' => given == "?1007",
        't' => matches!(given, "22;0" | "23;0"),
        'q' => matches!(given, "0 "),
        _ => false,
    };
    if is_fine { Ok(end + last.len_utf8()) } else { Err(format!("CSI {given}{last}")) }
}

/// The title of the window, and nothing else.
fn title(rest: &str) -> Result<usize, String> {
    let end = rest.find(['\x07', '\x1b']).ok_or("a string without an end")?;
    let ends = if rest[end..].starts_with('\x07') { 1 } else { 2 };
    let well = ends == 1 || rest[end..].starts_with("\x1b\\");
    match rest[..end].strip_prefix("2;") {
        Some(title) if well && !title.contains(is_hostile) => Ok(end + ends),
        _ => Err(format!("OSC {:?}", &rest[..end])),
    }
}

#[test]
fn what_the_program_says_is_let_through_and_nothing_else() {
    let fine =
        "\x1b[22;0t\x1b[?1049h\x1b[?25l\x1b[1;2H\x1b[38;5;1mhé ✓\x1b[0m\x1b[2J\x1b[K\x1b]2;runbook: x\x07\x1b\\\x1b[0 q\r\n\x07";
    assert_eq!(foreign(fine.as_bytes()), [""; 0]);
    let evil = [
        "\x1b]52;c;YQ==\x07",
        "\x1b]8;;http://x\x1b\\",
        "\x1b]0;x\x07",
        "\x1b[6n",
        "\x1b[?1003h",
        "\x1b[5t",
        "\x1bc",
        "\x1bP0q\x1b\\",
        "\x08",
        "\t",
        "\0",
        "\x7f",
        "\u{9b}2J",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\x1b]2;a\u{9c}b\x07",
        "\x1b[",
        "\x1b",
    ];
    for evil in evil {
        assert_ne!(foreign(format!("a{evil}b").as_bytes()), [""; 0], "{evil:?}");
    }
    assert_ne!(foreign(b"a\x9b2J"), [""; 0]);
}
