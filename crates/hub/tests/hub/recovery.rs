//! Recovery: pages up to the live record, whatever comes in between.

use std::sync::Arc;

use longwire_channel::{
    Capabilities, ClientMessage, Connect, Epoch, ErrorCode, Gap, Outcome, Policy, Position, Pushed,
    Record, ServerMessage, Start,
};
use longwire_hub::{HubConfig, broker, simulation::Pipe};

use crate::{
    reader::{Reader, keeping},
    support::{
        Short::{Lost, Message, Page, Unsubscribed},
        *,
    },
};

fn after(position: Position, seq: u64) -> Start {
    Start::After(Position { seq, ..position })
}

#[test]
fn what_was_missed_comes_in_pages_and_then_live() {
    let mut hall = Hall::new();
    let last = (0..600).map(|_| hall.publish("a", "x")).last().expect("some");
    let session = hall.connect();
    let subscribed = hall.subscribe(session, 1, "a", after(last, 10));
    assert_eq!(subscribed.outcome, Outcome::Deltas { after: 10 });
    assert_eq!(subscribed.position, last);
    hall.publish("a", "live");
    let expected =
        [Page(10, 266, true), Page(266, 522, true), Page(522, 600, false), Message(600, 0, 601)];
    assert_eq!(hall.pushes(session, 1), expected);
    assert_eq!(hall.stats().recoveries.deltas, 1);
    assert_eq!((hall.stats().recovered, hall.stats().deliveries), (590, 591));
}

#[test]
fn a_position_at_the_end_missed_nothing() {
    let mut hall = Hall::new();
    let last = hall.publish("a", "x");
    let session = hall.connect();
    assert_eq!(hall.subscribe(session, 1, "a", after(last, 1)).outcome, Outcome::Live);
    assert_eq!(hall.take(session), None);
}

#[test]
fn a_position_that_is_no_longer_kept_is_truncated() {
    let mut hall = keeping(3);
    let last = (0..10).map(|_| hall.publish("a", "x")).last().expect("some");
    let session = hall.connect();
    let subscribed = hall.subscribe(session, 1, "a", after(last, 6));
    assert_eq!(subscribed.outcome, Outcome::Truncated { after: 7 });
    assert_eq!(hall.pushes(session, 1), [Page(7, 10, false)]);
    let subscribed = hall.subscribe(session, 2, "a", after(last, 7));
    assert_eq!(subscribed.outcome, Outcome::Deltas { after: 7 });
    assert_eq!(hall.stats().recoveries.truncated, 1);
}

#[test]
fn a_position_of_another_epoch_or_beyond_the_end_is_truncated() {
    let mut hall = Hall::new();
    let last = hall.publish("a", "x");
    let session = hall.connect();
    let other = Position { epoch: Epoch::from_random(5), seq: 1 };
    let subscribed = hall.subscribe(session, 1, "a", Start::After(other));
    assert_eq!(subscribed.outcome, Outcome::Truncated { after: 0 });
    assert_eq!(hall.pushes(session, 1), [Page(0, 1, false)]);
    let subscribed = hall.subscribe(session, 2, "a", after(last, 2));
    assert_eq!(subscribed.outcome, Outcome::Truncated { after: 0 });
}

#[test]
fn the_beginning_the_last_and_a_time_are_places_to_begin() {
    let mut hall = Hall::new();
    hall.publish("a", "x");
    hall.pass(ms(100));
    let then = hall.clock.now().unix_ms;
    hall.publish("a", "x");
    hall.publish("a", "x");
    let session = hall.connect();
    for (sub, start, outcome) in [
        (1, Start::Beginning, Outcome::Deltas { after: 0 }),
        (2, Start::Last(1), Outcome::Snapshot { after: 2 }),
        (3, Start::Last(100), Outcome::Snapshot { after: 0 }),
        (4, Start::Time(then), Outcome::Deltas { after: 1 }),
        (5, Start::Time(0), Outcome::Deltas { after: 0 }),
        (6, Start::Time(then + 1), Outcome::Live),
        (7, Start::Last(0), Outcome::Live),
    ] {
        let subscribed = hall.subscribe(session, sub, "a", start);
        assert_eq!(subscribed.outcome, outcome, "{start:?}");
        let pages = match outcome {
            Outcome::Live => vec![],
            Outcome::Deltas { after } | Outcome::Snapshot { after } => {
                vec![Page(after, 3, false)]
            }
            _ => unreachable!("not among those above"),
        };
        assert_eq!(hall.pushes(session, sub), pages, "{start:?}");
    }
}

