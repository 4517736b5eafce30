//! What clients say: each message to its place, within the limits on what may wait.

use longwire_channel::{ChannelName, ClientMessage, CloseCode, ErrorCode, Refusal, ServerMessage};

use super::{
    Hub,
    session::{Phase, Session},
};
use crate::{Action, Credentials, Effect, Permissions, SessionId, Who};

impl Hub {
    pub(super) fn received(&mut self, id: SessionId, message: ClientMessage, bytes: usize) {
        let Some(session) = self.sessions.get(id) else { return };
        let phase = session.phase;
        self.heard(id);
        match (phase, message) {
            (Phase::Opened, ClientMessage::Connect(connect)) => self.connect(id, connect),
            (Phase::Opened, _) => {
                let reason = "a message came before connect: send connect first";
                self.disconnect(id, CloseCode::OUT_OF_ORDER, reason);
            }
            (_, ClientMessage::Connect(_)) => {
                let reason = "a second connect came: open another connection for it";
                self.disconnect(id, CloseCode::OUT_OF_ORDER, reason);
            }
            (_, ClientMessage::Pong) => {}
            (Phase::Authenticating | Phase::Beginning, message) => {
                self.early(id, message, bytes);
            }
            (Phase::Open, message) => self.command(id, message, bytes),
        }
    }

    pub(super) fn malformed(&mut self, id: SessionId, command: Option<u64>, reason: String) {
        let Some(session) = self.sessions.get(id) else { return };
        let phase = session.phase;
        self.heard(id);
        match command {
            Some(command) if phase != Phase::Opened => {
                if self.may_answer(id) {
                    self.refuse(id, command, Refusal::new(ErrorCode::BadRequest, reason));
                }
            }
            _ => self.disconnect(id, CloseCode::BAD_MESSAGE, reason),
        }
    }

    /// Keeps a command that came before its session is connected.
    fn early(&mut self, id: SessionId, message: ClientMessage, bytes: usize) {
        let publishes = matches!(message, ClientMessage::Publish { .. });
        let open = if publishes { self.check_shut(id) } else { Ok(()) };
        if let Err(refusal) = open.and_then(|()| self.check_room(id, bytes)) {
            let Some(command) = id_of(&message).filter(|_| self.may_answer(id)) else { return };
            if publishes {
                return self.put_off(id, command, refusal);
            }
            return self.refuse(id, command, refusal);
        }
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.busy().bytes += bytes;
        session.busy().early.push_back((message, bytes));
    }

    /// Takes a command of a session that is connected.
    pub(super) fn command(&mut self, id: SessionId, message: ClientMessage, bytes: usize) {
        if !self.may_answer(id) {
            return;
        }
        match message {
            ClientMessage::Subscribe { id: command, subscribe } => {
                self.subscribe(id, command, subscribe);
            }
            ClientMessage::Unsubscribe { id: command, sub } => self.unsubscribe(id, command, sub),
            ClientMessage::Publish { id: command, publish } => {
                self.publish(id, command, *publish, bytes);
            }
            ClientMessage::History { id: command, history } => {
                self.read_history(id, command, history, bytes);
            }
            ClientMessage::Refresh { id: command, token } => self.refresh(id, command, token),
            _ => {}
        }
    }

    /// Counts a command that comes while the pipe is congested: whoever asks without reading is sent away.
    fn may_answer(&mut self, id: SessionId) -> bool {
        let most = self.config.max_pending_commands;
        let Some(session) = self.sessions.get_mut(id) else { return false };
        if !session.is_congested() {
            return true;
        }
        session.stuffed += 1;
        if session.stuffed <= most {
            return true;
        }
        let reason = format!(
            "{most} commands came while what was sent before was not taken: read what comes, then ask for more"
        );
        self.disconnect(id, CloseCode::SLOW_CONSUMER, reason);
        false
    }

    /// Whether the broker may be asked for more.
    pub(super) fn check_pending(&self) -> Result<(), Refusal> {
        let most = self.config.max_pending_requests;
        if self.pending.len() < most {
            return Ok(());
        }
        Err(Refusal {
            retry_after_ms: Some(RETRY_MS),
            ..Refusal::new(
                ErrorCode::Unavailable,
                format!(
                    "the server waits for {most} answers of its streams, as many as it may: try again later"
                ),
            )
        })
    }

