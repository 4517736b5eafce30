//! Signals that ask the program to end.

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// SIGINT and SIGTERM; Ctrl-C where there are no signals.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
}

impl Signals {
    /// From now on the signals no longer end the program by themselves.
    pub(crate) fn catch() -> Result<Self, Failure> {
        #[cfg(unix)]
        {
            let catch = |kind| {
                signal(kind).map_err(|error| Failure::new(format!("cannot catch signals: {error}")))
            };
            let interrupt = catch(SignalKind::interrupt())?;
            Ok(Self { interrupt, terminate: catch(SignalKind::terminate())? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next of them. Cancel safe.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
