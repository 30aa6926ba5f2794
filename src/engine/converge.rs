//! The loop: look (read-only), judge (pure), act, look again, until it holds or is late.
//!
//! Checks, waits, changes, verification, closes and the dry run all go through here; this is the one place where a
//! change is decided to be sent, and the one place where a dry run does not.

use std::time::Duration;

use crate::engine::ask::{self, Heard, yes_or_no};
use crate::engine::close::unsent;
use crate::engine::link::{Link, RunContext};
use crate::engine::log::LogError;
use crate::engine::seen;
use crate::engine::unit::{Unit, UnitEnd};
use crate::engine::world::World;
use crate::model::event::EventKind;
use crate::model::finding::Finding;
use crate::model::id::{HostName, StepId};
use crate::model::op::{Answer, Captured, Exit, HttpReply, Op, Reply, Shell};
use crate::model::outcome::Outcome;
use crate::model::plan::Section;
use crate::model::step::{Acted, Change, Evidence, Look, Note, Obligation, Question, Unreadable, Verdict};
use crate::model::time::Timestamp;
use crate::read::script::{BECOME_REFUSED, SUDO_HINT, sudo_said};
use crate::steps::Class;

/// What the loop may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Look and say what would be done.
    Preview,
    /// Do it.
    Act,
    /// Look; a change would be one that nobody saw and confirmed, and is refused for this reason.
    Hold(String),
}

/// Which try this is.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// From 1.
    pub n: u32,
    /// What is open on the host already: it is not opened a second time.
    pub owed: &'a [Obligation],
}

impl Attempt<'_> {
    /// The first one, with nothing open.
    pub fn first() -> Self {
        Self { n: 1, owed: &[] }
    }
}

/// Looks that are kept for judging; of a longer wait the oldest and the newest.
const LOOKS: usize = 256;
/// So many of them are kept however long they are.
const FEW: usize = 8;
/// How many bytes of output those that are kept may hold besides.
const LOOKED: usize = 8 * 1024 * 1024;
/// Pauses between looks while waiting; the last one repeats.
const POLL: [u64; 4] = [500, 1_000, 2_000, 5_000];
/// A change gets at least this long to be seen to hold.
const SETTLE: Duration = Duration::from_secs(30);

/// Brings one unit to the state that its step describes, or says why not.
pub async fn converge<W: World>(
    ctx: &RunContext<W>,
    link: &mut Link<W>,
    unit: &Unit,
    mode: Mode,
    attempt: Attempt<'_>,
) -> UnitEnd {
    let deadline = ctx.world.now().plus(unit.timeout());
    let (looks, looked_at) = (Vec::new(), Vec::new());
    Converge { ctx, link, unit, mode, attempt, looks, looked_at, acted: None, said: None, opened: None, deadline, polls: 0 }
        .run()
        .await
}

struct Converge<'a, W: World> {
    ctx: &'a RunContext<W>,
    link: &'a mut Link<W>,
    unit: &'a Unit,
    mode: Mode,
    attempt: Attempt<'a>,
    looks: Vec<Look>,
    /// What the newest look was at, one label an op.
    looked_at: Vec<String>,
    acted: Option<(Acted, Option<Finding>)>,
    said: Option<Note>,
    opened: Option<Obligation>,
    deadline: Timestamp,
    polls: usize,
}

