//! The workloads, in the order of the report.

use std::fmt::Write;

/// One kind of load, and the part of the suite that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Workload {
    pub(crate) part: Part,
    pub(crate) kind: Kind,
}

/// The workloads that the same contestants take part in, and that have the same table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Echo of random bytes: the lines that the targets are about.
    Headline,
    /// Echo of random bytes: sizes, connections and messages in flight, all with all.
    Matrix,
    /// Latency at a rate that does not follow the server.
    Latency,
    /// Memory of connections that rest.
    Idle,
    /// Opening handshakes.
    Connect,
    /// One message to all connections.
    Broadcast,
    /// One message of JSON to all connections, compressed.
    BroadcastDeflate,
    /// Echo over TLS.
    Tls,
    /// Echo of JSON text, compressed in both directions.
    Deflate,
    /// Memory with and without compression.
    DeflateMemory,
    /// What a message costs the client.
    Client,
    /// Echo with two threads for the server and two for the load.
    Threads,
}

/// What the load generator does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A closed loop: so many messages are on their way on each connection.
    Echo { connections: usize, size: usize, in_flight: usize },
    /// An open loop: messages are due at a rate.
    Paced { connections: usize, size: usize, pace: Pace },
    /// Each connection is opened, has messages echoed, and rests. Some are used before, and not counted.
    /// So many at a time have all of their messages in flight, or each one after the other.
    Idle { connections: usize, size: usize, messages: usize, warm: usize, at_once: usize },
    /// So many connections at a time are opened and closed.
    Connect { connections: usize },
    /// Each message goes to every connection.
    Broadcast { receivers: usize, size: usize },
}

/// How often a message is due, over all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Messages a second.
    Fixed(u32),
    /// Half of what the contestant did in [`MAXIMUM`], in the same round.
    Half,
}

/// The closed loop that tells a contestant's maximum.
pub(crate) const MAXIMUM: Workload = headline((64, 32, 16));

/// Memory after one message: the figure of the targets.
pub(crate) const IDLE: Workload = Workload {
    part: Part::Idle,
    kind: Kind::Idle { connections: 10_000, size: 512, messages: 1, warm: 1, at_once: 1 },
};

/// Latency at half of the maximum.
pub(crate) const HALF: Workload = paced(Pace::Half);

/// A broadcast to as many as the targets ask for.
pub(crate) const BROADCAST: Workload = broadcast(10_000);

/// Compressed echo on as many connections as the headline lines have.
pub(crate) const COMPRESSED: Workload = echo(Part::Deflate, (64, 1024, 1));

/// The lines of echo that the targets are about: connections, bytes, messages in flight.
pub(crate) const HEADLINE: [Workload; 5] = [
    MAXIMUM,
    headline((64, 32, 1)),
    headline((64, 1024, 1)),
    headline((8, 16 * 1024, 1)),
    headline((4, 1024 * 1024, 1)),
];

/// Memory after bursts: many small messages, and a large one, on every connection.
pub(crate) const BURSTS: [Workload; 2] = [burst(1024, 16), burst(64 * 1024, 1)];

/// Every workload of the suite.
pub(crate) fn all() -> Vec<Workload> {
    let mut workloads = HEADLINE.to_vec();
    workloads.extend(matrix());
    workloads.extend([Pace::Fixed(10_000), Pace::Fixed(50_000), Pace::Half].map(paced));
    workloads.push(IDLE);
    workloads.extend(BURSTS);
    workloads.push(Workload { part: Part::Connect, kind: Kind::Connect { connections: 64 } });
    workloads.extend([1, 100, 10_000].map(broadcast));
    let compressed = Kind::Broadcast { receivers: 1000, size: 1024 };
    workloads.push(Workload { part: Part::BroadcastDeflate, kind: compressed });
    workloads.extend(
        [(64, 32, 16), (64, 1024, 1), (4, 1024 * 1024, 1)].map(|load| echo(Part::Tls, load)),
    );
    workloads.extend([COMPRESSED, echo(Part::Deflate, (4, 1024, 1))]);
    // The second is twice what the largest window holds.
    workloads.extend([(10_000, 1), (1000, 64)].map(|(connections, messages)| Workload {
        part: Part::DeflateMemory,
        kind: Kind::Idle { connections, size: 1024, messages, warm: WARM, at_once: 1 },
    }));
    workloads.extend(
        [(64, 32, 16), (64, 32, 1), (64, 1024, 1), (4, 1024 * 1024, 1)]
            .map(|load| echo(Part::Client, load)),
    );
    workloads.push(echo(Part::Threads, (64, 32, 16)));
    workloads
}

