//! The variables of groups of steps that were taken in by `use`: their values, from those of the runbook.

use serde_json::{Map, Value};

use crate::model::runbook::{OwnVar, Vars};
use crate::model::template::fill;

/// A variable of a group that has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OwnVarError {
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The values that stand in the fields and conditions of a step in place of the runbook's. `groups` are those that the
/// step was taken from, the outermost first; each takes its values from the one before, the first from `vars`, and all
/// of them `host.…` from `host`.
pub fn own_values(groups: &[Vec<OwnVar>], vars: &Vars, host: &dyn Fn(&str) -> Option<Value>) -> Result<Vars, Vec<OwnVarError>> {
    let mut values = vars.clone();
    for group in groups {
        let (mut own, mut errors) = (Vars::new(), Vec::new());
        for var in group {
            let name = var.decl.name.to_string();
            match value(var, &values, host) {
                Ok(value) => drop(own.insert(name, value)),
                Err((message, hint)) => errors.push(OwnVarError { name, message, hint }),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        values = own;
    }
    Ok(values)
}

fn value(var: &OwnVar, vars: &Vars, host: &dyn Fn(&str) -> Option<Value>) -> Result<Value, (String, Option<String>)> {
    let name = &var.decl.name;
    let Some(with) = &var.with else {
        let missing = || (format!("`{name}` has no value"), Some(format!("with = {{ {name} = … }}")));
        return var.decl.default.clone().ok_or_else(missing);
    };
    // no variable's name may make a key of shell text of it
    let fields = Map::from_iter([("with".to_owned(), with.clone())]);
    let lookup = |name: &str| if name.starts_with("host.") { host(name) } else { vars.get(name).cloned() };
    let names: Vec<&str> = vars.keys().map(String::as_str).collect();
    let filled = fill(&fields, &lookup, &names).map_err(|errors| {
        let first = errors.into_iter().next();
        first.map_or_else(|| (format!("`{name}` cannot be filled in"), None), |error| (error.message, error.hint))
    })?;
    let value = filled.get("with").unwrap_or(&Value::Null);
    var.decl.accept(value).map_err(|message| (format!("`{name}`: {message}"), None))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::own_values;
    use crate::model::id::VarName;
    use crate::model::runbook::{OwnVar, VarDecl, VarType, Vars};

    fn var(name: &str, ty: VarType, default: Option<Value>, with: Option<Value>) -> OwnVar {
        let name = VarName::parse(name).expect("a name");
        let pattern = (ty == VarType::String).then(|| "[a-z-]+".to_owned());
        OwnVar { decl: VarDecl { name, ty, default, pattern, values: Vec::new(), allow_empty: false, about: None }, with }
    }

    fn host(name: &str) -> Option<Value> {
        (name == "host.user").then(|| json!("deploy"))
    }

    #[test]
    fn each_group_takes_its_values_from_the_one_before() {
        let vars = Vars::from([("app".to_owned(), json!("proxy")), ("port".to_owned(), json!(3000))]);
        let outer = vec![
            var("run", VarType::String, None, Some(json!("{{ app }}-{{ host.user }}"))),
            var("port", VarType::Port, None, Some(json!("{{ port }}"))),
        ];
        let inner = vec![
            var("name", VarType::String, Some(json!("x")), Some(json!("{{ run }}"))),
            var("quiet", VarType::Duration, Some(json!("20s")), None),
        ];
        let got = own_values(&[outer.clone(), inner], &vars, &host).expect("values");
        assert_eq!(serde_json::to_value(got).expect("JSON"), json!({"name": "proxy-deploy", "quiet": "20s"}));
        assert_eq!(own_values(&[], &vars, &host), Ok(vars.clone()), "without a group they are the runbook's");
        let other = Vars::from([("app".to_owned(), json!("Proxy 2"))]);
        let told: Vec<String> =
            own_values(&[outer], &other, &host).expect_err("refused").iter().map(ToString::to_string).collect();
        assert_eq!(told, ["`run`: `Proxy 2-deploy` does not match [a-z-]+", "there is no `port` here"]);
    }

    #[test]
    fn a_variable_without_a_value_is_named() {
        let errors = own_values(&[vec![var("app", VarType::String, None, None)]], &Vars::new(), &host).expect_err("refused");
        assert_eq!((errors[0].message.as_str(), errors[0].hint.as_deref()), ("`app` has no value", Some("with = { app = … }")));
    }
}
