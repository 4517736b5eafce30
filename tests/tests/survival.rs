//! `longwire serve` is killed at random moments under full load: every acknowledged message is there once, in order, in
//! history and at every subscriber of both SDKs.
//!
//! `LONGWIRE_KILLS` sets how often (50), `LONGWIRE_SEED` the moments; a failure prints its seed.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use longwire_client::{
    Client, Event,
    channel::{Codec, Payload, Start},
};
use longwire_tests::binaries;
use longwire_tests::processes::Process;
use longwire_tests::survival::{self, Item, Seen, Server};
use tokio::runtime::Runtime;

const CHANNELS: [&str; 2] = ["orders:a", "orders:b"];
/// Publications of one publisher that wait for their answers at a time.
const IN_FLIGHT: usize = 32;
/// How long the subscribers may take to see the last record, once the server stays up.
const CATCH_UP: Duration = Duration::from_mins(2);

/// What was acknowledged: the channel and the item, with epoch and `seq`.
type Acknowledged = BTreeMap<(&'static str, Item), (String, u64)>;

#[test]
fn every_acknowledged_message_survives_fifty_kills_once_and_in_order() -> Result<()> {
    let kills = number("LONGWIRE_KILLS").unwrap_or(50);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let seed = number("LONGWIRE_SEED").unwrap_or(u64::try_from(clock & 0xffff_ffff)?);
    println!("LONGWIRE_SEED={seed} LONGWIRE_KILLS={kills}");

    let binary = binaries::longwire()?;
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(&binary, folder.path())?;
    let address = server.address();
    let runtime = Runtime::new()?;
    // Clients begin to connect as they are made.
    let _within = runtime.enter();
    let stop = Arc::new(AtomicBool::new(false));

    let mut node = Command::new(longwire_toolbox::peer::require_program("node")?);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    node.args(["--experimental-websocket", "--no-warnings"]);
    node.arg(root.join("survival/subscriber.mjs"));
    node.arg(root.join("../sdk/typescript/dist/longwire.js"));
    node.arg(url(address)).args(CHANNELS);
    let node = Process::start(node)?;

    let subscribers: Vec<_> = [Codec::Json, Codec::Cbor]
        .into_iter()
        .map(|codec| Subscriber::start(&runtime, address, codec))
        .collect();
    let clients: Vec<_> = [(0, Codec::Json), (1, Codec::Cbor), (2, Codec::Json)]
        .into_iter()
        .map(|(publisher, codec)| {
            runtime.spawn(publish_by_client(address, publisher, codec, Arc::clone(&stop)))
        })
        .collect();
    let requests: Vec<_> = [(3, Numbering::Key), (4, Numbering::Producer)]
        .into_iter()
        .map(|(publisher, numbering)| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || publish_by_http(address, publisher, numbering, &stop))
        })
        .collect();

    let mut random = seed;
    for kill in 0..kills {
        wait_for_traffic(address, Duration::from_millis(next(&mut random) % 400))?;
        if kill % 10 == 9 {
            server.kill_while_it_starts()?;
        } else {
            server.kill_and_start()?;
        }
    }
    wait_for_traffic(address, Duration::from_millis(300))?;
    stop.store(true, Ordering::Relaxed);

    let mut acknowledged = Acknowledged::new();
    for client in clients {
        acknowledged.extend(runtime.block_on(client)??);
    }
    for publisher in requests {
        acknowledged.extend(publisher.join().expect("a publisher does not panic")?);
    }
    let mut histories = BTreeMap::new();
    for channel in CHANNELS {
        let (epoch, history) = survival::history(address, channel)?;
        survival::assert_whole(&format!("the history of {channel}"), &history);
        histories.insert(channel, (epoch, history));
    }

    for ((channel, item), (epoch, seq)) in &acknowledged {
        let (kept, history) = &histories[channel];
        assert_eq!(epoch, kept, "{channel} began anew: {}", server.description());
        let found = usize::try_from(seq - 1).ok().and_then(|index| history.get(index));
        assert_eq!(found, Some(&(*seq, *item)), "{channel}: what was acknowledged is not there");
    }
    // Nobody gave up, so what is kept and what was acknowledged are the same.
    let kept: usize = histories.values().map(|(_, history)| history.len()).sum();
    assert_eq!(kept, acknowledged.len(), "records without an acknowledgement, or doubled ones");
    assert!(kept as u64 > kills * 20, "{kept} messages are hardly a load");

    let mut printed = survival::printed(&node.wait_for_lines(CATCH_UP, kept)?)?;
    for (channel, (_, history)) in &histories {
        for subscriber in &subscribers {
            assert_eq!(&subscriber.records(channel, history.len())?, history, "{channel}");
        }
        let by_node = printed.remove(*channel).unwrap_or_default();
        assert_eq!(&by_node, history, "{channel}, by the TypeScript SDK");
    }
    println!("{kept} messages survived {kills} kills");
    Ok(())
}

