//! Messages encoded once, beside ordinary ones, for receivers with windows of any size.

use longwire_proto::{CompressionLevel, Deflate, Message, Prepared, Sendable, Side};

use crate::{
    COMPRESSED_BINARY, COMPRESSED_TEXT, deflate, messages, modes, pass, prose,
    support::{BINARY, End, FIN, Frame, Rng, SIDES, TEXT, binary, config, part, plain, text},
    takeover, with_threshold, with_windows,
};

/// A connection of ours, and the peer at its other end.
struct Line {
    ours: End,
    peer: End,
}

impl Line {
    fn new(side: Side, settings: Deflate) -> Self {
        let ours = End::new(side, deflate(settings));
        Self { ours, peer: End::new(side.peer(), deflate(settings)) }
    }

    /// The frames of what is queued, which must arrive as `expected`.
    fn pass(&mut self, expected: &[&Message]) -> Vec<Frame> {
        let frames = pass(&mut self.ours, &mut self.peer);
        assert_eq!(messages(&mut self.peer).iter().collect::<Vec<_>>(), expected);
        frames
    }
}

#[test]
fn prepared_and_ordinary_messages_interleave_in_every_mode_and_window() {
    for side in SIDES {
        let mut rng = Rng::new(31);
        // Every mode with every window, all on one thread, all receivers of the same messages.
        let mut lines: Vec<_> = modes()
            .iter()
            .flat_map(|mode| (8..=15).map(move |bits| with_windows(*mode, bits)))
            .map(|settings| Line::new(side, settings))
            .collect();
        for round in 0..12 {
            let message = match round % 4 {
                0 => text(&prose(&mut rng, 300)),
                1 => binary(&prose(&mut rng, 3000).into_bytes()),
                2 => text(&prose(&mut rng, 70_000)),
                _ => binary(&rng.bytes(300)),
            };
            let prepared = Prepared::new(message.clone());
            let own = text(&prose(&mut rng, 200));
            let again = text(&format!("{}{}", own.as_text().expect("text"), "again"));
            for line in &mut lines {
                let now = line.ours.now;
                for message in [&own, &again] {
                    line.ours.connection.send(message.clone(), now).expect("open");
                }
                line.pass(&[&own, &again]);
                line.ours.connection.send(&prepared, now).expect("open");
                line.pass(&[&message]);
                line.ours.connection.send(again.clone(), now).expect("open");
                line.ours.connection.send(&prepared, now).expect("open");
                line.pass(&[&again, &message]);
            }
        }
    }
}

#[test]
fn receivers_without_the_extension_get_it_as_it_is() {
    for side in SIDES {
        let message = text(&"a".repeat(1000));
        let prepared = Prepared::new(message.clone());
        let mut with = Line::new(side, takeover());
        with.ours.connection.send(&prepared, with.ours.now).expect("open");
        assert_eq!(with.pass(&[&message])[0].first, COMPRESSED_TEXT);
        let mut without = End::new(side, plain());
        without.connection.send(&prepared, without.now).expect("open");
        without.pump();
        assert_eq!(without.frames(), [Frame::new(FIN | TEXT, message.as_bytes())]);
    }
}

#[test]
fn what_does_not_shrink_or_is_below_the_threshold_goes_out_as_it_is() {
    let mut rng = Rng::new(32);
    let noise = binary(&rng.bytes(500));
    let zeros = binary(&[0; 500]);
    for side in SIDES {
        for mode in modes() {
            let mut line = Line::new(side, mode);
            let mut high = Line::new(side, with_threshold(mode, 501));
            let (noise_prepared, zeros_prepared) =
                (Prepared::new(noise.clone()), Prepared::new(zeros.clone()));
            for _ in 0..2 {
                for (prepared, message) in [(&noise_prepared, &noise), (&zeros_prepared, &zeros)] {
                    for line in [&mut line, &mut high] {
                        line.ours.connection.send(prepared, line.ours.now).expect("open");
                    }
                    let first = line.pass(&[message])[0].first;
                    let shrinks = message == &zeros;
                    let expected = if shrinks { COMPRESSED_BINARY } else { FIN | BINARY };
                    assert_eq!(first, expected);
                    assert_eq!(high.pass(&[message])[0].first, FIN | BINARY);
                }
            }
        }
    }
}

#[test]
fn a_prepared_message_refers_no_farther_than_each_receivers_window() {
    let mut rng = Rng::new(37);
    let noise = rng.bytes(100);
    for side in SIDES {
        // The same again: all that sees so far say it by a copy.
        let message = binary(&[&noise[..], &[0; 1500], &noise].concat());
        let prepared = Prepared::with_level(message.clone(), CompressionLevel::SMALLEST);
        for bits in 9..=15 {
            let mut line = Line::new(side, with_windows(takeover(), bits));
            line.ours.connection.send(&prepared, line.ours.now).expect("open");
            let len = line.pass(&[&message])[0].payload.len();
            assert_eq!(len < 2 * noise.len(), bits > 10, "{bits} bits: {len}");
        }
    }
}

