//! Sessions of the protocol, with and without a subscription.

use anyhow::{Result, bail, ensure};
use longwire_channel::{ChannelName, ServerMessage};

use crate::fleet::Fleet;
use crate::words;

/// Opens sessions without a subscription.
pub(crate) fn greet(fleet: &mut Fleet, count: usize) -> Result<()> {
    open(fleet, count, |_| None)
}

/// Opens sessions with a subscription each: of which channel follows from the connection's number.
pub(crate) fn subscribe(
    fleet: &mut Fleet,
    count: usize,
    channel: impl Fn(usize) -> ChannelName,
) -> Result<()> {
    open(fleet, count, |index| Some(channel(index)))
}

fn open(
    fleet: &mut Fleet,
    count: usize,
    channel: impl Fn(usize) -> Option<ChannelName>,
) -> Result<()> {
    for index in fleet.open(count)? {
        fleet.send(index, words::connect(channel(index).as_ref()))?;
    }
    for _ in 0..count {
        let message = words::read(&fleet.expect()?.message)?;
        let ServerMessage::Connected(connected) = &message else {
            bail!("connect was answered {message:?}");
        };
        ensure!(connected.subscriptions.iter().all(|(_, it)| it.is_ok()), "{message:?}");
    }
    Ok(())
}
