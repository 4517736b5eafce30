//! The clients' measurement: connections of an echo server with messages in flight, and what one costs.
//!
//! One thread. Each connection sends its messages, and then one more for each that came back. Every answer is
//! compared with what was sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use clap::Parser;
use longwire_load::random::Random;
use serde::Serialize;
use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::schedstat;

/// A connection of one library's own client.
pub trait Client: Sized + Send + 'static {
    /// Opens a connection to an echo server, with `TCP_NODELAY`.
    fn open(target: SocketAddr) -> impl Future<Output = Result<Self>> + Send;

    /// Sends one binary message.
    fn send(&mut self, message: &Bytes) -> impl Future<Output = Result<()>> + Send;

    /// Receives one message, and has it compared by [`verify`].
    fn receive(&mut self, expected: &Bytes) -> impl Future<Output = Result<()>> + Send;
}

/// Keep messages in flight on connections of an echo server, on one thread, and measure what one costs
#[derive(Parser)]
struct Args {
    /// Address of an echo server, over ws:
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9001")]
    target: SocketAddr,
    #[arg(long, value_name = "N", default_value_t = 64)]
    connections: usize,
    /// Bytes a message
    #[arg(long, value_name = "BYTES", default_value_t = 512)]
    size: usize,
    /// Messages on their way, for each connection
    #[arg(long, value_name = "K", default_value_t = 1)]
    in_flight: usize,
    /// How long to measure
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    seconds: f64,
    /// How long to run before that
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    warm_up: f64,
}

#[derive(Serialize)]
struct Report {
    seconds: f64,
    messages: u64,
    cpu_us_per_message: f64,
}

/// Measures `C` as the command line says, and prints one line: JSON, or on stderr what failed.
pub fn main<C: Client>() -> ExitCode {
    match run::<C>() {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Fails unless an answer is what was sent.
pub fn verify(received: &[u8], expected: &[u8]) -> Result<()> {
    if received == expected {
        return Ok(());
    }
    let (got, sent) = (received.len(), expected.len());
    ensure!(got == sent, "a message of {sent} bytes came back with {got}");
    let place = received.iter().zip(expected).take_while(|(got, sent)| got == sent).count();
    bail!("byte {place} of a message of {sent} bytes came back as another")
}

fn run<C: Client>() -> Result<String> {
    let args = Args::parse();
    args.check()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(measure::<C>(&args))?;
    Ok(serde_json::to_string(&report)?)
}

impl Args {
    fn check(&self) -> Result<()> {
        ensure!(self.connections > 0, "--connections is at least 1");
        ensure!(self.in_flight > 0, "--in-flight is at least 1");
        ensure!(self.seconds > 0.0, "--seconds is more than 0");
        let ahead = self.in_flight.saturating_mul(self.size);
        ensure!(
            self.in_flight == 1 || ahead <= MAX_AHEAD,
            "{} messages of {} bytes are {ahead} bytes in flight, which a server that answers at once cannot \
             get rid of before they are all sent: {MAX_AHEAD} at most, or --in-flight 1",
            self.in_flight,
            self.size
        );
        Ok(())
    }
}

async fn measure<C: Client>(args: &Args) -> Result<Report> {
    let (warm_up, seconds) =
        (Duration::try_from_secs_f64(args.warm_up)?, Duration::try_from_secs_f64(args.seconds)?);
    let messages = messages(args.size);
    let echoed = Arc::new(AtomicU64::new(0));
    let mut connections = JoinSet::new();
    for number in 0..args.connections {
        let client = C::open(args.target)
            .await
            .with_context(|| format!("connection {number} to {} is not open", args.target))?;
        let talk = talk(client, messages.clone(), number, args.in_flight, echoed.clone());
        connections.spawn(async move {
            talk.await.with_context(|| format!("connection {number} failed"))
        });
    }
    let window = async {
        sleep(warm_up).await;
        let (start, cpu) = (Instant::now(), schedstat::cpu_time()?);
        let before = echoed.load(Ordering::Relaxed);
        sleep(seconds).await;
        let count = echoed.load(Ordering::Relaxed) - before;
        let (cpu, elapsed) = (schedstat::cpu_time()?.saturating_sub(cpu), start.elapsed());
        ensure!(count > 0, "no message came back in {} s", args.seconds);
        Ok(Report {
            seconds: elapsed.as_secs_f64(),
            messages: count,
            cpu_us_per_message: cpu.as_secs_f64() * 1e6 / float(count),
        })
    };
    tokio::select! {
        report = window => report,
        ended = connections.join_next() => match ended.context("there are no connections")?? {
            Ok(never) => match never {},
            Err(error) => Err(error),
        },
    }
}

/// The plain loop of one connection, which only a fault ends.
async fn talk<C: Client>(
    mut client: C,
    messages: Arc<[Bytes]>,
    first: usize,
    in_flight: usize,
    echoed: Arc<AtomicU64>,
) -> Result<Infallible> {
    let mut sent = messages.iter().cycle().skip(first % messages.len());
    let mut expected = sent.clone();
    let mut next = move || sent.next().context("there are messages");
    for _ in 0..in_flight {
        client.send(next()?).await?;
    }
    loop {
        client.receive(expected.next().context("there are messages")?).await?;
        echoed.fetch_add(1, Ordering::Relaxed);
        client.send(next()?).await?;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a window has far fewer than 2^53 messages")]
fn float(count: u64) -> f64 {
    count as f64
}

/// Random messages, which all connections send in this order.
fn messages(size: usize) -> Arc<[Bytes]> {
    let mut random = Random::new(SEED);
    let mut message = || {
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size {
            bytes.extend(random.number().to_ne_bytes());
        }
        bytes.truncate(size);
        Bytes::from(bytes)
    };
    (0..MESSAGES).map(|_| message()).collect()
}

const SEED: u64 = 0xc1_1e_47;

/// Enough that a message in the wrong order is noticed.
const MESSAGES: usize = 16;

/// Bytes that a connection sends before it first reads, while a server may wait to get rid of its answers.
/// Sockets on one machine hold this much.
const MAX_AHEAD: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_bytes_pass() {
        verify(b"abc", b"abc").expect("they are the same");
        let error = verify(b"ab", b"abc").expect_err("it is shorter").to_string();
        assert!(error.contains("3 bytes came back with 2"), "{error}");
        let error = verify(b"abd", b"abc").expect_err("it differs").to_string();
        assert!(error.starts_with("byte 2"), "{error}");
    }

    #[test]
    fn messages_have_the_size_and_differ() {
        for size in [0, 1, 7, 8, 9, 1000] {
            assert!(messages(size).iter().all(|message| message.len() == size));
        }
        assert_ne!(messages(32)[0], messages(32)[1]);
    }

    #[test]
    fn more_in_flight_than_sockets_hold_is_refused() {
        let parse =
            |line: &str| Args::try_parse_from(line.split(' ')).expect("the arguments parse");
        parse("client --size 1048576 --in-flight 1").check().expect("one is always sent whole");
        parse("client --size 65536 --in-flight 16").check().expect("1 MiB is held");
        assert!(parse("client --size 1048576 --in-flight 2").check().is_err());
        assert!(parse("client --in-flight 0").check().is_err());
    }
}
