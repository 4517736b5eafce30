//! A client's process: the machine, driven as the real driver drives it, and an application above it.

mod application;
mod socket;

use std::{collections::BTreeMap, iter, time::Duration};

use longwire_channel::{CloseCode, Codec};
use longwire_client::{
    Cause, ConnectionState, Event, TokenError,
    machine::{
        Action, Machine, Notice, PublicationId, RequestId, SubscriptionId, TokenSource,
        TransportEnd,
    },
};

pub(crate) use self::application::{ask, check_mismatch, shape};
use self::{application::Inbox, socket::Socket};
use crate::{
    chance::Chance,
    invariant::Invariant,
    network::Frame,
    sabotage,
    server::{Server, authority},
    stage::Stage,
    truth::Asked,
    watch::Watch,
};

/// A client, over all of its processes.
pub(crate) struct Client {
    number: usize,
    codec: Codec,
    has_tokens: bool,
    /// Whether it takes pages; else each record comes alone.
    takes_pages: bool,
    machine: Machine,
    socket: Option<Socket>,
    /// When the attempt to open a transport comes to something.
    opening: Option<Duration>,
    token: Option<(Duration, Result<String, TokenError>)>,
    subscriptions: BTreeMap<SubscriptionId, (Watch, Inbox)>,
    publications: BTreeMap<PublicationId, Sent>,
    histories: BTreeMap<RequestId, Asked>,
    /// Where those lie that were answered, by channel and epoch.
    answered: BTreeMap<(usize, u64), BTreeMap<PublicationId, u64>>,
    /// Connections that it had.
    links: u64,
    /// Publications that it still makes.
    left: u32,
    next_act: Duration,
    /// Its process gets no time until then.
    pub(crate) asleep_until: Duration,
    /// It reads slowly until then.
    pub(crate) slow_until: Duration,
    next_read: Duration,
    /// Its application takes events slowly until then.
    pub(crate) lazy_until: Duration,
    next_take: Duration,
    /// Its token callback fails until then.
    pub(crate) tokenless_until: Duration,
    /// Its application has closed it.
    is_closing: bool,
    /// What it watched then, and goes on with in its next process.
    resting: Vec<(Watch, Inbox)>,
}

/// A publication that is not answered.
#[derive(Clone, Copy, Debug)]
struct Sent {
    tag: u32,
    /// The connections that there had been.
    links: u64,
    /// Whether the application gave the key.
    has_own_key: bool,
}

/// Something that happens to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    Time,
    Opened,
    Token,
    Read,
    End,
    Room,
    Act,
    Take,
}

impl Client {
    pub(crate) fn new(number: usize, stage: &mut Stage) -> Self {
        let now = stage.instant();
        let chance = &mut stage.chance;
        let codec = chance.pick(Codec::ALL);
        let has_tokens = chance.percent(50);
        let most = stage.swarm.publications;
        let mut client = Self {
            number,
            codec,
            has_tokens,
            takes_pages: chance.percent(80),
            machine: machine(has_tokens, chance.fork(), now),
            socket: None,
            opening: None,
            token: None,
            subscriptions: BTreeMap::new(),
            publications: BTreeMap::new(),
            histories: BTreeMap::new(),
            answered: BTreeMap::new(),
            links: 0,
            left: u32::try_from(stage.chance.scaled(1, most)).expect("small"),
            next_act: Duration::ZERO,
            asleep_until: Duration::ZERO,
            slow_until: Duration::ZERO,
            next_read: Duration::ZERO,
            lazy_until: Duration::ZERO,
            next_take: Duration::ZERO,
            tokenless_until: Duration::ZERO,
            is_closing: false,
            resting: Vec::new(),
        };
        for _ in 0..stage.chance.between(1, 4) {
            client.subscribe(stage);
        }
        client.machine.connect(stage.instant());
        client.turn(stage);
        client
    }

