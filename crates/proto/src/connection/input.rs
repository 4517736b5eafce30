//! Bytes that arrived, lent to the connection to be parsed in place.

/// A cursor over bytes that arrived from the transport.
///
/// [`Connection::poll_event`](crate::Connection::poll_event) takes from the front, unmasks in place
/// and keeps a copy of what it cannot finish. When it returns `None` the input is used up.
#[derive(Debug)]
pub struct Input<'a> {
    rest: &'a mut [u8],
}

impl<'a> Input<'a> {
    /// All of `bytes`.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is not yet taken. A caller that stops polling keeps these bytes for later.
    pub fn rest(&self) -> &[u8] {
        self.rest
    }

    /// Whether all is taken.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes not yet taken.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// What is not yet taken, to be unmasked in place.
    pub(crate) fn rest_mut(&mut self) -> &mut [u8] {
        self.rest
    }

    /// Takes the next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> &'a mut [u8] {
        let (taken, rest) = std::mem::take(&mut self.rest).split_at_mut(count);
        self.rest = rest;
        taken
    }

    /// Takes what is left.
    pub(crate) fn take_all(&mut self) -> &'a mut [u8] {
        std::mem::take(&mut self.rest)
    }
}
