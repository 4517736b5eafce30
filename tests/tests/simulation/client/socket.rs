//! A client's end of a connection: what goes out as long as there is room, and what may come in answer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use longwire_channel::{Capabilities, ClientMessage, Codec, ErrorCode, Pushed, ServerMessage};
use longwire_client::machine::Machine;

use crate::{
    invariant::Invariant,
    network::{ConnectionId, Frame},
    stage::Stage,
};

/// An open connection.
pub(super) struct Socket {
    pub(super) connection: ConnectionId,
    codec: Codec,
    takes_pages: bool,
    /// The machine may have more to send than there was room for.
    pub(super) is_crowded: bool,
    /// Commands that were not answered.
    commands: BTreeMap<u64, Command>,
    /// Of these, publications and requests for history, which are answered in their order.
    publications: VecDeque<u64>,
    histories: VecDeque<u64>,
    /// Numbers of subscriptions that have begun and not ended.
    subscriptions: BTreeSet<u32>,
}

#[derive(Clone, Debug)]
enum Command {
    Connect(Vec<u32>),
    Subscribe(u32),
    Unsubscribe(u32),
    Publish,
    History,
    Refresh,
}

impl Socket {
    pub(super) fn new(connection: ConnectionId, codec: Codec, takes_pages: bool) -> Self {
        Self {
            connection,
            codec,
            takes_pages,
            is_crowded: false,
            commands: BTreeMap::new(),
            publications: VecDeque::new(),
            histories: VecDeque::new(),
            subscriptions: BTreeSet::new(),
        }
    }

    pub(super) fn has_room(&self, stage: &Stage) -> bool {
        stage.network.get(self.connection).up.buffered() < stage.swarm.client_buffer
    }

    /// Sends what there is, as long as there is room; now and then several messages in one frame.
    pub(super) fn send_all(&mut self, machine: &mut Machine, stage: &mut Stage) {
        let mut joined = Vec::new();
        self.is_crowded = loop {
            if !self.has_room(stage) {
                break true;
            }
            let Some(mut message) = machine.poll_transmit() else { break false };
            if let ClientMessage::Connect(connect) = &mut message
                && !self.takes_pages
            {
                connect.capabilities.0 &= !Capabilities::PAGES.0;
            }
            let bytes = self.codec.encode_client(&message);
            let size = bytes.len() as u64;
            if machine.max_message_bytes().is_some_and(|most| size > most) {
                stage.tally.oversized += 1;
                machine.handle_oversized(&message, size);
                continue;
            }
            self.note(&message);
            let together = joined.iter().map(|it: &Bytes| it.len() + 1).sum::<usize>() as u64;
            let fits = machine.max_message_bytes().is_some_and(|it| together + size + 9 <= it);
            if !fits || stage.chance.percent(80) {
                self.flush(&mut joined, stage);
            }
            joined.push(bytes);
        };
        self.flush(&mut joined, stage);
    }

    fn flush(&self, messages: &mut Vec<Bytes>, stage: &mut Stage) {
        if messages.is_empty() {
            return;
        }
        let bytes = self.codec.join(messages);
        messages.clear();
        let frame = if self.codec.is_text() { Frame::Text(bytes) } else { Frame::Binary(bytes) };
        let Stage { network, chance, now, .. } = stage;
        network.get_mut(self.connection).up.put(frame, chance, *now);
    }

    fn note(&mut self, message: &ClientMessage) {
        let (id, command) = match message {
            ClientMessage::Connect(connect) => {
                let numbers = connect.subscriptions.iter().map(|it| it.sub).collect();
                (connect.id, Command::Connect(numbers))
            }
            ClientMessage::Subscribe { id, subscribe } => (*id, Command::Subscribe(subscribe.sub)),
            ClientMessage::Unsubscribe { id, sub } => (*id, Command::Unsubscribe(*sub)),
            ClientMessage::Publish { id, .. } => {
                self.publications.push_back(*id);
                (*id, Command::Publish)
            }
            ClientMessage::History { id, .. } => {
                self.histories.push_back(*id);
                (*id, Command::History)
            }
            ClientMessage::Refresh { id, .. } => (*id, Command::Refresh),
            _ => return,
        };
        self.commands.insert(id, command);
    }