#[test]
fn a_client_without_pages_gets_messages() {
    let mut hall = Hall::new();
    hall.publish_many("a", 3);
    let (session, _) =
        hall.connect_with(Connect { capabilities: Capabilities::PINGS, ..connect() });
    hall.subscribe(session, 1, "a", Start::Beginning);
    let expected = [Message(0, 0, 1), Message(1, 0, 2), Message(2, 0, 3)];
    assert_eq!(hall.pushes(session, 1), expected);
}

#[test]
fn pages_of_several_subscriptions_and_sessions_take_turns() {
    let mut config = HubConfig::default();
    config.page_records = 10;
    config.max_page_reads = 1;
    let mut hall = Hall::with(config);
    for name in ["a", "b", "c"] {
        hall.publish_many(name, 25);
    }
    hall.hold_events = true;
    let [one, two] = [vec![(1, "a"), (2, "b")], vec![(3, "c")]].map(|subs| {
        let whole = |(sub, name)| subscribe(sub, name, Start::Beginning, None);
        hall.begin_connect(subs.into_iter().map(whole).collect())
    });
    let mut order = Vec::new();
    while !hall.events.is_empty() {
        hall.release(0);
        for session in [one, two] {
            for message in hall.take_all(session) {
                if let ServerMessage::Push(push) = message {
                    order.push((push.sub, short(push.pushed)));
                }
            }
        }
    }
    let expected = [
        (1, Page(0, 10, true)),
        (3, Page(0, 10, true)),
        (2, Page(0, 10, true)),
        (3, Page(10, 20, true)),
        (1, Page(10, 20, true)),
        (3, Page(20, 25, false)),
        (2, Page(10, 20, true)),
        (1, Page(20, 25, false)),
        (2, Page(20, 25, false)),
    ];
    assert_eq!(order, expected);
}

#[test]
fn a_pipe_that_is_congested_loses_its_turn_until_it_has_drained() {
    let mut config = HubConfig::default();
    config.max_page_reads = 1;
    let mut hall = Hall::with(config);
    hall.publish_many("a", 3);
    hall.publish_many("b", 3);
    let (one, two) = (hall.connect(), hall.connect());
    hall.hold_events = true;
    for (session, name, place) in [(one, "a", 0), (two, "b", 1)] {
        hall.begin_subscribe(session, name, Start::Beginning);
        // Attached, and the place found.
        hall.release(place);
        hall.release(place);
    }
    // One's page is on its way, and two waits for its turn when its pipe is congested.
    assert_eq!(hall.events.len(), 1);
    hall.take_subscribed(one);
    hall.narrow(two);
    hall.receive(two, ClientMessage::Unsubscribe { id: 2, sub: 9 });
    hall.release(0);
    assert_eq!(hall.pushes(one, 1), [Page(0, 3, false)]);
    assert_eq!((hall.events.len(), hall.hub.contents().reads), (0, 0));
    hall.take_subscribed(two);
    assert_eq!(hall.error(two).code, ErrorCode::NotFound);
    hall.release(0);
    assert_eq!(hall.pushes(two, 1), [Page(0, 3, false)]);
}

