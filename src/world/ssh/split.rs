//! Cuts a stream of output at the markers of its scripts. Pure: bytes in, sections out; bounded whatever comes.

use memchr::memmem;
use sha2::{Digest, Sha256};

use crate::model::op::Captured;

/// How much is kept of the beginning, and of the end, of a stream.
pub(crate) const KEPT: usize = 256 * 1024;
// enough to say what answers instead of a shell
const NOISE: usize = 1024;

// the longest words after an end marker are `user` and `255+`
const WORD: usize = 4;

/// The beginning and the end of some bytes, how many there were, and what all of them hash to.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    head: Vec<u8>,
    tail: Vec<u8>,
    total: u64,
    /// Of all bytes, from the first one that is no longer part of the head.
    hash: Option<Sha256>,
}

impl Capture {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = (KEPT - self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        let rest = &bytes[room..];
        if rest.is_empty() {
            return;
        }
        self.hash.get_or_insert_with(|| Sha256::new_with_prefix(&self.head)).update(rest);
        if rest.len() >= KEPT {
            self.tail.clear();
        }
        self.tail.extend_from_slice(&rest[rest.len().saturating_sub(KEPT)..]);
        // moved only once it is twice too long, so that each byte is moved at most once
        if self.tail.len() >= 2 * KEPT {
            self.tail.drain(..self.tail.len() - KEPT);
        }
    }

    pub(crate) fn finish(mut self, held: bool) -> Captured {
        self.tail.drain(..self.tail.len().saturating_sub(KEPT));
        let mut sha256 = self.hash.map(|hash| hex(&hash.finalize()));
        if self.total == (self.head.len() + self.tail.len()) as u64 {
            // nothing is missing in between: all of it is the beginning, and needs no hash
            self.head.append(&mut self.tail);
            sha256 = None;
        }
        self.tail.shrink_to_fit();
        Captured { head: self.head, tail: self.tail, total: self.total, sha256, held }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The word after an end marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The status of the script, from 0 to 255, written as a shell writes it.
    Status(u32),
    /// The working directory is not there.
    NoDirectory,
    /// The other user could not be become.
    NoUser,
}

impl Word {
    /// The word, and whether it says that something still holds the stream open.
    fn read(word: &[u8]) -> Option<(Self, bool)> {
        match word {
            b"cwd" => return Some((Self::NoDirectory, false)),
            b"user" => return Some((Self::NoUser, false)),
            _ => {}
        }
        let (digits, held) = word.strip_suffix(b"+").map_or((word, false), |digits| (digits, true));
        // a shell writes neither a sign nor a zero in front
        let plain = matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && digits.iter().all(u8::is_ascii_digit);
        let status: u32 = std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()?;
        (status <= 255).then_some((Self::Status(status), held))
    }
}

/// What one script prints on one stream.
#[derive(Debug)]
pub(crate) struct Section {
    begin: Vec<u8>,
    end: Vec<u8>,
    stage: Stage,
    capture: Capture,
    /// Whether the marker said that something still holds the stream open.
    held: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Within,
    Ended(Word),
}

impl Section {
    pub(crate) fn new(nonce: &str) -> Self {
        let begin = ["\n", nonce, " begin\n"].concat().into_bytes();
        let end = ["\n", nonce, " end "].concat().into_bytes();
        Self { begin, end, stage: Stage::Before, capture: Capture::default(), held: false }
    }

    /// The word of its end, once it was seen.
    pub(crate) fn ended(&self) -> Option<Word> {
        match self.stage {
            Stage::Ended(word) => Some(word),
            Stage::Before | Stage::Within => None,
        }
    }

    /// What was printed; `held` where something was seen to keep the stream open after the end of the shell.
    pub(crate) fn into_captured(self, held: bool) -> Captured {
        self.capture.finish(self.held || held)
    }
}

/// One stream of a shell: standard output or standard error.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    carry: Vec<u8>,
    noise: Vec<u8>,
    last: Option<Last>,
    twice: bool,
}

/// The end of a section that was seen last: it must not come again with another word.
#[derive(Debug)]
struct Last {
    end: Vec<u8>,
    word: Word,
    window: Vec<u8>,
}

