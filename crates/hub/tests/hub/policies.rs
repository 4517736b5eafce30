//! What happens to those who are slower than their channel.

use longwire_channel::{ClientMessage, CloseCode, Outcome, Policy, Start};

use crate::{
    reader::{Reader, keeping},
    support::{
        Short::{Ephemeral, Lost, Message, Page},
        *,
    },
};

const LATEST: Policy = Policy::Latest { interval_ms: 0 };
const SAMPLED: Policy = Policy::Latest { interval_ms: 100 };
const ROLLUP: Policy = Policy::Rollup { interval_ms: 100 };

#[test]
fn all_reads_from_the_stream_what_it_could_not_take() {
    let mut reader = Reader::slow(Policy::All);
    let session = reader.session;
    reader.more(400);
    // The first congested the pipe; the others are kept by nobody but the stream.
    assert_eq!(reader.waiting(), 1);
    assert_eq!(short(reader.push(session, 1)), Message(0, 0, 1));
    assert_eq!(short(reader.push(session, 1)), Page(1, 257, true));
    assert_eq!(short(reader.push(session, 1)), Page(257, 400, false));
    // The last page congested the pipe once more, until it was taken.
    reader.more(1);
    reader.gets([Message(400, 0, 401)]);
    assert_eq!(reader.stats().skipped, 0);
}

#[test]
fn a_slow_reader_whose_records_are_dropped_is_told_which() {
    let mut reader = Reader::of(keeping(5), Policy::All).narrowed();
    reader.more(20);
    reader.gets([Message(0, 0, 1), Lost(1, 15), Page(15, 20, false)]);
    assert_eq!(reader.stats().lost, 14);
}

#[test]
fn latest_gets_the_last_record_once_it_can_take_it() {
    let mut reader = Reader::new(LATEST);
    let session = reader.session;
    reader.more(2);
    reader.gets([Message(0, 0, 1), Message(1, 0, 2)]);
    reader.narrow(session);
    reader.more(4);
    reader.gets([Message(2, 0, 3), Message(3, 2, 6)]);
    reader.more(1);
    reader.gets([Message(6, 0, 7)]);
    assert_eq!(reader.stats().skipped, 2);
}

#[test]
fn a_channel_keeps_a_record_only_for_those_who_want_the_latest() {
    let mut reader = Reader::new(Policy::All);
    let session = reader.session;
    reader.more(1);
    assert_eq!(reader.hub.contents().records, 0);
    reader.take_all(session);
    reader.subscribe_with(session, subscribe(2, "a", Start::Now, Some(SAMPLED)));
    reader.more(1);
    assert_eq!(reader.hub.contents().records, 1);
    reader.receive(session, ClientMessage::Unsubscribe { id: ID, sub: 2 });
    assert_eq!(reader.hub.contents().records, 0);
}

#[test]
fn latest_with_an_interval_gets_one_record_in_each() {
    let mut reader = Reader::new(SAMPLED);
    reader.more(3);
    reader.gets([Message(0, 0, 1)]);
    reader.pass(ms(99));
    reader.gets([]);
    reader.pass(ms(1));
    reader.gets([Message(1, 1, 3)]);
    // It rests behind that one, too; with nothing new the next one comes at once.
    reader.more(1);
    reader.gets([]);
    reader.pass(ms(100));
    reader.gets([Message(3, 0, 4)]);
    reader.pass(ms(100));
    reader.more(1);
    reader.gets([Message(4, 0, 5)]);
}

#[test]
fn latest_with_an_interval_waits_for_the_client_as_well() {
    let mut reader = Reader::slow(SAMPLED);
    reader.more(3);
    reader.pass(ms(500));
    assert_eq!(reader.waiting(), 1);
    reader.gets([Message(0, 0, 1), Message(1, 1, 3)]);
}

#[test]
fn rollup_gathers_what_comes_in_an_interval() {
    let mut reader = Reader::new(ROLLUP);
    reader.more(3);
    // Whoever has waited long enough gets the first at once.
    reader.gets([Message(0, 0, 1)]);
    reader.pass(ms(100));
    reader.gets([Page(1, 3, false)]);
    reader.more(2);
    reader.pass(ms(99));
    reader.gets([]);
    reader.pass(ms(1));
    reader.gets([Page(3, 5, false)]);
    reader.pass(ms(1_000));
    reader.gets([]);
}

#[test]
fn rollup_of_a_slow_client_loses_nothing() {
    let mut reader = Reader::slow(ROLLUP);
    reader.more(10);
    reader.pass(ms(1_000));
    reader.gets([Message(0, 0, 1), Page(1, 10, false)]);
}

#[test]
fn an_interval_that_is_too_short_counts_as_the_shortest() {
    let mut reader = Reader::new(Policy::Latest { interval_ms: 1 });
    reader.more(2);
    reader.pass(ms(9));
    reader.gets([Message(0, 0, 1)]);
    reader.pass(ms(1));
    reader.gets([Message(1, 0, 2)]);
}

#[test]
fn drop_says_how_many_were_left_out() {
    let mut reader = Reader::slow(Policy::Drop);
    reader.more(4);
    reader.gets([Message(0, 0, 1)]);
    reader.more(1);
    reader.gets([Message(1, 3, 5)]);
    reader.more(1);
    reader.gets([Message(5, 0, 6)]);
    assert_eq!(reader.stats().skipped, 3);
}

