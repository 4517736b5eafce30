//! A subscriber: it checks every record, goes away and comes back from its position, and may be slow.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use longwire::WebSocket;
use longwire_client::channel::{
    Capabilities, ClientMessage, Connect, Outcome, Position, Pushed, Record, ServerMessage, Start,
    Subscribe,
};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Channel, PATIENCE, Phase, Shared, content, hear, say};

/// Follows a channel to the end, over several connections. `opened` is told of the first.
pub(super) async fn follow(
    shared: &Shared,
    number: usize,
    opened: UnboundedSender<()>,
) -> Result<()> {
    let mut random = number as u64;
    let mut follower = Follower { shared, channel: shared.channel_of(number), position: None };
    loop {
        let mut socket = shared.connect(number).await?;
        timeout(PATIENCE, follower.begin(&mut socket)).await.context("no answer to connect")??;
        // Nobody listens any more once all are open.
        let _ = opened.send(());
        let life = shared.life.mul_f64(2.0 * chance(&mut random));
        let slow = shared.is_slow(number);
        if follower.listen(&mut socket, Instant::now() + life, slow).await? == After::End {
            return Ok(());
        }
        shared.reconnects.fetch_add(1, Ordering::Relaxed);
    }
}

struct Follower<'a> {
    shared: &'a Shared,
    channel: &'a Channel,
    /// Of the last record.
    position: Option<Position>,
}

/// What comes behind a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Another,
    End,
}

impl Follower<'_> {
    /// Subscribes from where it stands.
    async fn begin(&mut self, socket: &mut WebSocket) -> Result<()> {
        let subscribe = Subscribe {
            sub: 1,
            channel: self.channel.name.clone(),
            start: self.position.map_or(Start::Now, Start::After),
            policy: None,
        };
        let connect = Connect {
            id: 0,
            capabilities: Capabilities::PAGES,
            subscriptions: vec![subscribe],
            ..Connect::default()
        };
        say(socket, &ClientMessage::Connect(Box::new(connect))).await?;
        let answer = hear(socket).await?;
        let [ServerMessage::Connected(connected)] = &answer[..] else {
            bail!("connect was answered {answer:?}");
        };
        let [(1, Ok(subscribed))] = connected.subscriptions[..] else {
            bail!("the subscription was answered {:?}", connected.subscriptions);
        };
        match (subscribed.outcome, self.position) {
            (Outcome::Live, None) => self.position = Some(subscribed.position),
            (Outcome::Live, Some(position)) => {
                ensure!(
                    position == subscribed.position,
                    "live at {subscribed:?}, not {position:?}"
                );
            }
            (Outcome::Deltas { after }, Some(position)) => {
                let is_there = after == position.seq && subscribed.position.epoch == position.epoch;
                ensure!(is_there, "deltas of {subscribed:?} behind {position:?}");
            }
            (_, position) => bail!("{subscribed:?} behind {position:?}"),
        }
        Ok(())
    }

    /// Takes what comes until it is time to go, or nothing more comes. A slow one stops reading again and again.
    async fn listen(
        &mut self,
        socket: &mut WebSocket,
        until: Instant,
        slow: bool,
    ) -> Result<After> {
        let mut phase = self.shared.phase.clone();
        // At once, so that the first catching up, and the memory it takes, is long over when growth is judged.
        let mut pause_at = Instant::now();
        loop {
            let is_over = *phase.borrow() == Phase::CatchingUp;
            if is_over && self.seq() == self.channel.tail.load(Ordering::Acquire) {
                return Ok(After::End);
            }
            if slow && !is_over && Instant::now() >= pause_at {
                // Nothing is read until this is over, or everything is.
                let _ = timeout(PAUSE, phase.wait_for(|phase| *phase == Phase::CatchingUp)).await;
                pause_at = Instant::now() + PAUSE;
                // It may be over meanwhile, and `changed` says that once.
                continue;
            }
            let messages = tokio::select! {
                messages = hear(socket) => messages?,
                () = sleep_until(until), if !is_over => return Ok(After::Another),
                changed = phase.changed(), if !is_over => {
                    changed?;
                    continue;
                }
            };
            for message in messages {
                self.take(message)?;
            }
        }
    }

    fn take(&mut self, message: ServerMessage) -> Result<()> {
        match message {
            ServerMessage::Push(push) => match push.pushed {
                Pushed::Message { prev, skipped: 0, record } => self.check(prev, &record),
                Pushed::Page { prev, records, .. } => {
                    let mut prev = prev;
                    for record in &records {
                        self.check(prev, record)?;
                        prev = record.seq;
                    }
                    Ok(())
                }
                other => bail!("behind {:?} came {other:?}", self.position),
            },
            other => bail!("the server said {other:?}"),
        }
    }

    /// The record must be the next, and as it was published.
    fn check(&mut self, prev: u64, record: &Record) -> Result<()> {
        let last = self.seq();
        ensure!(
            prev == last && record.seq == last + 1,
            "{}: {} behind {prev} came behind {last}",
            self.channel.name,
            record.seq
        );
        let is_same = record.payload.bytes() == content(self.channel, record.seq).as_bytes();
        ensure!(is_same, "{}: {} is another than was published", self.channel.name, record.seq);
        if let Some(position) = &mut self.position {
            position.seq = record.seq;
        }
        self.shared.delivered.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn seq(&self) -> u64 {
        self.position.map_or(0, |position| position.seq)
    }
}

/// A number from 0 to 1 that a seed decides.
fn chance(random: &mut u64) -> f64 {
    *random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
    f64::from(u32::try_from(*random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

/// For how long a slow reader reads, and then does not.
const PAUSE: Duration = Duration::from_secs(4);
