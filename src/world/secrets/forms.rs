//! The forms in which a value may come back: as it is, quoted, escaped, encoded.

use std::collections::BTreeSet;

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, PAD};

use crate::world::secrets::source::SHORTEST;

/// Of a longer value, in bytes, only the forms that whole files come in are known: the others would take hundreds of
/// megabytes. Its lines are known in all.
const LONG: usize = 8 * 1024;

/// The forms of a value.
#[derive(Default)]
pub(super) struct Forms {
    /// All of them, each as it stands in one piece.
    pub(super) whole: BTreeSet<Vec<u8>>,
    /// Those of which programs make lines or groups, without the blanks between.
    pub(super) spread: BTreeSet<Vec<u8>>,
}

impl Forms {
    /// The forms of the value, and of each of its lines that is long enough to be told from other text.
    pub(super) fn of(value: &str) -> Self {
        let mut forms = Self::default();
        forms.add(value);
        forms.add(value.trim());
        if value.contains('\n') {
            // the first and the last line of a key say nothing
            let lines = value.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
            lines.for_each(|line| forms.add(line));
        }
        forms
    }

    fn add(&mut self, value: &str) {
        if value.len() < SHORTEST {
            return;
        }
        let encoded = || base64(value.as_bytes()).into_iter().chain(hex(value.as_bytes()));
        self.spread.extend(encoded());
        let mut texts = [json(value), lines(value)].concat();
        if value.len() <= LONG {
            texts.extend([quoted(value), html(value), escaped(value)].concat());
            self.whole.extend(percent(value.as_bytes()));
        }
        self.whole.extend(texts.into_iter().map(String::into_bytes));
        self.whole.extend(utf16(value));
        self.whole.insert(value.as_bytes().to_vec());
        for form in encoded() {
            if value.len() > LONG {
                self.whole.insert(form);
                continue;
            }
            // inside of JSON and of URLs
            let text = String::from_utf8_lossy(&form).into_owned();
            let within = |plus: &str, slash: &str, pad: &str| text.replace('+', plus).replace('/', slash).replace('=', pad);
            let texts = [within("+", "\\/", "="), within("%2B", "%2F", "%3D"), within("%2b", "%2f", "%3d")];
            self.whole.extend(texts.map(String::into_bytes));
            self.whole.insert(form);
        }
    }
}

/// At each of the three places where a value may begin in what is encoded as a whole: the characters that are its alone,
/// and those of an end that is padded.
fn base64(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    let alphabets: [&Alphabet; 2] = [&STANDARD, &URL_SAFE];
    for alphabet in alphabets {
        for (before, theirs) in [(0_usize, 0_usize), (1, 2), (2, 3)] {
            let bytes = [&vec![0; before], value].concat();
            let padded = GeneralPurpose::new(alphabet, PAD).encode(&bytes).into_bytes();
            let bare = GeneralPurpose::new(alphabet, NO_PAD).encode(&bytes).into_bytes();
            let sure = bytes.len() * 8 / 6;
            forms.extend([&padded[theirs..], &bare[theirs..], &bare[theirs..sure]].map(<[u8]>::to_vec));
        }
    }
    forms
}

fn hex(value: &[u8]) -> [Vec<u8>; 2] {
    let lower: String = value.iter().map(|b| format!("{b:02x}")).collect();
    [lower.to_uppercase().into_bytes(), lower.into_bytes()]
}

