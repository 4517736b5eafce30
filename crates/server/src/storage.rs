//! Where streams live: in memory, and in the log.

use std::{fs, io, path::Path, sync::Arc, time::Instant};

use longwire_hub::{
    Durability, Namespaces, Now,
    broker::{Broker, Brokers, Durable, Event, Memory, MemoryLimits, Request},
};
use longwire_log::{Figures, Log};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::{config::Config, error::StartError};

/// The brokers of a server.
pub(crate) enum Storage {
    /// No namespace is on disk.
    Memory(Box<Memory>),
    /// Some are.
    Both(Box<Brokers<Memory, Durable<Log>>>),
    /// One that fails at will.
    #[cfg(test)]
    Other(Box<dyn Broker + Send>),
}

impl Storage {
    /// Opens what the namespaces need; `wake` is notified when the log has something.
    pub(crate) fn open(
        config: &Config,
        namespaces: &Namespaces,
        wake: Arc<Notify>,
    ) -> Result<Self, StartError> {
        let mut limits = MemoryLimits::default();
        limits.streams = config.limits.memory_streams;
        limits.bytes = config.limits.memory_bytes.0;
        let memory = Memory::new(limits, rand::random());
        if namespaces.iter().all(|(_, namespace)| namespace.durability == Durability::Memory) {
            return Ok(Self::Memory(Box::new(memory)));
        }
        make_folder(&config.data)
            .map_err(|error| StartError::Data { folder: config.data.clone(), error })?;
        let wake = Arc::new(move || wake.notify_one());
        let settings = longwire_log::Config::new(config.data.join(LOG_FOLDER));
        let (log, report) =
            Log::open(settings, rand::random::<u64>, wake).map_err(StartError::Log)?;
        for place in &report.corrupt {
            warn!(%place, "the log is damaged: what is intact is served");
        }
        for place in &report.torn {
            info!(%place, "an unfinished write was cut off: nothing of it was acknowledged");
        }
        info!(created = report.created, took = ?report.took, "the log is open");
        Ok(Self::Both(Box::new(Brokers::new(memory, Durable::new(log), namespaces.clone()))))
    }

    /// The log's figures, where there is one.
    pub(crate) fn figures(&self) -> Option<Figures> {
        match self {
            Self::Memory(_) => None,
            Self::Both(brokers) => Some(brokers.disk().log().figures()),
            #[cfg(test)]
            Self::Other(_) => None,
        }
    }
}

impl Broker for Storage {
    fn submit(&mut self, token: u64, request: Request, now: Now) {
        match self {
            Self::Memory(memory) => memory.submit(token, request, now),
            Self::Both(brokers) => brokers.submit(token, request, now),
            #[cfg(test)]
            Self::Other(broker) => broker.submit(token, request, now),
        }
    }

    fn poll(&mut self, now: Now) -> Option<Event> {
        match self {
            Self::Memory(memory) => memory.poll(now),
            Self::Both(brokers) => brokers.poll(now),
            #[cfg(test)]
            Self::Other(broker) => broker.poll(now),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Memory(memory) => memory.poll_timeout(),
            Self::Both(brokers) => brokers.poll_timeout(),
            #[cfg(test)]
            Self::Other(broker) => broker.poll_timeout(),
        }
    }
}

/// Makes the data folder, if it is not there: for its owner alone, since what is published lies in it.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Where the log lies in the data folder.
const LOG_FOLDER: &str = "log";
