//! Messages that are sent and received piece by piece (RFC 6455 §5.4).

use longwire::{Cause, CloseCode, Config, Delivery, Message, MessageType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt};

use crate::{pipe::Plan, support::*};

fn fragments(max_message_size: u64) -> Config {
    config(|config| {
        config.keepalive = None;
        config.delivery = Delivery::Fragments;
        config.limits.max_message_size = max_message_size;
    })
}

#[test]
fn a_message_of_100_mib_passes_in_bounded_memory() {
    run(async {
        const PIECE: usize = 256 * 1024;
        const PIECES: usize = 400;
        const HELD_MAX: usize = 4 << 20;
        let (mut server, client) = pair(fragments(1000), 256 * 1024).await;
        let (mut sender, _receiver) = client.split();
        let written = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = written.clone();
        let sending = tokio::spawn(async move {
            let mut writer = sender.send_writer(MessageType::Binary).await.expect("open");
            for number in 0..PIECES {
                let byte = u8::try_from(number % 251).expect("small");
                writer.write(vec![byte; PIECE]).await.expect("open");
                counter.fetch_add(PIECE, std::sync::atomic::Ordering::Relaxed);
            }
            writer.finish().await.expect("open");
            sender.flush().await.expect("open");
        });
        let mut reader = server.recv_reader().await.expect("open").expect("open");
        let mut read = 0;
        while let Some(piece) = reader.chunk().await.expect("open") {
            for (at, byte) in piece.iter().enumerate().step_by(4093) {
                assert_eq!(usize::from(*byte), (read + at) / PIECE % 251);
            }
            read += piece.len();
            let written = written.load(std::sync::atomic::Ordering::Relaxed);
            let held = written.saturating_sub(read);
            assert!(held <= HELD_MAX, "{held} bytes are on their way at {read}");
            assert!(piece.len() <= PIECE, "a piece of {}", piece.len());
        }
        assert_eq!(read, PIECE * PIECES);
        sending.await.expect("no panic");
    });
}

#[test]
fn a_reader_that_stops_stops_the_writer() {
    run(async {
        let (mut server, client) = pair(fragments(1000), 64 * 1024).await;
        let (mut sender, _receiver) = client.split();
        let written = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = written.clone();
        tokio::spawn(async move {
            let mut writer = sender.send_writer(MessageType::Binary).await.expect("open");
            while writer.write(vec![0; 10_000]).await.is_ok() {
                counter.fetch_add(10_000, std::sync::atomic::Ordering::Relaxed);
            }
        });
        let reader = server.recv_reader().await.expect("open").expect("open");
        settle().await;
        settle().await;
        let written = written.load(std::sync::atomic::Ordering::Relaxed);
        assert!(written > 1 << 20, "the sender's budget is used: {written}");
        assert!(written < 2 << 20, "{written} bytes went out to a reader that does not read");
        drop(reader);
    });
}

#[test]
fn a_part_does_not_keep_a_buffer_much_larger_than_itself() {
    run(async {
        let (mut socket, peer) = server(fragments(1000)).await;
        peer.write(header(true, BINARY, 1 << 30, Some([0; 4])));
        peer.write([1]);
        let mut reader = socket.recv_reader().await.expect("open").expect("open");
        assert_eq!(reader.chunk().await.expect("open").expect("a piece").len(), 1);
        let mut held = 0;
        for _ in 0..200 {
            peer.write([2]);
            let piece = reader.chunk().await.expect("open").expect("a piece");
            assert_eq!(piece.len(), 1);
            held += piece.try_into_mut().map_or(0, |piece| piece.capacity());
        }
        assert!(held <= 200 * 1024, "200 parts of one byte keep {held} bytes");
    });
}

#[test]
fn a_reader_that_is_dropped_early_throws_away_its_own_message_alone() {
    for read_before in 0..4 {
        run(async move {
            let (mut socket, peer) = server(fragments(1000)).await;
            let dripping = Plan { read_max: 5, hesitant: true, ..Plan::SMOOTH };
            peer.plan(dripping);
            peer.write(masked(false, BINARY, &[1; 100]));
            peer.write(masked(false, CONTINUATION, &[]));
            peer.write(masked(false, CONTINUATION, &[1; 100]));
            peer.write(masked(true, CONTINUATION, &[1; 100]));
            peer.write(masked(true, TEXT, b"next"));
            peer.write(masked(true, TEXT, b""));
            let mut reader = socket.recv_reader().await.expect("open").expect("open");
            for _ in 0..read_before {
                reader.chunk().await.expect("open").expect("a piece");
            }
            drop(reader);
            assert_eq!(socket.recv().await.expect("open"), Some("next".into()));
            let mut empty = socket.recv_reader().await.expect("open").expect("open");
            assert_eq!(empty.chunk().await.expect("open"), None);
            assert_eq!(empty.chunk().await.expect("open"), None, "and again");
        });
    }
}

