//! Messages far larger than any buffer on their way.

use std::num::NonZeroUsize;

use longwire::{CloseCode, SendError};

use crate::{pipe::Plan, support::*};

#[test]
fn sixteen_mebibytes_each_way_at_once() {
    run(async {
        const LEN: usize = 16 << 20;
        let (mut server, client) = pair(quiet(), 64 * 1024).await;
        let (sender, mut receiver) = client.split();
        server.send(vec![1; LEN]).await.expect("nothing else waits");
        sender.send(vec![2; LEN]).await.expect("nothing else waits");
        let (here, there) = tokio::join!(server.recv(), receiver.recv());
        for (message, byte) in [(here, 2), (there, 1)] {
            let message = message.expect("open").expect("open");
            assert_eq!(message.len(), LEN);
            assert!(message.as_bytes().iter().all(|it| *it == byte));
        }
    });
}

#[test]
fn one_byte_beyond_the_limit_is_1009() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.write(header(true, BINARY, (16 << 20) + 1, Some([0; 4])));
        let close = Frames::default().read(&peer).await;
        assert_eq!(&close.payload[..2], &1009_u16.to_be_bytes()[..]);
        peer.end();
        let error = socket.recv().await.expect_err("too big");
        assert!(matches!(error.protocol_error(), Some(longwire::ProtocolError::LimitExceeded(_))));
    });
}

#[test]
fn a_large_message_arrives_whole_whatever_the_pieces() {
    for read_max in [1000, 65_535, 65_536, 65_537, 200_000] {
        for hesitant in [false, true] {
            run(async move {
                let (mut socket, peer) = server(quiet()).await;
                peer.plan(Plan { read_max, hesitant, ..Plan::SMOOTH });
                for (number, len) in (0_u8..).zip([65_535, 65_536, 131_073, 400_000]) {
                    let text: Vec<u8> =
                        (0..7).map(|at| b'a' + number + at).cycle().take(len).collect();
                    peer.write(masked(true, TEXT, &text));
                    peer.write(masked(true, PING, &[number]));
                    let message = socket.recv().await.expect("open").expect("open");
                    assert_eq!(message.as_text().map(str::as_bytes), Some(text.as_slice()));
                    assert_eq!(Frames::default().read(&peer).await.payload, [number]);
                }
            });
        }
    }
}

#[test]
fn control_frames_pass_between_the_fragments_of_a_large_message() {
    run(async {
        let (socket, peer) =
            server(config(|config| config.fragment_size = NonZeroUsize::new(10_000))).await;
        peer.plan(Plan { outbound_max: 5000, ..Plan::SMOOTH });
        socket.send(vec![3; 1 << 20]).await.expect("room");
        settle().await;
        peer.write(masked(true, PING, b"hurry"));
        settle().await;
        let mut frames = Frames::default();
        let mut payload = 0;
        let mut pong_at = None;
        loop {
            let frame = frames.read(&peer).await;
            if frame.opcode == PONG {
                pong_at = Some(payload);
                continue;
            }
            payload += frame.payload.len();
            if frame.fin {
                break;
            }
        }
        assert_eq!(payload, 1 << 20);
        let pong_at = pong_at.expect("a Pong between");
        assert!(pong_at <= 100_000, "{pong_at} bytes went before it");
    });
}

#[test]
fn close_during_a_large_send_waits_for_its_end() {
    run(async {
        let (mut server, client) = pair(quiet(), 1000).await;
        let (sender, _receiver) = client.split();
        sender.send(vec![8; 1 << 20]).await.expect("room");
        settle_a_little().await;
        let closing = tokio::spawn(async move {
            let closed = sender.close(CloseCode::NORMAL_CLOSURE).await;
            let result = sender.send("late").await;
            assert!(matches!(result, Err(SendError::Closed(_))), "{result:?}");
            closed
        });
        let message = server.recv().await.expect("open").expect("open");
        assert_eq!(message.len(), 1 << 20);
        assert_eq!(server.recv().await.expect("clean"), None);
        assert!(closing.await.expect("no panic").is_clean());
    });
}

#[test]
fn a_reset_in_the_middle_of_a_large_message_gives_back_nothing_of_it() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.write(header(true, BINARY, 1 << 20, Some([0; 4])));
        peer.write(vec![0; 500_000]);
        settle().await;
        peer.reset();
        let error = socket.recv().await.expect_err("reset");
        assert!(error.io_error().is_some());
    });
}

#[test]
fn a_message_does_not_keep_a_buffer_much_larger_than_itself() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        for round in 0..3 {
            for len in [3 << 20, 100_000] {
                peer.write(masked(true, BINARY, &vec![round; len]));
                let message = socket.recv().await.expect("open").expect("open");
                assert_eq!(message.as_bytes(), vec![round; len]);
                if len > 1 << 20 {
                    // Sent back, its memory may be used again.
                    socket.send(message).await.expect("open");
                    assert_eq!(Frames::default().read(&peer).await.payload.len(), len);
                    continue;
                }
                let own = message.into_bytes().try_into_mut().expect("nobody else holds it");
                let bound = 2 * len + 64 * 1024;
                assert!(own.capacity() <= bound, "{} bytes for {len}", own.capacity());
            }
        }
    });
}
