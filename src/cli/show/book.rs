//! A runbook explained: what it is for, what it asks for, what it does in which order.

use std::fmt::Write as _;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::cli::args::Form;
use crate::cli::failure::Failure;
use crate::cli::fleet::unusable;
use crate::cli::output::{counted, json, present, print};
use crate::cli::settings::Settings;
use crate::load::runbook as loader;
use crate::model::outcome::Risk;
use crate::model::plan::{Phase, Section};
use crate::model::runbook::{Runbook, StepDecl, VarDecl, VarType};
use crate::model::time::millis;
use crate::model::visible::visible;
use crate::report::paint::{Paint, Tone};
use crate::state::summary::quoted;
use crate::state::words;
use crate::steps::{Class, kind};

/// What `runbook show NAME --output json` prints: a runbook explained.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Book {
    /// Its name.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// One line.
    pub title: String,
    /// A few sentences.
    pub about: String,
    /// A link.
    pub docs: Option<String>,
    /// Free labels.
    pub tags: Vec<String>,
    /// What its steps can do to a host at most, computed.
    pub risk: Risk,
    /// What its author claims.
    pub claimed: Risk,
    /// Its variables.
    pub vars: Vec<BookVar>,
    /// Labels with a time budget.
    pub phases: Vec<Phase>,
    /// The sizes of the batches; the last one repeats.
    pub batches: Vec<String>,
    /// No further batch once this many hosts have failed.
    pub max_failures: String,
    /// How many hosts may be out of service at a time, where that is bounded.
    pub max_out: Option<String>,
    /// How long finished hosts are watched after each batch.
    #[serde(rename = "soak_ms", with = "millis")]
    #[schemars(with = "u64")]
    pub soak: std::time::Duration,
    /// Its steps, in the order of a host.
    pub steps: Vec<BookStep>,
    /// Evidence that this runbook is the one to use.
    pub signatures: Vec<BookSignature>,
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BookVar {
    /// Its name.
    pub name: String,
    /// `string`, `int`, `port`, `bool`, `duration`, `size`, `path`, `url`, `enum` or `list`.
    pub r#type: String,
    /// Its value where nothing else sets it; none: it must be set.
    pub default: Option<Value>,
    /// What a text must match as a whole.
    pub pattern: Option<String>,
    /// The words it takes, where it takes words.
    pub values: Vec<String>,
    /// One line.
    pub about: Option<String>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BookStep {
    /// From 1.
    pub n: usize,
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub section: Section,
    /// Its kind.
    pub kind: String,
    /// A few words, or those of its kind.
    pub title: String,
    /// What it does and why.
    pub about: Option<String>,
    /// The phase it belongs to.
    pub phase: Option<String>,
    /// The condition under which it runs.
    pub when: Option<String>,
    /// What it would change; none: it only looks.
    pub changes: Option<String>,
    /// Whether it only looks and records.
    pub observe: bool,
    /// Whether its failure is kept as a finding only.
    pub optional: bool,
}

/// A signature.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BookSignature {
    /// A few words, or those of its kind.
    pub title: String,
    /// Its kind.
    pub kind: String,
}

/// Explains a runbook; a broken one is told with everything that is wrong with it.
pub(super) fn show(name: &str, settings: &Settings) -> Result<u8, Failure> {
    let path = loader::find(&settings.runbooks, name).map_err(|missing| {
        let failure = Failure::invalid(missing.message).hint(settings.flags.of_run("runbook list"));
        missing.hint.into_iter().fold(failure, Failure::hint)
    })?;
    let runbook = loader::load(&path).map_err(|errors| unusable("the runbook", &errors))?;
    let book = Book::of(&runbook);
    match settings.output {
        Form::Json => json(&book)?,
        Form::Quiet => print(&book.steps.iter().map(|step| format!("{}\n", step.id)).collect::<String>())?,
        Form::Human => {
            let run = settings.flags.of_run(&format!("runbook run {} --hosts SEL --dry-run", quoted(&book.name)));
            present(settings, &text(&book, Paint { color: settings.color }, &run))?;
        }
    }
    Ok(0)
}

impl Book {
    /// Of a checked runbook.
    pub fn of(runbook: &Runbook) -> Self {
        let risks = runbook.steps.iter().filter_map(|step| kind(&step.kind)).map(|kind| kind.risk);
        Self {
            name: runbook.name.to_string(),
            file: runbook.path.clone(),
            sha256: runbook.sha256.clone(),
            title: runbook.title.clone(),
            about: runbook.about.clone(),
            docs: runbook.docs.clone(),
            tags: runbook.tags.clone(),
            risk: risks.max().unwrap_or(Risk::ReadOnly),
            claimed: runbook.risk,
            vars: runbook.vars.iter().map(BookVar::of).collect(),
            phases: runbook.phases.clone(),
            batches: runbook.rollout.batches.iter().map(ToString::to_string).collect(),
            max_failures: runbook.rollout.max_failures.to_string(),
            max_out: runbook.rollout.max_out.map(|out| out.to_string()),
            soak: runbook.rollout.soak,
            steps: (1..).zip(&runbook.steps).map(|(n, step)| BookStep::of(n, step)).collect(),
            signatures: runbook
                .signatures
                .iter()
                .map(|s| BookSignature { title: titled(s.name.as_ref(), &s.kind), kind: s.kind.clone() })
                .collect(),
        }
    }
}