#[test]
fn recv_puts_parts_together_up_to_the_limit_and_fails_with_1009_beyond() {
    run(async {
        let (mut socket, peer) = server(fragments(1000)).await;
        peer.write(masked(false, TEXT, &[b'a'; 999]));
        peer.write(masked(true, CONTINUATION, b"b"));
        let message = socket.recv().await.expect("open").expect("open");
        assert_eq!(message.len(), 1000);
        peer.write(masked(false, TEXT, &[b'a'; 600]));
        peer.write(masked(true, CONTINUATION, &[b'b'; 401]));
        peer.write(masked(true, TEXT, b"behind the gap"));
        let receiving = tokio::spawn(async move { (socket.recv().await, socket) });
        let close = Frames::default().read(&peer).await;
        assert_eq!((close.opcode, &close.payload[..2]), (CLOSE, &1009_u16.to_be_bytes()[..]));
        peer.end();
        let (result, mut socket) = receiving.await.expect("no panic");
        let error = result.expect_err("nothing behind the gap is given out");
        assert_eq!(error.closed().sent.as_ref().map(|sent| sent.code.get()), Some(1009));
        socket.recv().await.expect_err("and again");
    });
}

#[test]
fn a_single_part_beyond_the_limit_fails_as_well() {
    run(async {
        let (mut socket, peer) = server(fragments(10)).await;
        peer.write(masked(true, BINARY, &[0; 11]));
        let receiving = tokio::spawn(async move { socket.recv().await.map(drop) });
        let close = Frames::default().read(&peer).await;
        assert_eq!((close.opcode, &close.payload[..2]), (CLOSE, &1009_u16.to_be_bytes()[..]));
        peer.end();
        receiving.await.expect("no panic").expect_err("too big");
    });
}

#[test]
fn a_message_that_the_close_cuts_is_an_error_and_not_an_end() {
    run(async {
        for whole in [true, false] {
            let (mut socket, peer) = server(fragments(1000)).await;
            peer.write(masked(false, BINARY, b"half"));
            peer.write(masked(true, CLOSE, &close_payload(1000, "")));
            peer.end();
            let error = if whole {
                socket.recv().await.map(drop).expect_err("cut")
            } else {
                let mut reader = socket.recv_reader().await.expect("open").expect("open");
                assert_eq!(reader.chunk().await.expect("open").expect("a piece"), "half");
                let error = reader.chunk().await.map(drop).expect_err("cut");
                let mut rest = Vec::new();
                let io = reader.read_to_end(&mut rest).await.expect_err("cut");
                assert_eq!(io.kind(), std::io::ErrorKind::UnexpectedEof);
                error
            };
            assert!(
                error.to_string().starts_with("the connection closed in the middle of a message; "),
                "{error}"
            );
            assert_eq!(error.closed().cause, Cause::Clean);
        }
    });
}

#[test]
fn a_writer_that_is_dropped_fails_the_connection_with_1011() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        let mut writer = socket.send_writer(MessageType::Binary).await.expect("open");
        writer.write("half").await.expect("open");
        drop(writer);
        let mut frames = Frames::default();
        let frame = frames.read(&peer).await;
        assert_eq!((frame.fin, frame.payload.as_slice()), (false, &b"half"[..]));
        let close = frames.read(&peer).await;
        assert_eq!(close.payload, close_payload(1011, "a message was not finished"));
        peer.until(|seen, _| seen.shut_down).await;
        peer.end();
        let error = socket.recv().await.expect_err("failed");
        assert_eq!(error.closed().cause, Cause::Failed);
        assert!(error.to_string().starts_with("this end failed the connection; "), "{error}");
    });
}

#[test]
fn a_writer_that_a_close_cut_off_leaves_the_close_clean() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (mut sender, _receiver) = socket.split();
        let other = sender.clone();
        let mut writer = sender.send_writer(MessageType::Binary).await.expect("open");
        writer.write("half").await.expect("open");
        let closing = tokio::spawn(async move { other.close(CloseCode::GOING_AWAY).await });
        settle().await;
        let error = writer.write("more").await.expect_err("closing");
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        drop(writer);
        let mut frames = Frames::default();
        frames.read(&peer).await;
        assert_eq!(frames.read(&peer).await.payload, close_payload(1001, ""));
        peer.write(masked(true, CLOSE, &close_payload(1001, "")));
        peer.end();
        let closed = closing.await.expect("no panic");
        assert_eq!(closed.cause, Cause::Clean);
    });
}

