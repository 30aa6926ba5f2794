//! What values a declared variable takes, whoever sets it: the runbook, the inventory or the command line.

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::model::grammar::shown;
use crate::model::runbook::{VarDecl, VarType};
use crate::model::time::parse_duration;

/// Names with a meaning of their own in templates and conditions.
pub const RESERVED: &[&str] = &["steps", "host", "facts", "value", "all", "and", "or", "not", "in", "true", "false"];

/// Environment variables that change what a shell or a program does; variables of the runbook arrive as environment.
const SHADOWED: &[&str] = &[
    "_",
    "BASH_ENV",
    "BASHOPTS",
    "CDPATH",
    "EDITOR",
    "EGID",
    "ENV",
    "EUID",
    "FPATH",
    "GID",
    "GLOBIGNORE",
    "HISTFILE",
    "HOME",
    "HOSTALIASES",
    "IFS",
    "LANG",
    "LANGUAGE",
    "LOCPATH",
    "LOGNAME",
    "MAIL",
    "MAILPATH",
    "NLSPATH",
    "OLDPWD",
    "OPTARG",
    "OPTIND",
    "PAGER",
    "PATH",
    "PM2_HOME",
    "POSIXLY_CORRECT",
    "PPID",
    "PROMPT_COMMAND",
    "PS1",
    "PS2",
    "PS3",
    "PS4",
    "PWD",
    "RANDOM",
    "SECONDS",
    "SHELL",
    "SHELLOPTS",
    "SHLVL",
    "TERM",
    "TMPDIR",
    "TZ",
    "UID",
    "USER",
    "VISUAL",
];
/// The like, by how they begin.
const SHADOWED_PREFIXES: &[&str] = &[
    "LD_", "DYLD_", "LC_", "BASH_", "GCONV_", "GIT_", "SSH_", "SUDO_", "XDG_", "NODE_", "NPM_", "npm_", "PYTHON", "PERL", "RUBY",
    "MALLOC_", "RUNBOOK_",
];

/// The most bytes of a value: with its name and the rest of an environment entry it stays below what Linux lets a program be
/// started with, 128 KiB.
pub const MAX_VALUE: usize = 127 * 1024;
/// The most bytes of a pattern.
const MAX_PATTERN: usize = 4096;
/// The most memory that a pattern may come to.
const MAX_PROGRAM: usize = 1 << 20;

/// Whether a value can reach a command, as a text or as a list with one entry a line; what is wrong follows a subject.
pub fn fits_command(value: &Value) -> Result<(), String> {
    let nul = |text: &str| text.contains('\0');
    let (bytes, bad) = match value {
        Value::String(text) => (text.len(), nul(text)),
        Value::Array(items) => {
            let texts = || items.iter().filter_map(Value::as_str);
            (texts().map(|text| text.len() + 1).sum(), texts().any(nul))
        }
        _ => (0, false),
    };
    match bytes {
        _ if bad => Err("contains a NUL byte: no command can be given it".to_owned()),
        bytes if bytes > MAX_VALUE => {
            let most = MAX_VALUE / 1024;
            Err(format!("is {bytes} bytes long: no command can be given more than {most} KiB in one value"))
        }
        _ => Ok(()),
    }
}

/// Whether a variable of that name would change what shells and programs do.
pub fn shadows(name: &str) -> bool {
    SHADOWED.contains(&name) || SHADOWED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

impl VarType {
    /// Every type with its word.
    pub const WORDS: &'static [(&'static str, VarType)] = &[
        ("string", VarType::String),
        ("int", VarType::Int),
        ("port", VarType::Port),
        ("bool", VarType::Bool),
        ("duration", VarType::Duration),
        ("size", VarType::Size),
        ("path", VarType::Path),
        ("url", VarType::Url),
        ("enum", VarType::Enum),
        ("list", VarType::List),
    ];
}

impl VarDecl {
    /// The value as this variable takes it, or what is wrong with it.
    pub fn accept(&self, value: &Value) -> Result<Value, String> {
        fits_command(value)?;
        let pattern = self.pattern.as_deref().map(whole).transpose()?;
        match (self.ty, value) {
            (VarType::Int, Value::Number(n)) if n.is_i64() => Ok(value.clone()),
            (VarType::Int, Value::String(text)) => {
                text.parse::<i64>().map(Value::from).map_err(|_| format!("`{}` is not a whole number", shown(text)))
            }
            (VarType::Port, Value::Number(n)) => port(n.as_u64(), &n.to_string()),
            (VarType::Port, Value::String(text)) => port(text.parse().ok(), text),
            (VarType::Bool, Value::Bool(_)) => Ok(value.clone()),
            (VarType::Bool, Value::String(text)) => match text.as_str() {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(format!("`{}` is neither true nor false", shown(text))),
            },
            (VarType::List, Value::Array(items)) => {
                for item in items {
                    let text = item.as_str().ok_or("every entry of the list must be a text")?;
                    self.text(text, pattern.as_ref())?;
                }
                Ok(value.clone())
            }
            (
                VarType::String | VarType::Duration | VarType::Size | VarType::Path | VarType::Url | VarType::Enum,
                Value::String(text),
            ) => {
                self.text(text, pattern.as_ref())?;
                Ok(value.clone())
            }
            (ty, _) => Err(format!("must be {}", ty.what())),
        }
    }

