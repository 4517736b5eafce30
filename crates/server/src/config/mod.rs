//! The configuration: defaults, then `longwire.toml`, then variables `LONGWIRE_...`, then flags.

mod auth;
mod error;
mod layers;
mod limits;
mod metrics;
mod namespaces;
mod values;

use std::{
    collections::BTreeMap,
    env,
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use url::Url;

pub use self::{
    auth::{Action, ApiKey, AuthConfig},
    error::{ConfigError, Problem},
    layers::Overrides,
    limits::{LimitsConfig, ShutdownConfig},
    metrics::MetricsConfig,
    namespaces::{
        AccessConfig, Durability, NamespaceConfig, PolicyName, RetentionConfig, StartName, WhoName,
    },
    values::{Secret, Size, Span},
};

/// Everything that can be set. [`Config::default`] serves on loopback in development mode.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen: `HOST:PORT`; port 0 takes a free one. Default: `127.0.0.1:8000`.
    pub listen: String,
    /// The folder that holds all that outlives the process. Default: `longwire-data`.
    pub data: PathBuf,
    /// Origins of web pages, as in `https://app.example`, that may connect and call the HTTP API besides those of this
    /// server; `"*"` allows all. Default: none; in development mode also those on this machine.
    pub allowed_origins: Vec<String>,
    /// Who may come in.
    pub auth: AuthConfig,
    /// What clients may cost.
    pub limits: LimitsConfig,
    /// What channels are like, by the part of their name before the first `:`.
    pub namespaces: BTreeMap<String, NamespaceConfig>,
    /// Who may see what is measured.
    pub metrics: MetricsConfig,
    /// How the server stops.
    pub shutdown: ShutdownConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8000".to_owned(),
            data: PathBuf::from("longwire-data"),
            allowed_origins: Vec::new(),
            auth: AuthConfig::default(),
            limits: LimitsConfig::default(),
            namespaces: BTreeMap::new(),
            metrics: MetricsConfig::default(),
            shutdown: ShutdownConfig::default(),
        }
    }
}

impl Config {
    /// Reads every layer: the file (`longwire.toml`, if it is there and no other is named), the process's environment,
    /// and what the command line gave.
    ///
    /// A variable that begins as ours do and names no section or key of the configuration is somebody else's, such as
    /// those that Kubernetes sets for a service called `longwire`: it is passed over, with a warning in the log.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let variables = env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self::from_layers(file, variables, overrides)
    }

    /// Whether a variable of the environment is passed over by [`Self::load`] with a warning.
    pub fn passes_over(variable: &str) -> bool {
        layers::is_passed_over(variable)
    }

    /// As [`Self::load`], with another environment than the process's own.
    pub fn from_layers(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let config: Self = layers::gather(file, environment, overrides)?.extract()?;
        config.check()?;
        Ok(config)
    }

    /// Checks what no single value shows. [`Self::load`] has done it.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.auth.check()?;
        self.limits.check()?;
        for (name, namespace) in &self.namespaces {
            if name.is_empty() || name.contains(':') {
                return Err(ConfigError::invalid(
                    format!("namespaces.{name}"),
                    "a namespace is what stands before the first `:` of a channel's name: take the \
                     `:` out; channels without one are in `default`",
                ));
            }
            namespace.check(name, self.limits.message_bytes)?;
        }
        for (number, origin) in self.allowed_origins.iter().enumerate() {
            if origin != "*" && !is_origin(origin) {
                return Err(ConfigError::invalid(
                    format!("allowed_origins.{number}"),
                    format!(
                        "`{origin}` is no origin: write scheme, host and port, as in \
                         \"https://app.example\" or \"http://localhost:3000\""
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The options of a namespace: its own, and for what it leaves out those of `default`.
    pub fn namespace(&self, name: &str) -> NamespaceConfig {
        let default = self.namespaces.get(DEFAULT_NAMESPACE).cloned().unwrap_or_default();
        match self.namespaces.get(name) {
            Some(own) => own.clone().or(&default),
            None => default,
        }
    }

    /// Whether this is development mode: no credentials are configured, and only this machine can reach the server.
    /// Everybody may then do everything, and the console is there.
    pub fn is_development(&self) -> bool {
        let is_loopback = |addrs: Vec<SocketAddr>| {
            !addrs.is_empty() && addrs.iter().all(|addr| addr.ip().is_loopback())
        };
        !self.auth.has_credentials() && self.addresses().is_ok_and(is_loopback)
    }

    /// The addresses to listen on.
    pub(crate) fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        self.listen.to_socket_addrs().map(Iterator::collect)
    }
}

fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        url.origin().is_tuple() && url.origin().ascii_serialization() == text.to_ascii_lowercase()
    })
}

/// The section that holds for all channels without one of their own.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

#[cfg(test)]
mod tests;
