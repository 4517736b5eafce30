//! What is appended, and what was appended before.

use std::time::Duration;

use bytes::Bytes;
use longwire_channel::{Order, Payload, Publication, Published};

use super::{
    Case,
    subject::{KEEP, Subject, append, channel, keyed, numbered, published, text, token},
};
use crate::{
    Retention,
    broker::{Broker, Error, From},
};

pub(super) fn cases<B: Broker>() -> [(&'static str, Case<B>); 8] {
    [
        ("publications are numbered from 1 in their order", numbers),
        ("what was published is read as it was", contents),
        ("a key makes a second publication a duplicate of the first", keys),
        ("a key is new again behind its window", windows),
        ("a producer's numbers make duplicates and show gaps", producers),
        ("a producer's older epoch is fenced off", fences),
        ("a stream keeps so many records, and so many bytes", retention),
        ("a stream keeps records for so long", ages),
    ]
}

fn numbers<B: Broker>(subject: &mut Subject<B>) {
    let (one, other) = (channel("a"), channel("b"));
    let tokens: Vec<u64> = (0..300)
        .map(|number| {
            let to = if number % 3 == 0 { &other } else { &one };
            subject.submit_append(to, text(&number.to_string()))
        })
        .collect();
    let mut last = (0, 0);
    for (number, token) in tokens.into_iter().enumerate() {
        let published = subject.wait_published(token);
        let seq = if number % 3 == 0 { &mut last.1 } else { &mut last.0 };
        *seq += 1;
        let got = published.map(|it| (it.position.map(|it| it.seq), it.duplicate));
        subject.same("the answer", &got, &Ok((Some(*seq), false)));
    }
    let page = subject.read(&one, From::Edge, Order::Forwards, 1_000, usize::MAX);
    let texts: Vec<_> = page.records.iter().map(|it| it.payload.clone()).collect();
    let expected: Vec<_> =
        (0..300).filter(|it| it % 3 != 0).map(|it| Payload::text(it.to_string())).collect();
    subject.same("the content", &texts, &expected);
}

fn contents<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    let payloads = [
        Payload::from_json("{\"a\": [1, null]}").expect("valid"),
        Payload::text(""),
        Payload::text("ü\n\0"),
        Payload::Binary(Bytes::from_static(&[0, 255, 1])),
    ];
    for payload in payloads {
        for event in [None, Some(token("kind"))] {
            for publisher in [None, Some(token("ada"))] {
                let publication = Publication {
                    event: event.clone(),
                    publisher: publisher.clone(),
                    ..Publication::new(payload.clone())
                };
                let place = subject.publish(&channel, publication);
                let page = subject.read(&channel, From::Edge, Order::Backwards, 1, usize::MAX);
                let Some(record) = page.records.first() else { panic!("nothing is read") };
                subject.same("the content", &record.payload, &payload);
                subject.same("the event", &record.event, &event);
                subject.same("the publisher", &record.publisher, &publisher);
                subject.same("the place", &record.seq, &place.seq);
                subject.same("the time", &record.time, &subject.unix_ms());
            }
        }
    }
}

fn keys<B: Broker>(subject: &mut Subject<B>) {
    let (one, other) = (channel("a"), channel("b"));
    subject.attach(&one);
    // The second is submitted before the first is answered.
    let tokens = ["k", "k", "l", "k"].map(|key| subject.submit_append(&one, keyed("x", key)));
    let answers = tokens.map(|token| subject.wait_published(token));
    let epoch = answers[0].clone().ok().and_then(|it| it.position).expect("published").epoch;
    let answer = |seq, duplicate| {
        Ok(Published { position: Some(longwire_channel::Position { epoch, seq }), duplicate })
    };
    let expected = [answer(1, false), answer(1, true), answer(2, false), answer(1, true)];
    subject.same("the answers", &answers, &expected);
    let elsewhere = subject.publish(&other, keyed("x", "k"));
    subject.same("the place in another channel", &elsewhere.seq, &1);
    let told = subject.told_records();
    subject.same("the records that are told", &told, &vec![1, 2]);
}

