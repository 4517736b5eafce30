//! Values as people write them: `"10s"`, `"64 MiB"`, secrets.

use std::{fmt, str::FromStr, time::Duration};

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, de};

/// A number of bytes: `65536` or `"64 KiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A length of time: `"500ms"`, `"10s"`, `"1h 30m"`, `"7 days"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A text that is not shown: its `Debug` has stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl Size {
    /// The number, at most as much as memory can have.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Span {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// In milliseconds.
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", ByteSize::b(self.0).display().iec())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"***\"")
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, as in 65536 or \"64 KiB\"")
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                Ok(Size(bytes))
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                let number = de::Unexpected::Signed(bytes);
                u64::try_from(bytes).map(Size).map_err(|_| E::invalid_value(number, &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                ByteSize::from_str(text)
                    .map(|size| Size(size.as_u64()))
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a length of time with its unit, as in \"500ms\", \"10s\" or \"7 days\"",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                let span = humantime::parse_duration(text)
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
                // No clock of this machine goes much further.
                if span > SPAN_MAX {
                    return Err(E::custom("it is longer than 100 years: write a shorter time"));
                }
                Ok(Span(span))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The longest time: 100 years.
const SPAN_MAX: Duration = Duration::from_hours(24 * 36_525);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a secret in quotes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: for<'de> Deserialize<'de>>(value: serde_json::Value) -> Result<T, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn bytes_are_written_as_people_do() {
        assert_eq!(read(65_536.into()), Ok(Size(65_536)));
        assert_eq!(read("64 KiB".into()), Ok(Size(65_536)));
        assert_eq!(read("1MiB".into()), Ok(Size(1 << 20)));
        assert!(read::<Size>("many".into()).is_err_and(|words| words.contains("64 KiB")));
        assert!(read::<Size>((-1).into()).is_err());
    }

    #[test]
    fn a_length_of_time_has_its_unit() {
        assert_eq!(read("10s".into()), Ok(Span::seconds(10)));
        assert_eq!(read("7 days".into()), Ok(Span::seconds(7 * 86_400)));
        assert!(read::<Span>("10".into()).is_err_and(|words| words.contains("\"10s\"")));
        assert!(read::<Span>(10.into()).is_err_and(|words| words.contains("unit")));
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret("x".into())), "\"***\"");
    }
}