#[test]
fn drop_that_missed_nothing_says_nothing() {
    let mut reader = Reader::slow(Policy::Drop);
    reader.more(1);
    reader.gets([Message(0, 0, 1)]);
    reader.more(1);
    reader.gets([Message(1, 0, 2)]);
}

#[test]
fn disconnect_ends_the_session_with_the_first_record_that_it_cannot_take() {
    let mut reader = Reader::new(Policy::Disconnect);
    let session = reader.session;
    let other = reader.newcomer(Policy::All);
    reader.narrow(session);
    reader.more(1);
    assert_eq!(reader.ending(session), None);
    reader.more(1);
    let ending = reader.ended_with(session);
    assert_eq!(ending.code, CloseCode::SLOW_CONSUMER);
    assert!(ending.reason.contains("read faster"), "{}", ending.reason);
    assert_eq!(reader.pushes(other, 1), [Message(0, 0, 1), Message(1, 0, 2)]);
    assert_eq!(reader.stats().subscriptions.live, 1);
    assert_eq!(reader.stats().disconnects[&CloseCode::SLOW_CONSUMER.0], 1);
}

#[test]
fn disconnect_goes_on_if_nothing_came_while_it_was_slow() {
    let mut reader = Reader::slow(Policy::Disconnect);
    reader.more(1);
    reader.gets([Message(0, 0, 1)]);
    reader.more(1);
    reader.gets([Message(1, 0, 2)]);
}

#[test]
fn a_slow_client_keeps_nothing_from_others() {
    let mut hall = Hall::new();
    let slow = hall.newcomer(Policy::All);
    hall.narrow(slow);
    let mut fast = Reader::of(hall, Policy::All);
    for seq in 1..50 {
        fast.more(1);
        fast.gets([Message(seq - 1, 0, seq)]);
    }
}

#[test]
fn every_policy_recovers_first_and_latest_with_the_last_record_alone() {
    let mut hall = Hall::new();
    hall.publish_many("a", 5);
    for (policy, outcome, pushed) in [
        (Policy::All, Outcome::Deltas { after: 0 }, Page(0, 5, false)),
        (Policy::Drop, Outcome::Deltas { after: 0 }, Page(0, 5, false)),
        (Policy::Disconnect, Outcome::Deltas { after: 0 }, Page(0, 5, false)),
        (ROLLUP, Outcome::Deltas { after: 0 }, Page(0, 5, false)),
        (LATEST, Outcome::Snapshot { after: 4 }, Page(4, 5, false)),
        (SAMPLED, Outcome::Snapshot { after: 4 }, Page(4, 5, false)),
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
    assert_eq!(hall.pushes(session, 1), [Page(0, 256, true), Page(256, 301, false)]);
}

#[test]
fn ephemeral_records_go_to_those_who_can_take_them_now() {
    for policy in [Policy::All, LATEST, SAMPLED, ROLLUP, Policy::Drop, Policy::Disconnect] {
        let mut reader = Reader::new(policy);
        reader.publish_ephemeral("a", "1");
        reader.gets([Ephemeral("1".into())]);
        // A later record follows what was kept before.
        reader.more(1);
        reader.pass(ms(200));
        let session = reader.session;
        let pushed = reader.pushes(session, 1);
        assert!(matches!(pushed[..], [Message(0, 0, 1) | Page(0, 1, false)]), "{policy:?}");
    }
}

#[test]
fn ephemeral_records_miss_those_who_are_slow() {
    for policy in [Policy::All, Policy::Drop] {
        let mut reader = Reader::slow(policy);
        reader.more(1);
        reader.publish_ephemeral("a", "1");
        reader.gets([Message(0, 0, 1)]);
    }
}

#[test]
fn latest_keeps_an_ephemeral_record_as_it_keeps_any() {
    let mut reader = Reader::new(SAMPLED);
    reader.publish_ephemeral("a", "1");
    reader.publish_ephemeral("a", "2");
    reader.more(1);
    reader.publish_ephemeral("a", "3");
    reader.gets([Ephemeral("1".into())]);
    reader.pass(ms(100));
    reader.gets([Ephemeral("3".into())]);
    reader.pass(ms(100));
    reader.more(1);
    reader.gets([Message(0, 1, 2)]);

    let mut reader = Reader::slow(LATEST);
    reader.more(2);
    reader.publish_ephemeral("a", "4");
    reader.gets([Message(0, 0, 1), Ephemeral("4".into())]);
    reader.more(1);
    reader.gets([Message(1, 1, 3)]);
}

#[test]
fn rollup_gets_ephemeral_records_between_its_pages() {
    let mut reader = Reader::new(ROLLUP);
    reader.more(2);
    reader.publish_ephemeral("a", "1");
    reader.gets([Message(0, 0, 1), Ephemeral("1".into())]);
    reader.pass(ms(100));
    reader.gets([Page(1, 2, false)]);
}

#[test]
fn an_ephemeral_record_ends_a_slow_session_of_disconnect() {
    let mut reader = Reader::slow(Policy::Disconnect);
    let session = reader.session;
    reader.more(1);
    reader.publish_ephemeral("a", "1");
    assert_eq!(reader.ended_with(session).code, CloseCode::SLOW_CONSUMER);
}
