//! `runbook exec`: one command on many hosts, equal answers shown once.

use std::io::Write;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::args::Form;
use crate::cli::failure::Failure;
use crate::cli::fleet::{self, Choice, Narrow, SELECTORS};
use crate::cli::fold::{Answer, Down, render, tally};
use crate::cli::identities;
use crate::cli::operator::ask;
use crate::cli::output::{json, present};
use crate::cli::settings::Settings;
use crate::engine::machines::meant;
use crate::engine::world::{Session, World};
use crate::model::finding::Finding;
use crate::model::host::Host;
use crate::model::id::HostName;
use crate::model::op::{Captured, Exit, Op, Reply, Shell, ShellReply};
use crate::model::outcome::{HostOutcome, RunState};
use crate::model::time::parse_deadline;
use crate::model::visible::{literal, text_of};
use crate::state::words;
use crate::world::any::AnyFleet;
use crate::world::ssh::script::{Unsendable, quote};

/// Arguments of `runbook exec`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SELECTORS)]
pub struct Args {
    /// Which hosts: names, globs, sets web[01-06], @group, tag:NAME, failed:RUN, joined by , & and !
    #[arg(value_name = "SEL")]
    pub selector: String,
    /// What narrows them down
    #[command(flatten)]
    pub narrow: Narrow,
    /// How many hosts at the same time
    #[arg(short, long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    pub forks: u16,
    /// How long the command may take on a host before it is ended there
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_deadline)]
    pub timeout: Duration,
    /// The phrase that protected hosts ask for, such as 'exec 6'
    #[arg(long, value_name = "TEXT")]
    pub confirm: Option<String>,
    /// The command: one word is a line for `/bin/sh` on the hosts, 'df -h | tail'; several are a program and its arguments
    #[arg(value_name = "CMD", required = true, last = true)]
    pub command: Vec<String>,
}

type Answers = Vec<(HostName, Answer)>;

/// A line of `runbook exec --output json`: what the command came to on a host.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Answered {
    /// The host.
    pub host: HostName,
    /// Whether it is simulated.
    pub sim: bool,
    /// `ok`, `failed`, `unknown`, `unreachable` or `not-started`.
    pub outcome: HostOutcome,
    /// The exit status, where one came back.
    pub exit_code: Option<u32>,
    /// How long it took, in milliseconds; none where it was not sent.
    pub took_ms: Option<u64>,
    /// What it printed.
    pub stdout: Printed,
    /// What it printed on standard error.
    pub stderr: Printed,
    /// Why it is not ok.
    pub finding: Option<Finding>,
}

/// What a command printed on one of its two outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Printed {
    /// As text; bytes that are no UTF-8 stand as `\xNN`. Where it was cut, its beginning and its end, and between them how much is
    /// left out.
    pub text: String,
    /// How many bytes it was in all.
    pub bytes: u64,
    /// Whether some of it is left out.
    pub cut: bool,
}

impl Answered {
    fn new(host: &HostName, answer: &Answer, sim: bool) -> Self {
        let outcome = match answer.state() {
            RunState::Ok => HostOutcome::Ok,
            RunState::Unreachable => HostOutcome::Unreachable,
            RunState::Unknown => HostOutcome::Unknown,
            RunState::Aborted => HostOutcome::NotStarted,
            _ => HostOutcome::Failed,
        };
        let reply = match answer {
            Answer::Reply(reply) => Some(reply),
            Answer::Unreachable(_) => None,
        };
        let sent = reply.filter(|reply| !matches!(reply.exit, Exit::NotStarted { .. }));
        Self {
            host: host.clone(),
            sim,
            outcome,
            exit_code: reply.and_then(|reply| if let Exit::Code { code } = reply.exit { Some(code) } else { None }),
            took_ms: sent.and_then(|reply| u64::try_from(reply.took.as_millis()).ok()),
            stdout: reply.map_or_else(Printed::default, |reply| Printed::of(&reply.stdout)),
            stderr: reply.map_or_else(Printed::default, |reply| Printed::of(&reply.stderr)),
            finding: answer.finding(),
        }
    }
}

