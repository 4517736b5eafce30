//! What the load says in the channel protocol, and what it understands.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use longwire_channel::{
    ChannelName, ClientMessage, Codec, Connect, History, Order, Payload, Publication, Publish,
    Push, Pushed, Record, ServerMessage, Start, Subscribe, Token,
};

/// `connect`, with a subscription where there is a channel.
pub(crate) fn connect(channel: Option<&ChannelName>) -> Bytes {
    let subscribe = |channel: &ChannelName| Subscribe {
        sub: 1,
        channel: channel.clone(),
        start: Start::Now,
        policy: None,
    };
    let subscriptions = channel.map(subscribe).into_iter().collect();
    let connect = Connect { id: 1, subscriptions, ..Connect::default() };
    CODEC.encode_client(&ClientMessage::Connect(Box::new(connect)))
}

/// `publish`.
pub(crate) fn publish(
    id: u64,
    channel: &ChannelName,
    key: Option<&str>,
    content: Bytes,
) -> Result<Bytes> {
    let mut publication = Publication::new(Payload::Text(content));
    publication.key = key.map(Token::new).transpose()?;
    let publish = Box::new(Publish { channel: channel.clone(), publication });
    Ok(CODEC.encode_client(&ClientMessage::Publish { id, publish }))
}

/// `history`, from the beginning.
pub(crate) fn history(channel: &ChannelName) -> Bytes {
    let history = History {
        channel: channel.clone(),
        from: None,
        since: None,
        limit: None,
        order: Order::Forwards,
    };
    CODEC.encode_client(&ClientMessage::History { id: 2, history })
}

/// The one message of a frame.
pub(crate) fn read(frame: &[u8]) -> Result<ServerMessage> {
    let mut messages = CODEC.decode_server(frame)?.into_iter();
    let message = messages.next().context("a frame has a message")?;
    match message {
        ServerMessage::Error { refusal, .. } => bail!("the server refused: {}", refusal.message),
        ServerMessage::Disconnect(disconnect) => bail!("disconnect: {}", disconnect.reason),
        message => Ok(message),
    }
}

/// The record of a live push; none if it is the answer to a publication.
pub(crate) fn pushed(frame: &[u8]) -> Result<Option<Arc<Record>>> {
    match read(frame)? {
        ServerMessage::Published { .. } => Ok(None),
        ServerMessage::Push(Push {
            pushed: Pushed::Message { record, skipped: 0, .. }, ..
        }) => Ok(Some(record)),
        other => bail!("the server said {other:?}"),
    }
}

/// A channel for the measurements.
pub(crate) fn channel(number: usize) -> ChannelName {
    ChannelName::new(&format!("bench:{number}")).expect("letters and digits are a name")
}

/// Text of so many bytes, which begins with its number.
pub(crate) fn content(number: u64, size: usize) -> Bytes {
    let mut text = format!("{number} ").into_bytes();
    text.resize(size.max(text.len()), b'x');
    text.into()
}

/// The number that a content begins with.
pub(crate) fn number(content: &[u8]) -> Result<u64> {
    let digits = content.split(|byte| *byte == b' ').next().unwrap_or_default();
    Ok(std::str::from_utf8(digits)?.parse()?)
}

const CODEC: Codec = Codec::Json;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_has_its_size_and_its_number() {
        let text = content(1_234, 100);
        assert_eq!((text.len(), number(&text).expect("it has one")), (100, 1_234));
        assert!(number(b"x 1").is_err());
    }

    #[test]
    fn what_is_refused_is_an_error() {
        let refused =
            br#"{"type":"error","id":1,"code":"bad_request","message":"no","temporary":false}"#;
        let error = read(refused).expect_err("it was refused").to_string();
        assert!(error.contains("no"), "{error}");
    }
}
