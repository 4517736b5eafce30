//! What clients say, field by field: one schema for both codecs.

use std::borrow::Cow;

use super::{
    fields::{Fault, Fields, Item, Value},
    write::{Writable, Write},
};
use crate::{
    Capabilities, ClientMessage, Connect, History, Order, Policy, Position, Producer, Publication,
    Publish, Start, Subscribe, Token, json::quoted,
};

impl Writable for ClientMessage {
    fn write(&self, w: &mut impl Write) {
        w.object(|w| match self {
            ClientMessage::Connect(connect) => write_connect(w, connect),
            ClientMessage::Subscribe { id, subscribe } => {
                command(w, "subscribe", *id);
                write_subscribe(w, subscribe);
            }
            ClientMessage::Unsubscribe { id, sub } => {
                command(w, "unsubscribe", *id);
                w.uint("sub", (*sub).into());
            }
            ClientMessage::Publish { id, publish } => {
                command(w, "publish", *id);
                write_publish(w, publish);
            }
            ClientMessage::History { id, history } => {
                command(w, "history", *id);
                write_history(w, history);
            }
            ClientMessage::Refresh { id, token } => {
                command(w, "refresh", *id);
                w.text("token", token);
            }
            ClientMessage::Pong => w.text("type", "pong"),
        });
    }
}

/// Reads a message; whoever reads it without success looks for its id.
pub(super) fn read<'a, I: Item<'a>>(fields: &Fields<'a, I>) -> Result<ClientMessage, Fault> {
    fields.check_keys()?;
    let kind: Cow<'_, str> = fields.required("type")?;
    let id = || fields.required("id");
    Ok(match &*kind {
        "connect" => ClientMessage::Connect(Box::new(read_connect(id()?, fields)?)),
        "subscribe" => ClientMessage::Subscribe { id: id()?, subscribe: read_subscribe(fields)? },
        "unsubscribe" => ClientMessage::Unsubscribe { id: id()?, sub: fields.required("sub")? },
        "publish" => ClientMessage::Publish { id: id()?, publish: Box::new(read_publish(fields)?) },
        "history" => ClientMessage::History { id: id()?, history: read_history(fields)? },
        "refresh" => ClientMessage::Refresh { id: id()?, token: fields.required("token")? },
        "pong" => ClientMessage::Pong,
        other => {
            return Err(Fault::new(format!(
                "there is no `type` {}: connect, subscribe, unsubscribe, publish, history, refresh and pong are known",
                quoted(other)
            )));
        }
    })
}

fn command(w: &mut impl Write, kind: &str, id: u64) {
    w.text("type", kind);
    w.uint("id", id);
}

fn write_connect(w: &mut impl Write, connect: &Connect) {
    command(w, "connect", connect.id);
    if connect.version != 1 {
        w.uint("version", connect.version.into());
    }
    if connect.capabilities != Capabilities::default() {
        w.uint("capabilities", connect.capabilities.0.into());
    }
    w.optional_text("token", connect.token.as_deref());
    w.optional_text("ticket", connect.ticket.as_deref());
    w.optional_text("client", connect.client.as_deref());
    if !connect.subscriptions.is_empty() {
        w.key("subscriptions");
        w.list(connect.subscriptions.len(), |w| {
            for subscribe in &connect.subscriptions {
                w.object(|w| write_subscribe(w, subscribe));
            }
        });
    }
}

fn read_connect<'a, I: Item<'a>>(id: u64, fields: &Fields<'a, I>) -> Result<Connect, Fault> {
    let mut subscriptions = Vec::new();
    for item in fields.optional::<Vec<I>>("subscriptions")?.unwrap_or_default() {
        let subscribe = Fields::read(item).and_then(|fields| read_subscribe(&fields));
        subscriptions.push(subscribe.map_err(|fault| fault.at("subscriptions"))?);
    }
    Ok(Connect {
        id,
        version: fields.optional("version")?.unwrap_or(1),
        capabilities: Capabilities(fields.optional("capabilities")?.unwrap_or(0)),
        token: fields.optional("token")?,
        ticket: fields.optional("ticket")?,
        client: fields.optional("client")?,
        subscriptions,
    })
}

fn write_subscribe(w: &mut impl Write, subscribe: &Subscribe) {
    w.uint("sub", subscribe.sub.into());
    w.text("channel", subscribe.channel.as_str());
    if subscribe.start != Start::Now {
        w.key("start");
        w.object(|w| match subscribe.start {
            Start::Now => {}
            Start::After(position) => w.position(position),
            Start::Beginning => w.bool("beginning", true),
            Start::Last(count) => w.uint("last", count.into()),
            Start::Time(time) => w.uint("time", time),
        });
    }
    if let Some(policy) = subscribe.policy {
        w.key("policy");
        w.object(|w| write_policy(w, policy));
    }
}

fn read_subscribe<'a, I: Item<'a>>(fields: &Fields<'a, I>) -> Result<Subscribe, Fault> {
    Ok(Subscribe {
        sub: fields.required("sub")?,
        channel: fields.required("channel")?,
        start: fields.optional("start")?.unwrap_or_default(),
        policy: fields.optional("policy")?,
    })
}

