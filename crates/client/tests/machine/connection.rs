//! The table of the connection, backoff and liveness.

use std::time::Duration;

use longwire_client::{
    Cause, ConnectionState, Session, TokenError,
    channel::{Capabilities, ClientMessage, CloseCode, Epoch, HistoryPage, ServerMessage},
    machine::{Action, TokenSource, TransportEnd},
};

use crate::support::*;

const ATTEMPT: Duration = Duration::from_secs(20);

fn begun() -> Rig {
    let mut rig = Rig::new(TokenSource::None);
    rig.machine.connect(rig.now);
    rig
}

fn greeting() -> Rig {
    let mut rig = begun();
    rig.open_transport();
    rig.told();
    rig
}

fn cut() -> Cause {
    Cause::Transport("cut".into())
}

#[test]
fn an_idle_client_does_nothing_until_it_is_told_to_connect() {
    let mut rig = Rig::new(TokenSource::None);
    rig.publish("a", "1");
    rig.rest(Duration::from_hours(1));
    assert_eq!((rig.actions(), rig.sent(), rig.told()), (vec![], vec![], vec![]));
    rig.machine.connect(rig.now);
    assert_eq!(rig.actions(), [Action::Open]);
    assert_eq!(rig.states(), [ConnectionState::Connecting]);
    rig.machine.connect(rig.now);
    assert_eq!(rig.actions(), []);
}

#[test]
fn an_open_transport_is_greeted_with_connect() {
    let mut rig = begun();
    assert_eq!(rig.sent(), []);
    rig.open_transport();
    let connect = rig.sent_connect();
    assert_eq!((connect.version, connect.capabilities), (1, Capabilities::ALL));
    assert_eq!((connect.token, connect.ticket), (None, None));
    assert!(connect.client.expect("software").starts_with("longwire-rust/"));
    assert_eq!(rig.sent(), []);
}

#[test]
fn a_transport_that_cannot_open_leads_to_backoff() {
    let mut rig = begun();
    rig.told();
    rig.lose();
    assert_eq!(rig.states(), [waiting(cut(), Duration::from_millis(500))]);
    rig.rest(Duration::from_millis(499));
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.states(), [ConnectionState::Connecting]);
}

#[test]
fn a_wrong_request_closes_the_client() {
    let mut rig = begun();
    rig.machine.handle_closed(TransportEnd::Impossible("no URL".into()), rig.now);
    let cause = Cause::Request("no URL".into());
    assert_eq!(rig.machine.closed(), Some(&cause));
    assert_eq!(rig.states().last(), Some(&ConnectionState::Closed(cause)));
    assert_eq!(rig.machine.poll_timeout(), None);
}

#[test]
fn connected_opens_and_what_waited_is_sent() {
    let mut rig = begun();
    rig.publish("a", "1");
    rig.open_transport();
    let connect = rig.sent_connect();
    assert_eq!(rig.sent(), []);
    rig.say(ServerMessage::Connected(Box::new(connected(connect.id))));
    let session = Session { id: "s".into(), user: None };
    assert_eq!(rig.states().last(), Some(&ConnectionState::Open(session)));
    assert_eq!(rig.sent_publications().len(), 1);
}

#[test]
fn an_attempt_without_connected_ends_after_20_s() {
    for opens in [false, true] {
        let mut rig = begun();
        if opens {
            rig.open_transport();
            rig.sent();
        }
        rig.actions();
        rig.told();
        rig.rest(just_before(ATTEMPT));
        rig.pass(Duration::from_millis(1));
        assert_eq!(rig.actions(), [Action::Close(CloseCode(1000))]);
        assert_eq!(rig.states(), [waiting(Cause::NoAnswer(ATTEMPT), Duration::from_millis(500))]);
    }
}

#[test]
fn other_messages_before_connected_are_ignored() {
    let mut rig = greeting();
    let connect = rig.sent_connect();
    rig.say(ServerMessage::Ping);
    rig.say(published(connect.id, 1));
    rig.push(0, message(0, 1));
    assert_eq!((rig.sent(), rig.told()), (vec![], vec![]));
    rig.say(ServerMessage::Connected(Box::new(connected(connect.id))));
    assert!(rig.machine.is_open());
}

#[test]
fn a_transport_that_ends_without_a_word_leads_to_backoff() {
    let mut rig = greeting();
    rig.lose();
    assert_eq!(rig.states(), [waiting(cut(), Duration::from_millis(500))]);
    assert_eq!(rig.sent(), []);
    let mut rig = Rig::open();
    rig.lose();
    assert_eq!(rig.states(), [waiting(cut(), WINDOW)]);
}

#[test]
fn a_frame_that_cannot_be_read_closes_the_transport_with_1002() {
    for mut rig in [greeting(), Rig::open()] {
        rig.machine.handle_unreadable("no JSON".into(), rig.now);
        assert_eq!(rig.actions(), [Action::Close(CloseCode(1002))]);
        let states = rig.states();
        let [ConnectionState::Waiting { cause, .. }] = &states[..] else { panic!("{states:?}") };
        assert_eq!(*cause, Cause::Unreadable("no JSON".into()));
    }
}

#[test]
fn ping_is_answered_before_anything_else() {
    let mut rig = Rig::open();
    rig.publish("a", "1");
    rig.say(ServerMessage::Ping);
    rig.say(ServerMessage::Ping);
    let sent = rig.sent();
    assert!(matches!(&sent[..], [ClientMessage::Pong, ClientMessage::Publish { .. }]), "{sent:?}");
}

