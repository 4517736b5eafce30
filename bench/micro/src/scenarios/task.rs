//! The whole server: a connection's task on a runtime of one thread, over a pipe in memory.

use longwire::Acceptor;
use longwire_proto::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;

use super::side::Side;
use super::{Work, opening};
use crate::data;

/// The plain loop echoes messages of 32 bytes, `in_flight` at a time, to a client that writes and reads
/// bytes and no more.
pub(super) fn echo(in_flight: usize, rounds: usize) -> Work {
    let mut client = Side::client(None);
    for _ in 0..in_flight {
        client.send(Message::binary(data::bytes(SIZE)));
    }
    let wire = client.wire();
    let accepted = opening::answer(opening::REQUEST).len();
    // With a clock that stands still, timers are the same every time.
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    Box::new(move || {
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        runtime.block_on(async {
            let server = tokio::spawn(async {
                let mut socket = Acceptor::new().accept(far).await.expect("a valid request");
                while let Ok(Some(message)) = socket.recv().await {
                    socket.send(message).await.expect("the client is there");
                }
            });
            near.write_all(opening::REQUEST).await.expect("the server reads");
            near.read_exact(&mut vec![0; accepted]).await.expect("it accepts");
            let mut echoes = vec![0; in_flight * (2 + SIZE)];
            for _ in 0..rounds {
                near.write_all(&wire).await.expect("the server reads");
                near.read_exact(&mut echoes).await.expect("it echoes");
            }
            drop(near);
            server.await.expect("the echo loop ends");
        });
    })
}

const SIZE: usize = 32;
