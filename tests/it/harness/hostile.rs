//! What a host says that means ill: every kind of control, each after a word by which it is found.

/// A line that imitates one of ours, of a host that does not exist.
pub(crate) const FAKE: &str = "          ok evil-9  0:00  nothing was changed";

/// Each with what a person must be able to read of it.
const LINES: [(&[u8], &str); 20] = [
    (b"EVIL-CSI \x1b[2J\x1b[1;1H\x1b[31mred", "EVIL-CSI \\x1b[2J\\x1b[1;1H\\x1b[31mred"),
    (b"EVIL-LINK \x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\", "EVIL-LINK \\x1b]8;;http://evil.example\\x1b\\click"),
    (b"EVIL-CLIP \x1b]52;c;ZXZpbA==\x07 \x1b]0;owned\x07 \x1b]9;4;1;50\x07", "EVIL-CLIP \\x1b]52;c;ZXZpbA==\\x07 \\x1b]0;owned"),
    (
        b"EVIL-DCS \x1bP1$r0m\x1b\\ \x1b_apc\x1b\\ \x1b^pm\x1b\\ \x1bXsos\x1b\\",
        "EVIL-DCS \\x1bP1$r0m\\x1b\\ \\x1b_apc\\x1b\\ \\x1b^pm",
    ),
    (b"EVIL-ESC \x1bc \x1b(0 \x1b7 \x1b8 \x1b=", "EVIL-ESC \\x1bc \\x1b(0 \\x1b7"),
    (b"EVIL-MODE \x1b[?1049h\x1b[?2004h\x1b[?2026h\x1b[?1003h\x1b[?25l", "EVIL-MODE \\x1b[?1049h\\x1b[?2004h\\x1b[?2026h"),
    (b"EVIL-ASK \x1b[c\x1b[>c\x1b[6n\x1b[?2026$p\x1b[>q\x05", "EVIL-ASK \\x1b[c\\x1b[>c\\x1b[6n"),
    (b"EVIL-IMAGE \x1b_Ga=T,f=100;AAAA\x1b\\ \x1bPq#0;2;0;0;0\x1b\\", "EVIL-IMAGE \\x1b_Ga=T,f=100;AAAA\\x1b\\"),
    (b"EVIL-C1 \x9b2J \x9d0;owned\x9c \x90q\x9c \x85", "EVIL-C1 \\x9b2J \\x9d0;owned\\x9c"),
    ("EVIL-C1U \u{9b}2J \u{9d}0;owned\u{9c} \u{85}".as_bytes(), "EVIL-C1U \\x9b2J \\x9d0;owned\\x9c"),
    ("EVIL-BIDI \u{202e}txet\u{202c} \u{2066}a\u{2069} \u{61c}".as_bytes(), "EVIL-BIDI \\u{202e}txet\\u{202c} \\u{2066}a"),
    ("EVIL-ZERO z\u{200b}w\u{200d}\u{feff}\u{ad}\u{2060}".as_bytes(), "EVIL-ZERO z\\u{200b}w\\u{200d}\\u{feff}\\xad"),
    ("EVIL-TAG a\u{e0001}\u{e0041}\u{fe0f}\u{3164}".as_bytes(), "EVIL-TAG a\\u{e0001}\\u{e0041}\\u{fe0f}\\u{3164}"),
    (
        "EVIL-ZALGO e\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}".as_bytes(),
        "EVIL-ZALGO e\u{301}\u{302}\u{303}\u{304}\\u{305}\\u{306}",
    ),
    (b"EVIL-BACK secret\x08\x08\x08\x08\x08\x08fake\x7f\x07", "EVIL-BACK secret\\x08\\x08"),
    // what is written over is gone on a terminal, and in some views
    (b"EVIL-CR one\rtwo\rEVIL-CR three", "EVIL-CR three"),
    (b"EVIL-NUL a\0b\x01c\x0bf\x0cg\x0eh\x0fi\tj", "EVIL-NUL a\\x00b\\x01c\\x0bf"),
    (b"EVIL-UTF8 \xff\xfe\xc3\x28 \xe2\x82 \xf0\x9f", "EVIL-UTF8 \\xff\\xfe\\xc3( \\xe2\\x82 \\xf0\\x9f"),
    (b"EVIL-ASKED              go on? [y/N] ", "EVIL-ASKED              go on? [y/N]"),
    (b"EVIL-END \x1b", "EVIL-END \\x1b"),
];

/// All of it, a line each, and a line that looks like ours.
pub(crate) fn hostile() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (line, _) in LINES {
        bytes.extend(line);
        bytes.push(b'\n');
    }
    bytes.extend(FAKE.as_bytes());
    bytes.push(b'\n');
    bytes
}

/// What a person must be able to read of it.
pub(crate) fn readable() -> impl Iterator<Item = &'static str> {
    LINES.iter().map(|(_, text)| *text)
}

/// A line of more than 100 KB that looks like ours wherever a terminal of 80 columns begins a row.
pub(crate) fn long() -> Vec<u8> {
    let row = format!("{FAKE:<80}");
    [b"EVIL-LONG", row.repeat(1300).as_bytes(), b"\n"].concat()
}