#[test]
fn a_writer_that_the_peers_close_cut_off_leaves_the_close_clean() {
    run(async {
        let (mut socket, peer) = client(quiet()).await;
        let mut writer = socket.send_writer(MessageType::Binary).await.expect("open");
        writer.write("half").await.expect("open");
        let mut frames = Frames::default();
        frames.read(&peer).await;
        peer.write(plain(true, CLOSE, &close_payload(1000, "")));
        assert_eq!(frames.read(&peer).await.opcode, CLOSE);
        settle().await;
        drop(writer);
        settle().await;
        peer.end();
        assert_eq!(socket.recv().await.expect("the peer closed cleanly"), None);
    });
}

#[test]
fn text_may_be_cut_inside_characters_and_each_frame_is_whole() {
    let text = "a\u{e9}\u{20ac}\u{1f980}!\u{1f980}";
    for size in 1..text.len() {
        run(async move {
            let (mut socket, peer) = server(quiet()).await;
            let mut writer = socket.send_writer(MessageType::Text).await.expect("open");
            for (place, piece) in text.as_bytes().chunks(size).enumerate() {
                if place % 2 == 0 {
                    writer.write(piece.to_vec()).await.expect("open");
                } else {
                    writer.write_all(piece).await.expect("open");
                }
            }
            AsyncWriteExt::shutdown(&mut writer).await.expect("whole");
            writer.finish().await.expect("finished twice is finished");
            let mut frames = Frames::default();
            let mut whole = String::new();
            loop {
                let frame = frames.read(&peer).await;
                whole.push_str(std::str::from_utf8(&frame.payload).expect("whole characters"));
                if frame.fin {
                    break;
                }
            }
            assert_eq!(whole, text);
        });
    }
}

#[test]
fn a_text_that_is_not_utf8_is_refused_before_it_is_sent() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        let mut writer = socket.send_writer(MessageType::Text).await.expect("open");
        let error = writer.write(&b"ab\xff"[..]).await.expect_err("not UTF-8");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        writer.write(&"\u{20ac}".as_bytes()[..2]).await.expect("the start of a character");
        let error = writer.write("x").await.expect_err("not its rest");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        writer.write(&"\u{20ac}".as_bytes()[2..]).await.expect("its rest");
        writer.write(&"\u{20ac}".as_bytes()[..1]).await.expect("the start of a character");
        let error = writer.shutdown().await.expect_err("inside a character");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        writer.write(&"\u{20ac}".as_bytes()[1..]).await.expect("its rest");
        writer.finish().await.expect("whole");
        let mut frames = Frames::default();
        let mut text = Vec::new();
        loop {
            let frame = frames.read(&peer).await;
            text.extend(frame.payload);
            if frame.fin {
                break;
            }
        }
        assert_eq!(text, "\u{20ac}\u{20ac}".as_bytes());
    });
}

#[test]
fn control_frames_pass_between_pieces_and_other_messages_do_not() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (mut sender, _receiver) = socket.split();
        let other = sender.clone();
        let mut writer = sender.send_writer(MessageType::Binary).await.expect("open");
        writer.write("1").await.expect("open");
        let waiting = tokio::spawn(async move { other.send("other").await });
        peer.write(masked(true, PING, b"?"));
        settle().await;
        writer.write("2").await.expect("open");
        writer.finish().await.expect("open");
        waiting.await.expect("no panic").expect("open");
        let mut frames = Frames::default();
        let mut seen = Vec::new();
        for _ in 0..5 {
            let frame = frames.read(&peer).await;
            seen.push((frame.opcode, frame.fin));
        }
        let expected = [
            (BINARY, false),
            (PONG, true),
            (CONTINUATION, false),
            (CONTINUATION, true),
            (TEXT, true),
        ];
        assert_eq!(seen, expected);
    });
}

#[test]
fn a_whole_message_has_a_reader_too() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.write(masked(false, TEXT, b"by default "));
        peer.write(masked(true, CONTINUATION, b"it is whole"));
        let mut reader = socket.recv_reader().await.expect("open").expect("open");
        assert_eq!(reader.message_type(), MessageType::Text);
        let mut small = [0; 4];
        reader.read_exact(&mut small).await.expect("open");
        assert_eq!(
            reader.chunk().await.expect("open").expect("the rest"),
            "efault it is whole"[..].as_bytes()
        );
        assert_eq!(reader.read(&mut small).await.expect("open"), 0);
        drop(reader);
        peer.write(masked(true, CLOSE, &[]));
        peer.end();
        assert!(socket.recv_reader().await.expect("clean").is_none());
    });
}

#[test]
fn an_empty_message_is_written_and_read_as_one() {
    run(async {
        let (mut server, mut client) = pair(fragments(10), 100).await;
        server.send_writer(MessageType::Text).await.expect("open").finish().await.expect("open");
        assert_eq!(client.recv().await.expect("open"), Some(Message::from("")));
    });
}
