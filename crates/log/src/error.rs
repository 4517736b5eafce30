//! What goes wrong, with the cure.

use std::{fmt, path::PathBuf};

/// Why a request was not carried out. Nothing of it is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogError {
    /// The disk is full. Nothing was written; the same append may succeed once there is room.
    Full,
    /// A write or an fsync failed, so what is on disk is unknown. Every write is refused until the log is opened again;
    /// reads go on. What was being written may be there or not when the log is opened again.
    Failed {
        /// The system's words.
        reason: String,
    },
    /// So much waits to be written that no more is taken. Later it may.
    Overloaded,
    /// The stream has ended.
    Ended {
        /// Which life of the stream.
        epoch: u64,
        /// Its last record.
        seq: u64,
    },
    /// A newer life of this producer has appended.
    ProducerFenced {
        /// The newest epoch.
        epoch: u64,
    },
    /// The producer left out a number.
    ProducerGap {
        /// The number that is due.
        expected: u64,
    },
    /// The producer repeats a number so old that its place is forgotten: it was appended.
    ProducerForgotten {
        /// The producer's last number.
        last: u64,
    },
    /// The request itself is wrong.
    Invalid {
        /// What is wrong, and the cure.
        reason: String,
    },
    /// The disk gave other bytes than were written.
    Corrupt(Box<Place>),
    /// Reading failed.
    Io {
        /// The system's words.
        reason: String,
    },
    /// The log is being closed.
    Closed,
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str(
                "the disk is full: nothing was written; make room on it, then try again",
            ),
            Self::Failed { reason } => write!(
                f,
                "the log takes no more writes, since what is on disk is unknown after a failure ({reason}): \
                 check the disk, then restart"
            ),
            Self::Overloaded => {
                f.write_str("too much waits to be written: try again later, or send less")
            }
            Self::Ended { seq, .. } => write!(
                f,
                "the stream has ended with record {seq}: delete it to begin anew, or use another"
            ),
            Self::ProducerFenced { epoch } => write!(
                f,
                "a newer life of this producer has appended: its epoch is {epoch}, so use one above it, or stop"
            ),
            Self::ProducerGap { expected } => write!(
                f,
                "the producer left out a number: send {expected} first, or begin a new epoch at 1"
            ),
            Self::ProducerForgotten { last } => write!(
                f,
                "the producer repeats a number that was appended long ago: its last is {last}, so go on behind it"
            ),
            Self::Invalid { reason } => f.write_str(reason),
            Self::Corrupt(place) => write!(
                f,
                "the disk gave other bytes than were written ({place}): check the disk, and restore a backup or \
                 delete the stream"
            ),
            Self::Io { reason } => write!(f, "reading the log failed ({reason}): check the disk"),
            Self::Closed => f.write_str("the log is being closed: open it again"),
        }
    }
}

impl std::error::Error for LogError {}

/// Where bytes are not what was written, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Which kind of data, in the log's words.
    pub table: &'static str,
    /// Of which stream.
    pub stream: Option<String>,
    /// Which records, both ends within.
    pub records: Option<(u64, u64)>,
    /// In which file or folder.
    pub file: Option<PathBuf>,
    /// How it showed.
    pub detail: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.table)?;
        if let Some(stream) = &self.stream {
            write!(f, " of stream {stream:?}")?;
        }
        if let Some((from, to)) = self.records {
            write!(f, ", records {from} to {to}")?;
        }
        if let Some(file) = &self.file {
            write!(f, ", {}", file.display())?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}
