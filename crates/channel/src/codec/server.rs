//! What servers say, field by field: one schema for both codecs.

use std::{borrow::Cow, sync::Arc};

use super::{
    fields::{Fault, Fields, Item, Value},
    write::{Writable, Write},
};
use crate::{
    Capabilities, CloseCode, Connected, Disconnect, ErrorCode, Gap, HistoryPage, Limits, Outcome,
    Published, Push, Pushed, Record, Refusal, ServerMessage, Subscribed, Token, Unsubscribed,
    Verdict, json::quoted,
};

impl Writable for ServerMessage {
    fn write(&self, w: &mut impl Write) {
        w.object(|w| match self {
            ServerMessage::Connected(connected) => write_connected(w, connected),
            ServerMessage::Subscribed { id, subscribed } => {
                answer(w, "subscribed", *id);
                write_subscribed(w, subscribed);
            }
            ServerMessage::Unsubscribed { id, sub } => {
                answer(w, "unsubscribed", *id);
                w.uint("sub", (*sub).into());
            }
            ServerMessage::Published { id, published } => {
                answer(w, "published", *id);
                if let Some(position) = published.position {
                    w.position(position);
                }
                if published.duplicate {
                    w.bool("duplicate", true);
                }
            }
            ServerMessage::History { id, page } => {
                answer(w, "history", *id);
                w.epoch(page.epoch);
                w.uint("first", page.first);
                w.uint("last", page.last);
                write_records(w, &page.records);
                w.bool("more", page.more);
            }
            ServerMessage::Refreshed { id, expires_in_ms, ticket } => {
                answer(w, "refreshed", *id);
                w.optional_uint("expires_in_ms", *expires_in_ms);
                w.optional_text("ticket", ticket.as_deref());
            }
            ServerMessage::Error { id, refusal } => {
                answer(w, "error", *id);
                write_refusal(w, refusal);
            }
            ServerMessage::Push(push) => write_push(w, push),
            ServerMessage::Ping => w.text("type", "ping"),
            ServerMessage::Disconnect(disconnect) => {
                w.text("type", "disconnect");
                w.uint("code", disconnect.code.0.into());
                w.text("reason", &disconnect.reason);
                w.bool("reconnect", disconnect.code.verdict() != Verdict::Stop);
                w.optional_uint("retry_after_ms", disconnect.retry_after_ms);
            }
        });
    }
}

/// The parts of `Pushed::Message`.
pub(super) struct Live<'r> {
    pub(super) sub: u32,
    pub(super) prev: u64,
    pub(super) skipped: u64,
    pub(super) record: &'r Record,
}

impl Writable for Live<'_> {
    fn write(&self, w: &mut impl Write) {
        w.object(|w| write_message(w, self.sub, self.prev, self.skipped, self.record));
    }
}

/// Reads a message; `None` is of a type that is not known.
pub(super) fn read<'a, I: Item<'a>>(
    fields: &Fields<'a, I>,
) -> Result<Option<ServerMessage>, Fault> {
    fields.check_keys()?;
    let kind: Cow<'_, str> = fields.required("type")?;
    let id = || fields.required::<u64>("id");
    Ok(Some(match &*kind {
        "connected" => ServerMessage::Connected(Box::new(read_connected(id()?, fields)?)),
        "subscribed" => {
            ServerMessage::Subscribed { id: id()?, subscribed: read_subscribed(fields)? }
        }
        "unsubscribed" if fields.has("id") => {
            ServerMessage::Unsubscribed { id: id()?, sub: fields.required("sub")? }
        }
        "published" => ServerMessage::Published {
            id: id()?,
            published: Published {
                position: if fields.has("epoch") { Some(fields.position()?) } else { None },
                duplicate: fields.optional("duplicate")?.unwrap_or(false),
            },
        },
        "history" => ServerMessage::History {
            id: id()?,
            page: HistoryPage {
                epoch: fields.required("epoch")?,
                first: fields.required("first")?,
                last: fields.required("last")?,
                records: read_records(fields)?,
                more: fields.required("more")?,
            },
        },
        "refreshed" => ServerMessage::Refreshed {
            id: id()?,
            expires_in_ms: fields.optional("expires_in_ms")?,
            ticket: fields.optional("ticket")?,
        },
        "error" => ServerMessage::Error { id: id()?, refusal: read_refusal(fields)? },
        "ping" => ServerMessage::Ping,
        "disconnect" => ServerMessage::Disconnect(Disconnect {
            code: CloseCode(fields.required("code")?),
            reason: fields.required("reason")?,
            retry_after_ms: fields.optional("retry_after_ms")?,
        }),
        kind => match read_pushed(kind, fields)? {
            Some(pushed) => ServerMessage::Push(Push { sub: fields.required("sub")?, pushed }),
            None => return Ok(None),
        },
    }))
}

fn answer(w: &mut impl Write, kind: &str, id: u64) {
    w.text("type", kind);
    w.uint("id", id);
}

