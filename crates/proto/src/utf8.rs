//! UTF-8 validation of text as it arrives (RFC 6455 §8.1).

use simdutf8::{basic, compat};

/// Validates a text that arrives in pieces, in one pass, and fails at the first bad byte.
///
/// Between pieces it remembers the start of a character that was cut: at most three bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Utf8Validator {
    cut: [u8; 4],
    cut_len: u8,
}

/// The text is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8;

impl Utf8Validator {
    /// Validates the next piece.
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Result<(), NotUtf8> {
        while self.cut_len > 0 {
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            self.cut[usize::from(self.cut_len)] = byte;
            self.cut_len += 1;
            match std::str::from_utf8(&self.cut[..usize::from(self.cut_len)]) {
                Ok(_) => self.cut_len = 0,
                Err(error) if error.error_len().is_some() => return Err(NotUtf8),
                Err(_) => {}
            }
        }
        let Err(error) = compat::from_utf8(piece) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(NotUtf8);
        }
        let cut = &piece[error.valid_up_to()..];
        self.cut[..cut.len()].copy_from_slice(cut);
        self.cut_len = u8::try_from(cut.len()).expect("a cut character has at most three bytes");
        Ok(())
    }

    /// Validates the last piece: the text ends here.
    pub(crate) fn finish(&mut self, piece: &[u8]) -> Result<(), NotUtf8> {
        if self.cut_len == 0 {
            return basic::from_utf8(piece).map(|_| ()).map_err(|_| NotUtf8);
        }
        self.push(piece)?;
        if self.cut_len == 0 { Ok(()) } else { Err(NotUtf8) }
    }

    /// Bytes at the end of what was pushed that belong to a character not yet complete.
    pub(crate) fn cut_len(self) -> usize {
        usize::from(self.cut_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Text with characters of every length, sometimes spoiled by one byte.
    fn nearly_text() -> impl Strategy<Value = Vec<u8>> {
        ("[a-zé€😀\u{d7ff}\u{e000}\u{10ffff}]{0,12}", any::<Option<(u8, u8)>>()).prop_map(
            |(text, spoil)| {
                let mut bytes = text.into_bytes();
                if let Some((at, byte)) = spoil
                    && !bytes.is_empty()
                {
                    let at = usize::from(at) % bytes.len();
                    bytes[at] = byte;
                }
                bytes
            },
        )
    }

    proptest! {
        #[test]
        fn every_cut_gives_the_verdict_of_the_whole(bytes in nearly_text()) {
            let expected = std::str::from_utf8(&bytes).is_ok();
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let mut utf8 = Utf8Validator::default();
                    let verdict = utf8
                        .push(&bytes[..first])
                        .and_then(|()| utf8.push(&bytes[first..second]))
                        .and_then(|()| utf8.finish(&bytes[second..]));
                    prop_assert_eq!(verdict.is_ok(), expected);
                }
            }
        }

        #[test]
        fn fails_at_the_first_byte_that_no_text_continues(bytes in nearly_text()) {
            let mut utf8 = Utf8Validator::default();
            for (at, byte) in bytes.iter().enumerate() {
                let prefix_is_possible = match std::str::from_utf8(&bytes[..=at]) {
                    Ok(_) => true,
                    Err(error) => error.error_len().is_none(),
                };
                prop_assert_eq!(utf8.push(&[*byte]).is_ok(), prefix_is_possible);
                if !prefix_is_possible {
                    break;
                }
            }
        }
    }
}
