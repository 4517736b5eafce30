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
        let mut wide = [0; WIDTH];
        let mut i = 0;
        while i < WIDTH {
            wide[i] = key[i % 4];
            i += 1;
        }
        let (chunks, rest) = payload.as_chunks_mut::<WIDTH>();
        for chunk in chunks {
            for (byte, mask) in chunk.iter_mut().zip(&wide) {
                *byte ^= mask;
            }
        }
        for (byte, mask) in rest.iter_mut().zip(wide.iter()) {
            *byte ^= mask;
        }
        self.0.rotate_left(rest.len() % 4);
    }
}

/// Bytes a turn of the loop: two or more vector registers, and a multiple of the key's length.
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
