//! A transport in memory that does what it is told: small pieces, pending polls, faults.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    thread,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
};

/// How a pipe behaves. It may change at any time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Bytes that one read gives at most.
    pub(crate) read_max: usize,
    /// Bytes that one write takes at most.
    pub(crate) write_max: usize,
    /// Every other poll is pending and wakes its task at once.
    pub(crate) hesitant: bool,
    pub(crate) vectored: bool,
    /// Writes go into a buffer of the transport's own, as with TLS; a flush empties it.
    pub(crate) buffering: bool,
    /// Bytes that the peer can write ahead of the connection.
    pub(crate) inbound_max: usize,
    /// Bytes that the connection can write ahead of the peer.
    pub(crate) outbound_max: usize,
}

impl Plan {
    /// Takes and gives all that there is.
    pub(crate) const SMOOTH: Self = Self {
        read_max: usize::MAX,
        write_max: usize::MAX,
        hesitant: false,
        vectored: true,
        buffering: false,
        inbound_max: usize::MAX,
        outbound_max: usize::MAX,
    };

    /// One byte at a time, and every other poll is pending.
    pub(crate) const DRIPPING: Self =
        Self { read_max: 1, write_max: 1, hesitant: true, vectored: false, ..Self::SMOOTH };
}

/// What goes wrong once some more bytes have passed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) after: usize,
    /// `None`: the write takes no byte, and says so.
    pub(crate) kind: Option<io::ErrorKind>,
}

/// The connection's end.
#[derive(Debug)]
pub(crate) struct Pipe(Arc<Shared>);

/// The other end, which the test holds.
#[derive(Clone, Debug)]
pub(crate) struct Peer(Arc<Shared>);

struct Shared {
    inner: Mutex<Inner>,
    /// Runs at the next write, in the middle of the connection's turn.
    at_write: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// Something changed that a test may wait for.
    changed: Notify,
}

#[derive(Debug)]
struct Inner {
    plan: Plan,
    inbound: VecDeque<u8>,
    inbound_ended: bool,
    /// What the transport holds back until it is flushed.
    buffer: Vec<u8>,
    outbound: Vec<u8>,
    /// What comes again and again, once `inbound` is read.
    flood: Option<Vec<u8>>,
    read_fault: Option<Fault>,
    write_fault: Option<Fault>,
    /// Whether the last poll of a read, a write, a flush was pending for nothing.
    hesitated: [bool; 3],
    reader: Option<Waker>,
    writer: Option<Waker>,
    seen: Seen,
    /// Polls without a byte moved. A task that polls for ever is stopped by a panic.
    idle_polls: u32,
}

/// What the connection did with its transport.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) polls: u64,
    pub(crate) read: usize,
    pub(crate) written: usize,
    pub(crate) vectored: u32,
    pub(crate) plain: u32,
    pub(crate) flushed: u32,
    pub(crate) shut_down: bool,
    pub(crate) dropped: bool,
}

pub(crate) fn pipe() -> (Pipe, Peer) {
    let shared = Arc::new(Shared {
        inner: Mutex::new(Inner {
            plan: Plan::SMOOTH,
            inbound: VecDeque::new(),
            inbound_ended: false,
            buffer: Vec::new(),
            outbound: Vec::new(),
            flood: None,
            read_fault: None,
            write_fault: None,
            hesitated: [false; 3],
            reader: None,
            writer: None,
            seen: Seen::default(),
            idle_polls: 0,
        }),
        at_write: Mutex::new(None),
        changed: Notify::new(),
    });
    (Pipe(shared.clone()), Peer(shared))
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn at_write(&self) {
        let hook = self.at_write.lock().expect("not poisoned").take();
        if let Some(hook) = hook {
            hook();
        }
    }
}

