//! The table of subscriptions.

use std::time::Duration;

use longwire_client::{
    Event, Message, SubscribeError, SubscriptionState,
    channel::{
        ClientMessage, CloseCode, Connected, ErrorCode, Outcome, Policy, Position, Pushed, Refusal,
        ServerMessage, Start, Subscribed,
    },
    machine::TokenSource,
};

use crate::support::*;

const LIVE: Event = Event::State(SubscriptionState::Live);
const RECOVERING: Event = Event::State(SubscriptionState::Recovering);
const SUBSCRIBING: Event = Event::State(SubscriptionState::Subscribing);

/// The subscription subscribes again after its position, with a new number, and left the old one.
fn assert_repairs(rig: &mut Rig, old: u32, seq: u64) -> (u64, u32) {
    let sent = rig.sent();
    let [ClientMessage::Unsubscribe { sub, .. }, ClientMessage::Subscribe { id, subscribe }] =
        &sent[..]
    else {
        panic!("{sent:?}")
    };
    assert_eq!(*sub, old);
    assert_ne!(subscribe.sub, old);
    assert_eq!(subscribe.start, Start::After(at(seq)));
    (*id, subscribe.sub)
}

#[test]
fn subscribe_is_sent_at_once_where_the_connection_is_open() {
    let mut rig = Rig::open();
    let policy = Some(Policy::Latest { interval_ms: 5 });
    rig.machine.subscribe(channel("a:b"), Start::Last(3), policy).expect("open");
    let (_, subscribe) = rig.sent_subscribe();
    assert_eq!(subscribe.channel, channel("a:b"));
    assert_eq!((subscribe.start, subscribe.policy), (Start::Last(3), policy));
}

#[test]
fn subscribe_goes_with_the_next_connect_otherwise() {
    let mut rig = Rig::new(TokenSource::None);
    rig.subscribe(Start::Beginning);
    rig.machine.connect(rig.now);
    rig.subscribe(Start::Now);
    rig.open_transport();
    let connect = rig.greet();
    let starts: Vec<Start> = connect.subscriptions.iter().map(|it| it.start).collect();
    assert_eq!(starts, [Start::Beginning, Start::Now]);
    assert_eq!(rig.sent().len(), 2, "connected did not mention them");
}

#[test]
fn connected_has_the_outcomes() {
    let mut rig = Rig::new(TokenSource::None);
    let live = rig.subscribe(Start::Now);
    let refused = rig.subscribe(Start::Now);
    rig.machine.connect(rig.now);
    rig.open_transport();
    let connect = rig.sent_connect();
    let [first, second] = [0, 1].map(|index| connect.subscriptions[index].sub);
    let outcome = Subscribed { sub: first, position: at(5), outcome: Outcome::Live };
    let refusal = Refusal::new(ErrorCode::Forbidden, "words");
    rig.say(ServerMessage::Connected(Box::new(Connected {
        subscriptions: vec![(first, Ok(outcome)), (second, Err(refusal.clone()))],
        ..connected(connect.id)
    })));
    assert_eq!(rig.events(), [LIVE, Event::Failed(SubscribeError::Refused(refusal))]);
    assert_eq!(rig.machine.position(live), Some(at(5)));
    assert_eq!(rig.machine.subscription_state(refused), None);
    assert_eq!(rig.sent(), []);
}

#[test]
fn connect_has_room_for_32_kib_of_subscriptions_and_the_others_follow() {
    let mut rig = Rig::new(TokenSource::None);
    for _ in 0..400 {
        rig.subscribe(Start::Now);
    }
    rig.machine.connect(rig.now);
    rig.open_transport();
    let connect = rig.sent_connect();
    let room = 32 * 1024 / 101;
    assert_eq!(connect.subscriptions.len(), room);
    let live = |sub| (sub, Ok(Subscribed { sub, position: at(0), outcome: Outcome::Live }));
    let subscriptions = connect.subscriptions.iter().map(|it| live(it.sub)).collect();
    rig.say(ServerMessage::Connected(Box::new(Connected {
        subscriptions,
        ..connected(connect.id)
    })));
    assert_eq!(rig.sent().len(), 400 - room);
}

