//! PM2's own list of its apps, as its daemon answered and after everything secret was dropped from it.
//!
//! A word of status that is not known is kept as it came: PM2 has invented new ones before.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::model::step::Unreadable;

const MAX_APPS: usize = 4096;

/// One entry of PM2's list.
#[derive(Debug, Clone, PartialEq)]
pub struct Pm2App {
    /// Its number; reused when the list was empty in between.
    pub pm_id: u32,
    /// Its name; not unique.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its process; none where PM2 has none, whatever the status says.
    pub pid: Option<u32>,
    /// What PM2 says of it.
    pub status: Status,
    /// How often it was started again, by PM2 or by people.
    pub restarts: u64,
    /// Whether it is a worker of Node's cluster: the daemon then holds its port.
    pub cluster: bool,
    /// How many of it were asked for, where a number was given.
    pub instances: Option<u64>,
    /// The directory it was started in.
    pub cwd: Option<String>,
    /// Its script or binary.
    pub script: Option<String>,
    /// The port that it was told to use, where PM2 was told.
    pub port: Option<u16>,
    /// Made anew with each entry.
    pub unique_id: Option<String>,
    /// When its process started, in milliseconds on the host's clock.
    pub up_since: Option<i64>,
    /// Where its standard output is written; `/dev/null` where it is thrown away.
    pub out_log: Option<String>,
    /// Where its standard error is written.
    pub err_log: Option<String>,
}

impl Pm2App {
    /// `2 proxy-server`, as people and `pm2 delete` name it.
    pub fn title(&self) -> String {
        format!("{} {}", self.pm_id, self.name)
    }
}

/// PM2's status words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// `online`: proves nothing by itself.
    Online,
    /// `launching`.
    Launching,
    /// `stopping`.
    Stopping,
    /// `stopped`: also seen for a moment between two restarts.
    Stopped,
    /// `errored`: given up after too many restarts.
    Errored,
    /// `waiting restart`: a delay before the next restart.
    WaitingRestart,
    /// Any other word.
    Other(String),
}

impl Status {
    fn parse(word: &str) -> Self {
        match word {
            "online" => Status::Online,
            "launching" => Status::Launching,
            "stopping" => Status::Stopping,
            "stopped" => Status::Stopped,
            "errored" => Status::Errored,
            "waiting restart" => Status::WaitingRestart,
            other => Status::Other(other.chars().take(40).collect()),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Online => "online",
            Status::Launching => "launching",
            Status::Stopping => "stopping",
            Status::Stopped => "stopped",
            Status::Errored => "errored",
            Status::WaitingRestart => "waiting restart",
            Status::Other(word) => word,
        })
    }
}

/// Reads the projected answer to `getMonitorData`.
pub fn parse_apps(answer: &Value) -> Result<Vec<Pm2App>, Unreadable> {
    let list = answer.as_array().ok_or_else(|| Unreadable::new("PM2's list of apps is no list"))?;
    if list.len() > MAX_APPS {
        return Err(Unreadable::new(format!("PM2 lists {} apps; at most {MAX_APPS} are read", list.len())));
    }
    let apps = list.iter().enumerate().map(|(n, entry)| parse_app(n, entry)).collect::<Result<Vec<_>, _>>()?;
    let mut ids = BTreeSet::new();
    for app in &apps {
        if !ids.insert(app.pm_id) {
            return Err(Unreadable::new(format!("PM2 lists two entries with the id {}", app.pm_id)));
        }
    }
    Ok(apps)
}

fn parse_app(n: usize, entry: &Value) -> Result<Pm2App, Unreadable> {
    let bad = |what: &str| Unreadable::new(format!("entry {n} of PM2's list has no readable {what}"));
    let env = entry.get("pm2_env").filter(|env| env.is_object()).ok_or_else(|| bad("pm2_env"))?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
    let pm_id = entry.get("pm_id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()).ok_or_else(|| bad("pm_id"))?;
    let name = text(entry.get("name")).ok_or_else(|| bad("name"))?;
    let status = env.get("status").and_then(Value::as_str).map(Status::parse).ok_or_else(|| bad("status"))?;
    let restarts = env.get("restart_time").and_then(Value::as_u64).ok_or_else(|| bad("restart_time"))?;
    let pid = match entry.get("pid") {
        None | Some(Value::Null) => None,
        Some(value) => match value.as_u64().and_then(|pid| u32::try_from(pid).ok()) {
            Some(0) => None,
            Some(pid) => Some(pid),
            None => return Err(bad("pid")),
        },
    };
    Ok(Pm2App {
        pm_id,
        name,
        // Versions before 4 have no namespaces; `default` is what later ones take their apps for.
        namespace: text(env.get("namespace")).unwrap_or_else(|| "default".to_owned()),
        pid,
        status,
        restarts,
        cluster: env.get("exec_mode").and_then(Value::as_str).is_some_and(|mode| mode.starts_with("cluster")),
        instances: env.get("instances").and_then(Value::as_u64),
        cwd: text(env.get("pm_cwd")),
        script: text(env.get("pm_exec_path")),
        port: env.get("PORT").and_then(parse_port),
        unique_id: text(env.get("unique_id")),
        up_since: env.get("pm_uptime").and_then(Value::as_i64),
        out_log: text(env.get("pm_out_log_path")),
        err_log: text(env.get("pm_err_log_path")),
    })
}

/// A port as PM2 keeps it: a number or digits; anything else is not one.
fn parse_port(value: &Value) -> Option<u16> {
    let number = match value {
        Value::Number(n) => n.as_u64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    };
    number.and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, proptest};
    use serde_json::{Value, json};

    use super::{Status, parse_apps};

    #[test]
    fn an_entry_needs_id_name_status_and_counter() {
        let whole = json!({"pm_id": 2, "name": "a", "pid": 0, "pm2_env": {"status": "zzz", "restart_time": 9, "PORT": "3000"}});
        let apps = parse_apps(&json!([whole])).expect("readable");
        assert_eq!((apps[0].pid, apps[0].port, apps[0].namespace.as_str()), (None, Some(3000), "default"));
        assert_eq!(apps[0].status, Status::Other("zzz".to_owned()));
        for (gone, place) in [("pm_id", ""), ("name", ""), ("status", "/pm2_env"), ("restart_time", "/pm2_env")] {
            let mut cut = whole.clone();
            let map = cut.pointer_mut(place).and_then(Value::as_object_mut).expect("a table");
            map.remove(gone);
            assert_eq!(parse_apps(&json!([cut])).expect_err(gone).what, format!("entry 0 of PM2's list has no readable {gone}"));
        }
        assert!(parse_apps(&json!([whole, whole])).is_err(), "one id twice");
        assert!(parse_apps(&json!({"a": 1})).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = proptest::prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from)
        ];
        let key = proptest::sample::select(vec!["pm_id", "name", "pid", "pm2_env", "status", "restart_time", "PORT", "x"]);
        leaf.prop_recursive(4, 64, 8, move |inner| {
            proptest::prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..8)
                    .prop_map(|map| Value::Object(map.into_iter().collect()))
            ]
        })
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(value in any_json()) {
            let _ = parse_apps(&value);
        }
    }
}
