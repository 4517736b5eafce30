//! Pings of our own: when to send one, what a Pong answers, when silence is a verdict
//! (RFC 6455 §5.5.2, §5.5.3).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::Keepalive;

/// Keepalive and round-trip times of one connection.
#[derive(Debug)]
pub(super) struct Heartbeat {
    /// When the peer last showed that it lives.
    heard: Instant,
    /// Whether the caller reads. While it does not, silence means nothing.
    reading: bool,
    /// Our Pings on their way, if there are any.
    pings: Option<Box<Pings>>,
    next_number: u64,
    latency: Option<Duration>,
}

/// Pings of our own on their way.
#[derive(Debug, Default)]
struct Pings {
    /// The keepalive Ping whose answer is awaited.
    awaited: Option<Awaited>,
    /// Pings not yet answered, oldest first: their numbers and when they were queued.
    unanswered: VecDeque<(u64, Instant)>,
}

/// A keepalive Ping on its way.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    /// Where in the outgoing bytes it ends.
    end: u64,
    /// When it was queued, or the transport last took something on the way to it.
    since: Instant,
}

/// What the clock asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Nothing,
    SendPing,
    TimedOut,
}

impl Heartbeat {
    pub(super) fn new(now: Instant) -> Self {
        Self { heard: now, reading: true, pings: None, next_number: 0, latency: None }
    }

    /// Bytes arrived: the peer lives.
    pub(super) fn on_received(&mut self, now: Instant) {
        self.heard = now;
        if let Some(pings) = &mut self.pings {
            pings.awaited = None;
            self.tidy();
        }
    }

    /// The transport took bytes, up to the place `written`.
    pub(super) fn on_written(&mut self, before: u64, now: Instant) {
        if let Some(awaited) = self.pings.as_mut().and_then(|pings| pings.awaited.as_mut())
            && before < awaited.end
        {
            awaited.since = now;
        }
    }

    /// The caller stopped reading, or reads again.
    pub(super) fn set_reading(&mut self, reading: bool, now: Instant) {
        if reading && !self.reading {
            self.on_received(now);
        }
        self.reading = reading;
    }

    /// A number for the next Ping; `None` if too many wait for their answers.
    pub(super) fn start_ping(&mut self, now: Instant) -> Option<u64> {
        let unanswered = &mut self.pings.get_or_insert_default().unanswered;
        if unanswered.len() >= MAX_UNANSWERED {
            return None;
        }
        let number = self.next_number;
        self.next_number += 1;
        unanswered.push_back((number, now));
        Some(number)
    }

    /// The keepalive Ping just queued ends at the place `end`.
    pub(super) fn await_answer(&mut self, end: u64, now: Instant) {
        self.pings.get_or_insert_default().awaited = Some(Awaited { end, since: now });
    }

    /// A Pong arrived: which Ping it answers, and the round-trip time.
    ///
    /// A peer may answer only the latest of several Pings (§5.5.3), so earlier ones are answered too.
    pub(super) fn on_pong(&mut self, payload: &[u8], now: Instant) -> Option<(u64, Duration)> {
        let number = u64::from_be_bytes(payload.try_into().ok()?);
        let unanswered = &mut self.pings.as_mut()?.unanswered;
        let place = unanswered.iter().position(|&(unanswered, _)| unanswered == number)?;
        let (_, sent) = unanswered[place];
        unanswered.drain(..=place);
        self.tidy();
        let round_trip = now.saturating_duration_since(sent);
        self.latency = Some(round_trip);
        Some((number, round_trip))
    }

    pub(super) fn latency(&self) -> Option<Duration> {
        self.latency
    }

    fn awaited(&self) -> Option<Awaited> {
        self.pings.as_ref()?.awaited
    }

    /// Gives the memory back where no Ping is on its way.
    fn tidy(&mut self) {
        self.pings.take_if(|it| it.awaited.is_none() && it.unanswered.is_empty());
    }

