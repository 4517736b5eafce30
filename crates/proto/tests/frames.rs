//! Messages that were encoded before their connection took them over.

mod support;

use std::{
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bytes::Buf;
use longwire_proto::{
    CloseCode, Connection, Deflate, Frames, Message, SendError, Side, Timer, Transmit,
};
use proptest::prelude::*;
use support::{BINARY, End, FIN, SECOND, TEXT, Wire, binary, close, config, part, plain, text};

fn frames_of<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Frames {
    let mut frames = Frames::new();
    messages.into_iter().for_each(|message| frames.push(message));
    frames
}

/// What a caller does, its peer, or the transport.
#[derive(Clone, Debug)]
enum Step {
    /// Messages that were encoded together.
    Encoded(Vec<Message>),
    Message(Message),
    /// A part of a binary message, and whether it is the last.
    Fragment(usize, bool),
    Ping,
    PeerPings(u8),
    Close,
    Fail,
    PeerCloses,
    /// The transport takes so many bytes.
    Write(usize),
}

fn messages() -> impl Strategy<Value = Message> {
    let lengths = prop_oneof![
        10 => 0..200usize,
        1 => prop::sample::select(vec![125, 126, 4095, 4096, 4097, 65_535, 65_536]),
    ];
    let binary = (lengths, any::<u8>()).prop_map(|(len, byte)| Message::binary(vec![byte; len]));
    prop_oneof!["[a-zé€😀]{0,30}".prop_map(Message::text), binary]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(messages(), 0..6).prop_map(Step::Encoded),
        // More than the run of small frames that is cut.
        1 => prop::collection::vec(Just(Message::binary(vec![7; 4096])), 10..20).prop_map(Step::Encoded),
        4 => messages().prop_map(Step::Message),
        3 => (0..6000usize, any::<bool>()).prop_map(|(len, fin)| Step::Fragment(len, fin)),
        2 => Just(Step::Ping),
        3 => any::<u8>().prop_map(Step::PeerPings),
        6 => (0..400usize).prop_map(Step::Write),
        2 => (0..100_000usize).prop_map(Step::Write),
    ]
}

fn ends() -> impl Strategy<Value = Step> {
    prop::sample::select(vec![Step::Close, Step::Fail, Step::PeerCloses])
}

/// Takes up to `max` bytes as a transport does: a piece at a time.
fn write(end: &mut End, max: usize) {
    let mut left = max;
    while left > 0 && end.connection.poll_transmit() == Some(Transmit::Bytes) {
        let chunk = end.connection.outgoing().chunk();
        let count = chunk.len().min(left);
        assert!(count > 0, "bytes to write, and none there");
        end.sent.extend_from_slice(&chunk[..count]);
        end.connection.handle_written(count, end.now);
        left -= count;
    }
}

/// A server whose transport takes nothing but by [`write`].
fn stalled() -> End {
    let mut end = End::new(Side::Server, config(|it| it.limits.max_buffered_amount = usize::MAX));
    end.room = 0;
    end
}

