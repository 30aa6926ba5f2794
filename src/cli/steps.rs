//! `runbook steps`: the reference of the kinds, from the kinds themselves.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::args::Form;
use crate::cli::failure::Failure;
use crate::cli::output::{json, present, print};
use crate::cli::settings::Settings;
use crate::model::fields::nearest;
use crate::model::outcome::Risk;
use crate::model::visible::literal;
use crate::steps::{Class, KINDS, Key, Kind, kind};

/// Arguments of `runbook steps`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Explain this kind
    #[arg(value_name = "KIND")]
    pub kind: Option<String>,
}

/// The widest line.
const WIDTH: usize = 100;

/// A line of `runbook steps --output json`: a kind of steps.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Explained {
    /// Its name.
    pub kind: &'static str,
    /// One line.
    pub title: &'static str,
    /// `check`, `action` or `wait`.
    #[schemars(extend("enum" = ["check", "action", "wait"]))]
    pub class: &'static str,
    /// What it can do to a host.
    pub risk: Risk,
    /// What it looks at, what follows, what it would change, how that is undone.
    pub about: &'static str,
    /// Its keys.
    pub keys: Vec<ExplainedKey>,
    /// What it can come to.
    pub verdicts: Vec<ExplainedVerdict>,
}

/// A key of a kind.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ExplainedKey {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it says.
    pub about: &'static str,
}

/// A word that a kind can come to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ExplainedVerdict {
    /// The word.
    pub word: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

impl Explained {
    fn of(kind: &'static Kind) -> Self {
        let class = match kind.class {
            Class::Check => "check",
            Class::Wait => "wait",
            Class::Action => "action",
        };
        let key = |key: &'static Key| ExplainedKey { name: key.name, required: key.required, about: key.about };
        let verdict = |(word, meaning): &(&'static str, &'static str)| ExplainedVerdict { word, meaning };
        Self {
            kind: kind.name,
            title: kind.title,
            class,
            risk: kind.risk,
            about: kind.about,
            keys: kind.keys.iter().map(key).collect(),
            verdicts: kind.verdicts.iter().map(verdict).collect(),
        }
    }
}

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let one = args.kind.as_ref().map(|name| kind(name).ok_or_else(|| unknown(name))).transpose()?;
    let kinds = one.map_or_else(|| KINDS.to_vec(), |kind| vec![kind]);
    match (settings.output, one) {
        (Form::Json, _) => kinds.into_iter().try_for_each(|kind| json(&Explained::of(kind)))?,
        (Form::Quiet, _) => print(&kinds.iter().map(|kind| format!("{}\n", kind.name)).collect::<String>())?,
        (Form::Human, None) => present(settings, &list(KINDS))?,
        (Form::Human, Some(kind)) => present(settings, &explain(kind))?,
    }
    Ok(0)
}

fn unknown(name: &str) -> Failure {
    let failure = Failure::invalid(format!("there is no kind `{}`", literal(name)));
    match nearest(name, KINDS.iter().map(|kind| kind.name)) {
        Some(near) => failure.hint(format!("runbook steps {near}")),
        None => failure.hint("runbook steps"),
    }
}

