//! Subscriptions whose application is behind.

use longwire_client::{
    Event, SubscriptionState,
    channel::{ClientMessage, Outcome, Start},
};

use crate::support::*;

const PAUSED: Event = Event::State(SubscriptionState::Paused);
const SUBSCRIBING: Event = Event::State(SubscriptionState::Subscribing);

#[test]
fn a_subscription_whose_application_is_behind_leaves_and_others_go_on() {
    let mut rig = Rig::open();
    let (_, other) = rig.live(0);
    let (it, sub) = rig.live(5);
    rig.push(sub, message(5, 6));
    rig.machine.pause(it);
    rig.machine.pause(it);
    let sent = rig.sent();
    assert!(matches!(sent[..], [ClientMessage::Unsubscribe { sub: left, .. }] if left == sub));
    rig.push(sub, message(6, 7));
    rig.push(other, message(0, 1));
    assert_eq!(rig.events(), [got(6), PAUSED, got(1)]);
    assert_eq!(rig.machine.stats().paused, 1);
}

#[test]
fn an_application_that_caught_up_gets_the_rest_from_its_position() {
    let mut rig = Rig::open();
    let (it, _) = rig.live(5);
    rig.machine.pause(it);
    rig.sent();
    rig.machine.resume(it);
    rig.machine.resume(it);
    let (id, subscribe) = rig.sent_subscribe();
    assert_eq!(subscribe.start, Start::After(at(5)));
    rig.told();
    rig.say(subscribed(id, subscribe.sub, at(7), Outcome::Deltas { after: 5 }));
    rig.push(subscribe.sub, page(5, 6..=7, false));
    let [recovering, live] = [SubscriptionState::Recovering, SubscriptionState::Live].map(state);
    assert_eq!(rig.events(), [recovering, got(6), got(7), live]);
}

#[test]
fn connect_does_not_have_a_paused_subscription() {
    let mut rig = Rig::open();
    let (it, _) = rig.live(5);
    rig.machine.pause(it);
    rig.told();
    assert_eq!(rig.reconnect().subscriptions, []);
    assert_eq!(rig.events(), []);
    rig.machine.resume(it);
    assert_eq!(rig.events(), [SUBSCRIBING]);
    rig.sent_subscribe();
}

#[test]
fn a_pause_before_the_answer_leaves_as_well() {
    let mut rig = Rig::open();
    let it = rig.subscribe(Start::Last(3));
    let (id, subscribe) = rig.sent_subscribe();
    rig.machine.pause(it);
    rig.say(subscribed(id, subscribe.sub, at(5), Outcome::Live));
    assert_eq!(rig.events(), [PAUSED]);
    rig.sent();
    rig.machine.resume(it);
    assert_eq!(rig.sent_subscribe().1.start, Start::Last(3));
}

#[test]
fn a_pause_and_a_resume_before_anything_is_sent_cost_one_subscribe() {
    let mut rig = Rig::open();
    let it = rig.subscribe(Start::Now);
    rig.machine.pause(it);
    rig.machine.resume(it);
    rig.sent_subscribe();
}

#[test]
fn a_paused_subscription_can_be_unsubscribed() {
    let mut rig = Rig::open();
    let (it, _) = rig.live(5);
    rig.machine.pause(it);
    rig.sent();
    rig.machine.unsubscribe(it);
    rig.machine.resume(it);
    assert_eq!(rig.sent(), []);
}
