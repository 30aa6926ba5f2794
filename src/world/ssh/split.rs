//! Cuts a stream of output at the markers of its scripts. Pure: bytes in, sections out; bounded whatever comes.

use memchr::memmem;

use crate::model::op::Captured;

/// How much is kept of the beginning, and of the end, of a stream.
pub(crate) const KEPT: usize = 256 * 1024;

// the longest word after an end marker is `user`; else a status of three digits or `cwd`
const WORD: usize = 4;

/// The beginning and the end of some bytes, and how many there were.
#[derive(Debug)]
pub(crate) struct Capture {
    kept: usize,
    head: Vec<u8>,
    tail: Vec<u8>,
    total: u64,
}

impl Capture {
    pub(crate) fn new(kept: usize) -> Self {
        Self { kept, head: Vec::new(), tail: Vec::new(), total: 0 }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = (self.kept - self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        let rest = &bytes[room..];
        if rest.len() >= self.kept {
            self.tail.clear();
        }
        self.tail.extend_from_slice(&rest[rest.len().saturating_sub(self.kept)..]);
        // moved only once it is twice too long, so that each byte is moved at most once
        if self.tail.len() >= 2 * self.kept {
            self.tail.drain(..self.tail.len() - self.kept);
        }
    }

    pub(crate) fn finish(mut self) -> Captured {
        self.tail.drain(..self.tail.len().saturating_sub(self.kept));
        if self.total == (self.head.len() + self.tail.len()) as u64 {
            // nothing is missing in between: all of it is the beginning
            self.head.append(&mut self.tail);
        }
        Captured { head: self.head, tail: self.tail, total: self.total }
    }
}

/// What one script prints on one stream.
#[derive(Debug)]
pub(crate) struct Section {
    begin: Vec<u8>,
    end: Vec<u8>,
    stage: Stage,
    capture: Capture,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Before,
    Within,
    Ended(String),
}

impl Section {
    pub(crate) fn new(nonce: &str) -> Self {
        let begin = ["\n", nonce, " begin\n"].concat().into_bytes();
        let end = ["\n", nonce, " end "].concat().into_bytes();
        Self { begin, end, stage: Stage::Before, capture: Capture::new(KEPT) }
    }

    /// The word of its end, once it was seen.
    pub(crate) fn ended(&self) -> Option<&str> {
        match &self.stage {
            Stage::Ended(word) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn into_captured(self) -> Captured {
        self.capture.finish()
    }
}

/// One stream of a shell: standard output or standard error.
#[derive(Debug)]
pub(crate) struct Stream {
    carry: Vec<u8>,
    noise: Capture,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self { carry: Vec::new(), noise: Capture::new(1024) }
    }

    /// What came outside of sections: messages of the day, late words of background processes.
    pub(crate) fn noise(&self) -> &[u8] {
        &self.noise.head
    }

    /// Takes bytes for the sections in their order; those that have ended are passed over.
    pub(crate) fn feed<'s>(&mut self, bytes: &[u8], sections: impl Iterator<Item = &'s mut Section>) {
        self.carry.extend_from_slice(bytes);
        for section in sections {
            if section.ended().is_none() && !self.advance(section) {
                return;
            }
        }
        self.noise.push(&self.carry);
        self.carry.clear();
    }

    /// No more bytes will come: what was held back belongs to the open section.
    pub(crate) fn flush(&mut self, open: Option<&mut Section>) {
        match open {
            Some(section) if section.stage == Stage::Within => section.capture.push(&self.carry),
            _ => self.noise.push(&self.carry),
        }
        self.carry.clear();
    }

    /// Moves bytes into the section; true once its end was seen.
    fn advance(&mut self, section: &mut Section) -> bool {
        if section.stage == Stage::Before {
            let Some(at) = memmem::find(&self.carry, &section.begin) else {
                self.noise.push(&take(&mut self.carry, section.begin.len() - 1));
                return false;
            };
            self.noise.push(&self.carry[..at]);
            self.carry.drain(..at + section.begin.len());
            section.stage = Stage::Within;
        }
        let mut from = 0;
        while let Some(at) = memmem::find(&self.carry[from..], &section.end).map(|at| from + at) {
            let rest = &self.carry[at + section.end.len()..];
            match rest.iter().take(WORD + 1).position(|b| *b == b'\n') {
                Some(length) if is_word(&rest[..length]) => {
                    section.stage = Stage::Ended(String::from_utf8_lossy(&rest[..length]).into_owned());
                    section.capture.push(&self.carry[..at]);
                    self.carry.drain(..at + section.end.len() + length + 1);
                    return true;
                }
                None if rest.len() <= WORD => {
                    section.capture.push(&self.carry[..at]);
                    self.carry.drain(..at);
                    return false;
                }
                _ => from = at + 1,
            }
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

fn is_word(word: &[u8]) -> bool {
    word == b"cwd" || word == b"user" || (matches!(word.len(), 1..=3) && word.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::{Capture, KEPT, Section, Stream};
    use crate::model::op::Captured;

    type Cut = (Option<String>, Vec<u8>);

    fn cut(parts: &[&[u8]], nonces: &[&str]) -> (Vec<Cut>, Vec<u8>) {
        let mut sections: Vec<Section> = nonces.iter().map(|n| Section::new(n)).collect();
        let mut stream = Stream::new();
        for part in parts {
            stream.feed(part, sections.iter_mut());
        }
        stream.flush(sections.iter_mut().find(|s| s.ended().is_none()));
        let noise = stream.noise().to_vec();
        let ended = sections.into_iter().map(|s| (s.ended().map(str::to_owned), s.into_captured().head)).collect();
        (ended, noise)
    }

    #[test]
    fn sections_are_byte_exact_however_the_stream_is_cut() {
        let text = b"motd\n\na1 begin\n\nx\na1 end y\n\na1 end 0000\nz\na1 end 7\nlate\nb2 begin\n\nb2 end cwd\nrest";
        let want = (
            vec![(Some("7".to_owned()), b"\nx\na1 end y\n\na1 end 0000\nz".to_vec()), (Some("cwd".to_owned()), Vec::new())],
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
            let mut capture = Capture::new(KEPT);
            let text = "x".repeat(length);
            text.as_bytes().chunks(1000).for_each(|part| capture.push(part));
            let captured = capture.finish();
            assert_eq!(captured.text().map(str::len), Some(length));
            assert_eq!(captured, Captured::whole(text));
        }
        let mut capture = Capture::new(KEPT);
        capture.push(&vec![b'x'; 2 * KEPT + 1]);
        assert_eq!(capture.finish().text(), None);
    }

    #[test]
    fn long_output_keeps_both_ends_and_an_exact_total() {
        let mut capture = Capture::new(KEPT);
        let mut all = Vec::new();
        for n in 0..400_000_u32 {
            let line = format!("{n}\n");
            capture.push(line.as_bytes());
            all.extend_from_slice(line.as_bytes());
        }
        let want = Captured { head: all[..KEPT].to_vec(), tail: all[all.len() - KEPT..].to_vec(), total: all.len() as u64 };
        assert_eq!(capture.finish(), want);
        let mut capture = Capture::new(KEPT);
        capture.push(&all);
        assert_eq!(capture.finish(), want);
    }
}
