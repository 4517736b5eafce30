//! What the HTTP API asks for.

use longwire_channel::{
    ClientMessage, CloseCode, ErrorCode, History, Order, Payload, Publication, Published, Refusal,
    ServerMessage, Start, Token,
};
use longwire_hub::{
    Action, Answer, ChannelInfo, ConnectionInfo, HubConfig, Identity, Operation, Permissions,
    SessionId, Whom, broker,
};

use crate::support::*;

fn places(answer: Result<Answer, Refusal>) -> Vec<Result<u64, ErrorCode>> {
    match answer {
        Ok(Answer::Batch(results)) => results
            .into_iter()
            .map(|it| it.map(|it| it.position.map_or(0, |it| it.seq)).map_err(|it| it.code))
            .collect(),
        other => panic!("no batch: {other:?}"),
    }
}

fn connections(answer: Result<Answer, Refusal>) -> (Vec<ConnectionInfo>, bool) {
    match answer {
        Ok(Answer::Connections { connections, more }) => (connections, more),
        other => panic!("no connections: {other:?}"),
    }
}

fn channels(answer: Result<Answer, Refusal>) -> (Vec<ChannelInfo>, Option<String>) {
    match answer {
        Ok(Answer::Channels { channels, next }) => {
            (channels, next.map(|next| next.as_str().to_owned()))
        }
        other => panic!("no channels: {other:?}"),
    }
}

#[test]
fn each_publication_of_a_batch_has_its_own_answer() {
    let mut hall = Hall::new();
    let mut publications = vec![
        (channel("a"), publication("1")),
        (channel("b"), publication("1")),
        (channel("a"), publication("2")),
        (channel("a"), Publication::new(Payload::text("x".repeat(100_000)))),
    ];
    assert_eq!(
        places(hall.ask(Operation::Batch(publications.clone()))),
        [Ok(1), Ok(1), Ok(2), Err(ErrorCode::TooLarge)]
    );
    publications.truncate(1);
    let only_b = permissions(&[("b", &[Action::Publish])]);
    let answer = hall.ask_as(only_b, Operation::Batch(publications));
    assert_eq!(places(answer), [Err(ErrorCode::Forbidden)]);
}

#[test]
fn a_broadcast_publishes_to_several_channels() {
    let mut hall = Hall::new();
    let session = hall.connect();
    hall.subscribe(session, 1, "b", Start::Now);
    let channels = vec![channel("a"), channel("b")];
    let publication = publication("x");
    let answer = hall.ask(Operation::Broadcast { channels, publication });
    assert_eq!(places(answer), [Ok(1), Ok(1)]);
    assert_eq!(hall.pushes(session, 1), [Short::Message(0, 0, 1)]);
}

#[test]
fn a_batch_is_neither_empty_nor_too_large() {
    let mut config = HubConfig::default();
    config.max_batch = 2;
    let mut hall = Hall::with(config);
    let refusal = hall.ask(Operation::Batch(Vec::new())).expect_err("empty");
    assert_eq!(refusal.code, ErrorCode::BadRequest);
    let three = vec![(channel("a"), publication("x")); 3];
    let refusal = hall.ask(Operation::Batch(three)).expect_err("too large");
    assert_eq!(refusal.code, ErrorCode::TooLarge);
    assert!(refusal.message.contains("send several requests"), "{refusal}");
}

#[test]
fn the_user_of_a_token_is_the_publisher_through_the_api_too() {
    let mut hall = Hall::new();
    let session = hall.connect();
    hall.subscribe(session, 1, "a", Start::Now);
    let user = Some(Token::new("ada").expect("valid"));
    let identity = Identity { user: user.clone(), ..Identity::nameless(Permissions::all()) };
    let channel = channel("a");
    hall.request(identity, Operation::Publish { channel, publication: publication("x") });
    match hall.push(session, 1) {
        longwire_channel::Pushed::Message { record, .. } => assert_eq!(record.publisher, user),
        other => panic!("{other:?}"),
    }
}

#[test]
fn history_is_read_through_the_api() {
    let mut hall = Hall::new();
    hall.publish_many("a", 3);
    let history = History {
        channel: channel("a"),
        order: Order::Backwards,
        from: None,
        since: None,
        limit: Some(2),
    };
    match hall.ask(Operation::History(history.clone())) {
        Ok(Answer::History(page)) => {
            let seqs: Vec<_> = page.records.iter().map(|record| record.seq).collect();
            assert_eq!((seqs, page.more), (vec![3, 2], true));
        }
        other => panic!("{other:?}"),
    }
    let refusal = hall
        .ask_as(permissions(&[("a", &[Action::Publish])]), Operation::History(history))
        .expect_err("forbidden");
    assert_eq!(refusal.code, ErrorCode::Forbidden);
}

