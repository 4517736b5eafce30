//! One commit in the making.

use crate::{
    LogError, Response, StreamName,
    storage::{Batch, ReadError, Table, View, Visitor},
};

/// A batch, over what the storage had when it was begun.
///
/// As a [`View`] it gives single keys as the batch will leave them; scans are of the storage alone.
pub(super) struct Work<'a> {
    pub(super) view: Box<dyn View + 'a>,
    pub(super) batch: Batch,
    /// Streams whose state has changed.
    pub(super) touched: Vec<StreamName>,
    pub(super) outcomes: Vec<(u64, Outcome)>,
}

impl<'a> Work<'a> {
    pub(super) fn new(view: Box<dyn View + 'a>) -> Self {
        Self { view, batch: Batch::default(), touched: Vec::new(), outcomes: Vec::new() }
    }
}

impl View for Work<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match self.batch.get(table, key) {
            Some(written) => Ok(written.map(<[u8]>::to_vec)),
            None => self.view.get(table, key),
        }
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        backwards: bool,
        visit: &mut Visitor<'_>,
    ) -> Result<(), ReadError> {
        self.view.scan(table, from, to, backwards, visit)
    }
}

/// What a request comes to.
pub(super) struct Outcome {
    pub(super) result: Result<Response, LogError>,
    /// Whether that is so only if the batch is written.
    pub(super) pending: bool,
}

impl Outcome {
    pub(super) fn settled(result: Result<Response, LogError>) -> Self {
        Self { result, pending: false }
    }
}