impl<W: World> Converge<'_, W> {
    async fn run(mut self) -> UnitEnd {
        loop {
            if self.ctx.orders.cancel.is_cancelled() {
                return self.cancelled();
            }
            // an answer is a look of its own: it is judged as it came
            let answered = self.looks.last().is_some_and(|look| matches!(look.replies.as_slice(), [Reply::Answer(_)]));
            if !answered && let Err(finding) = self.look().await {
                return self.blind(finding);
            }
            let judged = self.judge();
            self.tell(&judged).await;
            match judged {
                Ok(Verdict::Holds(_)) => return self.holds(),
                Ok(Verdict::Again { after }) if !self.is_late() => self.pause(after).await,
                Ok(Verdict::Again { .. }) => return self.no(self.late("there was no time for a second look")),
                Ok(Verdict::Refuse(finding)) => return self.no(finding),
                Ok(Verdict::Ask(question)) => {
                    if let Some(end) = self.ask(question).await {
                        return end;
                    }
                    continue;
                }
                Ok(Verdict::Change(change)) => {
                    if let Some(end) = self.change(*change).await {
                        return end;
                    }
                }
                Ok(Verdict::NotYet(note)) => {
                    if let Some(end) = self.not_yet(note).await {
                        return end;
                    }
                }
                Err(unreadable) => {
                    if let Some(end) = self.unreadable(unreadable).await {
                        return end;
                    }
                }
            }
        }
    }

    async fn look(&mut self) -> Result<(), Finding> {
        self.link.connect(self.ctx).await?;
        let Some(target) = self.link.target() else {
            return Err(Finding::new("connection-lost", "the host is not connected"));
        };
        let mut ops = match self.looks.as_slice() {
            [] => self.unit.step.probes(target),
            looks => self.unit.step.probes_again(target, looks),
        };
        self.equip(&mut ops);
        let replies = self.link.look(self.ctx, &ops).await?;
        self.looked_at = ops.iter().map(Op::label).collect();
        // the first looks say how it was, the newest say how it is
        while self.looks.len() >= LOOKS || (self.looks.len() > FEW && bytes(&self.looks) > LOOKED) {
            self.looks.remove(self.looks.len() / 2);
        }
        self.looks.push(Look { at: self.ctx.world.now(), replies });
        Ok(())
    }

    fn judge(&self) -> Result<Verdict, Unreadable> {
        let target = self.link.target().ok_or_else(|| Unreadable::new("the host is not connected"))?;
        let acted = self.acted.as_ref().map(|(acted, _)| acted);
        let verdict = self.unit.step.judge(&Evidence { target, looks: &self.looks, acted })?;
        let Verdict::Change(mut change) = verdict else { return Ok(verdict) };
        self.equip(&mut change.ops);
        self.equip(&mut change.undo);
        if let Some(timeout) = self.unit.spec.timeout {
            change.ops.iter_mut().for_each(|op| op.limit_authored(timeout));
        }
        Ok(Verdict::Change(change))
    }

    /// As whom, and with which secrets.
    fn equip(&self, ops: &mut [Op]) {
        let spec = &self.unit.spec;
        if spec.acts_as.is_some() || !spec.secrets.is_empty() {
            ops.iter_mut().for_each(|op| op.equip(spec.acts_as.as_deref(), &spec.secrets));
        }
    }

    /// Records what was seen and what it came to: always at first and where the word changes.
    async fn tell(&mut self, judged: &Result<Verdict, Unreadable>) {
        let note = match judged {
            Ok(Verdict::Holds(note) | Verdict::NotYet(note)) => Some(note.clone()),
            Ok(Verdict::Change(change)) => Some(change.why.clone()),
            Ok(Verdict::Refuse(finding)) => Some(Note::new(&finding.code, finding.summary.clone())),
            Ok(Verdict::Again { .. } | Verdict::Ask(_)) => None,
            Err(unreadable) => Some(Note::new("unreadable", unreadable.what.clone())),
        };
        let (host, step, look) = (self.host(), self.unit.spec.step.clone(), self.looks.len());
        let word = |note: &Option<Note>| note.as_ref().map(|n| n.word.clone());
        let news = note.is_some() && word(&note) != word(&self.said);
        if (look == 1 || news)
            && let Some(last) = self.looks.last()
        {
            let ops = self.looked_at.clone();
            let replies = last.replies.iter().map(seen::told).collect();
            let seen = EventKind::StepSeen { host: host.clone(), step: step.clone(), look, ops, replies };
            let _ = self.ctx.recorder.note(seen).await;
        }
        if let Some(note) = note {
            let _ = self.ctx.recorder.note(EventKind::StepJudged { host, step, look, note: note.clone() }).await;
            self.said = Some(note);
        }
    }

    fn host(&self) -> HostName {
        self.link.name().clone()
    }

    fn is_late(&self) -> bool {
        self.ctx.world.now() >= self.deadline
    }

    fn late(&self, what: &str) -> Finding {
        let seconds = self.unit.timeout().as_secs_f64();
        Finding::new("timeout", format!("{what} within {seconds:.0} s"))
    }

    async fn wait(&mut self) {
        let pause = POLL[self.polls.min(POLL.len() - 1)];
        self.polls += 1;
        self.pause(Duration::from_millis(pause)).await;
    }

    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = self.ctx.world.sleep(time) => {}
            () = self.ctx.orders.cancel.cancelled() => {}
        }
    }

    /// Whether this unit only records: an action is never let off so.
    fn observes(&self) -> bool {
        self.unit.spec.observe && self.unit.class == Class::Check
    }

    /// What was sent, got no answer, and was not seen to hold: it may still happen.
    fn doubt(&self) -> Option<Finding> {
        self.acted.as_ref().and_then(|(_, doubt)| doubt.clone())
    }

    fn holds(&mut self) -> UnitEnd {
        let outcome = match (self.unit.class, &self.acted) {
            (Class::Check | Class::Wait, _) => Outcome::Ok,
            (Class::Action, None) => Outcome::Already,
            (Class::Action, Some(_)) => Outcome::Changed,
        };
        self.end(outcome, None)
    }

    async fn not_yet(&mut self, note: Note) -> Option<UnitEnd> {
        if self.observes() {
            return Some(self.end(Outcome::Ok, None));
        }
        // an action that says "not yet" before it acts waits for the world as well: what it is about is on its way
        let waits = self.unit.polls() || self.acted.is_some() || self.unit.class == Class::Action;
        if !waits {
            return Some(self.no(note.into()));
        }
        if self.mode == Mode::Preview {
            return Some(self.end(Outcome::WouldWait, None));
        }
        if self.is_late() {
            let mut finding = Finding::from(note);
            finding.summary = format!("{}; still so after {:.0} s", finding.summary, self.unit.timeout().as_secs_f64());
            return Some(self.no(finding));
        }
        self.wait().await;
        None
    }

    async fn unreadable(&mut self, unreadable: Unreadable) -> Option<UnitEnd> {
        let mut finding = Finding::new("unreadable", unreadable.what);
        finding.hint = unreadable.hint;
        let waits = (self.unit.polls() || self.acted.is_some()) && self.mode != Mode::Preview;
        if waits && !self.is_late() {
            self.wait().await;
            return None;
        }
        Some(self.no(finding))
    }

    async fn change(&mut self, change: Change) -> Option<UnitEnd> {
        if self.unit.class != Class::Action {
            return Some(self.no(Finding::new("bug", "a check asked for a change; nothing was done")));
        }
        if self.acted.is_some() {
            return self.not_yet(change.why).await;
        }
        match &self.mode {
            Mode::Preview => {
                let mut end = self.end(Outcome::WouldChange, None);
                (end.effects, end.destroys) = (change.effects, change.destroys);
                return Some(end);
            }
            Mode::Hold(why) => {
                let finding = Finding::new("drifted", format!("{}: {why}", change.effects.join("; ")))
                    .hint("look again with --dry-run, and confirm what it shows");
                return Some(self.no(finding));
            }
            Mode::Act => {}
        }
        if self.ctx.is_stopping() {
            return Some(self.stopped());
        }
        self.act(change).await
    }

    /// Waits for somebody to say yes or no; a flag can have said it before.
    async fn ask(&mut self, question: Question) -> Option<UnitEnd> {
        if self.mode == Mode::Preview {
            return Some(self.end(Outcome::WouldWait, None));
        }
        let asking = &self.ctx.asking;
        let step = &self.unit.spec.step;
        let answer = if asking.approved.contains(step) {
            Answer { yes: true, by: asking.by.clone(), via: "flag".to_owned() }
        } else if !asking.can_ask {
            let finding = Finding::new("nobody-to-ask", format!("`{}`: there is no terminal to ask on", question.text));
            return Some(self.no(finding.hint(format!("--approve {step}"))));
        } else {
            match self.answer(question).await {
                Ok(answer) => answer,
                Err(end) => return Some(end),
            }
        };
        self.looks.push(Look { at: self.ctx.world.now(), replies: vec![Reply::Answer(answer)] });
        None
    }

    async fn answer(&mut self, question: Question) -> Result<Answer, UnitEnd> {
        let host = self.host();
        let mut id = self.unit.spec.step.to_string();
        if !self.unit.spec.scope.is_shared() {
            id.push_str(&format!("@{host}"));
        }
        if self.attempt.n > 1 {
            // the answer to an earlier attempt is none to this one
            id.push_str(&format!("#{}", self.attempt.n));
        }
        let shared = self.unit.spec.scope.is_shared();
        let (ctx, step) = (self.ctx, Some(self.unit.spec.step.clone()));
        let (hosts, options) = (vec![host.clone()], yes_or_no());
        let question = ask::Question { id, step, hosts, text: question.text, options, finding: None };
        let late = ctx.world.sleep(self.deadline.since(ctx.world.now()));
        let over = async {
            tokio::select! {
                () = late => {}
                // what is asked for all is no matter of one host
                () = ctx.orders.excluded.taken(&host), if !shared => {}
            }
        };
        match ctx.ask(question, over).await {
            Heard::Said(said) => Ok(Answer { yes: said.option == "yes", by: said.by, via: said.via }),
            Heard::Stopped => Err(self.stopped()),
            Heard::Over if !shared && ctx.orders.excluded.has(&host) => Err(self.stopped()),
            Heard::Over => Err(self.no(self.late("nobody answered"))),
            Heard::Deaf => Err(self.no(Finding::new("nobody-to-ask", "the output does not keep up: nobody can be asked"))),
        }
    }

    fn stopped(&mut self) -> UnitEnd {
        self.end(Outcome::Cancelled, Some(Finding::new("stopped", "stopped before this change was made")))
    }

    /// Obligation and intent durable, the same decision seen once more, then the bytes.
    async fn act(&mut self, change: Change) -> Option<UnitEnd> {
        if let Err(finding) = self.intend(&change).await {
            return Some(self.no(finding));
        }
        if self.unit.step.recheck() {
            if let Err(finding) = self.look().await {
                self.withdraw().await;
                return Some(self.blind(finding));
            }
            match self.judge() {
                Ok(Verdict::Change(again)) if *again == change => {}
                other => {
                    self.withdraw().await;
                    return Some(self.no(moved(&change, other)));
                }
            }
        }
        if self.ctx.is_stopping() {
            self.withdraw().await;
            return Some(self.stopped());
        }
        let looks_before = self.looks.len();
        let mut replies = Vec::new();
        let mut doubt = None;
        for op in &change.ops {
            let reply = self.link.act(self.ctx, op).await;
            self.tell_output(op, &reply).await;
            let grade = grade(&reply);
            replies.push(reply);
            match grade {
                Grade::Done => {}
                // what comes after it was decided for a host on which this had gone well
                Grade::Ended => break,
                Grade::Doubt(finding) => {
                    doubt = Some(finding);
                    break;
                }
                Grade::NotSent(finding) if replies.len() == 1 => {
                    self.withdraw().await;
                    return Some(self.no(finding));
                }
                Grade::NotSent(finding) | Grade::Failed(finding) => {
                    self.tell_replies(&change, &replies).await;
                    self.acted = Some((self.acted_now(change, replies, looks_before), None));
                    return Some(self.end(Outcome::Failed, Some(finding)));
                }
            }
        }
        self.tell_replies(&change, &replies).await;
        let doubtful = doubt.is_some();
        let untouched = said_no(&change, &replies);
        self.acted = Some((self.acted_now(change, replies, looks_before), doubt));
        if untouched && let Ok(Verdict::Refuse(finding)) = self.judge() {
            // the script's own guards saw it last: nothing was done
            self.acted = None;
            self.withdraw().await;
            return Some(self.no(finding));
        }
        self.deadline = self.deadline.max(self.ctx.world.now().plus(SETTLE));
        self.polls = 0;
        let can_look = self.link.target().is_some_and(|target| !self.unit.step.probes(target).is_empty());
        if doubtful && !can_look {
            let doubt = self.doubt();
            return Some(self.end(Outcome::Unknown, doubt));
        }
        None
    }

    /// Nothing was sent after all: nothing was opened, and closing it would undo what somebody else did.
    async fn withdraw(&mut self) {
        let Some(obligation) = self.opened.take() else { return };
        if self.ctx.recorder.commit(unsent(&self.host(), &obligation)).await.is_err() {
            // the record still says that it is open
            self.opened = Some(obligation);
        }
    }

    /// What a change was answered is evidence too.
    async fn tell_replies(&self, change: &Change, replies: &[Reply]) {
        let seen = EventKind::StepSeen {
            host: self.host(),
            step: self.unit.spec.step.clone(),
            look: self.looks.len(),
            ops: change.ops.iter().take(replies.len()).map(Op::label).collect(),
            replies: replies.iter().map(seen::told).collect(),
        };
        // the record's own failure stops the run elsewhere
        let _ = self.ctx.recorder.note(seen).await;
    }

    /// What a command of the runbook's author printed, where that is asked for.
    async fn tell_output(&self, op: &Op, reply: &Reply) {
        let (true, true, Reply::Shell(reply)) = (self.ctx.with_output, op.is_authored(), reply) else { return };
        for (stream, captured) in [("stdout", &reply.stdout), ("stderr", &reply.stderr)] {
            if captured.total == 0 {
                continue;
            }
            let (text, lossy) = seen::printed(captured);
            let output = EventKind::StepOutput {
                host: self.host(),
                step: self.unit.spec.step.clone(),
                attempt: self.attempt.n,
                stream: stream.to_owned(),
                text,
                lossy,
            };
            let _ = self.ctx.recorder.note(output).await;
        }
    }

    fn acted_now(&self, change: Change, replies: Vec<Reply>, looks_before: usize) -> Acted {
        Acted { change, replies, looks_before, at: self.ctx.world.now() }
    }

    async fn intend(&mut self, change: &Change) -> Result<(), Finding> {
        let (host, step) = (self.host(), self.unit.spec.step.clone());
        if let Some(obligation) = &change.obligation {
            let obligation = self.completed(obligation);
            if self.attempt.owed.iter().any(|owed| owed.key == obligation.key) {
                return self.record_intent(host, step, change).await;
            }
            let opened = EventKind::ObligationOpened { host: host.clone(), step: step.clone(), obligation: obligation.clone() };
            self.ctx.recorder.commit(opened).await.map_err(unrecorded)?;
            self.opened = Some(obligation);
        }
        self.record_intent(host, step, change).await
    }

    async fn record_intent(&self, host: HostName, step: StepId, change: &Change) -> Result<(), Finding> {
        let intent = EventKind::StepIntent { host, step, attempt: self.attempt.n, change: change.clone() };
        self.ctx.recorder.commit(intent).await.map_err(unrecorded)
    }

    /// A kind does not know where its step stands; the closer takes its place from the opener.
    fn completed(&self, obligation: &Obligation) -> Obligation {
        let mut obligation = obligation.clone();
        let spec = &self.unit.spec;
        // two steps may move the same switch, and each owes the value that it found
        obligation.key = format!("{} by {}", obligation.key, spec.step);
        obligation.closer.step = spec.step.clone();
        obligation.closer.n = spec.n;
        obligation.closer.section = Section::Close;
        obligation.closer.phase.clone_from(&spec.phase);
        obligation
    }

    /// Ended on request; what may still happen on the host is not known to be over.
    fn cancelled(&mut self) -> UnitEnd {
        match self.doubt() {
            Some(doubt) => self.end(Outcome::Unknown, Some(doubt)),
            None => self.end(Outcome::Cancelled, Some(Finding::new("cancelled", "ended on request"))),
        }
    }

    /// The host could not be looked at.
    fn blind(&mut self, finding: Finding) -> UnitEnd {
        if self.ctx.orders.cancel.is_cancelled() {
            return self.cancelled();
        }
        let unreachable = self.link.is_down().then(|| finding.clone());
        UnitEnd { unreachable, ..self.deny(finding) }
    }

    /// A "no" of what was seen.
    fn no(&mut self, finding: Finding) -> UnitEnd {
        if self.observes() && finding.code != "unreadable" {
            return self.end(Outcome::Ok, None);
        }
        self.deny(finding)
    }

    /// What a "no" means depends on where the step stands and on whether something was sent.
    fn deny(&mut self, finding: Finding) -> UnitEnd {
        if let Some(doubt) = self.doubt() {
            return self.end(Outcome::Unknown, Some(doubt));
        }
        let outcome = match (self.unit.spec.section, self.unit.class) {
            (Section::Precheck, _) => Outcome::Refused,
            (_, Class::Action) if self.acted.is_none() => Outcome::Refused,
            _ => Outcome::Failed,
        };
        self.end(outcome, Some(finding))
    }

    fn end(&mut self, outcome: Outcome, finding: Option<Finding>) -> UnitEnd {
        let acted = self.acted.take().map(|(acted, _)| acted);
        let exit_code = acted.as_ref().and_then(|acted| acted.replies.iter().rev().find_map(exit_code));
        UnitEnd {
            outcome,
            changed: acted.is_some(),
            note: self.said.take(),
            finding,
            destroys: acted.as_ref().is_some_and(|acted| acted.change.destroys),
            effects: acted.map(|acted| acted.change.effects).unwrap_or_default(),
            exit_code,
            opened: self.opened.take(),
            unreachable: None,
            done_by: None,
            waived: false,
        }
    }
}

