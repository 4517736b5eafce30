//! The table of verdicts: what follows on a code.

use std::time::Duration;

use longwire_client::{
    Cause, ConnectionState,
    channel::{CloseCode, Connected, ServerMessage},
    machine::{Action, TokenSource, TransportEnd},
};

use crate::support::*;

/// A client that has a ticket and presents it in the attempt under way.
fn with_ticket(tokens: TokenSource) -> Rig {
    let mut rig = Rig::new(tokens);
    rig.machine.connect(rig.now);
    if rig.actions() == [Action::AskToken] {
        rig.machine.handle_token(Ok("t1".into()), rig.now);
        rig.actions();
    }
    rig.machine.handle_open();
    let id = rig.sent_connect().id;
    let connected = Connected { ticket: Some("ticket".into()), ..connected(id) };
    rig.say(ServerMessage::Connected(Box::new(connected)));
    rig.pass(Duration::from_secs(6));
    rig.lose();
    rig.pass(WINDOW);
    rig.open_transport();
    let connect = rig.sent_connect();
    assert_eq!((connect.token, connect.ticket), (None, Some("ticket".to_owned())));
    rig.told();
    rig
}

#[test]
fn codes_that_say_come_back_lead_to_backoff() {
    for code in
        [CloseCode::GOING_AWAY, CloseCode::SLOW_CONSUMER, CloseCode(1001), CloseCode(4999 - 500)]
    {
        let mut rig = Rig::open();
        rig.say(disconnect(code, None));
        assert_eq!(rig.actions(), [Action::Close(CloseCode(1000))]);
        assert_eq!(rig.states(), [waiting(Cause::Server(disconnected(code, None)), WINDOW)]);
    }
}

#[test]
fn the_close_frame_speaks_where_disconnect_does_not() {
    for (code, stops) in [(1006, false), (1012, false), (4000, false), (4500, true), (4999, true)] {
        let mut rig = Rig::open();
        let end = TransportEnd::Closed { code: CloseCode(code), reason: "words".into() };
        rig.machine.handle_closed(end, rig.now);
        assert_eq!(rig.actions(), []);
        assert_eq!(rig.machine.closed().is_some(), stops, "{code}");
    }
}

#[test]
fn retry_after_is_taken_exactly() {
    let mut rig = Rig::open();
    rig.random.store(0, std::sync::atomic::Ordering::Relaxed);
    rig.say(disconnect(CloseCode::GOING_AWAY, Some(12_345)));
    rig.rest(Duration::from_millis(12_344));
    rig.actions();
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.actions(), [Action::Open]);
}

#[test]
fn retry_after_has_a_bound() {
    let mut rig = Rig::open();
    rig.say(disconnect(CloseCode::GOING_AWAY, Some(u64::MAX)));
    let cause = Cause::Server(disconnected(CloseCode::GOING_AWAY, Some(u64::MAX)));
    assert_eq!(rig.states(), [waiting(cause, Duration::from_hours(1))]);
}

#[test]
fn codes_that_say_stay_away_close_the_client() {
    for code in [CloseCode::BAD_MESSAGE, CloseCode::UNAUTHENTICATED, CloseCode::BANNED] {
        for is_open in [false, true] {
            let mut rig = if is_open { Rig::open() } else { Rig::new(TokenSource::None) };
            if !is_open {
                rig.machine.connect(rig.now);
                rig.open_transport();
                rig.sent();
                rig.told();
            }
            rig.say(disconnect(code, Some(1)));
            assert_eq!(rig.actions(), [Action::Close(CloseCode(1000))]);
            let cause = Cause::Server(disconnected(code, Some(1)));
            assert_eq!(rig.states(), [ConnectionState::Closed(cause)]);
        }
    }
}

