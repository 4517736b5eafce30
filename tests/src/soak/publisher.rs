//! Publishers: each with some channels, a rate, and one publication on its way.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use longwire::WebSocket;
use longwire_client::channel::{
    ClientMessage, Connect, Payload, Publication, Publish, ServerMessage,
};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{Channel, PATIENCE, PER_SOURCE, Phase, Shared, content, hear, say};

/// Some channels, and how often one of them gets a publication.
#[derive(Clone, Debug)]
pub(super) struct Group {
    channels: Range<usize>,
    every: Duration,
}

/// Those in memory, those on disk, and those of the slow readers.
pub(super) fn groups(shared: &Shared) -> [Group; 3] {
    let ordinary = shared.channels.len() - shared.busy;
    [
        Group { channels: 0..ordinary / 2, every: Duration::from_millis(50) },
        Group { channels: ordinary / 2..ordinary, every: Duration::from_millis(500) },
        Group { channels: ordinary..shared.channels.len(), every: Duration::from_millis(20) },
    ]
}

/// Publishes as much as is kept in memory, so that this grows no more.
pub(super) async fn fill(shared: &Shared) -> Result<()> {
    let mut publisher = Publisher::open(shared).await?;
    for channel in &shared.channels {
        for _ in 0..channel.kept {
            publisher.publish(channel).await?;
        }
    }
    Ok(())
}

/// Publishes to the channels in turn until the end.
pub(super) async fn publish(shared: &Shared, group: Group) -> Result<()> {
    let mut publisher = Publisher::open(shared).await?;
    let mut phase = shared.phase.clone();
    let mut interval = interval(group.every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for index in group.channels.clone().cycle() {
        tokio::select! {
            _ = interval.tick() => {}
            // An error says that nobody is there to wait for.
            _ = phase.wait_for(|phase| *phase > Phase::Traffic) => return Ok(()),
        }
        publisher.publish(&shared.channels[index]).await?;
    }
    Ok(())
}

/// A session that publishes; nobody else publishes to its channels meanwhile.
struct Publisher {
    socket: WebSocket,
    id: u64,
}

impl Publisher {
    async fn open(shared: &Shared) -> Result<Self> {
        let mut socket = shared.connect(PER_SOURCE - 1).await?;
        let connect = Box::new(Connect { id: 0, ..Connect::default() });
        say(&socket, &ClientMessage::Connect(connect)).await?;
        let connected = hear(&mut socket).await?;
        ensure!(matches!(connected[..], [ServerMessage::Connected(_)]), "{connected:?}");
        Ok(Self { socket, id: 0 })
    }

    /// Publishes what the channel's next record has to say.
    async fn publish(&mut self, channel: &Channel) -> Result<()> {
        let seq = channel.tail.load(Ordering::Acquire) + 1;
        self.id += 1;
        let publication = Publication::new(Payload::text(content(channel, seq)));
        let publish = Box::new(Publish { channel: channel.name.clone(), publication });
        say(&self.socket, &ClientMessage::Publish { id: self.id, publish }).await?;
        let answer = timeout(PATIENCE, hear(&mut self.socket)).await.context("no answer")??;
        let is_next = match answer[..] {
            [ServerMessage::Published { published, .. }] => {
                published.position.is_some_and(|position| position.seq == seq)
            }
            _ => false,
        };
        ensure!(is_next, "publication {seq} was answered {answer:?}");
        channel.tail.store(seq, Ordering::Release);
        Ok(())
    }
}
