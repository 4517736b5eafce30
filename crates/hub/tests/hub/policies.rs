//! What happens to those who are slower than their channel.

use longwire_channel::{CloseCode, Outcome, Policy, Start};
use longwire_hub::SessionId;

use crate::support::*;

const LATEST: Policy = Policy::Latest { interval_ms: 0 };
const SAMPLED: Policy = Policy::Latest { interval_ms: 100 };
const ROLLUP: Policy = Policy::Rollup { interval_ms: 100 };

/// A session with one subscription of channel "a", number 1.
fn subscribed(hall: &mut Hall, policy: Policy) -> SessionId {
    let session = hall.connect();
    hall.subscribe_with(session, subscribe(1, "a", Start::Now, Some(policy)));
    session
}

#[test]
fn all_reads_from_the_stream_what_it_could_not_take() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, Policy::All);
    hall.narrow(session);
    hall.publish_many("a", 400);
    // The first congested the pipe; the others are kept by nobody but the stream.
    assert_eq!(hall.pipe(session).map(|pipe| pipe.queue.len()), Some(1));
    assert_eq!(short(hall.push(session, 1)), Short::Message(0, 0, 1));
    assert_eq!(short(hall.push(session, 1)), Short::Page(1, 257, true));
    assert_eq!(short(hall.push(session, 1)), Short::Page(257, 400, false));
    // The last page congested the pipe once more, until it was taken.
    hall.publish("a", "x");
    assert_eq!(hall.pushes(session, 1), [Short::Message(400, 0, 401)]);
    assert_eq!(hall.stats().skipped, 0);
}

#[test]
fn a_slow_reader_whose_records_are_dropped_is_told_which() {
    let mut namespace = longwire_hub::Namespace::default();
    namespace.retention.count = 5;
    let mut hall = Hall::in_namespace(namespace);
    let session = subscribed(&mut hall, Policy::All);
    hall.narrow(session);
    hall.publish_many("a", 20);
    let expected = [Short::Message(0, 0, 1), Short::Lost(1, 15), Short::Page(15, 20, false)];
    assert_eq!(hall.pushes(session, 1), expected);
    assert_eq!(hall.stats().lost, 14);
}

#[test]
fn latest_gets_the_last_record_once_it_can_take_it() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, LATEST);
    hall.publish_many("a", 2);
    assert_eq!(hall.pushes(session, 1), [Short::Message(0, 0, 1), Short::Message(1, 0, 2)]);
    hall.narrow(session);
    hall.publish_many("a", 4);
    let expected = [Short::Message(2, 0, 3), Short::Message(3, 2, 6)];
    assert_eq!(hall.pushes(session, 1), expected);
    hall.publish("a", "x");
    assert_eq!(hall.pushes(session, 1), [Short::Message(6, 0, 7)]);
    assert_eq!(hall.stats().skipped, 2);
}

#[test]
fn a_channel_keeps_a_record_only_for_those_who_want_the_latest() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, Policy::All);
    hall.publish_many("a", 1);
    assert_eq!(hall.hub.contents().records, 0);
    hall.take_all(session);
    hall.subscribe_with(session, subscribe(2, "a", Start::Now, Some(SAMPLED)));
    hall.publish_many("a", 1);
    assert_eq!(hall.hub.contents().records, 1);
    hall.receive(session, longwire_channel::ClientMessage::Unsubscribe { id: ID, sub: 2 });
    assert_eq!(hall.hub.contents().records, 0);
}

#[test]
fn latest_with_an_interval_gets_one_record_in_each() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, SAMPLED);
    hall.publish_many("a", 3);
    assert_eq!(hall.pushes(session, 1), [Short::Message(0, 0, 1)]);
    hall.pass(ms(99));
    assert_eq!(hall.pushes(session, 1), []);
    hall.pass(ms(1));
    assert_eq!(hall.pushes(session, 1), [Short::Message(1, 1, 3)]);
    // It rests behind that one, too; with nothing new the next one comes at once.
    hall.publish("a", "x");
    assert_eq!(hall.pushes(session, 1), []);
    hall.pass(ms(100));
    assert_eq!(hall.pushes(session, 1), [Short::Message(3, 0, 4)]);
    hall.pass(ms(100));
    hall.publish("a", "x");
    assert_eq!(hall.pushes(session, 1), [Short::Message(4, 0, 5)]);
}

#[test]
fn latest_with_an_interval_waits_for_the_client_as_well() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, SAMPLED);
    hall.narrow(session);
    hall.publish_many("a", 3);
    hall.pass(ms(500));
    assert_eq!(hall.pipe(session).map(|pipe| pipe.queue.len()), Some(1));
    assert_eq!(hall.pushes(session, 1), [Short::Message(0, 0, 1), Short::Message(1, 1, 3)]);
}