    /// Whether one more command of this size may wait.
    pub(super) fn check_room(&self, id: SessionId, bytes: usize) -> Result<(), Refusal> {
        self.check_pending()?;
        let busy = self.sessions.get(id).and_then(|session| session.busy.as_ref());
        let (commands, waiting) = busy.map_or((0, 0), |busy| (busy.commands(), busy.bytes));
        let (most, most_bytes) = (self.config.max_pending_commands, self.config.max_pending_bytes);
        if commands < most as usize && (commands == 0 || waiting + bytes <= most_bytes) {
            return Ok(());
        }
        Err(Refusal {
            retry_after_ms: Some(RETRY_MS),
            ..Refusal::new(
                ErrorCode::RateLimited,
                format!(
                    "{commands} commands of {waiting} bytes wait for their answers, and {most} of {most_bytes} may: \
                     wait for some, then send more"
                ),
            )
        })
    }

    fn refresh(&mut self, id: SessionId, command: u64, token: String) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.busy().refresh.is_some() {
            let refusal = Refusal {
                retry_after_ms: Some(RETRY_MS),
                ..Refusal::new(
                    ErrorCode::RateLimited,
                    "another refresh is under way: wait for its answer",
                )
            };
            return self.refuse(id, command, refusal);
        }
        session.busy().refresh = Some(command);
        let credentials = Credentials { token: Some(token), ticket: None };
        self.effects.push_back(Effect::Authenticate { session: id, credentials });
    }

    fn unsubscribe(&mut self, id: SessionId, command: u64, number: u32) {
        let Some(key) = self.sessions.get(id).and_then(|session| session.sub(number)) else {
            let refusal = Refusal::new(
                ErrorCode::NotFound,
                format!("there is no subscription {number}: it has ended, or never was"),
            );
            return self.refuse(id, command, refusal);
        };
        let opening = self.subscriptions[key as usize].opening.as_ref();
        if let Some(subscribe) = opening.and_then(|opening| opening.id) {
            let refusal = Refusal::new(
                ErrorCode::NotFound,
                format!("subscription {number} was ended before it began"),
            );
            self.refuse(id, subscribe, refusal);
        }
        self.remove_subscription(key);
        self.send(id, ServerMessage::Unsubscribed { id: command, sub: number });
    }

    /// Whether somebody may do something with a channel.
    pub(super) fn check_access(
        &self,
        permissions: &Permissions,
        is_user: bool,
        channel: &ChannelName,
        action: Action,
    ) -> Result<(), Refusal> {
        let access = self.config.namespaces.of(channel).access;
        let who = match action {
            Action::Subscribe => access.subscribe,
            Action::Publish => access.publish,
            Action::History => access.history,
            Action::Manage => Who::Token,
        };
        let by_namespace = match who {
            Who::Anyone => true,
            Who::User => is_user,
            Who::Token => false,
        };
        if by_namespace || permissions.allow(channel, action) {
            return Ok(());
        }
        Err(Refusal::new(
            ErrorCode::Forbidden,
            format!(
                "it is not allowed to {} {channel}: that takes a token with a pattern that matches it, and with {:?}",
                verb(action),
                action.name()
            ),
        ))
    }

    pub(super) fn check_session_access(
        &self,
        session: &Session,
        channel: &ChannelName,
        action: Action,
    ) -> Result<(), Refusal> {
        self.check_access(&session.permissions, session.user.is_some(), channel, action)
    }
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::Subscribe => "subscribe to",
        Action::Publish => "publish to",
        Action::History => "read the history of",
        Action::Manage => "manage",
    }
}

/// The id of a command.
fn id_of(message: &ClientMessage) -> Option<u64> {
    match message {
        ClientMessage::Connect(connect) => Some(connect.id),
        ClientMessage::Subscribe { id, .. }
        | ClientMessage::Unsubscribe { id, .. }
        | ClientMessage::Publish { id, .. }
        | ClientMessage::History { id, .. }
        | ClientMessage::Refresh { id, .. } => Some(*id),
        _ => None,
    }
}

/// When to try again where commands wait for their answers.
pub(super) const RETRY_MS: u64 = 100;