#[test]
fn a_temporary_error_is_tried_again_after_its_time() {
    let mut rig = Rig::open();
    rig.subscribe(Start::Now);
    let (id, _) = rig.sent_subscribe();
    rig.say(refused_for(id, ErrorCode::Unavailable, 1_234));
    rig.rest(Duration::from_millis(1_233));
    assert_eq!(rig.sent(), []);
    rig.pass(Duration::from_millis(1));
    let (id, _) = rig.sent_subscribe();
    rig.say(refused(id, ErrorCode::Internal));
    rig.rest(Duration::from_millis(999));
    rig.pass(Duration::from_millis(1));
    rig.sent_subscribe();
    assert_eq!(rig.events(), [], "it is still subscribing");
}

#[test]
fn another_error_fails_it() {
    let mut rig = Rig::open();
    let it = rig.subscribe(Start::Now);
    let (id, _) = rig.sent_subscribe();
    rig.say(refused(id, ErrorCode::Forbidden));
    let refusal = Refusal::new(ErrorCode::Forbidden, "words");
    assert_eq!(rig.events(), [Event::Failed(SubscribeError::Refused(refusal))]);
    assert_eq!(rig.machine.subscription_state(it), None);
    rig.reconnect();
    assert_eq!(rig.sent(), []);
}

#[test]
fn a_record_that_was_seen_is_dropped_and_counted() {
    let mut rig = Rig::open();
    let (_, sub) = rig.live(5);
    rig.push(sub, message(4, 5));
    rig.push(sub, message(5, 6));
    rig.push(sub, message(5, 6));
    rig.push(sub, page(3, 4..=7, false));
    assert_eq!(rig.events(), [got(6), got(7)]);
    assert_eq!((rig.machine.stats().doubled, rig.machine.stats().received), (5, 2));
}

#[test]
fn a_record_behind_the_last_is_delivered_with_what_was_skipped() {
    let mut rig = Rig::open();
    let (it, sub) = rig.live(5);
    rig.push(sub, message(5, 6));
    rig.push(sub, Pushed::Message { prev: 6, skipped: 3, record: record(10) });
    rig.push(sub, message(8, 11));
    let skipped = Event::Message(Message { record: record(10), epoch: epoch(1), skipped: 3 });
    assert_eq!(rig.events(), [got(6), skipped, got(11)]);
    assert_eq!(rig.machine.position(it), Some(at(11)));
    assert_eq!(rig.machine.stats().skipped, 3);
}

#[test]
fn records_up_to_the_target_make_it_live() {
    let mut rig = Rig::open();
    let (_, sub) = rig.subscribed(Outcome::Deltas { after: 3 }, 5);
    rig.push(sub, message(3, 4));
    rig.push(sub, message(4, 5));
    assert_eq!(rig.events(), [got(4), got(5), LIVE]);
}

#[test]
fn a_gap_is_repaired_in_its_subscription() {
    let mut rig = Rig::open();
    let (_, other) = rig.live(0);
    let (_, sub) = rig.live(5);
    rig.push(sub, message(6, 7));
    rig.push(sub, message(7, 8));
    assert_eq!(rig.events(), [SUBSCRIBING]);
    let (id, new) = assert_repairs(&mut rig, sub, 5);
    rig.push(sub, message(8, 9));
    rig.push(other, message(0, 1));
    rig.say(subscribed(id, new, at(9), Outcome::Deltas { after: 5 }));
    rig.push(new, page(5, 6..=9, false));
    let expected = [got(1), RECOVERING, got(6), got(7), got(8), got(9), LIVE];
    assert_eq!(rig.events(), expected);
    assert_eq!(rig.machine.stats().gaps, 1);
    assert!(rig.machine.is_open() && rig.actions().is_empty(), "the connection stays");
}

