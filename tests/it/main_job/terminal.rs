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
        let mut shown = Vec::new();
        let asked = |shown: &[u8]| [&b"[y/N] "[..], b"to go on: "].iter().any(|sign| shown.ends_with(sign));
        while !asked(&shown) {
            let mut byte = [0];
            self.ours.read_exact(&mut byte).unwrap();
            shown.extend(byte);
        }
        self.ours.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}
