//! Who takes part, and in what.

use crate::workloads::Part;

/// One line of the tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) source: Source,
    /// What the program gets in front of `--listen ADDR`.
    pub(crate) arguments: &'static [&'static str],
    pub(crate) parts: &'static [Part],
    /// What `bench-load` gets besides the workload's own arguments.
    pub(crate) load: &'static [&'static str],
    /// The entry without compression, where this is the same program with it.
    pub(crate) plain: Option<&'static str>,
}

/// Where a program comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// The program of `crates/cli`.
    Longwire,
    /// A package of this workspace.
    Package(&'static str),
    /// `ws`, on Node.
    Ws,
    /// `websockets`, on Python.
    Websockets,
}

pub(crate) const ENTRIES: &[Entry] = &[
    echo("floor", Source::Package("bench-floor"), &[]),
    echo("longwire", Source::Longwire, OFF),
    echo("tokio-websockets", Source::Package("bench-peer-tokio-websockets"), &[]),
    echo("fastwebsockets", Source::Package("bench-peer-fastwebsockets"), &[]),
    echo("tokio-tungstenite", TUNGSTENITE, &[]),
    echo("tokio-tungstenite-forward", TUNGSTENITE, &["--forward"]),
    off("longwire-off", Source::Longwire, OFF),
    deflate("longwire-deflate", Source::Longwire, NO_TAKEOVER, "longwire-off"),
    deflate("longwire-takeover", Source::Longwire, TAKEOVER, "longwire-off"),
    off("yawc-off", YAWC, &[]),
    deflate("yawc-deflate", YAWC, &["--deflate", "no-takeover"], "yawc-off"),
    deflate("yawc-takeover", YAWC, &["--deflate", "takeover"], "yawc-off"),
    level_1("yawc-deflate-1", YAWC, &["--deflate", "no-takeover", "--level", "1"]),
    level_1("yawc-takeover-1", YAWC, &["--deflate", "takeover", "--level", "1"]),
    off("ws-off", Source::Ws, &[]),
    deflate("ws-deflate", Source::Ws, &["--deflate", "no-takeover"], "ws-off"),
    deflate("ws-takeover", Source::Ws, &["--deflate", "takeover"], "ws-off"),
    off("websockets-off", Source::Websockets, &[]),
    deflate(
        "websockets-takeover",
        Source::Websockets,
        &["--deflate", "takeover"],
        "websockets-off",
    ),
    broadcast("broadcast-uncompressed", &["--way", "uncompressed"], &["--prefix"]),
    broadcast("broadcast-prepared", &["--way", "prepared"], &["--deflate"]),
    broadcast("broadcast-each", &["--way", "each"], &["--deflate"]),
    broadcast("broadcast-prepared-plain", &["--way", "prepared-plain"], &[]),
];

/// The contestant without compression, where `name` is the same program with it.
pub(crate) fn plain(name: &str) -> Option<&'static str> {
    ENTRIES.iter().find(|entry| entry.name == name)?.plain
}

const OFF: &[&str] = &["echo", "--threads", "1"];
const NO_TAKEOVER: &[&str] = &["echo", "--threads", "1", "--deflate", "no-takeover"];
const TAKEOVER: &[&str] = &["echo", "--threads", "1", "--deflate", "takeover"];
const TUNGSTENITE: Source = Source::Package("bench-peer-tokio-tungstenite");
const YAWC: Source = Source::Package("bench-peer-yawc");

type Arguments = &'static [&'static str];

/// An echo server that sees no offer of compression.
const fn echo(name: &'static str, source: Source, arguments: Arguments) -> Entry {
    Entry { name, source, arguments, parts: &[Part::Echo], load: &[], plain: None }
}

/// An echo server beside which its compressing likes are seen.
const fn off(name: &'static str, source: Source, arguments: Arguments) -> Entry {
    Entry { name, source, arguments, parts: &[Part::DeflateMemory], load: &["--text"], plain: None }
}

/// An echo server that compresses.
const fn deflate(
    name: &'static str,
    source: Source,
    arguments: Arguments,
    plain: &'static str,
) -> Entry {
    Entry {
        name,
        source,
        arguments,
        parts: &[Part::Deflate, Part::DeflateMemory],
        load: &["--deflate"],
        plain: Some(plain),
    }
}

/// The same at longwire's level, which makes no difference to memory.
const fn level_1(name: &'static str, source: Source, arguments: Arguments) -> Entry {
    Entry { name, source, arguments, parts: &[Part::Deflate], load: &["--deflate"], plain: None }
}

/// A broadcasting server.
const fn broadcast(name: &'static str, arguments: Arguments, load: Arguments) -> Entry {
    let source = Source::Package("bench-broadcast");
    Entry { name, source, arguments, parts: &[Part::Broadcast], load, plain: None }
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
}
