//! Lists of streams: the log gives names, and each is looked at.

use longwire_channel::ChannelName;
use longwire_log::{Handle, LogError, Response as LogResponse, StreamName};

use super::{Durable, Info, Pending, Response, error_of, info_of, stream};

/// A list that is being made.
#[derive(Debug)]
pub(super) struct List {
    /// How many are still looked at.
    missing: usize,
    channels: Vec<(ChannelName, Info)>,
    next: Option<ChannelName>,
    /// Why one of them cannot be looked at for now.
    failed: Option<LogError>,
}

impl<L: Handle> Durable<L> {
    pub(super) fn named(&mut self, token: u64, names: &[StreamName], more: bool) {
        let names: Vec<ChannelName> =
            names.iter().filter_map(|name| ChannelName::new(name.as_str()).ok()).collect();
        let next = names.last().filter(|_| more).cloned();
        if names.is_empty() {
            let channels = Vec::new();
            return self.complete(token, Ok(Response::Channels { channels, next }));
        }
        let list = List {
            missing: names.len(),
            channels: Vec::with_capacity(names.len()),
            next,
            failed: None,
        };
        self.lists.insert(token, list);
        for channel in names {
            let request = longwire_log::Request::Info { stream: stream(&channel) };
            self.ask(request, Pending::Listed { list: token, channel });
        }
    }

    /// One more was looked at. What is damaged is left out: the log says so elsewhere.
    pub(super) fn listed(
        &mut self,
        token: u64,
        channel: ChannelName,
        result: Result<LogResponse, LogError>,
    ) {
        let Some(list) = self.lists.get_mut(&token) else { return };
        list.missing -= 1;
        match result {
            Ok(LogResponse::Info(info)) if info.exists => {
                list.channels.push((channel, info_of(&info)));
            }
            Ok(_) | Err(LogError::Corrupt(_)) => {}
            Err(error) => list.failed = Some(error),
        }
        if list.missing == 0
            && let Some(List { mut channels, next, failed, .. }) = self.lists.remove(&token)
        {
            channels.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            let list = Response::Channels { channels, next };
            self.complete(token, failed.map_or(Ok(list), |error| Err(error_of(Err(error)))));
        }
    }
}
