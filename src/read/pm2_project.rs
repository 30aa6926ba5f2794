//! What may be known of PM2's process entries: a closed list of fields. Everything else, above all the environments
//! with their secrets, is dropped.

use serde_json::{Map, Value};

const ENTRY: [&str; 3] = ["pid", "name", "pm_id"];
const PM2_ENV: [&str; 21] = [
    "status",
    "namespace",
    "restart_time",
    "unstable_restarts",
    "pm_uptime",
    "created_at",
    "exit_code",
    "exec_mode",
    "instances",
    "pm_cwd",
    "pm_exec_path",
    "version",
    "node_version",
    "max_restarts",
    "min_uptime",
    "unique_id",
    "username",
    "PORT",
    "pm_out_log_path",
    "pm_err_log_path",
    "autorestart",
];
const MAX_TEXT: usize = 4096;

/// Keeps the known fields of every entry. What is no list of entries becomes null.
pub fn project(value: &Value) -> Value {
    match value {
        Value::Array(entries) => Value::Array(entries.iter().map(entry).collect()),
        _ => Value::Null,
    }
}

fn entry(value: &Value) -> Value {
    let mut kept = pick(value, &ENTRY);
    let memory = pick(value.get("monit").unwrap_or(&Value::Null), &["memory"]);
    if !memory.is_empty() {
        kept.insert("monit".to_owned(), Value::Object(memory));
    }
    if let Some(env) = value.get("pm2_env") {
        let mut about = pick(env, &PM2_ENV);
        if !about.contains_key("PORT")
            && let Some(inner) = env.get("env")
        {
            about.append(&mut pick(inner, &["PORT"]));
        }
        kept.insert("pm2_env".to_owned(), Value::Object(about));
    }
    Value::Object(kept)
}

/// Those of `names` that hold a plain value; a table could hide anything.
fn pick(value: &Value, names: &[&str]) -> Map<String, Value> {
    let plain = |value: &Value| match value {
        Value::String(text) => text.len() <= MAX_TEXT,
        Value::Array(_) | Value::Object(_) => false,
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    };
    let found = names.iter().filter_map(|name| Some((*name, value.get(name)?)));
    found.filter(|(_, value)| plain(value)).map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::{ENTRY, PM2_ENV, project};

    const SAMPLES: [&str; 3] = [
        include_str!("../../tests/cases/samples/raw/dup-port-errored.rpc.json"),
        include_str!("../../tests/cases/samples/raw/ok-cluster.rpc.json"),
        include_str!("../../tests/cases/samples/raw/missing-cwd.rpc.json"),
    ];

    fn leaves(value: &Value, path: &str, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| leaves(value, &format!("{path}/{key}"), into)),
            Value::Array(list) => list.iter().for_each(|value| leaves(value, path, into)),
            _ => drop(into.insert(path.to_owned())),
        }
    }

    #[test]
    fn no_other_field_of_real_answers_survives() {
        let mut allowed: BTreeSet<String> = ENTRY.iter().map(|name| format!("/{name}")).collect();
        allowed.insert("/monit/memory".to_owned());
        allowed.extend(PM2_ENV.iter().map(|name| format!("/pm2_env/{name}")));
        for sample in SAMPLES {
            let whole: Value = serde_json::from_str(sample).expect("a sample is JSON");
            let kept = project(&whole);
            let mut found = BTreeSet::new();
            leaves(&kept, "", &mut found);
            assert!(found.is_subset(&allowed), "{:?}", found.difference(&allowed).collect::<Vec<_>>());
            assert_eq!(kept.as_array().map(Vec::len), whole.as_array().map(Vec::len));
            assert!(found.contains("/pm2_env/status") && found.contains("/pm2_env/PORT"), "{found:?}");
        }
    }

    #[test]
    fn secrets_do_not_hide_in_known_names() {
        let value = json!([{
            "pid": 7, "name": { "SECRET": "x" }, "pm_id": 0, "monit": { "memory": 5, "SECRET": "x" },
            "pm2_env": { "status": "online", "instances": { "SECRET": "x" }, "env": { "PORT": "3000", "SECRET": "x" }, "SECRET": "x" },
        }]);
        let want = json!([{
            "pid": 7, "pm_id": 0, "monit": { "memory": 5 }, "pm2_env": { "status": "online", "PORT": "3000" },
        }]);
        assert_eq!(project(&value), want);
        assert_eq!(project(&json!({ "pid": 7 })), Value::Null);
        assert_eq!(project(&json!([3])), json!([{}]));
    }
}
