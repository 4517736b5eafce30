//! Ping and Pong (RFC 6455 §5.5).

mod support;

use longwire_proto::{ControlPayload, Event, ProtocolError};
use support::{
    CLOSE, End, FIN, Frame, PING, PONG, SECOND, SIDES, TEXT, Wire, close, config, plain, run, text,
};

#[test]
fn a_ping_is_answered_with_its_payload() {
    for side in SIDES {
        for payload in [&b""[..], b"Hello", &[0xFF; 125]] {
            let outcome = run(side, &plain(), &Wire::to(side).ping(payload));
            let ping = ControlPayload::try_from(payload).expect("at most 125 bytes");
            assert_eq!(outcome.events, [Event::Ping(ping)]);
            assert_eq!(outcome.sent, [Frame::new(FIN | PONG, payload)]);
        }
    }
}

#[test]
fn a_control_frame_of_126_bytes_is_refused() {
    for side in SIDES {
        for opcode in [PING, PONG, CLOSE] {
            for len in [126, 127, 65_536] {
                let wire = Wire::to(side).frame(FIN | opcode, &vec![b'x'; len]);
                let outcome = run(side, &plain(), &Wire::to(side).raw(&wire[..2]));
                let error = ProtocolError::ControlFrameTooLong;
                assert_eq!(outcome.events, [Event::Violation(error)], "two bytes show it");
                assert_eq!(outcome.sent[0].close_code(), Some(1002));
            }
        }
    }
}

#[test]
fn a_fragmented_control_frame_is_refused() {
    for side in SIDES {
        for opcode in [PING, PONG, CLOSE] {
            let outcome = run(side, &plain(), &Wire::to(side).frame(opcode, b""));
            assert_eq!(outcome.events, [Event::Violation(ProtocolError::ControlFrameFragmented)]);
            assert_eq!(outcome.sent[0].close_code(), Some(1002));
        }
    }
}

#[test]
fn ten_pings_in_one_read_get_ten_pongs() {
    for side in SIDES {
        let payloads: Vec<String> = (0..10).map(|n| format!("ping {n}")).collect();
        let wire = payloads.iter().fold(Wire::to(side), |wire, it| wire.ping(it.as_bytes()));
        let outcome = run(side, &plain(), &wire);
        let expected: Vec<_> =
            payloads.iter().map(|it| Frame::new(FIN | PONG, it.as_bytes())).collect();
        assert_eq!(outcome.sent, expected);
    }
}

#[test]
fn sixteen_pings_in_one_read_get_sixteen_pongs_and_more_only_the_latest() {
    for side in SIDES {
        for (pings, answered) in [(16, 16), (17, 17), (18, 17), (1000, 17)] {
            let mut end = End::new(side, plain());
            let wire = (0..pings).fold(Wire::to(side), |wire, n: u32| wire.ping(&n.to_be_bytes()));
            end.receive(&wire);
            let frames = end.frames();
            assert_eq!(frames.len(), answered, "{pings} pings");
            let latest = (pings - 1).to_be_bytes();
            assert_eq!(frames.last(), Some(&Frame::new(FIN | PONG, &latest)));
        }
    }
}

#[test]
fn pings_that_each_find_room_to_answer_are_all_answered() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        for n in 0..1000u32 {
            end.receive(&Wire::to(side).ping(&n.to_be_bytes()));
        }
        assert_eq!(end.frames().len(), 1000);
    }
}

#[test]
fn a_peer_that_pings_and_never_reads_costs_sixteen_pongs() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.room = 0;
        let flood = (0..100).fold(Wire::to(side), |wire, n| wire.ping(&[n; 125]));
        for _ in 0..1000 {
            end.receive(&flood);
        }
        assert!(end.connection.buffered_amount() <= 16 * 131, "bytes queued");
        end.room = usize::MAX;
        end.pump();
        assert_eq!(end.frames().len(), 17);
        assert_eq!(end.frames()[16], Frame::new(FIN | PONG, &[99; 125]), "the latest");
        assert_eq!(end.connection.buffered_amount(), 0);
        end.receive(&Wire::to(side).ping(b"after"));
        assert_eq!(end.frames().len(), 18, "the flood is forgotten");
    }
}

#[test]
fn pongs_behind_a_stuck_message_stay_bounded_and_in_order() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.room = 10;
        end.connection.send(support::binary(&[1; 5000]), end.now).expect("open");
        for n in 0..200u8 {
            end.receive(&Wire::to(side).ping(&[n]));
        }
        end.connection.send(text("after"), end.now).expect("open");
        end.room = usize::MAX;
        end.pump();
        let frames = end.frames();
        let pongs: Vec<u8> =
            frames.iter().filter(|it| it.opcode() == PONG).map(|it| it.payload[0]).collect();
        assert_eq!(pongs, (0..16).chain([199]).collect::<Vec<_>>());
        assert_eq!(frames[17], Frame::new(FIN | TEXT, b"after"), "queued before the last Pong");
    }
}

