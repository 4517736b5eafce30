//! What compression costs in memory: a connection, a thread, and a peer that means harm (RFC 7692).

use std::{sync::Arc, thread};

use bytes::Buf;
use flate2::{Compress, Compression, FlushCompress};
use longwire_proto::{
    Config, Connection, Deflate, Delivery, Event, Input, Message, Prepared, Side, Transmit,
    WindowBits,
};

use super::{Heap, measured, poll, write_all};
use crate::support::{BINARY, FIN, Rng, SIDES, TEXT, Wire, config, connection, start};

const RSV1: u8 = 0x40;
const KIB: isize = 1024;

/// Connections with a message under way at the same time.
const CONNECTIONS: usize = 20;

/// Decompressors that a thread keeps, and one that it does not.
const DECOMPRESSOR: isize = 48 * KIB;

fn zlib(message: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(message.len() + 1000);
    compress.compress_vec(message, &mut out, FlushCompress::Sync).expect("any input will do");
    out.truncate(out.len() - 4);
    out
}

/// Text that shrinks, but not to nothing.
fn prose(len: usize) -> String {
    let mut rng = Rng::new(1);
    let mut prose = String::new();
    while prose.len() < len {
        prose.push_str(["window ", "history ", "message ", "of the "][rng.below(0..4)]);
        prose.push_str(&rng.below(0..1000).to_string());
    }
    prose.truncate(len);
    prose
}

fn with_windows(mut deflate: Deflate, bits: u8) -> Deflate {
    let bits = WindowBits::new(bits).expect("8 to 15");
    deflate.params.server_max_window_bits = bits;
    deflate.params.client_max_window_bits = bits;
    deflate
}

fn deflate(deflate: Deflate) -> Arc<Config> {
    config(|config| config.deflate = Some(deflate))
}

/// A compressed message each way.
fn talk(connection: &mut Connection, message: &str, compressed: &[u8]) {
    connection.send(Message::text(message.to_owned()), start()).expect("nothing is queued");
    write_all(connection);
    let mut wire = Wire::to(connection.side()).frame(FIN | RSV1 | TEXT, compressed).to_vec();
    let mut messages = 0;
    poll(connection, &mut wire, |event| {
        messages += usize::from(matches!(event, Event::Message(_)));
    });
    assert_eq!(messages, 1);
}

/// Fills what the thread keeps, so that it does not count as the next connection's.
fn fill_the_thread(side: Side, settings: &Arc<Config>, message: &str, compressed: &[u8]) {
    for _ in 0..40 {
        talk(&mut connection(side, Arc::clone(settings), start()), message, compressed);
    }
}

#[test]
fn what_a_connection_keeps_is_what_its_mode_says() {
    let (short, long) = (prose(1000), prose(50_000));
    let (short_compressed, long_compressed) = (zlib(short.as_bytes()), zlib(long.as_bytes()));
    let mut modes = Vec::new();
    for bits in [9, 12, 15] {
        for (server, client) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut mode = with_windows(Deflate::context_takeover(), bits);
            mode.params.server_no_context_takeover = server;
            mode.params.client_no_context_takeover = client;
            modes.push(mode);
        }
    }
    for side in SIDES {
        for mode in &modes {
            let settings = deflate(*mode);
            let run = || {
                fill_the_thread(side, &settings, &long, &long_compressed);
                let params = mode.params;
                let takeovers =
                    [params.server_no_context_takeover, params.client_no_context_takeover];
                let [ours, theirs] = match side {
                    Side::Server => takeovers,
                    Side::Client => [takeovers[1], takeovers[0]],
                }
                .map(|none| isize::from(!none));
                let window = 1 << params.server_max_window_bits.get();

                let mut subject = None;
                let fresh =
                    measured(|| subject = Some(connection(side, settings.clone(), start())));
                let subject = subject.as_mut().expect("made above");
                // The masking keys of the tests are boxed, too.
                assert!(fresh.held <= 205 + 8, "0.2 KiB: {fresh:?}");
                let plain = measured(|| {
                    let mut wire = Wire::to(side).text(&short).to_vec();
                    poll(subject, &mut wire, drop);
                    let message = Message::text(short.clone());
                    subject.send(message.uncompressed(), start()).expect("nothing is queued");
                    write_all(subject);
                });
                assert_eq!(plain.held, 0, "nothing before the first compressed message");
                let one = measured(|| talk(subject, &short, &short_compressed));
                assert!(one.held <= 2 * 1000 * (ours + theirs), "twice what passed: {one:?}");
                let many = measured(|| (0..3).for_each(|_| talk(subject, &long, &long_compressed)));
                let (sent, received) = (window.min(4096) * ours, window * theirs);
                assert!(one.held + many.held <= sent + received, "{one:?} {many:?}");
                assert!(theirs + ours == 0 || many.held >= 0, "takeover keeps something");
            };
            thread::scope(|scope| scope.spawn(run).join().expect("within what the mode says"));
        }
    }
}

