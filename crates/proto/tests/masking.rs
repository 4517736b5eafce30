//! Masking: a client masks every frame, a server none (RFC 6455 §5.1, §5.3).

mod support;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Buf;
use longwire_proto::{Connection, Event, Message, ProtocolError, Side, Text};
use support::{
    BINARY, CLOSE, CONTINUATION, End, FIN, PING, PONG, TEXT, Wire, binary, close, config, part,
    plain, run, start, text,
};

#[test]
fn a_server_refuses_each_kind_of_unmasked_frame() {
    for first in [FIN | TEXT, BINARY, FIN | PING, FIN | PONG, FIN | CLOSE, FIN | CONTINUATION] {
        let wire = Wire::to(Side::Server).frame_masked_if(false, first, b"");
        let outcome = run(Side::Server, &plain(), &wire);
        assert_eq!(outcome.events, [Event::Violation(ProtocolError::FrameUnmasked)], "{first:x}");
        assert_eq!(outcome.sent[0].close_code(), Some(1002));
    }
}

#[test]
fn a_client_refuses_each_kind_of_masked_frame() {
    for first in [FIN | TEXT, BINARY, FIN | PING, FIN | PONG, FIN | CLOSE, FIN | CONTINUATION] {
        let wire = Wire::to(Side::Client).frame_masked_if(true, first, b"");
        let outcome = run(Side::Client, &plain(), &wire);
        assert_eq!(outcome.events, [Event::Violation(ProtocolError::FrameMasked)], "{first:x}");
        assert_eq!(outcome.sent[0].close_code(), Some(1002));
    }
}

#[test]
fn an_unmasked_frame_amid_masked_ones_is_refused() {
    let wire = Wire::to(Side::Server).text("masked").frame_masked_if(false, FIN | TEXT, b"not");
    let outcome = run(Side::Server, &plain(), &wire);
    assert_eq!(
        outcome.events,
        [Event::Message(text("masked")), Event::Violation(ProtocolError::FrameUnmasked)]
    );
}

#[test]
fn a_server_sends_nothing_masked_and_a_client_everything() {
    for side in support::SIDES {
        let mut end = End::new(side, plain());
        let (connection, now) = (&mut end.connection, end.now);
        connection.send(text("small"), now).expect("open");
        connection.send(binary(&[1; 5000]), now).expect("open");
        connection.send_fragment(part(text("a"), false), now).expect("open");
        assert!(connection.ping(now).is_some());
        connection.send_fragment(part(text("b"), true), now).expect("open");
        end.receive(&Wire::to(side).ping(b"?"));
        end.connection.close(close(1000, "bye"), end.now);
        end.pump();
        // `frames` asserts that each frame is masked, or not, as its sender must.
        let opcodes: Vec<u8> = end.frames().iter().map(support::Frame::opcode).collect();
        assert_eq!(opcodes, [TEXT, BINARY, TEXT, PING, CONTINUATION, PONG, CLOSE]);
    }
}

#[test]
fn each_frame_has_a_key_of_its_own_taken_from_the_given_source() {
    let asked = Arc::new(AtomicU32::new(0));
    let source = Arc::clone(&asked);
    let keys = move || (0xC0DE_0000 + source.fetch_add(1, Ordering::Relaxed)).to_be_bytes();
    let now = start();
    let config = config(|it| it.fragment_size = std::num::NonZeroUsize::new(2));
    let mut connection = Connection::client(config, Box::new(keys), now);
    connection.send(binary(b"abcde"), now).expect("open");
    connection.ping(now).expect("open");
    connection.close(close(1000, ""), now);

    let mut wire = Vec::new();
    wire.extend_from_slice(connection.outgoing().chunk());
    assert_eq!(wire.len(), connection.buffered_amount(), "small frames are one chunk");
    let mut keys = HashSet::new();
    let mut rest = &wire[..];
    while !rest.is_empty() {
        let len = usize::from(rest[1] & 0x7F);
        keys.insert(rest[2..6].to_vec());
        rest = &rest[6 + len..];
    }
    let expected = (0..5u32).map(|n| (0xC0DE_0000 + n).to_be_bytes().to_vec()).collect();
    assert_eq!(keys, expected);
    assert_eq!(asked.load(Ordering::Relaxed), 5);
}

#[test]
fn a_payload_that_others_hold_is_not_masked_in_place() {
    let bytes = bytes::Bytes::from(vec![0x11; 100_000]);
    let held = bytes.clone();
    let mut end = End::new(Side::Client, plain());
    end.connection.send(Message::Binary(bytes), end.now).expect("open");
    end.pump();
    assert!(held.iter().all(|&byte| byte == 0x11));
    assert_eq!(end.frames()[0].payload, held);
}

#[test]
fn a_slice_of_a_payload_is_masked_without_touching_the_rest() {
    let whole = bytes::Bytes::from(vec![0x22; 100_000]);
    let middle = whole.slice(10_000..60_000);
    let mut end = End::new(Side::Client, plain());
    end.connection.send(Message::Binary(middle.clone()), end.now).expect("open");
    drop(middle);
    end.connection.send(Message::Binary(whole.slice(50_000..)), end.now).expect("open");
    end.pump();
    assert!(whole.iter().all(|&byte| byte == 0x22));
    assert!(end.frames().iter().all(|frame| frame.payload == whole[..50_000]));
}

#[test]
fn static_text_is_masked_in_a_copy() {
    static TEXT: &str = include_str!("masking.rs");
    assert!(TEXT.len() > 4096, "long enough not to be copied beside its header");
    let mut end = End::new(Side::Client, plain());
    end.connection.send(Message::Text(Text::from_static(TEXT)), end.now).expect("open");
    end.pump();
    assert_eq!(end.frames()[0].payload, TEXT.as_bytes());
}

#[test]
fn unmasking_continues_across_reads_of_every_length() {
    let payload: Vec<u8> = (0..=255).cycle().take(700).collect();
    let wire = Wire::to(Side::Server).binary(&payload);
    for step in 1..=70 {
        let mut end = End::new(Side::Server, plain());
        for piece in wire.chunks(step) {
            end.receive(piece);
        }
        assert_eq!(end.events, [Event::Message(binary(&payload))], "reads of {step} bytes");
    }
}
