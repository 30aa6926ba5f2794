//! How a shell and each of its scripts ended, from the messages of its channel alone. Pure: messages in, ends out; total
//! and bounded whatever comes, in any order, any number of times.
//!
//! A script has a status only if the shell says the same one, with the script's own nonce, on standard output and on
//! standard error. What the channel says of the shell is never the status of a script.

use std::collections::VecDeque;

use crate::model::op::Captured;
use crate::world::ssh::split::{Section, Stream, Word};

/// What can come of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message<'m> {
    /// Bytes of standard output.
    Out(&'m [u8]),
    /// Bytes of standard error.
    Err(&'m [u8]),
    /// The answer to the request to execute.
    Answer(bool),
    /// The exit status of the shell.
    Status(u32),
    /// The signal that ended the shell, clean, without the `SIG`.
    Signal(String),
    /// No more bytes will come. It says nothing of how anything ended.
    Eof,
    /// The channel was closed.
    Closed,
    /// The transport is gone.
    Gone,
    /// The shell has ended, and nothing more came for long enough.
    Late,
    /// We give it up.
    Abandoned,
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Both markers came, with this status.
    Status(u32),
    /// Both markers came: the working directory is not there.
    NoDirectory,
    /// Both markers came: the other user could not be become.
    NoUser,
    /// The shell ended before both markers came, or cannot be believed.
    Over(Over),
}

/// How a shell ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Over {
    /// The transport is gone.
    Lost,
    /// The channel was closed without a word about the shell, or its status says nothing about the script.
    NoStatus(Option<u32>),
    /// A signal ended the shell.
    Signal(String),
    /// We gave it up.
    Abandoned,
    /// It said what cannot both be true, and is not believed any more: `two-statuses` or `two-answers`.
    Hostile(&'static str),
}

/// The end of the script that was announced with this ticket.
#[derive(Debug)]
pub(crate) struct Ended<T> {
    pub(crate) ticket: T,
    pub(crate) end: End,
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
}

#[derive(Debug)]
struct Job<T> {
    out: Section,
    err: Section,
    ticket: T,
}

impl<T> Job<T> {
    fn finish(self, end: End, held: bool) -> Ended<T> {
        // a stream that has ended has said for itself whether it is held
        let captured = |section: Section| {
            let held = held && section.ended().is_none();
            section.into_captured(held)
        };
        Ended { ticket: self.ticket, end, stdout: captured(self.out), stderr: captured(self.err) }
    }
}

/// What is known of a shell and of the scripts that it was sent.
#[derive(Debug)]
pub(crate) struct Ending<T> {
    out: Stream,
    err: Stream,
    jobs: VecDeque<Job<T>>,
    answer: Option<bool>,
    exited: Option<Over>,
    over: Option<Over>,
}

impl<T> Ending<T> {
    pub(crate) fn new() -> Self {
        let (out, err) = (Stream::default(), Stream::default());
        Self { out, err, jobs: VecDeque::new(), answer: None, exited: None, over: None }
    }

    /// The answer to the request to execute, once it came.
    pub(crate) fn answer(&self) -> Option<bool> {
        self.answer
    }

    /// Whether the shell itself has ended: what it printed may still be on its way.
    pub(crate) fn has_exited(&self) -> bool {
        self.exited.is_some()
    }

    /// How it ended, once nothing more is expected of it.
    pub(crate) fn over(&self) -> Option<&Over> {
        self.over.as_ref()
    }

    /// What came on both streams outside of scripts.
    pub(crate) fn noise(&self) -> Vec<u8> {
        [self.out.noise(), self.err.noise()].concat()
    }

    /// Announces a script that will be sent with this nonce; the end is told at once where the shell has ended.
    pub(crate) fn expect(&mut self, nonce: &str, ticket: T) -> Option<Ended<T>> {
        let job = Job { out: Section::new(nonce), err: Section::new(nonce), ticket };
        match self.over.clone() {
            Some(over) => Some(job.finish(End::Over(over), false)),
            None => {
                self.jobs.push_back(job);
                None
            }
        }
    }

    /// Takes the next message; the scripts that ended by it, in their order.
    pub(crate) fn take(&mut self, message: Message<'_>) -> Vec<Ended<T>> {
        if self.over.is_some() {
            return Vec::new();
        }
        let exited = |this: &Self, otherwise| this.exited.clone().unwrap_or(otherwise);
        match message {
            Message::Out(bytes) => {
                self.out.feed(bytes, self.jobs.iter_mut().map(|job| &mut job.out));
                self.hand_out()
            }
            Message::Err(bytes) => {
                self.err.feed(bytes, self.jobs.iter_mut().map(|job| &mut job.err));
                self.hand_out()
            }
            Message::Answer(yes) if self.answer.is_none_or(|before| before == yes) => {
                self.answer = Some(yes);
                Vec::new()
            }
            Message::Answer(_) => self.end(Over::Hostile("two-answers"), false),
            Message::Status(status) => self.exit(Over::NoStatus(Some(status))),
            Message::Signal(name) => self.exit(Over::Signal(name)),
            Message::Eof => Vec::new(),
            Message::Closed => self.end(exited(self, Over::NoStatus(None)), false),
            Message::Gone => self.end(exited(self, Over::Lost), false),
            // the shell has ended and its channel was not closed: somebody else holds the streams
            Message::Late | Message::Abandoned => self.end(exited(self, Over::Abandoned), self.exited.is_some()),
        }
    }

    /// A shell ends once. The same word twice is no contradiction.
    fn exit(&mut self, how: Over) -> Vec<Ended<T>> {
        match &self.exited {
            Some(before) if *before != how => self.end(Over::Hostile("two-statuses"), false),
            _ => {
                self.exited = Some(how);
                Vec::new()
            }
        }
    }

    fn hand_out(&mut self) -> Vec<Ended<T>> {
        let mut ended = Vec::new();
        // looked at before anything is handed out: a script whose end came twice has none
        let mut hostile = self.out.twice() || self.err.twice();
        while !hostile && let Some((out, err)) = self.jobs.front().and_then(|job| job.out.ended().zip(job.err.ended())) {
            hostile = out != err;
            if !hostile && let Some(job) = self.jobs.pop_front() {
                ended.push(job.finish(said(out), false));
            }
        }
        if hostile {
            ended.extend(self.end(Over::Hostile("two-statuses"), false));
        }
        ended
    }

    /// Nothing more is expected: what has not ended has no status.
    fn end(&mut self, over: Over, held: bool) -> Vec<Ended<T>> {
        self.out.flush(self.jobs.iter_mut().map(|job| &mut job.out).find(|section| section.ended().is_none()));
        self.err.flush(self.jobs.iter_mut().map(|job| &mut job.err).find(|section| section.ended().is_none()));
        self.over = Some(over.clone());
        self.jobs.drain(..).map(|job| job.finish(End::Over(over.clone()), held)).collect()
    }
}

fn said(word: Word) -> End {
    match word {
        Word::Status(status) => End::Status(status),
        Word::NoDirectory => End::NoDirectory,
        Word::NoUser => End::NoUser,
    }
}

#[cfg(test)]
mod tests;
