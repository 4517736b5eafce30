//! Any message, and bytes that look like frames.

use std::sync::Arc;

use longwire_channel::{
    Capabilities, ChannelName, ClientMessage, CloseCode, Connect, Connected, Disconnect, Epoch,
    ErrorCode, Gap, History, HistoryPage, Limits, Order, Outcome, Payload, Policy, Position,
    Producer, Publication, Publish, Published, Push, Pushed, Record, Refusal, ServerMessage, Start,
    Subscribe, Subscribed, Token, Unsubscribed,
};
use proptest::{option, prelude::*};
use serde_json::Value;

pub(crate) fn client_message() -> impl Strategy<Value = ClientMessage> {
    prop_oneof![
        connect().prop_map(|connect| ClientMessage::Connect(Box::new(connect))),
        (integer(), subscribe())
            .prop_map(|(id, subscribe)| ClientMessage::Subscribe { id, subscribe }),
        (integer(), any::<u32>()).prop_map(|(id, sub)| ClientMessage::Unsubscribe { id, sub }),
        (integer(), publication()).prop_map(|(id, publication)| ClientMessage::Publish {
            id,
            publish: Box::new(Publish { channel: channel(), publication }),
        }),
        (integer(), history()).prop_map(|(id, history)| ClientMessage::History { id, history }),
        (integer(), ".*").prop_map(|(id, token)| ClientMessage::Refresh { id, token }),
        Just(ClientMessage::Pong),
    ]
}

fn connect() -> impl Strategy<Value = Connect> {
    (
        (integer(), any::<u32>(), any::<u32>()),
        (option::of(".*"), option::of(".*"), option::of(".*")),
        prop::collection::vec(subscribe(), 0..4),
    )
        .prop_map(|((id, version, capabilities), (token, ticket, client), subscriptions)| {
            Connect {
                id,
                version,
                capabilities: Capabilities(capabilities),
                token,
                ticket,
                client,
                subscriptions,
            }
        })
}

fn subscribe() -> impl Strategy<Value = Subscribe> {
    let start = prop_oneof![
        Just(Start::Now),
        position().prop_map(Start::After),
        Just(Start::Beginning),
        any::<u32>().prop_map(Start::Last),
        integer().prop_map(Start::Time),
    ];
    let policy = prop_oneof![
        Just(Policy::All),
        any::<u32>().prop_map(|interval_ms| Policy::Latest { interval_ms }),
        (1..=u32::MAX).prop_map(|interval_ms| Policy::Rollup { interval_ms }),
        Just(Policy::Drop),
        Just(Policy::Disconnect),
    ];
    (any::<u32>(), start, option::of(policy)).prop_map(|(sub, start, policy)| Subscribe {
        sub,
        channel: channel(),
        start,
        policy,
    })
}

fn publication() -> impl Strategy<Value = Publication> {
    let producer =
        (token(), integer(), integer()).prop_map(|(id, epoch, seq)| Producer { id, epoch, seq });
    let idempotency = prop_oneof![
        Just((None, None)),
        token().prop_map(|key| (Some(key), None)),
        producer.prop_map(|producer| (None, Some(producer))),
    ];
    (payload(), option::of(token()), idempotency, any::<bool>()).prop_map(
        |(payload, event, (key, producer), ephemeral)| Publication {
            event,
            key,
            producer,
            ephemeral,
            ..Publication::new(payload)
        },
    )
}

fn history() -> impl Strategy<Value = History> {
    let order = prop_oneof![Just(Order::Forwards), Just(Order::Backwards)];
    (order, option::of(position()), option::of(integer()), option::of(any::<u32>())).prop_map(
        |(order, from, since, limit)| History { channel: channel(), order, from, since, limit },
    )
}

pub(crate) fn server_message() -> impl Strategy<Value = ServerMessage> {
    let published = (option::of(position()), any::<bool>())
        .prop_map(|(position, duplicate)| Published { position, duplicate });
    prop_oneof![
        connected().prop_map(|connected| ServerMessage::Connected(Box::new(connected))),
        (integer(), subscribed())
            .prop_map(|(id, subscribed)| ServerMessage::Subscribed { id, subscribed }),
        (integer(), any::<u32>()).prop_map(|(id, sub)| ServerMessage::Unsubscribed { id, sub }),
        (integer(), published)
            .prop_map(|(id, published)| ServerMessage::Published { id, published }),
        (integer(), page()).prop_map(|(id, page)| ServerMessage::History { id, page }),
        (integer(), option::of(integer()), option::of(".*")).prop_map(
            |(id, expires_in_ms, ticket)| ServerMessage::Refreshed { id, expires_in_ms, ticket }
        ),
        (integer(), refusal()).prop_map(|(id, refusal)| ServerMessage::Error { id, refusal }),
        (any::<u32>(), pushed())
            .prop_map(|(sub, pushed)| ServerMessage::Push(Push { sub, pushed })),
        Just(ServerMessage::Ping),
        (any::<u16>(), ".*", option::of(integer())).prop_map(|(code, reason, retry_after_ms)| {
            ServerMessage::Disconnect(Disconnect { code: CloseCode(code), reason, retry_after_ms })
        }),
    ]
}

