//! What plans need to know of the kinds: the one place where both are known.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::model::fields::{Context, FieldError};
use crate::model::outcome::Risk;
use crate::model::template::late;
use crate::plan::build::Kinds;
use crate::steps::{instantiate, kind};

/// The kinds that are built in.
pub const KINDS: Kinds = Kinds { risk, check };

fn risk(name: &str) -> Option<Risk> {
    kind(name).map(|kind| kind.risk)
}

/// What is filled in when a step is reached cannot be judged before; everything else of the step can.
fn check(name: &str, fields: &Map<String, Value>, context: Context<'_>) -> Vec<FieldError> {
    let late: BTreeSet<String> = late(fields).into_iter().filter_map(|placeholder| placeholder.path.into_iter().next()).collect();
    let errors = instantiate(name, fields, context).and_then(Result::err).unwrap_or_default();
    errors.into_iter().filter(|error| !error.path.first().is_some_and(|key| late.contains(key))).collect()
}
