//! Masking (RFC 6455 §5.3).

mod kernel;

use self::kernel::WIDTH;

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
        if payload.len() < LONG { self.apply_short(payload) } else { self.apply_long(payload) }
    }

    /// Apart, so that a short message does not save the registers that only this needs.
    #[inline(never)]
    fn apply_long(&mut self, payload: &mut [u8]) {
        // A register's worth that crosses a line of the cache costs twice.
        let before = payload.as_ptr().align_offset(WIDTH).min(payload.len());
        let (head, body) = payload.split_at_mut(before);
        let (blocks, tail) = body.as_chunks_mut();
        self.apply_short(head);
        kernel::mask(blocks, self.0);
        self.apply_short(tail);
    }

    /// Most messages are short: what is left behind the last block goes by words, not by octets.
    fn apply_short(&mut self, payload: &mut [u8]) {
        let Self(key) = *self;
        let moved = payload.len() % 4;
        let (blocks, rest) = payload.as_chunks_mut();
        kernel::mask_portably(blocks, key);
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

/// Bytes from which on the kernel and the alignment for it are worth their start.
const LONG: usize = 512;

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
        let buffer: Vec<u8> = (0..=u8::MAX).cycle().take(LONG + 300).collect();
        for start in 0..WIDTH {
            for len in (0..300).chain(LONG - 8..LONG + 200) {
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
            payload in prop::collection::vec(any::<u8>(), 0..3000),
            cuts in prop::collection::vec(0usize..3000, 0..6),
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
