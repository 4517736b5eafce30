//! A client and a server over a pipe that delays, cuts and stalls, under a virtual clock and a seed.
//!
//! A failing seed is printed. `LONGWIRE_SEED=<seed> cargo test -p longwire-proto --test simulation`
//! runs it alone; `LONGWIRE_SEEDS=<count>` sets how many are run.

mod support;

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, BufMut};
use longwire_proto::{
    Cause, Close, Closed, Config, Connection, Delivery, Event, Fragment, Input, Keepalive, Message,
    SendError, Side, Transmit,
};
use support::{Rng, close, connection, start};

const SEEDS: u64 = 1500;
const MS: Duration = Duration::from_millis(1);

#[test]
fn two_peers_over_a_bad_pipe() {
    let variable = |name| std::env::var(name).ok().map(|it| it.parse().expect("a number"));
    let seeds = match variable("LONGWIRE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..variable("LONGWIRE_SEEDS").unwrap_or(SEEDS),
    };
    let mut tally = Seen::default();
    for seed in seeds.clone() {
        let run = catch_unwind(AssertUnwindSafe(|| World::new(seed).run()));
        match run {
            Ok(seen) => tally.add(&seen),
            Err(panic) => {
                eprintln!("failing seed: LONGWIRE_SEED={seed}");
                resume_unwind(panic);
            }
        }
    }
    let runs = seeds.end - seeds.start;
    if runs >= SEEDS {
        tally.check(usize::try_from(runs).expect("seeds fit"));
    }
}

/// One direction of the transport: bytes under way, in pieces with the instant of their arrival.
#[derive(Debug, Default)]
struct Pipe {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    /// Bytes under way.
    len: usize,
    /// The writer ended it; nothing is written after.
    fin: Option<Instant>,
    /// Bytes that were ever accepted.
    written: u64,
}

impl Pipe {
    /// When the next piece, or the end, can be read.
    fn next_arrival(&self) -> Option<Instant> {
        self.pieces.front().map(|(at, _)| *at).or(self.fin)
    }
}

/// What one side was asked to send, and what it received.
#[derive(Debug, Default)]
struct Traffic {
    sent: Vec<Message>,
    received: Vec<Message>,
    /// The message that is sent in fragments, so far.
    sending: Option<Message>,
    /// The message that is received in fragments, so far.
    receiving: Option<Vec<u8>>,
}

#[allow(clippy::struct_excessive_bools, reason = "independent facts about a transport")]
struct Peer {
    connection: Connection,
    traffic: Traffic,
    /// Bytes that were read and not parsed yet.
    inbox: Vec<u8>,
    reading: bool,
    closed: Option<Closed>,
    eof_seen: bool,
    fin_told: bool,
    /// Whether the transport under this peer is gone.
    lost: bool,
    pings: u64,
    answered: u64,
    /// The largest message that was queued.
    largest: usize,
}

/// What runs came to. The first four count runs; the others count what happened in them.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    cut: usize,
    failed: usize,
    stopped_reading: usize,
    full: usize,
    messages: usize,
    pongs: usize,
    /// Ends, of which each run has two.
    clean: usize,
    timed_out: usize,
}

impl Seen {
    fn add(&mut self, run: &Self) {
        self.cut += run.cut;
        self.failed += run.failed;
        self.stopped_reading += run.stopped_reading;
        self.full += run.full;
        self.messages += run.messages;
        self.pongs += run.pongs;
        self.clean += run.clean;
        self.timed_out += run.timed_out;
    }

    /// A simulation that never reaches a place proves nothing about it.
    fn check(&self, runs: usize) {
        assert!(self.cut > runs / 20, "{self:?}");
        assert!(self.failed > runs / 20, "{self:?}");
        assert!(self.stopped_reading > runs / 10, "{self:?}");
        assert!(self.full > runs / 20, "{self:?}");
        assert!(self.messages > 3 * runs, "{self:?}");
        assert!(self.pongs > runs / 2, "{self:?}");
        assert!(self.clean > runs, "{self:?}");
        assert!(self.timed_out > runs / 100, "{self:?}");
    }
}

