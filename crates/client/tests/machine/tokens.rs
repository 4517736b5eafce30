//! Tokens and tickets.

use std::time::Duration;

use longwire_client::{
    Cause, ConnectionState, TokenError,
    channel::{ClientMessage, CloseCode, Connected, ErrorCode, ServerMessage},
    machine::{Action, TokenSource},
};

use crate::support::*;

const CALLBACK: Duration = Duration::from_secs(30);

fn asking() -> Rig {
    let mut rig = Rig::new(TokenSource::Callback);
    rig.machine.connect(rig.now);
    assert_eq!(rig.actions(), [Action::AskToken]);
    rig.told();
    rig
}

/// Open, with a token that lives so long, and a ticket if wished.
fn open_for(lifetime: Duration, ticket: Option<&str>) -> Rig {
    let mut rig = asking();
    rig.machine.handle_token(Ok("t1".into()), rig.now);
    rig.open_transport();
    let connect = rig.sent_connect();
    assert_eq!(connect.token.as_deref(), Some("t1"));
    let connected = Connected {
        expires_in_ms: Some(u64::try_from(lifetime.as_millis()).expect("short")),
        ticket: ticket.map(str::to_owned),
        ping_interval_ms: 0,
        ..connected(connect.id)
    };
    rig.say(ServerMessage::Connected(Box::new(connected)));
    rig.told();
    rig
}

fn sent_refresh(rig: &mut Rig) -> (u64, String) {
    match rig.sent().as_slice() {
        [ClientMessage::Refresh { id, token }] => (*id, token.clone()),
        other => panic!("refresh is due, not {other:?}"),
    }
}

#[test]
fn an_attempt_waits_for_the_callback() {
    let mut rig = asking();
    rig.rest(just_before(CALLBACK));
    rig.machine.handle_token(Ok("t1".into()), rig.now);
    rig.open_transport();
    assert_eq!(rig.greet().token.as_deref(), Some("t1"));
}

#[test]
fn a_callback_that_fails_for_a_time_leads_to_backoff() {
    let mut rig = asking();
    rig.machine.handle_token(Err(TokenError::temporary("503")), rig.now);
    let cause = Cause::Token("503".into());
    assert_eq!(rig.states(), [waiting(cause, Duration::from_millis(500))]);
    rig.pass(Duration::from_millis(500));
    assert_eq!(rig.actions(), [Action::AskToken]);
}

#[test]
fn a_callback_that_takes_more_than_30_s_leads_to_backoff() {
    let mut rig = asking();
    rig.pass(CALLBACK);
    let states = rig.states();
    let [ConnectionState::Waiting { cause: Cause::Token(_), .. }] = &states[..] else {
        panic!("{states:?}")
    };
    rig.machine.handle_token(Ok("too late".into()), rig.now);
    assert_eq!(rig.actions(), []);
    rig.pass(Duration::from_millis(500));
    assert_eq!(rig.actions(), [Action::AskToken], "it is called anew");
}

#[test]
fn a_callback_without_a_token_closes_the_client() {
    let mut rig = asking();
    rig.machine.handle_token(Err(TokenError::none("signed out")), rig.now);
    assert_eq!(rig.states(), [ConnectionState::Closed(Cause::NoToken("signed out".into()))]);
    let mut rig = open_for(Duration::from_secs(100), None);
    rig.pass(Duration::from_secs(80));
    assert_eq!(rig.actions(), [Action::AskToken]);
    rig.machine.handle_token(Err(TokenError::none("signed out")), rig.now);
    assert_eq!(rig.actions().len(), 1, "the transport is closed");
    assert!(rig.machine.closed().is_some());
}

#[test]
fn each_attempt_asks_for_a_token_where_there_is_no_ticket() {
    let mut rig = open_for(Duration::from_hours(1), None);
    rig.lose();
    rig.pass(WINDOW);
    assert_eq!(rig.actions(), [Action::AskToken]);
}

#[test]
fn an_attempt_with_a_ticket_asks_nobody() {
    let mut rig = open_for(Duration::from_hours(1), Some("ticket"));
    rig.lose();
    rig.pass(WINDOW);
    rig.open_transport();
    let connect = rig.greet();
    assert_eq!((connect.token, connect.ticket.as_deref()), (None, Some("ticket")));
}

#[test]
fn the_token_is_refreshed_at_four_fifths_of_its_life() {
    let mut rig = open_for(Duration::from_secs(100), None);
    rig.rest(Duration::from_millis(79_999));
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.actions(), [Action::AskToken]);
    rig.machine.handle_token(Ok("t2".into()), rig.now);
    let (id, token) = sent_refresh(&mut rig);
    assert_eq!(token, "t2");
    rig.say(ServerMessage::Refreshed {
        id,
        expires_in_ms: Some(10_000),
        ticket: Some("ticket".into()),
    });
    rig.rest(Duration::from_millis(7_999));
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.actions(), [Action::AskToken]);
    rig.machine.handle_token(Err(TokenError::temporary("503")), rig.now);
    rig.lose();
    rig.told();
    rig.pass(WINDOW);
    rig.open_transport();
    assert_eq!(rig.sent_connect().ticket.as_deref(), Some("ticket"));
}

