//! What opening a log finds.

use std::{fmt, path::PathBuf, time::Duration};

use crate::Place;

/// What was found when a log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Whether the log was made now.
    pub created: bool,
    /// How long opening took.
    pub took: Duration,
    /// Places where bytes are not what was written; what is intact is served. Empty after any crash of the process or
    /// of the machine.
    pub corrupt: Vec<Place>,
    /// Unfinished writes at the end that were cut off, as a crash leaves them: nothing of them was acknowledged.
    pub torn: Vec<Place>,
}

/// Why a log cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    Locked {
        /// The log's folder.
        folder: PathBuf,
    },
    /// It was written by a newer version.
    Newer {
        /// The log's folder.
        folder: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format that this version knows.
        known: u64,
    },
    /// The folder holds something else, or what it takes to open it is broken.
    Corrupt {
        /// The log's folder.
        folder: PathBuf,
        /// Where.
        place: Box<Place>,
    },
    /// The system refused.
    Io {
        /// The log's folder.
        folder: PathBuf,
        /// The system's words.
        reason: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { folder } => write!(
                f,
                "the log in {} is in use by another process: end that, or use another folder",
                folder.display()
            ),
            Self::Newer { folder, found, known } => write!(
                f,
                "the log in {} has format {found}, and this version knows {known}: use a newer version of Longwire",
                folder.display()
            ),
            Self::Corrupt { folder, place } => write!(
                f,
                "the log in {} cannot be opened ({place}): restore a backup, or move the folder away to begin anew",
                folder.display()
            ),
            Self::Io { folder, reason } => write!(
                f,
                "the log in {} cannot be opened ({reason}): check that the folder may be written and has room",
                folder.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}
