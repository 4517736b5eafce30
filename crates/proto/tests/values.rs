//! Small values: how they convert, and what they say to a person.

use std::{borrow::Borrow, sync::Arc, time::Instant};

use bytes::Bytes;
use http::HeaderName;
use longwire_proto::{
    handshake::{HandshakeError, Misuse},
    *,
};

fn payload(len: usize) -> Vec<u8> {
    vec![b'x'; len]
}

#[test]
fn text_converts_to_and_from_strings_and_bytes() {
    let text = Text::from_static("grün");
    assert_eq!(text, Text::from("grün"));
    assert_eq!(Text::from(String::from("grün")), *"grün");
    assert_eq!(text, "grün");
    assert_eq!(AsRef::<str>::as_ref(&text), "grün");
    assert_eq!(AsRef::<[u8]>::as_ref(&text), "grün".as_bytes());
    assert_eq!(format!("{text} {text:?}"), "grün \"grün\"");
    assert_eq!(String::from(text.clone()), "grün");
    assert_eq!(Bytes::from(text.clone()), "grün".as_bytes());
    assert_eq!(text.into_bytes(), "grün".as_bytes());
    assert!(Text::try_from(Bytes::from_static(b"gr\xFCn")).is_err());
    assert!(Text::new().is_empty());
}

#[test]
fn messages_tell_their_type_and_their_payload() {
    let (text, binary) = (Message::text("a"), Message::binary(&b"\x00"[..]));
    assert_eq!(
        (text.message_type(), binary.message_type()),
        (MessageType::Text, MessageType::Binary)
    );
    assert_eq!((text.as_text(), binary.as_text()), (Some("a"), None));
    assert_eq!((text.len(), binary.is_empty()), (1, false));
    assert_eq!(binary.into_bytes(), &b"\x00"[..]);
    assert_eq!(Message::from(String::from("a")), text);
    assert_eq!(Message::from(vec![1]), Message::binary(vec![1]));
}

#[test]
fn a_control_payload_has_at_most_125_bytes() {
    assert!(ControlPayload::new().is_empty());
    let longest = ControlPayload::try_from(&payload(125)[..]).expect("it fits");
    assert_eq!(longest.clone().into_bytes(), payload(125));
    assert_eq!(ControlPayload::try_from(Bytes::from(payload(125))), Ok(longest));
    for error in [
        ControlPayload::try_from(&payload(126)[..]).expect_err("one too many"),
        ControlPayload::try_from(Bytes::from(payload(126))).expect_err("one too many"),
    ] {
        assert_eq!(error.len, 126);
        assert!(error.to_string().contains("not 126; shorten"), "{error}");
    }
}

#[test]
fn close_codes_and_reasons_are_shown_with_their_meaning() {
    assert_eq!(format!("{:?}", CloseCode::from(1001)), "1001 (going away)");
    assert_eq!(CloseCode::new(4000).get(), 4000);
    let reason = CloseReason::try_from(String::from("bye")).expect("short");
    assert_eq!(reason.to_string(), "bye");
    assert!(CloseReason::try_from("x".repeat(124)).is_err());
    assert_eq!(
        Close::new(CloseCode::NORMAL_CLOSURE, reason).to_string(),
        "1000 (normal closure) \"bye\""
    );
    assert_eq!(Close::EMPTY.to_string(), "1005 (no status received)");
}

