//! What plans need to know of the kinds: the one place where both are known.

use serde_json::{Map, Value};

use crate::model::fields::{Context, FieldError};
use crate::model::outcome::Risk;
use crate::plan::build::Kinds;
use crate::steps::{instantiate, kind};

/// The kinds that are built in.
pub const KINDS: Kinds = Kinds { risk, runs, check };

fn risk(name: &str) -> Option<Risk> {
    kind(name).map(|kind| kind.risk)
}

fn runs(name: &str) -> bool {
    kind(name).is_some_and(|kind| kind.runs)
}

fn check(name: &str, fields: &Map<String, Value>, context: Context<'_>) -> Vec<FieldError> {
    instantiate(name, fields, context).and_then(Result::err).unwrap_or_default()
}
