//! The workloads, in the order of the report.

use serde::{Deserialize, Serialize};

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Workload {
    Echo { connections: usize, size: usize, in_flight: usize },
    Idle { connections: usize },
}

const ECHO: [(usize, usize, usize); 5] =
    [(64, 32, 16), (64, 32, 1), (64, 1024, 1), (8, 16 * 1024, 1), (4, 1024 * 1024, 1)];

/// All workloads; `quick` keeps a tenth of the idle connections.
pub(crate) fn all(quick: bool) -> Vec<Workload> {
    let mut all: Vec<_> = ECHO
        .into_iter()
        .map(|(connections, size, in_flight)| Workload::Echo { connections, size, in_flight })
        .collect();
    all.push(Workload::Idle { connections: if quick { 1000 } else { 10_000 } });
    all
}

impl Workload {
    /// The name for headings and `--workload`, such as `64 x 32 B x 16`.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Echo { connections, size, in_flight } => {
                let size = match size {
                    0..1024 => format!("{size} B"),
                    1024..1_048_576 => format!("{} KiB", size / 1024),
                    _ => format!("{} MiB", size / 1_048_576),
                };
                format!("{connections} x {size} x {in_flight}")
            }
            Self::Idle { connections } => format!("idle {connections}"),
        }
    }

    /// The arguments that tell `bench-load` to do this.
    pub(crate) fn load_arguments(self, seconds: f64) -> Vec<String> {
        let arguments = match self {
            Self::Echo { connections, size, in_flight } => format!(
                "echo --connections {connections} --size {size} --in-flight {in_flight} \
                 --seconds {seconds} --warm-up {}",
                seconds / 4.0
            ),
            Self::Idle { connections } => format!("idle --connections {connections}"),
        };
        arguments.split(' ').map(str::to_owned).collect()
    }
}
