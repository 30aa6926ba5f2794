//! Diagnostics of runbook itself, for debugging runbook: a file beside the journal, never the screen.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::settings::Settings;
use crate::journal::place;
use crate::model::visible::{Newline, visible_bytes};
use crate::world::secrets::sink::Clean;

/// A larger file makes room for a new one first; one former file is kept.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Starts writing warnings, or what `RUNBOOK_LOG` asks for (such as `debug`), to `runbook.log` in the state directory.
/// Where that cannot be had there is no log; the journal has its own, stricter rules.
pub fn start(settings: &Settings) {
    let Some(file) = file(&settings.state_dir) else { return };
    let asked = std::env::var("RUNBOOK_LOG").unwrap_or_else(|_| "warn".to_owned());
    let filter = EnvFilter::try_new(&asked).unwrap_or_else(|_| EnvFilter::new("warn"));
    // at finer levels the SSH library writes down what it signs
    let filter = match "russh=warn".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    // what is kept out is taken out before anything is shown as text
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Log(Mutex::new(Clean::new(file))));
    // a second start in one process keeps the first log
    let _ = log.try_init();
}

fn file(state_dir: &Path) -> Option<File> {
    let dir = place::directory(state_dir).ok()?;
    let path = dir.join("runbook.log");
    if size(&path).ok()? > MAX_BYTES {
        fs::rename(&path, dir.join("runbook.log.1")).ok()?;
    }
    let file = place::file(&path).ok()?;
    // several runs may write at the same time: each line goes to the end
    rustix::fs::fcntl_setfl(&file, OFlags::APPEND).ok()?;
    Some(file)
}

fn size(path: &Path) -> io::Result<u64> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(meta.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// The file, a line for each record.
#[derive(Debug)]
struct Log<W>(Mutex<W>);

/// One record, as it is being written.
struct Record<'l, W: Write> {
    to: &'l Mutex<W>,
    text: Vec<u8>,
}

impl<'l, W: Write + 'l> MakeWriter<'l> for Log<W> {
    type Writer = Record<'l, W>;

    fn make_writer(&'l self) -> Self::Writer {
        Record { to: &self.0, text: Vec::new() }
    }
}

impl<W: Write> Write for Record<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Drop for Record<'_, W> {
    fn drop(&mut self) {
        let line = self.text.strip_suffix(b"\n").unwrap_or(&self.text);
        let line = format!("{}\n", visible_bytes(line, Newline::Fold));
        // a log that cannot be written is no reason to stop
        let _ = self.to.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// What is written to it, kept.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("kept").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_record_is_one_line_that_can_only_be_read() {
        let kept = Kept::default();
        let log = tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(Log(Mutex::new(kept.clone())));
        tracing::subscriber::with_default(log.finish(), || {
            let evil = "a\x1b]0;t\x07b\r\n2026 ERROR forged: c\u{9b}2J\u{202e}";
            tracing::warn!(host = evil, quoted = ?evil, "{evil}");
            tracing::warn!("next");
        });
        let text = String::from_utf8(kept.0.lock().expect("kept").clone()).expect("text");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("2J\\u{202e}") && text.contains("forged: c"), "{text}");
        assert!(!text.contains(|c: char| c != '\n' && crate::model::visible::is_hidden(c)), "{text:?}");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown() {
        let log = Log(Mutex::new(Vec::new()));
        let mut record = log.make_writer();
        record.write_all(b"a\xff").expect("kept");
        record.write_all(b"\xe2\x9c\x93\x1b[2J\n").expect("kept");
        drop(record);
        assert_eq!(log.0.lock().expect("kept").as_slice(), "a\\xff✓\\x1b[2J\n".as_bytes());
    }
}
