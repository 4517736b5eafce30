//! Where settings come from: the file, the environment, the flags. Each layer covers those before it.

use std::{fs, io::ErrorKind, path::Path};

use figment::{
    Figment, Metadata, Profile, Provider,
    error::Kind,
    value::{Dict, Map, Value},
};
use tracing::warn;

use super::{Config, ConfigError};

/// Settings that the command line gave, as pairs of a key with dots and a value.
#[derive(Clone, Debug, Default)]
pub struct Overrides(Vec<(String, String)>);

impl Overrides {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key such as `limits.connections`; the value is written as in the file, where text may do
    /// without quotes.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.push((key.into(), value.into()));
    }
}

/// All layers, from the lowest to the highest.
pub(super) fn gather(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: &Overrides,
) -> Result<Figment, ConfigError> {
    let mut figment = Figment::new();
    if let Some(layer) = read_file(file)? {
        figment = figment.merge(layer);
    }
    let mut variables: Vec<_> = environment
        .into_iter()
        .filter_map(|(name, value)| Some((key_of(&name)?, name, value)))
        .collect();
    variables.sort();
    for (key, name, value) in variables {
        if let Some(known) = of_others(&key) {
            warn!("{}", passed_over(&name, &key, known));
            continue;
        }
        figment = figment.merge(Layer::single(format!("the variable {name}"), &key, &value));
    }
    for (key, value) in &overrides.0 {
        figment = figment.merge(Layer::single("the command line".to_owned(), key, value));
    }
    Ok(figment)
}

/// Whether a variable begins as ours do, and is none.
pub(super) fn is_passed_over(variable: &str) -> bool {
    key_of(variable).is_some_and(|key| of_others(&key).is_some())
}

/// The key that a variable stands for, if it begins as ours do and is not one of the commands.
fn key_of(variable: &str) -> Option<String> {
    let name = variable.strip_prefix(PREFIX).filter(|name| !OTHERS.contains(name))?;
    Some(name.to_ascii_lowercase().replace("__", "."))
}

/// What the configuration begins with, if this key begins with none of it: then it is somebody else's. One that does is
/// ours, and what is wrong behind that is a fault.
fn of_others(key: &str) -> Option<&'static [&'static str]> {
    let first = key.split('.').next().unwrap_or_default();
    let alone = Layer::single(String::new(), first, "");
    match Figment::from(alone).extract::<Config>().err()?.kind {
        Kind::UnknownField(_, known) => Some(known),
        _ => None,
    }
}

/// The words about somebody else's variable. It may be one of ours that was misspelt.
fn passed_over(name: &str, key: &str, known: &[&str]) -> String {
    let first = key.split('.').next().unwrap_or_default();
    let near = |known: &&&str| strsim::jaro_winkler(first, known);
    let nearest = known.iter().max_by(|one, other| near(one).total_cmp(&near(other)));
    match nearest.filter(|nearest| near(nearest) > SIMILAR) {
        Some(nearest) => {
            let meant = nearest.to_ascii_uppercase();
            format!(
                "the variable {name} is no setting of the server and is passed over: write \
                 {PREFIX}{meant} if it was to be `{nearest}`"
            )
        }
        None => format!(
            "the variable {name} is no setting of the server and is passed over; `longwire init` \
             explains those that there are"
        ),
    }
}

/// One source of settings.
struct Layer {
    name: String,
    dict: Result<Dict, figment::Error>,
}

impl Layer {
    fn single(name: String, key: &str, text: &str) -> Self {
        let mut value = value_of(key, text);
        for part in key.rsplit('.') {
            value = Value::from(Dict::from([(part.to_owned(), value)]));
        }
        Self { name, dict: Ok(value.into_dict().unwrap_or_default()) }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.dict.clone()?))
    }
}

/// The file that was named, which must be there, or the default one, which may be missing.
fn read_file(named: Option<&Path>) -> Result<Option<Layer>, ConfigError> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => return Ok(None),
        Err(error) => return Err(ConfigError::Unreadable { file: path.to_owned(), error }),
    };
    let table: toml::Table = toml::from_str(&text).map_err(|error| ConfigError::Syntax {
        file: path.to_owned(),
        line: error.span().map(|span| 1 + text[..span.start].matches('\n').count()),
        message: error.message().to_owned(),
    })?;
    let dict = Value::serialize(table).map(|value| value.into_dict().unwrap_or_default());
    Ok(Some(Layer { name: path.display().to_string(), dict }))
}

/// A value of the environment or of a flag: as TOML has it, or else a text.
fn value_of(key: &str, text: &str) -> Value {
    let is_text = TEXTS.iter().any(|name| key.rsplit('.').next() == Some(name));
    let parsed = toml::from_str::<toml::Table>(&format!("value = {text}")).ok();
    let parsed = parsed.filter(|table| !is_text && table.len() == 1);
    parsed
        .and_then(|mut table| Value::serialize(table.remove("value")).ok())
        .unwrap_or_else(|| Value::from(text))
}

const PREFIX: &str = "LONGWIRE_";

/// What else has the prefix: variables of the commands, which are no settings of the server.
const OTHERS: &[&str] = &["LOG", "TOKEN", "URL"];

/// How much a name has to be like one of ours to be taken for it, from 0 to 1.
const SIMILAR: f64 = 0.8;

/// Read if it lies in the working folder and no other was named.
const DEFAULT_FILE: &str = "longwire.toml";

/// Keys whose values are text even where they look like a number.
const TEXTS: &[&str] =
    &["data", "ed25519_public_key", "hmac_secret", "key", "key_sha256", "listen", "name"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_may_be_misspelt_is_told_with_what_it_may_be() {
        let words = |name: &str| {
            let key = key_of(name).expect("it begins as ours do");
            of_others(&key).map(|known| passed_over(name, &key, known))
        };
        let words_of = |name| words(name).expect("somebody else's");
        assert!(words_of("LONGWIRE_LISTN").contains("write LONGWIRE_LISTEN if"));
        assert!(words_of("LONGWIRE_LIMIT__CONNECTIONS").contains("write LONGWIRE_LIMITS if"));
        assert!(words_of("LONGWIRE_PORT_80_TCP").contains("longwire init"));
        assert_eq!(words("LONGWIRE_DATA"), None);
        assert_eq!(words("LONGWIRE_LIMITS__CONECTIONS"), None);
    }
}
