//! The end of streams, and their next lives.

use longwire_channel::{Order, Publication};

use super::{
    Case,
    subject::{KEEP, Subject, append, channel, keyed, numbered, text},
};
use crate::broker::{Broker, Error, Event, From, Request};

pub(super) fn cases<B: Broker>() -> [(&'static str, Case<B>); 6] {
    [
        ("a stream that has ended takes nothing and tells its end", ends),
        ("a stream that never was ends empty", empty_end),
        ("a stream that is deleted begins anew", deletions),
        ("an ended stream that is deleted takes publications again", revival),
        ("an end before a deletion ends the life before alone", end_before),
        ("what is written around a deletion belongs to one life or the other", around),
    ]
}

fn ends<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    subject.attach(&channel);
    let last = subject.publish(&channel, keyed("x", "k"));
    let ended = subject.end(&channel);
    subject.same("the position of the end", &ended, &last);
    let Some(Event::Appended { .. }) = subject.told() else { panic!("the record is not told") };
    subject.told_end(&channel);
    let refused = subject.append(&channel, text("y"));
    subject.same("a publication behind the end", &refused, &Err(Error::Ended));
    let ephemeral = Publication { ephemeral: true, ..text("y") };
    let refused = subject.append(&channel, ephemeral);
    subject.same("an ephemeral one behind the end", &refused, &Err(Error::Ended));
    let repeated = subject.append(&channel, keyed("x", "k"));
    let answer = repeated.map(|it| (it.position, it.duplicate));
    subject.same("a repeated one behind the end", &answer, &Ok((Some(last), true)));
    let again = subject.end(&channel);
    subject.same("the position of a second end", &again, &last);
    let read = subject.read_seqs(&channel, From::Edge, Order::Forwards, 10);
    subject.same("what can be read", &read, &(vec![1], false));
    subject.detach(&channel);
    let info = subject.attach(&channel);
    subject.holds("it has ended when it is attached", info.ended);
}

fn empty_end<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    let ended = subject.end(&channel);
    subject.same("the last record", &ended.seq, &0);
    let refused = subject.append(&channel, text("y"));
    subject.same("a publication", &refused, &Err(Error::Ended));
    let info = subject.info(&channel);
    subject.holds("it is there, and has ended", info.is_some_and(|info| info.ended));
}

fn deletions<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    subject.delete(&channel);
    subject.attach(&channel);
    let first = subject.publish(&channel, keyed("x", "k"));
    subject.publish(&channel, numbered("p", 1, 1));
    let told = subject.told_records();
    subject.same("what is told", &told, &vec![1, 2]);
    subject.delete(&channel);
    let begun = subject.told_reset(&channel);
    subject.holds("its epoch is another", begun.epoch != first.epoch);
    subject.same("its position", &begun.seq, &0);
    let read = subject.read_seqs(&channel, From::Edge, Order::Forwards, 10);
    subject.same("what can be read", &read, &(vec![], false));
    let anew = subject.publish(&channel, keyed("x", "k"));
    subject.same("the epoch of a record", &anew.epoch, &begun.epoch);
    subject.same("its place: key and number are new", &anew.seq, &1);
    let gap = subject.append(&channel, numbered("p", 1, 2));
    subject.same("the old producer", &gap, &Err(Error::ProducerGap { expected: 1 }));
    let told = subject.told_records();
    subject.same("what is told then", &told, &vec![1]);
}

fn revival<B: Broker>(subject: &mut Subject<B>) {
    let channel = channel("a");
    subject.attach(&channel);
    subject.publish(&channel, text("x"));
    subject.end(&channel);
    subject.told_records_and_end(&channel, 1);
    subject.delete(&channel);
    subject.told_reset(&channel);
    let anew = subject.publish(&channel, text("x"));
    subject.same("the place of the first record", &anew.seq, &1);
    subject.told_records();
    subject.end(&channel);
    subject.told_end(&channel);
}

fn end_before<B: Broker>(subject: &mut Subject<B>) {
    for at in 0..4 {
        let channel = channel(&format!("a:{at}"));
        subject.publish(&channel, text("x"));
        let requests = [
            Request::End { channel: channel.clone() },
            Request::Delete { channel: channel.clone() },
            append(&channel, text("x"), KEEP, 0),
        ];
        let mut tokens = Vec::new();
        for (number, request) in requests.into_iter().enumerate() {
            if number == at {
                tokens.push(subject.submit(Request::Attach { channel: channel.clone() }));
            }
            tokens.push(subject.submit(request));
        }
        if at == 3 {
            tokens.push(subject.submit(Request::Attach { channel: channel.clone() }));
        }
        for token in tokens {
            let done = subject.wait(token).is_ok();
            subject.holds("it is done", done);
        }
        // The subject itself checks the epochs of what is told.
        let mut has_ended = false;
        while let Some(event) = subject.told() {
            match event {
                Event::Ended { .. } => has_ended = true,
                Event::Reset { .. } => has_ended = false,
                _ => subject.holds("nothing follows the end but a reset", !has_ended),
            }
        }
        subject.holds("the present life has not ended", !has_ended);
        subject.publish(&channel, text("x"));
        let told = subject.told_records();
        subject.same("the next record that is told", &told, &vec![2]);
    }
}

fn around<B: Broker>(subject: &mut Subject<B>) {
    for at in 0..6 {
        let channel = channel(&format!("a:{at}"));
        subject.publish(&channel, text("x"));
        let mut tokens = Vec::new();
        for number in 0..6 {
            if number == at {
                tokens.push(subject.submit(Request::Attach { channel: channel.clone() }));
            }
            if number == 3 {
                tokens.push(subject.submit(Request::Delete { channel: channel.clone() }));
            }
            tokens.push(subject.submit_append(&channel, text("x")));
            tokens.push(subject.submit(Request::Read {
                channel: channel.clone(),
                from: From::Edge,
                order: Order::Forwards,
                records: 10,
                bytes: usize::MAX,
            }));
        }
        for token in tokens {
            let done = subject.wait(token).is_ok();
            subject.holds("it is done", done);
        }
        // The subject itself checks the epochs of what is told. In the end everything was told of the life there is.
        let mut last = None;
        while let Some(event) = subject.told() {
            match event {
                Event::Appended { record, .. } => {
                    let before = last.replace(record.seq).unwrap_or(record.seq - 1);
                    subject.same("a record that is told", &record.seq, &(before + 1));
                }
                Event::Reset { position, .. } => last = Some(position.seq),
                other => panic!("told {other:?}"),
            }
        }
        let position = subject.info(&channel).map(|info| info.position.seq);
        subject.same("the last record", &position, &Some(3));
        subject.holds("the last record is told", last.is_none_or(|last| last == 3));
        subject.publish(&channel, text("x"));
        let told = subject.told_records();
        subject.same("the next record that is told", &told, &vec![4]);
    }
}
