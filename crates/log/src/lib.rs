//! An embedded durable log: many streams over one write-ahead log, with group commit.
//!
//! - [`Log`] takes [`Request`]s and gives [`Completion`]s; [`Handle`] is that as a trait.

mod error;
mod log;
mod open;
mod request;
mod response;
mod stats;
mod stream;

pub use error::{LogError, Place};
pub use log::{Config, Handle, Log, Wake};
pub use open::{OpenError, Report};
pub use request::{Append, Dedup, From, Order, Read, Request, Retention};
pub use response::{Appended, Completion, Entry, Info, Page, Response};
pub use stats::{Histogram, Stats};
pub use stream::{InvalidStreamName, Position, StreamName};
