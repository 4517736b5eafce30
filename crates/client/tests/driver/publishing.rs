//! Publications and history through the handle.

use std::time::Duration;

use longwire_client::{
    HistoryError, PublishError, Unanswered,
    channel::{
        ClientMessage, Codec, Epoch, ErrorCode, HistoryPage, Order, Payload, Refusal,
        ServerMessage, Token,
    },
};

use crate::support::*;

#[test]
fn settings_go_to_the_server() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let publishing = client.publish("a", Payload::text("1")).event("token").key("k");
        let answer = publishing.into_future();
        let message = peer.hear().await;
        let ClientMessage::Publish { id, publish } = message else { panic!("{message:?}") };
        assert_eq!(publish.key().map(Token::as_str), Some("k"));
        let publication = publish.publication;
        assert_eq!(publication.event.map(|event| event.to_string()).as_deref(), Some("token"));
        assert!(!publication.ephemeral);
        peer.published(id, 3).await;
        assert_eq!(answer.await.expect("published").position, Some(at(3)));
        let _answer = client.publish("a", Payload::text("2")).ephemeral().into_future();
        let message = peer.hear().await;
        let ClientMessage::Publish { publish, .. } = message else { panic!("{message:?}") };
        assert!(publish.publication.ephemeral && publish.key().is_none());
    });
}

#[test]
fn what_cannot_be_published_is_refused_at_once() {
    run(async {
        let (client, _network) = client();
        let name = client.publish("a b", Payload::text("1")).await;
        assert!(matches!(name, Err(PublishError::Channel(_))));
        let event = client.publish("a", Payload::text("1")).event("").await;
        assert!(matches!(&event, Err(PublishError::Token { what: "event", .. })));
        let words = event.expect_err("refused").to_string();
        assert!(words.starts_with("the event cannot be used: it needs 1 to 128 bytes"), "{words}");
        assert_eq!(client.stats().pending, 0);
    });
}

#[test]
fn publications_wait_for_a_connection_and_outlive_it() {
    run(async {
        let (client, mut network) = client();
        let answers: Vec<_> = ["1", "2", "3"]
            .map(|text| client.publish("a", Payload::text(text)).into_future())
            .into_iter()
            .collect();
        for _ in 0..5 {
            let (mut peer, _) = network.greet().await;
            for text in ["1", "2", "3"] {
                assert_eq!(peer.hear_publish().await.1, Payload::text(text));
            }
        }
        let (mut peer, _) = network.greet().await;
        for seq in 1..=3 {
            let (id, _) = peer.hear_publish().await;
            peer.published(id, seq).await;
        }
        for (seq, answer) in (1..).zip(answers) {
            assert_eq!(answer.await.expect("published").position, Some(at(seq)));
        }
        assert_eq!(client.stats().published, 3);
    });
}

#[test]
fn a_server_that_reads_slowly_gets_all_in_order() {
    run(async {
        let (client, mut network) = client_with(Codec::Json, 1024, |builder| builder);
        let text = |number: u32| Payload::text(format!("{number} {}", "x".repeat(1_000)));
        let (mut peer, _) = network.greet().await;
        let answers: Vec<_> =
            (0..900).map(|number| client.publish("a", text(number)).into_future()).collect();
        settle().await;
        for number in 0..900 {
            let (id, payload) = peer.hear_publish().await;
            assert_eq!(payload, text(number));
            peer.published(id, u64::from(number) + 1).await;
        }
        for answer in answers {
            answer.await.expect("published");
        }
    });
}

#[test]
fn one_that_is_too_large_for_the_server_is_told_before_it_is_sent() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let large = client.publish("a", Payload::text("\"".repeat(40_000))).await;
        assert!(matches!(large, Err(PublishError::TooLarge { limit: 65_536, .. })), "{large:?}");
        let _answer = client.publish("a", Payload::text("1")).into_future();
        assert_eq!(peer.hear_publish().await.1, Payload::text("1"), "the connection stays");
    });
}

#[test]
fn the_servers_refusal_is_the_answer() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let answer = client.publish("a", Payload::text("1")).into_future();
        let (id, _) = peer.hear_publish().await;
        let refusal = Refusal::new(ErrorCode::StreamEnded, "it ended: use another channel");
        peer.say(ServerMessage::Error { id, refusal: refusal.clone() }).await;
        let Err(PublishError::Refused { refusal: told, .. }) = answer.await else {
            panic!("it is refused")
        };
        assert_eq!(told, refusal);
    });
}

#[test]
fn a_timeout_says_what_is_certain_and_no_more() {
    run(async {
        let (client, mut network) = client();
        let timeout = Duration::from_secs(1);
        let answer = client.publish("a", Payload::text("1")).timeout(timeout).await;
        assert_eq!(answer, Err(PublishError::NotSent(Unanswered::TimedOut(timeout))));
        let (mut peer, _) = network.greet().await;
        let answer = client.publish("a", Payload::text("2")).timeout(timeout).into_future();
        peer.hear_publish().await;
        let error = answer.await.expect_err("no answer");
        let PublishError::Unknown { why, .. } = &error else { panic!("{error}") };
        assert_eq!(*why, Unanswered::TimedOut(timeout));
        assert!(error.to_string().contains("outcome of the publication is unknown"), "{error}");
    });
}

#[test]
fn history_is_asked_and_answered() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let asking = client.history("a").order(Order::Backwards).from(at(9)).since(5).limit(2);
        let page = asking.into_future();
        let message = peer.hear().await;
        let ClientMessage::History { id, history } = message else { panic!("{message:?}") };
        assert_eq!((history.order, history.from), (Order::Backwards, Some(at(9))));
        assert_eq!((history.since, history.limit), (Some(5), Some(2)));
        let answer = HistoryPage {
            epoch: Epoch::from_random(1),
            first: 1,
            last: 8,
            records: vec![record(8), record(7)],
            more: true,
        };
        peer.say(ServerMessage::History { id, page: answer.clone() }).await;
        assert_eq!(page.await, Ok(answer));
        let refused = client.history("a b").await;
        assert!(matches!(refused, Err(HistoryError::Channel(_))));
    });
}
