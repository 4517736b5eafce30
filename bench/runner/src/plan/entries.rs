//! Who takes part, and in what.

use longwire_toolbox::bench::Server;

use super::workloads::Part;

/// One line of the tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) source: Source,
    /// What the program gets in front of what its contract asks for.
    pub(crate) arguments: Arguments,
    pub(crate) group: Group,
    pub(crate) parts: &'static [Part],
    /// What `longwire bench` gets besides the workload's own arguments.
    pub(crate) load: Arguments,
    /// The entry without compression, where this is the same program with it.
    pub(crate) plain: Option<&'static str>,
}

/// Where a program comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The program of `crates/cli`.
    Longwire,
    /// A package of this workspace.
    Package(&'static str),
    /// A program of the package `bench-clients`.
    Client(&'static str),
    /// A server in another language, which the toolbox installs.
    External(Server),
    /// A program that an environment variable names.
    Given(&'static str),
}

/// What a contestant is to the targets and to the plots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// The least that any server can cost.
    Floor,
    Longwire,
    /// A Rust library, with the loop that its documentation shows.
    RustPlain,
    /// A Rust library, with the best loop that it has.
    RustBest,
    /// A library of another language, with the loop that its documentation shows.
    Other,
    /// A library of another language, with the best loop that it has.
    OtherBest,
}

type Arguments = &'static [&'static str];

impl Group {
    /// Whether it is a library that longwire is compared with.
    pub(crate) fn is_peer(self) -> bool {
        !matches!(self, Self::Floor | Self::Longwire)
    }

    /// Whether the loop is the one that the library's documentation shows.
    pub(crate) fn is_plain(self) -> bool {
        !matches!(self, Self::RustBest | Self::OtherBest)
    }
}

impl Source {
    /// What it is to the targets, with its plain loop.
    const fn group(self) -> Group {
        match self {
            Self::Longwire => Group::Longwire,
            Self::Package(_) | Self::Client(_) => Group::RustPlain,
            Self::External(_) | Self::Given(_) => Group::Other,
        }
    }
}

/// What the entry of that name is to the targets.
pub(crate) fn group(name: &str) -> Group {
    ENTRIES.iter().find(|entry| entry.name == name).map_or(Group::Other, |entry| entry.group)
}

/// The contestant without compression, where `name` is the same program with it.
pub(crate) fn plain(name: &str) -> Option<&'static str> {
    ENTRIES.iter().find(|entry| entry.name == name)?.plain
}

/// Where a contestant stands in the tables; one that is no longer in the field comes last.
pub(crate) fn order(name: &str) -> usize {
    ENTRIES.iter().position(|entry| entry.name == name).unwrap_or(ENTRIES.len())
}

