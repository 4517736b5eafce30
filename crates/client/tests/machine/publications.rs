//! The table of publications, and history.

use std::time::Duration;

use longwire_client::{
    HistoryError, PublishError, Unanswered,
    channel::{
        ClientMessage, CloseCode, Epoch, ErrorCode, History, HistoryPage, Order, Payload,
        Publication, Publish, Published, Refusal, ServerMessage, Token,
    },
    machine::{Notice, RequestId, TokenSource},
};

use crate::support::*;

fn texts(sent: &[(u64, Publish)]) -> Vec<&str> {
    let text = |publish: &Publish| match &publish.publication.payload {
        Payload::Text(text) => std::str::from_utf8(text).expect("text").to_owned(),
        other => panic!("{other:?}"),
    };
    sent.iter().map(|(_, publish)| &*text(publish).leak()).collect()
}

fn ephemeral(text: &str) -> Publish {
    let publication = Publication { ephemeral: true, ..Publication::new(Payload::text(text)) };
    Publish { channel: channel("a"), publication }
}

fn not_sent(notice: &Notice) -> bool {
    matches!(notice, Notice::Published(_, Err(PublishError::NotSent(_))))
}

fn unknown(notice: &Notice) -> bool {
    matches!(notice, Notice::Published(_, Err(PublishError::Unknown { .. })))
}

#[test]
fn each_publication_has_an_operation_id_of_its_own() {
    let mut rig = Rig::open();
    rig.publish("a", "1");
    rig.publish("a", "2");
    let keyed =
        Publication { key: Token::new("mine").ok(), ..Publication::new(Payload::text("3")) };
    let keyed = Publish { channel: channel("a"), publication: keyed };
    rig.machine.publish(keyed, None, rig.now).expect("room");
    rig.machine.publish(ephemeral("4"), None, rig.now).expect("room");
    let sent = rig.sent_publications();
    let keys: Vec<_> = sent.iter().map(|(_, publish)| publish.key().map(Token::as_str)).collect();
    let producer = "f".repeat(32);
    let [first, second] = [0, 1].map(|count| format!("{producer}:{count}"));
    assert_eq!(keys, [Some(&*first), Some(&*second), Some("mine"), None]);
}

#[test]
fn the_queue_holds_1000() {
    let mut rig = Rig::new(TokenSource::None);
    for _ in 0..1_000 {
        rig.publish("a", "1");
    }
    let refused = rig.machine.publish(publish("a", "1"), None, rig.now);
    assert_eq!(refused, Err(PublishError::QueueFull));
    assert_eq!(rig.machine.stats().pending, 1_000);
}

#[test]
fn the_queue_holds_1_mib_and_a_larger_one_alone() {
    let mut rig = Rig::new(TokenSource::None);
    let half = "x".repeat(1 << 19);
    rig.publish("a", &half);
    rig.publish("a", &half);
    let refused = rig.machine.publish(publish("a", "1"), None, rig.now);
    assert_eq!(refused, Err(PublishError::QueueFull));
    let mut rig = Rig::new(TokenSource::None);
    rig.publish("a", &"x".repeat(2 << 20));
}

#[test]
fn a_queued_publication_is_sent_in_its_turn() {
    let mut rig = Rig::open();
    for text in ["1", "2", "3"] {
        rig.publish("a", text);
    }
    assert_eq!(texts(&rig.sent_publications()), ["1", "2", "3"]);
}

#[test]
fn at_most_256_are_in_flight() {
    let mut rig = Rig::open();
    for _ in 0..300 {
        rig.publish("a", "1");
    }
    let sent = rig.sent_publications();
    assert_eq!(sent.len(), 256);
    rig.say(published(sent[0].0, 1));
    assert_eq!(rig.sent_publications().len(), 1);
}

#[test]
fn one_that_is_too_large_when_encoded_is_refused() {
    let mut rig = Rig::open();
    let it = rig.publish("a", "1");
    let sent = rig.sent();
    assert_eq!(rig.machine.max_message_bytes(), Some(65_536));
    rig.machine.handle_oversized(&sent[0], 70_000);
    let error = PublishError::TooLarge { size: 70_000, limit: 65_536 };
    assert_eq!(rig.results(), [Notice::Published(it, Err(error))]);
    rig.reconnect();
    assert_eq!(rig.sent(), []);
}

#[test]
fn published_ends_it_with_its_position() {
    let mut rig = Rig::open();
    let it = rig.publish("a", "1");
    let (id, _) = rig.sent_publications()[0];
    rig.say(published(id, 9));
    rig.say(published(id, 9));
    let published = Published { position: Some(at(9)), duplicate: false };
    assert_eq!(rig.results(), [Notice::Published(it, Ok(published))]);
    assert_eq!(rig.machine.stats().published, 1);
    assert_eq!(rig.machine.stats().pending, 0);
}

