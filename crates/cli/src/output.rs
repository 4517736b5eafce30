//! The way to stdout and stderr: a thread of its own, so that a reader who pauses stops the messages
//! and not the connection, whose pings are still answered.

use std::{
    fmt,
    io::{self, BufWriter, Write},
    thread,
};

use tokio::sync::{mpsc, oneshot};

use crate::{
    event::Event,
    render::{Shown, Style},
};

/// One line on stderr, with the program's name. If stderr is gone there is nobody to tell.
pub(crate) fn complain(problem: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "longwire: {problem}");
}

/// One line on stderr that nobody needs, in a place where stdout is for a program.
pub(crate) fn note(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct Output {
    screen: Screen,
    done: oneshot::Receiver<io::Result<()>>,
}

/// A handle to show events with.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    style: Style,
    queue: mpsc::Sender<Shown>,
}

/// Stdout takes no more.
#[derive(Debug)]
pub(crate) struct Gone;

impl Output {
    pub(crate) fn start(style: Style) -> Self {
        let (queue, shown) = mpsc::channel(QUEUED_MAX);
        let (tell, done) = oneshot::channel();
        thread::spawn(move || {
            let result = write_all(shown);
            // Nobody waits for it if the program ends early.
            let _ = tell.send(result);
        });
        Self { screen: Screen { style, queue }, done }
    }

    pub(crate) fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Waits until all is written. Every [`Screen`] must be gone.
    pub(crate) async fn finish(self) -> io::Result<()> {
        drop(self.screen);
        self.done.await.unwrap_or_else(|_| Err(io::Error::other("the writing thread panicked")))
    }
}

impl Screen {
    /// Shows an event. Waits while the reader of stdout is slow.
    pub(crate) async fn show(&self, event: Event) -> Result<(), Gone> {
        match self.style.render(event) {
            Some(shown) => self.queue.send(shown).await.map_err(|_| Gone),
            None => Ok(()),
        }
    }
}

fn write_all(mut queue: mpsc::Receiver<Shown>) -> io::Result<()> {
    let mut stdout = BufWriter::with_capacity(BUFFER_LEN, io::stdout());
    while let Some(shown) = queue.blocking_recv() {
        match shown {
            Shown::Bytes(bytes) => stdout.write_all(&bytes)?,
            Shown::Line(bytes) => {
                stdout.write_all(&bytes)?;
                stdout.write_all(b"\n")?;
            }
            Shown::Notice(text) => {
                // In the order in which it happened, where both are one terminal.
                stdout.flush()?;
                let _ = writeln!(io::stderr(), "{text}");
            }
        }
        if queue.is_empty() {
            stdout.flush()?;
        }
    }
    stdout.flush()
}

/// Events that wait to be written. Each may be a large message.
const QUEUED_MAX: usize = 8;

const BUFFER_LEN: usize = 64 * 1024;
