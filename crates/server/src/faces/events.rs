//! One channel, bare, as server-sent events.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, stream};
use longwire_channel::{
    Disconnect, Epoch, Outcome, Payload, Position, Push, Pushed, Record, Refusal, ServerMessage,
    Start, Subscribed,
};
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, Sleep, sleep},
};

use super::gauge::Gauge;
use crate::{
    node::Visitor,
    pipe::{Form, Live, Pipe, records},
};

/// The node's end of a stream of events.
pub(crate) struct EventsPipe {
    items: mpsc::UnboundedSender<Item>,
    gauge: Arc<Gauge>,
    epoch: Option<Epoch>,
}

/// What comes out at the other end.
#[derive(Debug)]
pub(crate) enum Item {
    /// How the subscription begins.
    Begun(Subscribed),
    /// Why it does not.
    Refused(Refusal),
    /// Something to send on.
    Bytes(Bytes),
}

/// The reader's end of a stream of events.
pub(crate) struct Events {
    items: mpsc::UnboundedReceiver<Item>,
    gauge: Arc<Gauge>,
}

/// A pipe of events, both ends. Down to `low` bytes it counts as drained.
pub(crate) fn pipe(low: usize) -> (EventsPipe, Events) {
    let (items_in, items) = mpsc::unbounded_channel();
    let gauge = Arc::new(Gauge::new(low));
    (EventsPipe { items: items_in, gauge: gauge.clone(), epoch: None }, Events { items, gauge })
}

impl Events {
    /// How the subscription begins: nothing else comes before that.
    pub(crate) async fn begin(&mut self) -> Result<Subscribed, Refusal> {
        loop {
            match self.items.recv().await {
                Some(Item::Begun(subscribed)) => return Ok(subscribed),
                Some(Item::Refused(refusal)) => return Err(refusal),
                Some(Item::Bytes(bytes)) => self.gauge.take(bytes.len()),
                None => {
                    let words = "the server is stopping: try again";
                    return Err(Refusal::new(longwire_channel::ErrorCode::Unavailable, words));
                }
            }
        }
    }

    /// What is sent, with a comment after each `interval` of silence. The visitor leaves with it.
    pub(crate) fn stream(
        self,
        first: Bytes,
        interval: Duration,
        visitor: Visitor,
    ) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send {
        let state = Streaming {
            events: self,
            first: Some(first),
            interval,
            silence: Box::pin(sleep(interval)),
            _visitor: visitor,
        };
        stream::unfold(state, async |mut state| {
            let bytes = state.next().await?;
            Some((Ok(bytes), state))
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.gauge.close();
    }
}

struct Streaming {
    events: Events,
    first: Option<Bytes>,
    interval: Duration,
    silence: Pin<Box<Sleep>>,
    _visitor: Visitor,
}

impl Streaming {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        self.silence.as_mut().reset(Instant::now() + self.interval);
        loop {
            tokio::select! {
                item = self.events.items.recv() => match item? {
                    Item::Bytes(bytes) => {
                        self.events.gauge.take(bytes.len());
                        return Some(bytes);
                    }
                    Item::Begun(_) | Item::Refused(_) => {}
                },
                () = self.silence.as_mut() => return Some(Bytes::from_static(b":\n\n")),
            }
        }
    }
}

impl EventsPipe {
    fn put(&self, bytes: Bytes) {
        self.gauge.put(bytes.len());
        self.give(Item::Bytes(bytes));
    }

    fn give(&self, item: Item) {
        // A reader that has left needs nothing; its session is about to end.
        let _ = self.items.send(item);
    }

    fn push(&mut self, push: &Push) {
        if let Some(epoch) = self.epoch {
            for record in records(push) {
                self.put(self::record(epoch, record));
            }
        }
        match &push.pushed {
            Pushed::Lost(gap) => self.put(lost(gap.from, gap.to)),
            Pushed::Reset { position } => {
                self.epoch = Some(position.epoch);
                self.put(reset(*position));
            }
            Pushed::Ended { seq } => {
                self.put(named("longwire.ended", None, &json!({ "seq": seq })));
                self.finish();
            }
            Pushed::Unsubscribed(unsubscribed) => {
                let refusal = crate::http::refusal_json(&unsubscribed.refusal);
                self.put(named("longwire.unsubscribed", None, &refusal));
                self.finish();
            }
            _ => {}
        }
    }

    /// Ends the body behind what was put into it.
    fn finish(&mut self) {
        let (nobody, _) = mpsc::unbounded_channel();
        self.items = nobody;
    }
}

impl Pipe for EventsPipe {
    fn form(&self) -> Form {
        Form::Events
    }

    fn deliver(&mut self, live: Live) {
        if let Live::Event(bytes) = live {
            self.put(bytes);
        }
    }

