//! The budget of bytes queued for sending, and what the transport is given to write.

mod support;

use std::{io::IoSlice, sync::Arc};

use bytes::Buf;
use longwire_proto::{Config, SendError, Transmit};
use support::{End, FIN, SIDES, TEXT, Wire, binary, config, part, plain, text};

fn budget(bytes: usize) -> Arc<Config> {
    config(|it| it.limits.max_buffered_amount = bytes)
}

/// An end whose transport takes nothing.
fn stalled(side: longwire_proto::Side, config: Arc<Config>) -> End {
    let mut end = End::new(side, config);
    end.room = 0;
    end
}

#[test]
fn the_budget_is_exact() {
    for side in SIDES {
        let header = if side.masks() { 6 } else { 2 };
        let mut end = stalled(side, budget(100));
        end.connection.send(binary(&[1; 40]), end.now).expect("the first");
        assert_eq!(end.connection.buffered_amount(), header + 40);
        let left = 100 - header - 40;
        let over = binary(&vec![2; left + 1]);
        assert_eq!(end.connection.send(over.clone(), end.now), Err(SendError::Full(over.into())));
        end.connection.send(binary(&vec![3; left]), end.now).expect("to the last byte");
        let one = binary(&[4]);
        assert_eq!(end.connection.send(one.clone(), end.now), Err(SendError::Full(one.into())));
        assert_eq!(end.connection.buffered_amount(), 2 * header + 40 + left);
    }
}

#[test]
fn a_message_larger_than_the_budget_is_taken_when_nothing_else_is_queued() {
    for side in SIDES {
        let mut end = stalled(side, budget(100));
        end.connection.send(binary(&[1; 1000]), end.now).expect("alone");
        assert_eq!(
            end.connection.send(text(""), end.now),
            Err(SendError::Full(text("").into())),
            "an empty one behind it costs a header all the same"
        );
        end.room = usize::MAX;
        end.pump();
        end.room = 0;
        end.connection.send(binary(&[1; 1000]), end.now).expect("alone again");
    }
}

#[test]
fn a_budget_of_zero_lets_one_message_wait_at_a_time() {
    for side in SIDES {
        let mut end = stalled(side, budget(0));
        end.connection.send(text("one"), end.now).expect("alone");
        assert!(matches!(end.connection.send(text(""), end.now), Err(SendError::Full(_))));
        end.room = usize::MAX;
        end.pump();
        end.connection.send(text("two"), end.now).expect("alone");
    }
}

#[test]
fn empty_messages_cannot_grow_the_queue_without_bound() {
    for side in SIDES {
        let mut end = stalled(side, budget(1000));
        let taken = (0..10_000).take_while(|_| end.connection.send(text(""), end.now).is_ok());
        assert!(taken.count() < 600);
        assert!(end.connection.buffered_amount() <= 1000 + 14);
    }
}

#[test]
fn fragments_wait_for_the_budget_too_and_go_on_where_they_were() {
    for side in SIDES {
        let mut end = stalled(side, budget(100));
        end.connection.send_fragment(part(binary(&[1; 60]), false), end.now).expect("fits");
        let second = part(binary(&[2; 60]), true);
        assert_eq!(
            end.connection.send_fragment(second.clone(), end.now),
            Err(SendError::Full(second.part.clone().into()))
        );
        end.room = usize::MAX;
        end.pump();
        end.connection.send_fragment(second, end.now).expect("fits now");
        end.pump();
        let firsts: Vec<u8> = end.frames().iter().map(|frame| frame.first).collect();
        assert_eq!(firsts, [support::BINARY, FIN]);
    }
}

#[test]
fn a_full_queue_still_takes_control_frames() {
    for side in SIDES {
        let mut end = stalled(side, budget(100));
        end.connection.send(binary(&[1; 1000]), end.now).expect("alone");
        assert_eq!(end.connection.ping(end.now), Some(0));
        end.receive(&Wire::to(side).ping(b"?"));
        end.connection.close(support::close(1000, ""), end.now);
        end.room = usize::MAX;
        end.pump();
        let opcodes: Vec<u8> = end.frames().iter().map(support::Frame::opcode).collect();
        assert_eq!(opcodes, [support::BINARY, support::PING, support::PONG, support::CLOSE]);
    }
}

#[test]
fn closed_is_said_before_full() {
    for side in SIDES {
        let mut end = stalled(side, budget(10));
        end.connection.send(binary(&[1; 100]), end.now).expect("alone");
        end.connection.close(support::close(1000, ""), end.now);
        let message = text("late");
        assert_eq!(
            end.connection.send(message.clone(), end.now),
            Err(SendError::Closed(message.into()))
        );
    }
}

#[test]
fn a_transport_may_take_one_byte_at_a_time() {
    for side in SIDES {
        let mut end = stalled(side, plain());
        end.connection.send(text("small"), end.now).expect("open");
        end.connection.send(binary(&[7; 5000]), end.now).expect("open");
        end.connection.send(text("behind"), end.now).expect("open");
        let queued = end.connection.buffered_amount();
        for written in 1..=queued {
            end.room = 1;
            end.pump();
            assert_eq!(end.connection.buffered_amount(), queued - written);
        }
        let payloads: Vec<usize> = end.frames().iter().map(|frame| frame.payload.len()).collect();
        assert_eq!(payloads, [5, 5000, 6]);
    }
}