#[test]
fn a_temporary_error_is_tried_again_after_its_time() {
    let mut rig = Rig::open();
    rig.publish("a", "1");
    let (id, first) = rig.sent_publications().remove(0);
    rig.say(refused_for(id, ErrorCode::RateLimited, 1_500));
    rig.rest(Duration::from_millis(1_499));
    assert_eq!(rig.sent(), []);
    rig.pass(Duration::from_millis(1));
    let (id, again) = rig.sent_publications().remove(0);
    assert_eq!(again, first, "with the same key");
    rig.say(refused(id, ErrorCode::StorageFull));
    rig.rest(Duration::from_millis(999));
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.sent_publications().len(), 1);
    assert_eq!(rig.results(), []);
}

#[test]
fn one_that_waits_holds_those_behind_it_in_its_channel() {
    let mut rig = Rig::open();
    rig.publish("a", "1");
    rig.publish("a", "2");
    let sent = rig.sent_publications();
    rig.say(refused_for(sent[0].0, ErrorCode::RateLimited, 1_000));
    rig.say(refused_for(sent[1].0, ErrorCode::RateLimited, 500));
    rig.publish("a", "3");
    rig.publish("b", "4");
    assert_eq!(texts(&rig.sent_publications()), ["4"], "another channel goes on");
    rig.pass(Duration::from_millis(999));
    assert_eq!(rig.sent(), []);
    rig.pass(Duration::from_millis(1));
    assert_eq!(texts(&rig.sent_publications()), ["1", "2", "3"]);
}

#[test]
fn another_error_ends_it() {
    let mut rig = Rig::open();
    let it = rig.publish("a", "1");
    let (id, sent) = rig.sent_publications().remove(0);
    rig.say(refused(id, ErrorCode::StreamEnded));
    let refusal = Refusal::new(ErrorCode::StreamEnded, "words");
    let error = PublishError::Refused { refusal, key: sent.key().cloned() };
    assert_eq!(error.to_string(), "the server refused the publication: stream_ended: words");
    assert_eq!(rig.results(), [Notice::Published(it, Err(error))]);
}

#[test]
fn storage_failed_says_that_it_may_be_stored_and_how_to_repeat_it() {
    let mut rig = Rig::open();
    rig.publish("a", "1");
    let (id, sent) = rig.sent_publications().remove(0);
    rig.say(refused(id, ErrorCode::StorageFailed));
    let results = rig.results();
    let [Notice::Published(_, Err(error))] = &results[..] else { panic!("{results:?}") };
    let key = sent.key().expect("its own");
    let cure = format!("publish it again with the key \"{key}\", and it is stored once");
    let words = format!(
        "the server refused the publication: storage_failed: words; it may be stored all the same: {cure}"
    );
    assert_eq!(error.to_string(), words);
}

#[test]
fn an_unknown_outcome_has_the_key_to_repeat_it_with() {
    let mut rig = Rig::open();
    rig.publish("a", "1");
    let (_, sent) = rig.sent_publications().remove(0);
    rig.machine.close(Duration::ZERO, rig.now);
    let results = rig.results();
    let [Notice::Published(_, Err(error))] = &results[..] else { panic!("{results:?}") };
    let PublishError::Unknown { key: Some(key), .. } = error else { panic!("{error:?}") };
    assert_eq!(Some(key), sent.key());
    assert!(error.to_string().contains(key.as_str()), "{error}");
}

#[test]
fn a_lost_connection_sends_what_was_not_answered_again_in_order() {
    let mut rig = Rig::open();
    for text in ["1", "2", "3"] {
        rig.publish("a", text);
    }
    let first = rig.sent_publications();
    rig.say(published(first[1].0, 1));
    rig.publish("a", "4");
    rig.reconnect();
    let again = rig.sent_publications();
    assert_eq!(texts(&again), ["1", "3", "4"]);
    assert_eq!(again[0].1, first[0].1, "with the same key");
    rig.say(published(first[0].0, 1));
    assert_eq!(rig.results().len(), 1, "the old command has no answer any more");
}

#[test]
fn an_ephemeral_one_is_sent_once_at_most() {
    let mut rig = Rig::new(TokenSource::None);
    let it = rig.machine.publish(ephemeral("1"), None, rig.now).expect("room");
    rig.machine.connect(rig.now);
    rig.open_transport();
    rig.greet();
    assert_eq!(rig.sent_publications().len(), 1);
    rig.reconnect();
    assert_eq!(rig.sent(), []);
    let lost = PublishError::Unknown { why: Unanswered::Lost, key: None };
    assert_eq!(rig.results(), [Notice::Published(it, Err(lost))]);
}