#[test]
fn a_thread_keeps_a_fixed_number_of_compressors_and_decompressors() {
    let message = prose(70_000);
    let compressed = zlib(message.as_bytes());
    for side in SIDES {
        let run = || {
            let mut connections = Vec::with_capacity(200);
            let heap = measured(|| {
                for number in 0..200 {
                    let mode = with_windows(Deflate::context_takeover(), 9 + number % 7);
                    connections.push(connection(side, deflate(mode), start()));
                }
                for connection in &mut connections {
                    talk(connection, &message, &compressed);
                }
                connections.clear();
            });
            let buffers = 16 * KIB + 74 * KIB + 4 * KIB;
            assert!(heap.held <= 32 * 370 * KIB + 4 * DECOMPRESSOR + buffers, "{heap:?}");
        };
        thread::scope(|scope| scope.spawn(run).join().expect("within the bound"));
    }
}

#[test]
fn a_decompressor_is_held_while_a_message_is_under_way_and_few_are_kept() {
    let message = prose(5000);
    let compressed = zlib(message.as_bytes());
    let (half, rest) = compressed.split_at(compressed.len() / 2);
    for side in SIDES {
        let run = || {
            let settings = deflate(Deflate::no_context_takeover());
            let mut connections: Vec<_> = (0..CONNECTIONS)
                .map(|_| connection(side, Arc::clone(&settings), start()))
                .collect();
            let mut feed = |first: u8, payload: &[u8]| {
                let mut wires: Vec<_> = (0..CONNECTIONS)
                    .map(|_| Wire::to(side).frame(first, payload).to_vec())
                    .collect();
                measured(|| {
                    for (connection, wire) in connections.iter_mut().zip(&mut wires) {
                        poll(connection, wire, drop);
                    }
                })
            };
            let count = isize::try_from(CONNECTIONS).expect("few");
            let under_way = feed(RSV1 | TEXT, half);
            // Besides: what became of the message so far, and the scratch of the thread.
            let each = DECOMPRESSOR + 3 * 5000 + KIB + 64 * KIB;
            assert!(under_way.held >= count * (DECOMPRESSOR - KIB), "{under_way:?}");
            assert!(under_way.held <= count * each + 16 * KIB, "{under_way:?}");
            let whole = feed(FIN, rest);
            let left = under_way.held + whole.held;
            assert!(left <= 4 * DECOMPRESSOR + 16 * KIB + KIB, "{left}");
        };
        thread::scope(|scope| scope.spawn(run).join().expect("within the bound"));
    }
}

/// What a message that is too large takes, in reads of `grain` bytes.
fn bomb(side: Side, limit: usize, wire: &[u8], grain: usize) -> Heap {
    let settings = config(|config| {
        config.deflate = Some(Deflate::context_takeover());
        config.limits.max_message_size = limit as u64;
    });
    let mut connection = connection(side, settings, start());
    let mut wire = wire.to_vec();
    let mut violations = 0;
    let heap = measured(|| {
        for piece in wire.chunks_mut(grain) {
            poll(&mut connection, piece, |event| {
                violations += usize::from(matches!(event, Event::Violation(_)));
            });
        }
    });
    assert_eq!(violations, 1);
    heap
}

