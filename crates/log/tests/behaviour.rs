//! What a log promises, one thing at a time, over a simulated disk.

mod support;

use longwire_log::{
    Append, Appended, Dedup, From, LogError, Page, Position, Request, Response, Retention, Table,
};
use support::{
    append, keyed, produced,
    simulated::{Simulated, appended},
    stream,
};

#[test]
fn a_stream_that_is_not_there_has_the_epoch_of_its_first_record() {
    let mut log = Simulated::new();
    let before = log.info("a");
    assert_eq!((before.exists, before.first, before.last), (false, 1, 0));
    log.restart();
    assert_eq!(log.info("a"), before, "also after a restart");
    assert_ne!(log.info("b").epoch, before.epoch);
    assert_eq!(log.append(append("a", 5, "one")).epoch, before.epoch);
}

#[test]
fn a_deleted_stream_begins_a_new_epoch_also_after_its_end() {
    let mut log = Simulated::new();
    let mut epochs = Vec::new();
    for _ in 0..3 {
        let appended = log.append(keyed("a", 5, "one", "key"));
        assert_eq!((appended.seq, appended.duplicate), (1, false), "nothing of before is known");
        epochs.push(appended.epoch);
        log.ask(Request::End { stream: stream("a") }).expect("it ends");
        let told = log.ask(Request::Delete { stream: stream("a") });
        let info = log.info("a");
        assert_eq!(told, Ok(Response::Deleted { epoch: info.epoch }));
        assert_eq!((info.exists, info.last, info.ended), (false, 0, false));
        assert_eq!(log.page("a", From::Beginning).records, []);
        while log.machine.sweep(5) {}
    }
    epochs.push(log.info("a").epoch);
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), 4);
}

#[test]
fn many_small_streams_that_were_deleted_go_with_few_slices() {
    let mut log = Simulated::new();
    let mut slices = 0;
    for round in 0..3 {
        for number in 0..200 {
            let name = format!("{round}:{number}");
            log.append(keyed(&name, 1, "x", "key"));
            log.ask(Request::Delete { stream: stream(&name) }).expect("it is deleted");
        }
        // Those of the next round lie before and behind the one at which this stops.
        slices += 1;
        log.machine.sweep(1);
    }
    while log.machine.sweep(1) {
        slices += 1;
    }
    for table in [Table::Garbage, Table::Records, Table::Keys, Table::States] {
        assert_eq!(log.disk.keys(table), Vec::<Vec<u8>>::new(), "{table:?}");
    }
    assert!(slices < 20, "{slices}");
}

#[test]
fn deletion_leaves_nothing_on_the_disk_once_it_is_swept() {
    let mut log = Simulated::new();
    for number in 0..3_000 {
        log.append(keyed("a", number, "record", &format!("key {number}")));
    }
    log.append(produced("a", "one", 1, 1));
    log.append(append("b", 1, "other"));
    log.ask(Request::Delete { stream: stream("a") }).expect("it is deleted");
    let mut slices = 0;
    while log.machine.sweep(1) {
        slices += 1;
        let batch = log.append(append("b", 1, "meanwhile"));
        assert!(!batch.duplicate, "slices let others in");
    }
    assert!(slices > 5, "a slice is a part of it: {slices}");
    assert_eq!(log.disk.keys(Table::Records).len(), 1 + slices);
    for table in [Table::Keys, Table::Garbage] {
        assert_eq!(log.disk.keys(table), [] as [Vec<u8>; 0], "{table:?}");
    }
    assert_eq!(log.disk.keys(Table::Streams), [b"b".to_vec()]);
    assert_eq!(log.disk.keys(Table::States).len(), 1);
}

#[test]
fn what_a_full_disk_kept_on_it_is_deleted_later() {
    let mut log = Simulated::new();
    for number in 0..3_000 {
        log.append(append("a", number, "record"));
    }
    log.ask(Request::Delete { stream: stream("a") }).expect("it is deleted");
    assert!(log.machine.sweep(1));
    log.disk.set_full(true);
    assert!(!log.machine.sweep(1), "a sweep without room is over");
    log.disk.set_full(false);
    while log.machine.sweep(1) {}
    assert_eq!(log.disk.keys(Table::Records), [] as [Vec<u8>; 0]);
    assert_eq!(log.disk.keys(Table::Garbage), [] as [Vec<u8>; 0]);
}