struct World {
    rng: Rng,
    now: Instant,
    peers: [Peer; 2],
    /// `pipes[n]` leads away from `peers[n]`.
    pipes: [Pipe; 2],
    /// The most that is under way in each direction.
    window: usize,
    /// The most that one read gives.
    grain: usize,
    latency: usize,
    /// Commands that remain before both sides close.
    commands: usize,
    seen: Seen,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let peers = [Side::Client, Side::Server].map(|side| {
            let config = random_config(&mut rng);
            Peer {
                connection: connection(side, Arc::new(config), start()),
                traffic: Traffic::default(),
                inbox: Vec::new(),
                reading: true,
                closed: None,
                eof_seen: false,
                fin_told: false,
                lost: false,
                pings: 0,
                answered: 0,
                largest: 0,
            }
        });
        let window = [1, 30, 200, 1000, 1000, 5000, 65_536, 65_536][rng.below(0..8)];
        let grain = [1, 20, 100, 100, 1000, 1000, 100_000, 100_000][rng.below(0..8)];
        Self {
            now: start(),
            peers,
            pipes: [Pipe::default(), Pipe::default()],
            window,
            grain,
            latency: [0, 1, 50, 400][rng.below(0..4)],
            commands: rng.below(5..60),
            rng,
            seen: Seen::default(),
        }
    }

    fn run(mut self) -> Seen {
        let mut idle_turns = 0;
        for turn in 0.. {
            assert!(turn < 1_000_000, "no end after {turn} turns: {:?}", self.describe());
            if self.peers.iter().all(|peer| peer.closed.is_some()) {
                break;
            }
            let mut worked = false;
            let first = self.rng.below(0..2);
            for which in [first, 1 - first] {
                worked |= self.command(which);
                worked |= self.read(which);
                worked |= self.poll(which);
            }
            if worked {
                idle_turns = 0;
                continue;
            }
            idle_turns += 1;
            assert!(idle_turns < 1000, "deadlock: {:?}", self.describe());
            self.advance();
        }
        self.verdict();
        self.seen
    }

    /// Does something that an application, or the world, might do.
    fn command(&mut self, which: usize) -> bool {
        if self.commands == 0 {
            return self.wind_down(which);
        }
        if !self.rng.one_in(3) {
            return false;
        }
        self.commands -= 1;
        let now = self.now;
        // Large messages for pipes that can carry them before the night ends.
        let large = self.grain >= 100 && self.window >= 1000;
        let rng = &mut self.rng;
        let peer = &mut self.peers[which];
        match rng.below(0..32) {
            0..12 => {
                let message = random_message(rng, large);
                match peer.connection.send(message.clone(), now) {
                    Ok(()) => {
                        peer.largest = peer.largest.max(message.len());
                        peer.traffic.sent.push(message);
                    }
                    Err(SendError::Full(back)) => {
                        self.seen.full = 1;
                        assert_eq!(back, message);
                    }
                    Err(SendError::Closed(back)) => {
                        assert!(!peer.connection.state().may_send());
                        assert_eq!(back, message);
                    }
                    Err(SendError::FragmentPending(back)) => {
                        assert!(peer.traffic.sending.is_some());
                        assert_eq!(back, message);
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
            12..20 => send_fragment(peer, rng, large, now),
            20..24 => {
                if let Some(number) = peer.connection.ping(now) {
                    assert_eq!(number, peer.pings, "numbers count up");
                    peer.pings += 1;
                }
            }
            24..27 => {
                peer.reading = !peer.reading;
                self.seen.stopped_reading |= usize::from(!peer.reading);
                peer.connection.handle_reading(peer.reading, now);
            }
            27 if rng.one_in(3) => peer.connection.close(random_close(rng), now),
            28 if rng.one_in(8) => {
                self.seen.failed = 1;
                peer.connection.fail(close(1011, "failed"), now);
            }
            29 if rng.one_in(8) => self.cut(which),
            30 if rng.one_in(8) => {
                // The peer's direction ends early, as when its process dies.
                self.seen.cut = 1;
                self.pipes[1 - which].fin.get_or_insert(now);
                self.peers[1 - which].lost = true;
            }
            _ => return false,
        }
        true
    }

    /// Ends what the commands began: everybody reads again, and one side closes.
    fn wind_down(&mut self, which: usize) -> bool {
        let now = self.now;
        let peer = &mut self.peers[which];
        if !peer.reading {
            peer.reading = true;
            peer.connection.handle_reading(true, now);
            return true;
        }
        if which == 0 && peer.connection.state().may_send() {
            peer.connection.close(random_close(&mut self.rng), now);
            return true;
        }
        false
    }

    /// The transport breaks for both.
    fn cut(&mut self, which: usize) {
        self.seen.cut = 1;
        self.peers[which].lost = true;
        self.peers[1 - which].lost = true;
    }

    /// Reads a piece of what has arrived.
    fn read(&mut self, which: usize) -> bool {
        let now = self.now;
        let peer = &mut self.peers[which];
        let pipe = &mut self.pipes[1 - which];
        if peer.closed.is_some() || !peer.reading {
            return false;
        }
        if let Some((at, piece)) = pipe.pieces.front_mut() {
            if *at > now {
                return false;
            }
            let count = self.rng.below(1..piece.len() + 1);
            let mut count = count.min(self.grain);
            if peer.inbox.is_empty()
                && self.rng.one_in(2)
                && let Some(mut space) = peer.connection.payload_space()
            {
                count = count.min(space.remaining_mut());
                space.put_slice(&piece[..count]);
            } else {
                peer.inbox.extend_from_slice(&piece[..count]);
            }
            pipe.len -= count;
            piece.drain(..count);
            if piece.is_empty() {
                pipe.pieces.pop_front();
            }
            return true;
        }
        if pipe.fin.is_some_and(|at| at <= now) && !peer.eof_seen && peer.inbox.is_empty() {
            peer.eof_seen = true;
            peer.connection.handle_eof(now);
            return true;
        }
        false
    }

    /// The loop contract: events, then bytes, until there is neither.
    fn poll(&mut self, which: usize) -> bool {
        let now = self.now;
        let mut worked = false;
        if self.peers[which].lost && self.rng.one_in(10) {
            let peer = &mut self.peers[which];
            worked |= peer.closed.is_none();
            peer.connection.handle_lost();
        }
        loop {
            let mut still = true;
            let mut inbox = std::mem::take(&mut self.peers[which].inbox);
            let mut input = Input::new(&mut inbox);
            while let Some(event) = self.peers[which].connection.poll_event(&mut input, now) {
                still = false;
                self.event(which, event);
                if self.rng.one_in(20) {
                    // The application does not ask for the next event just now.
                    break;
                }
            }
            self.peers[which].inbox = input.rest().to_vec();
            if self.write(which) {
                still = false;
            }
            worked |= !still;
            if still {
                break;
            }
        }
        let peer = &self.peers[which];
        // Headers of small fragments may double a message; control frames are few.
        let budget = peer.connection.config().limits.max_buffered_amount.max(peer.largest);
        assert!(peer.connection.buffered_amount() <= 2 * budget + 8192, "{:?}", peer.connection);
        worked
    }

    fn event(&mut self, which: usize, event: Event) {
        let now = self.now;
        let peer = &mut self.peers[which];
        assert_eq!(peer.closed, None, "{event:?} after Closed");
        match event {
            Event::Message(message) => peer.traffic.received.push(message),
            Event::Fragment(Fragment { part, fin }) => {
                peer.traffic.receiving.get_or_insert_default().extend_from_slice(part.as_bytes());
                if fin {
                    let whole = peer.traffic.receiving.take().expect("inserted");
                    peer.traffic.received.push(match part {
                        Message::Text(_) => Message::text(String::from_utf8(whole).expect("text")),
                        Message::Binary(_) => Message::binary(whole),
                    });
                }
            }
            Event::Pong { answers: Some((number, round_trip)), .. } => {
                assert!(number >= peer.answered, "a Pong answers a Ping once");
                peer.answered = number + 1;
                assert!(start() + round_trip <= now);
                self.seen.pongs += 1;
            }
            Event::CloseReceived(_) => {
                let last = Message::text("last words");
                let speaks = self.rng.one_in(2);
                if speaks && peer.connection.send(last.clone(), now).is_ok() {
                    peer.traffic.sent.push(last);
                }
            }
            Event::Violation(error) => panic!("one of us broke the protocol: {error}"),
            Event::Closed(closed) => peer.closed = Some(*closed),
            _ => {}
        }
    }

    fn write(&mut self, which: usize) -> bool {
        let now = self.now;
        let mut worked = false;
        while let Some(transmit) = self.peers[which].connection.poll_transmit() {
            let peer = &mut self.peers[which];
            let pipe = &mut self.pipes[which];
            match transmit {
                Transmit::Bytes => {
                    let chunk = peer.connection.outgoing().chunk();
                    let count = chunk.len().min(self.window - pipe.len.min(self.window));
                    if count == 0 {
                        break;
                    }
                    let count = self.rng.below(1..count + 1);
                    if !peer.lost {
                        // Bytes do not overtake each other.
                        let delay =
                            MS * u32::try_from(self.rng.below(0..self.latency + 1)).expect("small");
                        let behind = pipe.pieces.back().map_or(now, |(at, _)| *at);
                        pipe.pieces.push_back(((now + delay).max(behind), chunk[..count].to_vec()));
                        pipe.len += count;
                    }
                    pipe.written += count as u64;
                    peer.connection.handle_written(count, now);
                }
                Transmit::Fin => {
                    assert!(!peer.fin_told, "Fin is said once");
                    peer.fin_told = true;
                    let behind = pipe.pieces.back().map_or(now, |(at, _)| *at);
                    pipe.fin.get_or_insert(behind);
                }
                other => panic!("unknown transmit {other:?}"),
            }
            worked = true;
        }
        // Whoever is over lets go of the transport.
        if self.peers[which].closed.is_some() && self.pipes[which].fin.is_none() {
            let behind = self.pipes[which].pieces.back().map_or(now, |(at, _)| *at);
            self.pipes[which].fin = Some(behind);
            worked = true;
        }
        // Nobody reads what is on its way to one who is over.
        if self.peers[1 - which].closed.is_some() {
            self.pipes[which].pieces.clear();
            self.pipes[which].len = 0;
        }
        worked
    }

    /// Moves the clock to the next thing that can happen, and rings who waited for it.
    fn advance(&mut self) {
        let arrivals = self.pipes.iter().filter_map(Pipe::next_arrival);
        let timeouts = self.peers.iter().filter_map(|peer| peer.connection.poll_timeout());
        let next = arrivals.chain(timeouts).filter(|at| *at > self.now).min();
        let step = MS * u32::try_from(self.rng.below(1..50)).expect("small");
        self.now = match next {
            Some(next) if self.commands == 0 => next,
            Some(next) => next.min(self.now + step),
            None => self.now + step,
        };
        for peer in &mut self.peers {
            if peer.connection.poll_timeout().is_some_and(|at| at <= self.now) {
                peer.connection.handle_timeout(self.now);
                let next = peer.connection.poll_timeout();
                assert!(next.is_none_or(|next| next > self.now), "a timeout that never passes");
            }
        }
    }

    fn verdict(&mut self) {
        let [client, server] = &self.peers;
        for (from, to) in [(client, server), (server, client)] {
            let received = &to.traffic.received;
            assert!(
                from.traffic.sent.starts_with(received),
                "received {received:?}, which is no start of {:?}",
                from.traffic.sent
            );
            self.seen.messages += received.len();
        }
        let ends = [client, server].map(|peer| peer.closed.as_ref().expect("over"));
        for closed in ends {
            assert!(closed.cause != Cause::Clean || closed.received.is_some());
            assert!(closed.cause != Cause::Clean || closed.sent.is_some());
            self.seen.clean += usize::from(closed.is_clean());
            self.seen.timed_out += usize::from(matches!(closed.cause, Cause::TimedOut(_)));
        }
        let slow = ends.iter().any(|closed| matches!(closed.cause, Cause::TimedOut(_)));
        if self.seen.cut + self.seen.failed > 0 || slow {
            return;
        }
        // Nothing was cut, so both ends agree on all of it.
        for (closed, peer) in ends.iter().zip([server, client]) {
            let other = peer.closed.as_ref().expect("over");
            assert!(closed.is_clean(), "{closed:?} and {other:?}");
            assert_eq!(closed.received, other.sent);
        }
        assert!(!(ends[0].peer_first && ends[1].peer_first), "one of them was first");
        // All that was sent before our Close is there, unless the receiver failed or left.
        for (from, to) in [(client, server), (server, client)] {
            let whole = from.traffic.sent.len();
            assert_eq!(to.traffic.received.len(), whole, "messages lost on a sound transport");
        }
    }

    fn describe(&self) -> impl std::fmt::Debug {
        let peer = |n: usize| {
            let peer = &self.peers[n];
            (
                peer.connection.state(),
                peer.connection.buffered_amount(),
                peer.inbox.len(),
                peer.reading,
                peer.closed.clone(),
                self.pipes[n].len,
            )
        };
        (peer(0), peer(1), self.commands, self.now - start())
    }
}

fn send_fragment(peer: &mut Peer, rng: &mut Rng, large: bool, now: Instant) {
    let fin = rng.one_in(3);
    let part = match &peer.traffic.sending {
        Some(Message::Text(_)) => random_text(rng),
        Some(Message::Binary(_)) => Message::binary(random_bytes(rng, large)),
        None => random_message(rng, large),
    };
    match peer.connection.send_fragment(Fragment { part: part.clone(), fin }, now) {
        Ok(()) => peer.largest = peer.largest.max(part.len()),
        Err(SendError::Full(_)) => return,
        Err(SendError::Closed(_)) => {
            assert!(!peer.connection.state().may_send());
            return;
        }
        Err(other) => panic!("{other:?}"),
    }
    let whole = match peer.traffic.sending.take() {
        None => part,
        Some(before) => {
            let bytes = [before.as_bytes(), part.as_bytes()].concat();
            match before {
                Message::Text(_) => Message::text(String::from_utf8(bytes).expect("text")),
                Message::Binary(_) => Message::binary(bytes),
            }
        }
    };
    if fin { peer.traffic.sent.push(whole) } else { peer.traffic.sending = Some(whole) }
}

fn random_config(rng: &mut Rng) -> Config {
    let mut config = Config::default();
    config.keepalive = [
        None,
        Some(Keepalive::default()),
        Some(Keepalive { interval: 2000 * MS, timeout: 4000 * MS }),
    ][rng.below(0..3)];
    config.idle_timeout = if rng.one_in(8) { Some(30_000 * MS) } else { None };
    config.delivery = [Delivery::Messages, Delivery::Fragments][rng.below(0..2)];
    config.fragment_size = [None, NonZeroUsize::new(7), NonZeroUsize::new(100)][rng.below(0..3)];
    config.limits.max_buffered_amount = [0, 500, 1 << 20][rng.below(0..3)];
    config
}

fn random_bytes(rng: &mut Rng, large: bool) -> Vec<u8> {
    let len = match rng.below(0..120) {
        0 if large => rng.below(0..150_000),
        1..4 if large => rng.below(0..5000),
        _ => rng.below(0..200),
    };
    let byte = rng.bytes(1)[0];
    vec![byte; len]
}

fn random_text(rng: &mut Rng) -> Message {
    let piece = ["", "a", "é", "€", "😀", "plain text "][rng.below(0..6)];
    Message::text(piece.repeat(rng.below(0..30)))
}

fn random_message(rng: &mut Rng, large: bool) -> Message {
    if rng.one_in(2) { random_text(rng) } else { Message::binary(random_bytes(rng, large)) }
}

fn random_close(rng: &mut Rng) -> Close {
    [Close::EMPTY, close(1000, ""), close(1001, "leaving"), close(4999, "é")][rng.below(0..4)]
        .clone()
}
