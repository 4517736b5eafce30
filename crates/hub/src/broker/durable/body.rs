//! The body of a record in the log: what a publication says of itself.
//!
//! ```text
//! byte 0     kind (0 JSON, 1 text, 2 binary), 0x10 if there is an event, 0x20 if there is a publisher
//! event      a byte with its length, its text
//! publisher  a byte with its length, its text
//! the rest   the content
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use longwire_channel::{Payload, Publication, Record, Token};

const JSON: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const KIND: u8 = 0x0f;
const EVENT: u8 = 0x10;
const PUBLISHER: u8 = 0x20;

pub(super) fn encode(publication: &Publication) -> Bytes {
    let Publication { payload, event, publisher, .. } = publication;
    let length = |token: &Option<Token>| token.as_ref().map_or(0, |it| 1 + it.as_str().len());
    let mut body = BytesMut::with_capacity(1 + length(event) + length(publisher) + payload.len());
    let kind = match payload {
        Payload::Json(_) => JSON,
        Payload::Text(_) => TEXT,
        _ => BINARY,
    };
    let flag = |token: &Option<Token>, flag| if token.is_some() { flag } else { 0 };
    body.put_u8(kind | flag(event, EVENT) | flag(publisher, PUBLISHER));
    for token in [event, publisher].into_iter().flatten() {
        let text = token.as_str().as_bytes();
        body.put_u8(u8::try_from(text.len()).expect("a token has at most 128 bytes"));
        body.put_slice(text);
    }
    body.put_slice(payload.bytes());
    body.freeze()
}

/// The record of a body, without its place and time; `None` where it is none of ours.
pub(super) fn decode(body: &Bytes) -> Option<Record> {
    let (&head, _) = body.split_first()?;
    let mut rest = body.slice(1..);
    let mut token = |flag| {
        if head & flag == 0 {
            return Some(None);
        }
        let length = usize::from(*rest.first()?);
        let text = std::str::from_utf8(rest.get(1..=length)?).ok()?;
        let token = Token::new(text).ok()?;
        rest = rest.slice(1 + length..);
        Some(Some(token))
    };
    let event = token(EVENT)?;
    let publisher = token(PUBLISHER)?;
    let payload = match head & KIND {
        JSON => Payload::Json(rest),
        TEXT => Payload::Text(rest),
        BINARY => Payload::Binary(rest),
        _ => return None,
    };
    if head & !(KIND | EVENT | PUBLISHER) != 0 {
        return None;
    }
    Some(Record { seq: 0, time: 0, payload, event, publisher })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token::new(text).expect("valid")
    }

    #[test]
    fn a_body_says_what_the_publication_said() {
        let bytes = Bytes::from_static(b"{\"a\":1}");
        for payload in [
            Payload::Json(bytes.clone()),
            Payload::Text(bytes.clone()),
            Payload::Binary(bytes),
            Payload::text(""),
        ] {
            for event in [None, Some(token("e")), Some(token(&"x".repeat(128)))] {
                for publisher in [None, Some(token("ada"))] {
                    let publication = Publication {
                        event: event.clone(),
                        publisher: publisher.clone(),
                        ..Publication::new(payload.clone())
                    };
                    let record = decode(&encode(&publication)).expect("ours");
                    assert_eq!(record.payload, payload);
                    assert_eq!((record.event, record.publisher), (event.clone(), publisher));
                }
            }
        }
    }

    #[test]
    fn a_body_that_is_none_of_ours_is_no_record() {
        let cases: [&'static [u8]; 7] =
            [b"", b"\x03a", b"\x41a", b"\x10", b"\x10\x05ab", b"\x10\x00a", b"\x11\x01\x07a"];
        for body in cases {
            assert_eq!(decode(&Bytes::from_static(body)), None, "{body:?}");
        }
    }
}
