//! History on demand.

use longwire_channel::{
    ClientMessage, Epoch, ErrorCode, Gap, History, HistoryPage, Order, Position, ServerMessage,
};
use longwire_hub::{Action, Namespace, SessionId};

use crate::support::*;

fn all(name: &str) -> History {
    History { channel: channel(name), order: Order::Forwards, from: None, since: None, limit: None }
}

fn read(hall: &mut Hall, session: SessionId, history: History) -> (Vec<u64>, bool) {
    let page = read_page(hall, session, history);
    (page.records.iter().map(|record| record.seq).collect(), page.more)
}

fn read_page(hall: &mut Hall, session: SessionId, history: History) -> HistoryPage {
    hall.receive(session, ClientMessage::History { id: 5, history });
    match hall.take(session) {
        Some(ServerMessage::History { id: 5, page }) => page,
        other => panic!("no history: {other:?}"),
    }
}

#[test]
fn history_is_read_forwards_and_backwards_a_page_at_a_time() {
    let mut hall = Hall::new();
    let last = (0..5).map(|_| hall.publish("a", "x")).last().expect("some");
    let session = hall.connect();
    let page = read_page(&mut hall, session, all("a"));
    assert_eq!((page.epoch, page.first, page.last), (last.epoch, 1, 5));
    let at = |seq| Some(Position { seq, ..last });
    for (order, from, limit, expected) in [
        (Order::Forwards, None, Some(2), (vec![1, 2], true)),
        (Order::Forwards, at(2), Some(2), (vec![3, 4], true)),
        (Order::Forwards, at(4), Some(2), (vec![5], false)),
        (Order::Backwards, None, Some(2), (vec![5, 4], true)),
        (Order::Backwards, at(4), None, (vec![3, 2, 1], false)),
        (Order::Forwards, None, Some(0), (vec![1], true)),
    ] {
        let history = History { order, from, limit, ..all("a") };
        assert_eq!(read(&mut hall, session, history.clone()), expected, "{history:?}");
    }
}

#[test]
fn history_since_a_time_has_nothing_older() {
    let mut hall = Hall::new();
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..6 {
        times.push(hall.clock.now().unix_ms);
        last = Some(hall.publish("a", "x"));
        hall.pass(ms(10));
    }
    let last = last.expect("some");
    let at = |seq| Some(Position { seq, ..last });
    let session = hall.connect();
    for (order, from, since, limit, expected) in [
        (Order::Forwards, None, times[3], 2, (vec![4, 5], true)),
        (Order::Forwards, at(1), times[3], 2, (vec![4, 5], true)),
        (Order::Forwards, at(4), times[3], 2, (vec![5, 6], false)),
        (Order::Backwards, None, times[3], 2, (vec![6, 5], true)),
        (Order::Backwards, at(5), times[3], 2, (vec![4], false)),
        (Order::Backwards, None, times[3], 10, (vec![6, 5, 4], false)),
        (Order::Forwards, None, times[5] + 1, 10, (vec![], false)),
    ] {
        let history = History { order, from, since: Some(since), limit: Some(limit), ..all("a") };
        assert_eq!(read(&mut hall, session, history.clone()), expected, "{history:?}");
    }
}

#[test]
fn the_namespace_bounds_the_limit() {
    let mut namespace = Namespace::default();
    namespace.history_limit = 3;
    let mut hall = Hall::in_namespace(namespace);
    hall.publish_many("a", 5);
    let session = hall.connect();
    for limit in [None, Some(100)] {
        let history = History { limit, ..all("a") };
        assert_eq!(read(&mut hall, session, history), (vec![1, 2, 3], true));
    }
}

#[test]
fn a_position_of_another_epoch_is_refused_with_the_epoch_there_is() {
    let mut hall = Hall::new();
    let last = hall.publish("a", "x");
    let session = hall.connect();
    let from = Some(Position { epoch: Epoch::from_random(5), seq: 1 });
    let history = History { from, ..all("a") };
    let command = ClientMessage::History { id: 5, history };
    let words = last.epoch.to_string();
    hall.refused(session, command, ErrorCode::EpochMismatch, &words);
}

#[test]
fn a_channel_that_nobody_published_to_has_no_history() {
    let mut hall = Hall::new();
    let session = hall.connect();
    let page = read_page(&mut hall, session, all("a"));
    assert_eq!((page.first, page.last, page.records.len(), page.more), (1, 0, 0, false));
    assert_eq!(hall.broker.streams(), 0);
}

#[test]
fn whoever_may_not_read_it_is_told_what_the_token_needs() {
    let mut hall = Hall::new();
    hall.introduce("t", None, permissions(&[("a", &[Action::Subscribe, Action::Publish])]));
    let session = hall.connect_as("t");
    let command = ClientMessage::History { id: 5, history: all("a") };
    hall.refused(session, command, ErrorCode::Forbidden, "\"history\"");
}

#[test]
fn one_at_a_time_is_read_and_none_while_the_pipe_is_congested() {
    let mut hall = Hall::new();
    hall.publish_many("a", 3);
    let session = hall.connect();
    hall.narrow(session);
    for id in 0..10 {
        hall.receive(session, ClientMessage::History { id, history: all("a") });
    }
    assert_eq!(hall.pipe(session).map(|pipe| pipe.queue.len()), Some(1));
    for id in 0..10 {
        match hall.take(session) {
            Some(ServerMessage::History { id: answered, .. }) => assert_eq!(answered, id),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn histories_are_answered_in_their_order_refused_ones_too() {
    let mut hall = Hall::new();
    hall.introduce("t", None, permissions(&[("a", &[Action::History])]));
    let session = hall.connect_as("t");
    hall.hold_events = true;
    for (id, name) in [(1, "a"), (2, "b"), (3, "a")] {
        hall.receive(session, ClientMessage::History { id, history: all(name) });
    }
    assert_eq!(hall.take(session), None);
    hall.release_all();
    assert!(matches!(hall.take(session), Some(ServerMessage::History { id: 1, .. })));
    assert!(matches!(hall.take(session), Some(ServerMessage::Error { id: 2, .. })));
    assert!(matches!(hall.take(session), Some(ServerMessage::History { id: 3, .. })));
}

#[test]
fn what_is_damaged_is_passed_over() {
    for (order, expected) in [(Order::Forwards, vec![3, 4]), (Order::Backwards, vec![2, 1])] {
        let mut hall = Hall::new();
        hall.publish_many("a", 4);
        let session = hall.connect();
        hall.hold_events = true;
        let history = History { limit: Some(2), order, ..all("a") };
        hall.receive(session, ClientMessage::History { id: 5, history });
        let page = hall.next_page();
        let (first, last) = (page.records[0].seq, page.records[1].seq);
        page.damaged = vec![Gap { from: first.min(last) - 1, to: first.max(last) }];
        page.records.clear();
        hall.release(0);
        hall.release(0);
        match hall.take(session) {
            Some(ServerMessage::History { page, .. }) => {
                let seqs: Vec<_> = page.records.iter().map(|record| record.seq).collect();
                assert_eq!(seqs, expected, "{order:?}");
            }
            other => panic!("no history: {other:?}"),
        }
    }
}
