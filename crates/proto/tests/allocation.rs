//! What a peer can make a connection allocate (RFC 6455 §10.4): counted by the allocator.
//!
//! The counters are a thread's own, so tests do not see each other.

#![allow(unsafe_code, reason = "a global allocator that counts; tests only")]

#[path = "allocation/deflate.rs"]
mod deflate;
mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::Arc,
    time::Instant,
};

use bytes::{Buf, BufMut};
use longwire_proto::{Config, Connection, Event, Frames, Input, Keepalive, Side, Transmit};
use support::{BINARY, FIN, SIDES, TEXT, Wire, config, connection, plain, start};

struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

fn count(taken: usize, freed: usize) {
    let held = HELD.get() + taken.cast_signed() - freed.cast_signed();
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
    TAKEN.set(TAKEN.get() + taken);
}

// SAFETY: each method does what `System` does, and counts in cells that need no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller's contract is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What happened to the heap while `work` ran.
#[derive(Clone, Copy, Debug)]
struct Heap {
    /// Bytes held now that were not held before.
    held: isize,
    /// The most that was held at a time beyond what was held before.
    peak: isize,
    /// Bytes ever asked for. A buffer that grows byte by byte asks for a square of its length.
    taken: usize,
}

fn measured(work: impl FnOnce()) -> Heap {
    let (held, taken) = (HELD.get(), TAKEN.get());
    PEAK.set(held);
    work();
    Heap { held: HELD.get() - held, peak: PEAK.get() - held, taken: TAKEN.get() - taken }
}

fn poll(connection: &mut Connection, bytes: &mut [u8], mut each: impl FnMut(Event)) {
    let mut input = Input::new(bytes);
    while let Some(event) = connection.poll_event(&mut input, start()) {
        each(event);
    }
}

fn write_all(connection: &mut Connection) {
    while connection.poll_transmit() == Some(Transmit::Bytes) {
        let count = connection.outgoing().chunk().len();
        connection.handle_written(count, start());
    }
}

fn unlimited() -> Arc<Config> {
    config(|it| {
        it.limits.max_frame_size = u64::MAX;
        it.limits.max_message_size = u64::MAX;
        it.limits.max_fragments = u32::MAX;
    })
}

const MILLION: usize = 1_000_000;

/// Bytes of what a connection keeps of a message whose last frame has not ended, besides its payload.
const UNDER_WAY: usize = 64;

#[test]
fn an_idle_connection_holds_nothing_but_itself() {
    let heap = measured(|| {
        let config = Arc::new(Config::default());
        let connection = Connection::server(config, start());
        std::mem::forget(connection);
    });
    assert!(heap.held <= isize::try_from(size_of::<Config>() + 16).expect("small"), "{heap:?}");
    assert!(size_of::<Connection>() <= 384, "{} bytes", size_of::<Connection>());
}

#[test]
fn a_declared_length_allocates_nothing_of_its_payload() {
    for side in SIDES {
        for len in [16 << 20, 1 << 40, (1 << 63) - 1] {
            for first in [FIN | BINARY, FIN | TEXT, BINARY, TEXT] {
                let mut connection = connection(side, unlimited(), start());
                let mut wire = Wire::to(side).declare(first, len).to_vec();
                let heap = measured(|| {
                    poll(&mut connection, &mut wire, |event| panic!("{event:?}"));
                });
                assert!(heap.taken <= UNDER_WAY, "{len} bytes declared: {heap:?}");
            }
        }
    }
}

#[test]
fn a_length_beyond_the_limit_allocates_no_more_than_its_close_frame() {
    for side in SIDES {
        let mut connection = connection(side, plain(), start());
        let mut wire = Wire::to(side).declare(FIN | BINARY, (1 << 63) - 1).to_vec();
        let heap = measured(|| poll(&mut connection, &mut wire, drop));
        assert!(heap.peak <= 4096, "{heap:?}");
    }
}

#[test]
fn space_for_a_direct_read_is_64_kib_however_much_is_declared() {
    for side in SIDES {
        let mut connection = connection(side, unlimited(), start());
        let mut wire = Wire::to(side).declare(FIN | BINARY, (1 << 63) - 1).to_vec();
        poll(&mut connection, &mut wire, drop);
        let heap = measured(|| {
            assert!(connection.payload_space().is_some());
        });
        assert!(heap.held <= 64 * 1024, "{heap:?}");
        let again = measured(|| {
            assert!(connection.payload_space().is_some());
            poll(&mut connection, &mut [], drop);
            assert!(connection.payload_space().is_some());
        });
        assert_eq!(again.taken, 0);
    }
}

