//! What is wrong with a configuration: where it stands, the cause, and the cure.

use std::{fmt, io, path::PathBuf};

use figment::error::{Actual, Kind};

/// A configuration that cannot be used. Its words name the place, the cause and the cure.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is no TOML.
    Syntax {
        /// Which.
        file: PathBuf,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// What is there.
        message: String,
    },
    /// Keys or values that mean nothing, each with its own words.
    Invalid(Vec<Problem>),
}

/// One key or value that means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was given: a file, a variable, a flag. Empty for a default.
    pub source: String,
    /// The key, as in `namespaces.chat.durability`.
    pub key: String,
    /// Cause and cure.
    pub words: String,
}

impl ConfigError {
    /// One problem with the value of a key, wherever it came from.
    pub(crate) fn invalid(key: impl Into<String>, words: impl Into<String>) -> Self {
        Self::Invalid(vec![Problem { source: String::new(), key: key.into(), words: words.into() }])
    }
}

impl From<figment::Error> for ConfigError {
    fn from(errors: figment::Error) -> Self {
        Self::Invalid(errors.into_iter().map(Problem::from).collect())
    }
}

impl From<figment::Error> for Problem {
    fn from(error: figment::Error) -> Self {
        let source = error.metadata.as_ref().map(|metadata| metadata.name.to_string());
        let mut path = error.path.clone();
        let words = match &error.kind {
            Kind::UnknownField(field, known) => {
                if path.last() != Some(field) {
                    path.push(field.clone());
                }
                format!("there is no such key; {}", known_keys(known))
            }
            Kind::UnknownVariant(given, known) => {
                format!("`{given}` is not possible: write one of {}", known.join(", "))
            }
            Kind::MissingField(field) => {
                path.push(field.to_string());
                "it is missing: add it".to_owned()
            }
            Kind::InvalidType(given, expected) | Kind::InvalidValue(given, expected) => {
                // What stands where secrets belong may be one.
                let given = if path.first().is_some_and(|first| first == SECRETS) {
                    kind_of(given).to_owned()
                } else {
                    given.to_string()
                };
                let expected = match expected.as_str() {
                    "usize" | "u64" | "u32" => "a whole number",
                    other => other,
                };
                format!("it is {given}: write {expected}")
            }
            Kind::Message(words) => words.clone(),
            other => other.to_string(),
        };
        Self { source: source.unwrap_or_default(), key: path.join("."), words }
    }
}

fn kind_of(given: &Actual) -> &'static str {
    match given {
        Actual::Bool(_) => "a truth value",
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "a text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}

/// The section that has secrets.
const SECRETS: &str = "auth";

fn known_keys(known: &[&str]) -> String {
    if known.is_empty() {
        return "remove it".to_owned();
    }
    format!("remove it, or write one of {}", known.join(", "))
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, error } => write!(
                f,
                "{} cannot be read: {error}; name the file by --config, or leave it out",
                file.display()
            ),
            Self::Syntax { file, line, message } => {
                write!(f, "{}", file.display())?;
                if let Some(line) = line {
                    write!(f, ", line {line}")?;
                }
                write!(f, ": {message}; correct it there: the file is TOML")
            }
            Self::Invalid(problems) => {
                for (number, problem) in problems.iter().enumerate() {
                    let separator = if number == 0 { "" } else { "\n" };
                    write!(f, "{separator}{problem}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.source.is_empty() {
            write!(f, "{}: ", self.source)?;
        }
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.words)
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { error, .. } => Some(error),
            Self::Syntax { .. } | Self::Invalid(_) => None,
        }
    }
}
