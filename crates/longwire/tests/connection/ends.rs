//! The peer vanishes, in every state: what each handle is told.

use std::io::ErrorKind;

use longwire::{Cause, CloseCode, SendError, WebSocket};

use crate::{pipe::Peer, support::*};

/// How a transport ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The peer ended its direction, or TLS says that TCP ended without its goodbye.
    Eof,
    TlsCut,
    Reset,
}

const ENDS: [End; 3] = [End::Eof, End::TlsCut, End::Reset];

impl End {
    fn happen(self, peer: &Peer) {
        match self {
            Self::Eof => peer.end(),
            Self::TlsCut => peer.fail_reads(0, ErrorKind::UnexpectedEof),
            Self::Reset => peer.reset(),
        }
    }

    /// What the transport itself said.
    fn io(self) -> Option<ErrorKind> {
        matches!(self, Self::Reset).then_some(ErrorKind::ConnectionReset)
    }
}

/// The next message is the error of this end, again and again; and sending says so too.
async fn assert_ended(socket: &mut WebSocket, end: End, cause: Cause, text: &str) {
    for _ in 0..2 {
        let error = socket.recv().await.expect_err("not clean");
        assert_eq!(error.io_error().map(std::io::Error::kind), end.io(), "{end:?}");
        assert_eq!(error.closed().cause, cause, "{end:?}");
        let expected = match end.io() {
            Some(kind) => format!("{kind}; {text}"),
            None => text.to_owned(),
        };
        assert_eq!(error.to_string(), expected, "{end:?}");
    }
    let result = socket.send("too late").await;
    assert!(matches!(result, Err(SendError::Closed(_))), "{result:?}");
    assert!(matches!(socket.try_send("too late"), Err(SendError::Closed(_))));
    socket.send_writer(longwire::MessageType::Text).await.expect_err("ended");
    socket.ping().await.expect_err("ended");
    let closed = socket.close(CloseCode::NORMAL_CLOSURE).await;
    assert_eq!(Some(closed), socket.closed());
}

const LOST: &str = "the transport ended before the closing handshake did; ";

#[test]
fn while_open() {
    for end in ENDS {
        run(async move {
            let (mut socket, peer) = server(quiet()).await;
            end.happen(&peer);
            let text = format!("{LOST}no close frame sent or received");
            assert_ended(&mut socket, end, Cause::Lost, &text).await;
            assert!(peer.seen().dropped);
        });
    }
}

#[test]
fn in_the_middle_of_a_frame() {
    for end in ENDS {
        for at in 1..40 {
            run(async move {
                let (mut socket, peer) = client(quiet()).await;
                let whole = plain(true, BINARY, &[1; 10]);
                let cut = plain(false, BINARY, &[2; 200]);
                peer.write(&whole);
                let message = socket.recv().await.expect("open").expect("open");
                assert_eq!(message.as_bytes(), [1; 10]);
                peer.write(&cut[..at]);
                settle().await;
                end.happen(&peer);
                let text = format!("{LOST}no close frame sent or received");
                assert_ended(&mut socket, end, Cause::Lost, &text).await;
            });
        }
    }
}

#[test]
fn what_arrived_before_the_end_is_received_first() {
    for end in [End::Eof, End::TlsCut] {
        run(async move {
            let (mut socket, peer) = server(quiet()).await;
            // More than the inbox holds.
            for number in 0..1000_u32 {
                peer.write(masked(true, BINARY, &number.to_be_bytes()));
            }
            end.happen(&peer);
            if matches!(end, End::TlsCut) {
                peer.fail_reads(peer.unread(), ErrorKind::UnexpectedEof);
            }
            settle().await;
            for number in 0..1000_u32 {
                let message = socket.recv().await.expect("a message").expect("a message");
                assert_eq!(message.as_bytes(), number.to_be_bytes());
            }
            let text = format!("{LOST}no close frame sent or received");
            assert_ended(&mut socket, end, Cause::Lost, &text).await;
        });
    }
}