#[test]
fn those_who_want_the_same_page_share_the_reading() {
    let mut hall = Hall::new();
    hall.publish_many("a", 300);
    hall.hold_events = true;
    let sessions: Vec<_> = (0..50).map(|_| hall.connect()).collect();
    for &session in &sessions {
        hall.begin_subscribe(session, "a", Start::Beginning);
    }
    let mut pages = 0;
    while !hall.events.is_empty() {
        pages += usize::from(matches!(hall.next_result(), Ok(broker::Response::Page(_))));
        hall.release(0);
    }
    for session in sessions {
        hall.take_subscribed(session);
        assert_eq!(hall.pushes(session, 1), [Page(0, 256, true), Page(256, 300, false)]);
    }
    assert!(pages < 10, "{pages} pages were read");
}

#[test]
fn a_page_is_shared_by_so_many_and_beyond_them_read_again() {
    let mut config = HubConfig::default();
    config.max_page_readers = 10;
    let mut hall = Hall::with(config);
    hall.publish_many("a", 3);
    let sessions: Vec<_> = (0..25).map(|_| hall.connect()).collect();
    hall.hold_events = true;
    for &session in &sessions {
        hall.begin_subscribe(session, "a", Start::Beginning);
    }
    // Attached, and the places found: now pages are on their way.
    for _ in 0..=sessions.len() {
        hall.release(0);
    }
    assert_eq!(hall.events.len(), 3);
    for page in 0..3 {
        hall.release(0);
        let served = sessions.iter().filter(|it| hall.pipe(**it).is_some_and(has_page)).count();
        assert_eq!(served, [10, 20, 25][page]);
    }
    assert_eq!(hall.hub.contents().reads, 0);
}

fn has_page(pipe: &Pipe) -> bool {
    pipe.queue.iter().any(
        |it| matches!(it, ServerMessage::Push(push) if matches!(push.pushed, Pushed::Page { .. })),
    )
}

#[test]
fn what_a_page_has_beyond_the_live_record_comes_live() {
    let mut hall = Hall::new();
    hall.publish_many("a", 2);
    let session = hall.connect();
    hall.hold_events = true;
    hall.begin_subscribe(session, "a", Start::Beginning);
    hall.release(0);
    // Published before the page is read, and told behind it.
    hall.begin_publish("a");
    hall.release(0);
    assert_eq!(hall.events.len(), 3);
    hall.release(2);
    hall.take_subscribed(session);
    assert_eq!(hall.pushes(session, 1), [Page(0, 2, false)]);
    assert_eq!(hall.stats().subscriptions.live, 1);
    hall.release_all();
    assert_eq!(hall.pushes(session, 1), [Message(2, 0, 3)]);
}

#[test]
fn live_records_that_the_broker_did_not_tell_are_read() {
    let mut reader = Reader::new(Policy::All);
    reader.hold_events = true;
    for _ in 0..4 {
        reader.begin_publish("a");
    }
    // Completions and records alternate: the second and third record get lost on the way.
    assert_eq!(reader.events.len(), 8);
    reader.events.remove(5);
    reader.events.remove(3);
    reader.release_all();
    reader.gets([Message(0, 0, 1), Page(1, 4, false)]);
    assert_eq!(reader.stats().repaired, 2);
}

#[test]
fn a_record_that_is_told_twice_comes_once() {
    let mut reader = Reader::new(Policy::All);
    reader.hold_events = true;
    reader.begin_publish("a");
    let told = reader.events[1].clone();
    reader.events.push_back(told);
    reader.release_all();
    reader.gets([Message(0, 0, 1)]);
}

#[test]
fn what_was_dropped_while_it_was_read_is_told_as_lost() {
    let mut hall = keeping(300);
    hall.publish_many("a", 300);
    let session = hall.connect();
    hall.narrow(session);
    let subscribed = hall.subscribe(session, 1, "a", Start::Beginning);
    assert_eq!(subscribed.outcome, Outcome::Deltas { after: 0 });
    // The first page congests the pipe; meanwhile the rest is dropped.
    hall.publish_many("a", 500);
    let expected =
        [Page(0, 256, true), Lost(256, 500), Page(500, 756, true), Page(756, 800, false)];
    assert_eq!(hall.pushes(session, 1), expected);
    assert_eq!(hall.stats().lost, 244);
}

