//! Scripts on the open shell: sent together, waited for one by one, ended on the host when they are late.
//!
//! What is never done: a status that did not come is never made up, and a script that changes something is never sent
//! a second time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::oneshot::Receiver;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::model::op::{Captured, Exit, Shell as Script, ShellReply};
use crate::read::script::BECOME_REFUSED;
use crate::world::ssh::ending::{End, Over};
use crate::world::ssh::link::{CONNECTION_LOST, Link};
use crate::world::ssh::script::{END, call};
use crate::world::ssh::shell::{Done, PROTOCOL_ERROR, Shell, ShellFault, nonce};

// servers allow ten sessions a connection; some are needed for other things
const HELD: usize = 4;
// pauses in milliseconds, before it is asked again for room
const ROOM: [u64; 3] = [50, 200, 1000];

/// The scripts of one host.
pub(crate) struct Scripts {
    link: Arc<Link>,
    shell: Option<Shell>,
    home: String,
    /// Shells whose output is held by what a script left behind: they are given nothing more, so that late words are
    /// nobody else's output, and stay open, so that nothing is broken that writes to them.
    held: Vec<Shell>,
    /// Why nothing that the host says is believed any more.
    hostile: Option<&'static str>,
}

/// Why waiting for a script ended.
enum Event {
    Done(Box<Done>),
    Late,
    Cancelled,
}

/// What is known after a process group was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ended {
    /// Nothing of it is left; the signal we had to send, if any.
    Gone(Option<String>),
    /// Nobody can say.
    Unconfirmed,
    /// The host does not tell which group it is: nothing was signalled.
    Untouched,
}

