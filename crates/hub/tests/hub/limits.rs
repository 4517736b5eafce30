//! What a client may make the hub hold.

use longwire_channel::{ClientMessage, CloseCode, ErrorCode, History, Order, ServerMessage, Start};
use longwire_hub::{HubConfig, Input};

use crate::support::*;

fn narrow() -> HubConfig {
    let mut config = HubConfig::default();
    config.max_pending_commands = 3;
    config.max_pending_bytes = 250;
    config
}

#[test]
fn so_many_commands_wait_and_no_more() {
    let mut hall = Hall::with(narrow());
    let session = hall.connect();
    hall.hold_events = true;
    for id in 0..4 {
        hall.receive(session, publish(id, "a", publication("x")));
    }
    let refusal = hall.error(session);
    assert_eq!(refusal.code, ErrorCode::RateLimited);
    assert!(refusal.message.contains("3 commands of 192 bytes wait"), "{refusal}");
    assert!(refusal.retry_after_ms.is_some());
    hall.release(0);
    assert!(matches!(hall.take(session), Some(ServerMessage::Published { id: 0, .. })));
    // There is room, but the one that was refused is to come first.
    hall.refused(session, publish(5, "a", publication("x")), ErrorCode::RateLimited, "behind it");
    hall.pass(ms(100));
    hall.receive(session, publish(6, "a", publication("x")));
    assert_eq!(hall.take(session), None);
}

#[test]
fn so_many_bytes_of_commands_wait_and_no_more() {
    let mut hall = Hall::with(narrow());
    let session = hall.connect();
    hall.hold_events = true;
    let large = |id| {
        let message = publish(id, "a", publication("x"));
        Input::Received { session, message, bytes: 200 }
    };
    hall.input(large(1));
    hall.input(large(2));
    assert_eq!(hall.error(session).code, ErrorCode::RateLimited);
    hall.release(0);
    hall.take(session);
    hall.pass(ms(100));
    hall.input(large(3));
    assert_eq!(hall.take(session), None);
}

#[test]
fn commands_before_connected_count_as_well() {
    let mut hall = Hall::with(narrow());
    hall.hold_events = true;
    let session = hall.begin_connect(vec![subscribe(1, "a", Start::Now, None)]);
    for id in 0..4 {
        hall.receive(session, ClientMessage::Unsubscribe { id, sub: 9 });
    }
    assert_eq!(hall.error(session).code, ErrorCode::RateLimited);
    hall.release(0);
    assert!(matches!(hall.take(session), Some(ServerMessage::Connected(_))));
    for _ in 0..3 {
        assert_eq!(hall.error(session).code, ErrorCode::NotFound);
    }
    // They hold nothing any more.
    for id in 0..3 {
        hall.receive(session, publish(id, "a", publication("x")));
    }
    assert_eq!(hall.take(session), None);
}

#[test]
fn a_publication_that_is_refused_before_connected_is_not_overtaken() {
    let mut hall = Hall::with(narrow());
    hall.hold_events = true;
    let session = hall.begin_connect(vec![subscribe(1, "a", Start::Now, None)]);
    for id in 0..4 {
        hall.receive(session, publish(id, "b", publication("x")));
    }
    assert_eq!(hall.error(session).code, ErrorCode::RateLimited);
    hall.release(0);
    assert!(matches!(hall.take(session), Some(ServerMessage::Connected(_))));
    // Those before it are on their way, and that one is to come before any other.
    assert_eq!(hall.take(session), None);
    hall.release(0);
    assert!(matches!(hall.take(session), Some(ServerMessage::Published { id: 0, .. })));
    hall.refused(session, publish(4, "b", publication("x")), ErrorCode::RateLimited, "behind it");
    hall.pass(ms(100));
    hall.receive(session, publish(3, "b", publication("x")));
    assert_eq!(hall.take(session), None);
}

#[test]
fn whoever_asks_before_connected_without_reading_is_sent_away() {
    let mut hall = Hall::with(narrow());
    hall.hold_events = true;
    let session = hall.begin_connect(vec![subscribe(1, "a", Start::Now, None)]);
    hall.narrow(session);
    for id in 0..7 {
        hall.receive(session, ClientMessage::Unsubscribe { id, sub: 9 });
    }
    // Three wait; the first refusal congested the pipe, and three more were given to it.
    assert_eq!(hall.ending(session), None);
    hall.receive(session, ClientMessage::Unsubscribe { id: 7, sub: 9 });
    assert_eq!(hall.ended_with(session).code, CloseCode::SLOW_CONSUMER);
}

