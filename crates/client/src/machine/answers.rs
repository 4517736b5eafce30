//! What the server's answers and pushes mean to an open connection.

use std::time::Instant;

use longwire_channel::{ErrorCode, Push, Refusal, ServerMessage, Subscribed};

use super::{Machine, retry};

impl Machine {
    pub(super) fn handle_answer_or_push(&mut self, message: ServerMessage, now: Instant) {
        match message {
            ServerMessage::Subscribed { id, subscribed } => {
                if let Some(number) = self.subscribes.remove(&id) {
                    self.handle_subscribed(number, Ok(subscribed), now);
                }
            }
            ServerMessage::Published { id, published } => {
                self.publications.handle_published(id, published);
            }
            ServerMessage::History { id, page } => self.requests.handle_answer(id, page),
            ServerMessage::Refreshed { id, expires_in_ms, ticket } if self.is_refresh(id) => {
                self.credentials.handle_refreshed(ticket, expires_in_ms, now);
            }
            ServerMessage::Error { id, refusal } => self.handle_refusal(id, refusal, now),
            ServerMessage::Push(Push { sub, pushed }) => {
                let retry = retry(&self.credentials, &mut self.random, now);
                self.subscriptions.handle_push(sub, pushed, &mut self.stats, retry);
            }
            ServerMessage::Ping => self.pong = true,
            // `connected` again, `unsubscribed`, and what a later protocol says.
            _ => {}
        }
    }

    pub(super) fn handle_subscribed(
        &mut self,
        number: u32,
        answer: Result<Subscribed, Refusal>,
        now: Instant,
    ) {
        if matches!(&answer, Err(refusal) if refusal.code == ErrorCode::TokenExpired) {
            self.credentials.refresh_soon(now);
        }
        let retry = retry(&self.credentials, &mut self.random, now);
        self.subscriptions.handle_answer(number, answer, &mut self.stats, retry);
    }

    fn handle_refusal(&mut self, id: u64, refusal: Refusal, now: Instant) {
        if self.is_refresh(id) {
            if refusal.code.is_temporary() {
                self.credentials.refresh_later(&mut self.random, now);
            }
            return;
        }
        if let Some(number) = self.subscribes.remove(&id) {
            return self.handle_subscribed(number, Err(refusal), now);
        }
        if refusal.code == ErrorCode::TokenExpired {
            self.credentials.refresh_soon(now);
        }
        let retried = retry(&self.credentials, &mut self.random, now);
        if !self.publications.handle_refused(id, &refusal, retried) {
            let retried = retry(&self.credentials, &mut self.random, now);
            self.requests.handle_refused(id, &refusal, retried);
        }
    }

    /// Whether this answers the `refresh` under way, which then is over.
    fn is_refresh(&mut self, id: u64) -> bool {
        self.refresh.take_if(|refresh| *refresh == id).is_some()
    }
}
