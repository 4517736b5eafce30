//! Compressed messages out: what is compressed, how small it gets, and what goes between.

use std::{num::NonZeroUsize, slice::from_ref};

use longwire_proto::{CompressionLevel, Deflate, Message, SendError, Side};

use crate::{
    COMPRESSED_BINARY, COMPRESSED_TEXT, RSV1, deflate, messages, modes, pass, prose, sent,
    support::{
        BINARY, CLOSE, CONTINUATION, End, FIN, Frame, PING, Rng, SIDES, TEXT, Wire, binary, close,
        config, part, text,
    },
    takeover, takes_over, with_level, with_threshold, with_windows, zlib,
};

/// Two ends that agreed on `settings`: the sender, and who receives from it.
fn pair(side: Side, settings: Deflate) -> (End, End) {
    (End::new(side, deflate(settings)), End::new(side.peer(), deflate(settings)))
}

/// Sends a message that must arrive, and gives its frames.
fn send(sender: &mut End, receiver: &mut End, message: &Message) -> Vec<Frame> {
    sender.connection.send(message.clone(), sender.now).expect("open");
    let frames = pass(sender, receiver);
    assert_eq!(messages(receiver), from_ref(message));
    frames
}

/// Bytes of payload on the wire.
fn size(frames: &[Frame]) -> usize {
    frames.iter().map(|frame| frame.payload.len()).sum()
}

#[test]
fn similar_messages_shrink_to_a_fraction_with_context_takeover() {
    for side in SIDES {
        for mode in modes() {
            let (mut sender, mut receiver) = pair(side, mode);
            let mut rng = Rng::new(7);
            let body = prose(&mut rng, 600);
            let sizes: Vec<_> = (0..20)
                .map(|number| {
                    let message = text(&format!("{{\"number\":{number},\"body\":\"{body}\"}}"));
                    size(&send(&mut sender, &mut receiver, &message))
                })
                .collect();
            assert!(sizes[0] < 450, "{sizes:?}");
            let fraction = sizes[1..].iter().all(|size| *size < 60);
            assert_eq!(fraction, takes_over(&mode, side), "{sizes:?}");
        }
    }
}

#[test]
fn messages_that_do_not_shrink_go_out_as_they_are_and_leave_no_trace() {
    for side in SIDES {
        for mode in modes() {
            let (mut sender, mut receiver) = pair(side, mode);
            let mut rng = Rng::new(3);
            let noise = binary(&rng.bytes(100));
            let words = text(&prose(&mut rng, 500));
            let mut whole = size(&send(&mut sender, &mut receiver, &words));
            for _ in 0..3 {
                for _ in 0..2 {
                    let frames = send(&mut sender, &mut receiver, &noise);
                    assert_eq!(frames, [Frame::new(FIN | BINARY, noise.as_bytes())]);
                }
                let frames = send(&mut sender, &mut receiver, &words);
                assert_eq!(frames[0].first, COMPRESSED_TEXT);
                assert!(size(&frames) <= whole, "the window is as it was");
                whole = size(&frames);
            }
            // In the window for once, beside what shrinks, and then it does shrink.
            let both = binary(&[&[7; 200], noise.as_bytes()].concat());
            assert_eq!(send(&mut sender, &mut receiver, &both)[0].first, COMPRESSED_BINARY);
            let frames = send(&mut sender, &mut receiver, &noise);
            let first = if takes_over(&mode, side) { COMPRESSED_BINARY } else { FIN | BINARY };
            assert_eq!(frames[0].first, first);
        }
    }
}

#[test]
fn messages_below_the_threshold_go_out_as_they_are() {
    for side in SIDES {
        for threshold in [1, 20, 128, 5000] {
            let settings = deflate(with_threshold(takeover(), threshold));
            let mut end = End::new(side, settings);
            let plain = text(&"a".repeat(threshold - 1));
            end.connection.send(plain.clone(), end.now).expect("open");
            let enough = text(&"a".repeat(threshold.max(10)));
            end.connection.send(enough, end.now).expect("open");
            end.connection.send(plain, end.now).expect("open");
            let first: Vec<_> = sent(&mut end).iter().map(|frame| frame.first).collect();
            assert_eq!(first, [FIN | TEXT, COMPRESSED_TEXT, FIN | TEXT], "{threshold}");
        }
    }
}

