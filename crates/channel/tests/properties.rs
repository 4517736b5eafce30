//! Any message comes back as it went in, any bytes are answered without a panic, any content survives both codecs.

mod support;

use std::fmt::Write as _;

use bytes::Bytes;
use longwire_channel::{
    ClientMessage, Codec, Incoming, Payload, Publication, Publish, Push, Pushed, ServerMessage,
};
use proptest::prelude::*;
use support::{bytes_like_frames, channel, client_message, json, record, server_message};

proptest! {
    #[test]
    fn any_message_of_a_client_comes_back(message in client_message()) {
        for &codec in Codec::ALL {
            let frame = codec.encode_client(&message);
            prop_assert_eq!(codec.decode_client(&frame), Ok(vec![Incoming::Message(message.clone())]));
        }
    }

    #[test]
    fn any_message_of_a_server_comes_back(message in server_message()) {
        for &codec in Codec::ALL {
            let frame = codec.encode_server(&message);
            prop_assert_eq!(codec.decode_server(&frame), Ok(vec![message.clone()]));
        }
    }

    #[test]
    fn joined_messages_come_back_in_their_order(
        messages in prop::collection::vec(server_message(), 0..40)
    ) {
        for &codec in Codec::ALL {
            let encoded: Vec<Bytes> =
                messages.iter().map(|message| codec.encode_server(message)).collect();
            prop_assert_eq!(codec.decode_server(&codec.join(&encoded)), Ok(messages.clone()));
        }
    }

    #[test]
    fn a_live_record_is_written_as_its_push_is(
        sub: u32, prev in 0..1_000_u64, skipped in 0..2_u64, record in record()
    ) {
        for &codec in Codec::ALL {
            let pushed = Pushed::Message { prev, skipped, record: record.clone() };
            let push = ServerMessage::Push(Push { sub, pushed });
            prop_assert_eq!(
                codec.encode_message_push(sub, prev, skipped, &record),
                codec.encode_server(&push)
            );
        }
    }

    #[test]
    fn any_json_survives_cbor(value in json()) {
        let published = through_cbor(&Payload::from_json(&value.to_string()).expect("JSON"));
        let Payload::Json(text) = &published else {
            prop_assert_eq!(value.as_str().map(Payload::text), Some(published));
            return Ok(());
        };
        prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(text).expect("JSON"), value);
        // From the second time on the text stays the same as well.
        prop_assert_eq!(through_cbor(&published), published);
    }

    #[test]
    fn any_float_survives_cbor(bits: u64) {
        let float = f64::from_bits(bits);
        if float.is_finite() {
            let text = serde_json::to_string(&float).expect("a finite float");
            let Payload::Json(back) = through_cbor(&Payload::from_json(&text).expect("JSON")) else {
                panic!("a number is no text");
            };
            let back: f64 = serde_json::from_slice(&back).expect("a float");
            prop_assert_eq!(back.to_bits(), bits);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(frame in bytes_like_frames()) {
        for &codec in Codec::ALL {
            if let Ok(read) = codec.decode_client(&frame) {
                for incoming in read {
                    if let Incoming::Message(message) = incoming {
                        let again = codec.decode_client(&codec.encode_client(&message));
                        prop_assert_eq!(again, Ok(vec![Incoming::Message(message)]));
                    }
                }
            }
            if let Ok(messages) = codec.decode_server(&frame) {
                for message in messages {
                    prop_assert!(codec.decode_server(&codec.encode_server(&message)).is_ok());
                }
            }
        }
    }

    #[test]
    fn a_frame_that_is_cut_or_changed_is_read_without_a_panic(
        message in client_message(), at: prop::sample::Index, byte: u8
    ) {
        for &codec in Codec::ALL {
            let mut frame = codec.encode_client(&message).to_vec();
            let at = at.index(frame.len());
            prop_assert!(codec.decode_client(&frame[..at]).is_err(), "half a message");
            frame[at] = byte;
            drop(codec.decode_client(&frame));
        }
    }
}

/// The content behind a `publish` in CBOR.
fn through_cbor(payload: &Payload) -> Payload {
    let publish = Publish { channel: channel(), publication: Publication::new(payload.clone()) };
    let message = ClientMessage::Publish { id: 1, publish: Box::new(publish) };
    let frame = Codec::Cbor.encode_client(&message);
    let mut read = Codec::Cbor.decode_client(&frame).expect("it was written just now");
    match read.pop() {
        Some(Incoming::Message(ClientMessage::Publish { publish, .. })) => {
            publish.publication.payload
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn content_is_nested_128_deep_at_most_in_both_codecs() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = |depth: usize| {
            let inner = if open == "[" { "" } else { "1" };
            format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
        };
        let deepest = Payload::from_json(&nested(128)).expect("deep enough");
        assert_eq!(through_cbor(&deepest), deepest);
        assert!(Payload::from_json(&nested(129)).is_err());
    }
    let cbor = |depth: usize| {
        let message = ClientMessage::Publish {
            id: 1,
            publish: Box::new(Publish {
                channel: channel(),
                publication: Publication::new(Payload::from_json("0").expect("JSON")),
            }),
        };
        let frame = Codec::Cbor.encode_client(&message);
        let mut deep = frame[..frame.len() - 1].to_vec();
        deep.extend(vec![0x81; depth]);
        deep.push(0);
        Codec::Cbor.decode_client(&deep)
    };
    assert!(matches!(cbor(128).as_deref(), Ok([Incoming::Message(_)])));
    assert!(matches!(cbor(129).as_deref(), Ok([Incoming::Refused { id: 1, .. }])));
}

#[test]
fn frames_that_are_nested_without_end_need_no_stack() {
    let deep = 1_000_000;
    for start in [r#"{"type":"pong","later":"#, r#"{"id":1,"data":"#, ""] {
        drop(Codec::Json.decode_client(format!("{start}{}", "[".repeat(deep)).as_bytes()));
        let whole = format!("{start}{}{}}}", "[".repeat(deep), "]".repeat(deep));
        drop(Codec::Json.decode_client(whole.as_bytes()));
    }
    for head in [0x81, 0x9f, 0xa1, 0xbf, 0xc0] {
        assert!(Codec::Cbor.decode_client(&vec![head; deep]).is_err());
        let mut frame = b"\xa2\x64type\x64pong\x61x".to_vec();
        frame.extend(vec![head; deep]);
        assert!(Codec::Cbor.decode_client(&frame).is_err());
    }
}

#[test]
fn words_about_bad_input_are_short_whatever_the_input_is() {
    let long = "\u{1}".repeat(100_000);
    let long = serde_json::to_string(&long).expect("text");
    let mut frame = String::new();
    write!(frame, r#"[{{"id":1,"type":{long}}},{{"id":2,{long}:1,{long}:2}},"#).expect("a String");
    write!(frame, r#"{{"id":3,"type":"publish","channel":{long},"data":1}},"#).expect("a String");
    write!(frame, r#"{{"id":4,"type":"publish","channel":"a","data":{{{long}:1,{long}:2}}}},"#)
        .expect("a String");
    write!(frame, r#"{{"id":5,"type":"publish","channel":"a","base64":{long}}}]"#)
        .expect("a String");
    let read = Codec::Json.decode_client(frame.as_bytes()).expect("every message has an id");
    assert_eq!(read.len(), 5);
    for incoming in read {
        let Incoming::Refused { refusal, .. } = incoming else { panic!("{incoming:?}") };
        assert!(refusal.message.len() < 500, "{}", refusal.message);
    }
}
