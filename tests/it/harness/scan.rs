//! What a program may say to a terminal: the few sequences that it uses itself, and text.

use std::sync::LazyLock;

use regex::Regex;

/// Private modes that are switched on and off.
const MODES: [&str; 8] = ["1049", "25", "2004", "1004", "1007", "2026", "1000", "1006"];

/// What is not allowed, with where it stands; empty where all is well.
pub(crate) fn foreign(raw: &[u8]) -> Vec<String> {
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

/// What lines may hold beside text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lines {
    /// Our colours.
    pub(crate) color: bool,
    /// Two lines that change, on a terminal.
    pub(crate) live: bool,
    /// Tabs between the cells of a table.
    pub(crate) tabs: bool,
}

impl Lines {
    /// Nothing but text and line breaks.
    pub(crate) const PLAIN: Self = Self { color: false, live: false, tabs: false };

    /// What is not allowed outside the screen, with where it stands; empty where all is well.
    pub(crate) fn foreign(self, raw: &[u8]) -> Vec<String> {
        let text = match std::str::from_utf8(raw) {
            Ok(text) => text,
            Err(error) => return vec![format!("no UTF-8 at {}", error.valid_up_to())],
        };
        let mut found = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let used = match c {
                '\n' => Some(1),
                '\t' if self.tabs => Some(1),
                // a terminal adds it to line breaks
                '\r' if rest.starts_with("\r\n") => Some(1),
                '\r' if self.live && rest.starts_with("\r\x1b[2K") => Some("\r\x1b[2K".len()),
                '\x1b' => self.sequence(&rest[1..]).map(|used| used + 1),
                c if is_hostile(c) => None,
                c => Some(c.len_utf8()),
            };
            if used.is_none() {
                let around: String = rest.chars().take(40).collect();
                found.push(format!("at {}: {around:?}", text.len() - rest.len()));
            }
            rest = &rest[used.unwrap_or(c.len_utf8())..];
        }
        found
    }

    fn sequence(self, rest: &str) -> Option<usize> {
        let rest = rest.strip_prefix('[')?;
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';')?;
        let (given, last) = rest.split_at(end);
        let fine = match last.chars().next()? {
            // bold, dim, underlined and six colours
            'm' => {
                self.color
                    && given.split(';').all(|n| {
                        matches!(
                            n,
                            "" | "0"
                                | "1"
                                | "2"
                                | "4"
                                | "31"
                                | "32"
                                | "33"
                                | "34"
                                | "35"
                                | "36"
                                | "91"
                                | "92"
                                | "93"
                                | "94"
                                | "95"
                                | "96"
                        )
                    })
            }
            'A' | 'B' => self.live && given == "1",
            _ => false,
        };
        fine.then_some(end + 2)
    }
}

/// Control characters, and those that turn or hide what stands beside them.
fn is_hostile(c: char) -> bool {
    static HIDDEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]").unwrap()
    });
    c.is_ascii_control() || (!c.is_ascii() && HIDDEN.is_match(c.encode_utf8(&mut [0; 4])))
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

#[test]
fn lines_hold_text_and_what_they_may() {
    let all = Lines { color: true, live: true, tabs: true };
    let fine = "a\tb\r\n\r\x1b[2K\x1b[1A\x1b[1m\x1b[31mred\x1b[0m é ✓\n";
    assert_eq!(all.foreign(fine.as_bytes()), [""; 0]);
    assert_eq!(Lines::PLAIN.foreign(fine.as_bytes()).len(), 7);
    for evil in
        ["\x1b[8m", "\x1b[2J", "\x1b[H", "\x1b]0;x\x07", "\x1b[30m", "\r", "\x08", "\u{9b}", "\u{202e}", "\u{e0041}", "\x1b"]
    {
        assert_ne!(all.foreign(format!("a{evil}b").as_bytes()), [""; 0], "{evil:?}");
    }
}