#[test]
fn a_broker_that_cannot_attach_refuses_the_subscription() {
    let mut hall = Hall::new();
    let session = hall.connect();
    hall.hold_events = true;
    hall.begin_subscribe(session, "a", Start::Beginning);
    *hall.next_result() = Err(broker::Error::Unavailable("it is away".into()));
    hall.release(0);
    let refusal = hall.error(session);
    assert_eq!(refusal.code, ErrorCode::Unavailable);
    assert!(refusal.retry_after_ms.is_some());
    assert_eq!(hall.stats().channels, 0);
}

#[test]
fn who_asks_again_while_the_channel_is_given_up_is_refused_as_well() {
    let mut hall = Hall::new();
    let other = hall.connect();
    hall.hold_events = true;
    let session = hall.begin_connect(vec![subscribe(1, "a", Start::Now, None)]);
    // It waits for `connected`, and comes the moment that the first one is refused.
    let again = subscribe(2, "a", Start::Now, None);
    hall.receive(session, ClientMessage::Subscribe { id: 2, subscribe: again });
    hall.begin_subscribe(other, "a", Start::Now);
    *hall.next_result() = Err(broker::Error::Unavailable("it is away".into()));
    hall.release(0);
    assert!(matches!(hall.take(session), Some(ServerMessage::Connected(_))));
    assert_eq!(hall.error(session).code, ErrorCode::Unavailable);
    assert_eq!(hall.error(other).code, ErrorCode::Unavailable);
    assert_eq!(hall.hub.contents().subscriptions, 0);
}

#[test]
fn a_page_that_cannot_be_read_ends_the_subscription() {
    let mut reader = Reader::recovering(3);
    *reader.next_result() = Err(broker::Error::Corrupt("a place".into()));
    reader.release(0);
    reader.gets([Unsubscribed(ErrorCode::Internal)]);
    assert_eq!(reader.stats().subscriptions, longwire_hub::Subscriptions::default());
}

#[test]
fn a_page_that_gives_nothing_ends_the_subscription_for_a_time() {
    let mut reader = Reader::recovering(3);
    reader.next_page().records.clear();
    reader.release(0);
    reader.gets([Unsubscribed(ErrorCode::Unavailable)]);
    assert_eq!(reader.events.len(), 0);
}

#[test]
fn records_that_are_damaged_are_lost_and_those_around_them_are_not() {
    let mut reader = Reader::recovering(6);
    let page = reader.next_page();
    page.records.retain(|record| matches!(record.seq, 1 | 4));
    page.damaged = vec![Gap { from: 1, to: 3 }, Gap { from: 4, to: 6 }];
    reader.release(0);
    reader.gets([Page(0, 1, true), Lost(1, 3), Page(3, 4, false), Lost(4, 6)]);
    assert_eq!(reader.stats().subscriptions.live, 1);
}

#[test]
fn a_recovery_since_a_time_begins_before_damaged_records() {
    for next in [None, Some(3)] {
        let mut hall = Hall::new();
        hall.publish_many("a", 3);
        let session = hall.connect();
        hall.hold_events = true;
        hall.begin_subscribe(session, "a", Start::Time(1));
        hall.release(0);
        let page = hall.next_page();
        let whole = page.records.remove(0);
        page.records.extend(next.map(|seq| Arc::new(Record { seq, ..(*whole).clone() })));
        page.damaged = vec![Gap { from: 1, to: 2 }];
        page.more = true;
        hall.release(0);
        assert_eq!(hall.take_subscribed(session).outcome, Outcome::Deltas { after: 1 }, "{next:?}");
    }
}

#[test]
fn a_recovery_of_which_nothing_is_left_ends_with_an_empty_page() {
    let mut reader = Reader::recovering(2);
    let page = reader.next_page();
    (page.first, page.last) = (4, 4);
    page.records.clear();
    reader.release(0);
    reader.gets([Lost(0, 2), Page(2, 2, false)]);
    assert_eq!(reader.stats().subscriptions.live, 1);
}
