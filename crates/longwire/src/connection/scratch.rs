//! One read buffer a thread, so that an idle connection holds none.

use std::cell::Cell;

/// Bytes that one read may take. Large enough for a turn of many small messages, small enough to
/// stay in a core's own cache; larger payloads are read straight into their final place.
const LEN: usize = 64 * 1024;

thread_local! {
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Lends this thread's buffer to `use_it`, or a new one if it is lent already.
pub(super) fn with<R>(use_it: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = BUFFER.take().unwrap_or_else(|| vec![0; LEN].into_boxed_slice());
    let result = use_it(&mut buffer);
    BUFFER.set(Some(buffer));
    result
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_buffer_is_reused_and_may_be_lent_twice() {
        let first = super::with(|outer| {
            let outer = outer.as_ptr();
            super::with(|inner| assert_ne!(inner.as_ptr(), outer));
            outer
        });
        assert_eq!(super::with(|again| again.as_ptr()), first);
    }
}
