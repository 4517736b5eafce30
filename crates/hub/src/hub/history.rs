//! History: what a channel keeps, read on demand.

use longwire_channel::{ErrorCode, History, HistoryPage, Order, Position, Refusal, ServerMessage};

use super::{
    Hub,
    pending::{Pending, Reader},
};
use crate::{
    Action, Answer, SessionId,
    broker::{From, Page, Request},
};

impl Hub {
    /// Takes a command: one at a time is read, and none while the pipe is congested.
    pub(super) fn read_history(
        &mut self,
        id: SessionId,
        command: u64,
        history: History,
        bytes: usize,
    ) {
        if let Err(refusal) = self.check_room(id, bytes) {
            return self.refuse(id, command, refusal);
        }
        let Some(session) = self.sessions.get(id) else { return };
        let checked = self.check_session_access(session, &history.channel, Action::History);
        let Some(session) = self.sessions.get_mut(id) else { return };
        let busy = session.busy();
        busy.bytes += bytes;
        busy.histories.push_back((command, checked.map(|()| history), bytes));
        self.next_history(id);
    }

    /// Reads for the first of a session's commands, if it is time.
    pub(super) fn next_history(&mut self, id: SessionId) {
        loop {
            let Some(session) = self.sessions.get_mut(id) else { return };
            if session.is_congested() {
                return;
            }
            let Some(busy) = session.busy.as_mut().filter(|busy| !busy.history) else { return };
            match busy.histories.front() {
                None => return session.tidy(),
                Some((_, Ok(history), _)) => {
                    let history = history.clone();
                    busy.history = true;
                    return self.submit_history(Reader::Session(id), history);
                }
                Some((_, Err(_), _)) => {
                    if let Some((command, Err(refusal), bytes)) = busy.histories.pop_front() {
                        busy.bytes -= bytes;
                        self.refuse(id, command, refusal);
                    }
                }
            }
        }
    }

    pub(super) fn submit_history(&mut self, reader: Reader, history: History) {
        let from = match (history.from, history.since, history.order) {
            (Some(position), _, _) => From::Behind(position),
            (None, Some(since), Order::Forwards) => From::Time(since),
            (None, _, _) => From::Edge,
        };
        self.submit_read(reader, history, from);
    }

    fn submit_read(&mut self, reader: Reader, history: History, from: From) {
        let most = self.config.namespaces.of(&history.channel).history_limit;
        let request = Request::Read {
            channel: history.channel.clone(),
            from,
            order: history.order,
            records: history.limit.map_or(most, |limit| limit.min(most)).max(1),
            bytes: ANSWER_BYTES,
        };
        self.submit(request, Pending::History { reader, history });
    }

    /// Records came: they are cut to what was asked for.
    pub(super) fn history_read(&mut self, reader: Reader, history: History, mut page: Page) {
        if history.from.is_some_and(|position| position.epoch != page.epoch) {
            let refusal = Refusal::new(
                ErrorCode::EpochMismatch,
                format!(
                    "the stream began anew, its epoch is {}: read without `from`, from its beginning or its end",
                    page.epoch
                ),
            );
            return self.history_done(reader, Err(refusal));
        }
        // Nothing of the page can be read: what lies behind it can.
        if page.records.is_empty() && page.more {
            let seq = match history.order {
                Order::Forwards => page.damaged.last().map(|gap| gap.to),
                Order::Backwards => page.damaged.first().map(|gap| gap.from + 1),
            };
            if let Some(seq) = seq {
                let from = From::Behind(Position { epoch: page.epoch, seq });
                return self.submit_read(reader, history, from);
            }
        }
        if let Some(since) = history.since {
            match history.order {
                Order::Backwards => {
                    let kept = page.records.iter().take_while(|it| it.time >= since).count();
                    page.more &= kept == page.records.len();
                    page.records.truncate(kept);
                }
                // Times never go back: who stands before `since` begins with it.
                Order::Forwards if page.records.first().is_some_and(|it| it.time < since) => {
                    return self.submit_read(reader, history, From::Time(since));
                }
                Order::Forwards => {}
            }
        }
        let Page { epoch, first, last, records, more, .. } = page;
        self.history_done(reader, Ok(HistoryPage { epoch, first, last, records, more }));
    }

    pub(super) fn history_done(&mut self, reader: Reader, result: Result<HistoryPage, Refusal>) {
        let id = match reader {
            Reader::Request(request) => {
                return self.respond(request, result.map(Answer::History));
            }
            Reader::Session(id) => id,
        };
        let Some(session) = self.sessions.get_mut(id) else { return };
        let busy = session.busy();
        busy.history = false;
        let Some((command, _, bytes)) = busy.histories.pop_front() else { return };
        busy.bytes -= bytes;
        match result {
            Ok(page) => self.send(id, ServerMessage::History { id: command, page }),
            Err(refusal) => self.refuse(id, command, refusal),
        }
        self.next_history(id);
    }
}

/// Bytes of one answer, of which a single record may have more: what a congested pipe may be given on top.
const ANSWER_BYTES: usize = 1 << 20;
