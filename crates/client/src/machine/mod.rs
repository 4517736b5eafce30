//! The client as a state machine without I/O, clock or randomness of its own.

mod answers;
mod credentials;
mod ending;
mod exchange;
mod link;
mod publications;
mod random;
mod requests;
mod retry;
mod subscription;
mod subscriptions;

use std::{
    collections::{HashMap, VecDeque},
    fmt, mem,
    time::{Duration, Instant},
};

use longwire_channel::{
    Capabilities, ChannelName, ClientMessage, CloseCode, Connect, Connected, Disconnect, History,
    Policy, Position, Publish, ServerMessage, Start,
};

pub use self::{
    credentials::TokenSource,
    exchange::{Action, Notice, PublicationId, RequestId, SubscriptionId, TransportEnd},
};
use self::{
    credentials::{CALLBACK_TIMEOUT, Credentials},
    link::{Link, Phase},
    publications::Publications,
    random::Random,
    requests::Requests,
    retry::Retry,
    subscription::Subscription,
    subscriptions::Subscriptions,
};
use crate::{
    Cause, ConnectionState, HistoryError, PublishError, Session, Stats, SubscribeError,
    SubscriptionState, TokenError,
};

/// A client over all of its connections: `specs/client.md` as code.
///
/// Methods come in four kinds:
/// - **commands** ([`connect`](Self::connect), [`subscribe`](Self::subscribe), [`unsubscribe`](Self::unsubscribe),
///   [`pause`](Self::pause), [`resume`](Self::resume), [`publish`](Self::publish), [`history`](Self::history),
///   [`forget_history`](Self::forget_history), [`disconnect`](Self::disconnect), [`wake`](Self::wake),
///   [`close`](Self::close)): what the application wants;
/// - **handlers** (`handle_*`): what happened outside;
/// - **polls** (`poll_*`): what the driver is to do next;
/// - **getters**, which change nothing.
///
/// **After any command or handler, poll actions and notices until both are `None`, and messages as long as the transport
/// has room for them.** Then wait for the transport, the token callback, the application, or the instant that
/// [`poll_timeout`](Self::poll_timeout) names.
///
/// Of a transport that an [`Action::Close`] has ended, nothing more may be handed in: where commands come from elsewhere,
/// poll actions before handing anything in.
pub struct Machine {
    link: Link,
    credentials: Credentials,
    subscriptions: Subscriptions,
    publications: Publications,
    requests: Requests,
    random: Random,
    stats: Stats,
    /// Of the last command.
    command: u64,
    /// `connect` is to be sent.
    greets: bool,
    /// The numbers that `connect` had.
    greeted: Vec<u32>,
    /// `ping` is to be answered.
    pong: bool,
    /// The number of each subscription whose `subscribe` is not answered, by its command.
    subscribes: HashMap<u64, u32>,
    refresh: Option<u64>,
    max_message_bytes: Option<u64>,
    /// The application has closed the client; what waits has time until then.
    closing: Option<Instant>,
    actions: VecDeque<Action>,
    notices: VecDeque<Notice>,
}

impl Machine {
    /// A client that is idle. `random` gives random bits: for delays, and for the name that its publications carry.
    pub fn new(
        tokens: TokenSource,
        random: impl FnMut() -> u64 + Send + 'static,
        now: Instant,
    ) -> Self {
        let mut random = Random::new(Box::new(random));
        Self {
            link: Link::new(now),
            credentials: Credentials::new(tokens),
            subscriptions: Subscriptions::default(),
            publications: Publications::new(random.name()),
            requests: Requests::default(),
            random,
            stats: Stats::default(),
            command: 0,
            greets: false,
            greeted: Vec::new(),
            pong: false,
            subscribes: HashMap::new(),
            refresh: None,
            max_message_bytes: None,
            closing: None,
            actions: VecDeque::new(),
            notices: VecDeque::new(),
        }
    }

    /// Begins to connect. Does nothing if it has.
    pub fn connect(&mut self, now: Instant) {
        if self.link.phase == Phase::Idle {
            self.attempt(now);
        }
    }

    /// Reads a channel from some place on. What is told of it carries the id.
    pub fn subscribe(
        &mut self,
        channel: ChannelName,
        start: Start,
        policy: Option<Policy>,
    ) -> Result<SubscriptionId, SubscribeError> {
        self.check_taking().map_err(SubscribeError::Closed)?;
        Ok(self.subscriptions.add(Subscription::new(channel, start, policy)))
    }

