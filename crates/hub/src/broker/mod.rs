//! The broker: where streams live, and whose order is the order.

mod brokers;
mod durable;
mod memory;

use std::{fmt, sync::Arc};

use longwire_channel::{
    ChannelName, Epoch, ErrorCode, Gap, Order, Position, Publication, Published, Record, Refusal,
};

pub use self::{
    brokers::Brokers,
    durable::Durable,
    memory::{Memory, MemoryLimits},
};
use crate::{Now, Retention};

/// Where streams live. A machine without I/O, too: requests go in, events come out, in an order that holds.
///
/// What holds for every implementation, and what `conformance::check` checks:
/// - Every request but [`Request::Detach`] has exactly one [`Event::Completed`] with its token.
/// - Publications to one channel are appended in the order in which they were submitted.
/// - A channel that is attached has every record behind the position that completed the `Attach` told by
///   [`Event::Appended`], once, in order, until it is detached. Ephemeral ones are told where they happen to fall.
/// - No event and no page shows an attached channel in an epoch that was not told before, by the completion of `Attach`
///   or by [`Event::Reset`]; and none that was left comes again.
/// - A stream that nobody published to is there as soon as it is attached, with no records.
pub trait Broker {
    /// Takes a request.
    fn submit(&mut self, token: u64, request: Request, now: Now);

    /// Gives the next event, if there is one.
    fn poll(&mut self, now: Now) -> Option<Event>;

    /// When to poll again, although nothing happened outside.
    fn poll_timeout(&self) -> Option<std::time::Instant>;
}

/// Something asked of a broker.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a broker does all of them")]
pub enum Request {
    /// Tells what happens to a channel from now on. Completed by [`Response::Attached`].
    Attach {
        /// Which.
        channel: ChannelName,
    },
    /// No longer tells it. Not completed. What is on its way may still come.
    Detach {
        /// Which.
        channel: ChannelName,
    },
    /// Appends a publication; or, if it is ephemeral, tells it to those who are attached. Completed by
    /// [`Response::Published`], once the durability is reached.
    Append {
        /// Where to.
        channel: ChannelName,
        /// What.
        publication: Publication,
        /// How much of the stream is kept from now on.
        retention: Retention,
        /// How long its key is remembered: milliseconds.
        window_ms: u64,
    },
    /// Reads records. Completed by [`Response::Page`].
    Read {
        /// From where.
        channel: ChannelName,
        /// With which to begin.
        from: From,
        /// In which order.
        order: Order,
        /// The most records to give.
        records: u32,
        /// The most bytes to give, but for the first record.
        bytes: usize,
    },
    /// Ends a stream. One that has ended may be ended again. Completed by [`Response::Ended`].
    End {
        /// Which.
        channel: ChannelName,
    },
    /// Deletes a stream. One that is not there may be deleted. Completed by [`Response::Deleted`].
    Delete {
        /// Which.
        channel: ChannelName,
    },
    /// Looks at a stream. Completed by [`Response::Info`].
    Info {
        /// Which.
        channel: ChannelName,
    },
    /// Lists streams by name. Completed by [`Response::Channels`].
    Channels {
        /// Those behind this one.
        after: Option<ChannelName>,
        /// The most to give.
        limit: u32,
    },
}