impl Scripts {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link, shell: None, home: String::new(), held: Vec::new(), hostile: None }
    }

    pub(crate) fn adopt(&mut self, shell: Shell, home: String) {
        self.shell = Some(shell);
        self.home = home;
    }

    /// Why nothing that the host says is believed any more, if so.
    pub(crate) fn hostile(&self) -> Option<&'static str> {
        self.hostile.or_else(|| self.shell.iter().chain(&self.held).find_map(Shell::hostile))
    }

    pub(crate) async fn close(&mut self) {
        self.held.clear();
        if let Some(shell) = self.shell.take() {
            shell.end().await;
        }
    }

    /// Runs scripts in their order; one reply each. More than one only if all of them are read-only.
    pub(crate) async fn run(&mut self, scripts: &[&Script], cancel: &CancellationToken) -> Vec<ShellReply> {
        let mut replies: Vec<ShellReply> = Vec::with_capacity(scripts.len());
        while replies.len() < scripts.len() {
            let rest = &scripts[replies.len()..];
            match self.ready(cancel).await {
                Ok(shell) => replies.extend(self.feed(shell, rest, cancel).await),
                Err(why) => replies.extend(rest.iter().map(|_| not_started(&why))),
            }
        }
        replies
    }

    /// The open shell, or a fresh one.
    async fn ready(&mut self, cancel: &CancellationToken) -> Result<Shell, String> {
        if cancel.is_cancelled() {
            return Err("cancelled".to_owned());
        }
        if let Some(why) = self.hostile() {
            self.hostile = Some(why);
            return Err(PROTOCOL_ERROR.to_owned());
        }
        if self.link.lost().is_some() {
            return Err(CONNECTION_LOST.to_owned());
        }
        if let Some(shell) = self.shell.take().filter(|shell| !shell.is_over()) {
            return Ok(shell);
        }
        tokio::select! {
            opened = self.open() => opened.map_err(|fault| fault.word().to_owned()),
            () = cancel.cancelled() => Err("cancelled".to_owned()),
        }
    }

    /// Opens a shell; where there is no room for another one, in the place of those that are held.
    async fn open(&mut self) -> Result<Shell, ShellFault> {
        let mut opened = Shell::open(&self.link, None).await;
        if !self.held.is_empty() && matches!(opened, Err(ShellFault::Channel(_))) {
            for shell in self.held.drain(..) {
                shell.make_room(self.link.timeouts.drain).await;
            }
            // the server says nothing when it has really let go of them
            for pause in ROOM {
                sleep(Duration::from_millis(pause)).await;
                opened = Shell::open(&self.link, None).await;
                if !matches!(opened, Err(ShellFault::Channel(_))) {
                    break;
                }
            }
        }
        opened.map(|(shell, _)| shell)
    }

    /// Keeps a shell for the next scripts, or apart from them.
    fn keep(&mut self, shell: Shell, held: bool) {
        if !held {
            self.shell = Some(shell);
            return;
        }
        if self.held.len() >= HELD {
            self.held.remove(0);
        }
        self.held.push(shell);
    }

    /// Sends scripts to a shell and returns at least one reply. The shell is kept if it is still good.
    async fn feed(&mut self, shell: Shell, scripts: &[&Script], cancel: &CancellationToken) -> Vec<ShellReply> {
        let (mut waiting, texts) = match frames(&shell, scripts, &self.home) {
            Ok(frames) => frames,
            Err(why) => {
                self.shell = Some(shell);
                return vec![not_started(&why)];
            }
        };
        let sent = AtomicUsize::new(0);
        let mut sending = Box::pin(async {
            for text in texts {
                if shell.send(text).await.is_err() {
                    return;
                }
                sent.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut writing = true;
        let mut replies = Vec::with_capacity(waiting.len());
        let mut start = Instant::now();
        let mut stopped = None;
        for (index, done) in waiting.iter_mut().enumerate() {
            let deadline = start + scripts[index].timeout;
            let event = loop {
                tokio::select! {
                    biased;
                    received = &mut *done => break Event::Done(Box::new(received.unwrap_or_else(|_| unheard()))),
                    () = &mut sending, if writing => writing = false,
                    () = cancel.cancelled() => break Event::Cancelled,
                    () = sleep_until(deadline) => break Event::Late,
                }
            };
            let done = match event {
                Event::Done(done) if !matches!(done.end, End::Over(_)) => *done,
                other => {
                    stopped = Some(other);
                    break;
                }
            };
            let exit = match done.end {
                End::Status(code) => Exit::Code { code },
                end => Exit::NotStarted { why: not_run(&end).to_owned() },
            };
            replies.push(ShellReply { exit, stdout: done.stdout, stderr: done.stderr, took: done.at - start });
            start = done.at;
        }
        drop(sending);
        let Some(event) = stopped else {
            let held = replies.iter().any(|reply| reply.stdout.held || reply.stderr.held);
            self.keep(shell, held);
            return replies;
        };
        let sent = sent.into_inner();
        let halt = Halt { shell, sent, start, waiting: waiting.split_off(replies.len()), first: replies.len() };
        replies.extend(self.halt(halt, event).await);
        replies
    }

    /// A script did not end as it should: finds out what can be known of it, and of those sent after it.
    async fn halt(&mut self, halt: Halt, event: Event) -> Vec<ShellReply> {
        let Halt { shell, sent, start, mut waiting, first } = halt;
        let was_sent = |index: usize| first + index < sent;
        let (exit, output, others) = match event {
            Event::Done(done) => {
                let over = if let End::Over(over) = done.end { over } else { Over::Abandoned };
                let exit = self.after(&over, was_sent(0), shell.group).await;
                let others = match over {
                    Over::Lost => Some(CONNECTION_LOST),
                    Over::Hostile(why) => Some(why),
                    _ => None,
                };
                (exit, (done.stdout, done.stderr), others)
            }
            Event::Late | Event::Cancelled => {
                let late = matches!(event, Event::Late);
                shell.await_end();
                let ended = self.end_group(shell.group, false).await;
                let (marker, output) = last_words(&shell, &mut waiting[0], self.link.timeouts.drain).await;
                self.hostile = self.hostile.or_else(|| shell.hostile());
                let unconfirmed = if late { "timeout-unconfirmed" } else { "cancel-unconfirmed" };
                let others = (matches!(ended, Ended::Unconfirmed | Ended::Untouched) && !late).then_some(unconfirmed);
                let exit = match halted(marker, &ended, late, was_sent(0), unconfirmed) {
                    // what left its group was not ended with it
                    Exit::TimedOut | Exit::Signal { .. } if output.0.held || output.1.held => {
                        Exit::Unknown { why: unconfirmed.to_owned() }
                    }
                    exit => exit,
                };
                (exit, output, others)
            }
        };
        let took = start.elapsed();
        let mut replies = vec![ShellReply { exit, stdout: output.0, stderr: output.1, took }];
        // the scripts behind it only read, and can be sent again, unless there is nothing to send them with
        if let Some(why) = others {
            replies.extend((1..waiting.len()).map(|index| match was_sent(index) {
                true => silent(Exit::Unknown { why: why.to_owned() }),
                false => not_started(why),
            }));
        }
        replies
    }

    /// How a script ended whose shell ended before it said so.
    async fn after(&mut self, over: &Over, sent: bool, group: Option<u32>) -> Exit {
        let why = |why: &str| why.to_owned();
        match over {
            Over::Hostile(word) => {
                self.hostile = Some(word);
                if sent { Exit::Unknown { why: why(word) } } else { Exit::NotStarted { why: why(PROTOCOL_ERROR) } }
            }
            _ if !sent => Exit::NotStarted { why: why(if *over == Over::Lost { CONNECTION_LOST } else { "shell-ended" }) },
            Over::Lost => Exit::Unknown { why: why(CONNECTION_LOST) },
            Over::NoStatus(_) | Over::Abandoned => Exit::Unknown { why: why("no-status") },
            // the signal hit the shell; the script has ended only if nothing of its group is left
            Over::Signal(name) => match self.end_group(group, true).await {
                Ended::Gone(_) => Exit::Signal { name: name.clone() },
                Ended::Unconfirmed | Ended::Untouched => Exit::Unknown { why: why("no-status") },
            },
        }
    }

    /// Ends a process group from a second shell, which becomes the open one; with `watch` it only looks.
    async fn end_group(&mut self, group: Option<u32>, watch: bool) -> Ended {
        let Some(group) = group else { return Ended::Untouched };
        let limit = self.link.timeouts.end;
        let script = Script::change("end", END)
            .env("RB_GROUP", group.to_string())
            .env("RB_WATCH", if watch { "1" } else { "" })
            .timeout(limit);
        let ending = async {
            let (shell, done) = Shell::open(&self.link, Some(&script)).await.ok()?;
            let word = done?.stdout.text()?.trim().to_owned();
            Some((shell, word))
        };
        let Ok(Some((shell, word))) = timeout(limit + limit, ending).await else { return Ended::Unconfirmed };
        self.shell = Some(shell);
        match word.split_once(' ') {
            None if word == "gone" => Ended::Gone(None),
            Some(("gone", signal)) => Ended::Gone(Some(signal.to_owned())),
            _ => Ended::Unconfirmed,
        }
    }
}

/// Where a batch came to a halt.
struct Halt {
    shell: Shell,
    /// How many scripts of the batch had left completely.
    sent: usize,
    start: Instant,
    waiting: Vec<Receiver<Done>>,
    /// The index in the batch of the script that did not end.
    first: usize,
}

type Frames = (Vec<Receiver<Done>>, Vec<String>);

/// The calls for as many scripts as can be sent; an error says why the very first cannot.
fn frames(shell: &Shell, scripts: &[&Script], home: &str) -> Result<Frames, String> {
    let (mut waiting, mut texts) = (Vec::new(), Vec::new());
    for script in scripts {
        let framed = nonce().map_err(|fault| fault.word().to_owned()).and_then(|nonce| {
            let text = call(&nonce, script, home).map_err(|unsendable| unsendable.to_string())?;
            Ok((nonce, text))
        });
        match framed {
            Ok((nonce, text)) => {
                waiting.push(shell.expect(&nonce));
                texts.push(text);
            }
            Err(why) if waiting.is_empty() => return Err(why),
            Err(_) => break,
        }
    }
    Ok((waiting, texts))
}

/// What a script still said after its group was told to end: its status, if it was quicker than we.
async fn last_words(shell: &Shell, done: &mut Receiver<Done>, grace: Duration) -> (Option<End>, (Captured, Captured)) {
    let done = match timeout(grace, &mut *done).await {
        Ok(done) => done,
        Err(_) => {
            shell.abandon();
            done.await
        }
    };
    let done = done.unwrap_or_else(|_| unheard());
    (Some(done.end), (done.stdout, done.stderr))
}

/// How a script ended that we ended. A status that came after our own signal is none of its own: `trap 'exit 0' TERM`
/// would make a success of what was broken off.
fn halted(marker: Option<End>, ended: &Ended, late: bool, sent: bool, unconfirmed: &str) -> Exit {
    match (marker, ended) {
        (Some(End::Status(code)), Ended::Gone(None) | Ended::Untouched) => Exit::Code { code },
        (Some(End::Over(Over::Hostile(why))), _) if sent => Exit::Unknown { why: why.to_owned() },
        (Some(end @ (End::NoDirectory | End::NoUser)), _) => Exit::NotStarted { why: not_run(&end).to_owned() },
        (_, _) if !sent => Exit::NotStarted { why: if late { "timeout" } else { "cancelled" }.to_owned() },
        (_, Ended::Gone(_)) if late => Exit::TimedOut,
        (_, Ended::Gone(signal)) => Exit::Signal { name: signal.clone().unwrap_or_else(|| "TERM".to_owned()) },
        (_, Ended::Unconfirmed | Ended::Untouched) => Exit::Unknown { why: unconfirmed.to_owned() },
    }
}

/// Why a script was not run whose marker says so.
fn not_run(end: &End) -> &'static str {
    if *end == End::NoUser { BECOME_REFUSED } else { "no-directory" }
}

fn unheard() -> Done {
    let none = || Captured::whole([]);
    Done { end: End::Over(Over::Abandoned), stdout: none(), stderr: none(), at: Instant::now() }
}

fn not_started(why: &str) -> ShellReply {
    silent(Exit::NotStarted { why: why.to_owned() })
}

fn silent(exit: Exit) -> ShellReply {
    ShellReply { exit, stdout: Captured::default(), stderr: Captured::default(), took: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::{Ended, halted};
    use crate::model::op::Exit;
    use crate::world::ssh::ending::{End, Over};

    #[test]
    fn what_we_ended_has_no_status_of_its_own() {
        let gone = Ended::Gone(Some("KILL".to_owned()));
        let over = || Some(End::Over(Over::Signal("TERM".to_owned())));
        let unknown = Exit::Unknown { why: "x".to_owned() };
        assert_eq!(halted(over(), &gone, true, true, "x"), Exit::TimedOut);
        assert_eq!(halted(over(), &gone, false, true, "x"), Exit::Signal { name: "KILL".to_owned() });
        assert_eq!(halted(over(), &Ended::Unconfirmed, true, true, "x"), unknown);
        assert_eq!(halted(Some(End::Status(143)), &gone, true, true, "x"), Exit::TimedOut);
        assert_eq!(halted(Some(End::Status(143)), &Ended::Unconfirmed, true, true, "x"), unknown);
        // it may have been its trap that said 0
        assert_eq!(halted(Some(End::Status(0)), &gone, true, true, "x"), Exit::TimedOut);
        assert_eq!(halted(Some(End::Status(0)), &Ended::Unconfirmed, true, true, "x"), unknown);
        assert_eq!(halted(Some(End::Status(3)), &Ended::Untouched, true, true, "x"), Exit::Code { code: 3 });
        assert_eq!(halted(Some(End::Status(3)), &Ended::Gone(None), true, true, "x"), Exit::Code { code: 3 });
        let hostile = || Some(End::Over(Over::Hostile("two-statuses")));
        assert_eq!(halted(hostile(), &gone, true, true, "x"), Exit::Unknown { why: "two-statuses".to_owned() });
        assert_eq!(halted(over(), &gone, true, false, "x"), Exit::NotStarted { why: "timeout".to_owned() });
    }
}