#[test]
fn rollup_gathers_what_comes_in_an_interval() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, ROLLUP);
    hall.publish_many("a", 3);
    // Whoever has waited long enough gets the first at once.
    assert_eq!(hall.pushes(session, 1), [Short::Message(0, 0, 1)]);
    hall.pass(ms(100));
    assert_eq!(hall.pushes(session, 1), [Short::Page(1, 3, false)]);
    hall.publish_many("a", 2);
    hall.pass(ms(99));
    assert_eq!(hall.pushes(session, 1), []);
    hall.pass(ms(1));
    assert_eq!(hall.pushes(session, 1), [Short::Page(3, 5, false)]);
    hall.pass(ms(1_000));
    assert_eq!(hall.pushes(session, 1), []);
}

#[test]
fn rollup_of_a_slow_client_loses_nothing() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, ROLLUP);
    hall.narrow(session);
    hall.publish_many("a", 10);
    hall.pass(ms(1_000));
    let pushes = [Short::Message(0, 0, 1), Short::Page(1, 10, false)];
    assert_eq!(hall.pushes(session, 1), pushes);
}

#[test]
fn an_interval_that_is_too_short_counts_as_the_shortest() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, Policy::Latest { interval_ms: 1 });
    hall.publish_many("a", 2);
    hall.pass(ms(9));
    assert_eq!(hall.pushes(session, 1), [Short::Message(0, 0, 1)]);
    hall.pass(ms(1));
    assert_eq!(hall.pushes(session, 1), [Short::Message(1, 0, 2)]);
}

#[test]
fn drop_says_how_many_were_left_out() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, Policy::Drop);
    hall.narrow(session);
    hall.publish_many("a", 4);
    assert_eq!(hall.pushes(session, 1), [Short::Message(0, 0, 1)]);
    hall.publish_many("a", 1);
    assert_eq!(hall.pushes(session, 1), [Short::Message(1, 3, 5)]);
    hall.publish_many("a", 1);
    assert_eq!(hall.pushes(session, 1), [Short::Message(5, 0, 6)]);
    assert_eq!(hall.stats().skipped, 3);
}

#[test]
fn drop_that_missed_nothing_says_nothing() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, Policy::Drop);
    hall.narrow(session);
    hall.publish_many("a", 1);
    assert_eq!(hall.pushes(session, 1), [Short::Message(0, 0, 1)]);
    hall.publish_many("a", 1);
    assert_eq!(hall.pushes(session, 1), [Short::Message(1, 0, 2)]);
}

#[test]
fn disconnect_ends_the_session_with_the_first_record_that_it_cannot_take() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, Policy::Disconnect);
    let other = subscribed(&mut hall, Policy::All);
    hall.narrow(session);
    hall.publish_many("a", 1);
    assert_eq!(hall.ending(session), None);
    hall.publish_many("a", 1);
    let ending = hall.ended_with(session);
    assert_eq!(ending.code, CloseCode::SLOW_CONSUMER);
    assert!(ending.reason.contains("read faster"), "{}", ending.reason);
    assert_eq!(hall.pushes(other, 1), [Short::Message(0, 0, 1), Short::Message(1, 0, 2)]);
    assert_eq!(hall.stats().subscriptions.live, 1);
    assert_eq!(hall.stats().disconnects[&CloseCode::SLOW_CONSUMER.0], 1);
}

#[test]
fn disconnect_goes_on_if_nothing_came_while_it_was_slow() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, Policy::Disconnect);
    hall.narrow(session);
    hall.publish_many("a", 1);
    assert_eq!(hall.pushes(session, 1), [Short::Message(0, 0, 1)]);
    hall.publish_many("a", 1);
    assert_eq!(hall.pushes(session, 1), [Short::Message(1, 0, 2)]);
}

#[test]
fn a_slow_client_keeps_nothing_from_others() {
    let mut hall = Hall::new();
    let slow = subscribed(&mut hall, Policy::All);
    let fast = subscribed(&mut hall, Policy::All);
    hall.narrow(slow);
    for seq in 1..50 {
        hall.publish("a", "x");
        assert_eq!(hall.pushes(fast, 1), [Short::Message(seq - 1, 0, seq)]);
    }
}

