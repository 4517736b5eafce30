//! Time: `connect`'s, pings, tokens that expire, pipes that stall, servers that go away.

use std::time::Duration;

use longwire_channel::{
    Capabilities, ClientMessage, CloseCode, Connect, ErrorCode, Refusal, ServerMessage, Start,
};
use longwire_hub::{Action, Denied, HubConfig, Identity, Input, Permissions, SessionId};

use crate::support::*;

fn expiring(hall: &mut Hall, token: &str, after_ms: u64, permissions: Permissions) {
    let expires_at_ms = Some(hall.clock.now().unix_ms + after_ms);
    let identity = Identity { expires_at_ms, ..Identity::nameless(permissions) };
    hall.identities.insert(token.to_owned(), Ok(identity));
}

/// Lets time pass for a client that answers pings.
fn live(hall: &mut Hall, session: SessionId, millis: u64) {
    for _ in 0..millis / 1_000 {
        hall.pass(ms(1_000));
        hall.receive(session, ClientMessage::Pong);
        hall.take_all(session);
    }
    hall.pass(ms(millis % 1_000));
}

fn refresh(hall: &mut Hall, session: SessionId, token: &str) -> Option<ServerMessage> {
    hall.receive(session, ClientMessage::Refresh { id: 8, token: token.to_owned() });
    hall.take(session)
}

#[test]
fn connect_comes_in_time() {
    let mut hall = Hall::new();
    let late = hall.open();
    hall.pass(ms(9_999));
    assert_eq!(hall.ending(late), None);
    hall.pass(ms(1));
    let ending = hall.ended_with(late);
    assert_eq!(ending.code, CloseCode::CONNECT_TIMEOUT);
    assert!(ending.reason.contains("within 10 s"), "{}", ending.reason);
}

#[test]
fn the_first_ping_comes_at_random_and_the_next_behind_the_interval() {
    let mut hall = Hall::new();
    let mut firsts = Vec::new();
    for _ in 0..20 {
        let session = hall.connect();
        let begun = hall.clock.now().instant;
        while hall.pipe(session).is_some_and(|pipe| pipe.queue.is_empty()) {
            hall.pass(ms(10));
        }
        firsts.push(hall.clock.now().instant - begun);
        assert_eq!(hall.take(session), Some(ServerMessage::Ping));
        hall.receive(session, ClientMessage::Pong);
        hall.pass(ms(24_990));
        assert_eq!(hall.take(session), None);
        hall.pass(ms(10));
        assert_eq!(hall.take(session), Some(ServerMessage::Ping));
        hall.hang_up(session);
    }
    assert!(firsts.iter().all(|first| *first <= ms(25_000)));
    let spread = firsts.iter().max().expect("some").abs_diff(*firsts.iter().min().expect("some"));
    assert!(spread > ms(10_000), "{firsts:?}");
}

#[test]
fn silence_behind_a_ping_ends_the_session_and_any_message_is_life() {
    let mut hall = Hall::new();
    let silent = hall.connect();
    let alive = hall.connect();
    for _ in 0..7 {
        hall.pass(ms(5_000));
        hall.receive(alive, ClientMessage::Unsubscribe { id: 1, sub: 1 });
    }
    let ending = hall.ended_with(silent);
    assert_eq!(ending.code, CloseCode::PONG_TIMEOUT);
    assert_eq!(hall.ending(alive), None);
}

#[test]
fn whoever_cannot_answer_is_not_pinged() {
    let mut hall = Hall::new();
    let capabilities = Capabilities::PAGES;
    let (session, _) = hall.connect_with(Connect { capabilities, ..connect() });
    let bare = hall.open_as(Identity::nameless(Permissions::all()));
    hall.pass(ms(1_000_000));
    for session in [session, bare] {
        assert_eq!(hall.take(session), None);
        assert_eq!(hall.ending(session), None);
    }
}

#[test]
fn the_shortest_pong_timeout_is_a_millisecond() {
    let mut config = HubConfig::default();
    config.pong_timeout = Duration::ZERO;
    let mut hall = Hall::with(config);
    let slow = hall.connect();
    hall.narrow(slow);
    hall.receive(slow, ClientMessage::Unsubscribe { id: 1, sub: 9 });
    let silent = hall.connect();
    hall.pass(ms(25_001));
    // The one cannot answer, and the other had its time.
    assert_eq!(hall.ending(slow), None);
    assert_eq!(hall.ended_with(silent).code, CloseCode::PONG_TIMEOUT);
}

#[test]
fn a_pipe_that_is_slow_has_its_own_time() {
    let mut hall = Hall::new();
    let session = hall.connect();
    hall.subscribe(session, 1, "a", Start::Now);
    hall.narrow(session);
    hall.publish_many("a", 1);
    hall.pass(ms(59_999));
    assert_eq!(hall.ending(session), None);
    hall.pass(ms(1));
    let ending = hall.ended_with(session);
    assert_eq!(ending.code, CloseCode::PONG_TIMEOUT);
    assert!(ending.reason.contains("took nothing for 60 s"), "{}", ending.reason);
    assert_eq!(hall.stats().congested, 0);
}

#[test]
fn a_pipe_that_drains_now_and_then_goes_on() {
    let mut hall = Hall::new();
    let session = hall.connect();
    hall.subscribe(session, 1, "a", Start::Now);
    hall.narrow(session);
    for _ in 0..10 {
        hall.publish_many("a", 1);
        hall.pass(ms(50_000));
        hall.take_all(session);
        hall.receive(session, ClientMessage::Pong);
    }
    assert_eq!(hall.ending(session), None);
}