impl Default for Printed {
    fn default() -> Self {
        Self::of(&Captured::default())
    }
}

impl Printed {
    fn of(captured: &Captured) -> Self {
        let text = if captured.is_cut() {
            let (head, tail) = (text_of(&captured.head), text_of(&captured.tail));
            format!("{head}\n… {} of {} bytes left out …\n{tail}", captured.left_out(), captured.total)
        } else {
            // in one piece: where it was parted there may be half a letter
            text_of(&[captured.head.as_slice(), captured.tail.as_slice()].concat()).into_owned()
        };
        Self { text, bytes: captured.total, cut: captured.is_cut() }
    }
}

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let hosts = fleet::chosen(settings, Choice::new(&args.selector, &args.narrow))?.hosts();
    let text = line(&args.command)?;
    if !confirmed(args, settings, &hosts)? {
        return Err(Failure::new(RunState::Aborted.code(), "not confirmed; nothing was contacted"));
    }
    let runtime = Runtime::new().map_err(|error| Failure::new(70, format!("no runtime: {error}")))?;
    let world = fleet::world(settings, std::collections::BTreeMap::new())?;
    runtime.block_on(identities::check(&world, &hosts))?;
    let ended = runtime.block_on(everywhere(&world, hosts, &text, (args, settings)));
    // what was given up must not hold up the exit
    runtime.shutdown_timeout(Duration::from_millis(100));
    match ended? {
        Ended::Left(code) => Ok(code),
        Ended::Done { answers, cancelled } => conclude(&answers, cancelled, settings),
    }
}

/// What is sent. Several words arrive as they were given here, whatever is in them: joined by blanks, `rm 'old dir'`
/// would remove two other things.
fn line(words: &[String]) -> Result<String, Failure> {
    let nul = |_: Unsendable| Failure::invalid("a command cannot contain a NUL byte");
    if let [line] = words {
        return if line.contains('\0') { Err(nul(Unsendable::Nul)) } else { Ok(line.clone()) };
    }
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        quote(word, &mut text).map_err(nul)?;
    }
    Ok(text)
}

/// How it came to an end.
enum Ended {
    /// Every host has answered or was given up.
    Done { answers: Answers, cancelled: bool },
    /// The process was told to leave at once, with this exit code.
    Left(u8),
}

/// A command may do anything: where production is among the hosts it is confirmed by its phrase, as a run would be.
fn confirmed(args: &Args, settings: &Settings, hosts: &[Host]) -> Result<bool, Failure> {
    let phrase = format!("exec {}", hosts.len());
    let protected = hosts.iter().filter(|host| host.protected).count();
    match &args.confirm {
        Some(given) if *given == phrase => Ok(true),
        Some(given) => Err(Failure::invalid(format!("--confirm says '{}', this command is '{phrase}'", literal(given)))),
        None if protected == 0 => Ok(true),
        None if settings.can_ask => {
            let why = format!("{protected} of {} hosts are protected", hosts.len());
            say(settings, &format!("     Confirm asked for: {why}"));
            ask(Some(&phrase)).map_err(|error| Failure::invalid(format!("the terminal could not be read: {error}")))
        }
        None => Err(Failure::invalid(format!("{protected} of {} hosts are protected", hosts.len()))
            .hint(format!("add --confirm '{phrase}'"))),
    }
}

