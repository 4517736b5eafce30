//! The server's configuration, as the commands that need it find it.

use std::path::{Path, PathBuf};

use longwire_server::config::{Config, ConfigError, Overrides};

use crate::failure::Failure;

/// The options that name a configuration.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SettingsArgs {
    /// Configuration file [default: longwire.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Value for any key of the configuration, such as limits.connections=20000; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
}

impl SettingsArgs {
    /// The configuration with all its layers; `options` are settings that have an option of their own.
    pub(crate) fn load(&self, options: &[(&str, &str)]) -> Result<Config, Failure> {
        let mut overrides = Overrides::new();
        for (key, value) in &self.set {
            overrides.set(key, value);
        }
        for (key, value) in options {
            overrides.set(*key, *value);
        }
        Ok(Config::load(self.config.as_deref(), &overrides)?)
    }

    /// What the configuration's file is called, or that there is none.
    pub(crate) fn named(&self) -> String {
        match &self.config {
            Some(file) => file.display().to_string(),
            None if Path::new(DEFAULT_FILE).exists() => DEFAULT_FILE.to_owned(),
            None => format!("the configuration (there is no {DEFAULT_FILE} here)"),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write the key, a =, and the value, as in limits.connections=20000".to_owned()),
    }
}

/// What is read where no file is named.
pub(crate) const DEFAULT_FILE: &str = "longwire.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_a_key_and_a_value() {
        assert_eq!(setting("a.b = c=d"), Ok(("a.b".to_owned(), "c=d".to_owned())));
        for bad in ["a.b", "=c", ""] {
            assert!(setting(bad).is_err(), "{bad}");
        }
    }
}