#[test]
fn too_large_for_the_next_server_and_perhaps_stored_by_the_one_before_is_unknown() {
    let mut rig = Rig::open();
    rig.publish("a", "1");
    rig.sent();
    rig.reconnect();
    let sent = rig.sent();
    rig.machine.handle_oversized(&sent[0], 70_000);
    let results = rig.results();
    assert!(results.len() == 1 && unknown(&results[0]), "{results:?}");
}

#[test]
fn a_timeout_before_it_was_sent_is_certain() {
    let mut rig = Rig::new(TokenSource::None);
    let timeout = Duration::from_secs(2);
    let it = rig.machine.publish(publish("a", "1"), Some(timeout), rig.now).expect("room");
    rig.rest(Duration::from_millis(1_999));
    rig.pass(Duration::from_millis(1));
    let error = PublishError::NotSent(Unanswered::TimedOut(timeout));
    assert_eq!(rig.results(), [Notice::Published(it, Err(error))]);
}

#[test]
fn a_timeout_of_one_that_was_refused_each_time_is_certain() {
    let mut rig = Rig::open();
    rig.machine.publish(publish("a", "1"), Some(Duration::from_secs(2)), rig.now).expect("room");
    let (id, _) = rig.sent_publications()[0];
    rig.say(refused_for(id, ErrorCode::RateLimited, 60_000));
    rig.pass(Duration::from_secs(2));
    assert!(rig.results().iter().all(not_sent));
}

#[test]
fn a_timeout_in_flight_or_behind_a_lost_connection_is_unknown() {
    let mut rig = Rig::open();
    let timeout = Some(Duration::from_secs(2));
    rig.machine.publish(publish("a", "1"), timeout, rig.now).expect("room");
    let (id, _) = rig.sent_publications()[0];
    rig.pass(Duration::from_secs(2));
    rig.say(published(id, 1));
    let results = rig.results();
    assert!(results.len() == 1 && unknown(&results[0]), "the late answer is ignored: {results:?}");
    rig.machine.publish(publish("a", "1"), timeout, rig.now).expect("room");
    rig.sent();
    rig.lose();
    rig.pass(Duration::from_secs(2));
    let results = rig.results();
    assert!(results.len() == 1 && unknown(&results[0]), "{results:?}");
}

#[test]
fn a_closed_client_answers_all() {
    let mut rig = Rig::open();
    rig.publish("a", "sent");
    rig.sent();
    rig.publish("a", "not sent");
    rig.say(disconnect(CloseCode::BANNED, None));
    let results = rig.results();
    assert!(results.len() == 2 && unknown(&results[0]) && not_sent(&results[1]), "{results:?}");
    let closed = rig.machine.publish(publish("a", "1"), None, rig.now);
    assert!(matches!(closed, Err(PublishError::Closed(_))));
}

fn ask(rig: &mut Rig) -> RequestId {
    rig.machine.history(history()).expect("room")
}

fn history() -> History {
    History {
        channel: channel("a"),
        order: Order::Backwards,
        from: None,
        since: None,
        limit: Some(9),
    }
}

fn sent_history(rig: &mut Rig) -> u64 {
    match rig.sent().as_slice() {
        [ClientMessage::History { id, history: asked }] if *asked == history() => *id,
        other => panic!("history is due, not {other:?}"),
    }
}

#[test]
fn history_is_answered_once_over_refusals_and_lost_connections() {
    let mut rig = Rig::open();
    let it = ask(&mut rig);
    let id = sent_history(&mut rig);
    rig.say(refused_for(id, ErrorCode::Unavailable, 100));
    rig.pass(Duration::from_millis(100));
    sent_history(&mut rig);
    rig.reconnect();
    let id = sent_history(&mut rig);
    let page = HistoryPage {
        epoch: Epoch::from_random(1),
        first: 1,
        last: 0,
        records: vec![],
        more: false,
    };
    for _ in 0..2 {
        rig.say(ServerMessage::History { id, page: page.clone() });
    }
    assert_eq!(rig.results(), [Notice::History(it, Ok(page))]);
}

#[test]
fn history_that_is_refused_for_good_is_told() {
    let mut rig = Rig::open();
    let it = ask(&mut rig);
    let id = sent_history(&mut rig);
    rig.say(refused(id, ErrorCode::Forbidden));
    let refusal = Refusal::new(ErrorCode::Forbidden, "words");
    assert_eq!(rig.results(), [Notice::History(it, Err(HistoryError::Refused(refusal)))]);
}

#[test]
fn a_hundred_requests_for_history_may_wait() {
    let mut rig = Rig::new(TokenSource::None);
    let first = ask(&mut rig);
    for _ in 1..100 {
        ask(&mut rig);
    }
    assert_eq!(rig.machine.history(history()), Err(HistoryError::TooMany));
    rig.machine.forget_history(first);
    ask(&mut rig);
}