/// Both halves of the closing handshake and whose fault it was, in words.
#[test]
fn an_end_says_who_closed_first_and_why() {
    let now = Instant::now();
    let end = |run: &dyn Fn(&mut Connection)| {
        let mut connection = Connection::server(Arc::new(Config::default()), now);
        run(&mut connection);
        connection.handle_lost();
        match connection.poll_event(&mut Input::new(&mut []), now) {
            Some(Event::Closed(closed)) => closed,
            event => panic!("no end: {event:?}"),
        }
    };
    let feed = |connection: &mut Connection, mut bytes: Vec<u8>| {
        let mut input = Input::new(&mut bytes);
        while connection.poll_event(&mut input, now).is_some() {}
    };
    let write = |connection: &mut Connection| {
        while connection.poll_transmit() == Some(Transmit::Bytes) {
            connection.handle_written(connection.buffered_amount(), now);
        }
    };
    let close = || vec![0x88, 0x82, 0, 0, 0, 0, 3, 0xE8];

    let lost = end(&|_| {});
    assert_eq!(
        lost.to_string(),
        "the transport ended before the closing handshake did; no close frame sent or received"
    );
    assert_eq!(
        (lost.code(), lost.reason(), lost.is_clean()),
        (CloseCode::ABNORMAL_CLOSURE, "", false)
    );

    let peer_first = end(&|connection| {
        feed(connection, close());
        write(connection);
    });
    assert!(peer_first.is_clean() && peer_first.peer_first);
    assert_eq!(
        peer_first.to_string(),
        "received 1000 (normal closure); then sent 1000 (normal closure)"
    );

    let we_first = end(&|connection| {
        connection.close(CloseCode::GOING_AWAY.into(), now);
        write(connection);
        feed(connection, close());
    });
    assert_eq!(we_first.to_string(), "sent 1001 (going away); then received 1000 (normal closure)");
    assert_eq!(we_first.code(), CloseCode::NORMAL_CLOSURE);

    let unanswered = end(&|connection| {
        let mut bytes = close();
        let event = connection.poll_event(&mut Input::new(&mut bytes), now);
        assert!(matches!(event, Some(Event::CloseReceived(_))));
    });
    assert!(
        unanswered.to_string().ends_with("received 1000 (normal closure); sent no close frame")
    );

    let failed = end(&|connection| connection.fail(CloseCode::POLICY_VIOLATION.into(), now));
    assert_eq!(
        failed.to_string(),
        "this end failed the connection; sent 1008 (policy violation); received no close frame"
    );

    let violation = end(&|connection| feed(connection, vec![0x82, 0x00]));
    assert!(violation.to_string().contains("unmasked frame from a client"), "{violation}");

    let mut strict = Config::default();
    strict.limits.max_frame_size = 4;
    let mut connection = Connection::server(Arc::new(strict), now);
    feed(&mut connection, vec![0x82, 0x85, 0, 0, 0, 0]);
    connection.handle_lost();
    let event = connection.poll_event(&mut Input::new(&mut []), now);
    assert!(
        matches!(&event, Some(Event::Closed(closed)) if closed.to_string().starts_with(
            "the peer sent more than is allowed here: frame of more than 4 bytes; sent 1009"
        )),
        "{event:?}"
    );

    let timed_out = end(&|connection| {
        connection.close(Close::EMPTY, now);
        let deadline = connection.poll_timeout().expect("the close timeout runs");
        connection.handle_timeout(deadline);
    });
    assert!(timed_out.to_string().contains("did not finish the closing handshake in time"));
    let silent = Cause::TimedOut(Timer::Keepalive);
    assert!(
        matches!(silent, Cause::TimedOut(timer) if timer.to_string().contains("keepalive ping"))
    );
}

#[test]
fn a_connection_tells_where_it_stands() {
    let now = Instant::now();
    let mut connection = Connection::server(Arc::new(Config::default()), now);
    connection.send(Message::binary(payload(10)), now).expect("open");
    assert_eq!((connection.written(), connection.queued()), (0, Some(12)));
    assert!(format!("{connection:?}").contains("buffered_amount: 12"), "{connection:?}");
    connection.handle_written(12, now);
    assert_eq!((connection.written(), connection.queued()), (12, Some(12)));
    assert_eq!(connection.latency(), None);
    assert_eq!(connection.config(), &Config::default());
}

#[test]
fn a_message_that_is_not_sent_comes_back_with_the_cure() {
    let message = || Message::text("a");
    for (error, cure) in [
        (SendError::Closed(message().into()), "the message was not sent"),
        (SendError::Full(message().into()), "send again"),
        (SendError::FragmentPending(message().into()), "send its last fragment first"),
    ] {
        assert!(error.to_string().contains(cure), "{error}");
        assert_eq!(error.into_message(), message());
    }
}

#[test]
fn subprotocols_compare_with_text_and_refuse_what_is_no_token() {
    let chat: Subprotocol = "chat".parse().expect("a token");
    assert_eq!(Subprotocol::try_from("chat"), Ok(chat.clone()));
    assert_eq!(Subprotocol::try_from(String::from("chat")), Ok(chat.clone()));
    assert!(chat == *"chat" && chat == "chat");
    assert_eq!((chat.as_ref(), Borrow::<str>::borrow(&chat)), ("chat", "chat"));
    let error = Subprotocol::new("a b").expect_err("a space");
    assert!(error.to_string().contains("\"a b\" cannot name a subprotocol"), "{error}");
}

#[test]
fn uris_parse_from_text_and_extensions_say_what_a_list_is() {
    let uri: WsUri = "ws://example.com/a".parse().expect("a URI");
    assert_eq!(uri.resource_name(), "/a");
    let error = Extension::parse_list("a;;").expect_err("an empty parameter");
    assert_eq!(error.text(), "a;;");
    assert!(error.to_string().contains("separated by commas"), "{error}");
}

#[test]
fn a_callers_mistake_in_the_handshake_names_its_cure() {
    for (mistake, cure) in [
        (Misuse::ExtensionInvalid(String::from("a b")), "use tokens"),
        (Misuse::ExtensionNotOffered(String::from("a")), "answer with what it offered"),
        (Misuse::Finished, "give what follows to the connection"),
        (Misuse::HeaderReserved(HeaderName::from_static("upgrade")), "leave it out"),
        (Misuse::HostInvalid, "host:port"),
        (Misuse::OriginInvalid, "scheme://host:port"),
        (
            Misuse::SubprotocolNotOffered("a".parse().expect("a token")),
            "choose one that it offered",
        ),
        (Misuse::SubprotocolRepeated, "offer each one once"),
    ] {
        let error = HandshakeError::Misuse(mistake);
        assert!(error.to_string().contains(cure), "{error}");
        assert!(error.response().is_none(), "not the client's fault");
    }
}
