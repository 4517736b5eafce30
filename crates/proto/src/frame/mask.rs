//! Masking (RFC 6455 §5.3).

/// The source of masking keys and of nothing else.
///
/// A key must be unpredictable (§5.3, §10.3): it keeps a page from choosing the bytes that
/// intermediaries see. The core has no randomness of its own, so a client is given its keys.
pub trait MaskingKeys: Send {
    /// A fresh key, for one frame.
    fn next_key(&mut self) -> [u8; 4];
}

impl<F: FnMut() -> [u8; 4] + Send> MaskingKeys for F {
    fn next_key(&mut self) -> [u8; 4] {
        self()
    }
}

/// A masking key at a place in its frame's payload: it remembers how far it was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskingKey([u8; 4]);

impl MaskingKey {
    /// The key at the start of a payload.
    #[must_use]
    pub const fn new(key: [u8; 4]) -> Self {
        Self(key)
    }

    /// Masks or unmasks the next `payload` bytes, in place, and moves on by as many.
    pub fn apply(&mut self, payload: &mut [u8]) {
        let Self(key) = *self;
        let wide: [u8; WIDTH] = std::array::from_fn(|i| key[i % 4]);
        let moved = payload.len() % 4;
        let (chunks, rest) = payload.as_chunks_mut::<WIDTH>();
        for chunk in chunks {
            for (byte, mask) in chunk.iter_mut().zip(&wide) {
                *byte ^= mask;
            }
        }
        // Most messages are short: what is left goes by words, not by octets.
        let word = u32::from_ne_bytes(key);
        let double = u64::from(word) << 32 | u64::from(word);
        let (chunks, rest) = rest.as_chunks_mut::<8>();
        for chunk in chunks {
            *chunk = (u64::from_ne_bytes(*chunk) ^ double).to_ne_bytes();
        }
        let (chunks, rest) = rest.as_chunks_mut::<4>();
        for chunk in chunks {
            *chunk = (u32::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
        }
        for (byte, mask) in rest.iter_mut().zip(key) {
            *byte ^= mask;
        }
        self.advance(moved);
    }

    /// By fewer bytes than the key has. As a number, for the slice's `rotate_left` calls `memmove`.
    fn advance(&mut self, count: usize) {
        let bits = u8::BITS * u32::try_from(count).expect("less than four");
        self.0 = u32::from_le_bytes(self.0).rotate_right(bits).to_le_bytes();
    }
}

/// Bytes a turn of the main loop: two or more vector registers, and a multiple of the key's length.
const WIDTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scalar(key: [u8; 4], payload: &[u8]) -> Vec<u8> {
        payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect()
    }

    #[test]
    fn rfc_example_hello_is_unmasked() {
        let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        MaskingKey::new([0x37, 0xfa, 0x21, 0x3d]).apply(&mut payload);
        assert_eq!(&payload, b"Hello");
    }

    #[test]
    fn every_length_at_every_alignment_equals_the_octet_by_octet_definition() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let buffer: Vec<u8> = (0..=u8::MAX).cycle().take(400).collect();
        for start in 0..32 {
            for len in 0..300 {
                let mut actual = buffer.clone();
                let mut masking = MaskingKey::new(key);
                masking.apply(&mut actual[start..start + len]);
                let (before, rest) = buffer.split_at(start);
                let (payload, after) = rest.split_at(len);
                assert_eq!(actual, [before, &scalar(key, payload), after].concat());
                let next = std::array::from_fn(|i| key[(len + i) % 4]);
                assert_eq!(masking, MaskingKey::new(next), "after {len}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_chunking_equals_the_octet_by_octet_definition(
            key: [u8; 4],
            payload in prop::collection::vec(any::<u8>(), 0..300),
            cuts in prop::collection::vec(0usize..300, 0..6),
        ) {
            let expected = scalar(key, &payload);
            let mut actual = payload.clone();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(payload.len())).collect();
            cuts.push(payload.len());
            cuts.sort_unstable();
            let mut key = MaskingKey::new(key);
            let mut start = 0;
            for cut in cuts {
                key.apply(&mut actual[start..cut]);
                start = cut;
            }
            prop_assert_eq!(actual, expected);
        }
    }
}
