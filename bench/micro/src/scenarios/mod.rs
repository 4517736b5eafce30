//! The scenarios whose instructions are counted: fixed work over fixed data.
//!
//! A name stands for its work. Whoever changes the work gives it another name, or the comparison with
//! an earlier revision says nothing.

mod deflate;
pub(crate) mod frames;
mod messages;
pub(crate) mod opening;
pub(crate) mod side;
mod task;

use longwire_proto::DeflateParams;

use crate::data::Kind;

/// What is counted: it owns all that it needs.
pub(crate) type Work = Box<dyn FnOnce()>;

/// A scenario.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// Group, slash, variant.
    pub(crate) name: &'static str,
    /// Makes the data, uncounted.
    pub(crate) prepare: fn() -> Work,
}

const fn scenario(name: &'static str, prepare: fn() -> Work) -> Scenario {
    Scenario { name, prepare }
}

/// All of them.
pub(crate) const ALL: &[Scenario] = &[
    scenario("mask/32B", || frames::mask(32, 1000)),
    scenario("mask/1KiB", || frames::mask(KIB, 200)),
    scenario("mask/64KiB", || frames::mask(64 * KIB, 10)),
    scenario("header/parse", frames::parse),
    scenario("header/encode", frames::encode),
    scenario("opening/server", opening::server),
    scenario("opening/client", opening::client),
    scenario("receive/text-ascii-4KiB", || messages::receive_text(Kind::Ascii)),
    scenario("receive/text-mixed-4KiB", || messages::receive_text(Kind::Mixed)),
    scenario("echo/binary-32B-at-once", messages::echo_at_once),
    scenario("echo/text-1KiB", || messages::echo_text(KIB, 100)),
    scenario("echo/binary-16KiB", || messages::echo_binary(16 * KIB, 20)),
    scenario("echo/binary-1MiB-in-pieces", messages::echo_in_pieces),
    scenario("echo/fragmented", messages::echo_fragmented),
    scenario("echo/ping", messages::pings),
    scenario("client/send-32B", || messages::client_sends(32, 1000)),
    scenario("client/send-1KiB", || messages::client_sends(KIB, 200)),
    scenario("client/receive-32B-at-once", messages::client_receives),
    scenario("deflate/send", || deflate::send(DeflateParams::NO_CONTEXT_TAKEOVER)),
    scenario("deflate/receive", || deflate::receive(DeflateParams::NO_CONTEXT_TAKEOVER)),
    scenario("deflate/send-takeover", || deflate::send(DeflateParams::CONTEXT_TAKEOVER)),
    scenario("deflate/receive-takeover", || deflate::receive(DeflateParams::CONTEXT_TAKEOVER)),
    scenario("prepared/100-plain", || deflate::prepared(None)),
    scenario("prepared/100-deflate", || {
        deflate::prepared(Some(DeflateParams::NO_CONTEXT_TAKEOVER))
    }),
    scenario("task/echo-32B-one-in-flight", || task::echo(1, 200)),
    scenario("task/echo-32B-16-in-flight", || task::echo(16, 100)),
];

const KIB: usize = 1024;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_scenario_does_its_work() {
        for scenario in ALL {
            (scenario.prepare)()();
        }
    }

    #[test]
    fn no_two_scenarios_have_one_name() {
        let names: HashSet<_> = ALL.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
