//! How subscriptions begin: the channel is attached, the place is found, and from one instant on nothing is missed.

use longwire_channel::{
    ChannelName, ErrorCode, Order, Outcome, Policy, Pushed, Refusal, ServerMessage, Start,
    Subscribe, Subscribed, Unsubscribed,
};

use super::{
    Hub,
    channel::{Channel, Member, Stream, index_of},
    commands::RETRY_MS,
    millis,
    pending::{Pending, error_of},
    state::{Event, Pace, State},
    subscription::{Found, NO_TOKEN, Opening, Place, Subscription, outcome},
    timers::{NEVER, Timer},
};
use crate::{
    Action, Effect, SessionId,
    broker::{Error, From, Info, Request, Response},
};

impl Hub {
    pub(super) fn subscribe(&mut self, id: SessionId, command: u64, subscribe: Subscribe) {
        match self.open_subscription(id, Some(command), subscribe) {
            Ok(key) => self.find_place(key),
            Err(refusal) => self.refuse(id, command, refusal),
        }
    }

    /// Takes a subscription in, and attaches its channel if it is the first there.
    pub(super) fn open_subscription(
        &mut self,
        id: SessionId,
        command: Option<u64>,
        subscribe: Subscribe,
    ) -> Result<u32, Refusal> {
        let policy = self.check_subscribe(id, &subscribe)?;
        let Subscribe { sub: number, channel: name, start, .. } = subscribe;
        let namespace = self.config.namespaces.of(&name);
        let start = if start == Start::Now { namespace.start } else { start };
        let channel = self.channels.find(&name).unwrap_or_else(|| self.attach(id, name));
        let mut sub = Subscription::new(id, number, channel, policy);
        sub.opening = Some(Box::new(Opening { id: command, start, found: Found::Nothing }));
        let key = index_of(self.subscriptions.insert(sub));
        let channel = &mut self.channels[channel];
        let index = channel.join(Member { session: id, sub: number, key });
        channel.count_in(policy);
        self.subscriptions[key as usize].index = index;
        if let Some(session) = self.sessions.get_mut(id) {
            session.add_sub(number, key);
        }
        self.stats.subscriptions.add(State::Opening, Pace::of(policy));
        Ok(key)
    }

    /// Whether it may be; and its policy.
    fn check_subscribe(&self, id: SessionId, subscribe: &Subscribe) -> Result<Policy, Refusal> {
        let Some(session) = self.sessions.get(id) else {
            return Err(Refusal::new(ErrorCode::NotFound, "the session has ended"));
        };
        let number = subscribe.sub;
        if session.sub(number).is_some() {
            return Err(Refusal::new(
                ErrorCode::SubscriptionExists,
                format!(
                    "subscription {number} is in use: take another number, or unsubscribe it first"
                ),
            ));
        }
        let most = self.config.max_subscriptions;
        if session.subs.len() >= most as usize {
            return Err(Refusal::new(
                ErrorCode::TooManySubscriptions,
                format!(
                    "the session has {most} subscriptions, as many as it may: end some, or open another connection"
                ),
            ));
        }
        self.check_pending()?;
        if session.looking >= self.config.max_pending_commands {
            return Err(Refusal {
                retry_after_ms: Some(RETRY_MS),
                ..Refusal::new(
                    ErrorCode::RateLimited,
                    "too many subscriptions were asked for and given up: wait, then ask for those that last",
                )
            });
        }
        self.check_session_access(session, &subscribe.channel, Action::Subscribe)?;
        let namespace = self.config.namespaces.of(&subscribe.channel);
        let policy = subscribe.policy.unwrap_or(namespace.policy);
        if !namespace.policies.has(policy) {
            return Err(Refusal::new(
                ErrorCode::Forbidden,
                "the channel's namespace does not allow this policy: subscribe without one, to have its own",
            ));
        }
        let shortest = u32::try_from(millis(self.config.min_interval)).unwrap_or(u32::MAX);
        Ok(match policy {
            Policy::Rollup { interval_ms: 0 } => {
                return Err(Refusal::new(
                    ErrorCode::BadRequest,
                    "a rollup needs an interval_ms of 1 or more",
                ));
            }
            Policy::Rollup { interval_ms } => {
                Policy::Rollup { interval_ms: interval_ms.max(shortest) }
            }
            Policy::Latest { interval_ms } if interval_ms > 0 => {
                Policy::Latest { interval_ms: interval_ms.max(shortest) }
            }
            policy => policy,
        })
    }

