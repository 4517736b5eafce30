//! What the log answers.

use bytes::Bytes;

use crate::{LogError, StreamName};

/// The answer to a request.
#[derive(Debug)]
pub struct Completion {
    /// What the request was submitted with.
    pub token: u64,
    /// What came of it.
    pub result: Result<Response, LogError>,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Response {
    /// A record is on disk.
    Appended(Appended),
    /// Records.
    Page(Page),
    /// The stream takes nothing more.
    Ended {
        /// Which life of the stream.
        epoch: u64,
        /// Its last record; 0 where it has none.
        seq: u64,
    },
    /// The stream is gone.
    Deleted {
        /// The epoch that it will have.
        epoch: u64,
    },
    /// A stream's state.
    Info(Info),
    /// Names, in order.
    Streams {
        /// At most as many as were asked for.
        streams: Vec<StreamName>,
        /// Whether there are more behind the last of them.
        more: bool,
    },
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Which life of the stream.
    pub epoch: u64,
    /// Which record of it.
    pub seq: u64,
    /// The record's time, in milliseconds since 1970.
    pub time_ms: u64,
    /// Whether it had been appended before, and this was a repetition.
    pub duplicate: bool,
}

/// A part of the records that were asked for.
///
/// Whoever wants all of them asks again from behind `through` (`After`, forwards) or before it (`Before`, backwards) while
/// there are `more`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Which life of the stream these are of.
    pub epoch: u64,
    /// The oldest record that the stream has; `last + 1` where it has none.
    pub first: u64,
    /// The newest record that there ever was; 0 before the first.
    pub last: u64,
    /// The records in the order that was asked for.
    pub records: Vec<Entry>,
    /// Whether the set has more behind these.
    pub more: bool,
    /// The record at which the page stops, in its order. Where it is damaged it is not among the records.
    pub through: u64,
    /// Whether the stream has ended: nothing comes behind `last`.
    pub ended: bool,
    /// Whether what was asked for is not all there: the place was of another epoch or beyond `last`, or records behind it are
    /// gone by retention.
    pub truncated: bool,
    /// Records of the page that cannot be read, since the disk gave other bytes than were written: ranges of `seq`, both
    /// ends within, ascending. What is intact is in `records`.
    pub corrupt: Vec<(u64, u64)>,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the stream, from 1.
    pub seq: u64,
    /// When it was appended, in milliseconds since 1970.
    pub time_ms: u64,
    /// The content.
    pub body: Bytes,
}

/// A stream's state.
///
/// A stream that is not there has an epoch as well: the one that it gets with its first record. So a reader of it has a
/// place, (`epoch`, 0), that stays good through restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Whether anything was ever appended, or it was ended, since the last deletion.
    pub exists: bool,
    /// Which life of the stream.
    pub epoch: u64,
    /// The oldest record that the stream has; `last + 1` where it has none.
    pub first: u64,
    /// The newest record that there ever was; 0 before the first.
    pub last: u64,
    /// The newest record's time, in milliseconds since 1970; 0 before the first.
    pub last_time_ms: u64,
    /// Bytes of the bodies that it has.
    pub bytes: u64,
    /// Whether it has ended.
    pub ended: bool,
}