    /// When to look at the clock again.
    pub(super) fn deadline(&self, keepalive: Option<Keepalive>) -> Option<Instant> {
        let keepalive = keepalive.filter(|_| self.reading)?;
        match self.awaited() {
            None => self.heard.checked_add(keepalive.interval),
            Some(awaited) => awaited.since.checked_add(keepalive.timeout),
        }
    }

    pub(super) fn on_time(&self, keepalive: Option<Keepalive>, now: Instant) -> Verdict {
        match self.deadline(keepalive) {
            Some(deadline) if deadline <= now => match self.awaited() {
                None => Verdict::SendPing,
                Some(_) => Verdict::TimedOut,
            },
            _ => Verdict::Nothing,
        }
    }
}

/// Pings that may wait for their Pongs at a time: a peer that answers none costs no more than this.
const MAX_UNANSWERED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    const KEEPALIVE: Option<Keepalive> =
        Some(Keepalive { interval: Duration::from_secs(20), timeout: Duration::from_secs(10) });

    #[test]
    fn a_ping_after_the_interval_and_a_verdict_after_the_timeout() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start);
        assert_eq!(heartbeat.deadline(KEEPALIVE), Some(start + 20 * SECOND));
        assert_eq!(heartbeat.on_time(KEEPALIVE, start + 19 * SECOND), Verdict::Nothing);
        assert_eq!(heartbeat.on_time(KEEPALIVE, start + 20 * SECOND), Verdict::SendPing);
        heartbeat.await_answer(10, start + 20 * SECOND);
        assert_eq!(heartbeat.on_time(KEEPALIVE, start + 29 * SECOND), Verdict::Nothing);
        assert_eq!(heartbeat.on_time(KEEPALIVE, start + 30 * SECOND), Verdict::TimedOut);
    }

    #[test]
    fn any_byte_from_the_peer_counts_as_life() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start);
        heartbeat.await_answer(10, start + 20 * SECOND);
        heartbeat.on_received(start + 25 * SECOND);
        assert_eq!(heartbeat.deadline(KEEPALIVE), Some(start + 45 * SECOND));
    }

    #[test]
    fn the_timeout_starts_when_the_ping_went_out() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start);
        heartbeat.await_answer(100, start + 20 * SECOND);
        heartbeat.on_written(0, start + 28 * SECOND);
        heartbeat.on_written(99, start + 29 * SECOND);
        assert_eq!(heartbeat.deadline(KEEPALIVE), Some(start + 39 * SECOND));
        heartbeat.on_written(100, start + 35 * SECOND);
        assert_eq!(heartbeat.deadline(KEEPALIVE), Some(start + 39 * SECOND));
    }

    #[test]
    fn silence_means_nothing_while_the_caller_does_not_read() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start);
        heartbeat.await_answer(10, start);
        heartbeat.set_reading(false, start);
        assert_eq!(heartbeat.deadline(KEEPALIVE), None);
        heartbeat.set_reading(true, start + 100 * SECOND);
        assert_eq!(heartbeat.deadline(KEEPALIVE), Some(start + 120 * SECOND));
    }

    #[test]
    fn a_pong_answers_its_ping_and_those_before_it() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start);
        let numbers: Vec<_> = (0..3).map(|_| heartbeat.start_ping(start)).collect();
        assert_eq!(numbers, [Some(0), Some(1), Some(2)]);
        let answer = heartbeat.on_pong(&1u64.to_be_bytes(), start + SECOND);
        assert_eq!(answer, Some((1, SECOND)));
        assert_eq!(heartbeat.on_pong(&0u64.to_be_bytes(), start + SECOND), None);
        assert_eq!(heartbeat.on_pong(b"unsolicited", start), None);
        assert_eq!(heartbeat.latency(), Some(SECOND));
        assert_eq!(heartbeat.pings.map(|it| it.unanswered.len()), Some(1));
    }

    #[test]
    fn pings_without_pongs_are_bounded() {
        let now = Instant::now();
        let mut heartbeat = Heartbeat::new(now);
        let started = (0..1000).filter(|_| heartbeat.start_ping(now).is_some()).count();
        assert_eq!(started, MAX_UNANSWERED);
    }
}
