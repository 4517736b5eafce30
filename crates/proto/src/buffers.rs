//! Large buffers, a few a thread, so that a stream of large messages does not take fresh memory from
//! the system for each.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};

/// Payloads below this many bytes are not worth keeping: the allocator keeps these itself.
pub(crate) const LARGE: usize = 64 * 1024;

/// Bytes that one thread keeps at the most.
const KEPT_MAX: usize = 4 << 20;

thread_local! {
    static KEPT: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer, with the capacity that it happens to have: zero if none is kept.
pub(crate) fn take() -> BytesMut {
    KEPT.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Keeps the memory of a large payload that nobody else holds.
pub(crate) fn give(payload: Bytes) {
    if payload.len() >= LARGE
        && let Ok(buffer) = payload.try_into_mut()
    {
        keep(buffer);
    }
}

/// Keeps a buffer, within [`KEPT_MAX`].
pub(crate) fn keep(mut buffer: BytesMut) {
    buffer.clear();
    KEPT.with_borrow_mut(|kept| {
        let held: usize = kept.iter().map(BytesMut::capacity).sum();
        if held + buffer.capacity() <= KEPT_MAX {
            kept.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_nobody_else_holds_is_used_again_within_a_bound() {
        let payload = Bytes::from(vec![1; LARGE]);
        let address = payload.as_ptr();
        give(payload.clone());
        assert_eq!(take().capacity(), 0, "another holder");
        give(payload);
        let again = take();
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
        give(Bytes::from(vec![1; LARGE - 1]));
        give(Bytes::from(vec![1; KEPT_MAX + 1]));
        assert_eq!(take().capacity(), 0, "too small, and too large");
        for _ in 0..1000 {
            give(Bytes::from(vec![1; LARGE]));
        }
        let held: usize = std::iter::from_fn(|| Some(take().capacity()).filter(|it| *it > 0)).sum();
        assert_eq!(held, KEPT_MAX);
    }
}