#[test]
fn an_ended_stream_takes_nothing_but_repetitions() {
    let mut log = Simulated::new();
    let first = log.append(keyed("a", 5, "one", "key"));
    let ended = Ok(Response::Ended { epoch: first.epoch, seq: 1 });
    assert_eq!(log.ask(Request::End { stream: stream("a") }), ended);
    log.restart();
    assert_eq!(log.ask(Request::End { stream: stream("a") }), ended, "again");
    let refused = log.ask(Request::Append(append("a", 6, "two")));
    assert_eq!(refused, Err(LogError::Ended { epoch: first.epoch, seq: 1 }));
    let again = log.append(keyed("a", 6, "one", "key"));
    assert_eq!(again, Appended { duplicate: true, ..first });
    assert!(log.page("a", From::Beginning).ended);
}

#[test]
fn a_key_is_known_for_its_window_and_wherever_its_record_is() {
    let mut log = Simulated::new();
    let keep_one = Retention { count: 1, ..Retention::UNLIMITED };
    let first = log.append(Append { retention: keep_one, ..keyed("a", 1_000, "one", "key") });
    let both = [
        Request::Append(keyed("b", 1_000, "one", "key")),
        Request::Append(keyed("b", 1_000, "one", "key")),
    ];
    let answers = log.all(&both);
    let duplicates: Vec<bool> = answers.iter().map(|answer| appended(answer).duplicate).collect();
    assert_eq!(duplicates, [false, true], "within one commit as well");
    log.append(Append { retention: keep_one, ..append("a", 2_000, "two") });
    assert_eq!(log.info("a").first, 2, "its record is gone");
    log.restart();
    let again = log.append(keyed("a", 60_999, "one", "key"));
    assert_eq!(again, Appended { duplicate: true, ..first });
    let late = log.append(keyed("a", 61_000, "one", "key"));
    assert_eq!((late.duplicate, late.seq), (false, 3));
}

#[test]
fn keys_that_are_past_their_window_leave_the_disk() {
    let mut log = Simulated::new();
    for number in 0..500 {
        log.append(keyed("a", number, "x", &number.to_string()));
    }
    assert_eq!(log.disk.keys(Table::Keys).len(), 1_000);
    for number in 0..20 {
        log.append(append("a", 100_000 + number, "x"));
    }
    assert_eq!(log.disk.keys(Table::Keys).len(), 0);
    for number in 0..500 {
        log.append(keyed("b", number, "x", &number.to_string()));
    }
    while log.machine.sweep(200_000) {}
    while log.machine.sweep(200_000) {}
    assert!(log.disk.keys(Table::Keys).len() < 1_000, "also where nothing is appended");
}

#[test]
fn keys_beyond_the_limit_are_forgotten_the_oldest_first() {
    let mut log = Simulated::new();
    let number = Dedup::MAX_KEYS + 10;
    for from in (0..number).step_by(2_000) {
        let requests: Vec<Request> = (from..number.min(from + 2_000))
            .map(|number| Request::Append(keyed("a", 1, "", &number.to_string())))
            .collect();
        log.all(&requests);
    }
    assert_eq!(log.disk.keys(Table::Keys).len() as u64, 2 * Dedup::MAX_KEYS);
    let known =
        |log: &mut Simulated, key: u64| log.append(keyed("a", 1, "", &key.to_string())).duplicate;
    assert!(known(&mut log, 10) && known(&mut log, number - 1));
    assert!(!known(&mut log, 9));
}

#[test]
fn a_key_that_is_used_again_after_its_window_is_known_for_the_new_one() {
    let mut log = Simulated::new();
    log.append(keyed("a", 0, "one", "key"));
    let second = log.append(keyed("a", 60_000, "two", "key"));
    assert!(!second.duplicate);
    // By now the first use leaves the disk, and the second stays.
    log.append(append("a", 70_000, "other"));
    let again = log.append(keyed("a", 70_000, "two", "key"));
    assert_eq!(again, Appended { duplicate: true, ..second });
}

