//! Values that break quoting where anything can: of any bytes a text can hold, but NUL.

use std::fmt::Write;

/// Every byte of ASCII, every pair of characters that mean something to a shell, what people try, and texts of all planes.
pub(crate) fn values(canary: &str) -> Vec<String> {
    let mut all: Vec<String> = (1..=0x7f_u8).map(|byte| char::from(byte).to_string()).collect();
    let special: Vec<char> = "'\"\\$`!*?[]{}()<>|&;#~=%^ \t\n\r-+,:@/0nx\u{7f}\u{1}ä".chars().collect();
    all.extend(special.iter().flat_map(|a| special.iter().map(move |b| format!("{a}{b}"))));
    all.extend(attempts(canary));
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    all.extend((0..300).map(|_| dice.text()));
    all
}

/// What would run something, end a text early, or look like our own words.
pub(crate) fn attempts(canary: &str) -> Vec<String> {
    let run = format!("touch {canary}");
    let mut all: Vec<String> = [
        "",
        "a\n",
        "a\n\n\n",
        "\n",
        "a\r\n",
        "\r",
        "-",
        "--",
        "-n",
        "-e",
        "-c",
        "~",
        "~root",
        "~/x",
        "*",
        "/*",
        "?",
        "[a-z]*",
        "!!",
        "!1",
        "^a^b",
        "a=b",
        "PATH=",
        "%s",
        "%n%d%%",
        "\\",
        "\\\\",
        "\\n",
        "\\'",
        "'\\''",
        "''",
        "'''",
        "\"'\"'\"",
        "EOF",
        "EOF\n",
        "\nEOF\n",
        "}",
        "\n}\n",
        ")",
        "\n)\n",
        "fi",
        "done",
        ";;",
        "esac",
        "exit",
        "\nexit 0\n",
        "set -e",
        "\u{feff}x",
        "\u{202e}abc",
        "a\u{0301}",
        "\u{85}",
        "\u{2028}",
        "\u{10ffff}",
        "\u{e000}",
        "\u{fffd}",
        "\x1b[31m",
        "\x1b]0;x\x07",
        "𝕏",
        "__rb 'n' '' 'true'",
        "\n__rb 'n' '' 'true'\n",
        "__rb_end=0",
        "\n00000000000000000000000000000000 end 0\n",
        "\n0123456789abcdef0123456789abcdef begin\n",
        "\n0123456789abcdef0123456789abcdef end cwd\n",
        "() { :; }; echo x",
    ]
    .map(str::to_owned)
    .to_vec();
    for (before, after) in [
        ("$(", ")"),
        ("`", "`"),
        ("'; ", "; '"),
        ("\"; ", "; \""),
        ("\n", "\n"),
        ("; ", ""),
        ("& ", " &"),
        ("| ", ""),
        ("|| ", ""),
        ("&& ", ""),
        ("${x:-$(", ")}"),
        ("$((x[$(", ")]))"),
        ("'$(", ")'"),
        ("\\'; ", " #"),
        ("'\\''; ", " #"),
        ("<(", ")"),
        ("x'\"\n", "\n\"'"),
        ("\r\n", "\r\n"),
        ("}\n", "\n{"),
        (")\n", "\n("),
        ("EOF\n", "\n"),
        ("() { :; }; ", ""),
        ("%", ""),
        ("\\\n", "\n"),
        ("!", ""),
        ("'\n}\n", "\n: '"),
        ("\u{1}", "\u{1}"),
        ("\u{7f}$(", ")"),
    ] {
        all.push(format!("{before}{run}{after}"));
    }
    all
}

/// As long as one variable can be on Linux, nearly: 128 KiB with its name.
pub(crate) fn long() -> Vec<String> {
    ["'", "\\", "x", "\n", "€", "$(id) "].map(|part| part.repeat(100_000 / part.len())).to_vec()
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from((self.0 >> 16) % u64::from(below)).expect("it is below a u32")
    }

    fn text(&mut self) -> String {
        let length = self.next(40);
        (0..length).map(|_| self.letter()).collect()
    }

    fn letter(&mut self) -> char {
        let highest = [0x80, 0x800, 0x1_0000, 0x11_0000][self.next(4) as usize];
        char::from_u32(self.next(highest)).filter(|c| *c != '\0').unwrap_or('\'')
    }
}

/// Where two texts begin to differ, for a message that can be read.
pub(crate) fn difference(got: &[u8], want: &[u8]) -> String {
    let at = got.iter().zip(want).take_while(|(a, b)| a == b).count();
    let near = |bytes: &[u8]| String::from_utf8_lossy(&bytes[at.saturating_sub(8)..bytes.len().min(at + 24)]).into_owned();
    let mut text = String::new();
    let _ = write!(text, "at byte {at}: {:?} instead of {:?}", near(got), near(want));
    text
}
