//! Every public future is dropped after each number of polls, and then used again: nothing is lost,
//! doubled or cut.

use longwire::{Config, Delivery, Message, MessageType, SendError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt};

use crate::{
    pipe::{Peer, Plan},
    support::*,
};

/// Bytes come one at a time, and every other poll is pending.
async fn dripping(config: Config) -> (longwire::WebSocket, Peer) {
    let (socket, peer) = server(config).await;
    peer.plan(Plan::DRIPPING);
    (socket, peer)
}

fn fragments() -> Config {
    config(|config| {
        config.keepalive = None;
        config.delivery = Delivery::Fragments;
    })
}

fn numbered(count: u32) -> Vec<u8> {
    (0..count).flat_map(|number| masked(true, BINARY, &number.to_be_bytes())).collect()
}

#[test]
fn recv() {
    for polls in 1..=20 {
        run(async move {
            let (mut socket, peer) = dripping(quiet()).await;
            peer.write(numbered(50));
            for number in 0..50_u32 {
                let message = loop {
                    if let Some(message) = dropped_after(socket.recv(), polls).await {
                        break message.expect("open").expect("open");
                    }
                    tokio::task::yield_now().await;
                };
                assert_eq!(message.as_bytes(), number.to_be_bytes());
            }
            assert!(dropped_after(socket.recv(), 50).await.is_none());
        });
    }
}

#[test]
fn recv_of_a_message_in_parts() {
    for polls in 1..=20 {
        run(async move {
            let (mut socket, peer) = dripping(fragments()).await;
            for number in 0..10_u8 {
                peer.write(masked(false, TEXT, &[b'a' + number]));
                peer.write(masked(false, CONTINUATION, "ü€".as_bytes()));
                peer.write(masked(true, CONTINUATION, b"!"));
            }
            for number in 0..10_u8 {
                let message = loop {
                    if let Some(message) = dropped_after(socket.recv(), polls).await {
                        break message.expect("open").expect("open");
                    }
                    tokio::task::yield_now().await;
                };
                let expected = format!("{}ü€!", char::from(b'a' + number));
                assert_eq!(message.as_text(), Some(expected.as_str()));
            }
        });
    }
}

#[test]
fn recv_that_was_dropped_in_the_middle_of_a_message_and_then_a_reader() {
    for polls in 1..=60 {
        run(async move {
            let (mut socket, peer) = dripping(fragments()).await;
            for _ in 0..2 {
                peer.write(masked(false, TEXT, b"one "));
                peer.write(masked(false, CONTINUATION, b"two "));
                peer.write(masked(true, CONTINUATION, b"three"));
            }
            let whole = "one two three";
            let mut left = 2;
            if let Some(message) = dropped_after(socket.recv(), polls).await {
                assert_eq!(message.expect("open"), Some(whole.into()));
                left -= 1;
            }
            while left > 0 {
                let mut reader = socket.recv_reader().await.expect("open").expect("open");
                assert_eq!(reader.message_type(), MessageType::Text);
                let mut text = String::new();
                reader.read_to_string(&mut text).await.expect("open");
                assert_eq!(text, whole, "after {polls} polls");
                left -= 1;
            }
            assert!(dropped_after(socket.recv(), 50).await.is_none());
        });
    }
}

#[test]
fn a_reader_begins_with_what_a_dropped_recv_had_put_together() {
    run(async {
        let (mut socket, peer) = server(fragments()).await;
        for _ in 0..2 {
            peer.write(masked(false, TEXT, b"one "));
            peer.write(masked(false, CONTINUATION, b"two "));
            settle().await;
            assert!(dropped_after(socket.recv(), 10).await.is_none());
            peer.write(masked(true, CONTINUATION, b"three"));
            let mut reader = socket.recv_reader().await.expect("open").expect("open");
            let mut text = String::new();
            reader.read_to_string(&mut text).await.expect("open");
            assert_eq!(text, "one two three");
        }
        peer.write(masked(true, TEXT, b"next"));
        assert_eq!(socket.recv().await.expect("open"), Some("next".into()));
    });
}

#[test]
fn recv_reader_and_chunk() {
    for polls in 1..=20 {
        run(async move {
            let (mut socket, peer) = dripping(fragments()).await;
            for number in 0..10_u8 {
                peer.write(masked(false, BINARY, &[number; 7]));
                peer.write(masked(true, CONTINUATION, &[number; 3]));
            }
            for number in 0..10_u8 {
                loop {
                    // Dropped while it has nothing; a reader that is there is read to its end.
                    match dropped_after(socket.recv_reader(), polls).await {
                        Some(Ok(Some(reader))) => break drain(reader, polls, number).await,
                        Some(_) => panic!("the connection is open"),
                        None => tokio::task::yield_now().await,
                    }
                }
            }
        });
    }
}

