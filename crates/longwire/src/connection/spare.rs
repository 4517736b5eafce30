//! An empty queue's memory, one a thread, so that a turn of messages need not ask the allocator.

use std::{cell::Cell, collections::VecDeque};

use super::queues::Inbound;

thread_local! {
    static SPARE: Cell<VecDeque<Inbound>> = const { Cell::new(VecDeque::new()) };
}

/// An empty queue, with the memory that is there.
pub(super) fn take() -> VecDeque<Inbound> {
    SPARE.take()
}

/// Keeps the memory of a queue that is empty, unless there is more of it than a turn needs.
pub(super) fn give(queue: VecDeque<Inbound>) {
    debug_assert!(queue.is_empty());
    if queue.capacity() <= CAPACITY_MAX {
        SPARE.set(queue);
    }
}

/// Messages that the kept queue has room for at the most.
const CAPACITY_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_within_a_limit() {
        let queue = VecDeque::with_capacity(CAPACITY_MAX);
        let capacity = queue.capacity();
        give(queue);
        assert_eq!(take().capacity(), capacity);
        assert_eq!(take().capacity(), 0);
        give(VecDeque::with_capacity(CAPACITY_MAX + 1));
        assert_eq!(take().capacity(), 0);
    }
}
