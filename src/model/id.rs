//! Names with a grammar: what comes from a file or a host can only become one of these by being checked.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::model::grammar::{code_point, shown};
use crate::model::visible::literal;

/// A name that does not follow its grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: {rule}{odd}")]
pub struct IdError {
    /// The offending text, escaped for display and cut where it is long.
    pub text: String,
    /// What was expected, such as "a host name".
    pub what: &'static str,
    /// The grammar in words.
    pub rule: &'static str,
    /// The first character that no eye would find, by its code point; empty where every character can be told.
    pub odd: String,
}

impl IdError {
    /// `odd` is the first character that is not allowed, with its place from 0.
    pub fn new(text: &str, what: &'static str, rule: &'static str, odd: Option<(usize, char)>) -> Self {
        let odd = odd.filter(|(_, c)| !c.is_ascii_graphic() && *c != ' ');
        let odd = odd.map_or_else(String::new, |(at, c)| {
            format!("; character {} is `{}`, {}", at + 1, literal(c.encode_utf8(&mut [0; 4])), code_point(c))
        });
        Self { text: shown(text), what, rule, odd }
    }
}

/// The first character that no name may have.
fn stranger(text: &str) -> Option<(usize, char)> {
    text.chars().enumerate().find(|(_, c)| !c.is_ascii_graphic())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $pattern:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Checks `text` against the grammar of this name.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let ok: fn(&str) -> bool = $ok;
                if ok(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdError::new(text, $what, $rule, stranger(text)))
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": concat!($what, ": ", $rule), "pattern": $pattern })
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.to_string()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

fn word(text: &str, max: usize, first: fn(char) -> bool, rest: fn(char) -> bool) -> bool {
    let mut chars = text.chars();
    text.len() <= max && chars.next().is_some_and(first) && chars.all(rest)
}

/// Whether `text` could be a run id: six or more of `0-9a-f`. No runbook may be named so.
pub fn looks_like_run_id(text: &str) -> bool {
    text.len() >= 6 && text.len() <= 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

name!(
    /// The id of a run: six or more of `0-9a-f`.
    RunId, "a run id", "six to 32 of 0-9 a-f", "^[0-9a-f]{6,32}$", looks_like_run_id
);
name!(
    /// The name of a host in the inventory.
    HostName, "a host name", "a letter or digit, then at most 63 of A-Z a-z 0-9 . _ -", "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
    |t| word(t, 64, |c| c.is_ascii_alphanumeric(), |c| c.is_ascii_alphanumeric() || "._-".contains(c))
);
name!(
    /// The id of a step within its runbook.
    StepId, "a step id", "a lower-case letter, then at most 63 of a-z 0-9 _ -", "^[a-z][a-z0-9_-]{0,63}$",
    |t| word(t, 64, |c| c.is_ascii_lowercase(), |c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c))
);
name!(
    /// The name of a runbook.
    RunbookName, "a runbook name", "a lower-case letter, then at most 63 of a-z 0-9 - (and not a run id)", "^[a-z][a-z0-9-]{0,63}$",
    |t| word(t, 64, |c| c.is_ascii_lowercase(), |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') && !looks_like_run_id(t)
);
name!(
    /// The name of a variable: also a name of a POSIX environment variable.
    VarName, "a variable name", "a letter or _, then at most 63 of A-Z a-z 0-9 _", "^[A-Za-z_][A-Za-z0-9_]{0,63}$",
    |t| word(t, 64, |c| c.is_ascii_alphabetic() || c == '_', |c| c.is_ascii_alphanumeric() || c == '_')
);

#[cfg(test)]
mod tests {
    use super::{HostName, RunId, RunbookName, StepId};

    #[test]
    fn names_follow_their_grammar() {
        assert!(HostName::parse("web-01.eu").is_ok());
        assert!(HostName::parse("-web").is_err());
        assert!(HostName::parse("web 1").is_err());
        assert!(StepId::parse("one-process").is_ok());
        assert!(RunId::parse("7f3a9c").is_ok());
        assert!(RunId::parse("7f3a9").is_err());
        assert!(RunbookName::parse("restart-loop").is_ok());
        assert!(RunbookName::parse("deadbeef").is_err(), "reads as a run id");
    }
}