#[test]
fn a_channel_shows_what_it_keeps_and_who_is_there() {
    let mut hall = Hall::new();
    let operation = Operation::Info { channel: channel("a") };
    let refusal = hall.ask(operation.clone()).expect_err("not there");
    assert_eq!(refusal.code, ErrorCode::NotFound);
    let last = (0..3).map(|_| hall.publish("a", "abc")).last().expect("some");
    let session = hall.connect();
    hall.subscribe(session, 1, "a", Start::Now);
    let info = ChannelInfo {
        channel: channel("a"),
        position: last,
        first: 1,
        bytes: 9,
        ended: false,
        subscriptions: 1,
    };
    assert_eq!(hall.ask(operation.clone()), Ok(Answer::Info(info)));
    let refusal =
        hall.ask_as(permissions(&[("a", &[Action::Subscribe])]), operation).expect_err("forbidden");
    assert!(refusal.message.contains("\"manage\""), "{refusal}");
}

#[test]
fn channels_are_listed_a_page_at_a_time_as_far_as_they_may_be_managed() {
    let mut hall = Hall::new();
    for name in ["b", "a", "c", "d"] {
        hall.publish(name, "x");
    }
    let (found, next) = channels(hall.ask(Operation::Channels { after: None, limit: 3 }));
    let names: Vec<_> = found.iter().map(|it| it.channel.as_str()).collect();
    assert_eq!((names, next.as_deref()), (vec!["a", "b", "c"], Some("c")));
    let after = Some(channel("c"));
    let (found, next) = channels(hall.ask(Operation::Channels { after, limit: 3 }));
    let names: Vec<_> = found.iter().map(|it| it.channel.as_str()).collect();
    assert_eq!((names, next), (vec!["d"], None));
    let some = permissions(&[("b", &[Action::Manage])]);
    let (found, next) = channels(hall.ask_as(some, Operation::Channels { after: None, limit: 3 }));
    let names: Vec<_> = found.iter().map(|it| it.channel.as_str()).collect();
    assert_eq!((names, next), (vec!["b"], None));
}

#[test]
fn a_list_of_channels_names_none_that_the_caller_may_not_manage() {
    let mut hall = Hall::new();
    for name in ["a", "b:1", "c", "d", "b:2", "e"] {
        hall.publish(name, "x");
    }
    let mut list = |pattern, action, after: Option<&str>, limit| {
        let operation = Operation::Channels { after: after.map(channel), limit };
        let (found, next) = channels(hall.ask_as(permissions(&[(pattern, &[action])]), operation));
        let names: Vec<_> = found.iter().map(|it| it.channel.as_str().to_owned()).collect();
        (names.join(" "), next)
    };
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(list("*", Action::Subscribe, None, 1), (String::new(), None));
    assert_eq!(list("b:*", Action::Manage, None, 1), ("b:1".to_owned(), some("b:1")));
    assert_eq!(list("b:*", Action::Manage, Some("b:1"), 1), ("b:2".to_owned(), some("b:2")));
    assert_eq!(list("b:*", Action::Manage, Some("b:2"), 1), (String::new(), None));
    assert_eq!(list("b:*", Action::Manage, None, 3), ("b:1 b:2".to_owned(), None));
}

#[test]
fn a_list_of_channels_goes_on_behind_those_that_cannot_be_shown() {
    let mut hall = Hall::new();
    hall.publish("a", "x");
    hall.publish("b", "x");
    hall.hold_events = true;
    hall.begin_request(Operation::Channels { after: None, limit: 1 });
    match hall.next_result() {
        Ok(broker::Response::Channels { channels, next: Some(_) }) => channels.clear(),
        other => panic!("{other:?}"),
    }
    hall.release_all();
    let (_, answer) = hall.answers.pop().expect("it was answered");
    let (found, next) = channels(answer);
    let names: Vec<_> = found.iter().map(|it| it.channel.as_str()).collect();
    assert_eq!((names, next), (vec!["b"], None));
}

#[test]
fn whoever_manages_nothing_makes_the_broker_look_at_nothing() {
    let mut hall = Hall::new();
    hall.publish("a", "x");
    hall.hold_events = true;
    let reader = permissions(&[("*", &[Action::Subscribe, Action::Publish, Action::History])]);
    let answer = hall.ask_as(reader, Operation::Channels { after: None, limit: 3 });
    assert_eq!(channels(answer), (vec![], None));
    assert_eq!(hall.events.len(), 0);
}

