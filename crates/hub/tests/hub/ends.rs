//! Streams that end, and streams that begin anew.

use longwire_channel::{ErrorCode, Outcome, Policy, Position, Start};
use longwire_hub::{Answer, Operation};

use crate::{
    reader::Reader,
    support::{
        Short::{Ended, Message, Page, Reset},
        *,
    },
};

fn end(hall: &mut Hall) -> Position {
    match hall.ask(Operation::End { channel: channel("a") }) {
        Ok(Answer::Ended(position)) => position,
        other => panic!("not ended: {other:?}"),
    }
}

fn delete(hall: &mut Hall) {
    assert_eq!(hall.ask(Operation::Delete { channel: channel("a") }), Ok(Answer::Deleted));
}

#[test]
fn a_live_subscription_is_over_with_its_stream() {
    let mut reader = Reader::new(Policy::All);
    let last = reader.publish("a", "x");
    assert_eq!(end(&mut reader), last);
    reader.gets([Message(0, 0, 1), Ended(1)]);
    assert_eq!(reader.stats().channels, 0);
    // Its number is free again.
    let session = reader.session;
    reader.subscribe(session, 1, "b", Start::Now);
}

#[test]
fn a_reader_gets_all_before_the_end() {
    let mut hall = Hall::new();
    hall.publish_many("a", 300);
    let session = hall.connect();
    hall.narrow(session);
    hall.subscribe(session, 1, "a", Start::Beginning);
    end(&mut hall);
    let expected = [Page(0, 256, true), Page(256, 300, false), Ended(300)];
    assert_eq!(hall.pushes(session, 1), expected);
}

#[test]
fn an_ended_stream_can_be_read_and_is_over_at_once() {
    let mut hall = Hall::new();
    let last = hall.publish("a", "x");
    end(&mut hall);
    let session = hall.connect();
    hall.subscribe(session, 1, "a", Start::Beginning);
    assert_eq!(hall.pushes(session, 1), [Page(0, 1, false), Ended(1)]);
    let subscribed = hall.subscribe(session, 1, "a", Start::After(last));
    assert_eq!(subscribed.outcome, Outcome::Live);
    assert_eq!(hall.pushes(session, 1), [Ended(1)]);
    assert_eq!(hall.stats().channels, 0);
}

#[test]
fn the_end_waits_for_what_a_policy_still_owes() {
    let latest = Policy::Latest { interval_ms: 0 };
    let sampled = Policy::Latest { interval_ms: 100 };
    let rollup = Policy::Rollup { interval_ms: 100 };
    let first = || Message(0, 0, 1);
    for (policy, expected) in [
        (Policy::All, vec![first(), Page(1, 3, false), Ended(3)]),
        (latest, vec![first(), Message(1, 1, 3), Ended(3)]),
        (sampled, vec![first(), Message(1, 1, 3), Ended(3)]),
        (rollup, vec![first(), Page(1, 3, false), Ended(3)]),
        (Policy::Drop, vec![first(), Ended(3)]),
    ] {
        let mut reader = Reader::slow(policy);
        reader.more(3);
        end(&mut reader);
        reader.pass(ms(200));
        reader.gets(expected);
        assert_eq!(reader.stats().channels, 0);
    }
}

#[test]
fn a_slow_client_that_has_all_is_told_the_end() {
    let mut reader = Reader::slow(Policy::All);
    reader.more(1);
    end(&mut reader);
    reader.gets([Message(0, 0, 1), Ended(1)]);
}

#[test]
fn a_stream_that_is_deleted_begins_anew_for_those_who_read_it() {
    for policy in [Policy::All, Policy::Drop, Policy::Latest { interval_ms: 0 }] {
        let mut reader = Reader::new(policy);
        reader.more(2);
        delete(&mut reader);
        reader.more(1);
        reader.gets([Message(0, 0, 1), Message(1, 0, 2), Reset(0), Message(0, 0, 1)]);
        assert_eq!(reader.stats().resets, 1);
    }
}

#[test]
fn a_slow_client_is_told_of_a_reset_once_it_can_take_it() {
    let latest = Policy::Latest { interval_ms: 0 };
    let sampled = Policy::Latest { interval_ms: 100 };
    for (policy, then) in [
        (Policy::All, Page(0, 2, false)),
        (Policy::Rollup { interval_ms: 100 }, Page(0, 2, false)),
        (latest, Message(0, 1, 2)),
        (sampled, Message(0, 1, 2)),
    ] {
        let mut reader = Reader::slow(policy);
        reader.more(3);
        delete(&mut reader);
        delete(&mut reader);
        reader.more(2);
        reader.pass(ms(200));
        assert_eq!(reader.waiting(), 1, "{policy:?}");
        reader.gets([Message(0, 0, 1), Reset(0), then]);
    }
}

#[test]
fn a_reset_in_the_midst_of_a_recovery_is_told_and_the_old_page_is_not() {
    let mut reader = Reader::recovering(600);
    reader.release(0);
    // One page came and the second is on its way when the stream is deleted and written again.
    reader.begin_request(Operation::Delete { channel: channel("a") });
    reader.begin_publish("a");
    // The reset overtakes the page.
    reader.events.rotate_left(1);
    reader.release_all();
    reader.gets([Page(0, 256, true), Reset(0), Message(0, 0, 1)]);
}

#[test]
fn a_reset_before_a_subscription_has_begun_is_in_its_outcome() {
    let mut hall = Hall::new();
    let last = hall.publish("a", "x");
    // Somebody keeps the channel attached.
    let mut other = Reader::of(hall, Policy::All);
    let session = other.connect();
    other.hold_events = true;
    other.begin_subscribe(session, "a", Start::After(Position { seq: 0, ..last }));
    other.begin_request(Operation::Delete { channel: channel("a") });
    // The reset overtakes what was looked at.
    other.events.rotate_left(1);
    other.release_all();
    let subscribed = other.take_subscribed(session);
    assert_eq!(subscribed.outcome, Outcome::Truncated { after: 0 });
    assert_ne!(subscribed.position.epoch, last.epoch);
    other.gets([Reset(0)]);
}

#[test]
fn nothing_is_published_to_an_ended_stream() {
    let mut hall = Hall::new();
    end(&mut hall);
    let session = hall.connect();
    let command = publish(3, "a", publication("x"));
    hall.refused(session, command, ErrorCode::StreamEnded, "publish to another channel");
}

#[test]
fn an_ended_stream_that_is_deleted_lives_again() {
    let mut hall = Hall::new();
    hall.publish("a", "x");
    end(&mut hall);
    delete(&mut hall);
    let mut reader = Reader::of(hall, Policy::All);
    reader.more(1);
    reader.gets([Message(0, 0, 1)]);
}