    fn send(&mut self, message: &ServerMessage) {
        match message {
            ServerMessage::Subscribed { subscribed, .. } => {
                self.epoch = Some(subscribed.position.epoch);
                self.give(Item::Begun(*subscribed));
            }
            ServerMessage::Error { refusal, .. } => self.give(Item::Refused(refusal.clone())),
            ServerMessage::Push(push) => self.push(push),
            _ => {}
        }
    }

    fn buffered(&self) -> usize {
        self.gauge.bytes()
    }

    fn drained(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let gauge = self.gauge.clone();
        Box::pin(async move { gauge.drained().await })
    }

    fn close(&mut self, disconnect: &Disconnect) {
        let code = disconnect.code;
        let words = json!({ "code": code.0, "reason": disconnect.reason });
        let mut event = BytesMut::new();
        if let Some(retry) = disconnect.retry_after_ms {
            event.put_slice(format!("retry: {retry}\n").as_bytes());
        }
        event.put_slice(&named("longwire.disconnect", None, &words));
        self.put(event.freeze());
        self.finish();
    }
}

/// What a stream of events says first: how long to wait before coming back, and what a reader that came back has missed.
pub(crate) fn preamble(start: &Start, subscribed: &Subscribed) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_slice(format!("retry: {RETRY_MS}\n\n").as_bytes());
    if let (Start::After(from), Outcome::Truncated { after }) = (start, subscribed.outcome) {
        let epoch = subscribed.position.epoch;
        bytes.put_slice(&if from.epoch == epoch {
            lost(from.seq, after)
        } else {
            reset(Position { epoch, seq: after })
        });
    }
    bytes.freeze()
}

/// A record as an event.
pub(crate) fn record(epoch: Epoch, record: &Record) -> Bytes {
    let mut event = BytesMut::with_capacity(record.payload.len() + EVENT);
    if record.seq > 0 {
        event.put_slice(format!("id: {epoch}:{}\n", record.seq).as_bytes());
    }
    if let Some(name) = &record.event {
        event.put_slice(format!("event: {name}\n").as_bytes());
    }
    match &record.payload {
        Payload::Json(text) | Payload::Text(text) => put_lines(&mut event, text),
        other => put_lines(&mut event, BASE64_STANDARD.encode(other.bytes()).as_bytes()),
    }
    event.put_u8(b'\n');
    event.freeze()
}

fn lost(from: u64, to: u64) -> Bytes {
    named("longwire.lost", None, &json!({ "from": from, "to": to }))
}

fn reset(position: Position) -> Bytes {
    let Position { epoch, seq } = position;
    let data = json!({ "epoch": epoch.to_string(), "seq": seq });
    named("longwire.reset", Some(position), &data)
}

fn named(name: &str, id: Option<Position>, data: &serde_json::Value) -> Bytes {
    let id = id.map(|Position { epoch, seq }| format!("id: {epoch}:{seq}\n")).unwrap_or_default();
    Bytes::from(format!("{id}event: {name}\ndata: {data}\n\n"))
}

/// Each line of a text gets a field of its own. CR LF, LF and CR end lines there, and all become LF at the reader.
fn put_lines(event: &mut BytesMut, text: &[u8]) {
    let mut rest = text;
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        event.put_slice(b"data: ");
        event.put_slice(&rest[..end.unwrap_or(rest.len())]);
        event.put_u8(b'\n');
        let Some(end) = end else { return };
        let ending = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + ending..];
    }
}

/// How long a browser waits before it comes back: milliseconds.
const RETRY_MS: u64 = 1000;

/// Bytes of most events without their data.
const EVENT: usize = 64;

#[cfg(test)]
mod tests {
    use longwire_channel::Token;

    use super::*;

    fn written(payload: Payload, event: Option<&str>) -> String {
        let event = event.map(|name| Token::new(name).expect("valid"));
        let record = Record { seq: 7, time: 0, payload, event, publisher: None };
        let bytes = super::record(Epoch::from_random(0xab), &record);
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    }

    #[test]
    fn each_line_is_a_field() {
        let expected =
            "id: 00000000000000ab:7\nevent: said\ndata: a\ndata: b\ndata: \ndata: c\ndata: \n\n";
        assert_eq!(written(Payload::text("a\nb\r\n\rc\n"), Some("said")), expected);
        assert_eq!(written(Payload::text(""), None), "id: 00000000000000ab:7\ndata: \n\n");
    }

    #[test]
    fn bytes_are_base64() {
        let payload = Payload::Binary(Bytes::from_static(&[0xff, 0]));
        assert_eq!(written(payload, None), "id: 00000000000000ab:7\ndata: /wA=\n\n");
    }

    #[test]
    fn what_is_ephemeral_has_no_id() {
        let payload = Payload::text("x");
        let record = Record { seq: 0, time: 0, payload, event: None, publisher: None };
        assert_eq!(super::record(Epoch::from_random(1), &record), "data: x\n\n");
    }
}