impl<'a, I: Item<'a>> Value<'a, I> for Start {
    fn read(item: I) -> Result<Self, Fault> {
        let fields = Fields::read(item)?;
        let wrong = || {
            Fault::new(
                "one of {\"epoch\", \"seq\"}, {\"beginning\": true}, {\"last\"} and {\"time\"} is needed",
            )
        };
        let keys = ["epoch", "beginning", "last", "time"].map(|key| fields.has(key));
        if keys.iter().filter(|is_there| **is_there).count() != 1 {
            return Err(wrong());
        }
        if keys[0] {
            return fields.position().map(Self::After);
        }
        if let Some(count) = fields.optional("last")? {
            return Ok(Self::Last(count));
        }
        if let Some(time) = fields.optional("time")? {
            return Ok(Self::Time(time));
        }
        if fields.required("beginning")? { Ok(Self::Beginning) } else { Err(wrong()) }
    }
}

fn write_policy(w: &mut impl Write, policy: Policy) {
    match policy {
        Policy::All => w.text("type", "all"),
        Policy::Latest { interval_ms } => {
            w.text("type", "latest");
            if interval_ms != 0 {
                w.uint("interval_ms", interval_ms.into());
            }
        }
        Policy::Rollup { interval_ms } => {
            w.text("type", "rollup");
            w.uint("interval_ms", interval_ms.into());
        }
        Policy::Drop => w.text("type", "drop"),
        Policy::Disconnect => w.text("type", "disconnect"),
    }
}

impl<'a, I: Item<'a>> Value<'a, I> for Policy {
    fn read(item: I) -> Result<Self, Fault> {
        let fields = Fields::read(item)?;
        let kind: Cow<'_, str> = fields.required("type")?;
        Ok(match &*kind {
            "all" => Self::All,
            "latest" => Self::Latest { interval_ms: fields.optional("interval_ms")?.unwrap_or(0) },
            "rollup" => match fields.required("interval_ms")? {
                0 => return Err(Fault::new("a whole number from 1 is needed").at("interval_ms")),
                interval_ms => Self::Rollup { interval_ms },
            },
            "drop" => Self::Drop,
            "disconnect" => Self::Disconnect,
            other => {
                return Err(Fault::new(format!(
                    "there is no `type` {}: all, latest, rollup, drop and disconnect are known",
                    quoted(other)
                )));
            }
        })
    }
}

fn write_publish(w: &mut impl Write, publish: &Publish) {
    let publication = &publish.publication;
    w.text("channel", publish.channel.as_str());
    w.payload(&publication.payload);
    w.optional_text("event", publication.event.as_ref().map(Token::as_str));
    w.optional_text("key", publish.key().map(Token::as_str));
    if let Some(producer) = &publication.producer {
        w.key("producer");
        w.object(|w| {
            w.text("id", producer.id.as_str());
            w.uint("epoch", producer.epoch);
            w.uint("seq", producer.seq);
        });
    }
    if publication.ephemeral {
        w.bool("ephemeral", true);
    }
}

fn read_publish<'a, I: Item<'a>>(fields: &Fields<'a, I>) -> Result<Publish, Fault> {
    if fields.has("key") && fields.has("producer") {
        return Err(Fault::new("there are both `key` and `producer`: send one of them"));
    }
    Ok(Publish {
        channel: fields.required("channel")?,
        publication: Publication {
            event: fields.optional("event")?,
            key: fields.optional("key")?,
            producer: fields.optional("producer")?,
            ephemeral: fields.optional("ephemeral")?.unwrap_or(false),
            ..Publication::new(fields.payload()?)
        },
    })
}

impl<'a, I: Item<'a>> Value<'a, I> for Producer {
    fn read(item: I) -> Result<Self, Fault> {
        let fields = Fields::read(item)?;
        Ok(Self {
            id: fields.required("id")?,
            epoch: fields.required("epoch")?,
            seq: fields.required("seq")?,
        })
    }
}

fn write_history(w: &mut impl Write, history: &History) {
    w.text("channel", history.channel.as_str());
    if let Some(from) = history.from {
        w.key("from");
        w.object(|w| w.position(from));
    }
    w.optional_uint("since", history.since);
    w.optional_uint("limit", history.limit.map(u64::from));
    if history.order == Order::Backwards {
        w.text("order", "backwards");
    }
}

fn read_history<'a, I: Item<'a>>(fields: &Fields<'a, I>) -> Result<History, Fault> {
    Ok(History {
        channel: fields.required("channel")?,
        order: fields.optional("order")?.unwrap_or_default(),
        from: fields.optional::<Position>("from")?,
        since: fields.optional("since")?,
        limit: fields.optional("limit")?,
    })
}

impl<'a, I: Item<'a>> Value<'a, I> for Order {
    fn read(item: I) -> Result<Self, Fault> {
        match item.as_text().as_deref() {
            Some("forwards") => Ok(Self::Forwards),
            Some("backwards") => Ok(Self::Backwards),
            _ => Err(Fault::new("\"forwards\" or \"backwards\" is needed")),
        }
    }
}