#[test]
fn connections_are_listed_a_page_at_a_time() {
    let mut hall = Hall::new();
    hall.introduce("ada", Some("ada"), Permissions::all());
    let sessions = [hall.connect(), hall.connect_as("ada"), hall.connect()];
    hall.subscribe(sessions[0], 1, "a", Start::Now);
    hall.pass(ms(5));
    let list = |after, user, limit| Operation::Connections { after, user, limit };
    let (found, more) = connections(hall.ask(list(None, None, 2)));
    assert_eq!(found.iter().map(|it| it.session).collect::<Vec<_>>(), sessions[..2]);
    assert!(more);
    assert_eq!((found[0].subscriptions, found[0].connected_ms), (1, 5));
    let (found, more) = connections(hall.ask(list(Some(sessions[1]), None, 2)));
    assert_eq!(found.iter().map(|it| it.session).collect::<Vec<_>>(), sessions[2..]);
    assert!(!more);
    let ada = Some(Token::new("ada").expect("valid"));
    let (found, _) = connections(hall.ask(list(None, ada.clone(), 10)));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].user, ada);
}

#[test]
fn connections_are_ended_by_name_or_by_user() {
    let mut hall = Hall::new();
    hall.introduce("ada", Some("ada"), Permissions::all());
    let sessions = [hall.connect(), hall.connect_as("ada"), hall.connect_as("ada")];
    let whom = Whom::Session(sessions[0]);
    let operation = Operation::Disconnect { whom, come_back: true };
    assert_eq!(hall.ask(operation.clone()), Ok(Answer::Disconnected(1)));
    assert_eq!(hall.ended_with(sessions[0]).code, CloseCode::DISCONNECTED);
    let refusal = hall.ask(operation).expect_err("gone");
    assert_eq!(refusal.code, ErrorCode::NotFound);
    let user = Token::new("ada").expect("valid");
    let operation = Operation::Disconnect { whom: Whom::User(user), come_back: false };
    assert_eq!(hall.ask(operation.clone()), Ok(Answer::Disconnected(2)));
    for session in &sessions[1..] {
        assert_eq!(hall.ended_with(*session).code, CloseCode::BANNED);
    }
    assert_eq!(hall.ask(operation), Ok(Answer::Disconnected(0)));
}

#[test]
fn only_who_manages_everything_sees_and_ends_connections() {
    let mut hall = Hall::new();
    let some = permissions(&[("chat:*", &[Action::Manage])]);
    let whom = Whom::Session(SessionId::new(0, 1));
    for operation in [
        Operation::Connections { after: None, user: None, limit: 1 },
        Operation::Disconnect { whom, come_back: true },
    ] {
        let refusal = hall.ask_as(some.clone(), operation).expect_err("forbidden");
        assert_eq!(refusal.code, ErrorCode::Forbidden);
        assert!(refusal.message.contains("for the pattern *"), "{refusal}");
    }
}

#[test]
fn ending_and_deleting_need_to_manage() {
    let mut hall = Hall::new();
    let some = permissions(&[("a", &[Action::Publish, Action::History, Action::Subscribe])]);
    for operation in
        [Operation::End { channel: channel("a") }, Operation::Delete { channel: channel("a") }]
    {
        let refusal = hall.ask_as(some.clone(), operation).expect_err("forbidden");
        assert_eq!(refusal.code, ErrorCode::Forbidden);
    }
}

#[test]
fn so_many_requests_wait_and_no_more() {
    let mut config = HubConfig::default();
    config.max_requests = 2;
    let mut hall = Hall::with(config);
    hall.hold_events = true;
    let ask = |hall: &mut Hall| {
        let channel = channel("a");
        let operation = Operation::Publish { channel, publication: publication("x") };
        hall.request(Identity::nameless(Permissions::all()), operation)
    };
    ask(&mut hall);
    ask(&mut hall);
    let third = ask(&mut hall);
    match hall.answers.pop() {
        Some((request, Err(refusal))) => {
            assert_eq!((request, refusal.code), (third, ErrorCode::Unavailable));
            assert!(refusal.retry_after_ms.is_some());
        }
        other => panic!("{other:?}"),
    }
    hall.release(0);
    hall.release(0);
    assert_eq!(hall.answers.len(), 2);
    hall.hold_events = false;
    ask(&mut hall);
    assert_eq!(hall.answers.len(), 3);
}

#[test]
fn a_bare_face_reads_and_publishes_without_connect() {
    let mut hall = Hall::new();
    hall.publish_many("a", 2);
    let bare = hall.open_as(Identity::nameless(Permissions::all()));
    hall.subscribe(bare, 1, "a", Start::Beginning);
    assert_eq!(hall.pushes(bare, 1), [Short::Page(0, 2, false)]);
    hall.receive(bare, publish(1, "a", publication("x")));
    let published = Published { position: Some(hall.position("a")), duplicate: false };
    assert_eq!(hall.take(bare), Some(ServerMessage::Published { id: 1, published }));
    assert_eq!(hall.pushes(bare, 1), [Short::Message(2, 0, 3)]);
    hall.receive(bare, ClientMessage::Unsubscribe { id: 2, sub: 1 });
    assert_eq!(hall.take(bare), Some(ServerMessage::Unsubscribed { id: 2, sub: 1 }));
}