fn url(address: SocketAddr) -> String {
    format!("ws://{address}/v1/connect")
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// The next number of a small generator (SplitMix64): the moments only have to differ.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Lets publishers be busy for a while: asks for the stream's place, again and again, until the time is over and the stream
/// has grown.
fn wait_for_traffic(address: SocketAddr, time: Duration) -> Result<()> {
    let begun = Instant::now();
    let last = || -> Result<u64> {
        let (_, info) =
            survival::request(address, "GET /v1/channels/orders:a/messages?limit=1", &[], "")?;
        Ok(info["last"].as_u64().unwrap_or(0))
    };
    let first = last()?;
    while begun.elapsed() < time || last()? == first {
        ensure!(begun.elapsed() < CATCH_UP, "nobody publishes any more");
        thread::yield_now();
    }
    Ok(())
}

/// A publisher by the Rust client, with several publications on their way.
async fn publish_by_client(
    address: SocketAddr,
    publisher: u32,
    codec: Codec,
    stop: Arc<AtomicBool>,
) -> Result<Acknowledged> {
    let client = Client::builder(&url(address)).codec(codec).connect();
    let mut waiting = VecDeque::new();
    let mut acknowledged = Acknowledged::new();
    let mut number = 0;
    loop {
        let stopped = stop.load(Ordering::Relaxed);
        if !stopped && waiting.len() < IN_FLIGHT {
            let item = Item { publisher, number };
            let channel = CHANNELS[usize::try_from(number % 2)?];
            let payload = Payload::from_json(&item.json())?;
            waiting.push_back((channel, item, client.publish(channel, payload).into_future()));
            number += 1;
            continue;
        }
        let Some((channel, item, answer)) = waiting.pop_front() else {
            client.close(Duration::from_secs(10)).await;
            return Ok(acknowledged);
        };
        let outcome = answer.await.with_context(|| format!("{item:?}"))?;
        let position = outcome.position.context("no position")?;
        acknowledged.insert((channel, item), (position.epoch.to_string(), position.seq));
    }
}

/// How a publisher over HTTP makes its repetitions known.
#[derive(Clone, Copy)]
enum Numbering {
    Key,
    Producer,
}

/// A publisher by HTTP requests, each of which is repeated until it has an answer.
fn publish_by_http(
    address: SocketAddr,
    publisher: u32,
    numbering: Numbering,
    stop: &AtomicBool,
) -> Result<Acknowledged> {
    let mut acknowledged = Acknowledged::new();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let item = Item { publisher, number };
        let channel = CHANNELS[usize::try_from(number % 2)?];
        let line = format!("POST /v1/channels/{channel}/messages");
        let key = format!("{publisher}:{number}");
        let (headers, body) = match numbering {
            Numbering::Key => {
                ([("Content-Type", "application/json"), ("Idempotency-Key", &*key)], item.json())
            }
            Numbering::Producer => {
                let seq = number / 2 + 1;
                let data = item.json();
                let body = format!(
                    r#"{{"data":{data},"producer":{{"id":"p{publisher}","epoch":1,"seq":{seq}}}}}"#
                );
                ([("Content-Type", "application/vnd.longwire+json"), ("X-Try", "1")], body)
            }
        };
        let begun = Instant::now();
        let answer = loop {
            match survival::request(address, &line, &headers, &body) {
                Ok((200, answer)) => break answer,
                Ok((503, _)) | Err(_) if begun.elapsed() < CATCH_UP => thread::yield_now(),
                Ok((status, answer)) => bail!("{item:?} was answered with {status}: {answer}"),
                Err(error) => return Err(error.context(format!("{item:?}"))),
            }
        };
        let epoch = answer["epoch"].as_str().context("no epoch")?.to_owned();
        let seq = answer["seq"].as_u64().context("no seq")?;
        acknowledged.insert((channel, item), (epoch, seq));
        number += 1;
    }
    Ok(acknowledged)
}

/// A subscriber by the Rust client, of every channel.
struct Subscriber {
    codec: Codec,
    watched: Arc<(Mutex<Watched>, Condvar)>,
}

/// What a subscriber saw.
#[derive(Default)]
struct Watched {
    seen: BTreeMap<&'static str, Seen>,
    /// What is not a record: nothing of it may come.
    told: Vec<String>,
}

impl Subscriber {
    fn start(runtime: &Runtime, address: SocketAddr, codec: Codec) -> Self {
        let watched = Arc::<(Mutex<Watched>, Condvar)>::default();
        let client = Client::builder(&url(address)).codec(codec).connect();
        for channel in CHANNELS {
            let (client, watched) = (client.clone(), Arc::clone(&watched));
            runtime.spawn(async move {
                let note = |change: &dyn Fn(&mut Watched)| {
                    change(&mut watched.0.lock().expect("no panic"));
                    watched.1.notify_all();
                };
                let outcome = client.subscribe(channel).start(Start::Beginning).await;
                let mut subscription = match outcome {
                    Ok(subscription) => subscription,
                    Err(error) => return note(&|watched| watched.told.push(error.to_string())),
                };
                while let Some(event) = subscription.recv().await {
                    match event {
                        Event::Message(message) => {
                            let text = message.record.payload.bytes();
                            let item: Item = serde_json::from_slice(text).expect("an item");
                            let record = (message.record.seq, item);
                            note(&|watched| watched.seen.entry(channel).or_default().push(record));
                        }
                        Event::State(_) => {}
                        other => note(&|watched| watched.told.push(format!("{other:?}"))),
                    }
                }
            });
        }
        Self { codec, watched }
    }

    /// What it saw of a channel, once that are `count` records.
    fn records(&self, channel: &str, count: usize) -> Result<Seen> {
        let too_little = |watched: &mut Watched| {
            watched.told.is_empty() && watched.seen.get(channel).map_or(0, Vec::len) < count
        };
        let watched = self.watched.0.lock().expect("no panic");
        let (watched, _) =
            self.watched.1.wait_timeout_while(watched, CATCH_UP, too_little).expect("no panic");
        let codec = self.codec;
        ensure!(watched.told.is_empty(), "{codec:?}: it was told {:?}", watched.told);
        let seen = watched.seen.get(channel).cloned().unwrap_or_default();
        ensure!(seen.len() >= count, "{codec:?}: {} of {count} in {channel}", seen.len());
        Ok(seen)
    }
}
