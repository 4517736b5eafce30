//! What a connection's task knows only at times, boxed: most connections have nothing of it.

use std::{
    collections::VecDeque,
    io,
    ops::{Deref, DerefMut},
    time::{Duration, Instant},
};

use longwire_proto::Closed;
use tokio::sync::oneshot;

use crate::error::PingError;

/// What a connection's task knows only at times.
#[derive(Debug)]
pub(super) struct Facts {
    /// What was read and is not parsed yet: the inbox was full.
    pub(super) unparsed: Vec<u8>,
    pub(super) unparsed_start: usize,
    /// Where what was taken ends among the bytes to write, while the transport is behind.
    pub(super) marks: VecDeque<(u64, u64)>,
    /// Pings of the application that wait for their Pongs, by number.
    pub(super) pings: Vec<(u64, oneshot::Sender<Result<Duration, PingError>>)>,
    /// Until when a Close frame that is owed waits for the application to handle what came before it.
    pub(super) hold: Option<Instant>,
    /// When patience ends with what is pending before our own Close frame, or with a transport that
    /// is over but for its last bytes.
    pub(super) patience: Option<Instant>,
    /// When it ends although the transport still takes bytes.
    pub(super) patience_limit: Option<Instant>,
    pub(super) error: Option<io::Error>,
    pub(super) closed: Option<Box<Closed>>,
}

/// [`Facts`], which take no memory while there is none. Looking at them takes none; changing them may.
#[derive(Debug, Default)]
pub(super) struct Rare(Option<Box<Facts>>);

impl Rare {
    /// Gives the memory back where nothing is left.
    pub(super) fn rest(&mut self) {
        if self.0.as_ref().is_some_and(|facts| facts.is_nothing()) {
            self.0 = None;
        }
    }
}

impl Facts {
    const NOTHING: Self = Self {
        unparsed: Vec::new(),
        unparsed_start: 0,
        marks: VecDeque::new(),
        pings: Vec::new(),
        hold: None,
        patience: None,
        patience_limit: None,
        error: None,
        closed: None,
    };

    fn is_nothing(&self) -> bool {
        let times = [self.hold, self.patience, self.patience_limit];
        self.unparsed.is_empty()
            && self.marks.is_empty()
            && self.pings.is_empty()
            && times.iter().all(Option::is_none)
            && self.error.is_none()
            && self.closed.is_none()
    }
}

static NOTHING: Facts = Facts::NOTHING;

impl Deref for Rare {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for Rare {
    fn deref_mut(&mut self) -> &mut Facts {
        self.0.get_or_insert_with(|| Box::new(Facts::NOTHING))
    }
}