#[test]
fn a_gap_that_comes_again_without_a_record_is_repaired_by_backoff() {
    let mut rig = Rig::open();
    let (_, sub) = rig.live(5);
    rig.push(sub, message(6, 7));
    let (id, sub) = assert_repairs(&mut rig, sub, 5);
    rig.say(subscribed(id, sub, at(7), Outcome::Deltas { after: 5 }));
    rig.push(sub, message(6, 7));
    assert!(matches!(&rig.sent()[..], [ClientMessage::Unsubscribe { .. }]));
    rig.rest(Duration::from_millis(499));
    rig.pass(Duration::from_millis(1));
    let (id, subscribe) = rig.sent_subscribe();
    rig.say(subscribed(id, subscribe.sub, at(7), Outcome::Deltas { after: 5 }));
    rig.push(subscribe.sub, message(5, 6));
    rig.push(subscribe.sub, message(7, 8));
    assert_repairs(&mut rig, subscribe.sub, 6);
}

#[test]
fn a_gap_behind_refusals_is_repaired_at_once() {
    let mut rig = Rig::open();
    rig.subscribe(Start::Now);
    let (id, _) = rig.sent_subscribe();
    rig.say(refused(id, ErrorCode::Unavailable));
    rig.pass(Duration::from_millis(500));
    let (id, subscribe) = rig.sent_subscribe();
    rig.say(subscribed(id, subscribe.sub, at(5), Outcome::Live));
    rig.push(subscribe.sub, message(6, 7));
    assert_repairs(&mut rig, subscribe.sub, 5);
}

#[test]
fn pages_follow_each_other_until_one_has_no_more() {
    let mut rig = Rig::open();
    let (_, sub) = rig.live(5);
    rig.push(sub, page(5, 6..=7, true));
    rig.push(sub, lost(7, 9));
    rig.push(sub, page(9, 10..=10, true));
    rig.push(sub, page(10, [], false));
    let expected = [got(6), got(7), RECOVERING, told_lost(7, 9), got(10), LIVE];
    assert_eq!(rig.events(), expected);
    rig.push(sub, page(10, 11..=11, true));
    rig.push(sub, message(11, 12));
    assert_eq!(rig.events(), [got(11), RECOVERING, got(12), LIVE], "a message is live");
}

#[test]
fn a_page_with_a_gap_before_it_is_dropped_whole() {
    for seqs in [vec![], vec![8, 9]] {
        let mut rig = Rig::open();
        let (_, sub) = rig.live(5);
        rig.push(sub, page(7, seqs, false));
        assert_eq!(rig.events(), [SUBSCRIBING]);
        assert_repairs(&mut rig, sub, 5);
    }
}

#[test]
fn ephemeral_records_are_delivered_and_move_nothing() {
    let mut rig = Rig::open();
    let (it, sub) = rig.subscribed(Outcome::Deltas { after: 3 }, 5);
    rig.push(sub, message(99, 0));
    rig.push(sub, message(3, 0));
    assert_eq!(rig.events(), [got(0), got(0)]);
    assert_eq!(rig.machine.position(it), Some(at(3)));
    let Event::Message(message) = got(0) else { panic!("a message") };
    assert_eq!(message.position(), None);
}

#[test]
fn what_is_lost_is_told_as_far_as_it_is_news() {
    let mut rig = Rig::open();
    let (it, sub) = rig.subscribed(Outcome::Deltas { after: 3 }, 9);
    rig.push(sub, lost(1, 3));
    rig.push(sub, lost(2, 6));
    assert_eq!(rig.events(), [told_lost(3, 6)]);
    rig.push(sub, lost(6, 9));
    assert_eq!(rig.events(), [told_lost(6, 9), LIVE]);
    assert_eq!(rig.machine.position(it), Some(at(9)));
    assert_eq!(rig.machine.stats().lost, 6);
    rig.push(sub, message(9, 10));
    assert_eq!(rig.events(), [got(10)]);
}

#[test]
fn a_gap_before_what_is_lost_is_repaired() {
    let mut rig = Rig::open();
    let (_, sub) = rig.live(5);
    rig.push(sub, lost(6, 9));
    assert_eq!(rig.events(), [SUBSCRIBING]);
    assert_repairs(&mut rig, sub, 5);
}

