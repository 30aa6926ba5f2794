//! What a server says before its identification line: text that is allowed, and everything that shows that no SSH 2
//! server is there. Bounded in bytes and in lines, whatever is sent.

/// The most bytes of text before the identification line.
const MAX_TEXT: usize = 8 * 1024;
/// The most lines of it.
const MAX_LINES: usize = 50;
/// The longest identification line, without its end; the limit of RFC 4253.
const MAX_LINE: usize = 253;

/// What speaks there is not what we can talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Not SSH; how it shows.
    NotSsh(&'static str),
    /// SSH of another version; the line that says so.
    Version(Vec<u8>),
}

/// Reads up to the identification line.
#[derive(Debug, Default)]
pub(crate) struct Greeting {
    read: usize,
    lines: usize,
    line: Vec<u8>,
}

impl Greeting {
    /// Takes what came in next. Once the identification line is whole: that line and all that came after it.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Unfit> {
        for (at, byte) in bytes.iter().enumerate() {
            self.read += 1;
            if *byte == b'\n' {
                if self.is_identification() {
                    self.judge()?;
                    let mut out = std::mem::take(&mut self.line);
                    out.push(b'\n');
                    out.extend_from_slice(bytes.get(at + 1..).unwrap_or_default());
                    return Ok(Some(out));
                }
                self.lines += 1;
                self.line.clear();
            } else {
                self.letter(*byte)?;
            }
            if self.read > MAX_TEXT || self.lines > MAX_LINES {
                return Err(Unfit::NotSsh("there was no end of text before the SSH banner"));
            }
        }
        Ok(None)
    }

    fn letter(&mut self, byte: u8) -> Result<(), Unfit> {
        if byte == 0 {
            return Err(Unfit::NotSsh("it sent bytes that no SSH banner has"));
        }
        if self.is_identification() && self.line.len() > MAX_LINE {
            return Err(Unfit::NotSsh("its SSH banner is too long"));
        }
        // of a line of other text only the beginning matters
        if self.line.len() < 5 || self.is_identification() {
            self.line.push(byte);
        }
        // these two are so common on a wrong port that nobody has to wait for the end of the stream
        match (self.lines, self.read, self.line.as_slice()) {
            (0, 5, b"HTTP/") => Err(Unfit::NotSsh("it speaks HTTP")),
            (0, 2, [0x14..=0x17, 3]) => Err(Unfit::NotSsh("it speaks TLS")),
            _ => Ok(()),
        }
    }

    fn is_identification(&self) -> bool {
        self.line.starts_with(b"SSH-")
    }

    fn judge(&self) -> Result<(), Unfit> {
        match self.line.starts_with(b"SSH-2.0-") || self.line.starts_with(b"SSH-1.99-") {
            true => Ok(()),
            false => Err(Unfit::Version(self.line.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Greeting, Unfit};

    fn heard(bytes: &[u8], step: usize) -> Result<Option<Vec<u8>>, Unfit> {
        let mut greeting = Greeting::default();
        let mut out: Option<Vec<u8>> = None;
        for chunk in bytes.chunks(step) {
            match &mut out {
                Some(out) => out.extend_from_slice(chunk),
                None => out = greeting.hear(chunk)?,
            }
        }
        Ok(out)
    }

    #[test]
    fn text_before_the_banner_is_left_out_however_it_arrives() {
        let text = b"Welcome\r\n\r\nSS\nSSH-2.0-OpenSSH_9.2\r\n\x00\x00rest";
        for step in 1..text.len() {
            assert_eq!(heard(text, step), Ok(Some(b"SSH-2.0-OpenSSH_9.2\r\n\x00\x00rest".to_vec())), "{step}");
        }
        let long = [vec![b'x'; 5000], b"\nSSH-1.99-old\n".to_vec()].concat();
        assert_eq!(heard(&long, 100), Ok(Some(b"SSH-1.99-old\n".to_vec())));
        assert_eq!(heard(&[b"hello\n".repeat(50), b"SSH-2.0-x\n".to_vec()].concat(), 7), Ok(Some(b"SSH-2.0-x\n".to_vec())));
    }

    #[test]
    fn what_is_no_ssh_2_server_is_told_at_once() {
        let no = |bytes: &[u8]| matches!(heard(bytes, 1), Err(Unfit::NotSsh(_)));
        assert!(no(b"HTTP/"));
        assert!(no(b"\x15\x03"));
        assert!(no(b"gar\0bage"));
        assert!(no(&b"hello\n".repeat(51)));
        assert!(no(&vec![b'x'; 8193]));
        assert!(no(&[b"SSH-2.0-".to_vec(), vec![b'x'; 300]].concat()));
        assert_eq!(heard(b"SSH-1.5-old\n", 1), Err(Unfit::Version(b"SSH-1.5-old".to_vec())));
        // not before the line is whole: more of it may still come
        assert_eq!(heard(b"SSH-1.5", 1), Ok(None));
        assert_eq!(heard(&vec![b'x'; 8192], 64), Ok(None));
    }
}