#[test]
fn memory_follows_what_arrived_and_not_what_was_declared() {
    for side in SIDES {
        for arrived in [1, 1000, 100_000, 1_000_000, 5_000_000] {
            let mut connection = connection(side, unlimited(), start());
            let mut wire = Wire::to(side).declare(FIN | BINARY, 1 << 40).to_vec();
            poll(&mut connection, &mut wire, drop);
            let mut piece = vec![1; 1000];
            let heap = measured(|| {
                let mut left = arrived;
                while left > 0 {
                    let count = left.min(piece.len());
                    poll(&mut connection, &mut piece[..count], drop);
                    left -= count;
                }
            });
            let allowed = isize::try_from(2 * arrived + 64 * 1024).expect("small");
            assert!(heap.held <= allowed, "{arrived} bytes arrived: {heap:?}");
            assert!(heap.taken <= 8 * arrived + 64 * 1024, "{arrived} bytes arrived: {heap:?}");
        }
    }
}

#[test]
fn a_million_empty_fragments_cost_nothing_to_keep() {
    for (side, first) in [(Side::Client, BINARY), (Side::Server, TEXT)] {
        let mut connection = connection(side, unlimited(), start());
        let mut first = Wire::to(side).frame(first, b"").to_vec();
        let thousand = (0..1000).fold(Wire::to(side), |wire, _| wire.more(b""));
        let mut last = Wire::to(side).last(b"end").to_vec();
        let mut pieces: Vec<_> = (0..MILLION / 1000).map(|_| thousand.to_vec()).collect();
        let heap = measured(|| {
            poll(&mut connection, &mut first, drop);
            for piece in &mut pieces {
                poll(&mut connection, piece, |event| panic!("{event:?}"));
            }
        });
        assert!(heap.taken <= UNDER_WAY, "{heap:?}");
        let mut message = None;
        poll(&mut connection, &mut last, |event| message = Some(event));
        let Some(Event::Message(message)) = message else { panic!("{message:?}") };
        assert_eq!(message.as_bytes(), b"end");
    }
}

#[test]
fn a_million_fragments_of_one_byte_copy_each_byte_a_bounded_number_of_times() {
    for (side, first) in [(Side::Client, BINARY), (Side::Server, TEXT)] {
        let mut connection = connection(side, unlimited(), start());
        let mut start = Wire::to(side).frame(first, b"").to_vec();
        let thousand = (0..1000).fold(Wire::to(side), |wire, _| wire.more(b"x"));
        let mut last = Wire::to(side).last(b"").to_vec();
        let mut pieces: Vec<_> = (0..MILLION / 1000).map(|_| thousand.to_vec()).collect();
        let mut message = None;
        let heap = measured(|| {
            poll(&mut connection, &mut start, drop);
            for piece in &mut pieces {
                poll(&mut connection, piece, |event| panic!("{event:?}"));
            }
            poll(&mut connection, &mut last, |event| message = Some(event));
        });
        // Each growth asks for the whole buffer anew: a sum in proportion to the message means that
        // the bytes copied are, too.
        assert!(heap.taken <= 4 * MILLION, "{heap:?}");
        assert!(heap.peak <= isize::try_from(3 * MILLION).expect("small"), "{heap:?}");
        let Some(Event::Message(message)) = message else { panic!("{message:?}") };
        assert_eq!(message.as_bytes(), vec![b'x'; MILLION]);
    }
}

#[test]
fn bytes_that_arrive_one_by_one_are_each_copied_a_bounded_number_of_times() {
    for side in SIDES {
        let mut connection = connection(side, plain(), start());
        let payload = vec![b'x'; 200_000];
        let mut wire = Wire::to(side).frame(FIN | TEXT, &payload).to_vec();
        let mut message = None;
        let heap = measured(|| {
            for byte in &mut wire {
                poll(&mut connection, std::slice::from_mut(byte), |event| message = Some(event));
            }
        });
        assert!(heap.taken <= 4 * payload.len(), "{heap:?}");
        let Some(Event::Message(message)) = message else { panic!("{message:?}") };
        assert_eq!(message.as_bytes(), payload);
    }
}