#[test]
fn a_reset_is_told_and_the_new_epoch_goes_on() {
    let mut rig = Rig::open();
    let (it, sub) = rig.subscribed(Outcome::Deltas { after: 3 }, 9);
    let position = Position { epoch: epoch(2), seq: 0 };
    rig.push(sub, Pushed::Reset { position });
    rig.push(sub, message(0, 1));
    assert_eq!(rig.events(), [Event::Reset(position), LIVE, got_in(2, 1)]);
    assert_eq!(rig.machine.position(it), Some(Position { epoch: epoch(2), seq: 1 }));
    assert_eq!(rig.machine.stats().resets, 1);
}

#[test]
fn a_reset_to_a_later_place_tells_what_is_lost_before_it() {
    let mut rig = Rig::open();
    let (_, sub) = rig.live(5);
    let position = Position { epoch: epoch(2), seq: 3 };
    rig.push(sub, Pushed::Reset { position });
    let lost = longwire_client::Lost { epoch: epoch(2), from: 0, to: 3 };
    assert_eq!(rig.events(), [Event::Reset(position), Event::Lost(lost)]);
}

#[test]
fn a_reset_to_the_same_epoch_is_old_or_a_gap() {
    let mut rig = Rig::open();
    let (_, sub) = rig.live(5);
    rig.push(sub, Pushed::Reset { position: at(5) });
    assert_eq!(rig.events(), []);
    rig.push(sub, Pushed::Reset { position: at(6) });
    assert_repairs(&mut rig, sub, 5);
}

#[test]
fn a_server_that_loses_beyond_all_counting_is_borne() {
    const ALL: u64 = (1 << 53) - 1;
    let mut rig = Rig::open();
    let (_, sub) = rig.live(0);
    for number in 2..5_000 {
        rig.push(sub, Pushed::Reset { position: Position { epoch: epoch(number), seq: ALL } });
        rig.told();
    }
    assert_eq!(rig.machine.stats().lost, u64::MAX);
}

#[test]
fn an_end_that_was_reached_is_told_and_final() {
    let mut rig = Rig::open();
    let (it, sub) = rig.live(5);
    rig.push(sub, message(5, 6));
    rig.push(sub, Pushed::Ended { seq: 6 });
    rig.push(sub, message(6, 7));
    assert_eq!(rig.events(), [got(6), Event::Ended { seq: 6 }]);
    assert_eq!(rig.machine.subscription_state(it), None);
    assert_eq!(rig.reconnect().subscriptions, []);
}

#[test]
fn an_end_beyond_the_last_record_is_a_gap() {
    let mut rig = Rig::open();
    let (_, sub) = rig.live(5);
    rig.push(sub, Pushed::Ended { seq: 6 });
    let (id, sub) = assert_repairs(&mut rig, sub, 5);
    rig.say(subscribed(id, sub, at(6), Outcome::Deltas { after: 5 }));
    rig.push(sub, page(5, 6..=6, false));
    rig.push(sub, Pushed::Ended { seq: 6 });
    assert_eq!(rig.events(), [SUBSCRIBING, RECOVERING, got(6), LIVE, Event::Ended { seq: 6 }]);
}

#[test]
fn unsubscribed_for_a_time_subscribes_again() {
    let mut rig = Rig::open();
    let (_, sub) = rig.live(5);
    rig.push(sub, unsubscribed(ErrorCode::Unavailable));
    assert_eq!(rig.events(), [SUBSCRIBING]);
    assert_eq!(rig.sent(), [], "nothing is subscribed that could be left");
    rig.pass(Duration::from_millis(500));
    assert_eq!(rig.sent_subscribe().1.start, Start::After(at(5)));
}