    /// Its process ends without a word, and another one goes on where the application stood.
    pub(crate) fn restart(&mut self, stage: &mut Stage) {
        stage.tally.client_restarts += 1;
        self.count(stage);
        self.drop_socket(stage);
        self.opening = None;
        self.token = None;
        self.publications.clear();
        self.histories.clear();
        self.answered.clear();
        self.asleep_until = Duration::ZERO;
        let bits = stage.chance.fork();
        self.machine = machine(self.has_tokens, bits, stage.instant());
        self.is_closing = false;
        let watches = std::mem::take(&mut self.subscriptions).into_values();
        let watches: Vec<_> = watches.chain(self.resting.drain(..)).collect();
        for (mut watch, inbox) in watches {
            if watch.is_over {
                continue;
            }
            let start = watch.begin_again(inbox.dealt(), &stage.truth);
            self.watch(watch, start, stage);
        }
        self.machine.connect(stage.instant());
        self.turn(stage);
    }

    /// The application closes it.
    pub(crate) fn close(&mut self, stage: &mut Stage) {
        self.is_closing = true;
        self.resting.extend(std::mem::take(&mut self.subscriptions).into_values());
        let limit = stage.chance.millis(0, 5_000);
        self.machine.close(limit, stage.instant());
        self.turn(stage);
    }

    /// Adds up what its machine counted.
    pub(crate) fn count(&self, stage: &mut Stage) {
        let stats = self.machine.stats();
        let tally = &mut stage.tally;
        tally.received += stats.received;
        tally.doubled += stats.doubled;
        tally.lost += stats.lost;
        tally.skipped += stats.skipped;
        tally.resets += stats.resets;
        tally.reconnects += stats.reconnects;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.machine.closed().is_some()
    }

    /// Breaks its connection by the machine's own command, or says that the world may have changed.
    pub(crate) fn shake(&mut self, stage: &mut Stage) {
        if stage.chance.percent(50) {
            self.machine.disconnect(stage.instant());
        } else {
            self.machine.wake(stage.chance.millis(0, 40_000), stage.instant());
        }
        self.turn(stage);
    }

    /// Whether all that it asked for is answered, and its subscriptions are at the ends of their streams.
    pub(crate) fn is_at_rest(&self, stage: &Stage) -> bool {
        self.is_answered() && self.lags(stage).is_none()
    }