#[test]
fn an_expired_token_is_replaced_at_once_the_first_time() {
    let mut rig = Rig::new(TokenSource::Callback);
    rig.machine.connect(rig.now);
    for delay in [0, 1_000, 2_000] {
        assert_eq!(rig.actions(), [Action::AskToken]);
        rig.machine.handle_token(Ok("t".into()), rig.now);
        rig.open_transport();
        rig.sent_connect();
        rig.told();
        rig.say(disconnect(CloseCode::TOKEN_EXPIRED, None));
        let cause = Cause::Server(disconnected(CloseCode::TOKEN_EXPIRED, None));
        assert_eq!(rig.states(), [waiting(cause, Duration::from_millis(delay))]);
        rig.actions();
        rig.pass(Duration::from_millis(delay));
    }
}

#[test]
fn a_fixed_token_that_expired_closes_the_client() {
    let mut rig = Rig::new(TokenSource::Fixed("t".into()));
    rig.machine.connect(rig.now);
    rig.open_transport();
    assert_eq!(rig.greet().token.as_deref(), Some("t"));
    rig.say(disconnect(CloseCode::TOKEN_EXPIRED, None));
    let cause = Cause::Server(disconnected(CloseCode::TOKEN_EXPIRED, None));
    assert_eq!(rig.machine.closed(), Some(&cause));
}

#[test]
fn a_ticket_that_is_refused_makes_room_for_a_token_at_once() {
    for code in [CloseCode::UNAUTHENTICATED, CloseCode::FORBIDDEN] {
        let mut rig = with_ticket(TokenSource::Fixed("t2".into()));
        rig.say(disconnect(code, None));
        rig.actions();
        rig.pass(Duration::ZERO);
        rig.open_transport();
        let connect = rig.sent_connect();
        assert_eq!((connect.token.as_deref(), connect.ticket), (Some("t2"), None));
        rig.say(disconnect(code, None));
        assert!(rig.machine.closed().is_some(), "the token is the last word");
    }
}

#[test]
fn a_ticket_that_expired_makes_room_at_once_with_a_callback_or_without() {
    for (tokens, token) in
        [(TokenSource::Fixed("t2".into()), Some("t2")), (TokenSource::None, None)]
    {
        let mut rig = with_ticket(tokens);
        rig.say(disconnect(CloseCode::TOKEN_EXPIRED, None));
        rig.actions();
        rig.pass(Duration::ZERO);
        rig.open_transport();
        let connect = rig.sent_connect();
        assert_eq!((connect.token.as_deref(), connect.ticket), (token, None));
    }
    let mut rig = with_ticket(TokenSource::Callback);
    rig.say(disconnect(CloseCode::TOKEN_EXPIRED, None));
    rig.actions();
    rig.pass(Duration::ZERO);
    assert_eq!(rig.actions(), [Action::AskToken]);
}

#[test]
fn a_connection_that_began_with_a_ticket_and_expired_makes_room_for_a_fixed_token() {
    let mut rig = with_ticket(TokenSource::Fixed("t2".into()));
    rig.say(ServerMessage::Connected(Box::new(connected(0))));
    assert!(rig.machine.is_open());
    rig.say(disconnect(CloseCode::TOKEN_EXPIRED, None));
    rig.actions();
    rig.pass(Duration::ZERO);
    rig.open_transport();
    assert_eq!(rig.greet().token.as_deref(), Some("t2"));
    rig.say(disconnect(CloseCode::TOKEN_EXPIRED, None));
    assert!(rig.machine.closed().is_some(), "the token itself has expired");
}

#[test]
fn an_open_connection_that_is_forbidden_closes_the_client_whatever_it_began_with() {
    let mut rig = with_ticket(TokenSource::Fixed("t2".into()));
    rig.say(ServerMessage::Connected(Box::new(connected(0))));
    rig.say(disconnect(CloseCode::FORBIDDEN, None));
    assert!(rig.machine.closed().is_some());
}

#[test]
fn a_banned_ticket_closes_the_client() {
    let mut rig = with_ticket(TokenSource::Fixed("t2".into()));
    rig.say(disconnect(CloseCode::BANNED, None));
    assert!(rig.machine.closed().is_some());
}