#[test]
fn an_empty_message_goes_out_as_it_is_whatever_the_threshold() {
    for side in SIDES {
        for mode in modes() {
            let (mut sender, mut receiver) = pair(side, mode);
            for message in ["", "aaaaaaaaaaaaaaaaaaaaaaa", "", "", "aaaaaaaaaaaaaaaaaaaaaaa", ""] {
                let frames = send(&mut sender, &mut receiver, &text(message));
                let first = if message.is_empty() { FIN | TEXT } else { COMPRESSED_TEXT };
                assert_eq!((frames.len(), frames[0].first), (1, first));
            }
        }
    }
}

#[test]
fn what_is_to_go_out_as_it_is_does_and_does_not_enter_the_window() {
    for side in SIDES {
        for mode in modes() {
            let (mut sender, mut receiver) = pair(side, mode);
            let mut rng = Rng::new(5);
            let words: Vec<_> = (0..8).map(|_| text(&prose(&mut rng, 300))).collect();
            for word in &words {
                let secret = text(&format!("a secret, {}", "s".repeat(300)));
                sender.connection.send(secret.clone().uncompressed(), sender.now).expect("open");
                sender.connection.send(word.clone(), sender.now).expect("open");
                let frames = pass(&mut sender, &mut receiver);
                assert_eq!(frames[0], Frame::new(FIN | TEXT, secret.as_bytes()));
                assert_eq!(frames[1].first, COMPRESSED_TEXT);
                assert_eq!(messages(&mut receiver), [secret, word.clone()]);
            }
        }
    }
}

#[test]
fn a_higher_level_gives_fewer_bytes() {
    let mut rng = Rng::new(9);
    let message = text(&prose(&mut rng, 30_000));
    for side in SIDES {
        let sizes = [1, 6, 9].map(|level| {
            let level = CompressionLevel::new(level).expect("1 to 9");
            let (mut sender, mut receiver) = pair(side, with_level(level));
            size(&send(&mut sender, &mut receiver, &message))
        });
        assert!(sizes[0] > sizes[1] + sizes[1] / 10 && sizes[1] >= sizes[2], "{sizes:?}");
    }
}

#[test]
fn nothing_refers_beyond_the_window() {
    let mut rng = Rng::new(10);
    let noise = rng.bytes(100);
    for side in SIDES {
        for bits in 9..=15 {
            // The same again, at a distance that only a larger window sees; and near.
            for (distance, seen) in [(1 << bits, false), ((1 << bits) - 300, true)] {
                let settings = with_windows(with_level(CompressionLevel::SMALLEST), bits);
                let (mut sender, mut receiver) = pair(side, settings);
                let gap = vec![0; distance - noise.len()];
                let message = binary(&[&noise[..], &gap, &noise].concat());
                let whole = size(&send(&mut sender, &mut receiver, &message));
                assert_eq!(whole < 2 * noise.len(), seen, "{bits} bits, {distance}: {whole}");
            }
        }
    }
}

#[test]
fn a_connection_that_has_its_thread_for_itself_refers_to_the_whole_window() {
    let mut rng = Rng::new(11);
    let noise = binary(&[&rng.bytes(1000)[..], &[0; 1000]].concat());
    let between = text(&prose(&mut rng, 20_000));
    for side in SIDES {
        let (mut sender, mut receiver) = pair(side, takeover());
        assert!(size(&send(&mut sender, &mut receiver, &noise)) > 1000);
        send(&mut sender, &mut receiver, &between);
        assert!(size(&send(&mut sender, &mut receiver, &noise)) < 100);
    }
}

#[test]
fn a_connection_that_comes_to_another_thread_refers_to_what_it_kept() {
    let mut rng = Rng::new(12);
    let words = text(&prose(&mut rng, 2000));
    for side in SIDES {
        let (mut sender, mut receiver) = pair(side, takeover());
        let first = size(&send(&mut sender, &mut receiver, &words));
        let elsewhere = std::thread::scope(|scope| {
            let there = scope.spawn(|| size(&send(&mut sender, &mut receiver, &words)));
            there.join().expect("it arrives")
        });
        assert!(elsewhere < first / 10, "{first}, {elsewhere}");
        // Here the compressor that was left behind knows less than the peer.
        assert!(size(&send(&mut sender, &mut receiver, &words)) < first / 10);
    }
}