#[test]
fn a_message_prepared_uncompressed_goes_out_as_it_is_and_does_not_enter_the_window() {
    let secret = text(&"secret ".repeat(100));
    let prepared = Prepared::uncompressed(secret.clone());
    let mut rng = Rng::new(38);
    for side in SIDES {
        for mode in modes() {
            let mut line = Line::new(side, mode);
            for _ in 0..3 {
                let words = text(&prose(&mut rng, 500));
                line.ours.connection.send(words.clone(), line.ours.now).expect("open");
                line.ours.connection.send(&prepared, line.ours.now).expect("open");
                line.ours.connection.send(words.clone(), line.ours.now).expect("open");
                let frames = line.pass(&[&words, &secret, &words]);
                let first: Vec<_> = frames.iter().map(|frame| frame.first).collect();
                assert_eq!(first, [COMPRESSED_TEXT, FIN | TEXT, COMPRESSED_TEXT]);
            }
        }
    }
}

#[test]
fn empty_and_tiny_messages_can_be_prepared() {
    for side in SIDES {
        for mode in modes() {
            let mut line = Line::new(side, mode);
            for message in [text(""), text("a"), binary(b""), binary(&[0; 20])] {
                let prepared = Prepared::new(message.clone());
                for _ in 0..2 {
                    line.ours.connection.send(&prepared, line.ours.now).expect("open");
                    line.pass(&[&message]);
                }
            }
        }
    }
}

#[test]
fn an_ordinary_message_may_refer_to_a_prepared_one() {
    let mut rng = Rng::new(33);
    let message = text(&prose(&mut rng, 2000));
    let prepared = Prepared::new(message.clone());
    for side in SIDES {
        let mut line = Line::new(side, takeover());
        line.ours.connection.send(&prepared, line.ours.now).expect("open");
        let first = line.pass(&[&message])[0].payload.len();
        line.ours.connection.send(message.clone(), line.ours.now).expect("open");
        let second = line.pass(&[&message])[0].payload.len();
        assert!(second < first / 10, "{first}, {second}");
        // It refers to nothing itself, and so is the same again.
        line.ours.connection.send(&prepared, line.ours.now).expect("open");
        assert_eq!(line.pass(&[&message])[0].payload.len(), first);
    }
}

#[test]
fn the_level_is_the_prepared_messages_own() {
    let mut rng = Rng::new(34);
    let message = text(&prose(&mut rng, 20_000));
    let sizes = [CompressionLevel::FASTEST, CompressionLevel::SMALLEST].map(|level| {
        let prepared = Prepared::with_level(message.clone(), level);
        let mut line = Line::new(Side::Server, takeover());
        line.ours.connection.send(&prepared, line.ours.now).expect("open");
        line.pass(&[&message])[0].payload.len()
    });
    assert!(sizes[0] > sizes[1] + sizes[1] / 10, "{sizes:?}");
}

#[test]
fn the_fragment_size_cuts_a_prepared_message_too() {
    let mut rng = Rng::new(35);
    let message = text(&prose(&mut rng, 2000));
    let prepared = Prepared::new(message.clone());
    for side in SIDES {
        for mode in modes() {
            let mut line = Line::new(side, mode);
            let settings = config(|config| {
                config.deflate = Some(mode);
                config.fragment_size = std::num::NonZeroUsize::new(100);
            });
            line.ours = End::new(side, settings);
            for _ in 0..2 {
                line.ours.connection.send(&prepared, line.ours.now).expect("open");
                let frames = line.pass(&[&message]);
                assert!(frames.len() > 3);
                assert!(frames.iter().all(|frame| frame.payload.len() <= 100));
                assert_eq!(frames[0].first & FIN, 0);
                line.ours.connection.send(message.clone(), line.ours.now).expect("open");
                line.pass(&[&message]);
            }
        }
    }
}

#[test]
fn a_prepared_message_does_not_come_between_fragments() {
    for side in SIDES {
        let mut line = Line::new(side, takeover());
        let (start, end) = (text(&"a".repeat(300)), text(&"a".repeat(200)));
        let now = line.ours.now;
        line.ours.connection.send_fragment(part(start, false), now).expect("open");
        let prepared = Prepared::new("prepared".repeat(100));
        let refused = line.ours.connection.send(&prepared, now).expect_err("it would be inside");
        assert_eq!(refused.into_sendable(), Sendable::from(&prepared));
        line.ours.connection.send_fragment(part(end, true), now).expect("open");
        line.ours.connection.send(&prepared, now).expect("open");
        line.pass(&[&text(&"a".repeat(500)), prepared.message()]);
    }
}

#[test]
fn a_prepared_message_is_shared_between_threads() {
    let mut rng = Rng::new(36);
    let message = text(&prose(&mut rng, 5000));
    let prepared = Prepared::new(message.clone());
    std::thread::scope(|scope| {
        for bits in 9..=15 {
            let (prepared, message) = (&prepared, &message);
            scope.spawn(move || {
                let mut line = Line::new(Side::Server, with_windows(takeover(), bits));
                for _ in 0..3 {
                    line.ours.connection.send(prepared, line.ours.now).expect("open");
                    line.pass(&[message]);
                }
            });
        }
    });
}

#[test]
fn a_prepared_message_is_a_value() {
    let message = text("hello");
    let prepared = Prepared::from(message.clone());
    assert_eq!(prepared, Prepared::new("hello"));
    assert_ne!(prepared, Prepared::new("other"));
    assert_eq!(prepared.message(), &message);
    assert_eq!(format!("{prepared:?}"), format!("Prepared({message:?})"));
    let sendable = Sendable::from(prepared);
    assert_eq!((sendable.len(), sendable.is_empty()), (5, false));
    assert!(Sendable::from(Prepared::new("")).is_empty());
    assert_eq!(sendable.into_message(), message);
}
