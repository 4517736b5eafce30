//! The workloads, in the order of the report.

use serde::{Deserialize, Serialize};

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Workload {
    /// Random bytes echoed.
    Echo { connections: usize, size: usize, in_flight: usize },
    /// Memory after one message of random bytes.
    Idle { connections: usize },
    /// JSON text echoed, compressed in both directions.
    DeflateEcho { connections: usize, size: usize, in_flight: usize },
    /// Memory after messages of JSON text, with and without compression.
    DeflateIdle { connections: usize, size: usize, messages: usize },
    /// JSON text sent to every connection.
    Broadcast { receivers: usize, size: usize },
}

/// The workloads that the same contestants take part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Echo,
    Deflate,
    DeflateMemory,
    Broadcast,
}

const ECHO: [(usize, usize, usize); 5] =
    [(64, 32, 16), (64, 32, 1), (64, 1024, 1), (8, 16 * 1024, 1), (4, 1024 * 1024, 1)];

const DEFLATE: [(usize, usize, usize); 2] = [(64, 1024, 1), (4, 1024, 1)];

/// Connections that are used, and kept, before memory is counted: they fill what a server keeps for all
/// connections together.
const WARM: usize = 64;

/// All workloads; `quick` keeps a tenth of the idle connections.
pub(crate) fn all(quick: bool) -> Vec<Workload> {
    let idle = if quick { 1000 } else { 10_000 };
    let echo = ECHO.into_iter().map(|(connections, size, in_flight)| Workload::Echo {
        connections,
        size,
        in_flight,
    });
    let deflate = DEFLATE.into_iter().map(|(connections, size, in_flight)| Workload::DeflateEcho {
        connections,
        size,
        in_flight,
    });
    echo.chain([Workload::Idle { connections: idle }])
        .chain(deflate)
        .chain([
            Workload::DeflateIdle { connections: idle, size: 1024, messages: 1 },
            // Twice what the largest window holds.
            Workload::DeflateIdle { connections: 1000, size: 1024, messages: 64 },
            Workload::Broadcast { receivers: 1000, size: 1024 },
        ])
        .collect()
}

impl Workload {
    /// The name for headings and `--workload`, such as `64 x 32 B x 16`.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Echo { connections, size, in_flight } => {
                format!("{connections} x {} x {in_flight}", bytes(size))
            }
            Self::Idle { connections } => format!("idle {connections}"),
            Self::DeflateEcho { connections, size, in_flight } => {
                format!("deflate {connections} x {} x {in_flight}", bytes(size))
            }
            Self::DeflateIdle { connections, size, messages } => {
                format!("deflate idle {connections} x {messages} x {}", bytes(size))
            }
            Self::Broadcast { receivers, size } => {
                format!("broadcast {receivers} x {}", bytes(size))
            }
        }
    }

    /// Who takes part.
    pub(crate) fn part(self) -> Part {
        match self {
            Self::Echo { .. } | Self::Idle { .. } => Part::Echo,
            Self::DeflateEcho { .. } => Part::Deflate,
            Self::DeflateIdle { .. } => Part::DeflateMemory,
            Self::Broadcast { .. } => Part::Broadcast,
        }
    }

    /// Whether it is measured in this round, counted from 1. Memory that takes long to measure and does
    /// not differ from round to round is measured once.
    pub(crate) fn is_in_round(self, round: usize) -> bool {
        round == 1 || self.part() != Part::DeflateMemory
    }

    /// Whether the table has a column for the ratio to this contestant's cost.
    pub(crate) fn compares_with(self, contestant: &str) -> bool {
        match self.part() {
            Part::Echo | Part::Broadcast => true,
            Part::Deflate => contestant.starts_with("longwire"),
            // It has one for what is beyond the memory without compression.
            Part::DeflateMemory => false,
        }
    }

    /// The arguments that tell `bench-load` to do this.
    pub(crate) fn load_arguments(self, seconds: f64) -> Vec<String> {
        let span = || format!("--seconds {seconds} --warm-up {}", seconds / 4.0);
        let arguments = match self {
            Self::Echo { connections, size, in_flight }
            | Self::DeflateEcho { connections, size, in_flight } => format!(
                "echo --connections {connections} --size {size} --in-flight {in_flight} {}",
                span()
            ),
            Self::Idle { connections } => format!("idle --connections {connections}"),
            Self::DeflateIdle { connections, size, messages } => format!(
                "idle --connections {connections} --size {size} --messages {messages} --warm {WARM}"
            ),
            Self::Broadcast { receivers, size } => {
                format!("broadcast --connections {receivers} --size {size} {}", span())
            }
        };
        arguments.split(' ').map(str::to_owned).collect()
    }
}

fn bytes(size: usize) -> String {
    match size {
        0..1024 => format!("{size} B"),
        1024..1_048_576 => format!("{} KiB", size / 1024),
        _ => format!("{} MiB", size / 1_048_576),
    }
}