fn connected() -> impl Strategy<Value = Connected> {
    let limits = (integer(), any::<u32>(), any::<u32>()).prop_map(
        |(max_message_bytes, max_subscriptions, publish_rate)| Limits {
            max_message_bytes,
            max_subscriptions,
            publish_rate,
        },
    );
    let subscription = prop_oneof![
        subscribed().prop_map(|subscribed| (subscribed.sub, Ok(subscribed))),
        (any::<u32>(), refusal()).prop_map(|(sub, refusal)| (sub, Err(refusal))),
    ];
    (
        (integer(), ".*", option::of(token()), any::<u32>()),
        (integer(), integer(), option::of(integer()), integer(), option::of(".*")),
        limits,
        prop::collection::vec(subscription, 0..4),
    )
        .prop_map(|((id, session, user, capabilities), times, limits, subscriptions)| {
            Connected {
                id,
                session,
                user,
                capabilities: Capabilities(capabilities),
                ping_interval_ms: times.0,
                pong_timeout_ms: times.1,
                expires_in_ms: times.2,
                reconnect_window_ms: times.3,
                ticket: times.4,
                limits,
                subscriptions,
            }
        })
}

fn subscribed() -> impl Strategy<Value = Subscribed> {
    let outcome = prop_oneof![
        Just(Outcome::Live),
        integer().prop_map(|after| Outcome::Deltas { after }),
        integer().prop_map(|after| Outcome::Snapshot { after }),
        integer().prop_map(|after| Outcome::Truncated { after }),
    ];
    (any::<u32>(), position(), outcome).prop_map(|(sub, position, outcome)| Subscribed {
        sub,
        position,
        outcome,
    })
}

fn page() -> impl Strategy<Value = HistoryPage> {
    let bounds = (integer(), integer(), any::<bool>());
    (epoch(), bounds, prop::collection::vec(record(), 0..4)).prop_map(
        |(epoch, (first, last, more), records)| HistoryPage { epoch, first, last, records, more },
    )
}

fn pushed() -> impl Strategy<Value = Pushed> {
    let records = prop::collection::vec(record(), 0..4);
    prop_oneof![
        (integer(), integer(), record()).prop_map(|(prev, skipped, record)| Pushed::Message {
            prev: if record.seq == 0 { 0 } else { prev },
            skipped,
            record,
        }),
        (integer(), records, any::<bool>()).prop_map(|(prev, records, more)| Pushed::Page {
            prev,
            records,
            more
        }),
        (integer(), integer()).prop_map(|(from, to)| Pushed::Lost(Gap { from, to })),
        position().prop_map(|position| Pushed::Reset { position }),
        integer().prop_map(|seq| Pushed::Ended { seq }),
        refusal().prop_map(|refusal| Pushed::Unsubscribed(Unsubscribed { refusal })),
    ]
}

fn refusal() -> impl Strategy<Value = Refusal> {
    (prop::sample::select(ErrorCode::ALL), ".*", option::of(integer()))
        .prop_map(|(code, message, retry_after_ms)| Refusal { code, message, retry_after_ms })
}

pub(crate) fn record() -> impl Strategy<Value = Arc<Record>> {
    (
        prop_oneof![Just(0), integer()],
        integer(),
        payload(),
        option::of(token()),
        option::of(token()),
    )
        .prop_map(|(seq, time, payload, event, publisher)| {
            Arc::new(Record { seq, time, payload, event, publisher })
        })
}

/// A payload whose JSON is written as this crate writes it: other texts change on their way through CBOR.
fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        json().prop_map(|value| Payload::from_json(&value.to_string()).expect("JSON")),
        ".*".prop_map(Payload::text),
        prop::collection::vec(any::<u8>(), 0..100).prop_map(|bytes| Payload::Binary(bytes.into())),
    ]
}

pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-300..300_i32).prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        any::<f32>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 30, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..30).prop_map(Value::from),
            prop::collection::btree_map(".*", inner, 0..30)
                .prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

/// Bytes that get past the first checks now and then.
pub(crate) fn bytes_like_frames() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"type\"",
        "\"id\"",
        "\"subscribe\"",
        "\"pong\"",
        "\"data\"",
        "\"message\"",
        "1",
        "-1",
        "1e999",
        "null",
        "true",
        "\"\\ud800\"",
        "\"\\u0000\"",
        " ",
        "\"",
    ]);
    let items = prop::sample::select(vec![
        &b"\xa2"[..],
        b"\xbf",
        b"\x82",
        b"\x9f",
        b"\xff",
        b"\x64type",
        b"\x62id",
        b"\x64pong",
        b"\x69subscribe",
        b"\x64data",
        b"\x67message",
        b"\x01",
        b"\x3b\xff",
        b"\xf9\x7e\x00",
        b"\xc1",
        b"\xf7",
        b"\x7f",
        b"\x5f",
        b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x61",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(words, 0..40).prop_map(|words| words.concat().into_bytes()),
        prop::collection::vec(items, 0..40).prop_map(|items| items.concat()),
    ]
}

fn position() -> impl Strategy<Value = Position> {
    (epoch(), integer()).prop_map(|(epoch, seq)| Position { epoch, seq })
}

fn epoch() -> impl Strategy<Value = Epoch> {
    any::<u64>().prop_map(Epoch::from_random)
}

fn integer() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, 0..1_u64 << 53]
}

fn token() -> impl Strategy<Value = Token> {
    "[^\\p{Cc}]{1,30}".prop_map(|text| Token::new(&text).expect("a token"))
}

pub(crate) fn channel() -> ChannelName {
    ChannelName::new("chat:room-1").expect("a name")
}
