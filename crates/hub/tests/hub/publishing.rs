//! Publications: their answers, their order, and what is refused.

use longwire_channel::{
    ClientMessage, ErrorCode, Payload, Producer, Publication, Published, ServerMessage, Start,
    Token,
};
use longwire_hub::{Access, Action, Durability, HubConfig, Namespace, Namespaces, Who, broker};

use crate::support::*;

fn token(text: &str) -> Token {
    Token::new(text).expect("valid")
}

fn keyed(key: &str) -> Publication {
    Publication { key: Some(token(key)), ..publication("x") }
}

/// The id, `seq` and duplicate of the next answer.
fn answered(hall: &mut Hall, session: longwire_hub::SessionId) -> (u64, Option<u64>, bool) {
    match hall.take(session) {
        Some(ServerMessage::Published { id, published: Published { position, duplicate } }) => {
            (id, position.map(|it| it.seq), duplicate)
        }
        other => panic!("not published: {other:?}"),
    }
}

#[test]
fn a_publication_is_answered_with_its_place() {
    let mut hall = Hall::new();
    let session = hall.connect();
    hall.receive(session, publish(3, "a", publication("x")));
    assert_eq!(answered(&mut hall, session), (3, Some(1), false));
    hall.receive(session, publish(4, "a", publication("x")));
    assert_eq!(answered(&mut hall, session), (4, Some(2), false));
    assert_eq!(hall.stats().publications, 2);
}

#[test]
fn a_publisher_that_subscribes_gets_its_own() {
    let mut hall = Hall::new();
    let session = hall.connect();
    hall.subscribe(session, 1, "a", Start::Now);
    hall.receive(session, publish(3, "a", publication("x")));
    assert_eq!(answered(&mut hall, session), (3, Some(1), false));
    assert_eq!(short(hall.push(session, 1)), Short::Message(0, 0, 1));
}

#[test]
fn a_repeated_key_is_a_duplicate_and_is_told_to_nobody() {
    let mut hall = Hall::new();
    let session = hall.connect();
    let other = hall.connect();
    hall.subscribe(other, 1, "a", Start::Now);
    hall.receive(session, publish(3, "a", keyed("k")));
    hall.receive(session, publish(4, "a", keyed("k")));
    assert_eq!(answered(&mut hall, session), (3, Some(1), false));
    assert_eq!(answered(&mut hall, session), (4, Some(1), true));
    assert_eq!(hall.pushes(other, 1), [Short::Message(0, 0, 1)]);
    assert_eq!((hall.stats().publications, hall.stats().duplicates), (1, 1));
}

#[test]
fn a_producers_faults_have_their_codes() {
    let mut hall = Hall::new();
    let session = hall.connect();
    let by = |epoch, seq| Publication {
        producer: Some(Producer { id: token("p"), epoch, seq }),
        ..publication("x")
    };
    hall.refused(session, publish(1, "a", by(1, 0)), ErrorCode::BadRequest, "begins at 1");
    hall.receive(session, publish(2, "a", by(2, 1)));
    assert_eq!(answered(&mut hall, session), (2, Some(1), false));
    hall.refused(session, publish(3, "a", by(2, 3)), ErrorCode::ProducerGap, "2 is expected");
    hall.refused(session, publish(4, "a", by(1, 1)), ErrorCode::ProducerFenced, "epoch 2");
}