#[test]
fn a_producer_counts_without_gaps_and_fences_its_former_lives() {
    let mut log = Simulated::new();
    let first = log.append(produced("a", "one", 3, 1));
    let second = log.append(produced("a", "two", 3, 2));
    log.restart();
    assert_eq!(log.append(produced("a", "one", 3, 1)), Appended { duplicate: true, ..first });
    assert_eq!(log.append(produced("a", "two", 3, 2)), Appended { duplicate: true, ..second });
    let gap = log.ask(Request::Append(produced("a", "four", 3, 4)));
    assert_eq!(gap, Err(LogError::ProducerGap { expected: 3 }));
    let gap = log.ask(Request::Append(produced("a", "two", 4, 2)));
    assert_eq!(gap, Err(LogError::ProducerGap { expected: 1 }));
    log.append(produced("a", "one", 4, 1));
    let fenced = log.ask(Request::Append(produced("a", "three", 3, 3)));
    assert_eq!(fenced, Err(LogError::ProducerFenced { epoch: 4 }));
    let unknown = log.ask(Request::Append(produced("b", "two", 1, 2)));
    assert_eq!(unknown, Err(LogError::ProducerGap { expected: 1 }));
    assert!(!log.info("b").exists, "what is refused makes no stream");
}

#[test]
fn the_producer_that_was_silent_longest_is_forgotten_beyond_the_limit() {
    let mut log = Simulated::new();
    let by = |id: u64, seq| {
        let dedup = Dedup::Producer { id: id.to_string().into(), epoch: 1, seq };
        Request::Append(Append { dedup: Some(dedup), ..append("a", 1, "x") })
    };
    let requests: Vec<Request> = (0..Dedup::MAX_PRODUCERS).map(|id| by(id, 1)).collect();
    log.all(&requests);
    log.ask(by(0, 2)).expect("it goes on");
    log.ask(by(5_000, 1)).expect("one more");
    assert_eq!(log.ask(by(1, 2)), Err(LogError::ProducerGap { expected: 1 }), "forgotten");
    for id in [0, 2, 5_000] {
        let next = if id == 0 { 3 } else { 2 };
        assert!(log.ask(by(id, next)).is_ok(), "{id} is known");
    }
}

#[test]
fn retention_keeps_count_bytes_and_age_and_the_newest() {
    let mut log = Simulated::new();
    for number in 1..=20 {
        let retention = Retention { count: 5, ..Retention::UNLIMITED };
        log.append(Append { retention, ..append("count", number, "x") });
        let retention = Retention { bytes: 10, ..Retention::UNLIMITED };
        log.append(Append { retention, ..append("bytes", number, "xxx") });
        log.append(Append { retention, ..append("large", number, "x".repeat(99)) });
        let retention = Retention { age_ms: 4, ..Retention::UNLIMITED };
        log.append(Append { retention, ..append("age", number, "x") });
    }
    let kept = |log: &mut Simulated, name| {
        let page = log.page(name, From::Beginning);
        (page.first, page.records.len())
    };
    assert_eq!(kept(&mut log, "count"), (16, 5));
    assert_eq!(kept(&mut log, "bytes"), (18, 3));
    assert_eq!(kept(&mut log, "large"), (20, 1), "the newest stays");
    assert_eq!(kept(&mut log, "age"), (17, 4));
    assert_eq!(log.info("bytes").bytes, 9);
    while log.machine.sweep(30) {}
    assert_eq!(kept(&mut log, "age"), (21, 0), "also where nothing is appended");
    assert_eq!(kept(&mut log, "count"), (16, 5));
    let appended = log.append(append("age", 31, "x"));
    assert_eq!(appended.seq, 21, "numbers go on");
}

#[test]
fn a_stream_whose_retention_shrinks_loses_a_few_records_with_each_append() {
    let mut log = Simulated::new();
    for number in 0..400 {
        log.append(append("a", number, "x"));
    }
    let retention = Retention { count: 1, ..Retention::UNLIMITED };
    log.append(Append { retention, ..append("a", 400, "x") });
    let first = log.info("a").first;
    assert!((2..100).contains(&first), "one append has little to do: {first}");
    while log.machine.sweep(400) {}
    assert_eq!((log.info("a").first, log.info("a").last), (401, 401));
    assert_eq!(log.disk.keys(Table::Records).len(), 1);
}

#[test]
fn times_never_go_back_and_a_time_finds_its_records() {
    let mut log = Simulated::new();
    for time in [10, 30, 20, 30, 40] {
        log.append(append("a", time, "x"));
    }
    let times = |page: Page| page.records.iter().map(|entry| entry.time_ms).collect::<Vec<_>>();
    assert_eq!(times(log.page("a", From::Beginning)), [10, 30, 30, 30, 40]);
    let seqs = |page: Page| page.records.iter().map(|entry| entry.seq).collect::<Vec<_>>();
    for (time, expected) in
        [(0, vec![1, 2, 3, 4, 5]), (11, vec![2, 3, 4, 5]), (31, vec![5]), (41, vec![])]
    {
        assert_eq!(seqs(log.page("a", From::Time(time))), expected, "{time}");
    }
}