#[test]
fn after_our_close() {
    for end in ENDS {
        run(async move {
            let (mut socket, peer) = server(quiet()).await;
            dropped_after(socket.close(CloseCode::GOING_AWAY), 1).await;
            assert_eq!(Frames::default().read(&peer).await.opcode, CLOSE);
            end.happen(&peer);
            let text = format!(
                "{LOST}sent {}; received no close frame",
                longwire::Close::from(CloseCode::GOING_AWAY)
            );
            assert_ended(&mut socket, end, Cause::Lost, &text).await;
        });
    }
}

#[test]
fn after_both_close_frames_is_a_clean_end() {
    for end in ENDS {
        run(async move {
            let (mut socket, peer) = client(quiet()).await;
            peer.write(plain(true, CLOSE, &close_payload(1001, "so long")));
            assert_eq!(Frames::default().read(&peer).await.opcode, CLOSE);
            end.happen(&peer);
            assert_eq!(socket.recv().await.expect("clean"), None, "{end:?}");
            let closed = socket.closed().expect("ended");
            assert_eq!((closed.cause, closed.reason()), (Cause::Clean, "so long"));
            let going = longwire::Close::from(CloseCode::GOING_AWAY);
            assert_eq!(
                closed.to_string(),
                format!("received {going} \"so long\"; then sent {going}")
            );
        });
    }
}

#[test]
fn after_the_peers_close_that_was_not_answered_yet() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.write(masked(true, BINARY, &[1]));
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        socket.recv().await.expect("open").expect("open");
        settle().await;
        // The answer is held back for the application; the reset comes first.
        peer.reset();
        let error = socket.recv().await.expect_err("our half was never sent");
        assert_eq!(error.closed().cause, Cause::Lost);
        assert_eq!(error.io_error().map(std::io::Error::kind), Some(ErrorKind::ConnectionReset));
        assert!(error.closed().received.is_some());
    });
}

#[test]
fn a_half_close_right_behind_a_close_frame_is_a_clean_end() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        peer.end();
        assert_eq!(socket.recv().await.expect("clean"), None);
        assert_eq!(Frames::default().read(&peer).await.opcode, CLOSE);
        assert!(peer.seen().shut_down);
    });
}

#[test]
fn an_end_behind_a_violation_keeps_the_violation() {
    for end in ENDS {
        run(async move {
            let (mut socket, peer) = server(quiet()).await;
            peer.write(plain(true, TEXT, b"not masked"));
            settle().await;
            end.happen(&peer);
            let error = socket.recv().await.expect_err("a violation");
            assert_eq!(error.protocol_error(), Some(longwire::ProtocolError::FrameUnmasked));
            assert!(
                error.to_string().contains("the peer broke the protocol: unmasked frame"),
                "{error}"
            );
        });
    }
}

#[test]
fn everybody_who_waits_is_told() {
    for end in ENDS {
        run(async move {
            let (socket, peer) = server(quiet()).await;
            peer.plan(crate::pipe::Plan { outbound_max: 0, ..crate::pipe::Plan::SMOOTH });
            let (sender, mut receiver) = socket.split();
            sender.send(vec![0; 1 << 20]).await.expect("the budget");
            let senders: Vec<_> = (0..8).map(|_| sender.clone()).collect();
            let mut tasks = tokio::task::JoinSet::new();
            tasks.spawn(async move { receiver.recv().await.map(drop).map_err(drop) });
            for (number, mut sender) in senders.into_iter().enumerate() {
                tasks.spawn(async move {
                    match number % 4 {
                        0 => sender.send("waits").await.map_err(drop),
                        1 => sender.flush().await.map_err(drop),
                        2 => sender.ping().await.map(drop).map_err(drop),
                        _ => {
                            let result = sender.send_writer(longwire::MessageType::Binary).await;
                            let mut writer = result.map_err(drop)?;
                            loop {
                                writer.write(vec![0; 1000]).await.map_err(drop)?;
                            }
                        }
                    }
                });
            }
            settle().await;
            end.happen(&peer);
            while let Some(told) = tasks.join_next().await {
                assert_eq!(told.expect("no panic"), Err(()), "{end:?}");
            }
            assert!(!sender.ended().await.is_clean());
        });
    }
}
