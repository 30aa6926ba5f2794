//! The user's own file: `$XDG_CONFIG_HOME/runbook/config.toml`, else `~/.config/runbook/config.toml`.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::Deserialize;

use crate::cli::failure::Failure;
use crate::load::source::read;
use crate::model::visible::visible;
use crate::tui::command;
use crate::tui::keymap::Keymap;
use crate::tui::theme::Palette;

/// What it says.
#[derive(Debug, Clone)]
pub struct Config {
    /// What keys mean.
    pub keys: Keymap,
    /// Which colours.
    pub palette: Palette,
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    theme: Option<String>,
    #[serde(default)]
    keys: BTreeMap<String, Keys>,
}

/// One key or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Keys {
    One(String),
    Several(Vec<String>),
}

impl Config {
    /// Reads it; where there is none, everything is as it is by default.
    pub fn read() -> Result<Self, Failure> {
        let none = || Self { keys: Keymap::default(), palette: Palette::Default };
        let Some(path) = path() else { return Ok(none()) };
        let unusable = |why: String| Failure::invalid(format!("{} cannot be used: {why}", visible(&path.display().to_string())));
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(none());
        }
        let told = |first: String, rest: &[String]| rest.iter().fold(unusable(first), |failure, line| failure.detail(line));
        let source = read(&path).map_err(|errors| {
            let lines: Vec<String> = errors.lines().lines().map(str::to_owned).collect();
            told(lines.first().cloned().unwrap_or_default(), lines.get(1..).unwrap_or_default())
        })?;
        Self::of(&source.text)
            .map_err(|errors| told(errors.first().cloned().unwrap_or_default(), errors.get(1..).unwrap_or_default()))
    }

    /// Takes a text for the file.
    pub(crate) fn of(text: &str) -> Result<Self, Vec<String>> {
        let written: Written = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1));
            vec![format!("line {line}: {}", visible(error.message()))]
        })?;
        let palette = match written.theme.as_deref() {
            None => Palette::Default,
            Some(name) => command::palette(name)
                .ok_or_else(|| vec![format!("theme is `{}`; it is one of default, high-contrast, mono", visible(name))])?,
        };
        let keys = written.keys.into_iter().map(|(name, keys)| match keys {
            Keys::One(key) => (name, vec![key]),
            Keys::Several(keys) => (name, keys),
        });
        Ok(Self { keys: Keymap::with(&keys.collect())?, palette })
    }
}

fn path() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(base.join("runbook/config.toml"))
}

#[cfg(test)]
mod tests {
    use super::Config;
    use crate::tui::action::Action;
    use crate::tui::input::Key;
    use crate::tui::theme::Palette;

    #[test]
    fn keys_are_moved_and_wrong_files_say_where() {
        let config = Config::of("theme = \"mono\"\n[keys]\nabort = \"K\"\n").expect("it is fine");
        assert_eq!((config.palette, config.keys.action(Key::Char('K'))), (Palette::Mono, Some(Action::Abort)));
        assert_eq!(config.keys.action(Key::Char('A')), None);
        for (text, what) in [
            ("\ntheem = 1", "line 2: unknown field `theem`"),
            ("theme = \"pink\"", "theme is `pink`"),
            ("[keys]\nabort = \"a\"", "abort"),
            ("[keys]\nflyy = \"Z\"", "flyy"),
        ] {
            let errors = Config::of(text).expect_err("it is wrong");
            assert!(errors[0].contains(what), "{errors:?}");
        }
    }
}
