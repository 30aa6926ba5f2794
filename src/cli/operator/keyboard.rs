//! The one reader of standard input of a run: its lines go to who asks.
//!
//! It reads only what is there and only while the run is in the foreground: a process in the background that reads from
//! its terminal is stopped by it.

use std::io;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cli::operator::desk::Message;

/// How long it waits for a line before it looks again whether the run is in the foreground.
const EVERY: Duration = Duration::from_millis(500);
/// The longest line that a terminal gives.
const LONGEST: usize = 4096;

/// Reads lines until nobody wants them any more, on a thread of its own: one that waits for a line cannot be ended, so it
/// must not be one that anybody waits for.
pub(super) fn read(to: SyncSender<Message>) {
    thread::spawn(move || {
        let mut typed = Vec::new();
        loop {
            let sent = match next(&mut typed) {
                Next::Nothing => Ok(()),
                Next::Lines(lines) => lines.into_iter().try_for_each(|line| to.send(Message::Line(line))),
                Next::End => {
                    let sent = to.send(Message::End);
                    // a terminal that has hung up ends again and again
                    thread::sleep(EVERY);
                    sent
                }
            };
            if sent.is_err() {
                return;
            }
        }
    });
}

enum Next {
    Nothing,
    Lines(Vec<String>),
    End,
}

fn next(typed: &mut Vec<u8>) -> Next {
    let stdin = io::stdin();
    let mut waits = [PollFd::new(&stdin, PollFlags::IN)];
    let limit = Timespec { tv_sec: 0, tv_nsec: EVERY.subsec_nanos().into() };
    match poll(&mut waits, Some(&limit)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Next::Nothing,
        Ok(_) => {}
        Err(_) => return Next::End,
    }
    if !in_foreground() {
        thread::sleep(EVERY);
        return Next::Nothing;
    }
    let mut bytes = [0; LONGEST];
    match rustix::io::read(&stdin, &mut bytes) {
        Ok(0) => Next::End,
        Ok(n) => {
            typed.extend(bytes.iter().take(n));
            Next::Lines(lines(typed))
        }
        Err(rustix::io::Errno::INTR) => Next::Nothing,
        Err(_) => Next::End,
    }
}

/// Takes the whole lines out; what is no text is none of ours.
fn lines(typed: &mut Vec<u8>) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(end) = typed.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = typed.drain(..=end).collect();
        lines.push(String::from_utf8_lossy(&line).trim().to_owned());
    }
    // no line that a terminal gives is longer
    typed.truncate(LONGEST);
    lines
}

/// Where there is no such thing as a foreground it is in it.
fn in_foreground() -> bool {
    let group = rustix::termios::tcgetpgrp(io::stdin());
    group.map_or(true, |group| group == rustix::process::getpgrp())
}