fn windows<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    let retention = Retention { count: 1, ..KEEP };
    let publish = |subject: &mut Subject<B>, key| {
        let token = subject.submit(append(&channel, keyed("x", key), retention, 1_000));
        subject.wait_published(token).map(|it| (it.position.map(|it| it.seq), it.duplicate))
    };
    let first = publish(subject, "k");
    subject.same("the first answer", &first, &Ok((Some(1), false)));
    // Its record is no longer kept, but its key is.
    let next = publish(subject, "l");
    subject.same("the answer to another key", &next, &Ok((Some(2), false)));
    subject.pass(Duration::from_millis(999));
    let within = publish(subject, "k");
    subject.same("the answer within the window", &within, &Ok((Some(1), true)));
    subject.pass(Duration::from_millis(2));
    let behind = publish(subject, "k");
    subject.same("the answer behind the window", &behind, &Ok((Some(3), false)));
}

fn producers<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    let early = subject.append(&channel, numbered("p", 4, 2));
    subject.same("a first number of 2", &early, &Err(Error::ProducerGap { expected: 1 }));
    let tokens = [1, 2, 1, 2].map(|seq| subject.submit_append(&channel, numbered("p", 4, seq)));
    let answers = tokens.map(|token| {
        subject.wait_published(token).map(|it| (it.position.map(|it| it.seq), it.duplicate))
    });
    let expected =
        [Ok((Some(1), false)), Ok((Some(2), false)), Ok((Some(1), true)), Ok((Some(2), true))];
    subject.same("the answers", &answers, &expected);
    let gap = subject.append(&channel, numbered("p", 4, 4));
    subject.same("a gap", &gap, &Err(Error::ProducerGap { expected: 3 }));
    let other = subject.publish(&channel, numbered("q", 1, 1));
    subject.same("the place of another producer", &other.seq, &3);
    let next = subject.publish(&channel, numbered("p", 4, 3));
    subject.same("the next place", &next.seq, &4);
}

fn fences<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    subject.publish(&channel, numbered("p", 4, 1));
    subject.publish(&channel, numbered("p", 4, 2));
    let gap = subject.append(&channel, numbered("p", 5, 3));
    subject.same("a new epoch's third", &gap, &Err(Error::ProducerGap { expected: 1 }));
    let anew = subject.publish(&channel, numbered("p", 5, 1));
    subject.same("a new epoch's first", &anew.seq, &3);
    let old = subject.append(&channel, numbered("p", 4, 3));
    subject.same("an old epoch", &old, &Err(Error::ProducerFenced { epoch: 5 }));
}

fn retention<B: Broker>(subject: &mut Subject<B>) {
    let (few, small) = (channel("a"), channel("b"));
    for _ in 0..10 {
        let count = Retention { count: 3, ..KEEP };
        let token = subject.submit(append(&few, text("x"), count, 0));
        published(subject, token);
        let bytes = Retention { bytes: 2_000, ..KEEP };
        let token = subject.submit(append(&small, text(&"x".repeat(900)), bytes, 0));
        published(subject, token);
    }
    let page = subject.read(&few, From::Edge, Order::Forwards, 100, usize::MAX);
    subject.same("the first and last of three", &(page.first, page.last), &(8, 10));
    let page = subject.read(&small, From::Edge, Order::Forwards, 100, usize::MAX);
    subject.same("the first and last of 2,000 bytes", &(page.first, page.last), &(9, 10));
    let bytes = Retention { bytes: 10, ..KEEP };
    let token = subject.submit(append(&small, text(&"x".repeat(900)), bytes, 0));
    published(subject, token);
    let page = subject.read(&small, From::Edge, Order::Forwards, 100, usize::MAX);
    subject.same("a last one that is too large", &(page.first, page.last), &(11, 11));
}

fn ages<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    let retention = Retention { age: Duration::from_secs(10), ..KEEP };
    for _ in 0..3 {
        let token = subject.submit(append(&channel, text("x"), retention, 0));
        published(subject, token);
        subject.pass(Duration::from_secs(6));
    }
    let token = subject.submit(append(&channel, text("x"), retention, 0));
    published(subject, token);
    // They were published 18, 12, 6 and 0 seconds ago.
    let page = subject.read(&channel, From::Edge, Order::Forwards, 100, usize::MAX);
    let seqs: Vec<u64> = page.records.iter().map(|record| record.seq).collect();
    subject.same("what is kept", &seqs, &vec![3, 4]);
    subject.same("the first", &page.first, &3);
}