impl Last {
    /// Whether the end comes again in these bytes, with another word; more of them are held back.
    fn again(&mut self, bytes: &[u8], held: &[u8]) -> bool {
        self.window.extend_from_slice(bytes);
        let seen = [self.window.as_slice(), held].concat();
        let mut words = memmem::find_iter(&seen, &self.end).filter_map(|at| {
            let rest = &seen[at + self.end.len()..];
            let length = rest.iter().take(WORD + 1).position(|b| *b == b'\n')?;
            Word::read(&rest[..length])
        });
        let twice = words.any(|(word, _)| word != self.word);
        let keep = self.end.len() + WORD + 1;
        self.window.drain(..self.window.len().saturating_sub(keep));
        twice
    }
}

impl Stream {
    /// What came outside of sections: messages of the day, late words of background processes. The first of it.
    pub(crate) fn noise(&self) -> &[u8] {
        &self.noise
    }

    /// Whether the end of a section came a second time and said something else.
    pub(crate) fn twice(&self) -> bool {
        self.twice
    }

    /// How many bytes are held back because they may begin a marker.
    #[cfg(test)]
    pub(crate) fn carried(&self) -> usize {
        self.carry.len() + self.noise.len() + self.last.as_ref().map_or(0, |last| last.window.len())
    }

    fn outside(&mut self, bytes: &[u8]) {
        let room = NOISE.saturating_sub(self.noise.len()).min(bytes.len());
        self.noise.extend_from_slice(&bytes[..room]);
        self.twice |= self.last.as_mut().is_some_and(|last| last.again(bytes, &self.carry));
    }

    /// Takes bytes for the sections in their order; those that have ended are passed over.
    pub(crate) fn feed<'s>(&mut self, bytes: &[u8], sections: impl Iterator<Item = &'s mut Section>) {
        self.carry.extend_from_slice(bytes);
        for section in sections {
            if section.ended().is_none() && !self.advance(section) {
                return;
            }
        }
        let rest = std::mem::take(&mut self.carry);
        self.outside(&rest);
    }

    /// No more bytes will come: what was held back belongs to the open section.
    pub(crate) fn flush(&mut self, open: Option<&mut Section>) {
        let rest = std::mem::take(&mut self.carry);
        match open {
            Some(section) if section.stage == Stage::Within => section.capture.push(&rest),
            _ => self.outside(&rest),
        }
    }

    /// Moves bytes into the section; true once its end was seen.
    fn advance(&mut self, section: &mut Section) -> bool {
        if section.stage == Stage::Before {
            let Some(at) = memmem::find(&self.carry, &section.begin) else {
                let before = take(&mut self.carry, section.begin.len() - 1);
                self.outside(&before);
                return false;
            };
            let rest = self.carry.split_off(at + section.begin.len());
            let mut before = std::mem::take(&mut self.carry);
            before.truncate(at);
            self.outside(&before);
            self.carry = rest;
            section.stage = Stage::Within;
        }
        let mut from = 0;
        while let Some(at) = memmem::find(&self.carry[from..], &section.end).map(|at| from + at) {
            let rest = &self.carry[at + section.end.len()..];
            let length = rest.iter().take(WORD + 1).position(|b| *b == b'\n');
            if let Some((length, (word, held))) = length.and_then(|length| Some((length, Word::read(&rest[..length])?))) {
                (section.stage, section.held) = (Stage::Ended(word), held);
                section.capture.push(&self.carry[..at]);
                self.carry.drain(..at + section.end.len() + length + 1);
                self.last = Some(Last { end: section.end.clone(), word, window: Vec::new() });
                return true;
            }
            if length.is_none() && rest.len() <= WORD {
                section.capture.push(&self.carry[..at]);
                self.carry.drain(..at);
                return false;
            }
            from = at + 1;
        }
        section.capture.push(&take(&mut self.carry, section.end.len() - 1));
        false
    }
}