#[test]
fn a_window_of_8_bits_is_never_compressed_for() {
    for side in SIDES {
        let (mut sender, mut receiver) = pair(side, with_windows(takeover(), 8));
        for len in [0, 1, 100, 100_000] {
            let message = binary(&vec![0; len]);
            let frames = send(&mut sender, &mut receiver, &message);
            assert_eq!(frames, [Frame::new(FIN | BINARY, message.as_bytes())]);
        }
        let fragment = part(text(&"a".repeat(1000)), false);
        sender.connection.send_fragment(fragment, sender.now).expect("open");
        assert_eq!(sent(&mut sender)[0].first, TEXT);
    }
}

#[test]
fn a_long_message_is_compressed_in_pieces_each_a_frame() {
    let mut rng = Rng::new(13);
    for side in SIDES {
        for mode in modes() {
            let (mut sender, mut receiver) = pair(side, mode);
            for (len, pieces) in [(65_536, 1), (65_537, 2), (131_072, 2), (300 * 1024, 5)] {
                let frames = send(&mut sender, &mut receiver, &text(&prose(&mut rng, len)));
                let firsts: Vec<_> = frames.iter().map(|frame| frame.first).collect();
                let mut expected = vec![CONTINUATION; pieces];
                expected[0] = RSV1 | TEXT;
                expected[pieces - 1] |= FIN;
                assert_eq!(firsts, expected, "{len}");
                assert!(size(&frames) < len / 2);
            }
        }
    }
}

#[test]
fn a_long_message_that_only_shrinks_at_first_stays_compressed() {
    let mut rng = Rng::new(14);
    let message = binary(&[vec![0; 65_536], rng.bytes(150_000)].concat());
    let other = binary(&[rng.bytes(65_536), vec![0; 150_000]].concat());
    for side in SIDES {
        for mode in modes() {
            let (mut sender, mut receiver) = pair(side, mode);
            let frames = send(&mut sender, &mut receiver, &message);
            assert_eq!(frames[0].first, RSV1 | BINARY);
            assert!(size(&frames) < 151_000, "noise is stored, with a few bytes for 64 KiB");
            let frames = send(&mut sender, &mut receiver, &other);
            assert_eq!(frames, [Frame::new(FIN | BINARY, other.as_bytes())]);
        }
    }
}

#[test]
fn the_fragment_size_is_of_what_is_on_the_wire() {
    let mut rng = Rng::new(15);
    for side in SIDES {
        for mode in modes() {
            let settings = config(|config| {
                config.deflate = Some(mode);
                config.fragment_size = NonZeroUsize::new(100);
            });
            let mut sender = End::new(side, settings);
            let mut receiver = End::new(side.peer(), deflate(mode));
            for len in [100, 1000, 70_000] {
                let message = text(&prose(&mut rng, len));
                let frames = send(&mut sender, &mut receiver, &message);
                let (last, full) = frames.split_last().expect("one or more");
                assert!(full.iter().all(|frame| frame.payload.len() <= 100));
                assert!(!last.payload.is_empty() && last.payload.len() <= 100);
                let reserved = frames.iter().map(|frame| frame.first & 0x70 != 0);
                assert_eq!(reserved.clone().filter(|it| *it).count(), 1);
                assert_eq!(reserved.take(1).collect::<Vec<_>>(), [true]);
                assert!(size(&frames) < len);
            }
        }
    }
}

#[test]
fn pings_pass_between_the_frames_of_a_long_message_and_do_not_enter_the_window() {
    let mut rng = Rng::new(16);
    let message = text(&prose(&mut rng, 400 * 1024));
    for side in SIDES {
        for mode in modes() {
            let (mut sender, mut receiver) = pair(side, mode);
            for _ in 0..2 {
                sender.connection.send(message.clone(), sender.now).expect("nothing is queued");
                sender.room = 1000;
                sender.pump();
                assert_eq!(sender.connection.ping(sender.now).map(|_| ()), Some(()));
                // A Pong, too.
                sender.receive(&Wire::to(side).ping(b"payload"));
                sender.room = usize::MAX;
                let frames = pass(&mut sender, &mut receiver);
                let ping = frames.iter().position(|frame| frame.opcode() == PING);
                assert!(ping.is_some_and(|place| place < frames.len() - 2), "{ping:?}");
                assert_eq!(messages(&mut receiver), from_ref(&message));
                sender.receive(&receiver.sent);
                receiver.sent.clear();
                sent(&mut sender);
            }
        }
    }
}