#[test]
fn a_ping_flood_from_a_peer_that_never_reads_stays_within_a_fixed_bound() {
    for side in SIDES {
        let mut connection = connection(side, plain(), start());
        let flood = (0..1000).fold(Wire::to(side), |wire, _| wire.ping(&[7; 125]));
        let mut pieces: Vec<_> = (0..100).map(|_| flood.to_vec()).collect();
        let heap = measured(|| {
            for piece in &mut pieces {
                poll(&mut connection, piece, drop);
            }
        });
        assert!(heap.peak <= 8 * 1024, "100,000 pings: {heap:?}");
        write_all(&mut connection);
    }
}

#[test]
fn a_flood_of_unsolicited_pongs_keeps_nothing() {
    for side in SIDES {
        let mut connection = connection(side, plain(), start());
        let mut flood = (0..1000).fold(Wire::to(side), |wire, _| wire.pong(&[7; 125])).to_vec();
        let heap = measured(|| poll(&mut connection, &mut flood, drop));
        assert_eq!(heap.held, 0);
        assert!(heap.peak <= 1024, "{heap:?}");
    }
}

#[test]
fn memory_is_back_where_it_was_after_bursts_but_for_the_large_buffers_that_a_thread_keeps() {
    const KEPT_MAX: isize = 4 << 20;
    for side in SIDES {
        let mut connection = connection(side, plain(), start());
        let mut number = 0;
        let mut burst = |large: usize| {
            let mut wire = Wire::to(side)
                .binary(&vec![1; large])
                .ping(&[2; 125])
                .text_start(&vec![b'x'; large / 2])
                .last(&vec![b'y'; large / 2])
                .to_vec();
            for piece in wire.chunks_mut(7777) {
                poll(&mut connection, piece, drop);
            }
            for len in [10, 5000, large] {
                for _ in 0..8 {
                    let message = support::binary(&vec![3; len]);
                    connection.send(message, start()).expect("below the budget");
                }
            }
            connection.ping(start()).expect("open");
            write_all(&mut connection);
            let mut pong = Wire::to(side).pong(&u64::to_be_bytes(number)).to_vec();
            number += 1;
            poll(&mut connection, &mut pong, drop);
        };
        let small = measured(|| burst(60_000));
        assert!(small.held <= PONG, "{small:?}");
        let large = measured(|| (0..50).for_each(|_| burst(100_000)));
        assert!(large.held <= KEPT_MAX + PONG, "{large:?}");
    }
}

#[test]
fn a_message_is_copied_out_of_a_kept_buffer_that_is_much_larger() {
    for side in SIDES {
        let mut connection = connection(side, plain(), start());
        connection
            .send(support::binary(&vec![3; 1 << 20]), start())
            .expect("nothing else is queued");
        write_all(&mut connection);
        let mut wire = Wire::to(side).binary(&vec![1; 100_000]).to_vec();
        let mut messages = Vec::new();
        let heap = measured(|| {
            for piece in wire.chunks_mut(7777) {
                poll(&mut connection, piece, |event| messages.push(event));
            }
        });
        assert_eq!(messages.len(), 1);
        assert!((100_000..110_000).contains(&heap.held), "{heap:?}");
    }
}

/// What is left of the last Pong that was read.
const PONG: isize = 8 + 6;

#[test]
fn memory_is_back_where_it_was_after_streaming_and_direct_reads() {
    for side in SIDES {
        let config = config(|it| it.delivery = longwire_proto::Delivery::Fragments);
        let mut connection = connection(side, config, start());
        let payload = vec![b'x'; 500_000];
        let mut wire = Wire::to(side).frame(FIN | TEXT, &payload).to_vec();
        let heap = measured(|| {
            let mut rest = &mut wire[..];
            while !rest.is_empty() {
                let direct = connection.payload_space().map_or(0, |mut space| {
                    let count = space.remaining_mut().min(rest.len()).min(10_000);
                    space.put_slice(&rest[..count]);
                    count
                });
                let count = if direct == 0 { rest.len().min(5000) } else { direct };
                poll(&mut connection, &mut rest[direct..count], drop);
                rest = &mut rest[count..];
            }
        });
        assert_eq!(heap.held, 0, "{heap:?}");
    }
}

#[test]
fn a_peer_that_answers_no_ping_costs_a_fixed_bound() {
    for side in SIDES {
        let config = config(|it| {
            it.keepalive = Some(Keepalive { interval: support::SECOND, timeout: support::SECOND });
        });
        let mut connection = connection(side, config, start());
        let message = Wire::to(side).text("still here");
        let mut messages: Vec<_> = (0..5000).map(|_| message.to_vec()).collect();
        let heap = measured(|| {
            let mut now = start();
            for message in &mut messages {
                let ahead: Instant = connection.poll_timeout().expect("keepalive is on");
                now = now.max(ahead);
                connection.handle_timeout(now);
                write_all(&mut connection);
                let mut input = Input::new(message);
                while connection.poll_event(&mut input, now).is_some() {}
            }
        });
        assert!(heap.held <= 4096, "{heap:?}");
    }
}

