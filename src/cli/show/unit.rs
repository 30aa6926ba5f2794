//! A step on a host as the record tells: every look with its replies, what was decided, what was sent, how it ended.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::show::recorded::tell_finding;
use crate::model::event::{Event, EventKind, PlannedStep};
use crate::model::finding::Finding;
use crate::model::id::{HostName, RunId, StepId};
use crate::model::op::Op;
use crate::model::outcome::Outcome;
use crate::model::step::{Change, Note, Obligation};
use crate::model::time::Timestamp;
use crate::model::visible::{clip, text_of};
use crate::report::paint::{Paint, Tone};
use crate::state::words;

/// The most lines of a reply that a person is shown; twice as verbose, so many times more.
const LINES: usize = 12;
/// The most columns of such a line.
const COLUMNS: usize = 160;

/// What `runbook show RUN HOST STEP --output json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ShownUnit {
    /// The run.
    pub run: RunId,
    /// The host.
    pub host: HostName,
    /// Whether it was simulated.
    pub sim: bool,
    /// Its number, from 1.
    pub n: u32,
    /// The step.
    pub step: StepId,
    /// Its kind.
    pub kind: String,
    /// What became of it last; none where it did not end.
    pub outcome: Option<Outcome>,
    /// What was told of it, in order.
    pub events: Vec<Told>,
}

/// Something that was recorded of a step on a host.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Told {
    /// The number of the event.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// What it would do.
    Preview {
        /// The outcome in the preview.
        outcome: Outcome,
        /// One line.
        summary: String,
        /// What would be done.
        effects: Vec<String>,
    },
    /// It began.
    Started {
        /// From 1.
        attempt: u32,
    },
    /// Something was looked at.
    Seen {
        /// Which look, from 1.
        look: usize,
        /// What was looked at.
        ops: Vec<String>,
        /// What came back, as far as it is kept.
        replies: Vec<Value>,
    },
    /// What a look came to.
    Judged {
        /// Which look, from 1.
        look: usize,
        /// The word, the line, the values.
        note: Note,
    },
    /// A change was about to be made.
    Intent {
        /// From 1.
        attempt: u32,
        /// The change, with its undo.
        change: Box<Change>,
    },
    /// Something was opened that must be closed.
    Opened {
        /// What.
        obligation: Box<Obligation>,
    },
    /// A command printed something.
    Output {
        /// `stdout` or `stderr`.
        stream: String,
        /// What.
        text: String,
    },
    /// It ended.
    Finished {
        /// From 1.
        attempt: u32,
        /// What became of it.
        outcome: Outcome,
        /// Whether a change was sent.
        changed: bool,
        /// The exit status of its last command, where one was received.
        exit_code: Option<u32>,
        /// Why, where it is not fine.
        finding: Option<Finding>,
        /// What was done.
        effects: Vec<String>,
        /// How long it took.
        duration_ms: u64,
    },
}

impl ShownUnit {
    /// Of the events of a run.
    pub fn of(run: &RunId, host: &HostName, planned: &PlannedStep, events: &[Event]) -> Self {
        let sim = events.iter().any(|event| matches!(event.kind, EventKind::StreamStart { sim: true, .. }));
        let of_host = events.iter().filter(|event| event.kind.host() == Some(host));
        let told: Vec<Told> = of_host
            .filter_map(|event| Some(Told { seq: event.seq, at: event.ts, what: what(&event.kind, &planned.id)? }))
            .collect();
        let outcome = told.iter().rev().find_map(|told| match told.what {
            What::Finished { outcome, .. } => Some(outcome),
            _ => None,
        });
        let (n, step, kind) = (planned.n, planned.id.clone(), planned.kind.clone());
        Self { run: run.clone(), host: host.clone(), sim, n, step, kind, outcome, events: told }
    }
}

