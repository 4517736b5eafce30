//! The states of a subscription, as declared transitions.

use longwire_channel::Policy;

use crate::Subscriptions;

/// Where a subscription stands.
///
/// ```text
///             begun, behind            turn               page, still behind
///   Opening ───────────────► Waiting ───────► Reading ─────────────────────► Waiting
///      │                        ▲ │              │
///      │ begun, caught up       │ │ drained,     │ page, caught up
///      ▼                        │ ▼ caught up    ▼
///   Live ◄───────────────── the flow: one of Live, Poised, Resting, Blocked, by policy
/// ```
///
/// Invariant: a subscription that is `Live` has seen its channel's last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// Its channel is being attached, or its place is looked for.
    Opening,
    /// It is behind, and waits for its turn to read a page, or for its pipe to drain.
    Waiting,
    /// A page is on its way from the broker.
    Reading,
    /// It gets the next record as it comes, among all the others.
    Live,
    /// It gets the next record as it comes, by itself: it has an interval or was behind, or that record ends its session.
    Poised,
    /// It got something and waits for its interval to pass.
    Resting,
    /// Its pipe is congested, and its policy leaves out what comes meanwhile.
    Blocked,
}

/// What moves a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Its place is found.
    Begun,
    /// It is its turn to read.
    Turn,
    /// The page came.
    Page,
    /// A record was published.
    Published,
    /// An ephemeral record was published.
    Ephemeral,
    /// Records were published that the broker did not tell.
    Missed,
    /// Its interval has passed.
    Due,
    /// Its pipe is congested.
    Congested,
    /// Its pipe has room again.
    Drained,
    /// The stream began anew, and it stands at the new position.
    Reset,
}

/// What its policy comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    All,
    Latest,
    /// `latest` with an interval.
    Sampled,
    Rollup,
    Drop,
    Disconnect,
}

/// What the transition depends on, as it is when the event is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) congested: bool,
    /// Whether it has seen the channel's last record.
    pub(super) caught_up: bool,
    /// What its channel has for it that it did not get.
    pub(super) held: Held,
}

/// The latest record of a channel, for subscriptions that want no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It got it, or there is none.
    Nothing,
    /// The last of the stream.
    Last,
    /// An ephemeral one.
    Ephemeral,
}

/// What is to be done with a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    /// Push the record that was published.
    Push,
    /// Push what the channel holds.
    PushHeld,
    /// End the session: it is a slow consumer.
    Disconnect,
}

impl State {
    /// The state after `event`, and what to do. An event that means nothing in a state leaves it as it is.
    pub(super) fn after(self, event: Event, pace: Pace, facts: Facts) -> (Self, Act) {
        use {Event as E, State as S};
        let flow = pace.flow(facts);
        match (self, event) {
            (S::Opening, E::Begun) if facts.caught_up => (flow, Act::Nothing),
            (S::Opening, E::Begun) => (S::Waiting, Act::Nothing),

            (S::Waiting, E::Turn) => (S::Reading, Act::Nothing),
            (S::Waiting, E::Drained) if facts.caught_up => (flow, Act::Nothing),

            (S::Reading, E::Page) if !facts.caught_up => (S::Waiting, Act::Nothing),
            (S::Reading, E::Page) if pace.rests() => (S::Resting, Act::Nothing),
            (S::Reading, E::Page) => (flow, Act::Nothing),

            (S::Live, E::Published | E::Ephemeral) => (S::Live, Act::Push),

            (S::Poised, E::Published) => match pace {
                Pace::Disconnect if facts.congested => (S::Poised, Act::Disconnect),
                Pace::Sampled | Pace::Rollup => (S::Resting, Act::Push),
                Pace::All | Pace::Latest | Pace::Drop | Pace::Disconnect => (S::Live, Act::Push),
            },
            (S::Poised, E::Ephemeral) => match pace {
                Pace::Disconnect if facts.congested => (S::Poised, Act::Disconnect),
                Pace::Sampled => (S::Resting, Act::Push),
                _ => (flow, Act::Push),
            },
            (S::Poised, E::Drained) => (flow, Act::Nothing),

            (S::Resting, E::Due) if pace == Pace::Sampled && !facts.congested => match facts.held {
                Held::Nothing => (S::Poised, Act::Nothing),
                Held::Last | Held::Ephemeral => (S::Resting, Act::PushHeld),
            },
            (S::Resting, E::Due) => (flow, Act::Nothing),
            // There is no page that it could wait for.
            (S::Resting, E::Ephemeral) if pace == Pace::Rollup && !facts.congested => {
                (S::Resting, Act::Push)
            }

            (S::Blocked, E::Drained) => match (pace, facts.held) {
                (Pace::Sampled, Held::Last | Held::Ephemeral) => (S::Resting, Act::PushHeld),
                (Pace::Latest, Held::Last) => (S::Live, Act::PushHeld),
                (Pace::Latest, Held::Ephemeral) if facts.caught_up => (S::Live, Act::PushHeld),
                (Pace::Latest, Held::Ephemeral) => (S::Poised, Act::PushHeld),
                _ => (flow, Act::Nothing),
            },

            (S::Live | S::Poised, E::Missed | E::Congested)
            | (S::Waiting | S::Reading | S::Live | S::Poised, E::Reset) => (flow, Act::Nothing),

            (state, _) => (state, Act::Nothing),
        }
    }
}

impl Pace {
    pub(super) fn of(policy: Policy) -> Self {
        match policy {
            Policy::Latest { interval_ms: 0 } => Self::Latest,
            Policy::Latest { .. } => Self::Sampled,
            Policy::Rollup { .. } => Self::Rollup,
            Policy::Drop => Self::Drop,
            Policy::Disconnect => Self::Disconnect,
            _ => Self::All,
        }
    }

    /// Whether it waits for an interval behind what it got.
    fn rests(self) -> bool {
        matches!(self, Self::Sampled | Self::Rollup)
    }

    /// Where a subscription goes that has nothing on its way.
    fn flow(self, facts: Facts) -> State {
        match self {
            Self::Disconnect if facts.congested => State::Poised,
            Self::All | Self::Rollup if facts.congested => State::Waiting,
            Self::Latest | Self::Sampled | Self::Drop if facts.congested => State::Blocked,
            Self::Sampled => State::Poised,
            Self::Rollup if facts.caught_up => State::Poised,
            Self::All | Self::Latest | Self::Drop | Self::Disconnect if facts.caught_up => {
                State::Live
            }
            Self::Latest | Self::Drop => State::Poised,
            Self::All | Self::Rollup | Self::Disconnect => State::Waiting,
        }
    }
}

impl Subscriptions {
    /// One more stands there.
    pub(super) fn add(&mut self, state: State, pace: Pace) {
        *self.by_state(state) += 1;
        *self.by_pace(pace) += 1;
    }

    /// One less stands there.
    pub(super) fn remove(&mut self, state: State, pace: Pace) {
        *self.by_state(state) -= 1;
        *self.by_pace(pace) -= 1;
    }

    fn by_state(&mut self, state: State) -> &mut u64 {
        match state {
            State::Opening => &mut self.opening,
            State::Waiting | State::Reading => &mut self.reading,
            State::Live | State::Poised => &mut self.live,
            State::Resting | State::Blocked => &mut self.waiting,
        }
    }

    fn by_pace(&mut self, pace: Pace) -> &mut u64 {
        match pace {
            Pace::All => &mut self.all,
            Pace::Latest | Pace::Sampled => &mut self.latest,
            Pace::Rollup => &mut self.rollup,
            Pace::Drop => &mut self.drop,
            Pace::Disconnect => &mut self.disconnect,
        }
    }
}