#[test]
fn a_place_that_is_gone_of_another_epoch_or_to_come_is_told_as_truncated() {
    let mut log = Simulated::new();
    let retention = Retention { count: 3, ..Retention::UNLIMITED };
    let epoch = (0..10)
        .map(|_| log.append(Append { retention, ..append("a", 1, "x") }).epoch)
        .last()
        .expect("some were appended");
    let after = |epoch, seq| From::After(Position { epoch, seq });
    for (from, truncated, number) in [
        (after(epoch, 7), false, 3),
        (after(epoch, 6), true, 3),
        (after(epoch, 10), false, 0),
        (after(epoch, 11), true, 0),
        (after(epoch ^ 1, 9), true, 3),
        (From::Beginning, false, 3),
    ] {
        let page = log.page("a", from);
        assert_eq!((page.truncated, page.records.len()), (truncated, number), "{from:?}");
    }
}

#[test]
fn what_is_wrong_with_a_request_is_told_with_the_cure() {
    let mut log = Simulated::new();
    let too_long = Dedup::Key { key: vec![b'x'; Dedup::MAX_ID + 1].into(), window_ms: 1 };
    let none = Retention { count: 0, ..Retention::UNLIMITED };
    for (append, words) in [
        (Append { retention: none, ..append("a", 1, "x") }, "retention to 1 at least"),
        (keyed("a", 1, "x", ""), "give it 1 to 256"),
        (Append { dedup: Some(too_long), ..append("a", 1, "x") }, "give it 1 to 256"),
        (produced("a", "x", 1, 0), "count from 1"),
        (append("a", 1, vec![0; Append::MAX_BODY + 1]), "split it"),
    ] {
        let error = log.ask(Request::Append(append)).expect_err("it is wrong");
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(!log.info("a").exists);
}

#[test]
fn without_room_repetitions_and_reads_are_answered_and_all_else_is_refused() {
    let mut log = Simulated::new();
    let first = log.append(keyed("a", 1, "one", "key"));
    log.disk.set_full(true);
    let answers = log.all(&[
        Request::Append(append("a", 1, "two")),
        Request::Append(keyed("a", 1, "one", "key")),
        Request::End { stream: stream("a") },
        Request::Delete { stream: stream("a") },
    ]);
    assert_eq!(answers[0], Err(LogError::Full));
    assert_eq!(*appended(&answers[1]), Appended { duplicate: true, ..first });
    assert_eq!(answers[2..], [Err(LogError::Full), Err(LogError::Full)]);
    let answers =
        log.all(&[Request::End { stream: stream("a") }, Request::Append(append("a", 1, "two"))]);
    assert_eq!(answers, [Err(LogError::Full), Err(LogError::Full)], "the end is not there");
    log.disk.set_full(false);
    log.append(produced("a", "one", 1, 1));
    log.disk.set_full(true);
    let next = Request::Append(produced("a", "two", 1, 2));
    let answers = log.all(&[Request::Delete { stream: stream("a") }, next]);
    assert_eq!(answers, [Err(LogError::Full), Err(LogError::Full)], "the producer is known");
    let twice = Request::Append(keyed("a", 1, "two", "another"));
    let answers = log.all(&[twice.clone(), twice]);
    assert_eq!(answers, [Err(LogError::Full), Err(LogError::Full)], "the second is no repetition");
    assert_eq!(log.page("a", From::Beginning).records.len(), 2);
    log.disk.set_full(false);
    assert_eq!(log.append(append("a", 1, "two")).seq, 3);
}

#[test]
fn one_machine_knows_a_bounded_number_of_streams() {
    let mut log = Simulated::new();
    for round in 1..=2 {
        for from in (0..40_000).step_by(4_000) {
            let requests: Vec<Request> = (from..from + 4_000)
                .map(|number| Request::Append(append(&format!("stream:{number}"), 1, "x")))
                .collect();
            for answer in log.all(&requests) {
                assert_eq!(appended(&answer).seq, round);
            }
        }
    }
    let shown = format!("{:?}", log.machine);
    let known = shown.split_once("streams: ").and_then(|(_, rest)| rest.split([',', ' ']).next());
    let known: usize = known.and_then(|number| number.parse().ok()).expect("it is shown");
    assert!(known < 25_000, "{shown}");
}
