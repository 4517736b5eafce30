//! permessage-deflate on an open connection (RFC 7692): agreed on, flushed, paced, and left out.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::Poll,
};

use bytes::Bytes;
use longwire::{
    Acceptor, Config, Connect, Deflate, DeflateParams, Delivery, Message, MessageType, Prepared,
    WebSocket, server::Answer,
};

use crate::{
    pipe::{Peer, Plan, pipe},
    support::*,
};

fn with(deflate: Deflate) -> Config {
    config(|config| {
        config.keepalive = None;
        config.deflate = Some(deflate);
    })
}

/// A server's connection whose client offered the extension. The peer is that client.
async fn offered(config: Config) -> (WebSocket, Peer) {
    let (pipe, peer) = pipe();
    peer.write(
        b"GET / HTTP/1.1\r\nHost: server.example\r\nUpgrade: websocket\r\n\
          Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    );
    let socket = Acceptor::new().config(config).accept(pipe).await.expect("a good handshake");
    peer.take(usize::MAX);
    (socket, peer)
}

/// Two ends that may want different things.
async fn ends(server: Config, client: Config) -> (WebSocket, WebSocket) {
    let (here, there) = tokio::io::duplex(64 * 1024);
    let acceptor = Acceptor::new().config(server);
    let connect = Connect::new("ws://server.example/").config(client).over(there);
    let (server, client) = tokio::join!(acceptor.accept(here), async { connect.await });
    (server.expect("a good handshake"), client.expect("a good handshake"))
}

/// Text without repetitions, which shrinks a little.
fn digits(len: usize) -> String {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state >> 60
    };
    (0..len)
        .map(|_| char::from_digit(u32::try_from(next()).expect("4 bits"), 16))
        .map(|it| it.expect("a digit"))
        .collect()
}

#[test]
fn both_ends_know_what_was_agreed_on_and_messages_pass() {
    run(async {
        for mode in [Deflate::no_context_takeover(), Deflate::context_takeover()] {
            let (mut server, mut client) = ends(with(mode), with(mode)).await;
            assert_eq!(
                (server.deflate(), client.deflate()),
                (Some(mode.params), Some(mode.params))
            );
            for number in 0..20 {
                let text =
                    format!("{{\"number\": {number}, \"text\": \"{}\"}}", digits(number * 10_000));
                client.send(text.as_str()).await.expect("open");
                let received = server.recv().await.expect("open").expect("open");
                server.send(received).await.expect("open");
                let back = client.recv().await.expect("open").expect("open");
                assert_eq!(back.as_text(), Some(text.as_str()));
            }
        }
    });
}

#[test]
fn it_takes_both_ends() {
    run(async {
        let on = || with(Deflate::default());
        for (server, client) in [(on(), quiet()), (quiet(), on())] {
            let (mut server, client) = ends(server, client).await;
            assert_eq!((server.deflate(), client.deflate()), (None, None));
            client.send(digits(1000)).await.expect("open");
            assert_eq!(server.recv().await.expect("open"), Some(digits(1000).into()));
        }
    });
}

#[test]
fn an_answer_of_the_applications_own_may_leave_it_out() {
    run(async {
        for (leave_out, expected) in
            [(true, None), (false, Some(DeflateParams::NO_CONTEXT_TAKEOVER))]
        {
            let (here, there) = tokio::io::duplex(1024);
            let serve = async {
                let acceptor = Acceptor::new().config(with(Deflate::default()));
                let incoming = acceptor.read(here).await.expect("a good request");
                let answer = if leave_out { Answer::default() } else { incoming.answer() };
                incoming.accept_with(answer).await.expect("a good answer")
            };
            let connect =
                Connect::new("ws://server.example/").config(with(Deflate::default())).over(there);
            let (server, client) = tokio::join!(serve, async { connect.await });
            assert_eq!(server.deflate(), expected);
            assert_eq!(client.expect("a good handshake").deflate(), expected);
        }
    });
}

#[test]
fn flush_waits_for_the_whole_of_a_long_message() {
    run(async {
        let (socket, peer) = offered(with(Deflate::default())).await;
        peer.plan(Plan { outbound_max: 100_000, ..Plan::SMOOTH });
        socket.send(digits(1 << 20)).await.expect("open");
        let flushed = tokio::spawn(async move {
            socket.flush().await.expect("open");
            socket
        });
        let mut taken = 0;
        for _ in 0..4 {
            settle().await;
            taken += peer.take(usize::MAX).len();
            assert!(!flushed.is_finished(), "{taken} bytes of about 900,000 went out");
        }
        assert!(taken > 300_000, "the message goes on as it is taken: {taken}");
        while !flushed.is_finished() {
            settle().await;
            taken += peer.take(usize::MAX).len();
        }
        assert!((800_000..1_000_000).contains(&taken), "{taken}");
    });
}

#[test]
fn flush_comes_to_its_end_while_others_go_on_sending_long_messages() {
    run(async {
        let (server, mut client) = pair(with(Deflate::default()), 64 * 1024).await;
        let (sender, _receiver) = server.split();
        for _ in 0..3 {
            let sender = sender.clone();
            tokio::spawn(async move { while sender.send(digits(200_000)).await.is_ok() {} });
        }
        let received = Arc::new(AtomicU32::new(0));
        let counter = received.clone();
        tokio::spawn(async move {
            while let Ok(Some(_)) = client.recv().await {
                counter.fetch_add(1, Relaxed);
            }
        });
        settle().await;
        let before = received.load(Relaxed);
        sender.flush().await.expect("open");
        let meanwhile = received.load(Relaxed) - before;
        assert!(meanwhile < 30, "{meanwhile} messages of others went out before");
    });
}

