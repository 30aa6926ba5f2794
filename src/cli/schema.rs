//! `runbook schema`: the JSON Schema of what this program prints for other programs, from the types that are printed.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value;

use crate::cli::exec::Answered;
use crate::cli::failure::Failure;
use crate::cli::history::Ran;
use crate::cli::hosts::Hosted;
use crate::cli::lint::Found;
use crate::cli::list::Listed;
use crate::cli::output::print;
use crate::cli::show::{Book, ShownHost, ShownRun, ShownUnit};
use crate::cli::steps::Explained;
use crate::cli::timeline::Document;
use crate::model::event::Event;

/// Arguments of `runbook schema`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Of what
    #[arg(value_name = "WHAT")]
    pub what: What,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// A line of `runbook run --output json` and `runbook close --output json`
    Events,
    /// A line of `runbook hosts`, with or without --probe
    Hosts,
    /// A line of `runbook exec`
    Exec,
    /// A line of `runbook steps`
    Steps,
    /// A line of `runbook list`
    List,
    /// What `runbook show NAME` prints
    Show,
    /// What `runbook show RUN` prints
    ShowRun,
    /// What `runbook show RUN HOST` prints
    ShowHost,
    /// What `runbook show RUN HOST STEP` prints
    ShowStep,
    /// A line of `runbook history`
    History,
    /// A line of `runbook lint`
    Lint,
    /// What `runbook timeline` prints
    Timeline,
    /// What is printed where a command cannot do its job
    Error,
}

/// A line of `runbook run --output json`: an event, as it is recorded; or, where nothing could be run or the record was
/// lost, an error. The first event is `stream.start` with the version of this schema, the last is `run.finished`; a stream
/// that ends by neither that nor an error was cut off. Within a major version types and fields are only added: a reader
/// skips what it does not know.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(title = "runbook.events/1.0")]
#[allow(dead_code, reason = "only its schema is used")]
enum Line {
    Event(Box<Event>),
    Error(Failure),
}

/// Does it.
pub fn run(args: &Args) -> Result<u8, Failure> {
    print(&text(args.what)?)?;
    Ok(0)
}

/// The schema as it is printed.
pub fn text(what: What) -> Result<String, Failure> {
    let schema = match what {
        What::Events => of::<Line>(),
        What::Hosts => of::<Hosted>(),
        What::Exec => of::<Answered>(),
        What::Steps => of::<Explained>(),
        What::List => of::<Listed>(),
        What::Show => of::<Book>(),
        What::ShowRun => of::<ShownRun>(),
        What::ShowHost => of::<ShownHost>(),
        What::ShowStep => of::<ShownUnit>(),
        What::History => of::<Ran>(),
        What::Lint => of::<Found>(),
        What::Timeline => of::<Document>(),
        What::Error => of::<Failure>(),
    };
    let text = serde_json::to_string_pretty(&schema);
    text.map(|text| text + "\n").map_err(|error| Failure::new(70, format!("the schema cannot be written: {error}")))
}

/// As it is written, not as it is read: what is always there is required.
fn of<T: JsonSchema>() -> Schema {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.transforms.push(Box::new(RecursiveTransform(flowing)));
    settings.into_generator().into_root_schema_for::<T>()
}

/// The lines of the source are no lines of a description.
fn flowing(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}
