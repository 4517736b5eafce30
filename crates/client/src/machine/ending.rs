//! How a connection, an attempt and the client itself end, and what follows.

use std::time::Instant;

use longwire_channel::{CloseCode, Disconnect, Verdict};

use super::{Action, Machine, NORMAL, link::Phase};
use crate::{Cause, ConnectionState, SubscribeError};

impl Machine {
    /// The server ended the connection, with a code that says what follows.
    pub(super) fn ended(&mut self, disconnect: Disconnect, now: Instant) {
        let code = disconnect.code;
        let retry_after_ms = disconnect.retry_after_ms;
        let cause = Cause::Server(disconnect);
        match code.verdict() {
            Verdict::Reconnect => self.lose(cause, retry_after_ms, now),
            Verdict::RefreshToken => {
                if self.credentials.drop_ticket() {
                    self.lose(cause, Some(0), now);
                } else if self.credentials.has_callback() {
                    self.lose_connection();
                    let delay = self.link.end_for_token(&mut self.random, now);
                    self.tell_state(ConnectionState::Waiting { cause, delay });
                } else {
                    self.finish_without(cause);
                }
            }
            Verdict::Stop => {
                let of_credentials =
                    [CloseCode::UNAUTHENTICATED, CloseCode::FORBIDDEN].contains(&code);
                let is_refused = of_credentials && !self.link.is_open();
                if is_refused && self.credentials.drop_ticket() {
                    self.lose(cause, Some(0), now);
                } else {
                    self.finish_without(cause);
                }
            }
        }
    }

    pub(super) fn drop_transport(&mut self, code: CloseCode, cause: Cause, now: Instant) {
        self.actions.push_back(Action::Close(code));
        self.lose(cause, None, now);
        self.settle();
    }

    /// The connection or the attempt has ended, and another follows.
    pub(super) fn lose(&mut self, cause: Cause, retry_after_ms: Option<u64>, now: Instant) {
        self.lose_connection();
        let delay = self.link.end(retry_after_ms, &mut self.random, now);
        self.tell_state(ConnectionState::Waiting { cause, delay });
    }

    fn lose_connection(&mut self) {
        self.greets = false;
        self.pong = false;
        self.refresh = None;
        self.subscribes.clear();
        self.credentials.handle_lost();
        self.subscriptions.handle_lost();
        self.publications.handle_lost();
        self.requests.handle_lost();
    }

    /// The client is closed for good.
    pub(super) fn finish(&mut self, cause: Cause) {
        if self.link.has_transport() {
            self.actions.push_back(Action::Close(NORMAL));
        }
        self.finish_without(cause);
    }

    /// The same, where the transport has ended or is told to.
    pub(super) fn finish_without(&mut self, cause: Cause) {
        if matches!(self.link.phase, Phase::Closed(_)) {
            return;
        }
        self.greets = false;
        self.link.phase = Phase::Closed(cause.clone());
        self.publications.handle_closed(&cause);
        self.requests.handle_closed(&cause);
        self.subscriptions.fail_all(&SubscribeError::Closed(cause.clone()));
        self.tell_state(ConnectionState::Closed(cause));
    }
}