async fn everywhere(
    world: &AnyFleet,
    hosts: Vec<Host>,
    text: &str,
    (args, settings): (&Args, &Settings),
) -> Result<Ended, Failure> {
    let op = Op::Shell(Shell::authored("exec".to_owned(), text.to_owned(), true).timeout(args.timeout));
    let cancel = CancellationToken::new();
    let one = async |(index, host): (usize, Host)| (index, host.name.clone(), on(world, &host, &op, &cancel).await);
    let work = stream::iter(hosts.into_iter().enumerate()).map(one).buffer_unordered(usize::from(args.forks));
    let mut work = std::pin::pin!(work.collect::<Vec<_>>());
    let mut stop = Stop::new()?;
    let mut done = loop {
        tokio::select! {
            done = &mut work => break done,
            code = stop.asked() => {
                if cancel.is_cancelled() {
                    say(settings, "left at once; commands may still be running on the hosts");
                    return Ok(Ended::Left(code));
                }
                cancel.cancel();
                say(settings, "cancelling: the command is being ended on the hosts; once more to leave at once");
            }
        }
    };
    done.sort_by_key(|(index, _, _)| *index);
    let answers = done.into_iter().map(|(_, host, answer)| (host, answer)).collect();
    Ok(Ended::Done { answers, cancelled: cancel.is_cancelled() })
}

/// The command on one host.
async fn on(world: &AnyFleet, host: &Host, op: &Op, cancel: &CancellationToken) -> Answer {
    let cancelled = || {
        let exit = Exit::NotStarted { why: "cancelled".to_owned() };
        let (stdout, stderr) = (Captured::default(), Captured::default());
        Answer::Reply(ShellReply { exit, stdout, stderr, took: Duration::ZERO })
    };
    if cancel.is_cancelled() {
        return cancelled();
    }
    let connected = tokio::select! {
        connected = world.connect(host) => connected,
        () = cancel.cancelled() => return cancelled(),
    };
    let mut session = match connected {
        Ok((session, connected)) => match meant(host, &connected.facts) {
            Ok(()) => session,
            Err(finding) => return Answer::Unreachable(Down::new(host, finding)),
        },
        Err(fault) => return Answer::Unreachable(Down::new(host, fault.finding)),
    };
    let reply = session.perform(std::slice::from_ref(op), cancel).await.pop();
    session.close().await;
    match reply {
        Some(Reply::Shell(reply)) => Answer::Reply(reply),
        _ => Answer::Unreachable(Down::new(host, Finding::new("internal", "the session answered with something else"))),
    }
}

/// Prints the answers and says what they come to.
fn conclude(answers: &Answers, cancelled: bool, settings: &Settings) -> Result<u8, Failure> {
    let sim = fleet::is_sim(settings);
    let states = answers.iter().map(|(_, answer)| answer.state());
    let aborted = cancelled.then_some(RunState::Aborted);
    let state = RunState::worst(states.chain(aborted));
    match settings.output {
        Form::Json => answers.iter().try_for_each(|(host, answer)| json(&Answered::new(host, answer, sim)))?,
        Form::Quiet => {
            let wrong: Answers = answers.iter().filter(|(_, answer)| answer.state() != RunState::Ok).cloned().collect();
            present(settings, &titled(&render(&wrong), sim))?;
        }
        Form::Human => present(settings, &titled(&render(answers), sim))?,
    }
    if state != RunState::Ok || (answers.len() > 1 && settings.output != Form::Quiet) {
        say(settings, &format!("{}{}", words::sim(sim), tally(answers)));
    }
    Ok(state.code())
}

/// Every title says of simulated hosts that they are; what is below it is indented.
fn titled(text: &str, sim: bool) -> String {
    let title = |line: &str| if line.starts_with(' ') { "" } else { words::sim(sim) };
    text.lines().map(|line| format!("{}{line}\n", title(line))).collect()
}

fn say(settings: &Settings, line: &str) {
    // nobody is left to tell when standard error is closed
    let _ = writeln!(settings.err(), "{line}");
}

/// The signals that ask to stop.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Stop {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::new(70, format!("no signals: {error}")));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// The exit code of leaving at once.
    async fn asked(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
            _ = self.hangup.recv() => 143,
        }
    }
}