/// How many bytes of output these looks hold.
fn bytes(looks: &[Look]) -> usize {
    let of = |captured: &Captured| captured.head.len() + captured.tail.len();
    let replies = looks.iter().flat_map(|look| &look.replies);
    let shells = replies.filter_map(|reply| if let Reply::Shell(shell) = reply { Some(shell) } else { None });
    shells.map(|shell| of(&shell.stdout) + of(&shell.stderr)).sum()
}

fn unrecorded(error: LogError) -> Finding {
    Finding::new("record-lost", format!("{error}; nothing was sent"))
}

/// Whether the very first op was refused by the guards of its own script.
fn said_no(change: &Change, replies: &[Reply]) -> bool {
    let ([Op::Shell(shell), ..], [Reply::Shell(reply)]) = (change.ops.as_slice(), replies) else { return false };
    shell.guards && matches!(reply.exit, Exit::Code { code } if Shell::GUARDED.contains(&code))
}

fn moved(planned: &Change, now: Result<Verdict, Unreadable>) -> Finding {
    let now = match now {
        Ok(Verdict::Change(change)) => change.effects.join("; "),
        Ok(Verdict::Holds(note) | Verdict::NotYet(note)) => note.summary,
        Ok(Verdict::Refuse(finding)) => finding.summary,
        Ok(Verdict::Again { .. } | Verdict::Ask(_)) => "not enough was seen".to_owned(),
        Err(unreadable) => unreadable.what,
    };
    Finding::new(
        "drifted",
        format!("it changed between the decision and the act: {} was decided, now: {now}", planned.effects.join("; ")),
    )
    .hint("nothing was sent; run again")
}