    fn attach(&mut self, session: SessionId, name: ChannelName) -> u32 {
        let channel = self.channels.insert(&name, NO_TOKEN);
        let pending = Pending::Attach { channel, session };
        let token = self.look(session, Request::Attach { channel: name }, pending);
        self.channels[channel].stream = Stream::Attaching(token);
        self.stats.channels = self.channels.len() as u64;
        channel
    }

    /// Asks the broker for what a subscription needs to begin.
    fn look(&mut self, session: SessionId, request: Request, pending: Pending) -> u64 {
        if let Some(session) = self.sessions.get_mut(session) {
            session.looking += 1;
        }
        self.submit(request, pending)
    }

    /// The broker has answered that.
    pub(super) fn looked(&mut self, session: SessionId) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.looking -= 1;
        }
    }

    pub(super) fn attached(&mut self, key: u32, token: u64, info: Info) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        if channel.stream != Stream::Attaching(token) {
            return;
        }
        channel.stream = Stream::Attached(info.position.epoch);
        channel.tail = info.position.seq;
        channel.ended = info.ended;
        for key in self.member_keys(key) {
            self.find_place(key);
        }
    }

    /// The broker cannot attach a channel: its subscriptions are refused.
    pub(super) fn not_attached(&mut self, key: u32, token: u64, refusal: &Refusal) {
        // Whoever is refused may ask again at once, and joins those who are left.
        let attaching = |channel: &&Channel| channel.stream == Stream::Attaching(token);
        while let Some(channel) = self.channels.get(key).filter(attaching)
            && let Some(member) = channel.members().first()
        {
            self.refuse_subscription(member.key, refusal);
        }
    }

    /// Looks for the place where a subscription is to begin, once its channel is attached.
    pub(super) fn find_place(&mut self, key: u32) {
        let Some(sub) = self.subscriptions.get_mut(key as usize) else { return };
        let channel = &self.channels[sub.channel];
        let (Some(position), Some(opening)) = (channel.position(), &mut sub.opening) else {
            return;
        };
        if sub.awaits != NO_TOKEN || opening.found.holds(position.epoch) {
            return;
        }
        let name = channel.name.clone();
        let request = match opening.start {
            Start::Now => None,
            Start::After(it) if it == position => None,
            Start::Time(time) => Some(Request::Read {
                channel: name,
                from: From::Time(time),
                order: Order::Forwards,
                records: 1,
                bytes: 1,
            }),
            _ => Some(Request::Info { channel: name }),
        };
        if let Some(request) = request {
            let session = sub.session;
            let token = self.look(session, request, Pending::Place { sub: key, session });
            self.subscriptions[key as usize].awaits = token;
        } else {
            opening.found = Found::End;
            self.ready(key);
        }
    }

    /// The broker said how the stream stands.
    pub(super) fn place_found(&mut self, key: u32, token: u64, result: Result<Response, Error>) {
        let Some(sub) = self.subscriptions.get_mut(key as usize) else { return };
        if sub.awaits != token {
            return;
        }
        sub.awaits = NO_TOKEN;
        let place = match result {
            Ok(Response::Info(Some(info))) => {
                let Info { position, first, .. } = info;
                Place { epoch: position.epoch, first, before_time: position.seq }
            }
            Ok(Response::Page(page)) => {
                // A damaged record may be of that time: who begins before it is told that it is lost.
                let damaged = page.damaged.first().map(|gap| gap.from);
                let intact = page.records.first().map(|record| record.seq - 1);
                let before_time = damaged.into_iter().chain(intact).min().unwrap_or(page.last);
                Place { epoch: page.epoch, first: page.first, before_time }
            }
            result => {
                let refusal = error_of(result).refusal();
                return self.refuse_subscription(key, &refusal);
            }
        };
        let Some(opening) = &mut sub.opening else { return };
        opening.found = Found::Place(place);
        if self.channels[sub.channel].epoch() == Some(place.epoch) {
            self.ready(key);
        } else {
            self.find_place(key);
        }
    }

    /// A subscription's place is found: it begins, or its session's `connected` is one step nearer.
    fn ready(&mut self, key: u32) {
        let sub = &self.subscriptions[key as usize];
        let session = sub.session;
        match sub.opening.as_ref().map(|opening| opening.id) {
            Some(Some(command)) => {
                let subscribed = self.begin_subscription(key);
                self.send(session, ServerMessage::Subscribed { id: command, subscribed });
                self.subscription_begun(key);
            }
            Some(None) => self.place_is_found(session),
            None => {}
        }
    }

    /// Says how a subscription begins, as the stream stands at this instant.
    pub(super) fn begin_subscription(&mut self, key: u32) -> Subscribed {
        let sub = &mut self.subscriptions[key as usize];
        let channel = &self.channels[sub.channel];
        let position = channel.position().expect("a place is found in an attached channel");
        let opening = sub.opening.take().expect("a subscription begins once");
        // A stream that began anew since is read from its beginning.
        let found = if opening.found.holds(position.epoch) {
            opening.found
        } else {
            Found::Place(Place { epoch: position.epoch, first: 1, before_time: 0 })
        };
        let (outcome, seen) = outcome(opening.start, sub.policy, found, position);
        sub.seen = seen;
        sub.turn = channel.turn;
        match outcome {
            Outcome::Deltas { .. } => self.stats.recoveries.deltas += 1,
            Outcome::Snapshot { .. } => self.stats.recoveries.snapshot += 1,
            Outcome::Truncated { .. } => self.stats.recoveries.truncated += 1,
            _ => self.stats.recoveries.live += 1,
        }
        Subscribed { sub: sub.number, position, outcome }
    }

    /// The client was told how its subscription begins: now it may.
    pub(super) fn subscription_begun(&mut self, key: u32) {
        self.step(key, Event::Begun);
    }

    /// A subscription that has not begun cannot begin.
    pub(super) fn refuse_subscription(&mut self, key: u32, refusal: &Refusal) {
        let sub = &self.subscriptions[key as usize];
        let session = sub.session;
        let command = sub.opening.as_ref().and_then(|opening| opening.id);
        self.remove_subscription(key);
        if let Some(command) = command {
            return self.refuse(session, command, refusal.clone());
        }
        self.count_refusal(refusal);
        let beginning = self
            .sessions
            .get_mut(session)
            .and_then(|session| session.busy.as_mut()?.beginning.as_mut());
        let entry = beginning.and_then(|it| {
            it.subs.iter_mut().find(|(_, opened)| opened.as_ref().is_ok_and(|it| *it == key))
        });
        if let Some((_, opened)) = entry {
            *opened = Err(refusal.clone());
            self.place_is_found(session);
        }
    }

    /// Ends a subscription from here.
    pub(super) fn end_subscription(&mut self, key: u32, refusal: Refusal) {
        self.count_refusal(&refusal);
        self.push(key, Pushed::Unsubscribed(Unsubscribed { refusal }));
        self.remove_subscription(key);
    }

    /// Ends those subscriptions that the session's permissions no longer allow.
    pub(super) fn end_forbidden(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(id) else { return };
        let mut forbidden = Vec::new();
        for &(_, key) in &session.subs {
            let channel = &self.channels[self.subscriptions[key as usize].channel].name;
            if let Err(refusal) = self.check_session_access(session, channel, Action::Subscribe) {
                forbidden.push((key, refusal));
            }
        }
        for (key, refusal) in forbidden {
            if self.subscriptions[key as usize].opening.is_some() {
                self.refuse_subscription(key, &refusal);
            } else {
                self.end_subscription(key, refusal);
            }
        }
    }

    /// Forgets a subscription. With the last one its channel is detached and forgotten.
    pub(super) fn remove_subscription(&mut self, key: u32) {
        let Some(mut sub) = self.subscriptions.try_remove(key as usize) else { return };
        self.timers.set(Timer::Subscription(key), &mut sub.due, NEVER);
        self.stats.subscriptions.remove(sub.state, sub.pace());
        if let Some(session) = self.sessions.get_mut(sub.session) {
            session.remove_sub(sub.number, key);
            session.tidy();
        }
        let channel = &mut self.channels[sub.channel];
        let subscriptions = &mut self.subscriptions;
        channel.leave(sub.index, |moved, to| {
            if let Some(sub) = subscriptions.get_mut(moved as usize) {
                sub.index = to;
            }
        });
        channel.count_out(sub.policy);
        if channel.members().is_empty() {
            let channel = self.channels.remove(sub.channel);
            let token = self.new_token();
            let request = Request::Detach { channel: channel.name };
            self.effects.push_back(Effect::Broker { token, request });
            self.stats.channels = self.channels.len() as u64;
        }
    }

    /// The keys of all subscriptions of a channel, as they are now.
    pub(super) fn member_keys(&self, channel: u32) -> Vec<u32> {
        let Some(channel) = self.channels.get(channel) else { return Vec::new() };
        channel.members().iter().map(|member| member.key).collect()
    }
}