#[test]
fn while_a_long_message_waits_another_comes_back() {
    let mut rng = Rng::new(17);
    let message = text(&prose(&mut rng, 400 * 1024));
    for side in SIDES {
        let (mut sender, mut receiver) = pair(side, takeover());
        sender.room = 10;
        sender.connection.send(message.clone(), sender.now).expect("nothing is queued");
        assert!(sender.connection.buffered_amount() < message.len());
        let second = text("second");
        let refused = sender.connection.send(second.clone(), sender.now);
        assert_eq!(refused, Err(SendError::Full(second.clone().into())));
        let refused = sender.connection.send_fragment(part(second.clone(), true), sender.now);
        assert_eq!(refused, Err(SendError::Full(second.clone().into())));
        sender.room = usize::MAX;
        sender.pump();
        sender.connection.send(second.clone(), sender.now).expect("the first is encoded");
        pass(&mut sender, &mut receiver);
        assert_eq!(messages(&mut receiver), [message.clone(), second]);
    }
}

#[test]
fn a_close_goes_out_behind_a_long_compressed_message() {
    let mut rng = Rng::new(18);
    let message = text(&prose(&mut rng, 500 * 1024));
    for side in SIDES {
        for mode in modes() {
            let (mut sender, mut receiver) = pair(side, mode);
            sender.room = 1000;
            sender.connection.send(message.clone(), sender.now).expect("nothing is queued");
            sender.pump();
            sender.connection.close(close(1000, "done"), sender.now);
            let late = sender.connection.send(text("late"), sender.now);
            assert!(matches!(late, Err(SendError::Closed(_))));
            sender.room = 70_000;
            sender.pump();
            sender.room = usize::MAX;
            let frames = pass(&mut sender, &mut receiver);
            assert_eq!(frames.last(), Some(&Frame::close(1000, "done")));
            assert_eq!(messages(&mut receiver), from_ref(&message));
            sender.receive(&receiver.sent);
            sender.eof();
            assert!(sender.closed().is_clean());
        }
    }
}

#[test]
fn a_close_of_the_peers_waits_for_a_long_compressed_message_of_ours() {
    let mut rng = Rng::new(19);
    let message = text(&prose(&mut rng, 500 * 1024));
    for side in SIDES {
        let (mut sender, mut receiver) = pair(side, takeover());
        sender.room = 1000;
        sender.connection.send(message.clone(), sender.now).expect("nothing is queued");
        sender.pump();
        sender.receive(&Wire::to(side).close(1001, "leaving"));
        sender.room = usize::MAX;
        let frames = pass(&mut sender, &mut receiver);
        assert_eq!(frames.last().map(Frame::opcode), Some(CLOSE));
        assert_eq!(messages(&mut receiver), from_ref(&message));
    }
}

/// Sends a message in parts, which must arrive as one, and gives its frames.
fn send_parts(sender: &mut End, receiver: &mut End, parts: &[&str]) -> Vec<Frame> {
    let (last, first) = parts.split_last().expect("one or more");
    for piece in first {
        sender.connection.send_fragment(part(text(piece), false), sender.now).expect("open");
        sender.connection.ping(sender.now);
    }
    sender.connection.send_fragment(part(text(last), true), sender.now).expect("open");
    let frames = pass(sender, receiver);
    assert_eq!(messages(receiver), [text(&parts.concat())]);
    sender.receive(&receiver.sent);
    receiver.sent.clear();
    frames.into_iter().filter(|frame| frame.opcode() != PING).collect()
}