impl Inner {
    /// Whether this poll is one of those that are pending for nothing.
    fn hesitate(&mut self, what: usize, cx: &Context<'_>) -> bool {
        self.seen.polls += 1;
        self.idle_polls += 1;
        assert!(self.idle_polls < IDLE_POLLS_MAX, "the connection's task polls without an end");
        if !self.plan.hesitant {
            return false;
        }
        self.hesitated[what] = !self.hesitated[what];
        if self.hesitated[what] {
            cx.waker().wake_by_ref();
        }
        self.hesitated[what]
    }

    /// Moves what the transport holds on to the peer, as far as there is room.
    fn drain(&mut self) {
        let room = self.plan.outbound_max.saturating_sub(self.outbound.len());
        let count = room.min(self.buffer.len());
        self.outbound.extend(self.buffer.drain(..count));
    }

    fn fault(fault: &mut Option<Fault>, want: usize) -> Result<usize, Fault> {
        match fault {
            Some(fault) if fault.after == 0 => Err(*fault),
            Some(fault) => Ok(want.min(fault.after)),
            None => Ok(want),
        }
    }

    fn write(&mut self, slices: &[IoSlice<'_>], cx: &Context<'_>) -> Poll<io::Result<usize>> {
        if self.hesitate(WRITE, cx) {
            return Poll::Pending;
        }
        if self.plan.buffering {
            self.drain();
        }
        let want = slices.iter().map(|slice| slice.len()).sum::<usize>().min(self.plan.write_max);
        let room = if self.plan.buffering {
            BUFFER.saturating_sub(self.buffer.len())
        } else {
            self.plan.outbound_max.saturating_sub(self.outbound.len())
        };
        let count = match Self::fault(&mut self.write_fault, want) {
            Ok(count) => count.min(room),
            Err(Fault { kind: Some(kind), .. }) => return Poll::Ready(Err(kind.into())),
            Err(_) => return Poll::Ready(Ok(0)),
        };
        if count == 0 {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if let Some(fault) = &mut self.write_fault {
            fault.after -= count;
        }
        let mut left = count;
        for slice in slices {
            let piece = &slice[..slice.len().min(left)];
            if self.plan.buffering {
                self.buffer.extend_from_slice(piece);
            } else {
                self.outbound.extend_from_slice(piece);
            }
            left -= piece.len();
        }
        self.seen.written += count;
        self.idle_polls = 0;
        Poll::Ready(Ok(count))
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        if inner.hesitate(READ, cx) {
            return Poll::Pending;
        }
        if inner.inbound.is_empty()
            && let Some(flood) = inner.flood.clone()
        {
            inner.inbound.extend(flood);
        }
        let want = inner.inbound.len().min(buffer.remaining()).min(inner.plan.read_max);
        let count = match Inner::fault(&mut inner.read_fault, want) {
            Ok(count) => count,
            Err(fault) => {
                return Poll::Ready(Err(fault.kind.unwrap_or(io::ErrorKind::Other).into()));
            }
        };
        if count == 0 {
            if inner.inbound_ended {
                return Poll::Ready(Ok(()));
            }
            inner.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if let Some(fault) = &mut inner.read_fault {
            fault.after -= count;
        }
        for byte in inner.inbound.drain(..count) {
            buffer.put_slice(&[byte]);
        }
        inner.seen.read += count;
        inner.idle_polls = 0;
        drop(inner);
        self.0.changed.notify_waiters();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.at_write();
        let mut inner = self.0.lock();
        inner.seen.plain += 1;
        let result = inner.write(&[IoSlice::new(buffer)], cx);
        drop(inner);
        self.0.changed.notify_waiters();
        result
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.at_write();
        let mut inner = self.0.lock();
        inner.seen.vectored += 1;
        let result = inner.write(slices, cx);
        drop(inner);
        self.0.changed.notify_waiters();
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.0.lock().plan.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        if inner.hesitate(FLUSH, cx) {
            return Poll::Pending;
        }
        inner.drain();
        if !inner.buffer.is_empty() {
            inner.writer = Some(cx.waker().clone());
            drop(inner);
            self.0.changed.notify_waiters();
            return Poll::Pending;
        }
        inner.seen.flushed += 1;
        drop(inner);
        self.0.changed.notify_waiters();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.as_mut().poll_flush(cx).is_pending() {
            return Poll::Pending;
        }
        self.0.lock().seen.shut_down = true;
        self.0.changed.notify_waiters();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.seen.dropped = true;
        inner.buffer = Vec::new();
        drop(inner);
        self.0.changed.notify_waiters();
    }
}

impl Drop for Peer {
    /// The panic that stops a task which polls for ever is the task's own; this one is the test's.
    fn drop(&mut self) {
        let spun = self.0.lock().idle_polls >= IDLE_POLLS_MAX;
        assert!(!spun || thread::panicking(), "the connection's task polled without an end");
    }
}

impl Peer {
    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.0.lock();
        change(&mut inner);
        let wakers = [inner.reader.take(), inner.writer.take()];
        drop(inner);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    pub(crate) fn plan(&self, plan: Plan) {
        self.change(|inner| inner.plan = plan);
    }

    /// Writes, whatever the pipe's bound.
    pub(crate) fn write(&self, bytes: impl AsRef<[u8]>) {
        self.change(|inner| inner.inbound.extend(bytes.as_ref()));
    }

    /// Writes as much as there is room for, and says how much.
    pub(crate) fn offer(&self, bytes: &[u8]) -> usize {
        let mut count = 0;
        self.change(|inner| {
            count = inner.plan.inbound_max.saturating_sub(inner.inbound.len()).min(bytes.len());
            inner.inbound.extend(&bytes[..count]);
        });
        count
    }

    /// These bytes come again and again, for ever.
    pub(crate) fn flood(&self, bytes: Option<Vec<u8>>) {
        self.change(|inner| inner.flood = bytes);
    }

    /// Ends the peer's direction.
    pub(crate) fn end(&self) {
        self.change(|inner| inner.inbound_ended = true);
    }

    pub(crate) fn fail_reads(&self, after: usize, kind: io::ErrorKind) {
        self.change(|inner| inner.read_fault = Some(Fault { after, kind: Some(kind) }));
    }

    pub(crate) fn fail_writes(&self, after: usize, kind: Option<io::ErrorKind>) {
        self.change(|inner| inner.write_fault = Some(Fault { after, kind }));
    }

    /// As TCP's RST: what was sent and not read is lost, in both directions.
    pub(crate) fn reset(&self) {
        self.change(|inner| {
            inner.inbound.clear();
            let fault = Fault { after: 0, kind: Some(io::ErrorKind::ConnectionReset) };
            inner.read_fault = Some(fault);
            inner.write_fault = Some(fault);
        });
    }

    /// Takes all that came, up to `max` bytes.
    pub(crate) fn take(&self, max: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        self.change(|inner| {
            let count = max.min(inner.outbound.len());
            taken = inner.outbound.drain(..count).collect();
        });
        taken
    }

    /// Runs `hook` at the next write, as another thread might at that moment.
    pub(crate) fn at_write(&self, hook: impl FnOnce() + Send + 'static) {
        *self.0.at_write.lock().expect("not poisoned") = Some(Box::new(hook));
    }

    pub(crate) fn seen(&self) -> Seen {
        self.0.lock().seen
    }

    /// Bytes that the peer wrote and the connection did not read.
    pub(crate) fn unread(&self) -> usize {
        self.0.lock().inbound.len()
    }

    /// Waits until `look` is content with what the connection did.
    pub(crate) async fn until(&self, mut look: impl FnMut(Seen, usize) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            {
                let inner = self.0.lock();
                if look(inner.seen, inner.outbound.len()) {
                    return;
                }
            }
            changed.await;
        }
    }
}

/// Polls without a byte moved after which a task is held to spin.
const IDLE_POLLS_MAX: u32 = 100_000;

/// What a transport that buffers holds, in bytes: as rustls by default.
const BUFFER: usize = 64 * 1024;

/// What hesitates, each on its own.
const READ: usize = 0;
const WRITE: usize = 1;
const FLUSH: usize = 2;
