//! How subscriptions begin, and how they are misused.

use longwire_channel::{ClientMessage, ErrorCode, Outcome, Policy, Position, ServerMessage, Start};
use longwire_hub::{Access, Action, HubConfig, Namespace, Permissions, Who};

use crate::{reader::Reader, support::*};

#[test]
fn a_subscription_without_a_start_gets_what_is_published_from_then_on() {
    let mut hall = Hall::new();
    hall.publish_many("a", 2);
    let session = hall.connect();
    let subscribed = hall.subscribe(session, 7, "a", Start::Now);
    assert_eq!((subscribed.sub, subscribed.outcome), (7, Outcome::Live));
    assert_eq!(subscribed.position.seq, 2);
    assert_eq!(hall.take(session), None);
    hall.publish("a", "x");
    hall.publish("a", "y");
    assert_eq!(hall.pushes(session, 7), [Short::Message(2, 0, 3), Short::Message(3, 0, 4)]);
}

#[test]
fn a_channel_may_be_subscribed_twice_in_a_session() {
    let mut hall = Hall::new();
    let session = hall.connect();
    hall.subscribe(session, 1, "a", Start::Now);
    hall.subscribe(session, 2, "a", Start::Now);
    hall.publish("a", "x");
    assert_eq!(short(hall.push(session, 1)), Short::Message(0, 0, 1));
    assert_eq!(short(hall.push(session, 2)), Short::Message(0, 0, 1));
    hall.receive(session, ClientMessage::Unsubscribe { id: 1, sub: 1 });
    assert_eq!(hall.take(session), Some(ServerMessage::Unsubscribed { id: 1, sub: 1 }));
    hall.publish("a", "y");
    assert_eq!(hall.pushes(session, 2), [Short::Message(1, 0, 2)]);
}

#[test]
fn the_number_of_a_subscription_is_free_again_behind_its_end() {
    let mut hall = Hall::new();
    let session = hall.connect();
    hall.subscribe(session, 1, "a", Start::Now);
    let again = subscribe(1, "b", Start::Now, None);
    let refusal = hall.try_subscribe(session, again.clone()).expect_err("in use");
    assert_eq!(refusal.code, ErrorCode::SubscriptionExists);
    assert!(refusal.message.contains("take another number"), "{refusal}");
    hall.receive(session, ClientMessage::Unsubscribe { id: 1, sub: 1 });
    hall.take(session);
    hall.subscribe_with(session, again);
}

#[test]
fn what_is_not_subscribed_cannot_be_unsubscribed() {
    let mut hall = Hall::new();
    let session = hall.connect();
    let command = ClientMessage::Unsubscribe { id: 1, sub: 3 };
    hall.refused(session, command, ErrorCode::NotFound, "no subscription 3");
}

#[test]
fn nothing_of_a_subscription_follows_unsubscribed() {
    let mut reader = Reader::recovering(600);
    let session = reader.session;
    reader.receive(session, ClientMessage::Unsubscribe { id: 2, sub: 1 });
    assert_eq!(reader.take(session), Some(ServerMessage::Unsubscribed { id: 2, sub: 1 }));
    assert_eq!(reader.events.len(), 1);
    reader.release(0);
    assert_eq!(reader.take(session), None);
    // Another one under the same number is not taken for it.
    reader.begin_subscribe(session, "a", Start::Now);
    reader.release(0);
    reader.take_subscribed(session);
}

#[test]
fn a_subscription_that_is_ended_before_it_began_is_answered_too() {
    let mut hall = Hall::new();
    hall.hold_events = true;
    let session = hall.connect();
    hall.begin_subscribe(session, "a", Start::Now);
    hall.receive(session, ClientMessage::Unsubscribe { id: 2, sub: 1 });
    let refusal = hall.error(session);
    assert_eq!(refusal.code, ErrorCode::NotFound);
    assert!(refusal.message.contains("before it began"), "{refusal}");
    assert_eq!(hall.take(session), Some(ServerMessage::Unsubscribed { id: 2, sub: 1 }));
    hall.release_all();
    assert_eq!(hall.take(session), None);
    assert_eq!(hall.stats().channels, 0);
}

#[test]
fn more_subscriptions_than_may_be_are_refused() {
    let mut config = HubConfig::default();
    config.max_subscriptions = 2;
    let mut hall = Hall::with(config);
    let session = hall.connect();
    hall.subscribe(session, 1, "a", Start::Now);
    hall.subscribe(session, 2, "a", Start::Now);
    let refusal =
        hall.try_subscribe(session, subscribe(3, "a", Start::Now, None)).expect_err("too many");
    assert_eq!(refusal.code, ErrorCode::TooManySubscriptions);
    assert!(refusal.message.contains("has 2 subscriptions"), "{refusal}");
}

