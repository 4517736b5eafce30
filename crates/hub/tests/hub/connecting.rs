//! `connect`, credentials, and what comes before and beside them.

use longwire_channel::{
    Capabilities, ClientMessage, CloseCode, Connect, ErrorCode, Outcome, Refusal, ServerMessage,
    Start, Token,
};
use longwire_hub::{Denied, HubConfig, Identity, Input, Permissions};

use crate::support::*;

#[test]
fn connect_is_answered_with_what_both_can_do_and_all_limits() {
    let mut hall = Hall::new();
    let identity = Identity {
        user: Some(Token::new("ada").expect("valid")),
        permissions: Permissions::all(),
        expires_at_ms: Some(hall.clock.now().unix_ms + 5_000),
        ticket: Some("resume".to_owned()),
    };
    hall.identities.insert("t".to_owned(), Ok(identity));
    let capabilities = Capabilities(1 << 9 | 0b101);
    let token = Some("t".to_owned());
    let (session, connected) = hall.connect_with(Connect { capabilities, token, ..connect() });
    assert_eq!(connected.id, ID);
    assert_eq!(connected.session, session.to_string());
    assert_eq!(connected.user.as_ref().map(Token::as_str), Some("ada"));
    assert_eq!(connected.capabilities, Capabilities(0b101));
    assert_eq!(connected.expires_in_ms, Some(5_000));
    assert_eq!(connected.ticket.as_deref(), Some("resume"));
    assert_eq!((connected.ping_interval_ms, connected.pong_timeout_ms), (25_000, 10_000));
    assert_eq!(connected.limits.max_subscriptions, 128);
    assert_eq!(connected.subscriptions, []);
}

#[test]
fn a_ticket_is_given_only_to_who_keeps_it() {
    let mut hall = Hall::new();
    hall.introduce("t", None, Permissions::all());
    let identity =
        Identity { ticket: Some("resume".to_owned()), ..Identity::nameless(Permissions::all()) };
    hall.identities.insert("t".to_owned(), Ok(identity));
    let capabilities = Capabilities::PAGES;
    let token = Some("t".to_owned());
    let (_, connected) = hall.connect_with(Connect { capabilities, token, ..connect() });
    assert_eq!(connected.ticket, None);
}

#[test]
fn subscriptions_of_connect_are_answered_in_their_order_with_it() {
    let mut hall = Hall::new();
    hall.publish_many("a", 3);
    let subscriptions = vec![
        subscribe(5, "a", Start::Beginning, None),
        subscribe(4, "b", Start::Now, None),
        subscribe(5, "b", Start::Now, None),
        subscribe(1, "a", Start::Last(1), None),
    ];
    let (session, connected) = hall.connect_with(Connect { subscriptions, ..connect() });
    let answers: Vec<_> = connected
        .subscriptions
        .iter()
        .map(|(sub, it)| (*sub, it.as_ref().map(|it| it.outcome).map_err(|it| it.code)))
        .collect();
    let expected = [
        (5, Ok(Outcome::Deltas { after: 0 })),
        (4, Ok(Outcome::Live)),
        (5, Err(ErrorCode::SubscriptionExists)),
        (1, Ok(Outcome::Snapshot { after: 2 })),
    ];
    assert_eq!(answers, expected);
    assert_eq!(short(hall.push(session, 5)), Short::Page(0, 3, false));
    assert_eq!(short(hall.push(session, 1)), Short::Page(2, 3, false));
    hall.publish("b", "x");
    assert_eq!(short(hall.push(session, 4)), Short::Message(0, 0, 1));
}

#[test]
fn whoever_is_not_let_in_is_told_why_by_the_close() {
    let mut hall = Hall::new();
    let refusal = Refusal::new(ErrorCode::Unauthenticated, "the token is not valid: take another");
    let denied = Denied { close: CloseCode::UNAUTHENTICATED, refusal };
    hall.identities.insert("bad".to_owned(), Err(denied));
    let session = hall.open();
    let token = Some("bad".to_owned());
    hall.receive(session, ClientMessage::Connect(Box::new(Connect { token, ..connect() })));
    let ending = hall.ended_with(session);
    assert_eq!(ending.code, CloseCode::UNAUTHENTICATED);
    assert_eq!(ending.reason, "the token is not valid: take another");
    assert_eq!(hall.stats().sessions, 0);
}

#[test]
fn an_expired_token_does_not_connect() {
    let mut hall = Hall::new();
    let expires_at_ms = Some(hall.clock.now().unix_ms);
    let identity = Identity { expires_at_ms, ..Identity::nameless(Permissions::all()) };
    hall.identities.insert("old".to_owned(), Ok(identity));
    let session = hall.open();
    let token = Some("old".to_owned());
    hall.receive(session, ClientMessage::Connect(Box::new(Connect { token, ..connect() })));
    assert_eq!(hall.ended_with(session).code, CloseCode::TOKEN_EXPIRED);
}