#[test]
fn a_refresh_that_fails_for_a_time_is_tried_again() {
    let mut rig = open_for(Duration::from_secs(100), None);
    rig.pass(Duration::from_secs(80));
    for millis in [500, 1_000] {
        assert_eq!(rig.actions(), [Action::AskToken]);
        rig.machine.handle_token(Err(TokenError::temporary("503")), rig.now);
        rig.rest(Duration::from_millis(millis - 1));
        rig.pass(Duration::from_millis(1));
    }
    assert_eq!(rig.actions(), [Action::AskToken]);
    rig.machine.handle_token(Ok("t2".into()), rig.now);
    let (id, _) = sent_refresh(&mut rig);
    rig.say(refused(id, ErrorCode::Unavailable));
    rig.pass(Duration::from_secs(2));
    assert_eq!(rig.actions(), [Action::AskToken]);
    rig.pass(CALLBACK + Duration::from_secs(4));
    assert_eq!(rig.actions(), [Action::AskToken], "a callback that hangs is called anew");
    assert!(rig.machine.is_open());
}

#[test]
fn a_refresh_that_is_refused_is_left_to_the_server() {
    let mut rig = open_for(Duration::from_secs(100), None);
    rig.pass(Duration::from_secs(80));
    rig.actions();
    rig.machine.handle_token(Ok("t2".into()), rig.now);
    let (id, _) = sent_refresh(&mut rig);
    rig.say(refused(id, ErrorCode::Unauthenticated));
    rig.rest(Duration::from_hours(1));
    assert!(rig.machine.is_open());
}

#[test]
fn a_fixed_token_is_never_refreshed() {
    let mut rig = Rig::new(TokenSource::Fixed("t".into()));
    rig.machine.connect(rig.now);
    rig.open_transport();
    let id = rig.sent_connect().id;
    let connected = Connected { expires_in_ms: Some(1_000), ping_interval_ms: 0, ..connected(id) };
    rig.say(ServerMessage::Connected(Box::new(connected)));
    rig.rest(Duration::from_hours(1));
}

#[test]
fn one_call_of_the_callback_serves_refresh_and_attempt() {
    let mut rig = open_for(Duration::from_secs(100), None);
    rig.pass(Duration::from_secs(80));
    assert_eq!(rig.actions(), [Action::AskToken]);
    rig.lose();
    rig.pass(WINDOW);
    assert_eq!(rig.actions(), [], "it is at work already");
    rig.machine.handle_token(Ok("t2".into()), rig.now);
    rig.open_transport();
    assert_eq!(rig.greet().token.as_deref(), Some("t2"));
}

#[test]
fn a_token_that_comes_while_the_client_waits_is_kept_for_the_attempt() {
    let mut rig = open_for(Duration::from_secs(100), None);
    rig.pass(Duration::from_secs(80));
    rig.actions();
    rig.lose();
    rig.machine.handle_token(Ok("t2".into()), rig.now);
    rig.pass(WINDOW);
    rig.open_transport();
    assert_eq!(rig.greet().token.as_deref(), Some("t2"));
}

#[test]
fn a_token_that_was_not_needed_is_not_kept_beyond_the_next_connection() {
    let mut rig = open_for(Duration::from_secs(100), Some("ticket"));
    rig.pass(Duration::from_secs(80));
    rig.actions();
    rig.lose();
    rig.machine.handle_token(Ok("t2".into()), rig.now);
    assert_eq!(rig.come_back().ticket.as_deref(), Some("ticket"));
    rig.say(disconnect(CloseCode::TOKEN_EXPIRED, None));
    rig.pass(Duration::ZERO);
    assert_eq!(rig.actions(), [Action::Close(CloseCode(1000)), Action::AskToken], "a fresh one");
}

#[test]
fn a_token_that_no_attempt_could_present_is_asked_for_anew_after_a_minute() {
    let mut rig = asking();
    rig.machine.handle_token(Ok("t1".into()), rig.now);
    assert_eq!(rig.actions(), [Action::Open]);
    rig.lose();
    rig.pass(Duration::from_millis(500));
    assert_eq!(rig.actions(), [Action::Open], "it is fresh");
    rig.lose();
    rig.now += Duration::from_mins(1);
    rig.machine.handle_timeout(rig.now);
    assert_eq!(rig.actions(), [Action::AskToken]);
}

#[test]
fn a_token_that_is_about_to_expire_whenever_it_comes_is_asked_for_every_500_ms() {
    let mut rig = open_for(Duration::ZERO, None);
    for _ in 0..3 {
        rig.rest(Duration::from_millis(499));
        rig.pass(Duration::from_millis(1));
        assert_eq!(rig.actions(), [Action::AskToken]);
        rig.machine.handle_token(Ok("t2".into()), rig.now);
        let (id, _) = sent_refresh(&mut rig);
        rig.say(ServerMessage::Refreshed { id, expires_in_ms: Some(3), ticket: None });
    }
}

#[test]
fn token_expired_to_a_command_refreshes_and_tries_again() {
    let mut rig = open_for(Duration::from_hours(1), None);
    rig.publish("a", "1");
    rig.subscribe(longwire_client::channel::Start::Now);
    let sent = rig.sent();
    let [
        ClientMessage::Subscribe { id: subscribe, .. },
        ClientMessage::Publish { id: publish, .. },
    ] = sent[..]
    else {
        panic!("{sent:?}")
    };
    rig.say(refused(subscribe, ErrorCode::TokenExpired));
    rig.say(refused(publish, ErrorCode::TokenExpired));
    rig.pass(Duration::ZERO);
    assert_eq!(rig.actions(), [Action::AskToken]);
    rig.machine.handle_token(Ok("t2".into()), rig.now);
    assert_eq!(sent_refresh(&mut rig).1, "t2");
    rig.pass(Duration::from_millis(500));
    assert_eq!(rig.sent().len(), 2);
    assert_eq!(rig.results(), []);
}