impl Workload {
    /// The name for headings, results and `--workload`, such as `64 x 32 B x 16`.
    pub(crate) fn name(self) -> String {
        let prefix = match self.part {
            Part::Headline | Part::Idle | Part::Broadcast | Part::Latency | Part::Connect => "",
            Part::Matrix => "echo ",
            Part::BroadcastDeflate | Part::Deflate | Part::DeflateMemory => "deflate ",
            Part::Tls => "tls ",
            Part::Client => "client ",
            Part::Threads => "threads ",
        };
        prefix.to_owned()
            + &match self.kind {
                Kind::Echo { connections, size, in_flight } => {
                    format!("{connections} x {} x {in_flight}", bytes(size))
                }
                Kind::Paced { pace: Pace::Fixed(rate), .. } => format!("latency {rate}/s"),
                Kind::Paced { pace: Pace::Half, .. } => "latency half".to_owned(),
                Kind::Idle { connections, size, messages, .. } => {
                    format!("idle {connections} x {messages} x {}", bytes(size))
                }
                Kind::Connect { .. } => "connect".to_owned(),
                Kind::Broadcast { receivers, .. } => format!("broadcast {receivers}"),
            }
    }

    /// What is done, in a sentence.
    pub(crate) fn description(self) -> String {
        let messages = |count| if count == 1 { "message" } else { "messages" };
        let mut text = match self.kind {
            Kind::Echo { connections, size, in_flight } => format!(
                "{connections} connections, {in_flight} {} of {} in flight on each",
                messages(in_flight),
                bytes(size)
            ),
            Kind::Paced { connections, size, pace } => {
                let rate = match pace {
                    Pace::Fixed(rate) => format!("{rate} messages a second in all"),
                    Pace::Half => format!(
                        "half of the messages a second that the same contestant did in \
                         \"{}\" in the same round",
                        MAXIMUM.name()
                    ),
                };
                format!(
                    "Open loop: {connections} connections, {}, {rate}. Latency counts from the \
                     instant at which a message was due",
                    bytes(size)
                )
            }
            Kind::Idle { connections, size, messages: count, at_once, .. } => {
                let text = format!(
                    "{connections} connections at rest, opened only and after {count} {} of {} on each",
                    messages(count),
                    bytes(size)
                );
                match at_once {
                    1 => text,
                    _ => format!("{text}, all at once, {at_once} connections at a time"),
                }
            }
            Kind::Connect { connections } => {
                format!("Connections are opened and closed, {connections} at a time")
            }
            Kind::Broadcast { receivers, size } => format!(
                "Messages of {}, each to {receivers} {}; a message is one delivery",
                bytes(size),
                if receivers == 1 { "receiver" } else { "receivers" }
            ),
        };
        let besides = match self.part {
            Part::Tls => ", over TLS",
            Part::Deflate => ", JSON text, compressed in both directions (permessage-deflate)",
            Part::DeflateMemory => ", JSON text",
            Part::BroadcastDeflate => ", JSON text, compressed (permessage-deflate)",
            Part::Client => ". The server is the floor; CPU is the client's own",
            Part::Threads => ", cores and threads as the contestant says, two threads for the load",
            _ => "",
        };
        let _ = write!(text, "{besides}."); // writing to a String never fails
        text
    }