#[test]
fn another_version_is_not_spoken() {
    let mut hall = Hall::new();
    let session = hall.open();
    hall.receive(session, ClientMessage::Connect(Box::new(Connect { version: 2, ..connect() })));
    let ending = hall.ended_with(session);
    assert_eq!(ending.code, CloseCode::UNSUPPORTED);
    assert!(ending.reason.contains("use version 1"), "{}", ending.reason);
}

#[test]
fn a_message_before_connect_and_a_second_connect_are_out_of_order() {
    let mut hall = Hall::new();
    let session = hall.open();
    hall.receive(session, ClientMessage::Pong);
    assert_eq!(hall.ended_with(session).code, CloseCode::OUT_OF_ORDER);
    assert!(hall.ended_with(session).reason.contains("send connect first"));

    let session = hall.connect();
    hall.receive(session, ClientMessage::Connect(Box::new(connect())));
    assert_eq!(hall.ended_with(session).code, CloseCode::OUT_OF_ORDER);
}

#[test]
fn what_is_no_message_ends_the_session_unless_it_has_an_id() {
    let mut hall = Hall::new();
    let session = hall.connect();
    let reason = || "type is missing: name one".to_owned();
    hall.input(Input::Malformed { session, id: Some(4), reason: reason() });
    let refusal = Refusal::new(ErrorCode::BadRequest, reason());
    assert_eq!(hall.take(session), Some(ServerMessage::Error { id: 4, refusal }));
    hall.input(Input::Malformed { session, id: None, reason: reason() });
    assert_eq!(hall.ended_with(session).code, CloseCode::BAD_MESSAGE);
    assert_eq!(hall.ended_with(session).reason, reason());

    // Its `connect` is wrong.
    let session = hall.open();
    hall.input(Input::Malformed { session, id: Some(4), reason: reason() });
    assert_eq!(hall.ended_with(session).code, CloseCode::BAD_MESSAGE);

    // It is wrong behind `connect`, though before `connected`.
    hall.hold_events = true;
    let session = hall.begin_connect(vec![subscribe(1, "a", Start::Now, None)]);
    hall.input(Input::Malformed { session, id: Some(4), reason: reason() });
    assert_eq!(hall.error(session).code, ErrorCode::BadRequest);
    assert_eq!(hall.ending(session), None);
}

#[test]
fn commands_behind_connect_wait_for_it() {
    let mut hall = Hall::new();
    hall.hold_events = true;
    let session = hall.begin_connect(vec![subscribe(1, "a", Start::Now, None)]);
    hall.receive(session, ClientMessage::Unsubscribe { id: 3, sub: 1 });
    hall.receive(session, ClientMessage::Unsubscribe { id: 4, sub: 2 });
    assert_eq!(hall.take(session), None);
    hall.release(0);
    assert!(matches!(hall.take(session), Some(ServerMessage::Connected(_))));
    let unsubscribed = ServerMessage::Unsubscribed { id: 3, sub: 1 };
    assert_eq!(hall.take(session), Some(unsubscribed));
    assert_eq!(hall.error(session).code, ErrorCode::NotFound);
}

#[test]
fn more_sessions_than_may_be_are_told_to_come_back() {
    let mut config = HubConfig::default();
    config.max_sessions = 1;
    let mut hall = Hall::with(config);
    let first = hall.connect();
    let second = hall.open();
    let ending = hall.ended_with(second);
    assert_eq!(ending.code, CloseCode::OVERLOADED);
    assert!(ending.retry_after_ms.is_some_and(|retry| retry <= 30_000));
    assert_eq!(hall.stats().sessions, 1);
    hall.hang_up(first);
    hall.connect();
}

#[test]
fn what_comes_for_a_session_that_is_gone_does_nothing() {
    let mut hall = Hall::new();
    let session = hall.connect();
    hall.hang_up(session);
    for input in [
        Input::Received { session, message: ClientMessage::Pong, bytes: 1 },
        Input::Malformed { session, id: None, reason: String::new() },
        Input::Authenticated { session, outcome: Ok(Identity::nameless(Permissions::all())) },
        Input::Congested { session },
        Input::Drained { session },
        Input::Gone { session },
    ] {
        let now = hall.clock.now();
        hall.hub.handle(input, now);
        assert!(hall.hub.poll_effect().is_none());
    }
    assert_eq!((hall.stats().sessions, hall.stats().congested), (0, 0));
}