#[test]
fn vectored_writes_show_the_same_bytes_as_plain_ones() {
    for side in SIDES {
        let send = |end: &mut End| {
            for len in [0, 10, 4096, 4097, 100_000, 3] {
                end.connection.send(binary(&vec![9; len]), end.now).expect("below the budget");
            }
        };
        let mut plain_end = End::new(side, plain());
        send(&mut plain_end);
        plain_end.pump();

        let mut end = End::new(side, plain());
        send(&mut end);
        let mut written = Vec::new();
        while end.connection.poll_transmit() == Some(Transmit::Bytes) {
            let mut slices = [IoSlice::new(&[]); 4];
            let count = end.connection.outgoing().chunks_vectored(&mut slices);
            assert!(count > 0);
            let seen: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
            let taken = seen.len().min(70_000);
            written.extend_from_slice(&seen[..taken]);
            end.connection.handle_written(taken, end.now);
        }
        assert_eq!(written, plain_end.sent);
    }
}

#[test]
fn many_small_messages_are_one_write() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        for _ in 0..100 {
            end.connection.send(text("tick"), end.now).expect("open");
        }
        let outgoing = end.connection.outgoing();
        assert_eq!(outgoing.chunk().len(), outgoing.remaining());
        assert_eq!(outgoing.chunk()[0], FIN | TEXT);
    }
}

#[test]
fn a_server_lends_large_payloads_and_copies_none() {
    let payload = bytes::Bytes::from(vec![5; 100_000]);
    let mut end = End::new(longwire_proto::Side::Server, plain());
    end.connection.send(longwire_proto::Message::Binary(payload.clone()), end.now).expect("open");
    let mut slices = [IoSlice::new(&[]); 4];
    let count = end.connection.outgoing().chunks_vectored(&mut slices);
    assert_eq!(count, 2, "header and payload");
    assert_eq!(slices[1].as_ptr(), payload.as_ptr());
}

#[test]
#[should_panic(expected = "past the end")]
fn more_written_than_was_queued_is_the_callers_mistake() {
    let mut end = End::new(longwire_proto::Side::Server, plain());
    end.connection.send(text("x"), end.now).expect("open");
    end.connection.handle_written(100, end.now);
}

#[test]
fn control_frames_pass_between_the_fragments_of_a_message_that_is_sent() {
    for side in SIDES {
        let config = config(|it| it.fragment_size = std::num::NonZeroUsize::new(1000));
        let mut end = stalled(side, config);
        end.connection.send(binary(&vec![1; 500_000]), end.now).expect("open");
        end.room = 1500;
        end.receive(&Wire::to(side).ping(b"now"));
        end.room = usize::MAX;
        end.pump();
        let opcodes: Vec<u8> = end.frames().iter().map(support::Frame::opcode).collect();
        let pong = opcodes.iter().position(|opcode| *opcode == support::PONG);
        assert!(pong.is_some_and(|place| place < 100), "of {} frames: {pong:?}", opcodes.len());
    }
}

#[test]
fn a_long_message_in_fragments_counts_whole_from_the_start_and_not_after_the_end() {
    for side in SIDES {
        let config = config(|it| it.fragment_size = std::num::NonZeroUsize::new(1000));
        let mut end = stalled(side, config);
        end.connection.send(binary(&vec![1; 500_000]), end.now).expect("open");
        assert!(end.connection.buffered_amount() >= 500_000, "all of it is still to be sent");
        end.room = 10_000;
        end.pump();
        assert!((490_000..=500_000).contains(&end.connection.buffered_amount()));
        end.lost();
        assert_eq!(end.connection.buffered_amount(), 0);
    }
}

#[test]
fn a_close_behind_a_long_message_in_fragments_comes_after_its_last_one() {
    for side in SIDES {
        let config = config(|it| it.fragment_size = std::num::NonZeroUsize::new(1000));
        let mut end = stalled(side, config);
        end.connection.send(binary(&vec![1; 500_000]), end.now).expect("open");
        assert_eq!(end.connection.ping(end.now), Some(0));
        end.connection.close(support::close(1000, ""), end.now);
        end.room = usize::MAX;
        end.pump();
        let frames = end.frames();
        let data = frames.iter().filter(|it| it.opcode() < support::CLOSE);
        assert_eq!(data.map(|it| it.payload.len()).sum::<usize>(), 500_000);
        let [.., last, close] = &frames[..] else { panic!("more than two") };
        assert_eq!((last.first, close.first), (FIN, FIN | support::CLOSE));
    }
}

#[test]
fn nothing_slips_between_the_fragments_of_a_long_message() {
    for side in SIDES {
        let config = config(|it| it.fragment_size = std::num::NonZeroUsize::new(1000));
        let mut end = stalled(side, config);
        end.connection.send(binary(&vec![1; 500_000]), end.now).expect("open");
        let fragment = part(text("new"), false);
        assert!(end.connection.send(text("new"), end.now).is_err());
        assert!(end.connection.send_fragment(fragment.clone(), end.now).is_err());
        end.room = usize::MAX;
        end.pump();
        end.connection.send_fragment(fragment, end.now).expect("the long one is out");
        end.connection.send_fragment(part(text("er"), true), end.now).expect("goes on");
        end.pump();
        let mut peer = End::new(side.peer(), plain());
        peer.receive(&end.sent);
        let messages = [binary(&vec![1; 500_000]), text("newer")];
        assert_eq!(peer.events, messages.map(longwire_proto::Event::Message));
    }
}