/// The whole field.
pub(crate) const ENTRIES: &[Entry] = &[
    echo("floor", Source::Package("bench-floor"), &[], Group::Floor, RUST),
    echo("longwire", Source::Longwire, ONE_THREAD, Group::Longwire, LONGWIRE),
    rust("tokio-websockets", "bench-peer-tokio-websockets"),
    rust_best("tokio-websockets-best", "bench-peer-tokio-websockets"),
    rust("fastwebsockets", "bench-peer-fastwebsockets"),
    rust("tokio-tungstenite", "bench-peer-tokio-tungstenite"),
    rust_best("tokio-tungstenite-best", "bench-peer-tokio-tungstenite"),
    rust("sockudo-ws", "bench-peer-sockudo-ws"),
    rust_best("sockudo-ws-best", "bench-peer-sockudo-ws"),
    rust("yawc", "bench-peer-yawc"),
    rust_best("yawc-best", "bench-peer-yawc"),
    rust("soketto", "bench-peer-soketto"),
    rust_best("soketto-best", "bench-peer-soketto"),
    other("gws", Server::Gws),
    other("gorilla", Server::Gorilla),
    other_best("gorilla-best", Server::Gorilla),
    other("coder", Server::Coder),
    other_best("coder-best", Server::Coder),
    other("ws", Server::Ws),
    other_best("ws-best", Server::Ws),
    other("picows", Server::Picows),
    other_best("picows-best", Server::Picows),
    other("websockets", Server::Websockets),
    other_best("websockets-best", Server::Websockets),
    echo("uwebsockets", UWEBSOCKETS, &[], Group::Other, RUST),
    off("longwire-off", Source::Longwire, ONE_THREAD),
    deflate(
        "longwire-deflate",
        Source::Longwire,
        LONGWIRE_NO_TAKEOVER,
        NO_TAKEOVER,
        "longwire-off",
    ),
    deflate("longwire-takeover", Source::Longwire, LONGWIRE_TAKEOVER, TAKEOVER, "longwire-off"),
    off("yawc-off", YAWC, &[]),
    deflate("yawc-deflate", YAWC, NO_TAKEOVER, NO_TAKEOVER, "yawc-off"),
    deflate("yawc-takeover", YAWC, TAKEOVER, TAKEOVER, "yawc-off"),
    speed("yawc-deflate-1", YAWC, NO_TAKEOVER_1, NO_TAKEOVER),
    speed("yawc-takeover-1", YAWC, TAKEOVER_1, TAKEOVER),
    speed("sockudo-ws-deflate-1", SOCKUDO, NO_TAKEOVER_1, NO_TAKEOVER),
    speed("sockudo-ws-takeover-1", SOCKUDO, TAKEOVER_1, TAKEOVER),
    speed("gws-deflate-1", Source::External(Server::Gws), NO_TAKEOVER_1, NO_TAKEOVER),
    speed("gws-takeover-1", Source::External(Server::Gws), TAKEOVER_1, TAKEOVER),
    speed("gorilla-deflate-1", Source::External(Server::Gorilla), NO_TAKEOVER_1, NO_TAKEOVER),
    speed("coder-deflate", Source::External(Server::Coder), NO_TAKEOVER, NO_TAKEOVER),
    speed("coder-takeover", Source::External(Server::Coder), TAKEOVER, TAKEOVER),
    off("ws-off", WS, &[]),
    deflate("ws-deflate", WS, NO_TAKEOVER, NO_TAKEOVER, "ws-off"),
    deflate("ws-takeover", WS, TAKEOVER, TAKEOVER, "ws-off"),
    off("websockets-off", WEBSOCKETS, &[]),
    deflate("websockets-takeover", WEBSOCKETS, TAKEOVER, TAKEOVER, "websockets-off"),
    broadcast("floor-broadcast", Source::Package("bench-floor"), BROADCAST, Group::Floor),
    broadcast("longwire-prepared", HALL, &["--way", "prepared"], Group::Longwire),
    broadcast("longwire-each", HALL, &["--way", "each"], Group::Longwire),
    broadcast("tokio-tungstenite-broadcast", TUNGSTENITE, BROADCAST, Group::RustPlain),
    broadcast("gws-broadcast", Source::External(Server::Gws), BROADCAST, Group::Other),
    broadcast("gorilla-broadcast", Source::External(Server::Gorilla), BROADCAST, Group::Other),
    broadcast("ws-broadcast", WS, BROADCAST, Group::Other),
    broadcast("uwebsockets-broadcast", UWEBSOCKETS, BROADCAST, Group::Other),
    compressed_broadcast("longwire-prepared-deflate", HALL_PREPARED),
    compressed_broadcast("longwire-each-deflate", HALL_EACH),
    client("client-longwire", "bench-client-longwire", Group::Longwire),
    client("client-tokio-websockets", "bench-client-tokio-websockets", Group::RustPlain),
    client("client-fastwebsockets", "bench-client-fastwebsockets", Group::RustPlain),
    client("client-tokio-tungstenite", "bench-client-tokio-tungstenite", Group::RustPlain),
    client("client-yawc", "bench-client-yawc", Group::RustPlain),
    echo("longwire-2-threads", Source::Longwire, TWO_THREADS, Group::Longwire, &[Part::Threads]),
];

/// What every fast plain loop takes part in.
const RUST: &[Part] =
    &[Part::Headline, Part::Matrix, Part::Latency, Part::Idle, Part::Connect, Part::Tls];

const LONGWIRE: &[Part] = &[
    Part::Headline,
    Part::Matrix,
    Part::Latency,
    Part::Idle,
    Part::Connect,
    Part::Tls,
    Part::Threads,
];

/// A best loop differs from the plain one in how it echoes, and in nothing else.
const BEST: &[Part] = &[Part::Headline, Part::Latency];

/// The matrix and TLS are left out: they would take most of the suite's time.
const OTHER: &[Part] = &[Part::Headline, Part::Latency, Part::Idle, Part::Connect];