fn exit_code(reply: &Reply) -> Option<u32> {
    match reply {
        Reply::Shell(shell) => match shell.exit {
            Exit::Code { code } => Some(code),
            _ => None,
        },
        _ => None,
    }
}

/// What a reply to a change means, before the step judges what it did.
enum Grade {
    Done,
    Ended,
    Failed(Finding),
    Doubt(Finding),
    NotSent(Finding),
}

fn grade(reply: &Reply) -> Grade {
    let (exit, held) = match reply {
        Reply::Shell(shell) if matches!(&shell.exit, Exit::NotStarted { why } if why == BECOME_REFUSED) => {
            return Grade::NotSent(Finding::new(BECOME_REFUSED, sudo_said(&shell.stderr)).hint(SUDO_HINT));
        }
        Reply::Shell(shell) => (&shell.exit, shell.stdout.held || shell.stderr.held),
        Reply::Http(HttpReply::Fault { class, message, sent }) => {
            let finding = Finding::new(class, message.clone());
            return if *sent { Grade::Doubt(finding) } else { Grade::NotSent(finding) };
        }
        Reply::Http(HttpReply::Answer(_)) | Reply::Pm2(_) | Reply::Answer(_) => return Grade::Done,
    };
    match exit {
        Exit::Code { code: 0 } => Grade::Done,
        Exit::Code { .. } => Grade::Ended,
        Exit::Signal { name } => Grade::Failed(Finding::new("signal", format!("ended by SIG{name}"))),
        Exit::TimedOut => Grade::Failed(Finding::new("timeout", "took too long, was ended on the host and seen to be gone")),
        Exit::NotStarted { why } => Grade::NotSent(match why.split_once(": ") {
            // a word, and what there is to say of it
            Some((word, what)) => Finding::new(word, format!("it was not sent: {what}")),
            None => Finding::new(why, "it was not sent"),
        }),
        Exit::Unknown { why } if why == "two-statuses" || why == "two-answers" => Grade::Doubt(
            Finding::new(why, "it was sent, and what came back contradicts itself: it is not believed")
                .hint("find out what answers there, then look at the host before anything is run again"),
        ),
        Exit::Unknown { why } => {
            let finding = Finding::new(why, "it was sent and no exit status came back");
            let finding = finding.hint("look at the host before anything is run again");
            Grade::Doubt(if held { finding.evidence(seen::HELD) } else { finding })
        }
    }
}
