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
    #[allow(clippy::match_same_arms, reason = "a row of the table each")]
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
    #[allow(clippy::match_same_arms, reason = "a row of the table each")]
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

#[cfg(test)]
mod tests {
    use super::{Act, Event, Facts, Held, Pace, State};
    use State::{Blocked, Live, Opening, Poised, Reading, Resting, Waiting};

    const STATES: [State; 7] = [Opening, Waiting, Reading, Live, Poised, Resting, Blocked];

    const EVENTS: [Event; 10] = [
        Event::Begun,
        Event::Turn,
        Event::Page,
        Event::Published,
        Event::Ephemeral,
        Event::Missed,
        Event::Due,
        Event::Congested,
        Event::Drained,
        Event::Reset,
    ];

    const PACES: [Pace; 6] =
        [Pace::All, Pace::Latest, Pace::Sampled, Pace::Rollup, Pace::Drop, Pace::Disconnect];

    const FREE: Facts = Facts { congested: false, caught_up: true, held: Held::Nothing };
    const BEHIND: Facts = Facts { caught_up: false, ..FREE };
    const CONGESTED: Facts = Facts { congested: true, ..FREE };
    const CONGESTED_BEHIND: Facts = Facts { congested: true, caught_up: false, ..FREE };

    /// Each state's row: the state behind each of the events, in their order.
    type Table = [[State; EVENTS.len()]; STATES.len()];

    fn table(pace: Pace, facts: Facts) -> Table {
        STATES.map(|state| EVENTS.map(|event| state.after(event, pace, facts).0))
    }

    /// Free and caught up, for those who then are live.
    const LIVE: Table = [
        [Live, Opening, Opening, Opening, Opening, Opening, Opening, Opening, Opening, Opening],
        [Waiting, Reading, Waiting, Waiting, Waiting, Waiting, Waiting, Waiting, Live, Live],
        [Reading, Reading, Live, Reading, Reading, Reading, Reading, Reading, Reading, Live],
        [Live, Live, Live, Live, Live, Live, Live, Live, Live, Live],
        [Poised, Poised, Poised, Live, Live, Live, Poised, Live, Live, Live],
        [Resting, Resting, Resting, Resting, Resting, Resting, Live, Resting, Resting, Resting],
        [Blocked, Blocked, Blocked, Blocked, Blocked, Blocked, Blocked, Blocked, Live, Blocked],
    ];

    /// Free and caught up, for those who have an interval.
    const PACED: Table = [
        [Poised, Opening, Opening, Opening, Opening, Opening, Opening, Opening, Opening, Opening],
        [Waiting, Reading, Waiting, Waiting, Waiting, Waiting, Waiting, Waiting, Poised, Poised],
        [Reading, Reading, Resting, Reading, Reading, Reading, Reading, Reading, Reading, Poised],
        [Live, Live, Live, Live, Live, Poised, Live, Poised, Live, Poised],
        [Poised, Poised, Poised, Resting, Poised, Poised, Poised, Poised, Poised, Poised],
        [Resting, Resting, Resting, Resting, Resting, Resting, Poised, Resting, Resting, Resting],
        [Blocked, Blocked, Blocked, Blocked, Blocked, Blocked, Blocked, Blocked, Poised, Blocked],
    ];

    #[test]
    fn every_pair_of_state_and_event_where_nothing_is_in_the_way() {
        for pace in [Pace::All, Pace::Latest, Pace::Drop, Pace::Disconnect] {
            assert_eq!(table(pace, FREE), LIVE, "{pace:?}");
        }
        assert_eq!(table(Pace::Rollup, FREE), PACED);
        let mut sampled = PACED;
        sampled[4][4] = Resting;
        assert_eq!(table(Pace::Sampled, FREE), sampled);
    }

    #[test]
    fn every_pair_of_state_and_event_where_the_pipe_is_congested() {
        for (pace, there) in [
            (Pace::All, Waiting),
            (Pace::Latest, Blocked),
            (Pace::Sampled, Blocked),
            (Pace::Rollup, Waiting),
            (Pace::Drop, Blocked),
            (Pace::Disconnect, Poised),
        ] {
            let mut expected = STATES.map(|state| EVENTS.map(|_| state));
            expected[0][0] = there;
            expected[1][1] = Reading;
            (expected[1][8], expected[1][9]) = (there, there);
            expected[2][2] = if pace.rests() { Resting } else { there };
            expected[2][9] = there;
            (expected[3][5], expected[3][7], expected[3][9]) = (there, there, there);
            expected[4] = [there; EVENTS.len()];
            for nothing in [0, 1, 2, 6] {
                expected[4][nothing] = Poised;
            }
            expected[4][3] = match pace {
                Pace::Sampled | Pace::Rollup => Resting,
                Pace::Disconnect => Poised,
                _ => Live,
            };
            expected[4][4] = match pace {
                Pace::Sampled => Resting,
                _ => there,
            };
            expected[5][6] = there;
            expected[6][8] = there;
            assert_eq!(table(pace, CONGESTED), expected, "{pace:?}");
        }
    }

