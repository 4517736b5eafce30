//! Streams that end, and streams that begin anew.

use longwire_channel::{ErrorCode, Outcome, Policy, Position, Start};
use longwire_hub::{Answer, Operation, SessionId};

use crate::support::*;

fn end(hall: &mut Hall) -> Position {
    match hall.ask(Operation::End { channel: channel("a") }) {
        Ok(Answer::Ended(position)) => position,
        other => panic!("not ended: {other:?}"),
    }
}

fn delete(hall: &mut Hall) {
    assert_eq!(hall.ask(Operation::Delete { channel: channel("a") }), Ok(Answer::Deleted));
}

fn subscribed(hall: &mut Hall, policy: Policy) -> SessionId {
    let session = hall.connect();
    hall.subscribe_with(session, subscribe(1, "a", Start::Now, Some(policy)));
    session
}

#[test]
fn a_live_subscription_is_over_with_its_stream() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, Policy::All);
    let last = hall.publish("a", "x");
    assert_eq!(end(&mut hall), last);
    assert_eq!(hall.pushes(session, 1), [Short::Message(0, 0, 1), Short::Ended(1)]);
    assert_eq!(hall.stats().channels, 0);
    // Its number is free again.
    hall.subscribe(session, 1, "b", Start::Now);
}

#[test]
fn a_reader_gets_all_before_the_end() {
    let mut hall = Hall::new();
    hall.publish_many("a", 300);
    let session = hall.connect();
    hall.narrow(session);
    hall.subscribe(session, 1, "a", Start::Beginning);
    end(&mut hall);
    let expected = [Short::Page(0, 256, true), Short::Page(256, 300, false), Short::Ended(300)];
    assert_eq!(hall.pushes(session, 1), expected);
}

#[test]
fn an_ended_stream_can_be_read_and_is_over_at_once() {
    let mut hall = Hall::new();
    let last = hall.publish("a", "x");
    end(&mut hall);
    let session = hall.connect();
    hall.subscribe(session, 1, "a", Start::Beginning);
    assert_eq!(hall.pushes(session, 1), [Short::Page(0, 1, false), Short::Ended(1)]);
    let subscribed = hall.subscribe(session, 1, "a", Start::After(last));
    assert_eq!(subscribed.outcome, Outcome::Live);
    assert_eq!(hall.pushes(session, 1), [Short::Ended(1)]);
    assert_eq!(hall.stats().channels, 0);
}

#[test]
fn the_end_waits_for_what_a_policy_still_owes() {
    let latest = Policy::Latest { interval_ms: 0 };
    let sampled = Policy::Latest { interval_ms: 100 };
    let rollup = Policy::Rollup { interval_ms: 100 };
    let first = || Short::Message(0, 0, 1);
    for (policy, expected) in [
        (Policy::All, vec![first(), Short::Page(1, 3, false), Short::Ended(3)]),
        (latest, vec![first(), Short::Message(1, 1, 3), Short::Ended(3)]),
        (sampled, vec![first(), Short::Message(1, 1, 3), Short::Ended(3)]),
        (rollup, vec![first(), Short::Page(1, 3, false), Short::Ended(3)]),
        (Policy::Drop, vec![first(), Short::Ended(3)]),
    ] {
        let mut hall = Hall::new();
        let session = subscribed(&mut hall, policy);
        hall.narrow(session);
        hall.publish_many("a", 3);
        end(&mut hall);
        hall.pass(ms(200));
        assert_eq!(hall.pushes(session, 1), expected, "{policy:?}");
        assert_eq!(hall.stats().channels, 0);
    }
}

#[test]
fn a_slow_client_that_has_all_is_told_the_end() {
    let mut hall = Hall::new();
    let session = subscribed(&mut hall, Policy::All);
    hall.narrow(session);
    hall.publish_many("a", 1);
    end(&mut hall);
    assert_eq!(hall.pushes(session, 1), [Short::Message(0, 0, 1), Short::Ended(1)]);
}

