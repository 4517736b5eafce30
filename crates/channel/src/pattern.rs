//! Patterns that match names of channels.

use std::{fmt, sync::Arc};

use crate::{ChannelName, name::is_allowed};

/// A pattern over channels' names: each `*` stands for any number of characters, none and `:` included.
///
/// `chat:*` matches every channel of the namespace `chat`; `*` matches all.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChannelPattern(Arc<str>);

impl ChannelPattern {
    /// The most stars of one pattern; it bounds what matching may cost.
    pub const MAX_STARS: usize = 4;

    /// Checks a pattern.
    pub fn new(pattern: &str) -> Result<Self, InvalidChannelPattern> {
        if pattern.is_empty() || pattern.len() > ChannelName::MAX_LENGTH {
            return Err(InvalidChannelPattern::Length(pattern.len()));
        }
        if let Some(c) = pattern.chars().find(|&c| c != '*' && !is_allowed(c)) {
            return Err(InvalidChannelPattern::Character(c));
        }
        if pattern.matches('*').count() > Self::MAX_STARS {
            return Err(InvalidChannelPattern::Stars);
        }
        Ok(Self(pattern.into()))
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern covers the whole name.
    pub fn matches(&self, name: &ChannelName) -> bool {
        let name = name.as_str();
        let Some((head, rest)) = self.0.split_once('*') else {
            return &*self.0 == name;
        };
        let Some(mut left) = name.strip_prefix(head) else {
            return false;
        };
        let mut parts: Vec<&str> = rest.split('*').collect();
        let tail = parts.pop().unwrap_or("");
        // The earliest place for each part leaves the most for those behind it.
        for part in parts {
            match left.find(part) {
                Some(at) => left = &left[at + part.len()..],
                None => return false,
            }
        }
        left.ends_with(tail)
    }
}

impl fmt::Display for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidChannelPattern {
    /// It is empty, or longer than a channel's name may be.
    Length(usize),
    /// It has this character.
    Character(char),
    /// It has more than [`ChannelPattern::MAX_STARS`] stars.
    Stars,
}

impl fmt::Display for InvalidChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(
                f,
                "a pattern of channels has {length} bytes: 1 to {} are allowed",
                ChannelName::MAX_LENGTH
            ),
            Self::Character(c) => write!(
                f,
                "a pattern of channels has the character {c:?}: letters, digits, _ - . : / @ ~ = + and * are allowed"
            ),
            Self::Stars => write!(
                f,
                "a pattern of channels has more than {} stars: write several patterns",
                ChannelPattern::MAX_STARS
            ),
        }
    }
}

impl std::error::Error for InvalidChannelPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        let name = ChannelName::new(name).expect("valid");
        ChannelPattern::new(pattern).expect("valid").matches(&name)
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        assert!(matches("*", "chat:1"));
        assert!(matches("chat:*", "chat:1"));
        assert!(matches("chat:*", "chat:"));
        assert!(matches("chat:*:typing", "chat:a:b:typing"));
        assert!(matches("a*b*c", "abbc"));
        assert!(!matches("chat:*", "chats:1"));
        assert!(!matches("chat:*:typing", "chat:typing"));
        assert!(!matches("a*a", "a"));
    }

    #[test]
    fn without_a_star_it_is_the_name() {
        assert!(matches("chat", "chat"));
        assert!(!matches("chat", "chat:1"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert_eq!(ChannelPattern::new(""), Err(InvalidChannelPattern::Length(0)));
        assert_eq!(ChannelPattern::new("a?"), Err(InvalidChannelPattern::Character('?')));
        assert_eq!(ChannelPattern::new("*****"), Err(InvalidChannelPattern::Stars));
    }
}