    /// Ends a subscription. Nothing more is told of it.
    pub fn unsubscribe(&mut self, id: SubscriptionId) {
        self.subscriptions.remove(id);
    }

    /// The application has not taken what a subscription told: it leaves the server until [`Self::resume`].
    pub fn pause(&mut self, id: SubscriptionId) {
        self.subscriptions.pause(id, &mut self.stats);
    }

    /// The application has caught up with a subscription that was paused.
    pub fn resume(&mut self, id: SubscriptionId) {
        self.subscriptions.resume(id);
    }

    /// Publishes. The answer carries the id; after `timeout` it is [`PublishError::NotSent`] or [`PublishError::Unknown`].
    ///
    /// A publication that has neither a key nor a producer and is not ephemeral gets a key.
    pub fn publish(
        &mut self,
        publish: Publish,
        timeout: Option<Duration>,
        now: Instant,
    ) -> Result<PublicationId, PublishError> {
        self.check_taking().map_err(PublishError::Closed)?;
        self.publications.add(publish, timeout, now)
    }

    /// Reads what a channel keeps. The answer carries the id.
    pub fn history(&mut self, history: History) -> Result<RequestId, HistoryError> {
        self.check_taking().map_err(HistoryError::Closed)?;
        self.requests.add(history)
    }

    /// Nobody waits for this request any longer.
    pub fn forget_history(&mut self, id: RequestId) {
        self.requests.remove(id);
        self.settle();
    }

    /// Drops the transport, as if it had ended without a word.
    pub fn disconnect(&mut self, now: Instant) {
        if self.link.has_transport() {
            self.drop_transport(NORMAL, Cause::Dropped, now);
        }
    }

    /// The world may have changed: the network or the machine came back. `asleep` is time that `now`'s clock did not count.
    pub fn wake(&mut self, asleep: Duration, now: Instant) {
        match self.link.phase {
            Phase::Waiting(_) => self.attempt(now),
            Phase::Open => self.check_silence(asleep, now),
            _ => {}
        }
    }

    /// Closes the client: subscriptions end, nothing new is taken, and what waits has so long to be answered.
    pub fn close(&mut self, limit: Duration, now: Instant) {
        if matches!(self.link.phase, Phase::Closed(_)) {
            return;
        }
        self.subscriptions.remove_all();
        let deadline = now.checked_add(limit).unwrap_or_else(|| now + CLOSE_MAX);
        self.closing = Some(self.closing.map_or(deadline, |closing| closing.min(deadline)));
        if limit.is_zero() || self.link.phase == Phase::Idle {
            self.finish(Cause::Closed);
        }
        self.settle();
    }

    /// The transport is open.
    pub fn handle_open(&mut self) {
        if let Phase::Transport(deadline) = self.link.phase {
            self.link.phase = Phase::Greeting(deadline);
            self.greets = true;
        }
    }

    /// The transport ended, or could not be opened.
    pub fn handle_closed(&mut self, end: TransportEnd, now: Instant) {
        if !self.link.has_transport() {
            return;
        }
        match end {
            TransportEnd::Lost(words) => self.lose(Cause::Transport(words), None, now),
            TransportEnd::Closed { code, reason } => {
                self.ended(Disconnect { code, reason, retry_after_ms: None }, now);
            }
            TransportEnd::Impossible(words) => self.finish_without(Cause::Request(words)),
        }
        self.settle();
    }

    /// The transport gave what is no message of a server's; `reason` says why.
    pub fn handle_unreadable(&mut self, reason: String, now: Instant) {
        if self.link.has_transport() {
            self.drop_transport(PROTOCOL_ERROR, Cause::Unreadable(reason), now);
            self.settle();
        }
    }

    /// Something came from the server, whatever it says: it lives.
    pub fn handle_traffic(&mut self, now: Instant) {
        self.link.hear(now);
    }

    /// A message from the server.
    pub fn handle_message(&mut self, message: ServerMessage, now: Instant) {
        self.link.hear(now);
        match (&self.link.phase, message) {
            (Phase::Greeting(_), ServerMessage::Connected(connected)) => {
                self.connected(*connected, now);
            }
            (Phase::Greeting(_) | Phase::Open, ServerMessage::Disconnect(disconnect)) => {
                self.actions.push_back(Action::Close(NORMAL));
                self.ended(disconnect, now);
            }
            (Phase::Open, message) => self.handle_answer_or_push(message, now),
            _ => {}
        }
        self.settle();
    }

