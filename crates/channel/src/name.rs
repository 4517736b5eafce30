//! Names of channels.

use std::{fmt, sync::Arc};

/// The name of a channel: 1 to [`ChannelName::MAX_LENGTH`] letters, digits and `_ - . : / @ ~ = +`, all ASCII.
///
/// What stands before the first `:` is its namespace; a name without one is in the default namespace, whose name is
/// empty. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName(Arc<str>);

impl ChannelName {
    /// Bytes of the longest name.
    pub const MAX_LENGTH: usize = 200;

    /// Checks a name.
    pub fn new(name: &str) -> Result<Self, InvalidChannelName> {
        if name.is_empty() {
            return Err(InvalidChannelName::Empty);
        }
        if name.len() > Self::MAX_LENGTH {
            return Err(InvalidChannelName::TooLong(name.len()));
        }
        match name.chars().find(|&c| !is_allowed(c)) {
            Some(c) => Err(InvalidChannelName::Character(c)),
            None => Ok(Self(name.into())),
        }
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first `:`, or nothing.
    pub fn namespace(&self) -> &str {
        self.0.split_once(':').map_or("", |(namespace, _)| namespace)
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why a text names no channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidChannelName {
    /// It has no characters.
    Empty,
    /// It has this many bytes.
    TooLong(usize),
    /// It has this character.
    Character(char),
}

impl fmt::Display for InvalidChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a channel's name is empty: give it at least one character"),
            Self::TooLong(length) => write!(
                f,
                "a channel's name has {length} bytes: {} is the most",
                ChannelName::MAX_LENGTH
            ),
            Self::Character(c) => write!(
                f,
                "a channel's name has the character {c:?}: letters, digits and _ - . : / @ ~ = + are allowed"
            ),
        }
    }
}

impl std::error::Error for InvalidChannelName {}

pub(crate) fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.:/@~=+".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_stands_before_the_first_colon() {
        let namespace = |name| ChannelName::new(name).expect("valid").namespace().to_owned();
        assert_eq!(namespace("chat:room:1"), "chat");
        assert_eq!(namespace("demo"), "");
        assert_eq!(namespace(":odd"), "");
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_cause() {
        assert_eq!(ChannelName::new(""), Err(InvalidChannelName::Empty));
        assert_eq!(ChannelName::new("a b"), Err(InvalidChannelName::Character(' ')));
        assert_eq!(ChannelName::new("chat:*"), Err(InvalidChannelName::Character('*')));
        assert_eq!(ChannelName::new("ü"), Err(InvalidChannelName::Character('ü')));
        assert!(ChannelName::new(&"a".repeat(200)).is_ok());
        assert_eq!(ChannelName::new(&"a".repeat(201)), Err(InvalidChannelName::TooLong(201)));
    }
}