#[test]
fn a_stream_that_is_deleted_begins_anew_for_those_who_read_it() {
    for policy in [Policy::All, Policy::Drop, Policy::Latest { interval_ms: 0 }] {
        let mut hall = Hall::new();
        let session = subscribed(&mut hall, policy);
        hall.publish_many("a", 2);
        delete(&mut hall);
        hall.publish_many("a", 1);
        let expected = [
            Short::Message(0, 0, 1),
            Short::Message(1, 0, 2),
            Short::Reset(0),
            Short::Message(0, 0, 1),
        ];
        assert_eq!(hall.pushes(session, 1), expected, "{policy:?}");
        assert_eq!(hall.stats().resets, 1);
    }
}

#[test]
fn a_slow_client_is_told_of_a_reset_once_it_can_take_it() {
    let latest = Policy::Latest { interval_ms: 0 };
    let sampled = Policy::Latest { interval_ms: 100 };
    for (policy, then) in [
        (Policy::All, Short::Page(0, 2, false)),
        (Policy::Rollup { interval_ms: 100 }, Short::Page(0, 2, false)),
        (latest, Short::Message(0, 1, 2)),
        (sampled, Short::Message(0, 1, 2)),
    ] {
        let mut hall = Hall::new();
        let session = subscribed(&mut hall, policy);
        hall.narrow(session);
        hall.publish_many("a", 3);
        delete(&mut hall);
        delete(&mut hall);
        hall.publish_many("a", 2);
        hall.pass(ms(200));
        assert_eq!(hall.pipe(session).map(|pipe| pipe.queue.len()), Some(1), "{policy:?}");
        let expected = [Short::Message(0, 0, 1), Short::Reset(0), then];
        assert_eq!(hall.pushes(session, 1), expected, "{policy:?}");
    }
}

#[test]
fn a_reset_in_the_midst_of_a_recovery_is_told_and_the_old_page_is_not() {
    let mut hall = Hall::new();
    hall.publish_many("a", 600);
    let session = hall.connect();
    hall.hold_events = true;
    let subscribe = subscribe(1, "a", Start::Beginning, None);
    let command = longwire_channel::ClientMessage::Subscribe { id: ID, subscribe };
    hall.receive(session, command);
    for _ in 0..3 {
        hall.release(0);
    }
    // One page came and the second is on its way when the stream is deleted and written again.
    for operation in [
        Operation::Delete { channel: channel("a") },
        Operation::Publish { channel: channel("a"), publication: publication("x") },
    ] {
        hall.request(longwire_hub::Identity::nameless(longwire_hub::Permissions::all()), operation);
    }
    // The reset overtakes the page.
    let page = hall.events.pop_front().expect("a page is on its way");
    hall.events.push_back(page);
    while !hall.events.is_empty() {
        hall.release(0);
    }
    assert!(hall.take(session).is_some());
    let expected = [Short::Page(0, 256, true), Short::Reset(0), Short::Message(0, 0, 1)];
    assert_eq!(hall.pushes(session, 1), expected);
}

#[test]
fn a_reset_before_a_subscription_has_begun_is_in_its_outcome() {
    let mut hall = Hall::new();
    let last = hall.publish("a", "x");
    // Somebody keeps the channel attached.
    let other = subscribed(&mut hall, Policy::All);
    let session = hall.connect();
    hall.hold_events = true;
    let start = Start::After(Position { seq: 0, ..last });
    let subscribe = subscribe(1, "a", start, None);
    let command = longwire_channel::ClientMessage::Subscribe { id: ID, subscribe };
    hall.receive(session, command);
    hall.request(
        longwire_hub::Identity::nameless(longwire_hub::Permissions::all()),
        Operation::Delete { channel: channel("a") },
    );
    let looked = hall.events.pop_front().expect("it was looked at");
    hall.events.push_back(looked);
    while !hall.events.is_empty() {
        hall.release(0);
    }
    match hall.take(session) {
        Some(longwire_channel::ServerMessage::Subscribed { subscribed, .. }) => {
            assert_eq!(subscribed.outcome, Outcome::Truncated { after: 0 });
            assert_ne!(subscribed.position.epoch, last.epoch);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(hall.pushes(other, 1), [Short::Reset(0)]);
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
    let session = subscribed(&mut hall, Policy::All);
    hall.publish("a", "x");
    assert_eq!(hall.pushes(session, 1), [Short::Message(0, 0, 1)]);
}
