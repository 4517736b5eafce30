//! Properties of a connection: what is encoded is decoded, chunking changes nothing, fragments
//! follow their model (RFC 6455 §5).

mod support;

use std::{mem, num::NonZeroUsize, sync::Arc};

use longwire_proto::{
    Config, Deflate, Delivery, Event, Fragment, Message, ProtocolError, SendError, Side,
};
use proptest::prelude::*;
use support::{BINARY, CONTINUATION, End, FIN, PING, PONG, TEXT, Wire, config, plain};

fn sides() -> impl Strategy<Value = Side> {
    prop::sample::select(vec![Side::Client, Side::Server])
}

fn messages() -> impl Strategy<Value = Message> {
    let lengths = prop_oneof![
        8 => 0..200usize,
        1 => prop::sample::select(vec![125, 126, 4096, 4097, 65_535, 65_536]),
    ];
    let binary = (lengths, any::<u8>()).prop_map(|(len, byte)| Message::binary(vec![byte; len]));
    prop_oneof![any::<String>().prop_map(Message::text), binary]
}

/// What a caller does.
#[derive(Clone, Debug)]
enum Command {
    Send(Message),
    Fragments(Vec<String>),
    Ping,
}

fn commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        3 => messages().prop_map(Command::Send),
        1 => prop::collection::vec(any::<String>(), 1..5).prop_map(Command::Fragments),
        1 => Just(Command::Ping),
    ]
}