async fn drain(mut reader: longwire::MessageReader<'_>, polls: usize, number: u8) {
    let mut payload = Vec::new();
    loop {
        match dropped_after(reader.chunk(), polls).await {
            Some(Ok(Some(piece))) => {
                assert!(!piece.is_empty());
                payload.extend(piece);
            }
            Some(Ok(None)) => break,
            Some(Err(error)) => panic!("the connection is open: {error}"),
            None => tokio::task::yield_now().await,
        }
    }
    assert_eq!(payload, [number; 10]);
}

#[test]
fn the_stream() {
    for polls in 1..=20 {
        run(async move {
            let (mut socket, peer) = dripping(quiet()).await;
            peer.write(numbered(50));
            peer.write(masked(true, CLOSE, &[]));
            peer.end();
            let mut number = 0_u32;
            loop {
                use futures_core::Stream as _;
                let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut socket).poll_next(cx));
                match dropped_after(next, polls).await {
                    Some(Some(message)) => {
                        assert_eq!(message.expect("clean").as_bytes(), number.to_be_bytes());
                        number += 1;
                    }
                    Some(None) => break,
                    None => tokio::task::yield_now().await,
                }
            }
            assert_eq!(number, 50);
        });
    }
}

#[test]
fn send_goes_out_whole_if_it_completed_and_not_at_all_if_not() {
    for polls in 1..=20 {
        run(async move {
            let mut settings = quiet();
            settings.limits.max_buffered_amount = 100;
            let (socket, peer) = dripping(settings).await;
            let mut sent = Vec::new();
            for number in 0..60_u8 {
                if let Some(result) = dropped_after(socket.send(vec![number; 40]), polls).await {
                    result.expect("open");
                    sent.push(number);
                }
            }
            assert!(sent.len() < 60 || polls > 1, "some had to wait");
            drop(socket);
            let mut frames = Frames::default();
            let mut seen = Vec::new();
            loop {
                let frame = frames.read(&peer).await;
                if frame.opcode == CLOSE {
                    break;
                }
                assert_eq!(frame.payload, [frame.payload[0]; 40]);
                seen.push(frame.payload[0]);
            }
            assert_eq!(seen, sent, "{polls} polls");
        });
    }
}

#[test]
fn send_writer_write_and_finish() {
    for polls in 1..=20 {
        run(async move {
            let mut settings = quiet();
            settings.limits.max_buffered_amount = 20;
            let (mut socket, peer) = dripping(settings).await;
            let mut expected = Vec::new();
            for message in 0..5_u8 {
                let mut writer = socket.send_writer(MessageType::Binary).await.expect("open");
                let mut sent = Vec::new();
                for piece in 0..10_u8 {
                    let payload = vec![message * 10 + piece; 10];
                    if let Some(result) = dropped_after(writer.write(payload.clone()), polls).await
                    {
                        result.expect("open");
                        sent.extend(payload);
                    }
                }
                writer.finish().await.expect("open");
                expected.push(sent);
            }
            drop(socket);
            let mut frames = Frames::default();
            for sent in expected {
                let mut payload = Vec::new();
                for place in 0.. {
                    let frame = frames.read(&peer).await;
                    assert_eq!(frame.opcode, if place == 0 { BINARY } else { CONTINUATION });
                    payload.extend(frame.payload);
                    if frame.fin {
                        break;
                    }
                }
                assert_eq!(payload, sent, "{polls} polls");
            }
            assert_eq!(frames.read(&peer).await.opcode, CLOSE);
        });
    }
}

#[test]
fn send_writer_that_waits_for_another_and_is_dropped_leaves_no_trace() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (mut first, _receiver) = socket.split();
        let mut second = first.clone();
        let third = first.clone();
        let mut writer = first.send_writer(MessageType::Text).await.expect("open");
        writer.write("on").await.expect("open");
        for polls in 1..5 {
            assert!(dropped_after(second.send_writer(MessageType::Text), polls).await.is_none());
            assert!(dropped_after(third.send("waits"), polls).await.is_none());
        }
        assert!(matches!(third.try_send("waits"), Err(SendError::FragmentPending(_))));
        writer.finish().await.expect("open");
        third.send("after").await.expect("open");
        let mut frames = Frames::default();
        assert_eq!(frames.read(&peer).await.payload, b"on");
        assert!(frames.read(&peer).await.fin);
        assert_eq!(frames.read(&peer).await.payload, b"after");
    });
}