/// All but the last `hold` bytes, which may be the first ones of a marker.
fn take(carry: &mut Vec<u8>, hold: usize) -> Vec<u8> {
    let cut = carry.len().saturating_sub(hold);
    let rest = carry.split_off(cut);
    std::mem::replace(carry, rest)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::{Capture, KEPT, Section, Stream, Word, hex};
    use crate::model::op::Captured;

    type Cut = (Option<Word>, Vec<u8>);

    fn cut(parts: &[&[u8]], nonces: &[&str]) -> (Vec<Cut>, Vec<u8>) {
        let mut sections: Vec<Section> = nonces.iter().map(|n| Section::new(n)).collect();
        let mut stream = Stream::default();
        for part in parts {
            stream.feed(part, sections.iter_mut());
        }
        stream.flush(sections.iter_mut().find(|s| s.ended().is_none()));
        let noise = stream.noise().to_vec();
        let ended = sections.into_iter().map(|s| (s.ended(), s.into_captured(false).head)).collect();
        (ended, noise)
    }

    #[test]
    fn sections_are_byte_exact_however_the_stream_is_cut() {
        let text = b"motd\n\na1 begin\n\nx\na1 end y\n\na1 end 0000\nz\na1 end 7\nlate\nb2 begin\n\nb2 end cwd\nrest";
        let want = (
            vec![(Some(Word::Status(7)), b"\nx\na1 end y\n\na1 end 0000\nz".to_vec()), (Some(Word::NoDirectory), Vec::new())],
            b"motd\nlaterest".to_vec(),
        );
        assert_eq!(cut(&[text], &["a1", "b2"]), want);
        for size in 1..9 {
            let parts: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(cut(&parts, &["a1", "b2"]), want, "in parts of {size}");
        }
    }

    #[test]
    fn what_has_not_ended_has_no_status() {
        let (sections, _) = cut(&[b"\na1 begin\nhalf\na1 end 0"], &["a1", "b2"]);
        assert_eq!(sections, [(None, b"half\na1 end 0".to_vec()), (None, Vec::new())]);
    }

    #[test]
    fn an_output_of_which_nothing_is_missing_is_one_text() {
        for length in [0, 1, KEPT, KEPT + 1, 2 * KEPT] {
            let mut capture = Capture::default();
            let text = "x".repeat(length);
            text.as_bytes().chunks(1000).for_each(|part| capture.push(part));
            let captured = capture.finish(false);
            assert_eq!(captured.text().map(str::len), Some(length));
            assert_eq!(captured, Captured::whole(text));
        }
        let mut capture = Capture::default();
        capture.push(&vec![b'x'; 2 * KEPT + 1]);
        assert_eq!(capture.finish(false).text(), None);
    }

    #[test]
    fn long_output_keeps_both_ends_and_an_exact_total() {
        let mut capture = Capture::default();
        let mut all = Vec::new();
        for n in 0..400_000_u32 {
            let line = format!("{n}\n");
            capture.push(line.as_bytes());
            all.extend_from_slice(line.as_bytes());
        }
        let (head, tail) = (all[..KEPT].to_vec(), all[all.len() - KEPT..].to_vec());
        let sha256 = Some(hex(&Sha256::digest(&all)));
        let want = Captured { head, tail, total: all.len() as u64, sha256, held: false };
        assert_eq!(capture.finish(false), want);
        let mut capture = Capture::default();
        capture.push(&all);
        assert_eq!(capture.finish(false), want);
    }

    #[test]
    fn only_what_a_shell_writes_is_a_status() {
        let word = |text: &str| Word::read(text.as_bytes());
        assert_eq!(word("0"), Some((Word::Status(0), false)));
        assert_eq!(word("255+"), Some((Word::Status(255), true)));
        for other in
            ["", "+", "00", "000", "01", "256", "999", "-0", "+0", "0x0", "0 ", " 0", "0\r", "o", "0++", "cwd+", "User", "\0"]
        {
            assert_eq!(word(other), None, "{other:?}");
        }
    }

    #[test]
    fn an_end_that_comes_again_with_another_word_is_noticed() {
        let text = b"\na1 begin\nx\na1 end 0\nlate\na1 end 3\n";
        for (size, second) in (1..40).flat_map(|size| [(size, b'3'), (size, b'0')]) {
            let mut text = text.to_vec();
            let at = text.len() - 2;
            text[at] = second;
            let (mut stream, mut sections) = (Stream::default(), [Section::new("a1")]);
            text.chunks(size).for_each(|part| stream.feed(part, sections.iter_mut()));
            assert_eq!((sections[0].ended(), stream.twice()), (Some(Word::Status(0)), second == b'3'), "in parts of {size}");
        }
    }
}
