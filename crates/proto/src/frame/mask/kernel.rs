//! Masking by whole blocks.

/// Bytes of a block: one vector register or two, and a multiple of the key's length.
pub(super) const WIDTH: usize = 32;

/// Masks every block; the key begins anew with each.
pub(super) fn mask(blocks: &mut [[u8; WIDTH]], key: [u8; 4]) {
    mask_portably(blocks, key);
}

/// The same, with what every processor has. The compiler makes vector instructions of the loop.
#[expect(clippy::inline_always, reason = "part of each caller, whose start it must not delay")]
#[inline(always)]
pub(super) fn mask_portably(blocks: &mut [[u8; WIDTH]], key: [u8; 4]) {
    let wide: [u8; WIDTH] = std::array::from_fn(|i| key[i % 4]);
    for block in blocks {
        for (byte, mask) in block.iter_mut().zip(&wide) {
            *byte ^= mask;
        }
    }
}
