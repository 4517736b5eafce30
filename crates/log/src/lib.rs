//! An embedded durable log: many streams over one write-ahead log, with group commit.
//!
//! - [`Log`] takes [`Request`]s and gives [`Completion`]s; [`Handle`] is that as a trait.
//! - [`Machine`] is the same without threads and clocks, for simulations, over a [`SimulatedStorage`].
//! - [`Storage`] is the seam below.

mod error;
mod layout;
mod log;
mod lookup;
mod machine;
mod open;
mod pace;
mod reader;
mod request;
mod response;
mod stats;
mod storage;
mod stream;
mod threads;

pub use error::{LogError, Place};
pub use log::{Config, Figures, Handle, Log, Wake};
pub use machine::Machine;
pub use open::{OpenError, Report};
pub use request::{Append, Dedup, From, Order, Read, Request, Retention};
pub use response::{Appended, Completion, Entry, Info, Page, Response};
pub use stats::{Histogram, Stats};
pub use storage::{
    Batch, CommitError, ReadError, Storage, Table, View, Visitor, simulated::SimulatedStorage,
};
pub use stream::{InvalidStreamName, Position, StreamName};
