//! Positions in streams.

use std::{fmt, num::NonZeroU64, str::FromStr};

/// Which life of a stream: drawn at random when a stream begins, so never 0, and never the same again.
///
/// Written as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(NonZeroU64);

impl Epoch {
    /// An epoch from random bits; 0 counts as 1.
    pub fn from_random(bits: u64) -> Self {
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
    }

    /// The number behind it.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Epoch {
    type Err = InvalidEpoch;

    fn from_str(text: &str) -> Result<Self, InvalidEpoch> {
        let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !digits {
            return Err(InvalidEpoch);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| InvalidEpoch)?;
        NonZeroU64::new(number).map(Self).ok_or(InvalidEpoch)
    }
}

/// A text is no epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEpoch;

impl fmt::Display for InvalidEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an epoch has 16 hexadecimal digits, not all 0: give it back as the server sent it",
        )
    }
}

impl std::error::Error for InvalidEpoch {}

/// Where a reader or a record stands in a stream.
///
/// `seq` counts records from 1; 0 is the place before the first. Across epochs positions have no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which life of the stream.
    pub epoch: Epoch,
    /// The number of the record, at most 2^53 - 1, so that JavaScript has it exactly.
    pub seq: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_read_as_it_is_written() {
        let epoch = Epoch::from_random(0xab);
        assert_eq!(epoch.to_string(), "00000000000000ab");
        assert_eq!("00000000000000ab".parse(), Ok(epoch));
        assert_eq!("0000000000000000".parse::<Epoch>(), Err(InvalidEpoch));
        assert_eq!("+0000000000000ab".parse::<Epoch>(), Err(InvalidEpoch));
        assert_eq!("ab".parse::<Epoch>(), Err(InvalidEpoch));
    }
}
