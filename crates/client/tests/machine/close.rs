//! The close of a client.

use std::time::Duration;

use longwire_client::{
    Cause, ConnectionState, PublishError, SubscribeError,
    channel::{ClientMessage, CloseCode, Outcome, Start},
    machine::{Action, Notice, TokenSource},
};

use crate::support::*;

const LIMIT: Duration = Duration::from_secs(5);
const CLOSED: ConnectionState = ConnectionState::Closed(Cause::Closed);

#[test]
fn a_client_with_nothing_to_wait_for_closes_at_once() {
    let mut rig = Rig::open();
    rig.live(5);
    rig.machine.close(LIMIT, rig.now);
    assert_eq!(rig.actions(), [Action::Close(CloseCode(1000))]);
    assert_eq!(rig.told(), [Notice::State(CLOSED)], "of the subscription nothing is told");
    let mut rig = Rig::new(TokenSource::None);
    rig.publish("a", "1");
    rig.machine.close(LIMIT, rig.now);
    assert_eq!(rig.machine.closed(), Some(&Cause::Closed), "an idle one never connects");
}

#[test]
fn a_closing_client_takes_nothing_new_and_ends_its_subscriptions() {
    let mut rig = Rig::open();
    let (_, sub) = rig.live(5);
    rig.publish("a", "1");
    rig.machine.close(LIMIT, rig.now);
    let closed = rig.machine.publish(publish("a", "2"), None, rig.now);
    assert_eq!(closed, Err(PublishError::Closed(Cause::Closed)));
    let closed = rig.machine.subscribe(channel("a"), Start::Now, None);
    assert_eq!(closed, Err(SubscribeError::Closed(Cause::Closed)));
    rig.push(sub, message(5, 6));
    assert_eq!(rig.told(), []);
    let sent = rig.sent();
    let expected =
        matches!(sent[..], [ClientMessage::Unsubscribe { .. }, ClientMessage::Publish { .. }]);
    assert!(expected, "{sent:?}");
}

#[test]
fn pending_publications_are_answered_first_over_a_lost_connection_too() {
    let mut rig = Rig::open();
    rig.publish("a", "1");
    rig.sent();
    rig.machine.close(Duration::from_mins(1), rig.now);
    rig.reconnect();
    let (id, _) = rig.sent_publications()[0];
    rig.told();
    rig.say(published(id, 1));
    let told = rig.told();
    assert!(matches!(told[..], [Notice::Published(_, Ok(_)), Notice::State(_)]), "{told:?}");
    assert_eq!(rig.actions(), [Action::Close(CloseCode(1000))]);
}

#[test]
fn the_limit_ends_the_wait() {
    let mut rig = Rig::open();
    rig.publish("a", "1");
    rig.sent();
    rig.machine.close(LIMIT, rig.now);
    rig.rest(Duration::from_millis(4_999));
    rig.pass(Duration::from_millis(1));
    let told = rig.told();
    let [Notice::State(state), Notice::Published(_, Err(PublishError::Unknown { .. }))] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(*state, CLOSED);
}

#[test]
fn a_limit_beyond_all_time_waits_as_long_as_it_takes() {
    let mut rig = Rig::open();
    rig.publish("a", "1");
    let (id, _) = rig.sent_publications()[0];
    rig.machine.close(Duration::MAX, rig.now);
    assert_eq!((rig.results(), rig.machine.closed()), (vec![], None));
    rig.say(published(id, 1));
    assert!(matches!(rig.results()[..], [Notice::Published(_, Ok(_))]));
    assert_eq!(rig.machine.closed(), Some(&Cause::Closed));
}

#[test]
fn a_limit_of_nothing_closes_at_once() {
    let mut rig = Rig::open();
    rig.publish("a", "1");
    rig.machine.close(LIMIT, rig.now);
    rig.machine.close(Duration::ZERO, rig.now);
    let told = rig.told();
    assert!(
        told.iter().any(|it| matches!(it, Notice::Published(_, Err(PublishError::NotSent(_)))))
    );
    assert_eq!(rig.machine.closed(), Some(&Cause::Closed));
}

#[test]
fn a_stopping_server_ends_a_closing_client() {
    let mut rig = Rig::open();
    rig.subscribed(Outcome::Live, 1);
    rig.publish("a", "1");
    rig.machine.close(LIMIT, rig.now);
    rig.say(disconnect(CloseCode::BANNED, None));
    assert!(matches!(rig.machine.closed(), Some(Cause::Server(_))));
    assert_eq!(rig.results().len(), 1);
}
