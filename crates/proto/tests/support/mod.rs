//! What the scenarios share: frames built by hand, a driver of one connection under a virtual clock,
//! and every split of an input.

#![allow(dead_code, reason = "each file of tests uses its part")]

mod blocks;
mod end;
mod rng;
mod wire;

use std::{fmt::Debug, sync::Arc};

use bytes::Bytes;
use longwire_proto::{Close, CloseCode, CloseReason, Config, Fragment, Message, Side, Text};

#[allow(unused_imports, reason = "each file of tests uses its part")]
pub(crate) use self::{
    blocks::{Blocks, Symbol, copies, run_of},
    end::{End, Outcome, SECOND, connection, start},
    rng::Rng,
    wire::{Frame, Wire, frames},
};

/// Both ends, for scenarios that hold for either.
pub(crate) const SIDES: [Side; 2] = [Side::Client, Side::Server];

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
/// The bit of a frame's first byte that ends a message.
pub(crate) const FIN: u8 = 0x80;

/// Settings that differ from the default in one place, with no keepalive to blur what is sent.
pub(crate) fn config(change: impl FnOnce(&mut Config)) -> Arc<Config> {
    let mut config = Config::default();
    config.keepalive = None;
    change(&mut config);
    Arc::new(config)
}

pub(crate) fn plain() -> Arc<Config> {
    config(|_| {})
}

pub(crate) fn text(text: &str) -> Message {
    Message::Text(Text::from(text))
}

pub(crate) fn binary(bytes: &[u8]) -> Message {
    Message::Binary(Bytes::copy_from_slice(bytes))
}

pub(crate) fn part(part: Message, fin: bool) -> Fragment {
    Fragment { part, fin }
}

pub(crate) fn close(code: u16, reason: &str) -> Close {
    Close::new(CloseCode::new(code), CloseReason::try_from(reason).expect("a short reason"))
}

/// The body of a Close frame.
pub(crate) fn close_body(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// Runs a scenario with its input whole, in two pieces cut at every byte, and byte by byte, and
/// gives the outcome, which must be the same each time.
pub(crate) fn every_split<T: PartialEq + Debug>(
    wire: &[u8],
    scenario: impl Fn(&[&[u8]]) -> T,
) -> T {
    assert!(wire.len() <= 2048, "a scenario cut at every byte must be short");
    let whole = scenario(&[wire]);
    for cut in 1..wire.len() {
        let (first, second) = wire.split_at(cut);
        assert_eq!(scenario(&[first, second]), whole, "cut at byte {cut} of {wire:02x?}");
    }
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(scenario(&bytes), whole, "byte by byte: {wire:02x?}");
    whole
}

/// [`every_split`] of what a fresh connection makes of `wire`.
pub(crate) fn run(side: Side, config: &Arc<Config>, wire: &Wire) -> Outcome {
    every_split(wire, |pieces| {
        let mut end = End::new(side, Arc::clone(config));
        for piece in pieces {
            end.receive(piece);
        }
        end.into_outcome()
    })
}