    /// The arguments that tell `longwire bench` to do this; `rate` is that of an open loop.
    pub(crate) fn load_arguments(self, seconds: f64, rate: Option<f64>) -> Vec<String> {
        let span = format!("--duration {seconds} --warm-up {}", seconds / 4.0);
        let mut arguments = match self.kind {
            Kind::Echo { connections, size, in_flight } => format!(
                "--workload echo --connections {connections} --size {size} --in-flight {in_flight} \
                 {span}"
            ),
            Kind::Paced { connections, size, .. } => {
                let rate = rate.map(|rate| format!(" --rate {rate:.0}")).unwrap_or_default();
                format!("--workload echo --connections {connections} --size {size}{rate} {span}")
            }
            Kind::Idle { connections, size, messages, warm, at_once } => {
                let in_flight = if at_once > 1 { messages } else { 1 };
                format!(
                    "--workload idle --connections {connections} --size {size} --messages {messages} \
                     --warm {warm} --at-once {at_once} --in-flight {in_flight}"
                )
            }
            Kind::Connect { connections } => {
                format!("--workload connect --connections {connections} {span}")
            }
            Kind::Broadcast { receivers, size } => {
                format!("--workload broadcast --connections {receivers} --size {size} {span}")
            }
        };
        if matches!(self.part, Part::Deflate | Part::DeflateMemory | Part::BroadcastDeflate) {
            arguments += " --content json";
        }
        if self.part == Part::Threads {
            arguments += " --threads 2";
        }
        arguments.split(' ').map(str::to_owned).collect()
    }

    /// Connections that are open at the same time.
    pub(crate) fn connections(self) -> usize {
        match self.kind {
            Kind::Echo { connections, .. }
            | Kind::Paced { connections, .. }
            | Kind::Idle { connections, .. }
            | Kind::Connect { connections }
            | Kind::Broadcast { receivers: connections, .. } => connections,
        }
    }
}

/// Connections that are used, and kept, before memory with compression is counted: they fill what a server
/// keeps for all connections together.
const WARM: usize = 64;

/// Connections that have a burst at the same time.
const BURST: usize = 64;

/// Bytes that all messages in flight may have together.
const IN_FLIGHT: usize = 64 << 20;

fn matrix() -> Vec<Workload> {
    let mut workloads = Vec::new();
    for size in [20, 512, 4 * 1024, 64 * 1024, 1024 * 1024] {
        for connections in [8, 500] {
            for in_flight in [1, 16] {
                if size * connections * in_flight <= IN_FLIGHT {
                    workloads.push(echo(Part::Matrix, (connections, size, in_flight)));
                }
            }
        }
    }
    workloads
}

const fn headline(load: (usize, usize, usize)) -> Workload {
    echo(Part::Headline, load)
}

const fn echo(part: Part, (connections, size, in_flight): (usize, usize, usize)) -> Workload {
    Workload { part, kind: Kind::Echo { connections, size, in_flight } }
}

const fn paced(pace: Pace) -> Workload {
    Workload { part: Part::Latency, kind: Kind::Paced { connections: 64, size: 32, pace } }
}

const fn burst(size: usize, messages: usize) -> Workload {
    let kind = Kind::Idle { connections: 10_000, size, messages, warm: 1, at_once: BURST };
    Workload { part: Part::Idle, kind }
}

const fn broadcast(receivers: usize) -> Workload {
    Workload { part: Part::Broadcast, kind: Kind::Broadcast { receivers, size: 1024 } }
}

fn bytes(size: usize) -> String {
    match size {
        0..1024 => format!("{size} B"),
        1024..1_048_576 => format!("{} KiB", size / 1024),
        _ => format!("{} MiB", size / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = all().into_iter().map(Workload::name).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn what_the_targets_and_the_front_page_are_about_is_measured() {
        for workload in
            HEADLINE.into_iter().chain(BURSTS).chain([IDLE, HALF, BROADCAST, COMPRESSED])
        {
            assert!(all().contains(&workload), "{}", workload.name());
        }
    }

    #[test]
    fn the_matrix_leaves_out_what_is_too_much_in_flight() {
        let names: Vec<_> = matrix().into_iter().map(Workload::name).collect();
        assert!(names.contains(&"echo 500 x 64 KiB x 1".to_owned()));
        assert!(names.contains(&"echo 8 x 1 MiB x 1".to_owned()));
        for absent in ["echo 500 x 64 KiB x 16", "echo 8 x 1 MiB x 16", "echo 500 x 1 MiB x 1"] {
            assert!(!names.contains(&absent.to_owned()), "{absent}");
        }
    }

    #[test]
    fn only_an_open_loop_has_a_rate() {
        let arguments = HALF.load_arguments(2.0, Some(1234.4)).join(" ");
        assert!(arguments.contains("--rate 1234 --duration 2 --warm-up 0.5"), "{arguments}");
        assert!(!MAXIMUM.load_arguments(2.0, None).join(" ").contains("--rate"));
    }
}