    /// The value of a text from the command line; a list is separated by commas.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        match self.ty {
            VarType::List if text.is_empty() => self.accept(&Value::Array(Vec::new())),
            VarType::List => self.accept(&Value::Array(text.split(',').map(Value::from).collect())),
            _ => self.accept(&Value::from(text)),
        }
    }

    /// The same as [`VarDecl::read`] for a text that came as a value.
    pub fn read_value(&self, text: &Value) -> Result<Value, String> {
        self.read(text.as_str().unwrap_or_default())
    }

    fn text(&self, text: &str, pattern: Option<&Regex>) -> Result<(), String> {
        let shown = shown(text);
        if text.is_empty() {
            return if self.allow_empty { Ok(()) } else { Err("is empty: allow_empty = true would allow it".to_owned()) };
        }
        match self.ty {
            VarType::Duration => drop(parse_duration(text)?),
            VarType::Size => drop(parse_size(text)?),
            VarType::Path if text.contains(char::is_control) => return Err(format!("`{shown}` is not a path")),
            VarType::Url if !is_url(text) => {
                return Err(format!("`{shown}` is not a URL: it starts with http:// or https:// and has no spaces"));
            }
            VarType::Enum if !self.values.iter().any(|word| word == text) => {
                return Err(format!("`{shown}` is none of: {}", self.values.join(", ")));
            }
            _ => {}
        }
        match (pattern, &self.pattern) {
            (Some(regex), Some(written)) if !regex.is_match(text) => Err(format!("`{shown}` does not match {written}")),
            _ => Ok(()),
        }
    }

    /// A value that stands for one that is not known yet, so that the rest of a step can be checked.
    pub fn stand_in(&self) -> Value {
        match self.ty {
            VarType::Enum => self.values.first().map_or(Value::Null, |word| Value::from(word.as_str())),
            ty => ty.stand_in(),
        }
    }
}

impl VarType {
    /// A value that stands for one that is not known yet; for an enum any text.
    pub fn stand_in(self) -> Value {
        match self {
            VarType::Int => Value::from(1),
            VarType::Port => Value::from(3000),
            VarType::Bool => Value::Bool(false),
            VarType::Duration => Value::from("1s"),
            VarType::Size => Value::from("1MiB"),
            VarType::Path => Value::from("/x"),
            VarType::Url => Value::from("http://127.0.0.1/"),
            VarType::List => Value::Array(vec![Value::from("x")]),
            VarType::Enum | VarType::String => Value::from("x"),
        }
    }
}

impl VarType {
    /// What it takes, in words.
    pub fn what(self) -> &'static str {
        match self {
            VarType::String => "a text",
            VarType::Int => "a whole number",
            VarType::Port => "a port from 1 to 65535",
            VarType::Bool => "true or false",
            VarType::Duration => "a duration such as \"20s\"",
            VarType::Size => "a size such as \"100MiB\"",
            VarType::Path => "a path",
            VarType::Url => "a URL",
            VarType::Enum => "one of its values",
            VarType::List => "a list of texts",
        }
    }
}

/// The pattern as one that must match the whole text.
pub fn whole(pattern: &str) -> Result<Regex, String> {
    let broken = |why: String| format!("the pattern is no regular expression: {why}");
    // alone first: `a)|(b` is no pattern, though it would be one inside the parentheses
    expression(pattern).map_err(broken)?;
    expression(&format!(r"\A(?:{pattern})\z")).map_err(broken)
}

/// A regular expression of bounded length that comes to a program of bounded size, or why it is none.
pub fn expression(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("it is longer than {MAX_PATTERN} bytes"));
    }
    RegexBuilder::new(pattern).size_limit(MAX_PROGRAM).dfa_size_limit(MAX_PROGRAM).nest_limit(64).build().map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or("it cannot be read").trim();
        last.trim_start_matches("error: ").to_owned()
    })
}