fn list(kinds: &[&Kind]) -> String {
    let width = kinds.iter().map(|kind| kind.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (class, title) in [
        (Class::Check, "checks: look only, allowed everywhere"),
        (Class::Action, "actions: in [[step]] only"),
        (Class::Wait, "waits: in [[step]] only"),
    ] {
        let of_class: Vec<&&Kind> = kinds.iter().filter(|kind| kind.class == class).collect();
        if of_class.is_empty() {
            continue;
        }
        // writing to a String does not fail
        let _ = writeln!(out, "{title}");
        for kind in of_class {
            let _ = writeln!(out, "  {:width$}  {}", kind.name, kind.title);
        }
        out.push('\n');
    }
    out.push_str("runbook steps KIND explains one of them\n");
    out
}

fn explain(kind: &Kind) -> String {
    let class = match kind.class {
        Class::Check => "a check",
        Class::Wait => "a wait",
        Class::Action => "an action",
    };
    let mut out = format!("{}: {}\n{class}, {}\n\n", kind.name, kind.title, kind.risk);
    for paragraph in kind.about.lines().filter(|line| !line.trim().is_empty()) {
        fill(&mut out, "  ", paragraph);
    }
    out.push_str("\nkeys\n");
    let names = kind.keys.iter().map(|key| key.name.len() + usize::from(!key.required));
    let width = names.max().unwrap_or(0);
    for key in kind.keys {
        let name = if key.required { key.name.to_owned() } else { format!("{}?", key.name) };
        fill(&mut out, &format!("  {name:width$}  "), key.about);
    }
    out.push_str("\nverdicts\n");
    let width = kind.verdicts.iter().map(|(word, _)| word.len()).max().unwrap_or(0);
    for (word, meaning) in kind.verdicts {
        fill(&mut out, &format!("  {word:width$}  "), meaning);
    }
    out
}

/// Words after a head, on as many lines as they need, all of them as far in as the first.
fn fill(out: &mut String, head: &str, text: &str) {
    let indent = head.chars().count();
    out.push_str(head);
    let mut column = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > indent && column + 1 + length > WIDTH {
            let _ = write!(out, "\n{:indent$}", "");
            column = indent;
        }
        if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, explain, fill, list, unknown};
    use crate::steps::{KINDS, kind};

    #[test]
    fn a_kind_is_explained_by_its_own_words() {
        let want = "\
require: a read-only command must succeed
a check, read-only

  Looks at: the exit status and the output of `run`, a POSIX sh script of yours that must change
  nothing: it runs in every dry run and may run many times. The runbook's variables are in its
  environment under their own names; nothing is ever put into its text. It may take 10 s.
  Follows: the status must be `exit`, then the output must match `stdout`, then every value of
  `capture` must be in it, and is kept as `steps.ID.NAME`. A command that the shell cannot find or
  run, that a signal ended, or whose output is wanted and is not UTF-8 or was cut is unreadable,
  never fine.
  Would change: nothing. Its claims count as \"seen, own command\".
  Undone: nothing to undo.

keys
  run       the command, POSIX sh; variables as \"$name\"
  exit?     the status wanted, 0 to 255; default 0
  stdout?   the output wanted, without blanks at its ends: a text, or { match = \"regex\" }
  capture?  table of values to take from the output: { sha = { from = \"stdout:trim\", type =
            \"string\", pattern = \"[0-9a-f]{40}\" } }; `from` is stdout or stderr with :trim (default),
            :line:N (-1 is the last), :json:/pointer or :match:REGEX (its first group); a type as in
            [vars], default string; without a pattern a text may be shown, compared and passed as
            environment only

verdicts
  holds         the command ended as wanted
  wrong-exit    it ended with another status
  wrong-output  its output is another
  capture       it ended as wanted, and a value is not in its output or is none of its type and
                pattern
";
        assert_eq!(explain(kind("require").expect("it is a kind")), want);
    }

    #[test]
    fn every_kind_is_listed_and_explained() {
        let listed = list(KINDS);
        for kind in KINDS {
            assert!(listed.lines().any(|line| line.trim_start().split("  ").next() == Some(kind.name)), "{}", kind.name);
            assert!(!kind.about.is_empty() && !kind.verdicts.is_empty(), "{}", kind.name);
            assert!(explain(kind).lines().all(|line| line.chars().count() <= WIDTH), "{}", kind.name);
        }
    }

    #[test]
    fn a_misspelt_kind_is_guessed() {
        assert_eq!(unknown("htp").to_string(), "error: there is no kind `htp`\n  try: runbook steps http\n");
        assert_eq!(unknown("qqq").to_string(), "error: there is no kind `qqq`\n  try: runbook steps\n");
    }

    #[test]
    fn a_word_that_is_too_long_stands_alone() {
        let mut out = String::new();
        fill(&mut out, "  ", &format!("a {} b", "x".repeat(WIDTH)));
        assert_eq!(out, format!("  a\n  {}\n  b\n", "x".repeat(WIDTH)));
    }
}
