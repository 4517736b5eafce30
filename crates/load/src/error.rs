//! Why there is no report: the plan's fault, this machine's, or the server's.

use std::{error::Error, fmt};

/// A run that gives no figures. Each variant's text names the cause and the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// The plan contradicts itself.
    Plan(String),
    /// This machine, or what may be read of the server's process, is not enough.
    Machine(String),
    /// No connection could be opened as it should.
    Opening {
        /// Its number, from 0.
        connection: usize,
        /// What happened.
        fault: String,
    },
    /// An open connection failed, or brought something else than it should.
    Connection {
        /// Its number, from 0.
        connection: usize,
        /// What happened.
        fault: String,
    },
    /// All went well, but not what was asked for: the figures would mean something else.
    Unmeasured(String),
    /// It was stopped before anything was measured.
    Stopped,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(text) | Self::Machine(text) | Self::Unmeasured(text) => f.write_str(text),
            Self::Opening { connection, fault } => {
                write!(f, "connection {connection} could not be opened: {fault}")
            }
            Self::Connection { connection, fault } => write!(f, "connection {connection}: {fault}"),
            Self::Stopped => f.write_str("stopped before anything was measured"),
        }
    }
}

impl Error for LoadError {}