fn push(w: &mut impl Write, kind: &str, sub: u32) {
    w.text("type", kind);
    w.uint("sub", sub.into());
}

fn write_connected(w: &mut impl Write, connected: &Connected) {
    answer(w, "connected", connected.id);
    w.text("session", &connected.session);
    w.optional_text("user", connected.user.as_ref().map(Token::as_str));
    w.uint("capabilities", connected.capabilities.0.into());
    w.uint("ping_interval_ms", connected.ping_interval_ms);
    w.uint("pong_timeout_ms", connected.pong_timeout_ms);
    w.optional_uint("expires_in_ms", connected.expires_in_ms);
    w.uint("reconnect_window_ms", connected.reconnect_window_ms);
    w.optional_text("ticket", connected.ticket.as_deref());
    w.key("limits");
    w.object(|w| {
        w.uint("max_message_bytes", connected.limits.max_message_bytes);
        w.uint("max_subscriptions", connected.limits.max_subscriptions.into());
        w.uint("publish_rate", connected.limits.publish_rate.into());
    });
    w.key("subscriptions");
    w.list(connected.subscriptions.len(), |w| {
        for (sub, outcome) in &connected.subscriptions {
            w.object(|w| match outcome {
                Ok(subscribed) => write_subscribed(w, subscribed),
                Err(refusal) => {
                    w.uint("sub", (*sub).into());
                    write_error(w, refusal);
                }
            });
        }
    });
}

fn read_connected<'a, I: Item<'a>>(id: u64, fields: &Fields<'a, I>) -> Result<Connected, Fault> {
    let mut subscriptions = Vec::new();
    for item in fields.required::<Vec<I>>("subscriptions")? {
        let outcome = Fields::read(item).and_then(|fields| read_outcome_of_connect(&fields));
        subscriptions.push(outcome.map_err(|fault| fault.at("subscriptions"))?);
    }
    let limits: Fields<'a, I> = fields.required("limits")?;
    Ok(Connected {
        id,
        session: fields.required("session")?,
        user: fields.optional("user")?,
        capabilities: Capabilities(fields.required("capabilities")?),
        ping_interval_ms: fields.required("ping_interval_ms")?,
        pong_timeout_ms: fields.required("pong_timeout_ms")?,
        expires_in_ms: fields.optional("expires_in_ms")?,
        reconnect_window_ms: fields.required("reconnect_window_ms")?,
        ticket: fields.optional("ticket")?,
        limits: Limits {
            max_message_bytes: limits.required("max_message_bytes")?,
            max_subscriptions: limits.required("max_subscriptions")?,
            publish_rate: limits.required("publish_rate")?,
        },
        subscriptions,
    })
}

fn read_outcome_of_connect<'a, I: Item<'a>>(
    fields: &Fields<'a, I>,
) -> Result<(u32, Result<Subscribed, Refusal>), Fault> {
    let sub = fields.required("sub")?;
    match fields.optional("error")? {
        Some(refusal) => Ok((sub, Err(refusal))),
        None => Ok((sub, Ok(read_subscribed(fields)?))),
    }
}

fn write_subscribed(w: &mut impl Write, subscribed: &Subscribed) {
    w.uint("sub", subscribed.sub.into());
    w.position(subscribed.position);
    let (name, after) = match subscribed.outcome {
        Outcome::Live => ("live", None),
        Outcome::Deltas { after } => ("deltas", Some(after)),
        Outcome::Snapshot { after } => ("snapshot", Some(after)),
        Outcome::Truncated { after } => ("truncated", Some(after)),
    };
    w.text("outcome", name);
    w.optional_uint("after", after);
}

fn read_subscribed<'a, I: Item<'a>>(fields: &Fields<'a, I>) -> Result<Subscribed, Fault> {
    let after = || fields.required("after");
    let name: Cow<'_, str> = fields.required("outcome")?;
    let outcome = match &*name {
        "live" => Outcome::Live,
        "deltas" => Outcome::Deltas { after: after()? },
        "snapshot" => Outcome::Snapshot { after: after()? },
        "truncated" => Outcome::Truncated { after: after()? },
        other => {
            return Err(Fault::new(format!(
                "there is no `outcome` {}: live, deltas, snapshot and truncated are known",
                quoted(other)
            )));
        }
    };
    Ok(Subscribed { sub: fields.required("sub")?, position: fields.position()?, outcome })
}

/// Writes the fields of an error into the object that is open.
fn write_refusal(w: &mut impl Write, refusal: &Refusal) {
    w.text("code", refusal.code.name());
    w.text("message", &refusal.message);
    w.bool("temporary", refusal.code.is_temporary());
    w.optional_uint("retry_after_ms", refusal.retry_after_ms);
}

/// Writes an error as a field.
fn write_error(w: &mut impl Write, refusal: &Refusal) {
    w.key("error");
    w.object(|w| write_refusal(w, refusal));
}