/// What the encoders in use leave as it is, and whether they write a blank as `+`.
type Kept = (&'static [u8], bool);

/// Every byte, and as each of the usual encoders does it; digits in either case.
fn percent(value: &[u8]) -> Vec<Vec<u8>> {
    // RFC 3986, paths, encodeURIComponent, encodeURI, forms of either taste
    const KEPT: [Kept; 6] = [
        (b"-._~", false),
        (b"-._~/", false),
        (b"-._~!*'()", false),
        (b"-._~!*'();/?:@&=+$,#", false),
        (b"-._*", true),
        (b"-._~", true),
    ];
    let encode = |keep: &dyn Fn(u8) -> bool, plus: bool, upper: bool| {
        let mut out = Vec::new();
        for byte in value {
            match *byte {
                b' ' if plus => out.push(b'+'),
                byte if keep(byte) => out.push(byte),
                byte if upper => out.extend(format!("%{byte:02X}").into_bytes()),
                byte => out.extend(format!("%{byte:02x}").into_bytes()),
            }
        }
        out
    };
    let mut forms = Vec::new();
    for upper in [false, true] {
        forms.push(encode(&|_| false, false, upper));
        for (kept, plus) in KEPT {
            forms.push(encode(&|byte| byte.is_ascii_alphanumeric() || kept.contains(&byte), plus, upper));
        }
    }
    forms
}

/// As the encoders of JSON write it: `/` and the characters of HTML may be escaped, all beyond ASCII may be.
fn json(value: &str) -> Vec<String> {
    let encode = |slash: bool, html: bool, ascii: bool, upper: bool| {
        let mut out = String::new();
        let unit = |unit: u16| if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
        for c in value.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '/' if slash => out.push_str("\\/"),
                c if c < ' '
                    || (html && matches!(c, '<' | '>' | '&' | '\'' | '\u{2028}' | '\u{2029}'))
                    || (ascii && c >= '\u{7f}') =>
                {
                    let mut units = [0; 2];
                    out.extend(c.encode_utf16(&mut units).iter().map(|code| unit(*code)));
                }
                c => out.push(c),
            }
        }
        out
    };
    let both = [false, true];
    let mut forms = Vec::new();
    for (slash, html) in both.into_iter().flat_map(|slash| both.map(|html| (slash, html))) {
        forms.extend(
            [(false, false), (true, false), (false, true), (true, true)].map(|(ascii, up)| encode(slash, html, ascii, up)),
        );
    }
    forms
}

