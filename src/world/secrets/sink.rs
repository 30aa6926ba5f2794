//! The last line before what this program writes of itself: its log, and its report of a crash. Nothing there should hold
//! a value; what does all the same does not get through.

use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};

use crate::world::secrets::redact::Redactor;
use crate::world::secrets::source::Secret;

/// Every value that this process has had: a session may have several runs.
static HIDDEN: RwLock<Hidden> = RwLock::new(Hidden { values: Vec::new(), redactor: None });

struct Hidden {
    values: Vec<(String, Arc<Secret>)>,
    redactor: Option<Arc<Redactor>>,
}

/// From now on these values are kept out, each known by its name.
pub(super) fn hide<'v>(values: impl Iterator<Item = (&'v str, &'v Arc<Secret>)>) {
    let mut hidden = HIDDEN.write().unwrap_or_else(PoisonError::into_inner);
    let before = hidden.values.len();
    for (name, value) in values {
        if hidden.values.iter().all(|(_, known)| known.reveal() != value.reveal()) {
            hidden.values.push((name.to_owned(), Arc::clone(value)));
        }
    }
    if hidden.values.len() > before {
        let all = hidden.values.iter().map(|(name, value)| (name.as_str(), value.reveal()));
        hidden.redactor = Some(Arc::new(Redactor::new(all)));
    }
}

fn redactor() -> Option<Arc<Redactor>> {
    HIDDEN.read().unwrap_or_else(PoisonError::into_inner).redactor.clone()
}

/// A text without the values that this process knows.
pub fn clean(mut text: String) -> String {
    if let Some(redactor) = redactor() {
        redactor.text(&mut text);
    }
    text
}

/// A writer that lets no value through, in how many pieces it may come. What may be the beginning of one is kept back up
/// to the end of a line.
#[derive(Debug)]
pub struct Clean<W: Write> {
    inner: W,
    held: Vec<u8>,
}

impl<W: Write> Clean<W> {
    /// Nothing is kept back yet.
    pub fn new(inner: W) -> Self {
        Self { inner, held: Vec::new() }
    }

    fn settle(&mut self, whole: bool) -> io::Result<()> {
        let out = match redactor() {
            None => std::mem::take(&mut self.held),
            Some(redactor) if whole => redactor.marked(&std::mem::take(&mut self.held)).into_owned(),
            Some(redactor) => redactor.settled(&mut self.held),
        };
        self.inner.write_all(&out)
    }
}

impl<W: Write> Write for Clean<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        self.settle(bytes.ends_with(b"\n"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write> Drop for Clean<W> {
    fn drop(&mut self) {
        // as with every buffer: whoever must know flushes it
        let _ = self.settle(true);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::{Clean, clean, hide};
    use crate::world::secrets::source::Secret;

    #[test]
    fn what_is_written_in_pieces_holds_no_value_and_nothing_else_is_lost() {
        let value = Arc::new(Secret::new(b"sink-hunter-2").unwrap_or_else(|why| panic!("{why}")));
        let mut out = Vec::new();
        {
            let mut log = Clean::new(&mut out);
            log.write_all(b"before: sink-hunter-2\n").expect("written");
            hide([("token", &value)].into_iter());
            for piece in
                ["a line\n", "of sink-hun", "ter-2, c2luay", "1odW50ZXItMg==", " and sink-", "hunter", "-3", " sink-hunter-"]
            {
                log.write_all(piece.as_bytes()).expect("written");
            }
        }
        let text = String::from_utf8(out).expect("utf-8");
        assert_eq!(text, "before: sink-hunter-2\na line\nof [secret:token], [secret:token] and sink-hunter-3 sink-hunter-");
        assert_eq!(clean("at 73696e6b2d68756e7465722d32".to_owned()), "at [secret:token]");
    }
}
