//! The message pipe: what carries a session, seen from the node. Whoever adds a transport implements [`Pipe`].

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use longwire::Prepared;
use longwire_channel::{Codec, Disconnect, Epoch, Push, Pushed, Record, ServerMessage};

/// One direction of a session: to its client. The other is the transport's own task, which tells the node.
///
/// No method waits. What a pipe is given it takes, whether its client reads or not: the hub bounds it.
pub(crate) trait Pipe: Send {
    /// In which form it wants what is live, so that many share one.
    fn form(&self) -> Form;

    /// Takes a live record that was written in its form.
    fn deliver(&mut self, live: Live);

    /// Takes any other message.
    fn send(&mut self, message: &ServerMessage);

    /// Bytes that wait for the client.
    fn buffered(&self) -> usize;

    /// Completes when most of what waits now is gone, or the pipe has ended.
    fn drained(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Sends the last word and ends.
    fn close(&mut self, disconnect: &Disconnect);
}

/// In which form a pipe wants live records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As messages of the protocol.
    Protocol(Codec),
    /// The content alone, as a WebSocket message.
    Content,
    /// As server-sent events.
    Events,
}

/// A live record in one of the forms, shared by all who get the same bytes.
#[derive(Clone, Debug)]
pub(crate) enum Live {
    /// A WebSocket message.
    Message(Prepared),
    /// An event.
    Event(Bytes),
}

/// What the bytes of a live record depend on, besides the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LiveKey {
    form: Form,
    sub: u32,
    prev: u64,
    skipped: u64,
}

impl LiveKey {
    /// The bare forms name neither the subscription nor what came before.
    pub(crate) fn new(form: Form, sub: u32, prev: u64, skipped: u64) -> Self {
        match form {
            Form::Protocol(_) => Self { form, sub, prev, skipped },
            Form::Content | Form::Events => Self { form, sub: 0, prev: 0, skipped: 0 },
        }
    }

    /// Writes the record.
    pub(crate) fn write(self, epoch: Epoch, record: &Arc<Record>) -> Live {
        match self.form {
            Form::Protocol(codec) => {
                let bytes = codec.encode_message_push(self.sub, self.prev, self.skipped, record);
                Live::Message(Prepared::new(crate::faces::protocol_message(codec, bytes)))
            }
            Form::Content => {
                Live::Message(Prepared::new(crate::faces::content_message(&record.payload)))
            }
            Form::Events => Live::Event(crate::faces::events::record(epoch, record)),
        }
    }
}

/// The records of a push, for pipes that show nothing else of it.
pub(crate) fn records(push: &Push) -> &[Arc<Record>] {
    match &push.pushed {
        Pushed::Message { record, .. } => std::slice::from_ref(record),
        Pushed::Page { records, .. } => records,
        _ => &[],
    }
}