#[test]
fn the_publisher_is_who_the_token_names_whatever_the_client_says() {
    let mut hall = Hall::new();
    hall.introduce("t", Some("ada"), longwire_hub::Permissions::all());
    let session = hall.connect_as("t");
    hall.subscribe(session, 1, "a", Start::Now);
    let forged = Publication { publisher: Some(token("bob")), ..publication("x") };
    hall.receive(session, publish(3, "a", forged));
    hall.take(session);
    match hall.push(session, 1) {
        longwire_channel::Pushed::Message { record, .. } => {
            assert_eq!(record.publisher, Some(token("ada")));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn content_that_is_too_large_is_refused_with_both_numbers() {
    let mut hall = Hall::new();
    let session = hall.connect();
    let of = |length| Publication::new(Payload::text("x".repeat(length)));
    hall.receive(session, publish(1, "a", of(64 << 10)));
    assert_eq!(answered(&mut hall, session), (1, Some(1), false));
    let command = publish(2, "a", of((64 << 10) + 1));
    hall.refused(session, command, ErrorCode::TooLarge, "has 65537 bytes, and a takes 65536");
}

#[test]
fn what_contradicts_itself_is_a_bad_request() {
    let mut hall = Hall::new();
    let session = hall.connect();
    let producer = Some(Producer { id: token("p"), epoch: 1, seq: 1 });
    let both = Publication { producer, ..keyed("k") };
    hall.refused(session, publish(1, "a", both), ErrorCode::BadRequest, "leave one out");
    let fleeting = Publication { ephemeral: true, ..keyed("k") };
    hall.refused(session, publish(2, "a", fleeting), ErrorCode::BadRequest, "leave out key");
}

#[test]
fn nobody_publishes_the_words_that_the_server_has_for_readers() {
    let mut hall = Hall::new();
    let session = hall.connect();
    let named = |event| Publication { event: Some(token(event)), ..publication("x") };
    let command = publish(1, "a", named("longwire.ended"));
    hall.refused(session, command, ErrorCode::BadRequest, "`longwire.`");
    hall.receive(session, publish(2, "a", named("longwired")));
    assert_eq!(answered(&mut hall, session), (2, Some(1), false));
}

#[test]
fn a_namespace_may_take_no_ephemeral_publications() {
    let mut namespace = Namespace::default();
    namespace.ephemeral = false;
    let mut hall = Hall::in_namespace(namespace);
    let session = hall.connect();
    let fleeting = Publication { ephemeral: true, ..publication("x") };
    let command = publish(2, "a", fleeting);
    hall.refused(session, command, ErrorCode::Forbidden, "publish without `ephemeral`");
}

#[test]
fn whoever_may_not_publish_is_told_what_the_token_needs() {
    let mut hall = Hall::new();
    hall.introduce("t", Some("ada"), permissions(&[("a", &[Action::Subscribe])]));
    let session = hall.connect_as("t");
    let command = publish(1, "a", publication("x"));
    hall.refused(session, command, ErrorCode::Forbidden, "\"publish\"");
}

#[test]
fn a_namespace_may_let_everybody_publish() {
    let mut namespace = Namespace::default();
    namespace.access = Access { publish: Who::Anyone, ..Access::default() };
    let mut hall = Hall::in_namespace(namespace);
    hall.introduce("t", None, longwire_hub::Permissions::none());
    let session = hall.connect_as("t");
    hall.receive(session, publish(1, "a", publication("x")));
    assert_eq!(answered(&mut hall, session), (1, Some(1), false));
}

#[test]
fn publications_of_a_session_are_answered_in_their_order() {
    let mut hall = Hall::new();
    let session = hall.connect();
    hall.hold_events = true;
    for id in 1..=3 {
        hall.receive(session, publish(id, "a", publication("x")));
    }
    let fleeting = Publication { ephemeral: true, ..keyed("k") };
    hall.receive(session, publish(4, "a", fleeting));
    // The broker answers backwards, and the fourth was refused at once.
    for _ in 0..2 {
        let last = hall.events.len() - 1;
        hall.release(last);
        assert_eq!(hall.take(session), None);
    }
    hall.release(0);
    for id in 1..=3 {
        assert_eq!(answered(&mut hall, session), (id, Some(id), false));
    }
    assert_eq!(hall.error(session).code, ErrorCode::BadRequest);
}

#[test]
fn what_goes_wrong_in_the_broker_has_its_code_and_cure() {
    for (error, code, words) in [
        (broker::Error::Full, ErrorCode::StorageFull, "free some space"),
        (broker::Error::NoRoom, ErrorCode::Unavailable, "raise the limits of memory"),
        (broker::Error::Failed("fsync".into()), ErrorCode::StorageFailed, "start the server again"),
        (broker::Error::Corrupt("x".into()), ErrorCode::Internal, "damaged at x"),
        (broker::Error::Invalid("so".into()), ErrorCode::BadRequest, "so"),
        (broker::Error::Unavailable("away".into()), ErrorCode::Unavailable, "try again"),
    ] {
        let mut hall = Hall::new();
        let session = hall.connect();
        hall.hold_events = true;
        hall.receive(session, publish(1, "a", publication("x")));
        *hall.next_result() = Err(error);
        hall.release(0);
        let refusal = hall.error(session);
        assert_eq!(refusal.code, code);
        assert!(refusal.message.contains(words), "{refusal}");
        assert_eq!(hall.stats().publications, 0);
        assert_eq!(hall.stats().refusals[code.name()], 1);
    }
}

#[test]
fn whoever_leaves_while_a_publication_is_on_its_way_is_not_answered() {
    let mut hall = Hall::new();
    let session = hall.connect();
    hall.hold_events = true;
    hall.receive(session, publish(1, "a", publication("x")));
    hall.hang_up(session);
    hall.release(0);
    assert_eq!(hall.stats().publications, 1);
}

#[test]
fn each_namespace_has_its_own_retention_and_window() {
    let mut short = Namespace::new(Durability::Memory);
    short.retention.count = 1;
    short.idempotency_window = ms(100);
    let mut config = HubConfig::default();
    config.namespaces = Namespaces::new(Namespace::default(), [("short".to_owned(), short)]);
    let mut hall = Hall::with(config);
    let session = hall.connect();
    for (name, kept, again) in [("short:a", 1, false), ("a", 2, true)] {
        hall.receive(session, publish(1, name, keyed("k")));
        hall.receive(session, publish(2, name, publication("x")));
        answered(&mut hall, session);
        answered(&mut hall, session);
        let subscribed = hall.subscribe(session, 1, name, Start::Beginning);
        let kept_now = subscribed.position.seq - (subscribed.position.seq - kept);
        assert_eq!(hall.pushes(session, 1), [Short::Page(2 - kept_now, 2, false)]);
        hall.receive(session, ClientMessage::Unsubscribe { id: 3, sub: 1 });
        hall.take(session);
        hall.pass(ms(101));
        hall.receive(session, publish(4, name, keyed("k")));
        assert_eq!(answered(&mut hall, session).2, again, "{name}");
    }
}
