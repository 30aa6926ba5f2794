//! What a terminal sends, as keys. Bytes in, inputs out; no clock, no reading.
//!
//! Whatever is not known for certain is [`Key::Unknown`]: a key that acts is never guessed.

mod sequence;

use self::sequence::{Meaning, csi, ss3};

/// A key, as far as a terminal tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A character that was typed; never a control character.
    Char(char),
    /// Ctrl with a small letter, a space, or one of `\ ] ^ _`.
    Ctrl(char),
    /// Enter; Ctrl-M cannot be told from it.
    Enter,
    /// Esc by itself.
    Esc,
    /// Tab; Ctrl-I cannot be told from it.
    Tab,
    /// Shift-Tab.
    BackTab,
    /// Backspace; Ctrl-H cannot be told from it.
    Backspace,
    /// Delete.
    Delete,
    /// Up; with DECSET 1007 also the wheel.
    Up,
    /// Down; with DECSET 1007 also the wheel.
    Down,
    /// Left.
    Left,
    /// Right.
    Right,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// F1.
    F1,
    /// Anything else, anything with Alt, anything that was cut off: it must not act.
    Unknown,
}

/// One thing that came from the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A key.
    Key(Key),
    /// What was pasted, raw: line breaks and control characters are in it. At most [`MAX_PASTE`] bytes; the rest is only
    /// counted, see [`Decoder::dropped`].
    Paste(String),
    /// The terminal got the focus, or lost it.
    Focus(bool),
}

/// The most bytes of one paste that are kept.
pub const MAX_PASTE: usize = 64 * 1024;
/// Longer sequences are no keys.
const MAX_SEQUENCE: usize = 32;
const PASTE_END: &[u8] = b"\x1b[201~";
const ESC: u8 = 0x1b;
const CTRL_C: u8 = 0x03;

/// Turns bytes into inputs; how they were cut into pieces makes no difference.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    dropped: u64,
    /// An Esc was settled, and what follows may be the rest of a key that came late.
    settled_esc: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// After ESC; `alt` where another ESC went before it.
    Esc { alt: bool },
    /// After `ESC [`.
    Csi { bytes: Vec<u8>, alt: bool },
    /// After `ESC [ [`: a function key of the Linux console.
    Console,
    /// After `ESC O`; `odd` where there is more to it than a plain key.
    Ss3 { odd: bool },
    /// After `ESC [ M`: so many bytes of an old mouse report are still to come.
    Mouse(u8),
    /// In a string that a terminal answers with; `esc` after an ESC in it.
    Text { esc: bool },
    /// In a character of several bytes.
    Utf8 { bytes: Vec<u8>, length: usize, alt: bool },
    /// In a paste: what is kept, and how many bytes of its end were seen.
    Paste { kept: Vec<u8>, end: usize },
}

