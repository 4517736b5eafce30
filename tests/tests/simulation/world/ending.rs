//! The end of a run: everything comes to rest, and what is there by then is compared with what is true.

use std::time::Duration;

use longwire_channel::Order;

use super::World;
use crate::{client::Client, invariant::Invariant, truth::Asked};

impl World {
    /// Faults stop; then everything must come to rest.
    pub(super) fn come_to_rest(&mut self) {
        self.calm_down();
        let began = self.stage.now;
        self.rest("answers to all that was asked for", |world| {
            world.callers.iter().all(super::super::caller::Caller::is_at_rest)
                && world.clients.iter().all(Client::is_answered)
        });
        for channel in 0..self.stage.truth.channels.len() {
            let Self { callers, stage, .. } = self;
            callers[0].want_publication(channel, stage);
        }
        self.rest("subscriptions at the ends of their streams", |world| {
            world.callers.iter().all(super::super::caller::Caller::is_at_rest)
                && world.clients.iter().all(|it| it.is_at_rest(&world.stage))
        });
        self.stage.tally.slowest_ms =
            u64::try_from(self.stage.now.saturating_sub(began).as_millis()).expect("it is short");
        self.read_all();
        self.close_all();
    }

    /// Waits for something that is bound to come.
    fn rest(&mut self, what: &str, is_enough: impl Fn(&Self) -> bool) {
        let end = self.stage.now + PATIENCE;
        loop {
            for index in 0..self.clients.len() {
                if self.clients[index].is_closed() {
                    self.clients[index].restart(&mut self.stage);
                }
            }
            let pause = (self.stage.now + Duration::from_secs(1)).min(end);
            self.pass_until(pause, &is_enough);
            if is_enough(self) {
                return;
            }
            Invariant::Converges.check(self.stage.now < end, || self.describe(what));
        }
    }

    fn describe(&self, what: &str) -> String {
        let clients: Vec<_> = self.clients.iter().map(|it| it.describe(&self.stage)).collect();
        let callers: Vec<_> =
            self.callers.iter().map(super::super::caller::Caller::describe).collect();
        let server = self.server.as_ref().map(super::super::server::Server::stats);
        let channels = &self.stage.truth.channels;
        format!("still no {what}: {clients:#?} {callers:#?} {server:?} {channels:?}")
    }

    /// Every stream is read to its end: all that is kept is there, once, in order.
    fn read_all(&mut self) {
        for channel in 0..self.stage.truth.channels.len() {
            let mut from = None;
            loop {
                let floor = self.stage.truth.last_acked(channel);
                let asked =
                    Asked { channel, from, since: None, order: Order::Forwards, limit: 20, floor };
                let caller = &mut self.callers[0];
                caller.want_history(asked);
                self.rest("history", |world| world.callers[0].is_at_rest());
                let page = self.callers[0].take_page();
                from = page.next;
                if !page.more {
                    break;
                }
            }
        }
    }

    /// Everybody leaves, and nothing is left behind.
    fn close_all(&mut self) {
        for client in &mut self.clients {
            client.count(&mut self.stage);
            client.close(&mut self.stage);
        }
        let is_empty = |world: &Self| {
            world.clients.iter().all(Client::is_closed)
                && world.server.as_ref().is_some_and(|it| it.stats().sessions == 0)
        };
        let end = self.stage.now + PATIENCE;
        self.pass_until(end, is_empty);
        let stats = self.server.as_ref().map(|it| it.stats().clone()).unwrap_or_default();
        Invariant::Converges.check(is_empty(self), || format!("clients have left: {stats:?}"));
        Invariant::Bounded.check(
            stats.channels == 0
                && stats.subscriptions == longwire_hub::Subscriptions::default()
                && stats.congested == 0,
            || format!("something is left behind: {stats:?}"),
        );
    }
}

/// How long anything may take once faults have stopped: reconnects, backoffs, and what waits for its rate.
const PATIENCE: Duration = Duration::from_mins(5);
