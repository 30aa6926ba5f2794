//! Choices out of bytes: what is chosen is the same for the same bytes, and there is always a choice.

/// Bytes of which the first ones are taken for choices.
pub(super) struct Choices<'b> {
    rest: &'b [u8],
}

impl<'b> Choices<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// One byte; 0 where none is left.
    pub(super) fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    /// One byte, while there are any.
    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Up to so many bytes.
    pub(super) fn take(&mut self, count: usize) -> &'b [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// All that is left.
    pub(super) fn rest(self) -> &'b [u8] {
        self.rest
    }
}

/// Whether a text could do anything but be read: control characters, marks that turn the direction, and characters that
/// cannot be seen. Written down here once more, so that it is not the sanitiser that judges the sanitiser.
pub(super) fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The first odd character of a text in which lines may end.
pub(super) fn odd_in_lines(text: &str) -> Option<char> {
    text.chars().find(|c| *c != '\n' && is_odd(*c))
}