    /// The token callback has answered.
    pub fn handle_token(&mut self, answer: Result<String, TokenError>, now: Instant) {
        if !self.credentials.handle_answer() {
            return;
        }
        match (answer, &self.link.phase) {
            (Ok(token), Phase::Token) => {
                self.credentials.keep(token, now);
                self.open_transport(now);
            }
            (Ok(token), Phase::Open) => self.credentials.refresh_with(token, now),
            (Ok(token), _) => self.credentials.keep(token, now),
            (Err(error), _) if error.is_final => self.finish(Cause::NoToken(error.message)),
            (Err(error), Phase::Token) => self.lose(Cause::Token(error.message), None, now),
            (Err(_), Phase::Open) => self.credentials.refresh_later(&mut self.random, now),
            (Err(_), _) => {}
        }
        self.settle();
    }

    /// A message of [`Self::poll_transmit`] is larger than [`Self::max_message_bytes`] and was not sent.
    pub fn handle_oversized(&mut self, message: &ClientMessage, size: u64) {
        if let ClientMessage::Publish { id, .. } = message {
            let limit = self.max_message_bytes.unwrap_or(u64::MAX);
            self.publications.handle_oversized(*id, size, limit);
        }
        self.settle();
    }

    /// The instant that [`Self::poll_timeout`] named has come, or an earlier one.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.closing.is_some_and(|at| at <= now) {
            self.finish(Cause::Closed);
        }
        if self.credentials.is_overdue(now) {
            let words = format!("it did not answer within {CALLBACK_TIMEOUT:?}");
            match self.link.phase {
                Phase::Token => self.lose(Cause::Token(words), None, now),
                Phase::Open => self.credentials.refresh_later(&mut self.random, now),
                _ => {}
            }
        }
        match self.link.phase {
            Phase::Transport(at) | Phase::Greeting(at) if at <= now => {
                self.drop_transport(NORMAL, Cause::NoAnswer(ATTEMPT_TIMEOUT), now);
            }
            Phase::Waiting(at) if at <= now => self.attempt(now),
            Phase::Open => {
                self.check_silence(Duration::ZERO, now);
                if self.credentials.is_refresh_due(now) && self.credentials.ask(now) {
                    self.actions.push_back(Action::AskToken);
                }
            }
            _ => {}
        }
        self.subscriptions.handle_timeout(now);
        self.publications.handle_timeout(now);
        self.requests.handle_timeout(now);
        self.settle();
    }

    /// What the driver is to do next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next message to the server. Ask only while the transport has room: what is asked for counts as sent.
    pub fn poll_transmit(&mut self) -> Option<ClientMessage> {
        if mem::take(&mut self.greets) {
            return Some(ClientMessage::Connect(Box::new(self.greeting())));
        }
        if !self.link.is_open() {
            return None;
        }
        if mem::take(&mut self.pong) {
            return Some(ClientMessage::Pong);
        }
        let id = self.command + 1;
        let message = if let Some(token) = self.credentials.take_refresh() {
            self.refresh = Some(id);
            ClientMessage::Refresh { id, token }
        } else if let Some(sub) = self.subscriptions.take_leaving() {
            ClientMessage::Unsubscribe { id, sub }
        } else if let Some(subscribe) = self.subscriptions.take_ready() {
            self.subscribes.insert(id, subscribe.sub);
            ClientMessage::Subscribe { id, subscribe }
        } else if let Some(history) = self.requests.take_next(id) {
            ClientMessage::History { id, history }
        } else {
            let publish = Box::new(self.publications.take_next(id)?);
            ClientMessage::Publish { id, publish }
        };
        self.command = id;
        Some(message)
    }

    /// The next thing to be told.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front().or_else(|| {
            self.subscriptions.poll_told().map(|(id, event)| Notice::Subscription(id, event))
        })
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if matches!(self.link.phase, Phase::Closed(_)) {
            return None;
        }
        let timers = [
            self.link.poll_timeout(),
            self.credentials.poll_timeout(),
            self.subscriptions.poll_timeout(),
            self.publications.poll_timeout(),
            self.requests.poll_timeout(),
            self.closing,
        ];
        timers.into_iter().flatten().min()
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        Stats { pending: self.publications.len(), ..self.stats }
    }

    /// Bytes of the largest message that the server takes, from its `connected`.
    pub fn max_message_bytes(&self) -> Option<u64> {
        self.max_message_bytes
    }

    /// Whether the connection is open.
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// Why the client is closed, if it is.
    pub fn closed(&self) -> Option<&Cause> {
        match &self.link.phase {
            Phase::Closed(cause) => Some(cause),
            _ => None,
        }
    }

    /// How a subscription stands; `None` once it is over.
    pub fn subscription_state(&self, id: SubscriptionId) -> Option<SubscriptionState> {
        self.subscriptions.get(id).map(Subscription::state)
    }

    /// Where a subscription stands: that of the last record given out or told as lost.
    pub fn position(&self, id: SubscriptionId) -> Option<Position> {
        self.subscriptions.get(id).and_then(Subscription::position)
    }

    fn check_taking(&self) -> Result<(), Cause> {
        match (&self.link.phase, self.closing) {
            (Phase::Closed(cause), _) => Err(cause.clone()),
            (_, Some(_)) => Err(Cause::Closed),
            _ => Ok(()),
        }
    }

    fn attempt(&mut self, now: Instant) {
        self.tell_state(ConnectionState::Connecting);
        if self.credentials.lacks_token(now) {
            self.link.phase = Phase::Token;
            if self.credentials.ask(now) {
                self.actions.push_back(Action::AskToken);
            }
        } else {
            self.open_transport(now);
        }
    }

    fn open_transport(&mut self, now: Instant) {
        self.link.phase = Phase::Transport(now + ATTEMPT_TIMEOUT);
        self.actions.push_back(Action::Open);
    }

    fn greeting(&mut self) -> Connect {
        let (token, ticket) = self.credentials.present();
        let subscriptions = self.subscriptions.take_first();
        self.greeted = subscriptions.iter().map(|subscribe| subscribe.sub).collect();
        self.command += 1;
        Connect {
            id: self.command,
            version: 1,
            capabilities: Capabilities::ALL,
            token,
            ticket,
            client: Some(SOFTWARE.to_owned()),
            subscriptions,
        }
    }

    fn connected(&mut self, connected: Connected, now: Instant) {
        if self.link.open(&connected, now) {
            self.stats.reconnects += 1;
        }
        self.credentials.handle_accepted(connected.ticket, connected.expires_in_ms, now);
        self.max_message_bytes = Some(connected.limits.max_message_bytes);
        self.tell_state(ConnectionState::Open(Session {
            id: connected.session,
            user: connected.user,
        }));
        let mut unmentioned = mem::take(&mut self.greeted);
        for (number, answer) in connected.subscriptions {
            unmentioned.retain(|greeted| *greeted != number);
            self.handle_subscribed(number, answer, now);
        }
        self.subscriptions.handle_unmentioned(&unmentioned);
    }

    fn check_silence(&mut self, asleep: Duration, now: Instant) {
        if let Some(silence) = self.link.silence(asleep, now) {
            self.drop_transport(NORMAL, Cause::Silence(silence), now);
        }
    }

    /// Tells what is over, and ends a closing client that has nothing left to do.
    fn settle(&mut self) {
        for (id, result) in self.publications.take_over() {
            self.stats.published += u64::from(result.is_ok());
            self.notices.push_back(Notice::Published(id, result));
        }
        for (id, result) in self.requests.take_over() {
            self.notices.push_back(Notice::History(id, result));
        }
        if self.closing.is_some() && self.publications.is_empty() && self.requests.is_empty() {
            self.finish(Cause::Closed);
        }
    }

    fn tell_state(&mut self, state: ConnectionState) {
        self.notices.push_back(Notice::State(state));
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("link", &self.link)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

fn retry<'a>(credentials: &Credentials, random: &'a mut Random, now: Instant) -> Retry<'a> {
    Retry { random, now, has_callback: credentials.has_callback() }
}

/// The time from asking for a transport to `connected`: opening one may take 10 s, and the server's patience for
/// `connect` is as long.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
/// A limit beyond all time: longer than any process lives.
const CLOSE_MAX: Duration = Duration::from_hours(24 * 365 * 30);
/// What the server sees of this client.
const SOFTWARE: &str = concat!("longwire-rust/", env!("CARGO_PKG_VERSION"));
const NORMAL: CloseCode = CloseCode(1000);
const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