const ONE_THREAD: Arguments = &["echo", "--threads", "1"];
const TWO_THREADS: Arguments = &["echo", "--threads", "2"];
const LONGWIRE_NO_TAKEOVER: Arguments = &["echo", "--threads", "1", "--deflate", "no-takeover"];
const LONGWIRE_TAKEOVER: Arguments = &["echo", "--threads", "1", "--deflate", "takeover"];
const NO_TAKEOVER: Arguments = &["--deflate", "no-takeover"];
const NO_TAKEOVER_1: Arguments = &["--deflate", "no-takeover", "--level", "1"];
const TAKEOVER: Arguments = &["--deflate", "takeover"];
const TAKEOVER_1: Arguments = &["--deflate", "takeover", "--level", "1"];
const BEST_LOOP: Arguments = &["--loop", "best"];
const BROADCAST: Arguments = &["--broadcast"];
const HALL_PREPARED: Arguments = &["--way", "prepared", "--deflate", "no-takeover"];
const HALL_EACH: Arguments = &["--way", "each", "--deflate", "no-takeover"];

const HALL: Source = Source::Package("bench-broadcast");
const SOCKUDO: Source = Source::Package("bench-peer-sockudo-ws");
const TUNGSTENITE: Source = Source::Package("bench-peer-tokio-tungstenite");
const YAWC: Source = Source::Package("bench-peer-yawc");
const UWEBSOCKETS: Source = Source::Given("LONGWIRE_BENCH_UWEBSOCKETS");
const WS: Source = Source::External(Server::Ws);
const WEBSOCKETS: Source = Source::External(Server::Websockets);

/// A server that sees no offer of compression.
const fn echo(
    name: &'static str,
    source: Source,
    arguments: Arguments,
    group: Group,
    parts: &'static [Part],
) -> Entry {
    Entry { name, source, arguments, group, parts, load: &[], plain: None }
}

const fn rust(name: &'static str, package: &'static str) -> Entry {
    echo(name, Source::Package(package), &[], Group::RustPlain, RUST)
}

const fn rust_best(name: &'static str, package: &'static str) -> Entry {
    echo(name, Source::Package(package), BEST_LOOP, Group::RustBest, BEST)
}

const fn other(name: &'static str, server: Server) -> Entry {
    echo(name, Source::External(server), &[], Group::Other, OTHER)
}

const fn other_best(name: &'static str, server: Server) -> Entry {
    echo(name, Source::External(server), BEST_LOOP, Group::OtherBest, BEST)
}

/// A server beside which its compressing likes are seen.
const fn off(name: &'static str, source: Source, arguments: Arguments) -> Entry {
    echo(name, source, arguments, source.group(), &[Part::DeflateMemory])
}

/// A server that compresses, what it is offered, and the same server without compression.
const fn deflate(
    name: &'static str,
    source: Source,
    arguments: Arguments,
    load: Arguments,
    plain: &'static str,
) -> Entry {
    let parts = &[Part::Deflate, Part::DeflateMemory];
    let group = source.group();
    Entry { name, source, arguments, group, parts, load, plain: Some(plain) }
}

/// A server that compresses, whose time is measured and not its memory. At longwire's level, 1, if it has
/// levels.
const fn speed(name: &'static str, source: Source, arguments: Arguments, load: Arguments) -> Entry {
    let group = source.group();
    Entry { name, source, arguments, group, parts: &[Part::Deflate], load, plain: None }
}

/// A server that sends each message to all connections.
const fn broadcast(
    name: &'static str,
    source: Source,
    arguments: Arguments,
    group: Group,
) -> Entry {
    echo(name, source, arguments, group, &[Part::Broadcast])
}

const fn compressed_broadcast(name: &'static str, arguments: Arguments) -> Entry {
    let group = Group::Longwire;
    let parts = &[Part::BroadcastDeflate];
    Entry { name, source: HALL, arguments, group, parts, load: NO_TAKEOVER, plain: None }
}

const fn client(name: &'static str, program: &'static str, group: Group) -> Entry {
    echo(name, Source::Client(program), &[], group, &[Part::Client])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_those_referred_to_take_part_too() {
        for entry in ENTRIES {
            assert_eq!(ENTRIES.iter().filter(|other| other.name == entry.name).count(), 1);
            let Some(plain) = entry.plain else { continue };
            let plain = ENTRIES.iter().find(|other| other.name == plain).expect("it is there");
            assert!(plain.parts.contains(&Part::DeflateMemory), "{}", plain.name);
        }
    }

    #[test]
    fn a_best_loop_is_beside_its_plain_one() {
        for best in ENTRIES.iter().filter(|entry| !entry.group.is_plain()) {
            let plain = best.name.trim_end_matches("-best");
            assert!(ENTRIES.iter().any(|entry| entry.name == plain), "{}", best.name);
        }
    }
}
