//! What is to be done: the server, the load, and how long.

use std::{path::PathBuf, time::Duration};

use longwire_proto::{Deflate, handshake::ClientRequest};

use crate::{Kind, LoadError};

/// A load on one server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The server, and what every opening handshake asks it for. Its permessage-deflate is that of
    /// [`Self::deflate`].
    pub request: ClientRequest,
    /// PEM file with the certificate authorities to trust. Default: the system's.
    pub ca: Option<PathBuf>,
    /// Time for each connection to open. Default: 10 s.
    pub timeout: Duration,
    /// What the connections do. Default: [`Workload::Echo`], one message in flight.
    pub workload: Workload,
    /// Connections. Default: 64.
    pub connections: usize,
    /// What is in the messages. Default: random bytes.
    pub content: Kind,
    /// Payload bytes of a message. Default: 512.
    pub size: usize,
    /// What the content follows from. Default: 1.
    pub seed: u64,
    /// Load before the measured window. Default: 1 s.
    pub warm_up: Duration,
    /// The end of the measured window. Default: after 10 s. Where no message came until then, the
    /// window ends with the first, for which it waits as long as [`Self::stall_timeout`].
    pub until: Until,
    /// Compression to offer. The run fails if the server does not agree, or never compresses.
    /// Default: none.
    pub deflate: Option<Deflate>,
    /// Threads. Default: 1.
    pub threads: usize,
    /// The core that this process is to run on, on Linux. Default: any.
    pub cpu: Option<usize>,
    /// The server's process, to be measured as well, on Linux. Default: none.
    pub pid: Option<u32>,
    /// Time without an answer after which the server has failed; also the time that answers may take
    /// after the end of the window. Default: 10 s.
    pub stall_timeout: Duration,
}

/// What the connections do.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Workload {
    /// Each connection sends, and the server sends every message back to it.
    Echo(Pace),
    /// Connection 0 sends, and the server sends every message to all of them.
    Broadcast(Pace),
    /// So many connections at a time are opened, closed, and opened again.
    Connect,
    /// Connections open, have messages echoed, and rest.
    Idle {
        /// Messages that each has echoed.
        messages: u64,
        /// Connections that have theirs echoed at the same time; the others follow in turn.
        at_once: usize,
        /// Messages that a connection keeps on their way in its turn. It has another turn for the
        /// rest of its messages once all others had theirs.
        in_flight: u64,
        /// Connections that are used first and kept, whose memory is not counted.
        warm: usize,
        /// How long they rest in the end.
        rest: Duration,
    },
}

/// When the next message goes out.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a loop is closed or open")]
pub enum Pace {
    /// A closed loop: as many messages of each connection are on their way. A broadcast has one.
    InFlight(usize),
    /// An open loop: so many messages a second over all connections, whether or not the server keeps
    /// up. Latency counts from the instant at which a message was due.
    Rate(f64),
}

/// The end of the measured window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "time or messages")]
pub enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After so many messages.
    Messages(u64),
}

impl Workload {
    /// The name on the command line and in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Echo(_) => "echo",
            Self::Broadcast(_) => "broadcast",
            Self::Connect => "connect",
            Self::Idle { .. } => "idle",
        }
    }
}

impl Plan {
    /// A plan with every default.
    pub fn new(request: ClientRequest) -> Self {
        Self {
            request,
            ca: None,
            timeout: Duration::from_secs(10),
            workload: Workload::Echo(Pace::InFlight(1)),
            connections: 64,
            content: Kind::Random,
            size: 512,
            seed: 1,
            warm_up: Duration::from_secs(1),
            until: Until::Elapsed(Duration::from_secs(10)),
            deflate: None,
            threads: 1,
            cpu: None,
            pid: None,
            stall_timeout: Duration::from_secs(10),
        }
    }

    /// Connections that are open together, those that are used first included.
    pub(crate) fn all_connections(&self) -> usize {
        match self.workload {
            Workload::Idle { warm, .. } => self.connections + warm,
            _ => self.connections,
        }
    }

    pub(crate) fn pace(&self) -> Option<Pace> {
        match self.workload {
            Workload::Echo(pace) | Workload::Broadcast(pace) => Some(pace),
            Workload::Connect | Workload::Idle { .. } => None,
        }
    }

    /// The length of the window, if it is known in advance.
    pub(crate) fn window(&self) -> Option<Duration> {
        match (self.until, self.pace()) {
            (Until::Elapsed(window), _) => Some(window),
            #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
            (Until::Messages(count), Some(Pace::Rate(rate))) => {
                Duration::try_from_secs_f64(count as f64 / rate).ok()
            }
            (Until::Messages(_), _) => None,
        }
    }

    /// Finds what cannot be done on any machine.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        let wrong = |text: &str| Err(LoadError::Plan(text.to_owned()));
        if self.connections == 0 {
            return wrong("without connections nothing is measured; use at least one");
        }
        if self.threads == 0 || self.threads > self.connections {
            return wrong("each thread needs a connection of its own; use 1 to as many as these");
        }
        let sends = self.workload != Workload::Connect;
        if sends && self.deflate.is_some() && self.content == Kind::Random {
            return wrong("random bytes do not compress; send JSON, or offer no compression");
        }
        match self.pace() {
            Some(Pace::InFlight(0)) => wrong("at least one message has to be in flight"),
            Some(Pace::Rate(rate)) if !(rate.is_finite() && rate > 0.0) => {
                wrong("a rate is a number of messages a second above 0")
            }
            Some(Pace::Rate(_)) if self.window().is_none() => wrong(
                "so many messages at this rate take too long; send fewer, or at a higher rate",
            ),
            _ => self.check_until(),
        }
    }

    fn check_until(&self) -> Result<(), LoadError> {
        let nothing = match (self.workload, self.until) {
            (Workload::Idle { messages, at_once, in_flight, .. }, _) => {
                messages == 0 || at_once == 0 || in_flight == 0
            }
            (_, Until::Elapsed(window)) => window.is_zero(),
            (_, Until::Messages(count)) => count == 0,
        };
        if nothing {
            let text = "nothing would be measured; give a time and counts above 0";
            return Err(LoadError::Plan(text.to_owned()));
        }
        Ok(())
    }
}