#[test]
fn every_policy_recovers_first_and_latest_with_the_last_record_alone() {
    let mut hall = Hall::new();
    hall.publish_many("a", 5);
    for (policy, outcome, pushed) in [
        (Policy::All, Outcome::Deltas { after: 0 }, Short::Page(0, 5, false)),
        (Policy::Drop, Outcome::Deltas { after: 0 }, Short::Page(0, 5, false)),
        (Policy::Disconnect, Outcome::Deltas { after: 0 }, Short::Page(0, 5, false)),
        (ROLLUP, Outcome::Deltas { after: 0 }, Short::Page(0, 5, false)),
        (LATEST, Outcome::Snapshot { after: 4 }, Short::Page(4, 5, false)),
        (SAMPLED, Outcome::Snapshot { after: 4 }, Short::Page(4, 5, false)),
    ] {
        let session = hall.connect();
        let subscribe = subscribe(1, "a", Start::Beginning, Some(policy));
        assert_eq!(hall.subscribe_with(session, subscribe).outcome, outcome, "{policy:?}");
        assert_eq!(hall.pushes(session, 1), [pushed], "{policy:?}");
    }
}

#[test]
fn a_page_of_its_recovery_is_no_reason_to_disconnect() {
    let mut hall = Hall::new();
    hall.publish_many("a", 300);
    let session = hall.connect();
    hall.narrow(session);
    hall.subscribe_with(session, subscribe(1, "a", Start::Beginning, Some(Policy::Disconnect)));
    hall.publish_many("a", 1);
    let expected = [Short::Page(0, 256, true), Short::Page(256, 301, false)];
    assert_eq!(hall.pushes(session, 1), expected);
}

#[test]
fn ephemeral_records_go_to_those_who_can_take_them_now() {
    let mut hall = Hall::new();
    for policy in [Policy::All, LATEST, SAMPLED, ROLLUP, Policy::Drop, Policy::Disconnect] {
        let session = subscribed(&mut hall, policy);
        hall.publish_ephemeral("a", "1");
        assert_eq!(hall.pushes(session, 1), [Short::Ephemeral("1".into())], "{policy:?}");
        // A later record follows what was kept before.
        let seq = hall.publish("a", "x").seq;
        hall.pass(ms(200));
        assert!(matches!(
            hall.pushes(session, 1)[..],
            [Short::Message(_, 0, found) | Short::Page(_, found, false)] if found == seq
        ));
        hall.hang_up(session);
    }
}

#[test]
fn ephemeral_records_miss_those_who_are_slow() {
    let mut hall = Hall::new();
    for policy in [Policy::All, Policy::Drop] {
        let session = subscribed(&mut hall, policy);
        hall.narrow(session);
        let seq = hall.publish("a", "x").seq;
        hall.publish_ephemeral("a", "1");
        assert_eq!(hall.pushes(session, 1), [Short::Message(seq - 1, 0, seq)], "{policy:?}");
        hall.hang_up(session);
    }
}

#[test]
fn latest_keeps_an_ephemeral_record_as_it_keeps_any() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, SAMPLED);
    hall.publish_ephemeral("a", "1");
    hall.publish_ephemeral("a", "2");
    hall.publish("a", "kept");
    hall.publish_ephemeral("a", "3");
    assert_eq!(hall.pushes(session, 1), [Short::Ephemeral("1".into())]);
    hall.pass(ms(100));
    assert_eq!(hall.pushes(session, 1), [Short::Ephemeral("3".into())]);
    hall.pass(ms(100));
    hall.publish("a", "x");
    assert_eq!(hall.pushes(session, 1), [Short::Message(0, 1, 2)]);

    let session = subscribed(&mut hall, LATEST);
    hall.narrow(session);
    hall.publish_many("a", 2);
    hall.publish_ephemeral("a", "4");
    let expected = [Short::Message(2, 0, 3), Short::Ephemeral("4".into())];
    assert_eq!(hall.pushes(session, 1), expected);
    hall.publish("a", "x");
    assert_eq!(hall.pushes(session, 1), [Short::Message(3, 1, 5)]);
}

#[test]
fn rollup_gets_ephemeral_records_between_its_pages() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, ROLLUP);
    hall.publish_many("a", 2);
    hall.publish_ephemeral("a", "1");
    let expected = [Short::Message(0, 0, 1), Short::Ephemeral("1".into())];
    assert_eq!(hall.pushes(session, 1), expected);
    hall.pass(ms(100));
    assert_eq!(hall.pushes(session, 1), [Short::Page(1, 2, false)]);
}

#[test]
fn an_ephemeral_record_ends_a_slow_session_of_disconnect() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, Policy::Disconnect);
    hall.narrow(session);
    hall.publish_many("a", 1);
    hall.publish_ephemeral("a", "1");
    assert_eq!(hall.ended_with(session).code, CloseCode::SLOW_CONSUMER);
}