impl Request {
    /// The channel it is about, if it is about one.
    pub fn channel(&self) -> Option<&ChannelName> {
        match self {
            Self::Attach { channel }
            | Self::Detach { channel }
            | Self::Append { channel, .. }
            | Self::Read { channel, .. }
            | Self::End { channel }
            | Self::Delete { channel }
            | Self::Info { channel } => Some(channel),
            Self::Channels { .. } => None,
        }
    }
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a broker can begin at all of them")]
pub enum From {
    /// With the first record in the order that was asked for.
    Edge,
    /// With the first behind this position in that order. If its epoch is not the stream's, the page has no records,
    /// and its own epoch says so.
    Behind(Position),
    /// With the first record of this time or later, forwards only: milliseconds since 1970.
    Time(u64),
}

/// Something that happened in a broker.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a hub takes all of them")]
pub enum Event {
    /// A request is done.
    Completed {
        /// Which.
        token: u64,
        /// How it went.
        result: Result<Response, Error>,
    },
    /// A record was published to an attached channel.
    Appended {
        /// Which.
        channel: ChannelName,
        /// The life of its stream.
        epoch: Epoch,
        /// The record; its `seq` is 0 where it is ephemeral.
        record: Arc<Record>,
    },
    /// The stream of an attached channel began anew.
    Reset {
        /// Which.
        channel: ChannelName,
        /// Its position now: what is appended from now on is told.
        position: Position,
    },
    /// The stream of an attached channel has ended; all of its records were told.
    Ended {
        /// Which.
        channel: ChannelName,
    },
}

/// How a request was done.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a hub takes all of them")]
pub enum Response {
    /// To `Attach`.
    Attached(Info),
    /// To `Append`.
    Published(Published),
    /// To `Read`.
    Page(Page),
    /// To `End`: the position of the last record.
    Ended(Position),
    /// To `Delete`.
    Deleted,
    /// To `Info`; `None` where there is no stream.
    Info(Option<Info>),
    /// To `Channels`.
    Channels {
        /// By name.
        channels: Vec<(ChannelName, Info)>,
        /// Behind which name more may lie. Where streams cannot be shown it is none of these.
        next: Option<ChannelName>,
    },
}

/// Records of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The life of the stream.
    pub epoch: Epoch,
    /// The `seq` of the first record that is kept; one more than `last` if none is.
    pub first: u64,
    /// The `seq` of the last record.
    pub last: u64,
    /// The records, in the order that was asked for.
    pub records: Vec<Arc<Record>>,
    /// Records that belong here and cannot be read, in ascending order.
    pub damaged: Vec<Gap>,
    /// Whether more lies behind them.
    pub more: bool,
}

/// A stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its last record.
    pub position: Position,
    /// The `seq` of the first record that is kept; one more than the last if none is.
    pub first: u64,
    /// Bytes that are kept.
    pub bytes: u64,
    /// Whether it has ended.
    pub ended: bool,
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The stream has ended: nothing can be published to it.
    Ended,
    /// A newer epoch of this producer has published.
    ProducerFenced {
        /// That epoch.
        epoch: u64,
    },
    /// The producer's `seq` leaves a gap.
    ProducerGap {
        /// What is expected.
        expected: u64,
    },
    /// The disk is full.
    Full,
    /// There is too much in memory.
    NoRoom,
    /// The log failed, and takes no writes until it is opened again.
    Failed(String),
    /// What is asked for lies in a damaged place.
    Corrupt(String),
    /// The request itself is wrong: what, and the cure.
    Invalid(String),
    /// Anything else, in words.
    Unavailable(String),
}

impl Error {
    /// What a client is told: the only place that turns a broker's fault into a code.
    pub fn refusal(&self) -> Refusal {
        let (code, retry) = match self {
            Self::Ended => (ErrorCode::StreamEnded, None),
            Self::ProducerFenced { .. } => (ErrorCode::ProducerFenced, None),
            Self::ProducerGap { .. } => (ErrorCode::ProducerGap, None),
            Self::Full => (ErrorCode::StorageFull, Some(RETRY_FULL_MS)),
            Self::NoRoom => (ErrorCode::Unavailable, Some(RETRY_FULL_MS)),
            Self::Failed(_) => (ErrorCode::StorageFailed, None),
            Self::Corrupt(_) => (ErrorCode::Internal, None),
            Self::Invalid(_) => (ErrorCode::BadRequest, None),
            Self::Unavailable(_) => (ErrorCode::Unavailable, Some(RETRY_MS)),
        };
        Refusal { retry_after_ms: retry, ..Refusal::new(code, self.to_string()) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => {
                f.write_str("the stream has ended: publish to another channel, or delete this one")
            }
            Self::ProducerFenced { epoch } => write!(
                f,
                "the producer has published with epoch {epoch}: use a larger one, or another id"
            ),
            Self::ProducerGap { expected } => write!(
                f,
                "the producer's seq leaves a gap: {expected} is expected, publish the missing ones first"
            ),
            Self::Full => f.write_str(
                "the disk is full: free some space on it; reads and channels in memory go on",
            ),
            Self::NoRoom => f.write_str(
                "the channels in memory hold as much as they may: raise the limits of memory (`memory_bytes`, `memory_streams`), or keep less of each",
            ),
            Self::Failed(cause) => write!(
                f,
                "the log has failed and takes no writes: check the disk and start the server again ({cause})"
            ),
            Self::Corrupt(place) => {
                write!(f, "the log is damaged at {place}: what is intact can be read around it")
            }
            Self::Invalid(cause) => f.write_str(cause),
            Self::Unavailable(cause) => write!(f, "the stream cannot be reached now, try again: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

/// When to try again where room has to be made first.
const RETRY_FULL_MS: u64 = 5_000;

/// When to try again where it may be over soon.
const RETRY_MS: u64 = 500;