/// As shells write it where they quote, and in the other shells' and programs' ways of it.
fn quoted(value: &str) -> Vec<String> {
    let behind = |special: &dyn Fn(char) -> bool| {
        let mut out = String::new();
        for c in value.chars() {
            if special(c) {
                out.push('\\');
            }
            out.push(c);
        }
        out
    };
    vec![
        value.replace('\'', "'\\''"),
        value.replace('\'', "'\"'\"'"),
        behind(&|c| matches!(c, '"' | '$' | '`' | '\\')),
        behind(&|c| matches!(c, '"' | '$' | '`' | '\\' | '!')),
        behind(&|c| c.is_ascii() && !c.is_ascii_alphanumeric() && !"_-./:=@%+,".contains(c)),
        behind(&|c| c.is_ascii() && !c.is_ascii_alphanumeric() && !"_-./:=@%+".contains(c)),
        behind(&|c| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_'),
        behind(&|c| matches!(c, '\'' | '\\')),
    ]
}

fn html(value: &str) -> Vec<String> {
    const QUOTES: [(&str, &str); 8] = [
        ("\"", "'"),
        ("\"", "&#39;"),
        ("&quot;", "'"),
        ("&quot;", "&#39;"),
        ("&quot;", "&#039;"),
        ("&quot;", "&#x27;"),
        ("&quot;", "&apos;"),
        ("&#34;", "&#39;"),
    ];
    let base = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut forms: Vec<String> = QUOTES.iter().map(|(double, single)| base.replace('"', double).replace('\'', single)).collect();
    let templates = base.replace('"', "&quot;").replace('\'', "&#39;").replace('/', "&#x2F;");
    forms.extend([templates.replace('`', "&#x60;").replace('=', "&#x3D;"), templates]);
    forms
}

/// With the escapes of programming languages and of those that show what cannot be printed.
fn escaped(value: &str) -> Vec<String> {
    let bytes = |as_they_are: &dyn Fn(u8) -> bool, write: &dyn Fn(u8) -> String| -> String {
        let one = |byte: &u8| if as_they_are(*byte) { char::from(*byte).to_string() } else { write(*byte) };
        value.as_bytes().iter().map(one).collect()
    };
    let printable = |byte: u8| matches!(byte, b' '..=b'~');
    let bare = |byte: u8| printable(byte) && !matches!(byte, b'"' | b'\\');
    let named = |byte: u8, other: &dyn Fn(u8) -> String| match byte {
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        byte => other(byte),
    };
    let (lower, upper) = (|b: u8| format!("\\x{b:02x}"), |b: u8| format!("\\x{b:02X}"));
    let octal = |b: u8| format!("\\{b:03o}");
    vec![
        value.escape_debug().to_string(),
        value.escape_default().to_string(),
        bytes(&bare, &lower),
        bytes(&bare, &upper),
        bytes(&|_| false, &lower),
        bytes(&bare, &|b| named(b, &lower)),
        bytes(&bare, &|b| named(b, &octal)),
        bytes(&printable, &octal),
        bytes(&printable, &lower),
    ]
}

/// With other breaks of lines, and as the words that a shell makes of it where it is not quoted.
fn lines(value: &str) -> Vec<String> {
    let words: Vec<&str> = value.split_whitespace().collect();
    let unix = value.replace("\r\n", "\n");
    let mut forms = vec![unix.replace('\n', "\r\n"), unix.replace('\n', " "), unix.replace('\n', ""), unix];
    forms.extend([" ", "\n", "\0"].map(|between| words.join(between)));
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

fn utf16(value: &str) -> [Vec<u8>; 2] {
    let units = || value.encode_utf16();
    [units().flat_map(u16::to_le_bytes).collect(), units().flat_map(u16::to_be_bytes).collect()]
}

#[cfg(test)]
mod tests {
    use super::Forms;

    fn has(value: &str, form: &str) {
        let forms = Forms::of(value);
        assert!(forms.whole.contains(form.as_bytes()), "{form}");
    }

    #[test]
    fn the_forms_are_those_that_programs_write() {
        let value = "it's <ü>&\"/ a";
        for form in [
            "it's <ü>&\"/ a",
            "it'\\''s <ü>&\"/ a",
            "it\\'s\\ \\<ü\\>\\&\\\"/\\ a",
            "it's <\\u00fc>&\\\"\\/ a",
            "it's <\\u00FC>&\\\"/ a",
            "it\\u0027s \\u003cü\\u003e\\u0026\\\"/ a",
            "it&#39;s &lt;ü&gt;&amp;&quot;/ a",
            "it%27s%20%3C%C3%BC%3E%26%22%2F%20a",
            "it's%20%3C%C3%BC%3E%26%22%2F%20a",
            "it%27s+%3c%c3%bc%3e%26%22%2f+a",
            "it's <\\xc3\\xbc>&\\x22/ a",
            "it's <\\303\\274>&\"/ a",
            "it's\0<ü>&\"/\0a",
            "6974277320 3cc3bc3e26222f2061".replace(' ', "").as_str(),
            "aXQncyA8w7w+JiIvIGE=",
            "aXQncyA8w7w-JiIvIGE",
            "aXQncyA8w7w%2BJiIvIGE%3D",
        ] {
            has(value, form);
        }
        // after one and after two other bytes, and before some
        has("hunter-2!", "odW50ZXItMi");
        has("hunter-2!", "h1bnRlci0yI");
    }

    #[test]
    fn the_lines_of_a_key_are_forms_and_what_stands_around_them_is_none() {
        let key = "-----BEGIN TEST-----\nMIIBVgIBADANBgkq\nab\n-----END TEST-----";
        has(key, "MIIBVgIBADANBgkq");
        has(key, &key.replace('\n', "\\n"));
        has(key, &key.replace('\n', "\r\n"));
        let forms = Forms::of(key);
        for other in ["ab", "-----BEGIN TEST-----"] {
            assert!(!forms.whole.contains(other.as_bytes()), "{other}");
        }
    }
}
