//! Publications that come faster than their rate: they are slowed down, and keep their order.

use longwire_channel::{CloseCode, ErrorCode, Refusal, ServerMessage, Start};
use longwire_hub::{
    Access, HubConfig, Identity, Input, Namespace, Namespaces, Operation, Permissions, SessionId,
    simulation::Contents,
};

use crate::support::*;

fn rated(rate: u32) -> HubConfig {
    let mut config = HubConfig::default();
    config.publish_rate = rate;
    config
}

/// Sends publications with these ids, each to "a" and with its id as its content.
fn publish_all(hall: &mut Hall, session: SessionId, ids: std::ops::Range<u64>) {
    for id in ids {
        hall.receive(session, publish(id, "a", publication(&id.to_string())));
    }
}

/// The ids of the publications that were answered with a place by now.
fn published(hall: &mut Hall, session: SessionId) -> Vec<u64> {
    let ids = hall.take_all(session).into_iter().map(|message| match message {
        ServerMessage::Published { id, .. } => id,
        other => panic!("not published: {other:?}"),
    });
    ids.collect()
}

/// The id and the refusal of the next answer.
fn refusal(hall: &mut Hall, session: SessionId) -> (u64, Refusal) {
    match hall.take(session) {
        Some(ServerMessage::Error { id, refusal }) => (id, refusal),
        other => panic!("no error, but {other:?}"),
    }
}

/// What lies in a channel, in its order.
fn contents(hall: &mut Hall, name: &str) -> Vec<String> {
    let reader = hall.connect();
    hall.subscribe(reader, 1, name, Start::Beginning);
    let pages = hall.take_all(reader).into_iter().flat_map(|message| match message {
        ServerMessage::Push(longwire_channel::Push {
            pushed: longwire_channel::Pushed::Page { records, .. },
            ..
        }) => records.iter().map(|it| text(it)).collect::<Vec<_>>(),
        other => panic!("no page, but {other:?}"),
    });
    pages.collect()
}

