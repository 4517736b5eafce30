//! What every request and connection needs: the node, the rules of entry, and the phase the server is in.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

use longwire_channel::{ErrorCode, Refusal};
use longwire_hub::{Credentials, Denied, Identity, SessionId};

use crate::{
    auth::Authoriser,
    config::Config,
    development::Development,
    http::PublishRate,
    metrics::Metrics,
    node::{NodeHandle, unix_ms},
    origins::Origins,
};

/// What every request and connection needs.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) origins: Origins,
    pub(crate) metrics: Metrics,
    pub(crate) publish_rate: PublishRate,
    /// There in development mode only.
    pub(crate) development: Option<Development>,
    service: OnceLock<Service>,
    phase: AtomicU8,
}

/// What is there once the log is open.
struct Service {
    node: NodeHandle,
    authoriser: Arc<dyn Authoriser>,
}

/// Where a server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// The log is being opened.
    Starting = 0,
    /// It serves.
    Ready = 1,
    /// Clients are told to come back elsewhere or later.
    Draining = 2,
}

impl Phase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

impl App {
    pub(crate) fn new(config: Config, development: Option<Development>) -> Self {
        Self {
            origins: Origins::new(&config.allowed_origins, development.is_some()),
            publish_rate: PublishRate::new(config.limits.publish_rate),
            config,
            metrics: Metrics::new(),
            development,
            service: OnceLock::new(),
            phase: AtomicU8::new(Phase::Starting as u8),
        }
    }

    /// The log is open: from now on it serves.
    pub(crate) fn begin(&self, node: NodeHandle, authoriser: Arc<dyn Authoriser>) {
        if self.service.set(Service { node, authoriser }).is_ok() {
            self.phase.store(Phase::Ready as u8, Ordering::Release);
        }
    }

    /// From now on nothing new is let in.
    pub(crate) fn drain(&self) {
        self.phase.store(Phase::Draining as u8, Ordering::Release);
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// Whether requests are served, or why not.
    pub(crate) fn admit(&self) -> Result<(), Refusal> {
        match self.phase() {
            Phase::Ready => Ok(()),
            Phase::Starting => Err(unavailable("the server is starting: try again in a moment")),
            Phase::Draining => Err(stopping()),
        }
    }

    /// The node. Only for requests that were admitted.
    pub(crate) fn node(&self) -> &NodeHandle {
        &self.service().node
    }

    /// The node, if it is there yet.
    pub(crate) fn node_if_ready(&self) -> Option<&NodeHandle> {
        self.service.get().map(|service| &service.node)
    }

    /// Who it is, by what they present.
    pub(crate) async fn authorise(&self, token: Option<String>) -> Result<Identity, Denied> {
        let credentials = Credentials { token, ticket: None };
        let authorisation = self.service().authoriser.authorise(&credentials, unix_ms());
        authorisation.decide(self.config.limits.connect_timeout.0).await
    }

    /// Lets development mode cut this session's transport, which the current task runs.
    pub(crate) fn note_session(&self, session: SessionId) {
        if let Some(development) = &self.development {
            development.note_session(session);
        }
    }

    fn service(&self) -> &Service {
        self.service.get().expect("a request is admitted once the service is there")
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("phase", &self.phase()).finish_non_exhaustive()
    }
}

/// The refusal of whatever comes too late.
pub(crate) fn stopping() -> Refusal {
    unavailable("the server is stopping: try again, at the same address or another")
}

fn unavailable(words: &str) -> Refusal {
    let retry_after_ms = Some(RETRY_MS);
    Refusal { retry_after_ms, ..Refusal::new(ErrorCode::Unavailable, words) }
}

const RETRY_MS: u64 = 1000;
