//! The one place where text loses the signs that its reader cannot see or hear.

use std::borrow::Cow;

/// What the one who reads it can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signs {
    /// Nothing outside ASCII: our own signs become their ASCII forms, anything else `\u{…}`.
    pub ascii: bool,
    /// It is read aloud: our own signs become words and digits.
    pub words: bool,
}

impl Signs {
    /// The text as it is written.
    pub fn of(self, text: &str) -> Cow<'_, str> {
        if text.is_ascii() || self == Self::default() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len() + 16);
        for c in text.chars() {
            match self.ours(c) {
                _ if c.is_ascii() => out.push(c),
                Some(form) => out.push_str(form),
                None if self.ascii => out.extend(c.escape_unicode()),
                None => out.push(c),
            }
        }
        Cow::Owned(out)
    }

    /// The form of a sign of ours. One that stands in tables is as wide as the sign.
    fn ours(self, c: char) -> Option<&'static str> {
        let (plain, spoken) = match c {
            '→' => ("->", "to"),
            '…' => ("...", "..."),
            '±' => ("~", "plus or minus "),
            '▁' => ("0", "0"),
            '▂' => ("1", "1"),
            '▃' => ("3", "3"),
            '▄' => ("4", "4"),
            '▅' => ("5", "5"),
            '▆' => ("6", "6"),
            '▇' => ("8", "8"),
            '█' => ("9", "9"),
            _ => return None,
        };
        Some(if self.words { spoken } else { plain })
    }
}

#[cfg(test)]
mod tests {
    use super::Signs;

    const ASCII: Signs = Signs { ascii: true, words: false };

    #[test]
    fn our_signs_have_ascii_forms_and_words_and_the_rest_is_shown_by_number() {
        let text = "kill switch on → off … ±0.01s ▁▃█ é\u{1b}[1m";
        assert_eq!(ASCII.of(text), "kill switch on -> off ... ~0.01s 039 \\u{e9}\u{1b}[1m");
        let spoken = "kill switch on to off ... plus or minus 0.01s 039 é\u{1b}[1m";
        assert_eq!(Signs { ascii: false, words: true }.of(text), spoken);
        assert_eq!(Signs::default().of(text), text);
    }
}
