//! The client of channels against the server of channels, over real sockets: connections break, servers restart,
//! applications are slow, and each record is seen once, in order.

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use longwire_client::{
    Client, Event, PublishError, SubscribeError, Subscription, SubscriptionState, TokenError,
    channel::{Codec, ErrorCode, Order, Payload, Policy, Position, Start},
};
use longwire_server::{
    Running, Server,
    auth::{Claims, sign_token},
    config::{Config, Overrides},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Builder,
    time::timeout,
};

/// Runs a test on two threads, with a limit that a busy machine keeps as well.
fn run(test: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let limited = async { timeout(Duration::from_mins(2), test).await };
    runtime.block_on(limited).context("the test hangs")?
}

/// A server of a test, with a folder of its own.
struct Hub {
    running: Running,
    settings: Vec<(&'static str, String)>,
    data: TempDir,
}

impl Hub {
    async fn start(settings: &[(&'static str, &str)]) -> Result<Self> {
        let settings = settings.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let data = tempfile::tempdir()?;
        let running = start("127.0.0.1:0", &data, &settings).await?;
        Ok(Self { running, settings, data })
    }

    fn address(&self) -> SocketAddr {
        self.running.local_addr()
    }

    fn url(&self) -> String {
        format!("ws://{}/v1/connect", self.address())
    }

    fn client(&self) -> Client {
        Client::connect(&self.url())
    }

    /// Stops it and starts it again, at the same address.
    async fn restart(self) -> Result<Self> {
        let address = self.address().to_string();
        self.running.shutdown().await;
        let running = start(&address, &self.data, &self.settings).await?;
        Ok(Self { running, ..self })
    }

    fn config(&self) -> Result<Config> {
        config(&self.address().to_string(), &self.data, &self.settings)
    }

    /// A request of the HTTP API, which has to succeed.
    async fn post(&self, path: &str) -> Result<()> {
        let mut stream = TcpStream::connect(self.address()).await?;
        let address = self.address();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        ensure!(answer.starts_with("HTTP/1.1 20"), "{path}: {answer}");
        Ok(())
    }
}

async fn start(
    listen: &str,
    data: &TempDir,
    settings: &Vec<(&'static str, String)>,
) -> Result<Running> {
    Ok(Server::start(config(listen, data, settings)?).await?)
}

fn config(listen: &str, data: &TempDir, settings: &Vec<(&'static str, String)>) -> Result<Config> {
    let mut overrides = Overrides::new();
    overrides.set("listen", listen);
    overrides.set("data", data.path().join("data").to_string_lossy());
    overrides.set("shutdown.drain_window", "100ms");
    for (key, value) in settings {
        overrides.set(*key, value.clone());
    }
    Ok(Config::from_layers(None, [], &overrides)?)
}

fn text(number: u64) -> Payload {
    Payload::text(number.to_string())
}

/// The next record: its position and its text.
async fn next(room: &mut Subscription) -> Result<(Position, String)> {
    loop {
        match room.recv().await.context("it is over")? {
            Event::Message(message) => {
                let text = String::from_utf8(message.record.payload.bytes().to_vec())?;
                return Ok((message.position().context("kept")?, text));
            }
            Event::State(_) => {}
            other => bail!("{other:?}"),
        }
    }
}

async fn until_live(room: &mut Subscription) -> Result<()> {
    while room.recv().await.context("it is over")? != Event::State(SubscriptionState::Live) {}
    Ok(())
}

#[test]
fn what_is_published_arrives_in_either_codec() -> Result<()> {
    run(async {
        let hub = Hub::start(&[]).await?;
        for codec in Codec::ALL {
            let client = Client::builder(&hub.url()).codec(*codec).connect();
            let channel = format!("chat:{}", codec.subprotocol());
            let mut room = client.subscribe(&channel).await?;
            let payloads = [
                Payload::text("ä \u{1F980} \"quoted\""),
                Payload::from_json("{\"a\":[1,2.5,null]}")?,
                Payload::Binary(vec![0, 255, 7].into()),
            ];
            for (seq, payload) in (1..).zip(&payloads) {
                let published = client.publish(&channel, payload.clone()).event("said").await?;
                ensure!(published.position.is_some_and(|position| position.seq == seq));
            }
            until_live(&mut room).await?;
            for payload in &payloads {
                let event = room.recv().await;
                let Some(Event::Message(message)) = event else { bail!("a record, not {event:?}") };
                ensure!(message.record.payload == *payload, "{message:?}");
                ensure!(message.record.event.as_ref().is_some_and(|it| it.as_str() == "said"));
            }
            let page = client.history(&channel).order(Order::Backwards).limit(2).await?;
            let seqs: Vec<u64> = page.records.iter().map(|record| record.seq).collect();
            ensure!(seqs == [3, 2] && page.more && page.last == 3, "{page:?}");
            client.publish(&channel, Payload::text("typing")).ephemeral().await?;
            let Some(Event::Message(message)) = room.recv().await else { bail!("a record") };
            ensure!(message.position().is_none());
            client.close(Duration::from_secs(5)).await;
        }
        Ok(())
    })
}

#[test]
fn a_key_is_stored_once() -> Result<()> {
    run(async {
        let hub = Hub::start(&[]).await?;
        let (one, other) = (hub.client(), hub.client());
        let first = one.publish("a", text(1)).key("k").await?;
        let second = other.publish("a", text(1)).key("k").await?;
        ensure!(!first.duplicate && second.duplicate && first.position == second.position);
        Ok(())
    })
}

#[test]
fn subscriptions_begin_where_they_are_told_to() -> Result<()> {
    run(async {
        let hub = Hub::start(&[]).await?;
        let client = hub.client();
        let mut positions = Vec::new();
        for number in 1..=10 {
            positions.push(client.publish("a", text(number)).await?.position.context("kept")?);
        }
        let starts = [
            (Start::Beginning, 1),
            (Start::Last(3), 8),
            (Start::After(positions[4]), 6),
            (Start::Time(0), 1),
        ];
        for (start, first) in starts {
            let mut room = client.subscribe("a").start(start).await?;
            for number in first..=10 {
                ensure!(next(&mut room).await?.1 == number.to_string(), "{start:?}");
            }
        }
        Ok(())
    })
}

/// Several publishers and subscribers, all of whose connections are cut again and again.
#[test]
fn cut_connections_lose_and_double_nothing() -> Result<()> {
    run(async {
        const PUBLISHERS: u64 = 3;
        const EACH: u64 = 300;
        let hub = Hub::start(&[]).await?;
        let mut readers = Vec::new();
        let mut clients = Vec::new();
        for codec in Codec::ALL {
            let client = Client::builder(&hub.url()).codec(*codec).connect();
            let mut room = client.subscribe("room").start(Start::Beginning).await?;
            clients.push(client);
            readers.push(tokio::spawn(async move {
                let mut seen = Vec::new();
                while seen.len() < usize::try_from(PUBLISHERS * EACH)? {
                    let (position, text) = next(&mut room).await?;
                    ensure!(position.seq == seen.len() as u64 + 1, "in order, without a gap");
                    seen.push(text);
                }
                anyhow::Ok(seen)
            }));
        }
        let mut publishers = Vec::new();
        for publisher in 0..PUBLISHERS {
            let client = hub.client();
            clients.push(client.clone());
            publishers.push(tokio::spawn(async move {
                let mut answers = HashMap::new();
                let texts: Vec<_> =
                    (0..EACH).map(|number| format!("{publisher}:{number}")).collect();
                for texts in texts.chunks(10) {
                    let waiting: Vec<_> = texts
                        .iter()
                        .map(|text| client.publish("room", Payload::text(&**text)).into_future())
                        .collect();
                    for (text, answer) in texts.iter().zip(waiting) {
                        let position = answer.await?.position.context("kept")?;
                        answers.insert(position.seq, text.clone());
                    }
                }
                anyhow::Ok(answers)
            }));
        }
        while publishers.iter().any(|publisher| !publisher.is_finished()) {
            for client in &clients {
                client.disconnect();
                client.wake();
                // The cuts follow the connections: each is open again before the next one.
                client.connected().await?;
            }
        }
        let mut answers = HashMap::new();
        for publisher in publishers {
            answers.extend(publisher.await??);
        }
        ensure!(answers.len() as u64 == PUBLISHERS * EACH, "each has a place of its own");
        for reader in readers {
            let seen = reader.await??;
            for (seq, text) in (1..).zip(&seen) {
                ensure!(answers.get(&seq) == Some(text), "{seq}: {text}");
            }
            for publisher in 0..PUBLISHERS {
                let own: Vec<_> = seen.iter().filter_map(|it| it.split_once(':')).collect();
                let own = own.iter().filter(|(name, _)| *name == publisher.to_string());
                let numbers: Vec<u64> =
                    own.map(|(_, number)| number.parse()).collect::<Result<_, _>>()?;
                ensure!(numbers.is_sorted(), "each publisher's own order");
            }
        }
        let cuts: u64 = clients.iter().map(|client| client.stats().reconnects).sum();
        ensure!(cuts > 10, "{cuts} connections were cut");
        Ok(())
    })
}

#[test]
fn a_restart_of_a_memory_channel_is_told_as_a_reset() -> Result<()> {
    run(async {
        let hub = Hub::start(&[("namespaces.m.durability", "memory")]).await?;
        let client = hub.client();
        let mut room = client.subscribe("m:1").start(Start::Beginning).await?;
        client.publish("m:1", text(1)).await?;
        let (before, _) = next(&mut room).await?;
        let hub = hub.restart().await?;
        client.publish("m:1", text(2)).await?;
        let position = loop {
            match room.recv().await.context("it goes on")? {
                Event::Reset(position) => break position,
                Event::State(_) => {}
                other => bail!("{other:?}"),
            }
        };
        ensure!(position.epoch != before.epoch);
        ensure!(client.stats().resets == 1);
        // Whether the record came before the subscription or behind it is the server's to choose.
        let (after, again) =
            if position.seq == 0 { next(&mut room).await? } else { (position, "2".into()) };
        ensure!(after.epoch == position.epoch && again == "2");
        drop(hub);
        Ok(())
    })
}

#[test]
fn a_slow_application_catches_up_from_the_stream_and_stops_nobody() -> Result<()> {
    run(async {
        const COUNT: u64 = 5_000;
        let settings = [
            ("namespaces.a.durability", "memory"),
            ("namespaces.a.retention.count", "100000"),
            ("namespaces.a.retention.bytes", "64 MiB"),
            ("limits.publish_rate", "1000000"),
        ];
        let hub = Hub::start(&settings).await?;
        let (reader, writer) = (hub.client(), hub.client());
        let mut slow = reader.subscribe("a:1").await?;
        let mut quick = reader.subscribe("a:1").await?;
        until_live(&mut slow).await?;
        until_live(&mut quick).await?;
        let writing = tokio::spawn(async move {
            let mut waiting = std::collections::VecDeque::new();
            for number in 1..=COUNT {
                if waiting.len() >= 500 {
                    let answer: longwire_client::Answer = waiting.pop_front().context("full")?;
                    answer.await?;
                }
                waiting.push_back(writer.publish("a:1", text(number)).into_future());
            }
            for answer in waiting {
                answer.await?;
            }
            anyhow::Ok(())
        });
        for number in 1..=COUNT {
            ensure!(next(&mut quick).await?.1 == number.to_string());
        }
        writing.await??;
        ensure!(slow.state() == Some(SubscriptionState::Paused));
        for number in 1..=COUNT {
            ensure!(next(&mut slow).await?.1 == number.to_string());
        }
        ensure!(reader.stats().lost == 0 && reader.stats().paused > 0, "{:?}", reader.stats());
        Ok(())
    })
}

#[test]
fn what_the_stream_no_longer_has_is_told_as_lost() -> Result<()> {
    run(async {
        let settings =
            [("namespaces.a.durability", "memory"), ("namespaces.a.retention.count", "10")];
        let hub = Hub::start(&settings).await?;
        let client = hub.client();
        let first = client.publish("a:1", text(1)).await?.position.context("kept")?;
        for number in 2..=50 {
            client.publish("a:1", text(number)).await?;
        }
        let mut room = client.subscribe("a:1").start(Start::After(first)).await?;
        let lost = loop {
            match room.recv().await.context("it goes on")? {
                Event::Lost(lost) => break lost,
                Event::State(_) => {}
                other => bail!("{other:?}"),
            }
        };
        ensure!((lost.epoch, lost.from) == (first.epoch, 1));
        let (position, _) = next(&mut room).await?;
        ensure!(position.seq == lost.to + 1, "what follows is the next one");
        ensure!(lost.to >= 40, "{lost:?}");
        Ok(())
    })
}

#[test]
fn the_latest_value_is_enough_for_who_says_so() -> Result<()> {
    run(async {
        let hub = Hub::start(&[]).await?;
        let client = hub.client();
        let first = client.publish("a", text(1)).await?.position.context("kept")?;
        for number in 2..=20 {
            client.publish("a", text(number)).await?;
        }
        let subscribing = client.subscribe("a").start(Start::After(first));
        let mut room = subscribing.policy(Policy::Latest { interval_ms: 0 }).await?;
        loop {
            match room.recv().await.context("it goes on")? {
                Event::Message(message) => {
                    ensure!((message.record.seq, message.skipped) == (20, 18), "{message:?}");
                    return Ok(());
                }
                Event::State(_) => {}
                other => bail!("{other:?}"),
            }
        }
    })
}

#[test]
fn an_ended_stream_is_read_to_its_end_and_takes_nothing() -> Result<()> {
    run(async {
        let hub = Hub::start(&[]).await?;
        let client = hub.client();
        let mut live = client.subscribe("a").await?;
        until_live(&mut live).await?;
        for number in 1..=3 {
            client.publish("a", text(number)).await?;
        }
        hub.post("/v1/channels/a/end").await?;
        let late = client.subscribe("a").start(Start::Beginning).await?;
        for mut room in [live, late] {
            for number in 1..=3 {
                ensure!(next(&mut room).await?.1 == number.to_string());
            }
            loop {
                match room.recv().await.context("the end is told")? {
                    Event::State(_) => {}
                    end => {
                        ensure!(end == Event::Ended { seq: 3 }, "{end:?}");
                        break;
                    }
                }
            }
            ensure!(room.recv().await.is_none());
        }
        let refused = client.publish("a", text(4)).await;
        let Err(PublishError::Refused { refusal, .. }) = refused else { bail!("{refused:?}") };
        ensure!(refusal.code == ErrorCode::StreamEnded);
        Ok(())
    })
}

#[test]
fn a_publisher_above_its_rate_gets_through_in_time() -> Result<()> {
    run(async {
        let hub = Hub::start(&[("limits.publish_rate", "200")]).await?;
        let client = hub.client();
        let waiting: Vec<_> =
            (1..=900).map(|number| client.publish("a", text(number)).into_future()).collect();
        let before = Instant::now();
        for answer in waiting {
            answer.await?;
        }
        ensure!(before.elapsed() < Duration::from_secs(30), "{:?}", before.elapsed());
        let page = client.history("a").order(Order::Backwards).limit(1).await?;
        ensure!(page.last == 900, "each is stored once: {}", page.last);
        Ok(())
    })
}

#[test]
fn content_that_is_too_large_is_refused_and_the_connection_stays() -> Result<()> {
    run(async {
        let settings =
            [("namespaces.a.message_bytes", "1 KiB"), ("limits.message_bytes", "64 KiB")];
        let hub = Hub::start(&settings).await?;
        let client = hub.client();
        client.publish("a:1", text(1)).await?;
        let refused = client.publish("a:1", Payload::text("x".repeat(2_000))).await;
        let Err(PublishError::Refused { refusal, .. }) = refused else { bail!("{refused:?}") };
        ensure!(refusal.code == ErrorCode::TooLarge);
        let refused = client.publish("a:1", Payload::text("x".repeat(70_000))).await;
        ensure!(matches!(refused, Err(PublishError::TooLarge { .. })), "{refused:?}");
        client.publish("a:1", text(2)).await?;
        ensure!(client.stats().reconnects == 0);
        Ok(())
    })
}

#[test]
fn a_token_says_what_is_allowed_and_is_replaced_before_it_expires() -> Result<()> {
    run(async {
        let secret = "a secret of thirty-two bytes, or more";
        let hub = Hub::start(&[("auth.hmac_secret", secret), ("auth.leeway", "0s")]).await?;
        let config = hub.config()?;
        let (called, mut calls) = tokio::sync::mpsc::unbounded_channel();
        let callback = move || {
            let token = sign(&config, Duration::from_secs(4));
            // Nobody hears it once the test is over.
            let _ = called.send(());
            async move { token.map_err(TokenError::temporary) }
        };
        let client = Client::builder(&hub.url()).token_callback(callback).connect();
        let session = client.connected().await?;
        ensure!(session.user.is_some_and(|user| user.as_str() == "ada"));
        let mut room = client.subscribe("chat:1").await?;
        until_live(&mut room).await?;
        let mut other = client.subscribe("secret:1").await?;
        let failed = other.recv().await;
        let Some(Event::Failed(SubscribeError::Refused(refusal))) = failed else {
            bail!("{failed:?}")
        };
        ensure!(refusal.code == ErrorCode::Forbidden);
        for number in 1..=3 {
            // At the third call the first token is past its time.
            calls.recv().await.context("the client asks")?;
            client.publish("chat:1", text(number)).await?;
            ensure!(next(&mut room).await?.1 == number.to_string());
        }
        ensure!(client.stats().reconnects == 0, "each token was replaced in time");
        Ok(())
    })
}

fn sign(config: &Config, life: Duration) -> Result<String, String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let expires = now.map_err(|error| error.to_string())? + life;
    let claims = serde_json::json!({
        "sub": "ada",
        "exp": expires.as_secs(),
        "channels": {"chat:*": ["subscribe", "publish"]},
    });
    let claims: Claims = serde_json::from_value(claims).map_err(|error| error.to_string())?;
    sign_token(&config.auth, &claims).map_err(|error| error.to_string())
}

/// The server stops and starts again on the same disk, in the middle of everything.
#[test]
fn a_durable_channel_goes_on_over_a_restart() -> Result<()> {
    run(async {
        const COUNT: u64 = 1_500;
        let mut hub = Hub::start(&[("namespaces.d.durability", "disk")]).await?;
        let client = hub.client();
        let mut room = client.subscribe("d:1").await?;
        until_live(&mut room).await?;
        let publishing = tokio::spawn({
            let client = client.clone();
            async move {
                let numbers: Vec<u64> = (1..=COUNT).collect();
                for numbers in numbers.chunks(20) {
                    let waiting: Vec<_> = numbers
                        .iter()
                        .map(|number| client.publish("d:1", text(*number)).into_future())
                        .collect();
                    for answer in waiting {
                        answer.await?;
                    }
                }
                anyhow::Ok(())
            }
        });
        for number in 1..=COUNT {
            if number % 500 == 1 {
                hub = hub.restart().await?;
            }
            let (position, text) = next(&mut room).await?;
            ensure!((position.seq, text) == (number, number.to_string()), "{position:?}");
        }
        publishing.await??;
        let stats = client.stats();
        ensure!((stats.published, stats.lost, stats.resets) == (COUNT, 0, 0), "{stats:?}");
        ensure!(stats.reconnects >= 3, "{stats:?}");
        drop(hub);
        Ok(())
    })
}
