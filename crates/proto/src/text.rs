//! Text: bytes known to be UTF-8, shared without copying (RFC 6455 §5.6).

use std::{fmt, ops::Deref};

use bytes::Bytes;
use simdutf8::basic::{Utf8Error, from_utf8};

/// The payload of a text message: UTF-8 in a [`Bytes`], so that a clone is cheap.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(
    /// Invariant: valid UTF-8. Only this module can write the field.
    Bytes,
);

impl Text {
    /// The empty text.
    pub const fn new() -> Self {
        Self(Bytes::new())
    }

    /// Text that lives for ever, without a copy.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The text.
    #[allow(unsafe_code, reason = "the field's invariant; checking again would cost O(n) a call")]
    pub fn as_str(&self) -> &str {
        debug_assert!(std::str::from_utf8(&self.0).is_ok());
        // SAFETY: the field is valid UTF-8. It is written by `new`, `from_static` and the `From`
        // impls, which start from a `str`; by `TryFrom`, which checks; and by `from_validated`,
        // whose bytes `Utf8Validator` checked as they arrived, or `Prepared` copied from a `Text`.
        // `Bytes` is immutable.
        unsafe { std::str::from_utf8_unchecked(&self.0) }
    }

    /// The bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Bytes that [`Utf8Validator`](crate::utf8::Utf8Validator) accepted, to their end, or that are
    /// the bytes of another text.
    pub(crate) fn from_validated(bytes: Bytes) -> Self {
        debug_assert!(std::str::from_utf8(&bytes).is_ok());
        Self(bytes)
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl TryFrom<Bytes> for Text {
    type Error = Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Utf8Error> {
        from_utf8(&bytes)?;
        Ok(Self(bytes))
    }
}

impl From<Text> for Bytes {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.as_str().to_owned()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_str_equals_the_checked_conversion(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let text = Text::try_from(Bytes::from(bytes.clone()));
            match std::str::from_utf8(&bytes) {
                Ok(expected) => prop_assert_eq!(&*text.expect("valid"), expected),
                Err(_) => prop_assert!(text.is_err()),
            }
        }

        #[test]
        fn strings_pass_unchanged(string: String) {
            prop_assert_eq!(&*Text::from(string.as_str()), string.as_str());
            prop_assert_eq!(String::from(Text::from(string.clone())), string);
        }
    }
}
