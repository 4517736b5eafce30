//! Bodies of requests: read within a limit and a time, and what they publish.

use std::{fmt, marker::PhantomData};

use axum::body::{Body, to_bytes};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, header};
use longwire_channel::{ChannelName, ErrorCode, Payload, Producer, Publication, Refusal, Token};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned},
};
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::answer::{Problem, bad_request};
use crate::config::{LimitsConfig, Size};

/// A publication with all that may belong to it.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    #[serde(default, deserialize_with = "present")]
    data: Option<Box<RawValue>>,
    base64: Option<String>,
    event: Option<String>,
    key: Option<String>,
    producer: Option<ProducerFields>,
    #[serde(default)]
    ephemeral: bool,
}

/// A list of which no more is kept than may be used, however long it is.
pub(super) struct Few<T> {
    kept: Vec<T>,
    count: usize,
}

#[derive(Debug, Deserialize)]
struct ProducerFields {
    id: String,
    epoch: u64,
    seq: u64,
}

/// Reads a whole body.
pub(super) async fn read(body: Body, limit: Size, limits: &LimitsConfig) -> Result<Bytes, Problem> {
    let time = limits.request_timeout.0;
    let read = timeout(time, to_bytes(body, limit.bytes())).await.map_err(|_| {
        bad_request(format!("the body did not come within {time:?}: send it faster, or in parts"))
    })?;
    read.map_err(|error| {
        let source = std::error::Error::source(&error);
        if source.is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>) {
            let words = format!("the body has more than {limit}: send less at a time");
            return Problem(Refusal::new(ErrorCode::TooLarge, words));
        }
        bad_request(format!("the body did not come whole: {error}"))
    })
}

/// Reads JSON.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|error| bad_request(format!("the body is not as it should be: {error}")))
}

/// What a request publishes: its body as its `Content-Type` says, with the headers beside it.
pub(super) fn publication(headers: &HeaderMap, body: Bytes) -> Result<Publication, Problem> {
    let content_type = text_header(headers, header::CONTENT_TYPE.as_str())?.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let mut publication = match essence.as_str() {
        ENVELOPE => json::<Envelope>(&body)?.publication()?,
        "application/json" => Publication::new(json_payload(&body)?),
        "" | "application/x-www-form-urlencoded" => Publication::new(guessed(body)),
        text if text.starts_with("text/") => Publication::new(guessed(body)),
        _ => Publication::new(Payload::Binary(body)),
    };
    if let Some(key) = text_header(headers, "idempotency-key")? {
        publication.key = Some(token("Idempotency-Key", key)?);
    }
    if let Some(event) = text_header(headers, "longwire-event")? {
        publication.event = Some(token("Longwire-Event", event)?);
    }
    Ok(publication)
}

impl<T> Few<T> {
    /// All of it, unless there is too much.
    pub(super) fn all(self, what: &str) -> Result<Vec<T>, Problem> {
        let Self { kept, count } = self;
        if count > kept.len() {
            let words =
                format!("{count} {what} at once, and {BATCH_MAX} may be: send several requests");
            return Err(Problem(Refusal::new(ErrorCode::TooLarge, words)));
        }
        Ok(kept)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Few<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Few<T>, A::Error> {
                let mut kept = Vec::new();
                while kept.len() < BATCH_MAX {
                    let Some(one) = list.next_element()? else { break };
                    kept.push(one);
                }
                let mut count = kept.len();
                while list.next_element::<de::IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Few { kept, count })
            }
        }
        deserializer.deserialize_seq(Visitor(PhantomData))
    }
}

impl Envelope {
    pub(super) fn publication(self) -> Result<Publication, Problem> {
        let payload = match (&self.data, &self.base64) {
            (Some(data), None) => json_payload(data.get().as_bytes())?,
            (None, Some(base64)) => binary_payload(base64)?,
            _ => {
                return Err(bad_request(
                    "a publication needs its content: either `data`, any JSON value, or `base64`",
                ));
            }
        };
        let producer = self.producer.map(|ProducerFields { id, epoch, seq }| {
            Ok::<_, Problem>(Producer { id: token("producer.id", &id)?, epoch, seq })
        });
        Ok(Publication {
            event: self.event.as_deref().map(|event| token("event", event)).transpose()?,
            key: self.key.as_deref().map(|key| token("key", key)).transpose()?,
            producer: producer.transpose()?,
            ephemeral: self.ephemeral,
            ..Publication::new(payload)
        })
    }
}

/// One publication of a batch: a publication, and where to.
pub(super) fn addressed(text: &str) -> Result<(ChannelName, Publication), Problem> {
    #[derive(Deserialize)]
    struct Address {
        channel: String,
    }
    let Address { channel } = json(text.as_bytes())?;
    let channel = ChannelName::new(&channel).map_err(|error| bad_request(error.to_string()))?;
    Ok((channel, json::<Envelope>(text.as_bytes())?.publication()?))
}

fn json_payload(bytes: &[u8]) -> Result<Payload, Problem> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| bad_request("the content is no UTF-8, and JSON is: send it as base64"))?;
    Payload::from_json(text).map_err(|error| bad_request(error.to_string()))
}

fn binary_payload(base64: &str) -> Result<Payload, Problem> {
    let bytes = BASE64_STANDARD
        .decode(base64)
        .map_err(|error| bad_request(format!("`base64` is no base64 with padding: {error}")))?;
    Ok(Payload::Binary(bytes.into()))
}

/// Text, if it is.
fn guessed(body: Bytes) -> Payload {
    match std::str::from_utf8(&body) {
        Ok(_) => Payload::Text(body),
        Err(_) => Payload::Binary(body),
    }
}

fn token(what: &str, text: &str) -> Result<Token, Problem> {
    Token::new(text).map_err(|error| bad_request(format!("{what}: {error}")))
}

pub(super) fn text_header<'h>(
    headers: &'h HeaderMap,
    name: &str,
) -> Result<Option<&'h str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes());
    text.map(Some).map_err(|_| bad_request(format!("the header {name} is no UTF-8")))
}

/// A key that is there has a value, be it `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(deserializer).map(Some)
}

/// Publications of a batch, and channels of a broadcast.
pub(crate) const BATCH_MAX: usize = 1000;

/// The content type of a whole publication.
const ENVELOPE: &str = "application/vnd.longwire+json";