impl BookVar {
    fn of(var: &VarDecl) -> Self {
        let word = VarType::WORDS.iter().find(|(_, ty)| *ty == var.ty).map_or("string", |(word, _)| *word);
        Self {
            name: var.name.to_string(),
            r#type: word.to_owned(),
            default: var.default.clone(),
            pattern: var.pattern.clone(),
            values: var.values.clone(),
            about: var.about.clone(),
        }
    }
}

impl BookStep {
    fn of(n: usize, step: &StepDecl) -> Self {
        let kind = kind(&step.kind);
        let changes = kind.filter(|kind| kind.class == Class::Action).map(|kind| {
            let says = kind.about.lines().find_map(|line| line.trim().strip_prefix("Would change:"));
            says.unwrap_or(kind.title).trim().to_owned()
        });
        Self {
            n,
            id: step.id.to_string(),
            section: step.section,
            kind: step.kind.clone(),
            title: titled(step.name.as_ref(), &step.kind),
            about: step.about.clone(),
            phase: step.phase.clone(),
            when: step.when.clone(),
            changes,
            observe: step.observe,
            optional: step.optional,
        }
    }
}

fn titled(name: Option<&String>, of: &str) -> String {
    name.cloned().unwrap_or_else(|| kind(of).map_or(of, |kind| kind.title).to_owned())
}

fn text(book: &Book, paint: Paint, run: &str) -> String {
    let mut out = String::new();
    // writing to a String does not fail
    let mut line = |text: &str| {
        let _ = writeln!(out, "{}", text.trim_end());
    };
    line(&format!("{}  {}", paint.word(&book.name, Tone::Strong), visible(&book.title)));
    for about in book.about.lines() {
        line(&format!("  {}", visible(about)));
    }
    let claimed = if book.claimed == book.risk { String::new() } else { format!(" (its author says {})", book.claimed) };
    line(&format!("  risk {}{claimed}; {}", book.risk, visible(&book.file.display().to_string())));
    let out_of = book.max_out.as_ref().map_or_else(String::new, |out| format!(", at most {out} out of service"));
    let soak = if book.soak.is_zero() { String::new() } else { format!(", watched for {}", words::took(book.soak)) };
    line(&format!("  batches {}; stops at {} failed{out_of}{soak}", book.batches.join(", "), book.max_failures));
    if let Some(docs) = &book.docs {
        line(&format!("  docs {}", visible(docs)));
    }
    if !book.vars.is_empty() {
        line("\nvariables");
    }
    for var in &book.vars {
        let default = var.default.as_ref().map_or_else(|| "must be set".to_owned(), |value| format!("default {value}"));
        let values = if var.values.is_empty() { String::new() } else { format!(" of {}", var.values.join(", ")) };
        let about = var.about.as_ref().map_or_else(String::new, |about| format!("  {about}"));
        line(&visible(&format!("  {}  {}{values}, {default}{about}", var.name, var.r#type)));
    }
    let mut section = None;
    for step in &book.steps {
        if section != Some(step.section) {
            section = Some(step.section);
            line(&format!("\n{}", heading(step.section)));
        }
        let phase = book.phases.iter().find(|phase| Some(&phase.name) == step.phase.as_ref());
        let budget =
            phase.and_then(|phase| phase.budget).map_or_else(String::new, |time| format!(" within {}", words::took(time)));
        let phase = step.phase.as_ref().map_or_else(String::new, |phase| format!("  [{phase}{budget}]"));
        let (n, id) = (step.n, paint.word(&step.id, Tone::Strong));
        line(&format!("  {n:>2} {id}  {}: {}{}", step.kind, visible(&step.title), visible(&phase)));
        for (what, said) in [("", &step.about), ("when ", &step.when), ("would change: ", &step.changes)] {
            if let Some(said) = said {
                line(&format!("       {what}{}", visible(said)));
            }
        }
        if step.observe {
            line("       looks and records only: whatever it sees is ok");
        }
        if step.optional {
            line("       optional: its failure does not make the host failed");
        }
    }
    if !book.signatures.is_empty() {
        line(&format!("\nit is the one to use where {} hold", counted(book.signatures.len(), "sign")));
    }
    for signature in &book.signatures {
        line(&format!("  {}: {}", signature.kind, visible(&signature.title)));
    }
    line(&format!("\ntry: {run}"));
    out
}

fn heading(section: Section) -> &'static str {
    match section {
        Section::Precheck => "pre-checks: a no leaves the host untouched",
        Section::Step => "steps",
        Section::Verify => "verification: polled until it holds or is late",
        Section::VerifyAfterClose => "verification after everything is closed",
        Section::Close => "closing",
    }
}
