//! What is told of channels that are attached.

use longwire_channel::Published;

use super::{
    Case,
    subject::{Subject, channel, keyed, published, text},
};
use crate::broker::{Broker, Event, Request, Response};

pub(super) fn cases<B: Broker>() -> [(&'static str, Case<B>); 5] {
    [
        ("an attached channel's records are told once, in order", told),
        ("what is not attached is not told", not_told),
        ("a channel attached in the midst of writes misses none", midst),
        ("ephemeral publications are told and kept nowhere", ephemeral),
        ("a channel that is attached again stands where it stood", again),
    ]
}

fn told<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    let epoch = subject.attach(&channel).position.epoch;
    let tokens: Vec<u64> =
        (0..50).map(|number| subject.submit_append(&channel, text(&number.to_string()))).collect();
    for token in tokens {
        published(subject, token);
    }
    for number in 0..50 {
        let Some(Event::Appended { channel: told, epoch: lives, record }) = subject.told() else {
            panic!("record {number} is not told");
        };
        subject.same("the channel", &told, &channel);
        subject.same("the epoch", &lives, &epoch);
        subject.same("the place", &record.seq, &(number + 1));
        subject.same("the content", &record.payload, &text(&number.to_string()).payload);
    }
}

fn not_told<B: Broker>(subject: &mut Subject<B>) {
    let (one, other) = (channel("a"), channel("b"));
    subject.attach(&one);
    subject.publish(&other, text("x"));
    subject.detach(&one);
    subject.publish(&one, text("x"));
    subject.end(&one);
    subject.delete(&one);
    let told = subject.told();
    subject.same("what is told", &told, &None);
}

fn midst<B: Broker>(subject: &mut Subject<B>) {
    for before in 0..6 {
        let channel = channel(&format!("a:{before}"));
        let mut tokens = Vec::new();
        let mut attach = None;
        for number in 0..8 {
            if number == before {
                attach = Some(subject.submit(Request::Attach { channel: channel.clone() }));
            }
            let publication = keyed("x", &(number / 2 * 2).to_string());
            tokens.push(subject.submit_append(&channel, publication));
        }
        for token in tokens {
            published(subject, token);
        }
        let Some(Ok(Response::Attached(info))) = attach.map(|token| subject.wait(token)) else {
            panic!("not attached");
        };
        let told = subject.told_records();
        let expected: Vec<u64> = (info.position.seq + 1..=4).collect();
        subject.same(&format!("what is told behind {info:?}"), &told, &expected);
    }
}

fn ephemeral<B: Broker>(subject: &mut Subject<B>) {
    let (attached, other) = (channel("a"), channel("b"));
    subject.attach(&attached);
    for channel in [&attached, &other] {
        let publication = longwire_channel::Publication { ephemeral: true, ..text("now") };
        let answer = subject.append(channel, publication);
        let published = Published { position: None, duplicate: false };
        subject.same("the answer", &answer, &Ok(published));
    }
    match subject.told() {
        Some(Event::Appended { channel, record, .. }) => {
            subject.same("the channel", &channel, &attached);
            subject.same("the place", &record.seq, &0);
            subject.same("the content", &record.payload, &text("now").payload);
        }
        other => panic!("told {other:?}"),
    }
    let next = subject.publish(&attached, text("kept"));
    subject.same("the place of the next that is kept", &next.seq, &1);
    let told = subject.told_records();
    subject.same("what is told then", &told, &vec![1]);
}

fn again<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    let empty = subject.attach(&channel);
    subject.detach(&channel);
    let still = subject.attach(&channel);
    subject.same("an empty channel, attached again", &still, &empty);
    let last = subject.publish(&channel, text("x"));
    subject.same("the epoch of its first record", &last.epoch, &empty.position.epoch);
    subject.detach(&channel);
    let info = subject.attach(&channel);
    subject.same("its position", &info.position, &last);
    subject.publish(&channel, text("x"));
    let told = subject.told_records();
    subject.same("what is told", &told, &vec![1, 2]);
}
