//! What is read, from where, and how much of it.

use std::time::Duration;

use longwire_channel::{Epoch, Order, Position};

use super::{
    Case,
    subject::{Subject, channel, text},
};
use crate::broker::{Broker, From, Request, Response};

pub(super) fn cases<B: Broker>() -> [(&'static str, Case<B>); 6] {
    [
        ("records are read forwards and backwards, a page at a time", orders),
        ("a page has so many bytes, and one record at least", bytes),
        ("reading begins at a time", times),
        ("a place of another epoch, or beyond the end, has nothing behind it", elsewhere),
        ("a stream that is not there is empty", nothing),
        ("streams are listed by name", lists),
    ]
}

fn orders<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    let mut last = subject.publish(&channel, text("x"));
    for _ in 1..5 {
        last = subject.publish(&channel, text("x"));
    }
    let at = |seq| From::Behind(Position { seq, ..last });
    for (from, order, records, expected) in [
        (From::Edge, Order::Forwards, 3, (vec![1, 2, 3], true)),
        (at(3), Order::Forwards, 3, (vec![4, 5], false)),
        (at(0), Order::Forwards, 5, (vec![1, 2, 3, 4, 5], false)),
        (at(5), Order::Forwards, 3, (vec![], false)),
        (From::Edge, Order::Backwards, 3, (vec![5, 4, 3], true)),
        (at(3), Order::Backwards, 3, (vec![2, 1], false)),
        (at(1), Order::Backwards, 3, (vec![], false)),
        (at(6), Order::Backwards, 2, (vec![5, 4], true)),
        (at(u64::MAX), Order::Forwards, 3, (vec![], false)),
        (at(u64::MAX), Order::Backwards, 2, (vec![5, 4], true)),
    ] {
        let read = subject.read_seqs(&channel, from, order, records);
        subject.same(&format!("{records} {order:?} from {from:?}"), &read, &expected);
    }
    let page = subject.read(&channel, at(2), Order::Forwards, 1, usize::MAX);
    let edges = (page.epoch, page.first, page.last);
    subject.same("the edges", &edges, &(last.epoch, 1, 5));
    subject.holds("nothing is damaged", page.damaged.is_empty());
}

fn bytes<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    for _ in 0..4 {
        subject.publish(&channel, text(&"x".repeat(1_000)));
    }
    for (bytes, expected) in [(0, 1), (1_500, 1), (2_500, 2), (usize::MAX, 4)] {
        let page = subject.read(&channel, From::Edge, Order::Forwards, 10, bytes);
        let read = (page.records.len(), page.more);
        subject.same(&format!("a page of {bytes} bytes"), &read, &(expected, expected < 4));
    }
}

fn times<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    let mut times = Vec::new();
    for _ in 0..3 {
        times.push(subject.unix_ms());
        subject.publish(&channel, text("x"));
        subject.publish(&channel, text("x"));
        subject.pass(Duration::from_millis(10));
    }
    for (time, expected) in [
        (0, vec![1, 2, 3, 4, 5, 6]),
        (times[1], vec![3, 4, 5, 6]),
        (times[1] + 1, vec![5, 6]),
        (times[2] + 1, vec![]),
        (u64::MAX, vec![]),
    ] {
        let (seqs, _) = subject.read_seqs(&channel, From::Time(time), Order::Forwards, 10);
        subject.same(&format!("what is read from {time}"), &seqs, &expected);
    }
}

fn elsewhere<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    let last = subject.publish(&channel, text("x"));
    let other = Epoch::from_random(last.epoch.get() ^ 1);
    for order in [Order::Forwards, Order::Backwards] {
        let from = From::Behind(Position { epoch: other, seq: 1 });
        let page = subject.read(&channel, from, order, 10, usize::MAX);
        subject.same("the page's epoch", &page.epoch, &last.epoch);
        subject.holds("a page of another epoch is empty", page.records.is_empty());
    }
    let beyond = From::Behind(Position { seq: 9, ..last });
    let read = subject.read_seqs(&channel, beyond, Order::Forwards, 10);
    subject.same("what lies beyond the end", &read, &(vec![], false));
}

fn nothing<B: Broker>(subject: &mut Subject<B>) {
    let (read_only, attached) = (channel("a"), channel("b"));
    let page = subject.read(&read_only, From::Edge, Order::Forwards, 10, usize::MAX);
    subject.same("the edges", &(page.first, page.last), &(1, 0));
    subject.holds("a page of it is empty", page.records.is_empty() && !page.more);
    let info = subject.info(&read_only);
    subject.same("the look at it", &info, &None);
    let info = subject.attach(&attached);
    subject.same("its edges once attached", &(info.first, info.position.seq), &(1, 0));
    let again = subject.info(&attached);
    subject.same("the look at it once attached", &again, &Some(info));
    let page = subject.read(&attached, From::Edge, Order::Forwards, 10, usize::MAX);
    subject.same("its epoch", &page.epoch, &info.position.epoch);
}

fn lists<B: Broker>(subject: &mut Subject<B>) {
    let names = ["a", "a:1", "b", "b:2", "c"];
    for name in names.iter().rev() {
        subject.publish(&channel(name), text("abc"));
    }
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let listed = subject.ask(Request::Channels { after: after.take(), limit: 2 });
        let Ok(Response::Channels { channels, next }) = listed else {
            panic!("listed as {listed:?}")
        };
        subject.holds("a list is as long as it may be", channels.len() <= 2);
        for (name, info) in channels {
            let alone = subject.info(&name);
            subject.same("the entry of a list", &Some(info), &alone);
            subject.same("its edges", &(info.first, info.position.seq), &(1, 1));
            subject.holds("its bytes are counted", info.bytes >= 3);
            found.push(name.as_str().to_owned());
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    let expected = names.map(str::to_owned).to_vec();
    subject.same("the list", &found, &expected);
}