impl Decoder {
    /// What these bytes complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Input> {
        let mut out = Vec::new();
        let mut bytes = bytes;
        if std::mem::take(&mut self.settled_esc) && matches!(self.state, State::Ground) {
            // nobody types two bytes at once: it is the rest of an arrow key, and its letter must not act
            match bytes {
                [b'[', rest @ ..] if !rest.is_empty() => {
                    self.state = State::Csi { bytes: Vec::new(), alt: false };
                    bytes = rest;
                }
                [b'O', rest @ ..] if !rest.is_empty() => {
                    self.state = State::Ss3 { odd: false };
                    bytes = rest;
                }
                _ => {}
            }
        }
        for byte in bytes {
            self.step(*byte, &mut out);
        }
        out
    }

    /// Whether what came so far may be the beginning of something longer. If nothing follows for 50 ms (300 ms over SSH),
    /// [`Decoder::settle`] says what it was. A paste is waited for without an end.
    pub fn waits_for_more(&self) -> bool {
        !matches!(self.state, State::Ground | State::Paste { .. })
    }

    /// What the bytes so far mean if nothing follows: a lone ESC is [`Key::Esc`], everything else that is cut off is
    /// [`Key::Unknown`]. A paste goes on.
    pub fn settle(&mut self) -> Vec<Input> {
        match std::mem::take(&mut self.state) {
            State::Ground => Vec::new(),
            paste @ State::Paste { .. } => {
                self.state = paste;
                Vec::new()
            }
            State::Esc { alt } => {
                self.settled_esc = true;
                vec![Input::Key(Key::Esc); if alt { 2 } else { 1 }]
            }
            _ => vec![Input::Key(Key::Unknown)],
        }
    }

    /// How many bytes of pastes were not kept so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn step(&mut self, byte: u8, out: &mut Vec<Input>) {
        match std::mem::take(&mut self.state) {
            State::Ground => self.ground(byte, false, out),
            State::Paste { kept, end } => self.paste(kept, end, byte, out),
            State::Mouse(left) if left > 1 => self.state = State::Mouse(left - 1),
            State::Mouse(_) => {}
            State::Utf8 { bytes, length, alt } => self.character(bytes, length, alt, byte, out),
            // what makes things safer is never swallowed
            state if byte == CTRL_C => {
                let before = if matches!(state, State::Esc { .. }) { Key::Esc } else { Key::Unknown };
                out.push(Input::Key(before));
                self.ground(byte, false, out);
            }
            State::Esc { alt } => self.escape(alt, byte, out),
            State::Csi { bytes, alt } => self.csi(bytes, alt, byte, out),
            State::Console => {
                let key = if byte == b'A' { Key::F1 } else { Key::Unknown };
                out.push(Input::Key(key));
            }
            State::Ss3 { odd } => self.ss3(odd, byte, out),
            State::Text { esc } => match byte {
                0x07 => {}
                b'\\' if esc => {}
                _ => self.state = State::Text { esc: byte == ESC },
            },
        }
    }

    /// A byte where nothing is open; with `alt` what it begins is [`Key::Unknown`].
    fn ground(&mut self, byte: u8, alt: bool, out: &mut Vec<Input>) {
        let key = match byte {
            ESC => {
                self.state = State::Esc { alt: false };
                return;
            }
            0x80.. => {
                let length = match byte {
                    0xc2..=0xdf => 2,
                    0xe0..=0xef => 3,
                    0xf0..=0xf4 => 4,
                    _ => return out.push(Input::Key(Key::Unknown)),
                };
                self.state = State::Utf8 { bytes: vec![byte], length, alt };
                return;
            }
            _ if alt => Key::Unknown,
            b'\r' => Key::Enter,
            b'\t' => Key::Tab,
            0x08 | 0x7f => Key::Backspace,
            0 => Key::Ctrl(' '),
            1..=26 => Key::Ctrl(char::from(byte + b'a' - 1)),
            0x1c..=0x1f => Key::Ctrl(char::from(byte + 0x40)),
            b' '..=b'~' => Key::Char(char::from(byte)),
        };
        out.push(Input::Key(key));
    }

    fn character(&mut self, mut bytes: Vec<u8>, length: usize, alt: bool, byte: u8, out: &mut Vec<Input>) {
        if !matches!(byte, 0x80..=0xbf) {
            out.push(Input::Key(Key::Unknown));
            return self.ground(byte, false, out);
        }
        bytes.push(byte);
        if bytes.len() < length {
            self.state = State::Utf8 { bytes, length, alt };
            return;
        }
        let typed = std::str::from_utf8(&bytes).ok().and_then(|text| text.chars().next());
        let key = typed.filter(|c| !alt && !c.is_control()).map_or(Key::Unknown, Key::Char);
        out.push(Input::Key(key));
    }

    fn escape(&mut self, alt: bool, byte: u8, out: &mut Vec<Input>) {
        match byte {
            b'[' => self.state = State::Csi { bytes: Vec::new(), alt },
            b'O' => self.state = State::Ss3 { odd: alt },
            ESC => {
                if alt {
                    out.push(Input::Key(Key::Esc));
                }
                self.state = State::Esc { alt: true };
            }
            _ => {
                if alt {
                    out.push(Input::Key(Key::Esc));
                }
                match byte {
                    b']' | b'P' | b'_' | b'^' | b'X' => self.state = State::Text { esc: false },
                    _ => self.ground(byte, true, out),
                }
            }
        }
    }

    fn csi(&mut self, mut bytes: Vec<u8>, alt: bool, byte: u8, out: &mut Vec<Input>) {
        match byte {
            b'[' if bytes.is_empty() => self.state = State::Console,
            b'M' if bytes.is_empty() => self.state = State::Mouse(3),
            0x20..=0x3f => {
                // one more than a sequence may have is enough to know that it is none
                if bytes.len() <= MAX_SEQUENCE {
                    bytes.push(byte);
                }
                self.state = State::Csi { bytes, alt };
            }
            0x40..=0x7e if bytes.len() > MAX_SEQUENCE => out.push(Input::Key(Key::Unknown)),
            0x40..=0x7e => match csi(&bytes, byte) {
                Meaning::Key(_) if alt => out.push(Input::Key(Key::Unknown)),
                Meaning::Key(key) => out.push(Input::Key(key)),
                Meaning::Focus(focus) => out.push(Input::Focus(focus)),
                Meaning::Paste => self.state = State::Paste { kept: Vec::new(), end: 0 },
                Meaning::Nothing => {}
            },
            _ => self.cut_off(byte, out),
        }
    }

    fn ss3(&mut self, odd: bool, byte: u8, out: &mut Vec<Input>) {
        match byte {
            b'0'..=b';' => self.state = State::Ss3 { odd: true },
            0x20..=0x7e => out.push(Input::Key(if odd { Key::Unknown } else { ss3(byte) })),
            _ => self.cut_off(byte, out),
        }
    }

    /// A sequence that another byte ends before its time; that byte does not act either.
    fn cut_off(&mut self, byte: u8, out: &mut Vec<Input>) {
        out.push(Input::Key(Key::Unknown));
        match byte {
            ESC => self.state = State::Esc { alt: false },
            0x80.. => self.ground(byte, true, out),
            _ => {}
        }
    }

    fn paste(&mut self, mut kept: Vec<u8>, mut end: usize, byte: u8, out: &mut Vec<Input>) {
        if PASTE_END.get(end) == Some(&byte) {
            end += 1;
        } else {
            // what looked like the end was text; ESC stands in it only as the first byte
            self.keep(&mut kept, &PASTE_END[..end]);
            end = usize::from(byte == ESC);
            if end == 0 {
                self.keep(&mut kept, &[byte]);
            }
        }
        if end == PASTE_END.len() {
            out.push(Input::Paste(String::from_utf8_lossy(whole_characters(&kept)).into_owned()));
        } else {
            self.state = State::Paste { kept, end };
        }
    }

    fn keep(&mut self, kept: &mut Vec<u8>, bytes: &[u8]) {
        let room = MAX_PASTE.saturating_sub(kept.len()).min(bytes.len());
        kept.extend(&bytes[..room]);
        self.dropped += (bytes.len() - room) as u64;
    }
}

/// A paste that was cut at its bound, without the half of a character at its end.
fn whole_characters(kept: &[u8]) -> &[u8] {
    match std::str::from_utf8(kept) {
        Err(error) if kept.len() == MAX_PASTE && error.error_len().is_none() => &kept[..error.valid_up_to()],
        _ => kept,
    }
}

#[cfg(test)]
mod tests;