fn texts(ids: impl IntoIterator<Item = u64>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

#[test]
fn what_comes_over_the_rate_is_published_in_its_order_as_the_rate_allows() {
    let mut hall = Hall::with(rated(5));
    let session = hall.connect();
    publish_all(&mut hall, session, 0..14);
    assert_eq!(published(&mut hall, session), (0..10).collect::<Vec<_>>());
    hall.pass(ms(199));
    assert_eq!(hall.take(session), None);
    hall.pass(ms(1));
    assert_eq!(published(&mut hall, session), [10]);
    // What comes meanwhile waits behind those that wait.
    publish_all(&mut hall, session, 14..16);
    hall.pass(ms(1_000));
    assert_eq!(published(&mut hall, session), [11, 12, 13, 14, 15]);
    assert_eq!(contents(&mut hall, "a"), texts(0..16));
    assert_eq!(hall.stats().held, 6);
    assert_eq!(hall.stats().refusals.len(), 0);
}

#[test]
fn twenty_thousand_with_256_in_flight_need_no_refusal() {
    let mut hall = Hall::with(rated(1_000));
    let session = hall.connect();
    let (mut sent, mut done) = (0, 0);
    let mut waits = 0;
    while done < 20_000 {
        let next = 20_000.min(done + 256);
        publish_all(&mut hall, session, sent..next);
        sent = next;
        let ids = published(&mut hall, session);
        assert_eq!(ids, (done..done + ids.len() as u64).collect::<Vec<_>>());
        done += ids.len() as u64;
        if ids.is_empty() {
            waits += 1;
            let due = hall.due().expect("the rest is due");
            let now = hall.clock.now().instant;
            hall.pass(due - now);
        }
    }
    // 18,000 of them at 1,000 a second, and in batches.
    assert!((1_000..2_500).contains(&waits), "{waits} waits");
    assert_eq!(hall.position("a").seq, 20_000);
}

#[test]
fn a_namespace_has_a_rate_of_its_own_and_holds_what_comes_behind() {
    let mut slow = Namespace::default();
    slow.publish_rate = Some(1);
    let mut config = HubConfig::default();
    config.namespaces = Namespaces::new(Namespace::default(), [("slow".to_owned(), slow)]);
    let mut hall = Hall::with(config);
    let session = hall.connect();
    for id in 0..3 {
        hall.receive(session, publish(id, &format!("slow:{id}"), publication("x")));
    }
    hall.receive(session, publish(3, "a", publication("x")));
    assert_eq!(published(&mut hall, session), [0, 1]);
    hall.pass(ms(999));
    assert_eq!(hall.take(session), None);
    let other = hall.connect();
    hall.receive(other, publish(9, "slow:9", publication("x")));
    assert_eq!(published(&mut hall, other), [9]);
    hall.pass(ms(1));
    assert_eq!(published(&mut hall, session), [2, 3]);
}

#[test]
fn beyond_the_bound_it_is_refused_with_all_behind_it_until_half_is_free() {
    let mut config = rated(10);
    config.max_held_publications = 4;
    let mut hall = Hall::with(config);
    let session = hall.connect();
    publish_all(&mut hall, session, 0..24);
    assert_eq!(published(&mut hall, session).len(), 20);
    publish_all(&mut hall, session, 24..26);
    let (id, refused) = refusal(&mut hall, session);
    assert_eq!((id, refused.code), (24, ErrorCode::RateLimited));
    assert!(refused.message.contains("4 of 256 bytes wait"), "{refused}");
    let wait = refused.retry_after_ms.expect("it says when");
    assert!((200..250).contains(&wait), "{wait}");
    assert_eq!(refusal(&mut hall, session).1.retry_after_ms, Some(wait));
    // There is room, but not for one that came behind those that were refused.
    hall.pass(ms(wait - 1));
    assert_eq!(published(&mut hall, session), [20, 21]);
    hall.receive(session, publish(26, "a", publication("26")));
    let (id, refused) = refusal(&mut hall, session);
    assert_eq!((id, refused.retry_after_ms), (26, Some(1)));
    assert!(refused.message.contains("behind it"), "{refused}");
    hall.pass(ms(1));
    publish_all(&mut hall, session, 24..26);
    publish_all(&mut hall, session, 26..27);
    assert_eq!(refusal(&mut hall, session).0, 26);
    hall.pass(ms(10_000));
    assert_eq!(published(&mut hall, session), [22, 23, 24, 25]);
    assert_eq!(contents(&mut hall, "a"), texts(0..26));
}

#[test]
fn what_is_held_has_so_many_bytes_of_which_one_may_have_more() {
    let mut config = rated(1);
    config.max_held_bytes = 300;
    let mut hall = Hall::with(config);
    let session = hall.connect();
    publish_all(&mut hall, session, 0..2);
    let large = |id, bytes| {
        let message = publish(id, "a", publication("x"));
        Input::Received { session, message, bytes }
    };
    hall.input(large(2, 1_000));
    assert_eq!(published(&mut hall, session), [0, 1]);
    hall.input(large(3, 1));
    assert_eq!(refusal(&mut hall, session).0, 3);
    hall.pass(ms(1_100));
    assert_eq!(published(&mut hall, session), [2]);
    for id in 4..7 {
        hall.input(large(id, 100));
    }
    hall.input(large(7, 1));
    let (id, refused) = refusal(&mut hall, session);
    assert_eq!(id, 7);
    assert!(refused.message.contains("3 of 300 bytes wait"), "{refused}");
    hall.pass(ms(3_000));
    assert_eq!(published(&mut hall, session), [4, 5, 6]);
}

#[test]
fn an_answer_that_is_known_waits_for_those_before_it() {
    let mut hall = Hall::with(rated(1));
    let session = hall.connect();
    publish_all(&mut hall, session, 0..3);
    hall.receive(session, publish(3, "a", publication(&"x".repeat(100_000))));
    assert_eq!(published(&mut hall, session), [0, 1]);
    hall.pass(ms(1_000));
    assert!(matches!(hall.take(session), Some(ServerMessage::Published { id: 2, .. })));
    let (id, refused) = refusal(&mut hall, session);
    assert_eq!((id, refused.code), (3, ErrorCode::TooLarge));
}

#[test]
fn what_is_held_is_refused_when_the_server_goes_away() {
    let mut hall = Hall::with(rated(1));
    let session = hall.connect();
    publish_all(&mut hall, session, 0..4);
    assert_eq!(published(&mut hall, session), [0, 1]);
    hall.input(Input::Drain { window: ms(0) });
    for expected in [2, 3] {
        let (id, refused) = refusal(&mut hall, session);
        assert_eq!((id, refused.code), (expected, ErrorCode::Unavailable));
    }
    assert_eq!(hall.ended_with(session).code, CloseCode::GOING_AWAY);
    hall.pass(ms(10_000));
    assert_eq!(hall.position("a").seq, 2);
    assert_eq!(hall.hub.contents(), Contents::default());
}

#[test]
fn what_is_held_goes_with_its_session() {
    let mut hall = Hall::with(rated(1));
    let session = hall.connect();
    publish_all(&mut hall, session, 0..4);
    hall.hang_up(session);
    assert_eq!(hall.hub.contents(), Contents::default());
    hall.pass(ms(10_000));
    assert_eq!(contents(&mut hall, "a"), texts(0..2));
}

#[test]
fn what_is_held_waits_while_the_broker_has_too_much_to_do() {
    let mut config = rated(10);
    config.max_pending_requests = 1;
    let mut hall = Hall::with(config);
    let session = hall.connect();
    publish_all(&mut hall, session, 0..22);
    assert_eq!(published(&mut hall, session).len(), 20);
    hall.hold_events = true;
    hall.pass(ms(1_000));
    assert_eq!(hall.events.len(), 1);
    hall.release(0);
    hall.pass(ms(100));
    hall.release(0);
    assert_eq!(published(&mut hall, session), [20, 21]);
}

#[test]
fn a_rate_of_nothing_holds_what_comes_and_says_when_to_ask_again() {
    let mut config = rated(0);
    config.max_held_publications = 1;
    let mut hall = Hall::with(config);
    let session = hall.connect();
    publish_all(&mut hall, session, 0..3);
    assert!(matches!(hall.take(session), Some(ServerMessage::Published { id: 0, .. })));
    assert_eq!(refusal(&mut hall, session).1.retry_after_ms, Some(60_000));
    hall.pass(ms(5_000));
    assert_eq!(hall.position("a").seq, 1);
}

#[test]
fn another_rate_holds_for_what_waits() {
    let mut hall = Hall::with(rated(1));
    let session = hall.connect();
    publish_all(&mut hall, session, 0..100);
    assert_eq!(published(&mut hall, session).len(), 2);
    hall.hub.reconfigure(rated(1_000));
    hall.pass(ms(1_000));
    assert_eq!(published(&mut hall, session), (2..100).collect::<Vec<_>>());
}

#[test]
fn requests_of_the_api_are_not_held() {
    let mut config = rated(1);
    let mut namespace = Namespace::default();
    namespace.publish_rate = Some(1);
    namespace.access = Access::OPEN;
    config.namespaces = Namespaces::new(namespace, []);
    let mut hall = Hall::with(config);
    for _ in 0..10 {
        let operation = Operation::Publish { channel: channel("a"), publication: publication("x") };
        hall.request(Identity::nameless(Permissions::none()), operation);
    }
    assert_eq!(hall.answers.len(), 10);
    assert!(hall.answers.iter().all(|(_, outcome)| outcome.is_ok()));
}