    /// Whether it is open, and all that it asked for is answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.machine.is_open()
            && self.publications.is_empty()
            && self.histories.is_empty()
            && self.machine.stats().pending == 0
    }

    /// A subscription that is not at the end of its stream.
    pub(crate) fn lags(&self, stage: &Stage) -> Option<&Watch> {
        let all = self.subscriptions.values();
        let lagging = all.filter(|(watch, inbox)| {
            !watch.is_at_rest(&stage.truth) || !inbox.is_empty() && !watch.is_over
        });
        lagging.map(|(watch, _)| watch).next()
    }

    /// What it waits for, in words.
    pub(crate) fn describe(&self, stage: &Stage) -> String {
        let waiting: Vec<u32> = self.publications.values().map(|sent| sent.tag).collect();
        let lags = self.lags(stage);
        format!("{:?}, publications {waiting:?}, {lags:?}", self.machine)
    }

    /// Whether something can happen to it now.
    pub(crate) fn is_ready(&self, stage: &Stage) -> bool {
        self.asleep_until <= stage.now && ALL.into_iter().any(|it| self.may_happen(it, stage))
    }

    fn may_happen(&self, happening: Happening, stage: &Stage) -> bool {
        let now = stage.now;
        let socket = self.socket.as_ref();
        match happening {
            Happening::Time => {
                self.machine.poll_timeout().is_some_and(|at| stage.moment(at) <= now)
            }
            Happening::Opened => self.opening.is_some_and(|at| at <= now),
            Happening::Token => self.token.as_ref().is_some_and(|(at, _)| *at <= now),
            Happening::Read => {
                self.next_read <= now
                    && socket.is_some_and(|it| stage.network.get(it.connection).down.has_news())
            }
            Happening::End => {
                socket.is_some_and(|it| stage.network.get(it.connection).client_sees_end(now))
            }
            Happening::Room => socket.is_some_and(|it| it.is_crowded && it.has_room(stage)),
            Happening::Act => self.left > 0 && !stage.is_calm && self.next_act <= now,
            Happening::Take => self.next_take <= now && self.holds_events(),
        }
    }

    fn holds_events(&self) -> bool {
        self.subscriptions.values().any(|(_, inbox)| !inbox.is_empty())
    }

    /// When something happens to it although nothing happens outside.
    pub(crate) fn next_due(&self, stage: &Stage) -> Option<Duration> {
        let timer = self.machine.poll_timeout().map(|at| stage.moment(at));
        let act = (self.left > 0 && !stage.is_calm).then_some(self.next_act);
        let read = self.socket.is_some().then_some(self.next_read);
        let take = self.holds_events().then_some(self.next_take);
        let token = self.token.as_ref().map(|(at, _)| *at);
        // What is past happens by itself, or waits for something else.
        let due = [timer, self.opening, token, act, read, take].into_iter().flatten();
        let due = due.map(|at| at.max(self.asleep_until)).filter(|at| *at > stage.now);
        let wakes = Some(self.asleep_until).filter(|at| *at > stage.now);
        due.chain(wakes).min()
    }

    /// One of the things that can happen does.
    pub(crate) fn step(&mut self, server: Option<&mut Server>, stage: &mut Stage) {
        let may: Vec<Happening> =
            ALL.into_iter().filter(|it| self.may_happen(*it, stage)).collect();
        let Some(happening) = may.get(stage.chance.index(may.len().max(1))) else { return };
        match happening {
            Happening::Time => self.machine.handle_timeout(stage.instant()),
            Happening::Opened => self.opened(server, stage),
            Happening::Token => {
                if let Some((_, answer)) = self.token.take() {
                    self.machine.handle_token(answer, stage.instant());
                }
            }
            Happening::Read => self.read(stage),
            Happening::End => {
                self.drop_socket(stage);
                let end = TransportEnd::Lost("the connection was lost".to_owned());
                self.machine.handle_closed(end, stage.instant());
            }
            Happening::Room => {}
            Happening::Act => self.act(stage),
            Happening::Take => self.take(stage),
        }
        self.turn(stage);
    }

    fn opened(&mut self, server: Option<&mut Server>, stage: &mut Stage) {
        self.opening = None;
        if let Some(server) = server.filter(|server| !server.is_draining) {
            let connection = stage.network.open(stage.swarm.window, stage.swarm.latency_ms);
            server.accept(connection, self.codec);
            self.socket = Some(Socket::new(connection, self.codec, self.takes_pages));
            self.links += 1;
            self.machine.handle_open();
        } else {
            let end = TransportEnd::Lost("connection refused".to_owned());
            self.machine.handle_closed(end, stage.instant());
        }
    }

    fn read(&mut self, stage: &mut Stage) {
        let Some(socket) = &mut self.socket else { return };
        let is_slow = self.slow_until > stage.now && !stage.is_calm;
        let most = if is_slow { stage.chance.scaled(1, 1_000) } else { u64::MAX };
        if is_slow {
            self.next_read = stage.now + stage.chance.millis(1, 300);
        }
        let instant = stage.instant();
        let Stage { network, chance, now, .. } = stage;
        let pipe = &mut network.get_mut(socket.connection).down;
        match pipe.read(most, chance, *now) {
            None => {}
            Some(Frame::Close { code, reason }) => {
                self.drop_socket(stage);
                let end = TransportEnd::Closed { code, reason };
                self.machine.handle_closed(end, instant);
            }
            Some(frame) => {
                self.machine.handle_traffic(instant);
                for message in socket.decode(&frame) {
                    socket.check(&message, stage);
                    self.machine.handle_message(message, instant);
                }
            }
        }
    }

    /// Does all that the machine wants, and tells all that it has to tell.
    fn turn(&mut self, stage: &mut Stage) {
        while let Some(action) = self.machine.poll_action() {
            self.perform(action, stage);
        }
        self.tell(stage);
        if let Some(socket) = &mut self.socket {
            socket.send_all(&mut self.machine, stage);
        }
        // What was too large to be sent.
        self.tell(stage);
    }

    fn perform(&mut self, action: Action, stage: &mut Stage) {
        match action {
            Action::AskToken => {
                let expires_at_ms = stage.truth.unix_ms + stage.swarm.token_ms;
                let fails = self.tokenless_until > stage.now && !stage.is_calm;
                let answer = if fails {
                    Err(TokenError::temporary("the issuer is down"))
                } else {
                    Ok(authority::token(self.number, expires_at_ms))
                };
                self.token = Some((stage.now + stage.latency(), answer));
            }
            Action::Open => {
                // A round trip; now and then nobody answers.
                let is_answered =
                    stage.is_calm || stage.swarm.faults.is_empty() || stage.chance.percent(97);
                let trip = stage.latency() + stage.latency();
                self.opening = is_answered.then_some(stage.now + trip);
            }
            Action::Close(code) => {
                self.opening = None;
                if let Some(socket) = self.socket.take() {
                    let Stage { network, chance, now, .. } = stage;
                    network.get_mut(socket.connection).leave(code, chance, *now);
                }
            }
            _ => {}
        }
    }

    /// The transport is gone, or its process.
    fn drop_socket(&mut self, stage: &mut Stage) {
        if let Some(socket) = self.socket.take() {
            let Stage { network, chance, now, .. } = stage;
            let connection = network.get_mut(socket.connection);
            let code = CloseCode(1006);
            connection.leave(code, chance, *now);
        }
    }

    fn tell(&mut self, stage: &mut Stage) {
        for notice in iter::from_fn(|| self.machine.poll_notice()).collect::<Vec<_>>() {
            match notice {
                Notice::State(ConnectionState::Closed(cause)) => self.check_cause(&cause, stage),
                Notice::Subscription(id, event) => {
                    self.told(id, &event, stage);
                    if sabotage::doubles(stage, &event) {
                        self.told(id, &event, stage);
                    }
                }
                Notice::Published(id, result) => {
                    if sabotage::answers_twice(stage) {
                        self.published(id, result.clone(), stage);
                    }
                    self.published(id, result, stage);
                }
                Notice::History(id, result) => self.answered(id, result, stage),
                _ => {}
            }
        }
    }

    fn told(&mut self, id: SubscriptionId, event: &Event, stage: &mut Stage) {
        let position = self.machine.position(id);
        let Some((watch, inbox)) = self.subscriptions.get_mut(&id) else {
            Invariant::EndIsTrue.broken(format!("{event:?} is told to nobody"));
        };
        watch.told(event, position, &mut stage.truth);
        inbox.put(watch.position);
        if inbox.is_to_pause() {
            stage.tally.paused += 1;
            self.machine.pause(id);
        }
    }

    /// A client is closed for good where it was told to be.
    fn check_cause(&self, cause: &Cause, stage: &Stage) {
        let is_right = match cause {
            Cause::Closed => self.is_closing,
            Cause::Server(disconnect) => {
                disconnect.code == CloseCode::BANNED && stage.tally.bans > 0
            }
            _ => false,
        };
        Invariant::RefusedRightly.check(is_right, || format!("a client is closed: {cause}"));
    }
}

fn machine(has_tokens: bool, mut bits: Chance, now: std::time::Instant) -> Machine {
    let tokens = if has_tokens { TokenSource::Callback } else { TokenSource::None };
    Machine::new(tokens, move || bits.next(), now)
}

const ALL: [Happening; 8] = [
    Happening::Time,
    Happening::Opened,
    Happening::Token,
    Happening::Read,
    Happening::End,
    Happening::Room,
    Happening::Act,
    Happening::Take,
];