#[test]
fn a_session_ends_a_while_behind_its_token() {
    let mut hall = Hall::new();
    expiring(&mut hall, "t", 5_000, Permissions::all());
    let session = hall.connect_as("t");
    live(&mut hall, session, 29_999);
    assert_eq!(hall.ending(session), None);
    hall.pass(ms(1));
    assert_eq!(hall.ended_with(session).code, CloseCode::TOKEN_EXPIRED);
}

#[test]
fn an_expiry_beyond_the_numbers_of_the_protocol_is_none() {
    let mut hall = Hall::new();
    for at in [1 << 53, u64::MAX] {
        let expires_at_ms = Some(at);
        let identity = Identity { expires_at_ms, ..Identity::nameless(Permissions::all()) };
        hall.identities.insert("t".into(), Ok(identity));
        let (session, connected) =
            hall.connect_with(Connect { token: Some("t".into()), ..connect() });
        assert_eq!(connected.expires_in_ms, None, "{at}");
        let answer = refresh(&mut hall, session, "t");
        let refreshed = ServerMessage::Refreshed { id: 8, expires_in_ms: None, ticket: None };
        assert_eq!(answer, Some(refreshed), "{at}");
    }
}

#[test]
fn the_bare_faces_end_behind_their_tokens_as_well() {
    let mut hall = Hall::new();
    let expires_at_ms = Some(hall.clock.now().unix_ms + 1_000);
    let identity = Identity { expires_at_ms, ..Identity::nameless(Permissions::all()) };
    let session = hall.open_as(identity);
    hall.pass(ms(26_000));
    assert_eq!(hall.ended_with(session).code, CloseCode::TOKEN_EXPIRED);
}

#[test]
fn a_refreshed_token_goes_on() {
    let mut hall = Hall::new();
    expiring(&mut hall, "t", 5_000, Permissions::all());
    let session = hall.connect_as("t");
    hall.pass(ms(4_000));
    expiring(&mut hall, "u", 60_000, Permissions::all());
    let refreshed = ServerMessage::Refreshed { id: 8, expires_in_ms: Some(60_000), ticket: None };
    assert_eq!(refresh(&mut hall, session, "u"), Some(refreshed));
    live(&mut hall, session, 84_999);
    assert_eq!(hall.ending(session), None);
    hall.pass(ms(1));
    assert_eq!(hall.ended_with(session).code, CloseCode::TOKEN_EXPIRED);
}

#[test]
fn a_refresh_that_fails_leaves_the_session_as_it_is() {
    let mut hall = Hall::new();
    expiring(&mut hall, "t", 5_000, Permissions::all());
    let session = hall.connect_as("t");
    let refusal = Refusal::new(ErrorCode::Unauthenticated, "no");
    let denied = Denied { close: CloseCode::UNAUTHENTICATED, refusal: refusal.clone() };
    hall.identities.insert("bad".to_owned(), Err(denied));
    let answer = refresh(&mut hall, session, "bad");
    assert_eq!(answer, Some(ServerMessage::Error { id: 8, refusal }));
    assert_eq!(hall.ending(session), None);
}

#[test]
fn a_token_of_another_user_does_not_refresh() {
    let mut hall = Hall::new();
    hall.introduce("ada", Some("ada"), Permissions::all());
    hall.introduce("bob", Some("bob"), Permissions::all());
    let session = hall.connect_as("ada");
    hall.receive(session, ClientMessage::Refresh { id: 8, token: "bob".to_owned() });
    let refusal = hall.error(session);
    assert_eq!(refusal.code, ErrorCode::Forbidden);
    assert!(refusal.message.contains("another user"), "{refusal}");
}

#[test]
fn subscriptions_that_a_new_token_does_not_allow_are_over() {
    let mut hall = Hall::new();
    hall.introduce("t", None, Permissions::all());
    let session = hall.connect_as("t");
    hall.subscribe(session, 1, "a", Start::Now);
    hall.subscribe(session, 2, "b", Start::Now);
    hall.introduce("u", None, permissions(&[("b", &[Action::Subscribe])]));
    assert!(matches!(refresh(&mut hall, session, "u"), Some(ServerMessage::Refreshed { .. })));
    assert_eq!(hall.pushes(session, 1), [Short::Unsubscribed(ErrorCode::Forbidden)]);
    hall.publish("b", "x");
    assert_eq!(hall.pushes(session, 2), [Short::Message(0, 0, 1)]);
}

#[test]
fn one_refresh_at_a_time() {
    let mut hall = Hall::new();
    let session = hall.connect();
    let refresh = |id| ClientMessage::Refresh { id, token: "t".to_owned() };
    // The authoriser is slow: its answer is not heard yet.
    let now = hall.clock.now();
    for id in [1, 2] {
        hall.hub.handle(Input::Received { session, message: refresh(id), bytes: 9 }, now);
    }
    hall.settle();
    assert_eq!(hall.error(session).code, ErrorCode::RateLimited);
    assert!(matches!(hall.take(session), Some(ServerMessage::Refreshed { id: 1, .. })));
}

#[test]
fn a_server_that_goes_away_spreads_its_clients() {
    let mut hall = Hall::new();
    let sessions: Vec<_> = (0..50).map(|_| hall.connect()).collect();
    hall.input(Input::Drain { window: ms(10_000) });
    let mut retries = Vec::new();
    for session in sessions {
        let ending = hall.ended_with(session);
        assert_eq!(ending.code, CloseCode::GOING_AWAY);
        retries.extend(ending.retry_after_ms);
    }
    assert_eq!(retries.len(), 50);
    assert!(retries.iter().all(|retry| *retry <= 10_000));
    assert!(retries.iter().max() > Some(&8_000) && retries.iter().min() < Some(&2_000));
    assert_eq!(hall.stats().sessions, 0);
    let late = hall.open();
    assert_eq!(hall.ended_with(late).code, CloseCode::GOING_AWAY);
}