#[test]
fn a_failed_connection_lets_go_of_the_message_under_way() {
    for side in SIDES {
        let mut connection = connection(side, plain(), start());
        let mut wire =
            Wire::to(side).binary_start(&vec![1; 1 << 20]).frame(FIN | 0x3, b"").to_vec();
        let heap = measured(|| {
            poll(&mut connection, &mut wire, drop);
            write_all(&mut connection);
        });
        assert!(heap.held <= 4096, "nothing will be read any more: {heap:?}");
    }
}

#[test]
fn a_message_of_one_frame_that_arrives_whole_allocates_its_payload_and_no_more() {
    for side in SIDES {
        let mut connection = connection(side, plain(), start());
        for (len, first) in [0, 1, 125, 126, 4096, 100_000]
            .into_iter()
            .flat_map(|len| [(len, FIN | BINARY), (len, FIN | TEXT)])
        {
            let mut wire = Wire::to(side).frame(first, &vec![b'x'; len]).to_vec();
            let heap = measured(|| {
                poll(&mut connection, &mut wire, |event| {
                    assert!(matches!(event, Event::Message(_)), "{event:?}");
                });
            });
            assert_eq!((heap.taken, heap.held), (len, 0), "{len} bytes");
        }
        let mut wire = Wire::to(side).frame(FIN | TEXT, &vec![0xFF; 100_000]).to_vec();
        let heap = measured(|| poll(&mut connection, &mut wire, drop));
        assert!(heap.taken < 4096, "it is refused before it is copied: {heap:?}");
    }
}

#[test]
fn a_turn_of_encoded_messages_takes_one_buffer_and_leaves_none() {
    let mut connection = Connection::server(plain(), start());
    let message = support::binary(&[1; 30]);
    let mut turn = |count: usize| {
        let mut frames = Frames::new();
        (0..count).for_each(|_| frames.push(&message));
        connection.send_frames(frames, start()).expect("below the budget");
        write_all(&mut connection);
    };
    for count in [1, 2, 32] {
        let heap = measured(|| (0..100).for_each(|_| turn(count)));
        assert_eq!((heap.held, heap.peak, heap.taken), (0, 1024, 100 * 1024), "{count} messages");
    }
    let heap = measured(|| (0..100).for_each(|_| turn(0)));
    assert_eq!(heap.taken, 0, "no message, no memory");
    let heap = measured(|| turn(2000));
    assert_eq!(heap.held, 0);
    assert!(heap.peak <= 3 * 2000 * 32, "{heap:?}");
}

#[test]
fn what_encoded_messages_were_written_from_is_freed_while_more_of_them_wait() {
    let mut connection = Connection::server(plain(), start());
    let mut frames = Frames::new();
    (0..16).for_each(|_| frames.push(&support::binary(&[1; 1020])));
    assert_eq!(frames.encoded_len(), 16 * 1024);
    let heap = measured(|| {
        for turn in 0..1000 {
            connection.send_frames(frames.clone(), start()).expect("below the budget");
            // Something is always left.
            let written = if turn == 0 { 1 } else { frames.encoded_len() };
            let mut left = written;
            while left > 0 {
                let count = connection.outgoing().chunk().len().min(left);
                connection.handle_written(count, start());
                left -= count;
            }
        }
    });
    assert!(heap.peak <= 6 * 64 * 1024, "{heap:?}");
}

#[test]
fn echoing_small_messages_reuses_one_small_buffer() {
    let mut connection = Connection::server(plain(), start());
    let message = Wire::to(Side::Server).text("0123456789abcdef0123456789abcdef");
    let mut wires: Vec<_> = (0..1000).map(|_| message.to_vec()).collect();
    let heap = measured(|| {
        for wire in &mut wires {
            let mut input = Input::new(wire);
            while let Some(event) = connection.poll_event(&mut input, start()) {
                let Event::Message(message) = event else { panic!("{event:?}") };
                connection.send(message, start()).expect("below the budget");
            }
            write_all(&mut connection);
        }
    });
    assert_eq!(heap.held, 0);
    assert!(heap.peak <= 2048, "{heap:?}");
}