#[test]
fn a_long_message_leaves_other_tasks_their_turn() {
    run(async {
        let (server, mut client) = pair(with(Deflate::default()), 32 << 20).await;
        let turns = Arc::new(AtomicU32::new(0));
        let counter = turns.clone();
        let other = tokio::spawn(async move {
            // Unlike `yield_now`, which waits for the runtime to look for events.
            poll_fn::<(), _>(|cx| {
                counter.fetch_add(1, Relaxed);
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        });
        server.send(digits(8 << 20)).await.expect("open");
        server.flush().await.expect("open");
        // 128 pieces of 64 KiB, a few a turn.
        let turns = turns.load(Relaxed);
        assert!(turns >= 30, "{turns} turns while 8 MiB were compressed");
        other.abort();
        assert_eq!(client.recv().await.expect("open"), Some(digits(8 << 20).into()));
    });
}

#[test]
fn what_a_small_input_becomes_waits_for_a_reader_that_takes_its_time() {
    run(async {
        const LEN: usize = 20 << 20;
        let streaming = config(|config| {
            config.keepalive = None;
            config.delivery = Delivery::Fragments;
            config.deflate = Some(Deflate::default());
        });
        let (mut server, client) = pair(streaming, 1 << 20).await;
        client.send(Bytes::from(vec![7; LEN])).await.expect("open");
        client.flush().await.expect("open");
        // All that the client sends is there, and nothing more will come.
        let mut reader = server.recv_reader().await.expect("open").expect("open");
        let mut read = 0;
        while let Some(piece) = reader.chunk().await.expect("open") {
            assert!(piece.iter().all(|byte| *byte == 7));
            read += piece.len();
            if read % (1 << 20) == 0 {
                settle_a_little().await;
            }
        }
        assert_eq!(read, LEN);
    });
}

#[test]
fn a_close_behind_what_waits_to_be_inflated_is_seen_after_it() {
    run(async {
        let streaming = config(|config| {
            config.keepalive = None;
            config.delivery = Delivery::Fragments;
            config.deflate = Some(Deflate::default());
        });
        let (mut server, mut client) = ends(streaming, with(Deflate::default())).await;
        client.send(Bytes::from(vec![7; 5 << 20])).await.expect("open");
        let closing =
            tokio::spawn(async move { client.close(longwire::CloseCode::GOING_AWAY).await });
        settle().await;
        let mut reader = server.recv_reader().await.expect("open").expect("open");
        let mut read = 0;
        while let Some(piece) = reader.chunk().await.expect("open") {
            read += piece.len();
            settle_a_little().await;
        }
        assert_eq!(read, 5 << 20);
        drop(reader);
        assert!(server.recv_reader().await.expect("a clean close").is_none());
        assert!(closing.await.expect("no panic").is_clean());
    });
}

/// First bytes of the data frames that the peer got, whose payloads are short.
fn first_bytes(peer: &Peer) -> Vec<u8> {
    let bytes = peer.take(usize::MAX);
    let mut frames = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        frames.push(bytes[at]);
        let (len, header) = match bytes[at + 1] {
            126 => (usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]])), 4),
            len => (usize::from(len), 2),
        };
        at += header + len;
    }
    frames
}

const RSV1: u8 = 0x40;
const FIN: u8 = 0x80;

#[test]
fn each_message_has_its_choice() {
    run(async {
        let (mut socket, peer) = offered(with(Deflate::default())).await;
        let text = "to be or not to be ".repeat(20);
        socket.send(text.as_str()).await.expect("open");
        socket.send(Message::text(text.as_str()).uncompressed()).await.expect("open");
        socket.send(&Prepared::new(text.as_str())).await.expect("open");
        socket.send("short").await.expect("open");
        socket.flush().await.expect("open");
        assert_eq!(
            first_bytes(&peer),
            [FIN | RSV1 | TEXT, FIN | TEXT, FIN | RSV1 | TEXT, FIN | TEXT]
        );

        let mut writer = socket.send_writer(MessageType::Text).await.expect("open");
        writer.write(text.clone()).await.expect("open");
        writer.write(text.clone()).await.expect("open");
        writer.finish().await.expect("open");
        let mut writer = socket.send_writer(MessageType::Text).await.expect("open").uncompressed();
        writer.write(text.clone()).await.expect("open");
        writer.finish().await.expect("open");
        socket.flush().await.expect("open");
        assert_eq!(
            first_bytes(&peer),
            [RSV1 | TEXT, CONTINUATION, FIN | CONTINUATION, TEXT, FIN | CONTINUATION]
        );
    });
}

#[test]
fn a_prepared_message_reaches_connections_of_every_mode() {
    run(async {
        let modes = [
            quiet(),
            with(Deflate::no_context_takeover()),
            with(Deflate::context_takeover()),
            config(|config| config.fragment_size = std::num::NonZeroUsize::new(10)),
        ];
        let mut sockets = Vec::new();
        for mode in modes {
            sockets.push(ends(mode.clone(), mode).await);
        }
        for round in 0..5 {
            let prepared = Prepared::new(format!("round {round}: {}", digits(round * 700)));
            for (server, client) in &mut sockets {
                server.send(digits(500)).await.expect("open");
                server.send(&prepared).await.expect("open");
                client.send(prepared.clone()).await.expect("open");
                client.send(digits(500)).await.expect("open");
                let first = client.recv().await.expect("open").expect("open");
                let second = client.recv().await.expect("open").expect("open");
                assert_eq!((first.as_text(), &second), (Some(&*digits(500)), prepared.message()));
                let first = server.recv().await.expect("open").expect("open");
                let second = server.recv().await.expect("open").expect("open");
                assert_eq!((&first, second.as_text()), (prepared.message(), Some(&*digits(500))));
            }
        }
    });
}
