//! Subprotocols (§1.9): their names and the header that lists them (§11.3.4).

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use super::tokens;

/// The name of a subprotocol: a token, whose case matters (§4.1, §11.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subprotocol(String);

impl Subprotocol {
    /// Makes a name of `name`, which must be a token: visible ASCII without separators.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidSubprotocol> {
        let name = name.into();
        if tokens::is_token(name.as_bytes()) {
            Ok(Self(name))
        } else {
            Err(InvalidSubprotocol(name))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name appears twice, which no list may have (§4.1).
    pub(crate) fn any_repeated(list: &[Self]) -> bool {
        let mut seen = HashSet::with_capacity(list.len());
        !list.iter().all(|name| seen.insert(name))
    }

    /// Reads the names of all lines of the header, in order; `None` if one is not a token.
    pub(crate) fn from_lines<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<Self>> {
        tokens::list(lines, |cursor| cursor.token().map(|name| Self(name.to_owned())))
    }

    /// Writes a list of names, as one `Sec-WebSocket-Protocol` line has it.
    pub(crate) fn format_list(list: &[Self]) -> String {
        let names: Vec<_> = list.iter().map(Self::as_str).collect();
        names.join(", ")
    }
}

impl fmt::Display for Subprotocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Subprotocol {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Subprotocol {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Subprotocol {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Subprotocol {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl FromStr for Subprotocol {
    type Err = InvalidSubprotocol;

    fn from_str(name: &str) -> Result<Self, InvalidSubprotocol> {
        Self::new(name)
    }
}

impl TryFrom<&str> for Subprotocol {
    type Error = InvalidSubprotocol;

    fn try_from(name: &str) -> Result<Self, InvalidSubprotocol> {
        Self::new(name)
    }
}

impl TryFrom<String> for Subprotocol {
    type Error = InvalidSubprotocol;

    fn try_from(name: String) -> Result<Self, InvalidSubprotocol> {
        Self::new(name)
    }
}

/// A text that cannot be the name of a subprotocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSubprotocol(String);

impl fmt::Display for InvalidSubprotocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} cannot name a subprotocol; use ASCII letters, digits and !#$%&'*+-.^_`|~ only",
            self.0
        )
    }
}

impl std::error::Error for InvalidSubprotocol {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tokens() {
        for name in ["chat", "soap", "longwire.v1.json", "v10.stomp", "a!#$%&'*+-.^_`|~Z9"] {
            assert_eq!(Subprotocol::new(name).expect("a token"), name);
        }
        for wrong in ["", " ", "a b", "a,b", "a/b", "a\"", "a\r\nb", "\u{e9}", "a\0", "a=b"] {
            assert!(Subprotocol::new(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn case_distinguishes_names() {
        let chat = Subprotocol::new("chat").expect("a token");
        assert_ne!(chat, "Chat");
        assert!(!Subprotocol::any_repeated(&[chat.clone(), "Chat".parse().expect("a token")]));
        assert!(Subprotocol::any_repeated(&[chat.clone(), chat]));
    }
}