fn what(kind: &EventKind, of: &StepId) -> Option<What> {
    use EventKind as E;
    Some(match kind {
        E::PreviewStep { step, outcome, summary, effects, .. } if step == of => {
            What::Preview { outcome: *outcome, summary: summary.clone(), effects: effects.clone() }
        }
        E::StepStarted { step, attempt, .. } if step == of => What::Started { attempt: *attempt },
        E::StepSeen { step, look, ops, replies, .. } if step == of => {
            What::Seen { look: *look, ops: ops.clone(), replies: replies.clone() }
        }
        E::StepJudged { step, look, note, .. } if step == of => What::Judged { look: *look, note: note.clone() },
        E::StepIntent { step, attempt, change, .. } if step == of => {
            What::Intent { attempt: *attempt, change: Box::new(change.clone()) }
        }
        E::ObligationOpened { step, obligation, .. } if step == of => What::Opened { obligation: Box::new(obligation.clone()) },
        E::StepOutput { step, stream, text, .. } if step == of => What::Output { stream: stream.clone(), text: text.clone() },
        E::StepFinished { step, attempt, outcome, changed, exit_code, finding, effects, duration_ms, .. } if step == of => {
            What::Finished {
                attempt: *attempt,
                outcome: *outcome,
                changed: *changed,
                exit_code: *exit_code,
                finding: finding.clone(),
                effects: effects.clone(),
                duration_ms: *duration_ms,
            }
        }
        _ => return None,
    })
}

/// All of it in words, replies cut to what a person reads; `--verbose` shows more of them.
pub(super) fn tell(out: &mut dyn Write, paint: Paint, shown: &ShownUnit, verbose: u8) -> io::Result<()> {
    let sim = words::sim(shown.sim);
    let head = format!("{sim}run {}  host {}  step {} {} ({})", shown.run, shown.host, shown.n, shown.step, shown.kind);
    writeln!(out, "{}", paint.word(&head, Tone::Strong))?;
    if shown.events.is_empty() {
        return paint.under(out, "nothing is recorded of it: the host did not come that far");
    }
    let most = LINES * usize::from(verbose).saturating_mul(8).max(1);
    let mut sent = false;
    for told in &shown.events {
        match &told.what {
            // a step without looks has nothing to show of them
            What::Seen { ops, .. } if ops.is_empty() => {}
            What::Seen { ops, replies, .. } if sent => {
                paint.line(out, "answered", Tone::Plain, &format!("{}Z", told.at.clock()))?;
                tell_replies(out, paint, ops, replies, most)?;
            }
            _ => one(out, paint, told, most)?,
        }
        // what comes right after a change was sent is its answer
        sent = matches!(told.what, What::Intent { .. } | What::Opened { .. });
    }
    Ok(())
}

