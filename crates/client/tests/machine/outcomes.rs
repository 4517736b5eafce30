//! The table of outcomes.

use longwire_client::{
    Event, Lost, Message, SubscriptionState,
    channel::{Outcome, Position, Pushed, Start},
};

use crate::support::*;

const LIVE: Event = Event::State(SubscriptionState::Live);
const RECOVERING: Event = Event::State(SubscriptionState::Recovering);

/// What is told of an outcome, and the position behind it.
fn told(start: Start, position: Position, outcome: Outcome) -> (Vec<Event>, Position) {
    let mut rig = Rig::open();
    let it = rig.subscribe(start);
    let (id, subscribe) = rig.sent_subscribe();
    assert_eq!(subscribe.start, start);
    rig.say(subscribed(id, subscribe.sub, position, outcome));
    (rig.events(), rig.machine.position(it).expect("answered"))
}

fn elsewhere(seq: u64) -> Position {
    Position { epoch: epoch(2), seq }
}

#[test]
fn live_without_a_position_begins_at_the_end() {
    assert_eq!(told(Start::Now, at(5), Outcome::Live), (vec![LIVE], at(5)));
}

#[test]
fn deltas_and_snapshot_without_a_position_begin_where_they_say() {
    for outcome in [Outcome::Deltas { after: 3 }, Outcome::Snapshot { after: 3 }] {
        assert_eq!(told(Start::Last(2), at(5), outcome), (vec![RECOVERING], at(3)));
    }
    let empty = Outcome::Snapshot { after: 5 };
    assert_eq!(told(Start::Last(2), at(5), empty), (vec![LIVE], at(5)));
}

#[test]
fn truncated_without_a_position_tells_what_is_not_kept() {
    let truncated = |after| told(Start::Time(1), at(5), Outcome::Truncated { after });
    assert_eq!(truncated(3), (vec![told_lost(0, 3), RECOVERING], at(3)));
    assert_eq!(truncated(0), (vec![RECOVERING], at(0)));
}

#[test]
fn with_a_position_it_goes_on_behind_it() {
    let after = |outcome| told(Start::After(at(4)), at(6), outcome);
    assert_eq!(after(Outcome::Deltas { after: 4 }), (vec![RECOVERING], at(4)));
    assert_eq!(after(Outcome::Deltas { after: 2 }), (vec![RECOVERING], at(4)), "some come twice");
    assert_eq!(told(Start::After(at(6)), at(6), Outcome::Live), (vec![LIVE], at(6)));
}

#[test]
fn a_base_beyond_the_position_tells_what_is_lost() {
    for outcome in [Outcome::Truncated { after: 6 }, Outcome::Deltas { after: 6 }] {
        let expected = (vec![told_lost(4, 6), RECOVERING], at(6));
        assert_eq!(told(Start::After(at(4)), at(9), outcome), expected);
    }
    let live = (vec![told_lost(4, 9), LIVE], at(9));
    assert_eq!(told(Start::After(at(4)), at(9), Outcome::Live), live);
}

#[test]
fn a_snapshot_beyond_the_position_passes_over_what_the_next_record_tells() {
    let mut rig = Rig::open();
    rig.subscribe(Start::After(at(4)));
    let (id, subscribe) = rig.sent_subscribe();
    rig.say(subscribed(id, subscribe.sub, at(9), Outcome::Snapshot { after: 8 }));
    rig.push(subscribe.sub, page(8, 9..=9, false));
    rig.push(subscribe.sub, message(9, 10));
    let record = Message { record: record(9), epoch: epoch(1), skipped: 4 };
    assert_eq!(rig.events(), [RECOVERING, Event::Message(record), LIVE, got(10)]);
    assert_eq!((rig.machine.stats().lost, rig.machine.stats().skipped), (0, 4));
}

#[test]
fn what_was_passed_over_is_forgotten_with_its_epoch() {
    let mut rig = Rig::open();
    rig.subscribe(Start::After(at(4)));
    let (id, subscribe) = rig.sent_subscribe();
    rig.say(subscribed(id, subscribe.sub, at(9), Outcome::Snapshot { after: 8 }));
    rig.push(subscribe.sub, Pushed::Reset { position: elsewhere(0) });
    rig.push(subscribe.sub, message(0, 1));
    assert_eq!(rig.events(), [RECOVERING, Event::Reset(elsewhere(0)), LIVE, got_in(2, 1)]);
    assert_eq!(rig.machine.stats().skipped, 0);
}

#[test]
fn a_stream_behind_the_client_is_another_one() {
    let expected = (vec![Event::Reset(at(0)), RECOVERING], at(0));
    assert_eq!(told(Start::After(at(9)), at(2), Outcome::Truncated { after: 0 }), expected);
}

#[test]
fn another_epoch_is_told_as_a_reset_whatever_the_outcome() {
    let position = elsewhere(0);
    let truncated = told(Start::After(at(9)), elsewhere(4), Outcome::Truncated { after: 0 });
    assert_eq!(truncated, (vec![Event::Reset(position), RECOVERING], position));
    let lost = Event::Lost(Lost { epoch: epoch(2), from: 0, to: 4 });
    let live = told(Start::After(at(3)), elsewhere(4), Outcome::Live);
    assert_eq!(live, (vec![Event::Reset(elsewhere(4)), lost, LIVE], elsewhere(4)));
}
