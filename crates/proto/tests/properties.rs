//! Properties of a connection: what is encoded is decoded, chunking changes nothing, fragments
//! follow their model (RFC 6455 §5).

mod support;

use std::num::NonZeroUsize;

use longwire_proto::{Delivery, Event, Fragment, Message, ProtocolError, SendError, Side};
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
