//! The one way to standard output and standard error, but for the screen and JSON: whatever is written here is text in the
//! end, in signs that its reader can take.

use std::io::{self, Stderr, Stdout, Write};
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

use crate::model::visible::Stream;
use crate::report::signs::Signs;
use crate::report::wrap::wrapped;

/// Writes to a person: nothing but text and our own colours passes.
#[derive(Debug)]
pub struct Sink<W: Write> {
    to: W,
    signs: Signs,
    text: Stream,
    /// The columns of the terminal, where its rows are filled here.
    columns: Option<usize>,
    /// The beginning of a line whose end was not written yet.
    line: String,
}

/// Standard output; our colours pass where that is told.
pub fn out(signs: Signs, color: bool) -> Sink<Stdout> {
    Sink::new(io::stdout(), signs, color)
}

/// Standard output of a command that has no settings of its own; on a terminal rows that go on are indented.
pub fn screen(signs: Signs) -> Sink<Stdout> {
    out(signs, false).within(columns(io::stdout()))
}

/// Standard error, likewise; on a terminal rows that go on are indented.
pub fn err(signs: Signs, color: bool) -> Sink<Stderr> {
    Sink::new(io::stderr(), signs, color).within(columns(io::stderr()))
}

/// The columns of a terminal; none where it is no terminal, or one that does not know its size.
pub fn columns(of: impl AsFd) -> Option<usize> {
    let size = tcgetwinsize(of).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

impl<W: Write> Sink<W> {
    /// Writes to `to`.
    pub fn new(to: W, signs: Signs, color: bool) -> Self {
        Self { to, signs, text: Stream::new(color), columns: None, line: String::new() }
    }

    /// On a terminal of so many columns: rows that go on are indented.
    #[must_use]
    pub fn within(mut self, columns: Option<usize>) -> Self {
        self.columns = columns;
        self
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = self.text.push(bytes);
        let text = self.signs.of(&text);
        let Some(columns) = self.columns else {
            self.to.write_all(text.as_bytes())?;
            return Ok(bytes.len());
        };
        let mut out = String::with_capacity(text.len());
        for part in text.split_inclusive('\n') {
            self.line.push_str(part.trim_end_matches('\n'));
            if part.ends_with('\n') {
                out.push_str(&wrapped(&self.line, columns));
                out.push('\n');
                self.line.clear();
            }
        }
        self.to.write_all(out.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        self.to.write_all(line.as_bytes())?;
        self.to.flush()
    }
}

impl<W: Write> Drop for Sink<W> {
    fn drop(&mut self) {
        let rest = format!("{}{}", self.line, self.signs.of(&self.text.end()));
        if !rest.is_empty() {
            // nobody is left to tell that it cannot be written
            let _ = self.to.write_all(rest.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::num::NonZeroU16;

    use proptest::prelude::{any, prop, proptest};

    use super::Sink;
    use crate::report::signs::Signs;

    const ROWS: NonZeroU16 = NonZeroU16::new(3).expect("rows");
    const COLUMNS: NonZeroU16 = NonZeroU16::new(4096).expect("columns");
    const ASCII: Signs = Signs { ascii: true, words: false };

    fn written(signs: Signs, color: bool, pieces: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let mut sink = Sink::new(&mut out, signs, color);
        for piece in pieces {
            sink.write_all(piece).expect("written");
        }
        drop(sink);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn whoever_forgot_to_clean_is_caught() {
        let evil = b"\x1b[1mok\x1b[0m \x1b]0;x\x07\r\xff\xe2\x82";
        assert_eq!(written(Signs::default(), true, &[evil]), "\x1b[1mok\x1b[0m \\x1b]0;x\\x07\\x0d\\xff\\xe2\\x82");
        assert_eq!(written(ASCII, false, &[b"\x1b[1mok \xe2\x86", b"\x92 \xc3\xa9"]), "\\x1b[1mok -> \\u{e9}");
    }

    #[test]
    fn a_line_that_is_too_long_goes_on_behind_the_verbs() {
        let mut out = Vec::new();
        let mut sink = Sink::new(&mut out, Signs::default(), false).within(Some(50));
        sink.write_all(format!("  | {}", " ".repeat(46)).as_bytes()).expect("written");
        sink.write_all(b"          ok web-02\nnext").expect("written");
        drop(sink);
        let want = format!("  | {}\n{}          ok web-02\nnext", " ".repeat(46), " ".repeat(15));
        assert_eq!(String::from_utf8(out).expect("text"), want);
    }

    proptest! {
        #[test]
        fn nothing_outside_ascii_is_written_however_it_is_cut(text in any::<String>(), at in 0usize..40) {
            let (head, tail) = text.as_bytes().split_at(at.min(text.len()));
            let cut = written(ASCII, true, &[head, tail]);
            assert_eq!(cut, written(ASCII, true, &[text.as_bytes()]));
            assert!(cut.is_ascii());
        }

        #[test]
        fn a_terminal_shows_text_and_obeys_nothing(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
            color: bool,
        ) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let text = written(Signs::default(), color, &pieces);
            for line in text.split('\n') {
                // far wider than the line: what is text stands on the first row
                let mut screen = vt100::Parser::new(ROWS, COLUMNS, 0);
                screen.process(line.as_bytes());
                let (row, column) = screen.screen().cursor_position();
                assert_eq!(row, 0, "{line:?}");
                let plain = anstyle_less(line);
                assert!(line.contains('\t') || usize::from(column) == crate::model::visible::width(&plain), "{line:?}");
                assert!(line.contains('\t') || screen.screen().contents().trim_end() == plain.trim_end(), "{line:?}");
                let modes = screen.screen();
                assert!(!modes.alternate_screen() && !modes.hide_cursor() && !modes.bracketed_paste());
                assert_eq!(screen.screen().input_mode_formatted(), vt100::Parser::default().screen().input_mode_formatted());
            }
        }
    }

    /// The text without our colours.
    fn anstyle_less(line: &str) -> String {
        let mut parts = line.split('\x1b');
        let first = parts.next().unwrap_or_default().to_owned();
        first + &parts.filter_map(|part| part.split_once('m')).map(|(_, text)| text).collect::<String>()
    }
}
