//! What a publication carries.

use std::{borrow::Cow, fmt};

use bytes::Bytes;

use crate::json;

/// The content of a publication.
///
/// A text that came as a JSON string is `Text`; `Json` is every other JSON value, as it was written. So no content has two
/// forms, and whoever reads a channel bare gets a text as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload {
    /// A JSON value that is no string. Invariant: valid JSON, nested at most 128 deep, without space around it.
    Json(Bytes),
    /// A text. Invariant: valid UTF-8.
    Text(Bytes),
    /// Anything.
    Binary(Bytes),
}

impl Payload {
    /// A payload from the text of a JSON value.
    ///
    /// Its numbers are within the range of floats of 64 bits, its texts are Unicode, and no object has a key twice: so
    /// every reader understands the same.
    pub fn from_json(text: &str) -> Result<Self, InvalidJson> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        let invalid = |error: serde_json::Error| InvalidJson(error.to_string());
        if text.starts_with('"') {
            return serde_json::from_str::<String>(text).map(Self::text).map_err(invalid);
        }
        json::check(text).map_err(invalid)?;
        Ok(Self::Json(Bytes::copy_from_slice(text.as_bytes())))
    }

    /// A payload that is text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Bytes::from(text.into()))
    }

    /// The bytes: JSON text, text, or anything.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Json(bytes) | Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }

    /// Bytes of the content.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }
}

/// The text of a payload, which is UTF-8; whatever is not, against the invariant, is replaced.
pub(crate) fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    // `from_utf8` checks many bytes at a time, unlike its lossy twin.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// A text is no JSON that a payload may be; the words say why, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidJson(String);

impl fmt::Display for InvalidJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the content is no JSON that is taken: {}", self.0)
    }
}

impl std::error::Error for InvalidJson {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_string_is_a_text() {
        assert_eq!(Payload::from_json("\"a\\n\""), Ok(Payload::text("a\n")));
        assert_eq!(
            Payload::from_json(" {\"a\": 1}\n"),
            Ok(Payload::Json(Bytes::from_static(b"{\"a\": 1}")))
        );
        assert!(Payload::from_json("{").is_err());
        assert!(Payload::from_json(&"[".repeat(1000)).is_err());
    }
}