    pub(super) fn decode(&self, frame: &Frame) -> Vec<ServerMessage> {
        let bytes = match frame {
            Frame::Text(bytes) if self.codec.is_text() => bytes,
            Frame::Binary(bytes) if !self.codec.is_text() => bytes,
            other => panic!("a server of {} sent {other:?}", self.codec),
        };
        self.codec.decode_server(bytes).expect("a server's frames are sound")
    }

    /// A message comes: an answer answers something once, and a push is of a subscription that is there.
    pub(super) fn check(&mut self, message: &ServerMessage, stage: &mut Stage) {
        match message {
            ServerMessage::Connected(connected) => {
                let Command::Connect(numbers) = self.answer(connected.id, message) else {
                    Invariant::AnsweredOnce.broken(format!("{message:?} answers another command"));
                };
                let told: Vec<u32> = connected.subscriptions.iter().map(|(sub, _)| *sub).collect();
                Invariant::AnsweredOnce.check(told == numbers, || {
                    format!("connect had {numbers:?}, and {message:?} came")
                });
                let begun = connected.subscriptions.iter().filter(|(_, it)| it.is_ok());
                self.subscriptions.extend(begun.map(|(sub, _)| *sub));
            }
            ServerMessage::Subscribed { id, subscribed } => {
                let command = self.answer(*id, message);
                let is_right = matches!(command, Command::Subscribe(sub) if sub == subscribed.sub);
                Invariant::AnsweredOnce.check(is_right, || format!("{message:?} to {command:?}"));
                self.subscriptions.insert(subscribed.sub);
            }
            ServerMessage::Unsubscribed { id, sub } => {
                let command = self.answer(*id, message);
                let is_right = matches!(command, Command::Unsubscribe(it) if it == *sub);
                Invariant::AnsweredOnce.check(is_right, || format!("{message:?} to {command:?}"));
                self.subscriptions.remove(sub);
            }
            ServerMessage::Published { id, .. }
            | ServerMessage::History { id, .. }
            | ServerMessage::Refreshed { id, .. } => {
                self.answer(*id, message);
            }
            ServerMessage::Error { id, refusal } => {
                stage.tally.refusals += 1;
                let is_early =
                    matches!(refusal.code, ErrorCode::RateLimited | ErrorCode::Unavailable);
                if is_early {
                    // Whoever sends too much is told at once, and so is whoever waits while the server goes away.
                    self.publications.retain(|it| it != id);
                    self.histories.retain(|it| it != id);
                }
                self.answer(*id, message);
            }
            ServerMessage::Push(push) => {
                let number = push.sub;
                Invariant::LastWord.check(self.subscriptions.contains(&number), || {
                    format!("{push:?} comes, and {:?} are subscribed", self.subscriptions)
                });
                let is_page = matches!(push.pushed, Pushed::Page { .. });
                Invariant::LastWord.check(self.takes_pages || !is_page, || {
                    format!("{push:?} comes to a client that takes no pages")
                });
                if matches!(push.pushed, Pushed::Ended { .. } | Pushed::Unsubscribed(_)) {
                    self.subscriptions.remove(&number);
                }
            }
            _ => {}
        }
    }

    /// The command that this answers.
    fn answer(&mut self, id: u64, message: &ServerMessage) -> Command {
        let Some(command) = self.commands.remove(&id) else {
            Invariant::AnsweredOnce.broken(format!("{message:?} answers nothing"));
        };
        for (kind, waiting) in
            [("publication", &mut self.publications), ("history", &mut self.histories)]
        {
            if waiting.contains(&id) {
                let first = waiting.pop_front();
                Invariant::AnsweredOnce.check(first == Some(id), || {
                    format!("a {kind} is answered before another that came first: {message:?}")
                });
            }
        }
        command
    }
}