#[test]
fn a_bomb_takes_no_more_than_the_limit_and_what_is_the_threads() {
    let zeros = zlib(&vec![0; 20 << 20]);
    for side in SIDES {
        for limit in [1000, 100_000, 1 << 20, (1 << 20) + 1, 3_000_000, 16 << 20] {
            for first in [TEXT, BINARY] {
                for grain in [100, usize::MAX] {
                    let wire = Wire::to(side).frame(FIN | RSV1 | first, &zeros);
                    let heap = bomb(side, limit, &wire, grain);
                    // A decompressor, what it may refer to, the scratch, and the least growth.
                    let own = DECOMPRESSOR + 32 * KIB + 16 * KIB + 64 * KIB + 4 * KIB;
                    let limit = isize::try_from(limit).expect("small");
                    assert!(heap.peak <= limit + own, "{limit}: {heap:?}");
                    assert!(heap.held <= own, "{limit}: {heap:?}");
                }
            }
        }
    }
}

#[test]
fn a_bomb_that_is_streamed_takes_the_same_however_large_it_is() {
    let zeros = zlib(&vec![b'x'; 16 << 20]);
    for side in SIDES {
        for first in [TEXT, BINARY] {
            let settings = config(|config| {
                config.deflate = Some(Deflate::context_takeover());
                config.delivery = Delivery::Fragments;
            });
            let mut connection = connection(side, settings, start());
            let mut wire = Wire::to(side).frame(FIN | RSV1 | first, &zeros).to_vec();
            let mut total = 0;
            let heap = measured(|| {
                let mut input = Input::new(&mut wire);
                // A slow caller: one event at a time, and the rest of the input stays its own.
                while let Some(event) = connection.poll_event(&mut input, start()) {
                    let Event::Fragment(fragment) = event else { panic!("{event:?}") };
                    total += fragment.part.len();
                    assert!(fragment.fin || connection.has_more_events() || !input.is_empty());
                }
            });
            assert_eq!(total, 16 << 20);
            assert!(heap.peak <= DECOMPRESSOR + 32 * KIB + 128 * KIB, "{heap:?}");
        }
    }
}

#[test]
fn a_failed_connection_lets_go_of_its_window_and_its_decompressor() {
    let message = prose(50_000);
    let compressed = zlib(message.as_bytes());
    for side in SIDES {
        let settings = deflate(Deflate::context_takeover());
        fill_the_thread(side, &settings, &message, &compressed);
        let mut subject = connection(side, settings, start());
        let heap = measured(|| {
            talk(&mut subject, &message, &compressed);
            let half = &compressed[..compressed.len() / 2];
            let mut wire = Wire::to(side).frame(RSV1 | TEXT, half).frame(FIN | 0x3, b"").to_vec();
            poll(&mut subject, &mut wire, drop);
            write_all(&mut subject);
        });
        // What was sent, and the record of the end.
        assert!(heap.held <= 4096 + KIB, "{heap:?}");
    }
}

#[test]
fn a_long_message_is_compressed_as_the_transport_takes_it() {
    let message = prose(8 << 20);
    for side in SIDES {
        let mut settings = Config::default();
        settings.deflate = Some(Deflate::no_context_takeover());
        settings.keepalive = None;
        let mut connection = connection(side, Arc::new(settings), start());
        let message = Message::text(message.clone());
        let heap = measured(|| {
            connection.send(message, start()).expect("nothing else is queued");
            while connection.poll_transmit() == Some(Transmit::Bytes) {
                let count = connection.outgoing().chunk().len().min(1000);
                connection.handle_written(count, start());
            }
        });
        // A compressor, the scratch, and what is queued ahead of the transport.
        assert!(heap.peak <= 370 * KIB + 74 * KIB + 3 * 64 * KIB, "{heap:?}");
    }
}

#[test]
fn a_prepared_message_is_there_once_for_all_its_receivers() {
    let text = prose(400_000);
    let settings = deflate(Deflate::context_takeover());
    let mut servers: Vec<_> =
        (0..100).map(|_| connection(Side::Server, settings.clone(), start())).collect();
    let prepared = Prepared::new(text.clone());
    servers[0].send(&prepared, start()).expect("nothing is queued");
    let size = servers[0].buffered_amount();
    assert!(size > 50_000, "{size}");
    let heap = measured(|| {
        for server in &mut servers[1..] {
            server.send(&prepared, start()).expect("nothing is queued");
        }
    });
    // Beside a place in each queue, what each keeps of what it sent.
    assert!(heap.held <= 99 * (4096 + 512), "{heap:?}");
    let plain = Prepared::uncompressed(text);
    let heap = measured(|| {
        for server in &mut servers {
            server.send(&plain, start()).expect("within the budget");
        }
    });
    assert!(heap.held <= 100 * 512, "{heap:?}");
}