#[test]
fn connected_again_and_unknown_answers_are_ignored() {
    let mut rig = Rig::open();
    rig.say(ServerMessage::Connected(Box::new(connected(77))));
    rig.say(published(77, 1));
    rig.say(refused(77, longwire_client::channel::ErrorCode::Forbidden));
    rig.say(ServerMessage::Unsubscribed { id: 77, sub: 7 });
    let page = HistoryPage {
        epoch: Epoch::from_random(1),
        first: 1,
        last: 0,
        records: vec![],
        more: false,
    };
    rig.say(ServerMessage::History { id: 77, page });
    rig.say(ServerMessage::Refreshed { id: 77, expires_in_ms: Some(10), ticket: None });
    rig.push(7, message(0, 1));
    assert_eq!((rig.actions(), rig.sent(), rig.told()), (vec![], vec![], vec![]));
    assert!(rig.machine.is_open());
    assert_eq!(rig.machine.stats(), longwire_client::Stats::default());
}

#[test]
fn disconnect_drops_the_transport_and_comes_back() {
    for mut rig in [begun(), greeting(), Rig::open()] {
        rig.actions();
        rig.told();
        rig.machine.disconnect(rig.now);
        assert_eq!(rig.actions(), [Action::Close(CloseCode(1000))]);
        let states = rig.states();
        let [ConnectionState::Waiting { cause: Cause::Dropped, .. }] = &states[..] else {
            panic!("{states:?}")
        };
        rig.come_back();
        assert!(rig.machine.is_open());
    }
}

#[test]
fn waking_ends_the_wait_for_the_next_attempt() {
    let mut rig = begun();
    rig.actions();
    rig.lose();
    rig.told();
    rig.machine.wake(Duration::ZERO, rig.now);
    assert_eq!(rig.actions(), [Action::Open]);
    assert_eq!(rig.states(), [ConnectionState::Connecting]);
}

#[test]
fn what_happens_to_a_closed_client_changes_nothing() {
    let mut rig = Rig::open();
    rig.say(disconnect(CloseCode::BANNED, None));
    rig.actions();
    rig.told();
    rig.machine.connect(rig.now);
    rig.machine.wake(Duration::ZERO, rig.now);
    rig.machine.disconnect(rig.now);
    rig.machine.close(Duration::ZERO, rig.now);
    rig.machine.handle_open();
    rig.lose();
    rig.machine.handle_unreadable("x".into(), rig.now);
    rig.machine.handle_token(Err(TokenError::none("x")), rig.now);
    rig.say(ServerMessage::Ping);
    rig.pass(Duration::from_hours(1));
    assert_eq!((rig.actions(), rig.sent(), rig.told()), (vec![], vec![], vec![]));
}

#[test]
fn backoff_doubles_up_to_20_s() {
    let mut rig = begun();
    for millis in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000] {
        rig.actions();
        rig.told();
        rig.lose();
        assert_eq!(rig.states(), [waiting(cut(), Duration::from_millis(millis))]);
        rig.pass(Duration::from_millis(millis));
    }
}

#[test]
fn five_seconds_open_make_the_next_end_the_first() {
    let mut rig = Rig::open();
    rig.lose();
    rig.come_back();
    rig.told();
    rig.rest(Duration::from_millis(4_999));
    rig.lose();
    assert_eq!(rig.states(), [waiting(cut(), Duration::from_secs(1))], "not stable yet");
    rig.come_back();
    rig.told();
    rig.rest(Duration::from_secs(5));
    rig.lose();
    assert_eq!(rig.states(), [waiting(cut(), WINDOW)]);
}

#[test]
fn silence_beyond_interval_and_timeout_is_death() {
    let patience = PING_INTERVAL + PONG_TIMEOUT;
    let mut rig = Rig::open();
    rig.rest(just_before(patience));
    rig.say(ServerMessage::Ping);
    rig.rest(just_before(patience));
    rig.machine.handle_traffic(rig.now);
    rig.rest(just_before(patience));
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.actions(), [Action::Close(CloseCode(1000))]);
    assert_eq!(rig.states(), [waiting(Cause::Silence(patience), WINDOW)]);
}

#[test]
fn a_server_that_does_not_ping_may_be_silent() {
    let mut rig = begun();
    rig.open_transport();
    let id = rig.sent_connect().id;
    let connected = longwire_client::channel::Connected { ping_interval_ms: 0, ..connected(id) };
    rig.say(ServerMessage::Connected(Box::new(connected)));
    rig.rest(Duration::from_hours(24));
    assert!(rig.machine.is_open());
}

#[test]
fn waking_after_a_long_sleep_finds_the_connection_dead_at_once() {
    let mut rig = Rig::open();
    rig.rest(Duration::from_secs(5));
    rig.machine.wake(Duration::from_secs(29), rig.now);
    assert!(rig.machine.is_open());
    rig.machine.wake(Duration::from_secs(30), rig.now);
    assert_eq!(rig.states(), [waiting(Cause::Silence(PING_INTERVAL + PONG_TIMEOUT), WINDOW)]);
}

#[test]
fn being_open_again_is_counted() {
    let mut rig = Rig::open();
    assert_eq!(rig.machine.stats().reconnects, 0);
    rig.reconnect();
    rig.reconnect();
    assert_eq!(rig.machine.stats().reconnects, 2);
}