#[test]
fn unsolicited_pongs_are_reported_and_not_answered() {
    for side in SIDES {
        let wire = Wire::to(side).pong(b"").pong(&0u64.to_be_bytes()).pong(&[7; 125]);
        let outcome = run(side, &plain(), &wire);
        assert_eq!(outcome.events.len(), 3);
        for event in &outcome.events {
            assert!(matches!(event, Event::Pong { answers: None, .. }), "{event:?}");
        }
        assert_eq!(outcome.sent, []);
    }
}

#[test]
fn a_flood_of_unsolicited_pongs_leaves_nothing_behind() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        let flood = (0..1000).fold(Wire::to(side), |wire, _| wire.pong(&[7; 125]));
        for _ in 0..10 {
            end.receive(&flood);
        }
        assert_eq!(end.events.len(), 10_000);
        assert_eq!(end.sent, []);
        assert_eq!(end.connection.latency(), None);
    }
}

#[test]
fn a_pong_gives_the_number_and_the_round_trip_of_its_ping() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        assert_eq!(end.connection.ping(end.now), Some(0));
        assert_eq!(end.connection.ping(end.now), Some(1));
        end.pump();
        let pings = end.frames();
        assert_eq!(pings.iter().map(|it| it.first).collect::<Vec<_>>(), [FIN | PING; 2]);
        end.advance(SECOND);
        end.receive(&Wire::to(side).pong(&pings[0].payload));
        end.advance(SECOND);
        end.receive(&Wire::to(side).pong(&pings[1].payload).pong(&pings[1].payload));
        let answers: Vec<_> = end
            .events
            .iter()
            .map(|event| match event {
                Event::Pong { answers, .. } => *answers,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(answers, [Some((0, SECOND)), Some((1, 2 * SECOND)), None]);
        assert_eq!(end.connection.latency(), Some(2 * SECOND));
    }
}

#[test]
fn a_pong_answers_the_pings_before_it_too() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        for n in 0..3 {
            assert_eq!(end.connection.ping(end.now), Some(n));
        }
        end.pump();
        let pings = end.frames();
        end.receive(&Wire::to(side).pong(&pings[2].payload).pong(&pings[0].payload));
        let answers: Vec<_> = end
            .events
            .iter()
            .map(|event| matches!(event, Event::Pong { answers: Some((2, _)), .. }))
            .collect();
        assert_eq!(answers, [true, false]);
    }
}

#[test]
fn sixty_four_pings_may_wait_and_numbering_goes_on_after_their_pongs() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        let numbers: Vec<_> = (0..70).map_while(|_| end.connection.ping(end.now)).collect();
        assert_eq!(numbers, (0..64).collect::<Vec<_>>());
        assert_eq!(end.connection.ping(end.now), None);
        end.pump();
        let pings = end.frames();
        assert_eq!(pings.len(), 64, "a Ping that was refused is not sent");
        end.receive(&Wire::to(side).pong(&pings[0].payload));
        assert_eq!(end.connection.ping(end.now), Some(64));
        assert_eq!(end.connection.ping(end.now), None);
        end.pump();
        let last = end.frames().pop().expect("sent");
        end.receive(&Wire::to(side).pong(&last.payload));
        assert_eq!(end.connection.ping(end.now), Some(65));
    }
}

#[test]
fn no_ping_is_sent_once_the_connection_is_closing() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.connection.close(close(1000, ""), end.now);
        assert_eq!(end.connection.ping(end.now), None);
        let mut end = End::new(side, plain());
        end.receive_and(&Wire::to(side).close_empty(), |connection, _, now| {
            assert_eq!(connection.ping(now), None);
        });
        end.eof();
        assert_eq!(end.connection.ping(end.now), None);
    }
}

#[test]
fn a_pong_arrives_while_our_close_waits_for_its_answer() {
    for side in SIDES {
        let mut end = End::new(side, config(|_| {}));
        let number = end.connection.ping(end.now);
        end.connection.close(close(1000, ""), end.now);
        end.pump();
        let ping = end.frames().swap_remove(0);
        end.receive(&Wire::to(side).pong(&ping.payload));
        assert_eq!(number, Some(0));
        assert!(matches!(end.events[..], [Event::Pong { answers: Some((0, _)), .. }]));
    }
}