fn port(number: Option<u64>, text: &str) -> Result<Value, String> {
    match number.filter(|n| (1..=65535).contains(n)) {
        Some(number) => Ok(Value::from(number)),
        None => Err(format!("`{}` is not a port from 1 to 65535", shown(text))),
    }
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let clean = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    clean && rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
}

/// Reads `64KiB`, `100MiB`, `2GiB`, `1000B`, `5MB`: the number of bytes. A bare number is an error, so that no unit is guessed.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let bad = || format!("`{}` is not a size: write it as 64KiB, 100MiB or 2GiB", shown(text));
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().map_err(|_| bad())?;
    let scale: u64 = match text[digits..].trim_start() {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(bad()),
    };
    number.checked_mul(scale).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{parse_size, shadows, whole};
    use crate::model::id::VarName;
    use crate::model::runbook::{VarDecl, VarType};

    fn decl(ty: VarType) -> VarDecl {
        let name = VarName::parse("x").expect("a name");
        let values = vec!["a".to_owned(), "b".to_owned()];
        VarDecl { name, ty, default: None, pattern: None, values, allow_empty: false, about: None }
    }

    #[test]
    fn each_type_takes_its_values_and_no_others() {
        let good: [(VarType, &str, Value); 10] = [
            (VarType::String, "a b", json!("a b")),
            (VarType::Int, "-3", json!(-3)),
            (VarType::Port, "3000", json!(3000)),
            (VarType::Bool, "true", json!(true)),
            (VarType::Duration, "1h30m", json!("1h30m")),
            (VarType::Size, "64KiB", json!("64KiB")),
            (VarType::Path, "~/x", json!("~/x")),
            (VarType::Url, "http://127.0.0.1:3000/x", json!("http://127.0.0.1:3000/x")),
            (VarType::Enum, "b", json!("b")),
            (VarType::List, "x,y", json!(["x", "y"])),
        ];
        for (ty, text, want) in good {
            assert_eq!(decl(ty).read(text), Ok(want), "{ty:?}");
        }
        let bad = [
            (VarType::String, json!(1), "must be a text"),
            (VarType::String, json!(""), "is empty: allow_empty = true would allow it"),
            (VarType::String, json!("a\0b"), "contains a NUL byte: no command can be given it"),
            (VarType::Int, json!(1.5), "must be a whole number"),
            (VarType::Port, json!(0), "`0` is not a port from 1 to 65535"),
            (VarType::Port, json!("65536"), "`65536` is not a port from 1 to 65535"),
            (VarType::Bool, json!("yes"), "`yes` is neither true nor false"),
            (VarType::Duration, json!("20"), "`20` is not a duration: write it as 250ms, 20s, 2m, 1h or 1h30m"),
            (VarType::Size, json!("20"), "`20` is not a size: write it as 64KiB, 100MiB or 2GiB"),
            (VarType::Path, json!("/a\nb"), "`/a\\x0ab` is not a path"),
            (VarType::Url, json!("ftp://x"), "`ftp://x` is not a URL: it starts with http:// or https:// and has no spaces"),
            (VarType::Enum, json!("c"), "`c` is none of: a, b"),
            (VarType::List, json!([1]), "every entry of the list must be a text"),
        ];
        for (ty, value, want) in bad {
            assert_eq!(decl(ty).accept(&value), Err(want.to_owned()), "{ty:?} {value}");
        }
    }

    #[test]
    fn a_pattern_must_match_the_whole_text() {
        let var = VarDecl { pattern: Some("a|b+".to_owned()), ..decl(VarType::String) };
        assert_eq!(var.read("bb"), Ok(json!("bb")));
        for text in ["ab", "a\n", "xa"] {
            assert_eq!(var.read(text), Err(format!("`{}` does not match a|b+", crate::model::visible::literal(text))));
        }
        assert_eq!(whole("a)|(b").map(|_| ()), Err("the pattern is no regular expression: unopened group".to_owned()));
    }

    #[test]
    fn names_that_steer_a_shell_are_known() {
        let orders =
            ["PATH", "HOME", "IFS", "LD_LIBRARY_PATH", "BASH_ENV", "ENV", "NODE_OPTIONS", "GIT_DIR", "LC_ALL", "GCONV_PATH"];
        for name in orders {
            assert!(shadows(name), "{name}");
        }
        for name in ["path", "app", "PORT", "HOMEPAGE", "GITHUB", "LEADER"] {
            assert!(!shadows(name), "{name}");
        }
    }

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!(parse_size("100MiB"), Ok(100 << 20));
        for bad in ["", "1", "MiB", "1 Mi", "-1B", "99999999999TiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