fn one(out: &mut dyn Write, paint: Paint, told: &Told, most: usize) -> io::Result<()> {
    let mut line = |verb: &str, tone: Tone, text: &str| {
        paint.line(out, verb, tone, &format!("{}Z  {}", told.at.clock(), clip(text, COLUMNS)))
    };
    match &told.what {
        What::Preview { outcome, summary, effects } => {
            line("preview", Tone::Dim, &format!("{outcome}: {summary}"))?;
            effects.iter().try_for_each(|effect| paint.under(out, &format!("   + {effect}")))
        }
        What::Started { attempt } => line("started", Tone::Dim, &format!("attempt {attempt}")),
        What::Seen { look, ops, replies } => {
            line("looked", Tone::Plain, &format!("look {look}"))?;
            tell_replies(out, paint, ops, replies, most)
        }
        What::Judged { look, note } => {
            line("judged", Tone::Plain, &format!("look {look}: {} - {}", note.word, note.summary))?;
            let values: Vec<String> = note.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
            if values.is_empty() { Ok(()) } else { paint.under(out, &format!("   {}", clip(&values.join(" "), COLUMNS))) }
        }
        What::Intent { attempt, change } => {
            line("sends", Tone::Strong, &format!("attempt {attempt}: {}", change.why.summary))?;
            change.effects.iter().try_for_each(|effect| paint.under(out, &format!("   + {effect}")))?;
            change.ops.iter().try_for_each(|op| paint.under(out, &format!("   {}", op.label())))?;
            let undo: Vec<String> = change.undo.iter().map(Op::label).collect();
            if undo.is_empty() { Ok(()) } else { paint.under(out, &format!("   undone by {}", undo.join("; "))) }
        }
        What::Opened { obligation } => {
            line("OPEN", Tone::Warn, &format!("{} {} → {}", obligation.title, obligation.was, obligation.set))
        }
        What::Output { stream, text } => {
            line(stream, Tone::Plain, "")?;
            tell_text(out, paint, text, most)
        }
        What::Finished { outcome, exit_code, finding, effects, duration_ms, .. } => {
            let exit = exit_code.map_or_else(String::new, |code| format!(", exit {code}"));
            let took = crate::state::words::took(crate::state::words::millis(*duration_ms));
            let tone = if outcome.is_fine() { Tone::Strong } else { Tone::Bad };
            line("ended", tone, &format!("{outcome}{exit} after {took}"))?;
            effects.iter().try_for_each(|effect| paint.under(out, &format!("   + {effect}")))?;
            finding.as_ref().map_or(Ok(()), |finding| tell_finding(out, paint, finding))
        }
    }
}

fn tell_replies(out: &mut dyn Write, paint: Paint, ops: &[String], replies: &[Value], most: usize) -> io::Result<()> {
    for (op, reply) in ops.iter().zip(replies) {
        paint.under(out, &format!("   {op}"))?;
        tell_reply(out, paint, reply, most)?;
    }
    Ok(())
}

/// Texts of a reply by line, everything else as it is.
fn tell_reply(out: &mut dyn Write, paint: Paint, reply: &Value, most: usize) -> io::Result<()> {
    let Some(fields) = reply.as_object() else { return tell_text(out, paint, &reply.to_string(), most) };
    for (name, value) in fields {
        match value {
            Value::String(text) if text.trim().is_empty() => {}
            Value::String(text) => {
                paint.under(out, &format!("   {name}"))?;
                tell_text(out, paint, text, most)?;
            }
            Value::Object(stream) if stream.contains_key("bytes") => tell_stream(out, paint, name, stream, most)?,
            other => paint.under(out, &format!("   {name} {}", clip(&other.to_string(), COLUMNS)))?,
        }
    }
    Ok(())
}

/// A stream of which not all is kept, or which is no text.
fn tell_stream(out: &mut dyn Write, paint: Paint, name: &str, stream: &Map<String, Value>, most: usize) -> io::Result<()> {
    let hash = stream.get("sha256").and_then(Value::as_str).map_or_else(String::new, |hash| format!(", sha256 {hash}"));
    paint.under(out, &format!("   {name} {} bytes{hash}", stream["bytes"]))?;
    for (part, value) in stream {
        match (part.strip_suffix("_base64"), value) {
            (Some(part), Value::String(text)) => {
                paint.under(out, &format!("   {part}, no UTF-8"))?;
                let bytes = STANDARD.decode(text).unwrap_or_else(|_| text.clone().into_bytes());
                tell_text(out, paint, &text_of(&bytes), most)?;
            }
            (None, Value::String(text)) if part != "sha256" => {
                paint.under(out, &format!("   {part}"))?;
                tell_text(out, paint, text, most)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn tell_text(out: &mut dyn Write, paint: Paint, text: &str, most: usize) -> io::Result<()> {
    let all = text.lines().count();
    text.lines().take(most).try_for_each(|line| paint.under(out, &format!("   | {}", clip(line, COLUMNS))))?;
    match all.saturating_sub(most) {
        0 => Ok(()),
        more => paint.under(out, &format!("   | {more} more lines: --verbose shows more, --output json all")),
    }
}