    #[test]
    fn every_pair_of_state_and_event_where_it_is_behind() {
        for (pace, there) in [
            (Pace::All, Waiting),
            (Pace::Latest, Poised),
            (Pace::Sampled, Poised),
            (Pace::Rollup, Waiting),
            (Pace::Drop, Poised),
            (Pace::Disconnect, Waiting),
        ] {
            let mut expected = STATES.map(|state| EVENTS.map(|_| state));
            expected[0][0] = Waiting;
            expected[1][1] = Reading;
            expected[1][9] = there;
            expected[2][2] = Waiting;
            expected[2][9] = there;
            (expected[3][5], expected[3][7], expected[3][9]) = (there, there, there);
            expected[4] = [there; EVENTS.len()];
            for nothing in [0, 1, 2, 6] {
                expected[4][nothing] = Poised;
            }
            expected[4][3] = if pace.rests() { Resting } else { Live };
            expected[4][4] = if pace == Pace::Sampled { Resting } else { there };
            expected[5][6] = there;
            expected[6][8] = there;
            assert_eq!(table(pace, BEHIND), expected, "{pace:?}");
        }
    }

    #[test]
    fn what_is_held_is_pushed_once_it_can_be() {
        let held = |facts, held| Facts { held, ..facts };
        let due = |facts| Resting.after(Event::Due, Pace::Sampled, facts);
        assert_eq!(due(held(BEHIND, Held::Last)), (Resting, Act::PushHeld));
        assert_eq!(due(held(BEHIND, Held::Ephemeral)), (Resting, Act::PushHeld));
        assert_eq!(due(FREE), (Poised, Act::Nothing));
        assert_eq!(due(held(CONGESTED_BEHIND, Held::Last)), (Blocked, Act::Nothing));
        let drained = |pace, facts| Blocked.after(Event::Drained, pace, facts);
        assert_eq!(drained(Pace::Sampled, held(BEHIND, Held::Last)), (Resting, Act::PushHeld));
        assert_eq!(drained(Pace::Latest, held(BEHIND, Held::Last)), (Live, Act::PushHeld));
        assert_eq!(drained(Pace::Latest, held(FREE, Held::Ephemeral)), (Live, Act::PushHeld));
        assert_eq!(drained(Pace::Latest, held(BEHIND, Held::Ephemeral)), (Poised, Act::PushHeld));
        assert_eq!(drained(Pace::Drop, held(BEHIND, Held::Last)), (Poised, Act::Nothing));
    }

    #[test]
    fn records_are_pushed_to_those_who_are_live_or_poised() {
        for event in [Event::Published, Event::Ephemeral] {
            for pace in PACES {
                for state in STATES {
                    let (_, act) = state.after(event, pace, FREE);
                    let expected = match state {
                        Live | Poised => Act::Push,
                        Resting if pace == Pace::Rollup && event == Event::Ephemeral => Act::Push,
                        _ => Act::Nothing,
                    };
                    assert_eq!(act, expected, "{state:?} {event:?} {pace:?}");
                }
            }
            let (state, act) = Poised.after(event, Pace::Disconnect, CONGESTED);
            assert_eq!((state, act), (Poised, Act::Disconnect));
        }
    }

    /// Over all states, events, paces and facts: what would break the promise of no gap and no double.
    #[test]
    fn nobody_is_live_who_is_behind_or_congested() {
        for state in STATES {
            for event in EVENTS {
                for pace in PACES {
                    for facts in [FREE, BEHIND, CONGESTED, CONGESTED_BEHIND] {
                        for held in [Held::Nothing, Held::Last, Held::Ephemeral] {
                            let facts = Facts { held, ..facts };
                            let (next, act) = state.after(event, pace, facts);
                            let what = format!("{state:?} {event:?} {pace:?} {facts:?}: {next:?}");
                            if state != Live && next == Live && act == Act::Nothing {
                                assert!(facts.caught_up && !facts.congested, "{what}");
                            }
                            if next == Live && act == Act::PushHeld {
                                assert!(held == Held::Last || facts.caught_up, "{what}");
                            }
                            if state != Reading && next == Reading {
                                assert!(state == Waiting && event == Event::Turn, "{what}");
                            }
                            if act == Act::Disconnect {
                                assert!(pace == Pace::Disconnect && facts.congested, "{what}");
                            }
                        }
                    }
                }
            }
        }
    }
}