/// Reads an error. A code that is not known keeps its name in the words, and stands for a known one that is as lasting.
fn read_refusal<'a, I: Item<'a>>(fields: &Fields<'a, I>) -> Result<Refusal, Fault> {
    let name: Cow<'_, str> = fields.required("code")?;
    let message: String = fields.required("message")?;
    let (code, message) = match ErrorCode::from_name(&name) {
        Some(code) => (code, message),
        None if fields.optional("temporary")?.unwrap_or(false) => {
            (ErrorCode::Unavailable, format!("{name}: {message}"))
        }
        None => (ErrorCode::BadRequest, format!("{name}: {message}")),
    };
    Ok(Refusal { code, message, retry_after_ms: fields.optional("retry_after_ms")? })
}

impl<'a, I: Item<'a>> Value<'a, I> for Refusal {
    fn read(item: I) -> Result<Self, Fault> {
        read_refusal(&Fields::read(item)?)
    }
}

fn write_push(w: &mut impl Write, Push { sub, pushed }: &Push) {
    match pushed {
        Pushed::Message { prev, skipped, record } => {
            write_message(w, *sub, *prev, *skipped, record);
        }
        Pushed::Page { prev, records, more } => {
            push(w, "page", *sub);
            w.uint("prev", *prev);
            write_records(w, records);
            w.bool("more", *more);
        }
        Pushed::Lost(Gap { from, to }) => {
            push(w, "lost", *sub);
            w.uint("from", *from);
            w.uint("to", *to);
        }
        Pushed::Reset { position } => {
            push(w, "reset", *sub);
            w.position(*position);
        }
        Pushed::Ended { seq } => {
            push(w, "ended", *sub);
            w.uint("seq", *seq);
        }
        Pushed::Unsubscribed(Unsubscribed { refusal }) => {
            push(w, "unsubscribed", *sub);
            write_error(w, refusal);
        }
    }
}

fn write_message(w: &mut impl Write, sub: u32, prev: u64, skipped: u64, record: &Record) {
    push(w, "message", sub);
    if record.seq != 0 {
        w.uint("prev", prev);
    }
    if skipped != 0 {
        w.uint("skipped", skipped);
    }
    write_record(w, record);
}

fn read_pushed<'a, I: Item<'a>>(
    kind: &str,
    fields: &Fields<'a, I>,
) -> Result<Option<Pushed>, Fault> {
    Ok(Some(match kind {
        "message" => {
            let record = read_record(fields)?;
            Pushed::Message {
                prev: if record.seq == 0 { 0 } else { fields.required("prev")? },
                skipped: fields.optional("skipped")?.unwrap_or(0),
                record: Arc::new(record),
            }
        }
        "page" => Pushed::Page {
            prev: fields.required("prev")?,
            records: read_records(fields)?,
            more: fields.required("more")?,
        },
        "lost" => Pushed::Lost(Gap { from: fields.required("from")?, to: fields.required("to")? }),
        "reset" => Pushed::Reset { position: fields.position()? },
        "ended" => Pushed::Ended { seq: fields.required("seq")? },
        "unsubscribed" => Pushed::Unsubscribed(Unsubscribed { refusal: fields.required("error")? }),
        _ => return Ok(None),
    }))
}

fn write_records(w: &mut impl Write, records: &[Arc<Record>]) {
    w.key("messages");
    w.list(records.len(), |w| {
        for record in records {
            w.object(|w| write_record(w, record));
        }
    });
}

fn read_records<'a, I: Item<'a>>(fields: &Fields<'a, I>) -> Result<Vec<Arc<Record>>, Fault> {
    let items: Vec<I> = fields.required("messages")?;
    let read = |item| Fields::read(item).and_then(|fields| read_record(&fields)).map(Arc::new);
    items.into_iter().map(read).collect::<Result<_, Fault>>().map_err(|fault| fault.at("messages"))
}

fn write_record(w: &mut impl Write, record: &Record) {
    if record.seq != 0 {
        w.uint("seq", record.seq);
    }
    w.uint("time", record.time);
    w.payload(&record.payload);
    w.optional_text("event", record.event.as_ref().map(Token::as_str));
    w.optional_text("publisher", record.publisher.as_ref().map(Token::as_str));
}

fn read_record<'a, I: Item<'a>>(fields: &Fields<'a, I>) -> Result<Record, Fault> {
    Ok(Record {
        seq: fields.optional("seq")?.unwrap_or(0),
        time: fields.required("time")?,
        payload: fields.payload()?,
        event: fields.optional("event")?,
        publisher: fields.optional("publisher")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Codec;

    #[test]
    fn a_code_that_is_not_known_stands_for_one_that_is_as_lasting() {
        for (temporary, code) in [(true, ErrorCode::Unavailable), (false, ErrorCode::BadRequest)] {
            let frame = format!(
                r#"{{"type":"error","id":4,"code":"later","message":"words","temporary":{temporary}}}"#
            );
            let refusal = Refusal::new(code, "later: words");
            assert_eq!(
                Codec::Json.decode_server(frame.as_bytes()),
                Ok(vec![ServerMessage::Error { id: 4, refusal }])
            );
        }
    }
}