#[test]
fn whoever_asks_without_reading_is_sent_away() {
    let mut hall = Hall::with(narrow());
    let session = hall.connect();
    hall.narrow(session);
    for id in 0..4 {
        hall.receive(session, ClientMessage::Unsubscribe { id, sub: 9 });
    }
    // The first answer congested the pipe; three more were given to it.
    assert_eq!(hall.ending(session), None);
    assert_eq!(hall.pipe(session).map(|pipe| pipe.queue.len()), Some(4));
    hall.receive(session, ClientMessage::Unsubscribe { id: 5, sub: 9 });
    let ending = hall.ended_with(session);
    assert_eq!(ending.code, CloseCode::SLOW_CONSUMER);
    assert!(ending.reason.contains("read what comes"), "{}", ending.reason);
}

#[test]
fn whoever_reads_may_go_on_asking() {
    let mut hall = Hall::with(narrow());
    let session = hall.connect();
    hall.narrow(session);
    for id in 0..100 {
        hall.receive(session, ClientMessage::Unsubscribe { id, sub: 9 });
        if id % 3 == 2 {
            assert_eq!(hall.take_all(session).len(), 3);
        }
    }
    assert_eq!(hall.ending(session), None);
}

#[test]
fn histories_wait_within_the_limit() {
    let mut hall = Hall::with(narrow());
    let session = hall.connect();
    hall.hold_events = true;
    let history = History {
        channel: channel("a"),
        order: Order::Forwards,
        from: None,
        since: None,
        limit: None,
    };
    for id in 0..4 {
        hall.receive(session, ClientMessage::History { id, history: history.clone() });
    }
    assert_eq!(hall.error(session).code, ErrorCode::RateLimited);
    assert_eq!(hall.events.len(), 1);
}

#[test]
fn a_congested_pipe_is_given_little_whatever_is_published() {
    let mut hall = Hall::new();
    let session = hall.connect();
    for sub in 0..20 {
        hall.subscribe(session, sub, &format!("a:{sub}"), Start::Now);
    }
    hall.set_budget(session, 4_000);
    for round in 0..2_000 {
        hall.publish(&format!("a:{}", round % 20), &"x".repeat(100));
        if round % 50 == 0 {
            hall.pass(ms(10));
        }
    }
    let held = hall.pipe(session).map_or(0, |pipe| pipe.bytes);
    assert!(held < 5_000, "{held} bytes");
}

#[test]
fn subscriptions_that_are_given_up_do_not_pile_up() {
    let mut hall = Hall::with(narrow());
    let session = hall.connect();
    hall.hold_events = true;
    for id in 0..3 {
        let subscribe = subscribe(1, &format!("a:{id}"), Start::Now, None);
        hall.receive(session, ClientMessage::Subscribe { id, subscribe });
        hall.receive(session, ClientMessage::Unsubscribe { id, sub: 1 });
        assert_eq!(hall.take_all(session).len(), 2);
    }
    let fourth = subscribe(1, "a:4", Start::Now, None);
    let command = ClientMessage::Subscribe { id: 4, subscribe: fourth };
    hall.refused(session, command.clone(), ErrorCode::RateLimited, "given up");
    hall.release(0);
    hall.receive(session, command);
    hall.release_all();
    assert!(matches!(hall.take(session), Some(ServerMessage::Subscribed { id: 4, .. })));
}

#[test]
fn a_broker_that_answers_nothing_is_not_asked_for_ever() {
    let mut config = HubConfig::default();
    config.max_pending_requests = 2;
    let mut hall = Hall::with(config);
    let sessions = [hall.connect(), hall.connect(), hall.connect()];
    hall.hold_events = true;
    for &session in &sessions {
        hall.receive(session, publish(1, "a", publication("x")));
    }
    let refusal = hall.error(sessions[2]);
    assert_eq!(refusal.code, ErrorCode::Unavailable);
    assert!(refusal.retry_after_ms.is_some());
    let asked = subscribe(1, "a", Start::Now, None);
    let refusal = hall.try_subscribe(sessions[0], asked).expect_err("too much waits");
    assert_eq!(refusal.code, ErrorCode::Unavailable);
    let refusal = hall
        .ask(longwire_hub::Operation::Info { channel: channel("a") })
        .expect_err("too much waits");
    assert_eq!(refusal.code, ErrorCode::Unavailable);
}
