//! A connection's task that runs the application's handler too: what arrives is handled, and what the
//! handler sends goes out, without a step through the scheduler.

use std::{
    any::Any,
    cell::Cell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    ptr,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use longwire_proto::CloseCode;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::warn;

use super::{
    Queues,
    task::{STEPS_MAX, Step, Task},
};

pin_project! {
    /// A connection's task and its handler in one. It ends when both have ended.
    pub(crate) struct Attended<T, F> {
        #[pin]
        task: Option<Task<T>>,
        #[pin]
        handler: Option<F>,
        queues: Arc<Queues>,
        // The handler's: it leads back here.
        waker: Waker,
        // Boxed again: mostly there is none, and its pointer is a wide one.
        panic: Option<Box<Panic>>,
    }
}

type Panic = Box<dyn Any + Send>;

impl<T, F> Attended<T, F> {
    /// `begin` gives the handler.
    pub(crate) fn new(task: Task<T>, begin: impl FnOnce() -> F) -> Self {
        let queues = task.queues().clone();
        let waker = Waker::from(queues.clone());
        let (handler, panic) = match catch_unwind(AssertUnwindSafe(begin)) {
            Ok(handler) => (Some(handler), None),
            Err(panic) => (None, Some(Box::new(after_panic(&queues, panic)))),
        };
        Self { task: Some(task), handler, queues, waker, panic }
    }
}

/// Drops a handler. Gives the panic, if that panics.
fn drop_handler<F>(mut handler: Pin<&mut Option<F>>) -> Option<Panic> {
    catch_unwind(AssertUnwindSafe(|| handler.set(None))).err()
}

/// The peer hears of a panic, and the connection ends in order, before anybody else does.
fn after_panic(queues: &Queues, panic: Panic) -> Panic {
    warn!("a connection's handler panicked");
    queues.close(CloseCode::INTERNAL_ERROR.into());
    panic
}

impl<T: AsyncRead + AsyncWrite, F: Future> Future for Attended<T, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let queues = this.queues;
        let _here = Here::enter(queues);
        match this.task.as_mut().as_pin_mut() {
            Some(task) => task.begin(cx),
            None => queues.register_task(cx.waker()),
        }
        for _ in 0..STEPS_MAX {
            let step = match this.task.as_mut().as_pin_mut() {
                Some(task) => task.step(cx),
                None => Step::Over,
            };
            if step == Step::Over {
                // The transport goes with it.
                this.task.set(None);
                queues.take_changed();
            }
            if queues.take_handler_woken()
                && let Some(handler) = this.handler.as_mut().as_pin_mut()
            {
                let mut cx = Context::from_waker(this.waker);
                let polled = catch_unwind(AssertUnwindSafe(|| handler.poll(&mut cx)));
                let panic = match polled.map(|poll| poll.is_pending()) {
                    Ok(true) => None,
                    Ok(false) => drop_handler(this.handler.as_mut()),
                    Err(panic) => {
                        // The first panic is the one to tell of.
                        drop(drop_handler(this.handler.as_mut()));
                        Some(panic)
                    }
                };
                if let Some(panic) = panic {
                    *this.panic = Some(Box::new(after_panic(queues, panic)));
                }
                // It may have taken its time, by which nothing is to be judged that it asked for.
                if let Some(task) = this.task.as_mut().as_pin_mut() {
                    task.look_at_clock();
                }
            }
            if this.task.is_none() && this.handler.is_none() {
                if let Some(panic) = this.panic.take() {
                    resume_unwind(*panic);
                }
                return Poll::Ready(());
            }
            let rests = match step {
                Step::Rest => !queues.has_news(),
                Step::Over => !queues.take_changed() && !queues.has_news(),
                Step::Again => false,
                Step::Tired => break,
            };
            if rests {
                return Poll::Pending;
            }
        }
        // Other tasks have their turn.
        if let Some(task) = this.task.as_pin_mut() {
            task.pause();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Whether the waker is that of the handler which this connection's task runs.
pub(super) fn is_handler(waker: &Waker, queues: &Arc<Queues>) -> bool {
    // Nobody else's waker has the queues for its data.
    ptr::eq(waker.data().cast(), Arc::as_ptr(queues))
}

/// Whether a task that runs this connection and its handler is being polled on this thread: whatever
/// is changed meanwhile, it sees before it rests.
pub(super) fn is_here(queues: &Queues) -> bool {
    ptr::eq(HERE.get(), queues)
}

thread_local! {
    static HERE: Cell<*const Queues> = const { Cell::new(ptr::null()) };
}

/// The time in which [`is_here`] holds.
struct Here {
    before: *const Queues,
}

impl Here {
    fn enter(queues: &Queues) -> Self {
        Self { before: HERE.replace(queues) }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        HERE.set(self.before);
    }
}