#[test]
fn flush_ping_and_ended() {
    for polls in 1..=20 {
        run(async move {
            let (socket, peer) = dripping(quiet()).await;
            let (sender, _receiver) = socket.split();
            sender.send("hello").await.expect("open");
            while dropped_after(sender.flush(), polls).await.is_none() {
                tokio::task::yield_now().await;
            }
            let mut frames = Frames::default();
            frames.push(&peer.take(usize::MAX));
            assert_eq!(frames.next().expect("flushed").payload, b"hello");
            assert!(dropped_after(sender.ping(), polls).await.is_none());
            assert_eq!(frames.read(&peer).await.opcode, PING, "it is sent all the same");
            assert!(dropped_after(sender.ended(), polls).await.is_none());
            let other = sender.clone();
            assert!(
                dropped_after(other.close(longwire::CloseCode::GOING_AWAY), polls).await.is_none()
            );
            assert_eq!(frames.read(&peer).await.payload, close_payload(1001, ""));
            peer.write(masked(true, CLOSE, &close_payload(1001, "")));
            peer.end();
            let closed = loop {
                if let Some(closed) = dropped_after(sender.ended(), polls).await {
                    break closed;
                }
                tokio::task::yield_now().await;
            };
            assert!(closed.is_clean());
        });
    }
}

#[test]
fn a_writers_write_all_and_flush_in_a_select() {
    run(async {
        let mut settings = quiet();
        settings.limits.max_buffered_amount = 50;
        let (mut socket, peer) = dripping(settings).await;
        let reading = peer.clone();
        let whole = tokio::spawn(async move {
            let mut frames = Frames::default();
            let mut payload = Vec::new();
            loop {
                let frame = frames.read(&reading).await;
                payload.extend(frame.payload);
                if frame.fin {
                    return payload;
                }
            }
        });
        let mut writer = socket.send_writer(MessageType::Binary).await.expect("open");
        let expected: Vec<u8> = (0..=255).cycle().take(3000).collect();
        let mut written = 0;
        while written < expected.len() {
            // A single `write` of AsyncWrite is cancel safe; `write_all` would not be.
            let end = expected.len().min(written + 30);
            if let Some(count) =
                dropped_after(writer.write(expected[written..end].to_vec()), 2).await
            {
                count.expect("open");
                written = end;
            }
            drop(dropped_after(AsyncWriteExt::flush(&mut writer), 2).await);
        }
        writer.finish().await.expect("open");
        assert_eq!(whole.await.expect("no panic"), expected);
    });
}

#[test]
fn a_select_loop_that_receives_and_sends_loses_nothing() {
    run(async {
        let (mut socket, peer) = dripping(quiet()).await;
        peer.write(numbered(200));
        let mut received = 0_u32;
        while received < 200 {
            tokio::select! {
                biased;
                () = async { tokio::task::yield_now().await; tokio::task::yield_now().await } => {}
                message = socket.recv() => {
                    let message = message.expect("open").expect("open");
                    assert_eq!(message.as_bytes(), received.to_be_bytes());
                    received += 1;
                    socket.send(message).await.expect("open");
                }
            }
        }
        drop(socket);
        let mut frames = Frames::default();
        for number in 0..200_u32 {
            assert_eq!(frames.read(&peer).await.payload, number.to_be_bytes());
        }
        assert_eq!(frames.read(&peer).await.opcode, CLOSE);
    });
}

#[test]
fn a_select_between_sending_and_receiving_in_one_task_loses_nothing() {
    run(async {
        let mut settings = quiet();
        settings.limits.max_buffered_amount = 60;
        let (mut server, client) = pair(settings, 64).await;
        let echo = tokio::spawn(async move {
            while let Ok(Some(message)) = server.recv().await {
                server.send(message).await.expect("open");
            }
        });
        let (sender, mut receiver) = client.split();
        let mut to_send = 0_u32;
        let mut to_receive = 0_u32;
        while to_receive < 300 {
            tokio::select! {
                result = sender.send(Message::from(to_send.to_be_bytes().to_vec())), if to_send < 300 => {
                    result.expect("open");
                    to_send += 1;
                }
                message = receiver.recv() => {
                    let message = message.expect("open").expect("open");
                    assert_eq!(message.as_bytes(), to_receive.to_be_bytes());
                    to_receive += 1;
                }
            }
        }
        sender.close(longwire::CloseCode::NORMAL_CLOSURE).await;
        echo.await.expect("no panic");
    });
}
