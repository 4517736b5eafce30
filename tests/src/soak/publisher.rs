//! Publishers: each with some channels, a rate, and one publication on its way.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use longwire_client::channel::{
    ClientMessage, Connect, Payload, Publication, Publish, ServerMessage,
};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{PATIENCE, PER_SOURCE, Shared, content, hear, say};

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
        Group { channels: ordinary..shared.channels.len(), every: Duration::from_millis(50) },
    ]
}

/// Publishes to the channels in turn until the end.
pub(super) async fn publish(shared: &Shared, group: Group) -> Result<()> {
    let mut socket = shared.connect(PER_SOURCE - 1).await?;
    say(&socket, &ClientMessage::Connect(Box::new(Connect { id: 0, ..Connect::default() })))
        .await?;
    let connected = hear(&mut socket).await?;
    ensure!(matches!(connected[..], [ServerMessage::Connected(_)]), "{connected:?}");
    let mut ended = shared.ended.clone();
    let mut interval = interval(group.every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for (id, index) in (1..).zip(group.channels.clone().cycle()) {
        tokio::select! {
            _ = interval.tick() => {}
            // An error says that nobody is there to wait for.
            _ = ended.wait_for(|ended| *ended) => return Ok(()),
        }
        let channel = &shared.channels[index];
        let seq = channel.tail.load(Ordering::Acquire) + 1;
        let publication = Publication::new(Payload::text(content(channel, seq)));
        let publish = Box::new(Publish { channel: channel.name.clone(), publication });
        say(&socket, &ClientMessage::Publish { id, publish }).await?;
        let answer = timeout(PATIENCE, hear(&mut socket)).await.context("no answer")??;
        let is_next = match answer[..] {
            [ServerMessage::Published { published, .. }] => {
                published.position.is_some_and(|position| position.seq == seq)
            }
            _ => false,
        };
        ensure!(is_next, "publication {seq} was answered {answer:?}");
        channel.tail.store(seq, Ordering::Release);
    }
    Ok(())
}