#[test]
fn subscribed_and_ended_again_and_again_is_slowed_down_until_it_held_for_5_s() {
    let mut rig = Rig::open();
    let (_, mut sub) = rig.live(5);
    for millis in [500, 1_000, 2_000] {
        rig.push(sub, unsubscribed(ErrorCode::Unavailable));
        rig.rest(Duration::from_millis(millis - 1));
        rig.pass(Duration::from_millis(1));
        let (id, subscribe) = rig.sent_subscribe();
        rig.say(subscribed(id, subscribe.sub, at(5), Outcome::Live));
        sub = subscribe.sub;
    }
    rig.rest(Duration::from_secs(5));
    rig.push(sub, unsubscribed(ErrorCode::Unavailable));
    rig.pass(Duration::from_millis(500));
    rig.sent_subscribe();
}

#[test]
fn unsubscribed_for_good_fails_it() {
    let mut rig = Rig::open();
    let (_, sub) = rig.live(5);
    rig.push(sub, unsubscribed(ErrorCode::Forbidden));
    assert!(matches!(&rig.events()[..], [Event::Failed(SubscribeError::Refused(_))]));
    assert_eq!(rig.sent(), []);
}

#[test]
fn a_lost_connection_takes_it_to_the_next_connect_from_its_position() {
    let mut rig = Rig::open();
    let (_, sub) = rig.live(5);
    rig.push(sub, message(5, 6));
    let connect = rig.reconnect();
    let [subscribe] = &connect.subscriptions[..] else { panic!("{connect:?}") };
    assert_eq!(subscribe.start, Start::After(at(6)));
    assert_ne!(subscribe.sub, sub, "a number is used once");
    assert_eq!(rig.events(), [got(6), SUBSCRIBING]);
}

#[test]
fn one_that_was_never_answered_begins_where_it_was_told_to() {
    let mut rig = Rig::open();
    rig.subscribe(Start::Last(3));
    rig.sent_subscribe();
    let connect = rig.reconnect();
    assert_eq!(connect.subscriptions[0].start, Start::Last(3));
}

#[test]
fn one_that_waits_goes_with_the_next_connect_instead() {
    let mut rig = Rig::open();
    rig.subscribe(Start::Now);
    let (id, _) = rig.sent_subscribe();
    rig.say(refused_for(id, ErrorCode::Unavailable, 45_000));
    assert_eq!(rig.reconnect().subscriptions.len(), 1);
    let (id, subscribe) = rig.sent_subscribe();
    rig.say(subscribed(id, subscribe.sub, at(5), Outcome::Live));
    rig.pass(Duration::from_secs(30));
    assert_eq!(rig.sent(), [], "the wait is over");
}

#[test]
fn unsubscribe_leaves_the_server_and_tells_nothing() {
    let mut rig = Rig::open();
    let (it, sub) = rig.live(5);
    rig.push(sub, message(5, 6));
    rig.machine.unsubscribe(it);
    rig.push(sub, message(6, 7));
    assert_eq!(rig.events(), []);
    assert!(
        matches!(rig.sent()[..], [ClientMessage::Unsubscribe { sub: left, .. }] if left == sub)
    );
    assert_eq!(rig.reconnect().subscriptions, []);
}

#[test]
fn unsubscribe_before_the_answer_leaves_it_all_the_same() {
    let mut rig = Rig::open();
    let it = rig.subscribe(Start::Now);
    let (id, subscribe) = rig.sent_subscribe();
    rig.machine.unsubscribe(it);
    assert_eq!(rig.sent().len(), 1);
    rig.say(subscribed(id, subscribe.sub, at(5), Outcome::Live));
    rig.push(subscribe.sub, message(5, 6));
    assert_eq!((rig.events(), rig.sent()), (vec![], vec![]));
    let it = rig.subscribe(Start::Now);
    rig.machine.unsubscribe(it);
    assert_eq!(rig.sent(), [], "nothing was subscribed");
}

#[test]
fn a_closed_client_fails_it_with_the_cause() {
    let mut rig = Rig::open();
    rig.live(5);
    rig.say(disconnect(CloseCode::BANNED, None));
    assert!(matches!(&rig.events()[..], [Event::Failed(SubscribeError::Closed(_))]));
    let refused = rig.machine.subscribe(channel("a"), Start::Now, None);
    assert!(matches!(refused, Err(SubscribeError::Closed(_))));
}
