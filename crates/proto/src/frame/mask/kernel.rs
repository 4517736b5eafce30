//! Masking by whole blocks, with the widest registers that the processor is known to have.

/// Bytes of a block: one vector register or two, and a multiple of the key's length.
pub(super) const WIDTH: usize = 32;

/// Masks every block; the key begins anew with each.
#[cfg_attr(
    target_arch = "x86_64",
    allow(unsafe_code, reason = "a function for AVX2, called where there is AVX2")
)]
pub(super) fn mask(blocks: &mut [[u8; WIDTH]], key: [u8; 4]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: all that `mask_with_avx2` asks of its caller is a processor with AVX2. Its body is
        // safe code.
        unsafe { mask_with_avx2(blocks, key) };
        return;
    }
    // not covered: a processor without AVX2
    mask_portably(blocks, key);
}

/// The same code, compiled for registers of twice the width.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn mask_with_avx2(blocks: &mut [[u8; WIDTH]], key: [u8; 4]) {
    mask_portably(blocks, key);
}

/// The same, with what every processor has. The compiler makes vector instructions of the loop.
#[expect(clippy::inline_always, reason = "part of each caller, for that caller's registers")]
#[inline(always)]
pub(super) fn mask_portably(blocks: &mut [[u8; WIDTH]], key: [u8; 4]) {
    let wide: [u8; WIDTH] = std::array::from_fn(|i| key[i % 4]);
    for block in blocks {
        for (byte, mask) in block.iter_mut().zip(&wide) {
            *byte ^= mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, octet by octet (§5.3).
    fn scalar(blocks: &[[u8; WIDTH]], key: [u8; 4]) -> Vec<u8> {
        let payload = blocks.as_flattened();
        payload.iter().zip(key.iter().cycle()).map(|(octet, key)| octet ^ key).collect()
    }

    proptest! {
        #[test]
        fn every_way_gives_what_the_definition_gives(
            key: [u8; 4],
            blocks in prop::collection::vec(any::<[u8; WIDTH]>(), 0..40),
        ) {
            let expected = scalar(&blocks, key);
            for way in [mask, mask_portably] {
                let mut actual = blocks.clone();
                way(&mut actual, key);
                prop_assert_eq!(actual.as_flattened(), &expected[..]);
            }
        }
    }
}