/// Frames as a peer may send them, sound or not.
fn soup() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let first = prop_oneof![
        6 => prop::sample::select(vec![FIN | TEXT, FIN | BINARY, TEXT, BINARY]),
        6 => prop::sample::select(vec![CONTINUATION, FIN | CONTINUATION, FIN | PING, FIN | PONG]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        4 => "[a-zé€😀]{0,20}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec((first, payload), 0..10)
}

/// A frame as a peer may send it, sound or not; mostly a message of its own.
#[derive(Clone, Debug)]
struct Single {
    first: u8,
    payload: Vec<u8>,
    /// Whether it is masked although it must not be, or not although it must.
    odd_mask: bool,
}

fn single_frames() -> impl Strategy<Value = Vec<Single>> {
    let first = prop_oneof![
        30 => prop::sample::select(vec![FIN | TEXT, FIN | BINARY]),
        3 => Just(FIN | PING),
        1 => prop::sample::select(vec![TEXT, BINARY, CONTINUATION, FIN | CONTINUATION]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        8 => "[a-zé€😀]{0,20}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        // A character that is cut.
        1 => "[a-z]{0,20}".prop_map(|text| [text.as_bytes(), &[0xE2, 0x82]].concat()),
        1 => (125..130usize).prop_map(|len| vec![b'x'; len]),
    ];
    let odd_mask = prop::bool::weighted(0.02);
    let single = (first, payload, odd_mask).prop_map(|(first, payload, odd_mask)| Single {
        first,
        payload,
        odd_mask,
    });
    prop::collection::vec(single, 0..8)
}

/// Limits at which messages of [`single_frames`] are, or beyond which.
#[derive(Clone, Copy, Debug)]
struct Limited {
    frame: u64,
    message: u64,
    fragments: u32,
    deflate: bool,
}

fn limits() -> impl Strategy<Value = Limited> {
    let bytes = || prop_oneof![2 => Just(u64::MAX), 1 => 0..40u64, 1 => 123..131u64];
    let fragments = prop_oneof![3 => Just(u32::MAX), 1 => 0..2u32];
    (bytes(), bytes(), fragments, any::<bool>()).prop_map(|(frame, message, fragments, deflate)| {
        Limited { frame, message, fragments, deflate }
    })
}

impl Limited {
    fn config(&self, delivery: Delivery) -> Arc<Config> {
        config(|it| {
            it.limits.max_frame_size = self.frame;
            it.limits.max_message_size = self.message;
            it.limits.max_fragments = self.fragments;
            it.deflate = self.deflate.then(Deflate::default);
            it.delivery = delivery;
        })
    }

    fn wire(side: Side, frames: &[Single]) -> Wire {
        frames.iter().fold(Wire::to(side), |wire, frame| {
            let masked = (side == Side::Server) != frame.odd_mask;
            wire.frame_masked_if(masked, frame.first, &frame.payload)
        })
    }
}

/// The messages that are sent whole, each as its frames: section 5.4.
fn joined(frames: &[Single]) -> Vec<Vec<&Single>> {
    let mut messages = Vec::new();
    let mut open = Vec::new();
    for frame in frames.iter().filter(|frame| frame.first & 0xF < 3) {
        open.push(frame);
        if frame.first & FIN != 0 {
            messages.push(mem::take(&mut open));
        }
    }
    messages
}

fn cut(wire: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
    places.sort_unstable();
    places.push(wire.len());
    let mut start = 0;
    places
        .into_iter()
        .map(|place| {
            let piece = wire[start..place].to_vec();
            start = place;
            piece
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_one_end_sends_the_other_receives(
        side in sides(),
        commands in prop::collection::vec(commands(), 0..12),
        fragment_size in prop::option::of(1..50_000usize),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut sender = End::new(side, config(|it| {
            it.fragment_size = fragment_size.and_then(NonZeroUsize::new);
            it.limits.max_buffered_amount = usize::MAX;
        }));
        let mut expected = Vec::new();
        let mut pings = 0;
        for command in commands {
            match command {
                Command::Send(message) => {
                    // A tiny size for a large message is a frame a byte: slow, and no other case.
                    prop_assume!(message.len() < fragment_size.map_or(usize::MAX, |size| 100 * size));
                    expected.push(message.clone());
                    // The rest of a fragmented message may have to go first.
                    if let Err(SendError::Full(message)) = sender.connection.send(message, sender.now) {
                        sender.pump();
                        sender.connection.send(message, sender.now).expect("nothing is queued");
                    }
                }
                Command::Fragments(parts) => {
                    sender.pump();
                    expected.push(Message::text(parts.concat()));
                    let last = parts.len() - 1;
                    for (place, part) in parts.into_iter().enumerate() {
                        let fragment = Fragment { part: part.into(), fin: place == last };
                        sender.connection.send_fragment(fragment, sender.now).expect("open");
                    }
                }
                Command::Ping => {
                    pings += u64::from(sender.connection.ping(sender.now).is_some());
                }
            }
        }
        sender.pump();
        let mut receiver = End::new(side.peer(), config(|it| it.limits.max_fragments = u32::MAX));
        for piece in cut(&sender.sent, &cuts) {
            receiver.receive(&piece);
        }
        let (messages, pinged): (Vec<_>, Vec<_>) =
            receiver.events.into_iter().partition(|event| matches!(event, Event::Message(_)));
        prop_assert_eq!(messages, expected.into_iter().map(Event::Message).collect::<Vec<_>>());
        prop_assert_eq!(pinged.len() as u64, pings);
        sender.receive(&receiver.sent);
        if pings > 0 {
            let answered =
                |event: &Event| matches!(event, Event::Pong { answers: Some((n, _)), .. } if n + 1 == pings);
            prop_assert!(sender.events.last().is_some_and(answered));
        }
    }

    #[test]
    fn any_chunking_of_any_bytes_gives_the_same_events_and_output(
        side in sides(),
        wire in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut whole = End::new(side, plain());
        whole.receive(&wire);
        let mut pieces = End::new(side, plain());
        for piece in cut(&wire, &cuts) {
            pieces.receive(&piece);
        }
        prop_assert_eq!(pieces.into_outcome(), whole.into_outcome());
    }

    #[test]
    fn any_chunking_of_nearly_sound_frames_gives_the_same_events_and_output(
        side in sides(),
        frames in soup(),
        spoil in prop::option::weighted(0.3, any::<(prop::sample::Index, u8)>()),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let wire = frames
            .iter()
            .fold(Wire::to(side), |wire, (first, payload)| wire.frame(*first, payload));
        let mut wire = wire.to_vec();
        if let Some((place, byte)) = spoil && !wire.is_empty() {
            let place = place.index(wire.len());
            wire[place] = byte;
        }
        let mut whole = End::new(side, plain());
        whole.receive(&wire);
        let mut pieces = End::new(side, plain());
        for piece in cut(&wire, &cuts) {
            pieces.receive(&piece);
        }
        prop_assert_eq!(pieces.into_outcome(), whole.into_outcome());
    }

    #[test]
    fn messages_of_one_frame_that_arrive_whole_follow_the_rules_of_those_that_arrive_in_pieces(
        side in sides(),
        frames in single_frames(),
        limits in limits(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let config = limits.config(Delivery::Messages);
        let wire = Limited::wire(side, &frames);
        let mut whole = End::new(side, Arc::clone(&config));
        whole.receive(&wire);
        let whole = whole.into_outcome();
        let bytes = wire.chunks(1).map(<[u8]>::to_vec).collect();
        for pieces in [bytes, cut(&wire, &cuts)] {
            let mut end = End::new(side, Arc::clone(&config));
            for piece in &pieces {
                end.receive(piece);
            }
            prop_assert_eq!(end.into_outcome(), whole.clone());
        }
        // Nothing but messages within the limits was let through.
        let mut sent = joined(&frames).into_iter();
        for event in &whole.events {
            if let Event::Message(message) = event {
                let fragments = sent.next().expect("a message sent for each received");
                let compressed = fragments[0].first & RSV1 != 0;
                prop_assert!(limits.deflate || !compressed);
                if !compressed {
                    let payload: Vec<&[u8]> = fragments.iter().map(|it| &it.payload[..]).collect();
                    prop_assert_eq!(message.as_bytes(), payload.concat());
                }
                prop_assert!(fragments.iter().all(|it| it.payload.len() as u64 <= limits.frame));
                prop_assert!(message.len() as u64 <= limits.message);
                prop_assert!(fragments.len() as u64 <= u64::from(limits.fragments));
                prop_assert!(fragments.iter().all(|it| !it.odd_mask));
                prop_assert!(fragments.iter().skip(1).all(|it| it.first & RSV1 == 0));
                prop_assert!(fragments.iter().all(|it| it.first & 0x30 == 0), "RSV2 and RSV3");
            }
        }
    }

    #[test]
    fn limits_do_not_concern_what_is_delivered_as_it_arrives(
        side in sides(),
        frames in single_frames(),
        limits in limits(),
    ) {
        let wire = Limited::wire(side, &frames);
        let outcome = |limits: &Limited| {
            let mut end = End::new(side, limits.config(Delivery::Fragments));
            end.receive(&wire);
            end.into_outcome()
        };
        let unlimited = Limited { frame: u64::MAX, message: u64::MAX, fragments: u32::MAX, ..limits };
        prop_assert_eq!(outcome(&limits), outcome(&unlimited));
    }

    #[test]
    fn fragments_follow_their_model(side in sides(), frames in soup()) {
        let wire = frames
            .iter()
            .filter(|(first, _)| first & 0x7F < 3 || *first == FIN | PING || *first == FIN | PONG)
            .fold(Wire::to(side), |wire, (first, payload)| wire.frame(*first, payload));
        let mut end = End::new(side, plain());
        end.receive(&wire);
        let expected = model(frames);
        let actual: Vec<Event> = end
            .events
            .into_iter()
            .filter(|event| matches!(event, Event::Message(_) | Event::Violation(_)))
            .collect();
        prop_assert_eq!(actual, expected);
    }

    #[test]
    fn streamed_parts_join_to_the_messages_that_whole_delivery_gives(
        side in sides(),
        frames in soup(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let wire = frames
            .iter()
            .fold(Wire::to(side), |wire, (first, payload)| wire.frame(*first, payload));
        let mut whole = End::new(side, plain());
        whole.receive(&wire);
        let mut streamed = End::new(side, config(|it| it.delivery = Delivery::Fragments));
        for piece in cut(&wire, &cuts) {
            streamed.receive(&piece);
        }
        let mut joined = Vec::new();
        let mut under_way: Option<Vec<u8>> = None;
        for event in streamed.events {
            if let Event::Fragment(Fragment { part, fin }) = event {
                let text = part.as_text().is_some();
                let bytes = under_way.get_or_insert_default();
                bytes.extend_from_slice(part.as_bytes());
                if fin {
                    let bytes = under_way.take().expect("inserted");
                    joined.push(Event::Message(if text {
                        Message::text(String::from_utf8(bytes).expect("parts of text are text"))
                    } else {
                        Message::binary(bytes)
                    }));
                }
            } else {
                joined.push(event);
            }
        }
        prop_assert_eq!(joined, whole.events);
        prop_assert_eq!(streamed.sent, whole.sent);
    }
}

/// What §5.4 and §8.1 make of these frames, said as directly as can be.
fn model(frames: Vec<(u8, Vec<u8>)>) -> Vec<Event> {
    let mut events = Vec::new();
    let mut message: Option<(bool, Vec<u8>)> = None;
    for (first, payload) in frames {
        let opcode = first & 0xF;
        if first & 0x7F >= 3 {
            continue;
        }
        let violation = match (opcode, &message) {
            (CONTINUATION, None) => Some(ProtocolError::ContinuationUnexpected),
            (TEXT | BINARY, Some(_)) => Some(ProtocolError::ContinuationExpected),
            _ => None,
        };
        if let Some(error) = violation {
            events.push(Event::Violation(error));
            return events;
        }
        let (text, bytes) = message.get_or_insert_with(|| (opcode == TEXT, Vec::new()));
        bytes.extend_from_slice(&payload);
        let fin = first & FIN != 0;
        let bad = match std::str::from_utf8(bytes) {
            Ok(_) => false,
            Err(error) => fin || error.error_len().is_some(),
        };
        if *text && bad {
            events.push(Event::Violation(ProtocolError::TextNotUtf8));
            return events;
        }
        if fin {
            let (text, bytes) = message.take().expect("inserted");
            events.push(Event::Message(if text {
                Message::text(String::from_utf8(bytes).expect("checked"))
            } else {
                Message::binary(bytes)
            }));
        }
    }
    events
}

const RSV1: u8 = 0x40;
