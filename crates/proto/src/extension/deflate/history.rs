//! The end of what was said, which later bytes may refer to: the LZ77 sliding window (RFC 7692 §7.2.3).

use std::collections::VecDeque;

/// The last bytes of one direction, up to a size. Holds no memory until there are any.
#[derive(Debug)]
pub(super) struct History {
    bytes: VecDeque<u8>,
    size: usize,
}

impl History {
    pub(super) fn new(size: usize) -> Self {
        Self { bytes: VecDeque::new(), size }
    }

    /// Appends `more`, and forgets what is older than the size.
    pub(super) fn push(&mut self, more: &[u8]) {
        let more = &more[more.len().saturating_sub(self.size)..];
        self.bytes.drain(..(self.bytes.len() + more.len()).saturating_sub(self.size));
        let needed = self.bytes.len() + more.len();
        if needed > self.bytes.capacity() {
            let capacity = needed.max(2 * self.bytes.capacity()).min(self.size);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend(more);
    }

    /// The bytes in their order, in the two parts in which they lie.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        let (older, newer) = self.bytes.as_slices();
        [older, newer]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets everything, and gives its memory back.
    pub(super) fn clear(&mut self) {
        if self.bytes.capacity() > 0 {
            self.bytes = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn holds_the_last_bytes_in_bounded_memory(
            size in 1usize..600,
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..900), 0..20),
        ) {
            let mut history = History::new(size);
            let mut all = Vec::new();
            for piece in pieces {
                history.push(&piece);
                all.extend_from_slice(&piece);
                prop_assert_eq!(history.parts().concat(), &all[all.len().saturating_sub(size)..]);
                prop_assert!(history.bytes.capacity() <= size);
                prop_assert!(history.bytes.capacity() <= 2 * all.len());
            }
            history.clear();
            prop_assert!(history.is_empty());
            prop_assert_eq!(history.bytes.capacity(), 0);
        }
    }
}
