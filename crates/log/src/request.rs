//! What is asked of the log.

use bytes::Bytes;

use crate::{Position, StreamName};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Appends a record. Answered by [`Response::Appended`](crate::Response::Appended) once it is on disk.
    Append(Append),
    /// Reads records. Answered by [`Response::Page`](crate::Response::Page).
    Read(Read),
    /// Ends a stream: nothing is appended to it any more. Answered by [`Response::Ended`](crate::Response::Ended) once that
    /// is on disk, and again when it had ended before. A stream that never was is made, and ends empty.
    End {
        /// Which stream.
        stream: StreamName,
    },
    /// Deletes a stream with all its records, its end and its keys. What is appended later begins a new epoch at `seq` 1.
    /// Answered by [`Response::Deleted`](crate::Response::Deleted), also where there was nothing.
    Delete {
        /// Which stream.
        stream: StreamName,
    },
    /// Tells a stream's state. Answered by [`Response::Info`](crate::Response::Info).
    Info {
        /// Which stream.
        stream: StreamName,
    },
    /// Lists streams by name. Answered by [`Response::Streams`](crate::Response::Streams).
    Streams {
        /// Names behind this one; none: from the first.
        after: Option<StreamName>,
        /// At most so many, and at most 10,000.
        limit: usize,
    },
}

impl Request {
    /// The stream that it is about.
    pub(crate) fn stream(&self) -> Option<&StreamName> {
        match self {
            Self::Append(append) => Some(&append.stream),
            Self::Read(read) => Some(&read.stream),
            Self::End { stream } | Self::Delete { stream } | Self::Info { stream } => Some(stream),
            Self::Streams { .. } => None,
        }
    }

    /// Whether it changes anything.
    pub(crate) fn writes(&self) -> bool {
        matches!(self, Self::Append(_) | Self::End { .. } | Self::Delete { .. })
    }
}

/// A record to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// To which stream. It is made where it is not there.
    pub stream: StreamName,
    /// The caller's clock, in milliseconds since 1970. The record gets this time, or that of the record before it where that
    /// is later: times never go back in a stream.
    pub time_ms: u64,
    /// The content, at most [`Append::MAX_BODY`] bytes.
    pub body: Bytes,
    /// How a repeated append is known.
    pub dedup: Option<Dedup>,
    /// How much the stream keeps, from now on.
    pub retention: Retention,
}

impl Append {
    /// Bytes of the longest body.
    pub const MAX_BODY: usize = 16 << 20;
}

/// How a repeated append is known: it is answered with the first one's place, and nothing is written.
///
/// What is remembered is written in one piece with the record, so it survives whatever the record survives. A record that
/// retention took is still known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dedup {
    /// By a key of its own.
    Key {
        /// 1 to [`Dedup::MAX_ID`] bytes.
        key: Bytes,
        /// How long it is remembered after the record's time; never longer than the stream takes to see
        /// [`Dedup::MAX_KEYS`] later ones.
        window_ms: u64,
    },
    /// By a producer's numbering: `seq` begins at 1 in each `epoch` of the producer and grows by 1.
    ///
    /// A `seq` that was seen is a duplicate, one that leaves a gap is refused, and so is an older `epoch`. A stream
    /// remembers the [`Dedup::MAX_PRODUCERS`] producers that appended last; where their records are it remembers for a day,
    /// and like keys.
    Producer {
        /// The producer's name: 1 to [`Dedup::MAX_ID`] bytes.
        id: Bytes,
        /// Which life of the producer.
        epoch: u64,
        /// The number of this record, from 1.
        seq: u64,
    },
}

impl Dedup {
    /// Bytes of the longest key or producer's name.
    pub const MAX_ID: usize = 256;
    /// So many keys of a stream are remembered.
    pub const MAX_KEYS: u64 = 100_000;
    /// So many producers of a stream are remembered.
    pub const MAX_PRODUCERS: u64 = 1_000;
}

/// How much a stream keeps: the oldest records go as soon as one of these is exceeded. The newest stays, unless it is too
/// old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Records, at least 1.
    pub count: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Milliseconds since a record's time. It goes within a minute after that, also where nothing is appended.
    pub age_ms: u64,
}

impl Retention {
    /// Everything is kept.
    pub const UNLIMITED: Self = Self { count: u64::MAX, bytes: u64::MAX, age_ms: u64::MAX };
}

/// Records to read: a set of them, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Of which stream.
    pub stream: StreamName,
    /// Which records.
    pub from: From,
    /// The oldest or the newest of them first.
    pub order: Order,
    /// At most so many, at least 1.
    pub limit_records: usize,
    /// At most so many bytes of bodies; the first record comes whatever its length.
    pub limit_bytes: usize,
}

/// A set of records of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum From {
    /// All that there are.
    Beginning,
    /// Those behind a place. A place of another epoch is no place: then all, and the page is `truncated`.
    After(Position),
    /// Those before a place. A place of another epoch is no place: then none, and the page is `truncated`.
    Before(Position),
    /// Those whose time is this or later, in milliseconds since 1970.
    Time(u64),
    /// The last so many.
    Last(u64),
}

/// Which of the records comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The oldest.
    Forwards,
    /// The newest.
    Backwards,
}