/// Does the same to both, but for what is encoded before: `plain` gets it message by message.
fn apply(step: Step, encoded: &mut End, plain: &mut End) {
    match step {
        Step::Encoded(messages) => {
            let frames = frames_of(&messages);
            let now = encoded.now;
            let taken = encoded.connection.send_frames(frames.clone(), now);
            for message in messages {
                match (&taken, plain.connection.send(message, now)) {
                    (Ok(()), Ok(())) => {}
                    (Err(SendError::Closed(back)), Err(SendError::Closed(_)))
                    | (Err(SendError::FragmentPending(back)), Err(SendError::FragmentPending(_))) =>
                    {
                        assert_eq!(*back, frames);
                    }
                    (encoded, plain) => panic!("{encoded:?}, and message by message {plain:?}"),
                }
            }
        }
        Step::Message(message) => {
            let now = encoded.now;
            let results =
                [&mut *encoded, &mut *plain].map(|it| it.connection.send(message.clone(), now));
            assert_eq!(results[0], results[1]);
        }
        Step::Fragment(len, fin) => {
            let now = encoded.now;
            let results = [&mut *encoded, &mut *plain]
                .map(|it| it.connection.send_fragment(part(binary(&vec![3; len]), fin), now));
            assert_eq!(results[0], results[1]);
        }
        Step::Ping => {
            let now = encoded.now;
            assert_eq!(encoded.connection.ping(now), plain.connection.ping(now));
        }
        Step::PeerPings(byte) => {
            let wire = Wire::to(Side::Server).ping(&[byte]);
            for it in [encoded, plain] {
                it.receive(&wire);
            }
        }
        Step::PeerCloses => {
            let wire = Wire::to(Side::Server).close(1000, "bye");
            for it in [encoded, plain] {
                it.receive(&wire);
            }
        }
        Step::Close => {
            for it in [encoded, plain] {
                it.connection.close(close(1000, ""), it.now);
            }
        }
        Step::Fail => {
            for it in [encoded, plain] {
                it.connection.fail(close(1011, ""), it.now);
            }
        }
        Step::Write(max) => {
            for it in [encoded, plain] {
                write(it, max);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn encoded_messages_go_out_as_if_each_had_been_sent(
        before in prop::collection::vec(steps(), 0..30),
        end in prop::option::of(ends()),
        after in prop::collection::vec(steps(), 0..6),
        pace in prop::sample::select(vec![1usize, 7, 1000, usize::MAX]),
    ) {
        let (mut encoded, mut plain) = (stalled(), stalled());
        for step in before.into_iter().chain(end).chain(after) {
            apply(step, &mut encoded, &mut plain);
            prop_assert_eq!(
                encoded.connection.buffered_amount(),
                plain.connection.buffered_amount()
            );
            prop_assert_eq!(encoded.connection.queued(), plain.connection.queued());
            prop_assert_eq!(encoded.connection.written(), plain.connection.written());
        }
        let left = encoded.connection.buffered_amount();
        for _ in 0..left.div_ceil(pace) {
            write(&mut encoded, pace);
            write(&mut plain, pace);
        }
        prop_assert_eq!(encoded.connection.buffered_amount(), 0);
        prop_assert_eq!(&encoded.sent, &plain.sent);
        prop_assert_eq!(&encoded.events, &plain.events);
    }

    #[test]
    fn encoded_messages_are_frames_of_the_standard(messages in prop::collection::vec(messages(), 0..10)) {
        let frames = frames_of(&messages);
        prop_assert_eq!(frames.messages(), messages.len());
        prop_assert_eq!(frames.is_empty(), messages.is_empty());
        let len = frames.encoded_len();
        let mut end = End::new(Side::Server, plain());
        end.connection.send_frames(frames, end.now).expect("open");
        prop_assert_eq!(end.connection.buffered_amount(), len);
        end.pump();
        let expected: Vec<_> = messages
            .iter()
            .map(|message| {
                let opcode = if message.as_text().is_some() { TEXT } else { BINARY };
                support::Frame::new(FIN | opcode, message.as_bytes())
            })
            .collect();
        prop_assert_eq!(end.frames(), expected);
    }
}

#[test]
fn written_in_two_pieces_cut_at_every_byte_they_are_the_same() {
    let small = [text("one"), binary(b""), binary(&[2; 130])];
    let scenario = |cut: usize| {
        let mut end = stalled();
        let send = |end: &mut End, frames| {
            end.connection.send_frames(frames, end.now).expect("nothing is refused");
        };
        send(&mut end, frames_of(&small));
        end.connection.ping(end.now).expect("open");
        write(&mut end, cut);
        send(&mut end, frames_of(&small));
        end.connection.send(binary(&[3; 5000]), end.now).expect("nothing is refused");
        write(&mut end, cut);
        send(&mut end, frames_of(&small[..1]));
        send(&mut end, Frames::new());
        end.connection.close(close(1000, ""), end.now);
        write(&mut end, usize::MAX);
        assert_eq!(end.connection.buffered_amount(), 0);
        end.sent
    };
    let whole = scenario(usize::MAX);
    assert_eq!(support::frames(Side::Server, &whole).len(), 3 + 1 + 3 + 1 + 1 + 1);
    for cut in 0..whole.len() {
        assert_eq!(scenario(cut), whole, "cut at {cut}");
    }
}

#[test]
fn the_limit_of_what_waits_counts_them_as_one() {
    let message = binary(&[1; 10]);
    let ten = frames_of(std::iter::repeat_n(&message, 10));
    assert_eq!(ten.encoded_len(), 120);
    for (limit, fits) in [(12 + 119, false), (12 + 120, true)] {
        let mut end = End::new(Side::Server, config(|it| it.limits.max_buffered_amount = limit));
        end.room = 0;
        end.connection.send_frames(frames_of([&message]), end.now).expect("nothing waits");
        let result = end.connection.send_frames(ten.clone(), end.now);
        if fits {
            assert_eq!(result, Ok(()));
            assert_eq!(end.connection.buffered_amount(), limit);
        } else {
            assert_eq!(result, Err(SendError::Full(ten.clone())));
            assert_eq!(end.connection.buffered_amount(), 12);
            // Where nothing waits, anything goes.
            end.room = usize::MAX;
            end.pump();
            end.connection.send_frames(ten.clone(), end.now).expect("nothing waits");
        }
    }
}

#[test]
fn within_a_message_in_fragments_they_come_back() {
    let mut end = End::new(Side::Server, plain());
    let frames = frames_of([&text("between")]);
    end.connection.send_fragment(part(text("one "), false), end.now).expect("open");
    let back = end.connection.send_frames(frames.clone(), end.now);
    assert_eq!(back, Err(SendError::FragmentPending(frames.clone())));
    end.connection.send_fragment(part(text("two"), true), end.now).expect("open");
    end.connection.send_frames(frames, end.now).expect("the message has ended");
    end.pump();
    let payloads: Vec<_> = end.frames().into_iter().map(|frame| frame.payload).collect();
    assert_eq!(payloads, [&b"one "[..], b"two", b"between"]);
}

#[test]
fn behind_a_close_frame_and_after_the_end_they_come_back() {
    let frames = frames_of([&text("late")]);
    let closed = Err(SendError::Closed(frames.clone()));
    let ends: [fn(&mut End); 4] = [
        |end| end.connection.close(close(1000, ""), end.now),
        |end| end.connection.fail(close(1011, ""), end.now),
        |end| end.receive(&Wire::to(Side::Server).close(1000, "")),
        |end| end.lost(),
    ];
    for finish in ends {
        let mut end = End::new(Side::Server, plain());
        finish(&mut end);
        end.pump();
        let sent = end.sent.len();
        assert_eq!(end.connection.send_frames(frames.clone(), end.now), closed);
        end.pump();
        assert_eq!(end.sent.len(), sent);
    }
}

#[test]
fn they_go_out_before_the_answer_to_a_close_frame() {
    let mut end = End::new(Side::Server, plain());
    end.receive_and(&Wire::to(Side::Server).close(1000, ""), |connection, _, now| {
        if connection.owes_close() {
            connection.send_frames(frames_of([&text("last")]), now).expect("nothing follows yet");
        }
    });
    let frames = end.frames();
    assert_eq!(frames[0], support::Frame::new(FIN | TEXT, b"last"));
    assert_eq!(frames[1].close_code(), Some(1000));
}

#[test]
fn a_connection_whose_messages_depend_on_what_it_knows_takes_none() {
    let deflate = config(|it| it.deflate = Some(Deflate::default()));
    let fragments = config(|it| it.fragment_size = NonZeroUsize::new(1 << 20));
    let takes = |side, config| support::connection(side, config, support::start()).takes_frames();
    assert!(takes(Side::Server, plain()));
    for (side, config) in [
        (Side::Client, plain()),
        (Side::Client, fragments.clone()),
        (Side::Server, fragments),
        (Side::Server, deflate),
    ] {
        let mut connection: Connection = support::connection(side, config, support::start());
        assert!(!connection.takes_frames());
        let frames = frames_of([&text("no")]);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            drop(connection.send_frames(frames, support::start()));
        }));
        panic.expect_err("it would break the protocol");
        assert_eq!(connection.buffered_amount(), 0);
    }
}

#[test]
fn they_keep_a_connection_from_being_idle() {
    let mut end = End::new(Side::Server, config(|it| it.idle_timeout = Some(10 * SECOND)));
    for _ in 0..5 {
        end.advance(9 * SECOND);
        end.connection.send_frames(frames_of([&text("busy")]), end.now).expect("open");
        end.pump();
    }
    assert_eq!(end.frames().len(), 5);
    end.advance(10 * SECOND);
    assert_eq!(end.frames().last().and_then(support::Frame::close_code), Some(1001));
    end.advance(60 * SECOND);
    assert_eq!(end.closed().cause, longwire_proto::Cause::TimedOut(Timer::Close));
    assert_eq!(end.closed().sent.as_ref().map(|it| it.code), Some(CloseCode::GOING_AWAY));
}
