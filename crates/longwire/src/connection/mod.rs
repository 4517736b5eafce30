//! An open connection: the task that owns the transport, and the handles that talk to it.
//!
//! ```text
//!   application's task          queues          connection's task           transport
//!   Receiver ◄──── inbox ◄──────────────────── proto::Connection ◄──────── read
//!   Sender   ────► outbox ───────────────────► proto::Connection ────────► write
//! ```
//!
//! The task owns the protocol and the transport alone; the queues are the only shared state, and
//! their lock is held for a few moves of a pointer, never across a system call.

mod attended;
mod outbox;
mod queues;
mod reader;
mod receiver;
mod scratch;
mod sender;
mod sending;
mod sink;
mod spare;
mod task;
mod websocket;
mod writer;

pub(crate) use self::{
    attended::Attended,
    queues::{Meta, Queues},
    task::Task,
};
pub use self::{
    reader::MessageReader, receiver::Receiver, sender::Sender, websocket::WebSocket,
    writer::MessageWriter,
};
