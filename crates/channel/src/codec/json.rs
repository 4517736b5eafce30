//! The protocol in JSON: values that were found in a text, and the writer of messages.

use std::{borrow::Cow, fmt, io::Write as _};

use base64::Engine;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    fields::{BASE64, Fault, Item, MAX_KEYS, Pairs},
    write::Write,
};
use crate::{Epoch, Payload, json, payload::utf8};

/// The text of a value, without space around it. What is in an array or an object is known to be a JSON value; a frame
/// as a whole is so once `as_list` or `as_object` has taken it apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonItem<'a>(&'a str);

impl<'a> JsonItem<'a> {
    /// The only value of a frame.
    pub(super) fn new(frame: &'a [u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(frame)
            .map_err(|error| Fault::new(format!("the frame is no UTF-8: {error}")))?;
        Ok(Self(text.trim_matches(SPACE)))
    }
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

impl<'a> Item<'a> for JsonItem<'a> {
    const HAS_BASE64: bool = true;

    fn is_null(self) -> bool {
        self.0 == "null"
    }

    fn as_uint(self) -> Option<u64> {
        self.0.parse().ok()
    }

    fn as_bool(self) -> Option<bool> {
        self.0.parse().ok()
    }

    fn as_text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            return serde_json::from_str(self.0).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(inner))
    }

    fn as_list(self) -> Result<Option<Vec<Self>>, Fault> {
        if !self.0.starts_with('[') {
            return Ok(None);
        }
        let items: Vec<&RawValue> = serde_json::from_str(self.0).map_err(|e| no_json(&e))?;
        Ok(Some(items.into_iter().map(|item| Self(item.get())).collect()))
    }

    fn as_object(self) -> Result<Option<Pairs<'a, Self>>, Fault> {
        if !self.0.starts_with('{') {
            return Ok(None);
        }
        let mut deserializer = serde_json::Deserializer::from_str(self.0);
        let pairs = deserializer
            .deserialize_map(TakeApart)
            .and_then(|pairs| deserializer.end().map(|()| pairs))
            .map_err(|error| no_json(&error))?;
        Ok(Some(pairs))
    }

    fn payload(self) -> Result<Payload, Fault> {
        Payload::from_json(self.0).map_err(|error| Fault::new(error.to_string()))
    }
}

fn no_json(error: &serde_json::Error) -> Fault {
    Fault::new(format!("it is no JSON that is understood: {error}"))
}

/// Takes an object apart, and leaves its values as they are.
struct TakeApart;

impl<'de> Visitor<'de> for TakeApart {
    type Value = Pairs<'de, JsonItem<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::with_capacity(8);
        while let Some(key) = map.next_key_seed(json::Key)? {
            if pairs.len() == MAX_KEYS {
                return Err(serde::de::Error::custom(format_args!(
                    "an object has more than {MAX_KEYS} keys: send what the protocol knows"
                )));
            }
            pairs.push((key, JsonItem(map.next_value::<&RawValue>()?.get())));
        }
        Ok(pairs)
    }
}

/// Writes a message as JSON text without spaces.
#[derive(Debug)]
pub(super) struct JsonWriter(pub(super) Vec<u8>);

impl JsonWriter {
    /// Separates items of an array. A value never ends with any of these three.
    fn begin_value(&mut self) {
        if !matches!(self.0.last(), None | Some(b':' | b'[')) {
            self.0.push(b',');
        }
    }

    fn base64_value(&mut self, bytes: &[u8]) {
        self.0.push(b'"');
        let begin = self.0.len();
        self.0.resize(begin + bytes.len().div_ceil(3) * 4, 0);
        BASE64.encode_slice(bytes, &mut self.0[begin..]).expect("three bytes are four letters");
        self.0.push(b'"');
    }
}

impl Write for JsonWriter {
    fn object(&mut self, fields: impl FnOnce(&mut Self)) {
        self.begin_value();
        self.0.push(b'{');
        fields(self);
        self.0.push(b'}');
    }

    fn list(&mut self, _: usize, items: impl FnOnce(&mut Self)) {
        self.begin_value();
        self.0.push(b'[');
        items(self);
        self.0.push(b']');
    }

    fn key(&mut self, key: &'static str) {
        self.0.extend_from_slice(if self.0.last() == Some(&b'{') { b"\"" } else { b",\"" });
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn uint_value(&mut self, value: u64) {
        serde_json::to_writer(&mut self.0, &value).expect("a Vec takes all");
    }

    fn bool_value(&mut self, value: bool) {
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn text_value(&mut self, value: &str) {
        serde_json::to_writer(&mut self.0, value).expect("a Vec takes all");
    }

    fn epoch_value(&mut self, value: Epoch) {
        write!(self.0, "\"{value}\"").expect("a Vec takes all");
    }

    fn payload(&mut self, payload: &Payload) {
        match payload {
            Payload::Json(json) => {
                self.key("data");
                self.0.extend_from_slice(json);
            }
            Payload::Text(text) => {
                self.key("data");
                self.text_value(&utf8(text));
            }
            Payload::Binary(bytes) => {
                self.key("base64");
                self.base64_value(bytes);
            }
        }
    }
}