#[test]
fn fragments_are_compressed_where_the_first_is() {
    let mut rng = Rng::new(20);
    let long = prose(&mut rng, 100_000);
    let some = prose(&mut rng, 500);
    let few = "0123456";
    for side in SIDES {
        for mode in modes() {
            let (mut sender, mut receiver) = pair(side, with_threshold(mode, 100));
            let mut frames = |parts: &[&str]| send_parts(&mut sender, &mut receiver, parts);
            for _ in 0..2 {
                let first = frames(&[&some, few, "", &some, ""]);
                assert_eq!(first.len(), 5);
                assert_eq!(first[0].first, RSV1 | TEXT);
                assert!(first[3].payload.len() < 100, "the same is in the window");
                assert_eq!(first[4], Frame::new(FIN | CONTINUATION, &[0x00]));
                let second = frames(&[few, &some, &some]);
                assert_eq!(second[0], Frame::new(TEXT, few.as_bytes()));
                assert_eq!(second[2], Frame::new(FIN | CONTINUATION, some.as_bytes()));
                let third = frames(&["", &some]);
                assert_eq!(third[1], Frame::new(FIN | CONTINUATION, some.as_bytes()));
                let fourth = frames(&[&some]);
                assert_eq!((fourth.len(), fourth[0].first), (1, COMPRESSED_TEXT));
            }
            assert!(size(&frames(&[&some, &long[..65_536], few])) < 40_000);
        }
    }
}

#[test]
fn a_fragment_beyond_64_kib_is_cut_and_the_next_waits_for_it() {
    let mut rng = Rng::new(21);
    let (long, some) = (prose(&mut rng, 200_000), prose(&mut rng, 500));
    for side in SIDES {
        let (mut sender, mut receiver) = pair(side, takeover());
        sender.room = 0;
        for (piece, fin) in [(&long, false), (&some, true)] {
            let fragment = part(text(piece), fin);
            if let Err(error) = sender.connection.send_fragment(fragment, sender.now) {
                assert_eq!(error, SendError::Full(text(piece).into()));
                sender.room = usize::MAX;
                sender.pump();
                let fragment = part(text(piece), fin);
                sender.connection.send_fragment(fragment, sender.now).expect("there is room");
            }
        }
        sender.room = usize::MAX;
        let frames = pass(&mut sender, &mut receiver);
        assert_eq!(frames.len(), 5);
        assert_eq!(messages(&mut receiver), [text(&[&long[..], &some].concat())]);
    }
}

#[test]
fn a_message_in_fragments_may_be_sent_as_it_is() {
    for side in SIDES {
        let (mut sender, mut receiver) = pair(side, takeover());
        let a = text(&"a".repeat(300));
        for (uncompressed, first) in [(true, TEXT), (false, RSV1 | TEXT)] {
            let now = sender.now;
            let start = part(a.clone(), false);
            if uncompressed {
                sender.connection.send_fragment_uncompressed(start, now).expect("open");
            } else {
                sender.connection.send_fragment(start, now).expect("open");
            }
            // The first decides, whatever is said of the others.
            sender.connection.send_fragment(part(a.clone(), false), now).expect("open");
            let last = part(a.clone(), true);
            sender.connection.send_fragment_uncompressed(last, now).expect("open");
            let frames = pass(&mut sender, &mut receiver);
            assert_eq!(frames[0].first, first);
            assert_eq!(size(&frames) == 900, uncompressed);
            assert_eq!(messages(&mut receiver), [text(&"a".repeat(900))]);
        }
    }
}

#[test]
fn both_directions_have_windows_of_their_own() {
    for side in SIDES {
        for mode in modes() {
            let (mut near, mut far) = pair(side, mode);
            let mut rng = Rng::new(22);
            for _ in 0..10 {
                let message = text(&prose(&mut rng, 400));
                send(&mut near, &mut far, &message);
                let again = send(&mut far, &mut near, &message);
                // What was received is no part of what is sent.
                assert!(size(&again) > 60, "{again:?}");
            }
        }
    }
}

#[test]
fn what_we_send_is_not_larger_than_what_zlib_makes_by_much() {
    let mut rng = Rng::new(23);
    let message = prose(&mut rng, 20_000);
    let reference = zlib(message.as_bytes()).len();
    for side in SIDES {
        let (mut sender, mut receiver) = pair(side, with_level(CompressionLevel::SMALLEST));
        let ours = size(&send(&mut sender, &mut receiver, &text(&message)));
        assert!(ours < reference + reference / 20, "{ours}, {reference}");
    }
}
