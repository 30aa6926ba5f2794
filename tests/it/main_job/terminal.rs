//! A terminal with nobody at it but the test: what the program asks can be seen and answered.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

pub(crate) struct Terminal {
    ours: File,
    theirs: File,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        // it must not become the terminal of the tests
        let flags = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        let theirs = OpenOptions::new().read(true).write(true).custom_flags(flags).open(name).unwrap();
        Self { ours: ours.into(), theirs }
    }

    /// One of its ends, for a program's standard input or error.
    pub(crate) fn end(&self) -> Stdio {
        self.theirs.try_clone().unwrap().into()
    }

    /// Waits for the question, and types a line: what is typed before it is thrown away.
    pub(crate) fn answer(&mut self, line: &str) {
        self.read_until_any(&["[y/N] ", "to go on: "]);
        self.type_line(line);
    }

    /// What is shown from here to these words.
    pub(crate) fn read_until(&mut self, words: &str) -> String {
        self.read_until_any(&[words])
    }

    fn read_until_any(&mut self, words: &[&str]) -> String {
        let mut shown = Vec::new();
        while !words.iter().any(|words| shown.ends_with(words.as_bytes())) {
            let mut byte = [0];
            self.ours.read_exact(&mut byte).unwrap();
            shown.extend(byte);
        }
        String::from_utf8(shown).unwrap()
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        self.type_raw(format!("{line}\n").as_bytes());
    }

    pub(crate) fn type_raw(&mut self, bytes: &[u8]) {
        self.ours.write_all(bytes).unwrap();
    }
}