#[test]
fn what_the_token_does_not_allow_is_refused_with_the_cure() {
    let mut hall = Hall::new();
    let some = permissions(&[("chat:*", &[Action::Subscribe])]);
    hall.introduce("t", Some("ada"), some);
    let session = hall.connect_as("t");
    hall.subscribe(session, 1, "chat:1", Start::Now);
    let refusal =
        hall.try_subscribe(session, subscribe(2, "news", Start::Now, None)).expect_err("forbidden");
    assert_eq!(refusal.code, ErrorCode::Forbidden);
    assert!(refusal.message.contains("takes a token with a pattern"), "{refusal}");
}

#[test]
fn a_namespace_may_let_users_or_everybody_in() {
    for (who, named, nameless) in
        [(Who::Token, false, false), (Who::User, true, false), (Who::Anyone, true, true)]
    {
        let mut namespace = Namespace::default();
        namespace.access = Access { subscribe: who, ..Access::default() };
        let mut hall = Hall::in_namespace(namespace);
        hall.introduce("named", Some("ada"), Permissions::none());
        hall.introduce("nameless", None, Permissions::none());
        for (token, allowed) in [("named", named), ("nameless", nameless)] {
            let session = hall.connect_as(token);
            let answer = hall.try_subscribe(session, subscribe(1, "a", Start::Now, None));
            assert_eq!(answer.is_ok(), allowed, "{who:?} {token}");
        }
    }
}

#[test]
fn a_policy_that_the_namespace_does_not_allow_is_refused() {
    let mut namespace = Namespace::default();
    namespace.policies = [Policy::All, Policy::Drop].into_iter().collect();
    let mut hall = Hall::in_namespace(namespace);
    let session = hall.connect();
    let latest = subscribe(1, "a", Start::Now, Some(Policy::Latest { interval_ms: 5 }));
    let refusal = hall.try_subscribe(session, latest).expect_err("not allowed");
    assert_eq!(refusal.code, ErrorCode::Forbidden);
    hall.subscribe_with(session, subscribe(1, "a", Start::Now, Some(Policy::Drop)));
}

#[test]
fn a_rollup_needs_an_interval() {
    let mut hall = Hall::new();
    let session = hall.connect();
    let policy = Some(Policy::Rollup { interval_ms: 0 });
    let refusal =
        hall.try_subscribe(session, subscribe(1, "a", Start::Now, policy)).expect_err("bad");
    assert_eq!(refusal.code, ErrorCode::BadRequest);
    assert!(refusal.message.contains("interval_ms of 1 or more"), "{refusal}");
}

#[test]
fn a_namespace_has_its_own_start_and_policy() {
    let mut namespace = Namespace::default();
    namespace.start = Start::Last(1);
    namespace.policy = Policy::Drop;
    let mut hall = Hall::in_namespace(namespace);
    hall.publish_many("a", 3);
    let session = hall.connect();
    let subscribed = hall.subscribe(session, 1, "a", Start::Now);
    assert_eq!(subscribed.outcome, Outcome::Snapshot { after: 2 });
    assert_eq!(hall.stats().subscriptions.drop, 1);
}

#[test]
fn a_channel_that_nobody_subscribes_is_forgotten() {
    let mut hall = Hall::new();
    let session = hall.connect();
    for round in 0..100 {
        let name = format!("a:{round}");
        hall.subscribe(session, 1, &name, Start::Now);
        assert_eq!(hall.stats().channels, 1);
        hall.receive(session, ClientMessage::Unsubscribe { id: 1, sub: 1 });
        hall.take(session);
        assert_eq!(hall.stats().channels, 0);
    }
    assert_eq!(hall.broker.streams(), 100);
    hall.pass(ms(10 * 60 * 1_000));
    assert_eq!((hall.broker.streams(), hall.broker.bytes()), (0, 0));
}

#[test]
fn whoever_comes_back_to_a_quiet_channel_has_missed_nothing() {
    let mut hall = Hall::new();
    let session = hall.connect();
    let Position { epoch, seq } = hall.subscribe(session, 1, "a", Start::Now).position;
    hall.hang_up(session);
    hall.pass(ms(5 * 60 * 1_000));
    let session = hall.connect();
    let start = Start::After(Position { epoch, seq });
    assert_eq!(hall.subscribe(session, 1, "a", start).outcome, Outcome::Live);
}
