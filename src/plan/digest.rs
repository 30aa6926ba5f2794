//! The fingerprint of a plan: the same plan always gives the same one, whatever order its maps were built in.

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::model::plan::Plan;

/// SHA-256 over everything in a plan but its digest, in hex.
pub fn digest(plan: &Plan) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(plan)?;
    if let Some(map) = value.as_object_mut() {
        map.remove("digest");
    }
    Ok(sha256(&value))
}

/// SHA-256 over a value in its canonical form, in hex.
pub fn sha256(value: &Value) -> String {
    format!("{:x}", Sha256::digest(canonical(value).as_bytes()))
}

/// JSON with sorted keys and without space.
pub fn canonical(value: &impl Serialize) -> String {
    // a value made of JSON always becomes JSON again
    serde_json::to_value(value).map(|value| sorted(&value).to_string()).unwrap_or_default()
}

/// Sorted by hand, since a feature of a dependency could make maps keep their order of insertion.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            Value::Object(keys.into_iter().filter_map(|key| Some((key.clone(), sorted(map.get(key)?)))).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}
