//! The end of what was said, which later bytes may refer to: the LZ77 sliding window (RFC 7692 §7.2.3).

/// The last bytes of one direction, up to a size. Holds no memory until there are any.
#[derive(Debug)]
pub(super) struct History {
    /// The bytes, and before them some that are too old, so that not every push moves them all.
    bytes: Vec<u8>,
    size: usize,
}

impl History {
    pub(super) fn new(size: usize) -> Self {
        Self { bytes: Vec::new(), size }
    }

    /// Appends `more`, and forgets what is older than the size.
    pub(super) fn push(&mut self, more: &[u8]) {
        let more = &more[more.len().saturating_sub(self.size)..];
        let capacity_max = self.size + self.size / SLACK;
        if self.bytes.len() + more.len() > capacity_max {
            let kept = self.size - more.len();
            self.bytes.drain(..self.bytes.len().saturating_sub(kept));
        }
        let needed = self.bytes.len() + more.len();
        if needed > self.bytes.capacity() {
            let capacity = needed.max(2 * self.bytes.capacity()).min(capacity_max);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.bytes.len().saturating_sub(self.size)..]
    }

    /// Forgets everything, and gives its memory back.
    pub(super) fn clear(&mut self) {
        if self.bytes.capacity() > 0 {
            self.bytes = Vec::new();
        }
    }
}

/// The part of the size that is kept beyond it.
const SLACK: usize = 16;

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
                prop_assert_eq!(history.as_slice(), &all[all.len().saturating_sub(size)..]);
                prop_assert!(history.bytes.capacity() <= (size + size / SLACK).max(8));
                prop_assert!(history.bytes.capacity() <= (2 * all.len()).max(8));
            }
            history.clear();
            prop_assert!(history.as_slice().is_empty());
            prop_assert_eq!(history.bytes.capacity(), 0);
        }
    }
}
