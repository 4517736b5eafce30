//! Where streams live: in memory, and in the log.

use std::sync::Arc;

use longwire_hub::broker::{Broker, Memory, MemoryLimits};
use tokio::sync::Notify;

use crate::{config::Config, error::StartError, node::LogStats};

/// The brokers of a server.
pub(crate) struct Storage {
    pub(crate) broker: Box<dyn Broker + Send>,
    /// Of the log, where there is one.
    pub(crate) stats: Option<LogStats>,
}

/// Opens what the configuration's namespaces need.
pub(crate) fn open(_config: &Config, _wake: Arc<Notify>) -> Result<Storage, StartError> {
    let memory = Memory::new(MemoryLimits::default(), rand::random());
    Ok(Storage { broker: Box::new(memory), stats: None })
}
