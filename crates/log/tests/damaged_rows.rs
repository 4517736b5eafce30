//! Rows that cannot be read, over a simulated disk: what is told of them, and what goes on.

mod support;

use longwire_log::{Append, From, LogError, Order, Request, Retention, Table};
use support::{append, simulated::Simulated, stream};

#[test]
fn records_that_cannot_be_read_are_told_and_the_others_served() {
    let mut log = Simulated::new();
    for number in 1..=20 {
        log.append(append("a", number, format!("record {number}")));
    }
    let keys = log.disk.keys(Table::Records);
    log.disk.spoil_value(Table::Records, &keys[4]);
    log.disk.spoil_block(Table::Records, keys[9..13].to_vec());
    for order in [Order::Forwards, Order::Backwards] {
        let page = log.read("a", From::Beginning, order, 100);
        let mut seqs: Vec<u64> = page.records.iter().map(|entry| entry.seq).collect();
        seqs.sort_unstable();
        let expected: Vec<u64> =
            (1..=20).filter(|seq| *seq != 5 && !(10..=13).contains(seq)).collect();
        assert_eq!(seqs, expected, "{order:?}");
        assert_eq!(page.corrupt, [(5, 5), (10, 13)], "{order:?}");
        assert!(!page.more);
    }
    let page = log.read("a", From::Time(11), Order::Forwards, 100);
    assert_eq!(page.records.iter().map(|entry| entry.seq).min(), Some(14));
    assert_eq!(log.machine.stats().corrupt, 5);
    let appended = log.append(append("a", 21, "more"));
    assert_eq!(appended.seq, 21, "the stream goes on");
    let retention = Retention { count: 2, ..Retention::UNLIMITED };
    for _ in 0..5 {
        log.append(Append { retention, ..append("a", 22, "x") });
    }
    assert_eq!(log.page("a", From::Beginning).corrupt, [], "the damage is gone with its records");
}

#[test]
fn a_stream_whose_rows_are_damaged_is_found_and_rebuilt() {
    let mut log = Simulated::new();
    for number in 1..=9 {
        log.append(append("a", number, "12345"));
    }
    log.append(append("b", 1, "x"));
    let before = log.info("a");
    log.disk.spoil_block(Table::Streams, [b"a".to_vec()]);
    assert_eq!(log.info("a"), before, "its state has its name");
    let state = before.epoch.to_be_bytes().to_vec();
    let mut log = Simulated::new();
    for number in 1..=9 {
        log.append(append("a", number, "12345"));
    }
    log.disk.spoil_value(Table::States, &state);
    assert_eq!(log.info("a"), before, "its records tell its state");
    log.restart();
    assert_eq!(log.append(append("a", 10, "x")).seq, 10);
    log.disk.spoil_block(Table::Streams, [b"a".to_vec()]);
    log.disk.spoil_value(Table::States, &state);
    let error = log.ask(Request::Info { stream: stream("a") }).expect_err("both are damaged");
    assert!(matches!(error, LogError::Corrupt(_)), "{error:?}");
    assert!(error.to_string().contains("streams of stream \"a\""), "{error}");
    log.restart();
    log.ask(Request::Delete { stream: stream("a") }).expect("that is the cure");
    assert_eq!(log.append(append("a", 1, "x")).seq, 1);
}

#[test]
fn the_bytes_of_a_stream_are_those_of_its_records_once_retention_has_met_damage() {
    for spoilt in [vec![0], vec![1, 2], vec![0, 5], (0..6).collect()] {
        for in_blocks in [false, true] {
            let mut log = Simulated::new();
            for number in 1..=10 {
                log.append(append("a", number, vec![b'x'; 100]));
            }
            let keys = log.disk.keys(Table::Records);
            if in_blocks {
                log.disk.spoil_block(Table::Records, spoilt.iter().map(|at| keys[*at].clone()));
            } else {
                for at in &spoilt {
                    log.disk.spoil_value(Table::Records, &keys[*at]);
                }
            }
            // The lengths that it knew are forgotten.
            log.restart();
            let retention = Retention { bytes: 300, ..Retention::UNLIMITED };
            let append = Append { retention, ..append("a", 11, vec![b'y'; 100]) };
            log.append(append.clone());
            log.append(append);
            let info = log.info("a");
            let page = log.page("a", From::Beginning);
            let bytes: usize = page.records.iter().map(|entry| entry.body.len()).sum();
            assert_eq!(page.corrupt, [], "{spoilt:?}");
            assert_eq!((info.bytes, bytes), (300, 300), "{spoilt:?}");
            assert_eq!((info.first, info.last), (10, 12), "{spoilt:?}");
        }
    }
}

#[test]
fn a_stream_is_rebuilt_with_all_records_that_can_be_read_from_an_end() {
    let row = |log: &mut Simulated| log.info("a").epoch.to_be_bytes().to_vec();
    for (spoilt, first, last) in [(0..3, 4, 9), (3..5, 1, 9), (6..9, 1, 6)] {
        let mut log = Simulated::new();
        for number in 1..=9 {
            log.append(append("a", number, "12345"));
        }
        let keys = log.disk.keys(Table::Records);
        let state = row(&mut log);
        log.disk.spoil_value(Table::States, &state);
        log.disk.spoil_block(Table::Records, keys[spoilt.clone()].to_vec());
        let info = log.info("a");
        assert_eq!((info.first, info.last), (first, last), "{spoilt:?}");
        let page = log.page("a", From::Beginning);
        assert_eq!(info.bytes, 5 * page.records.len() as u64, "{spoilt:?}");
    }
}

#[test]
fn a_stream_of_which_nothing_is_left_begins_a_new_epoch() {
    let mut log = Simulated::new();
    let retention = Retention { age_ms: 10, ..Retention::UNLIMITED };
    let epoch = log.append(Append { retention, ..append("a", 1, "x") }).epoch;
    while log.machine.sweep(100) {}
    assert_eq!((log.info("a").first, log.info("a").last), (2, 1));
    log.disk.spoil_value(Table::States, &epoch.to_be_bytes());
    log.restart();
    let told = log.info("a");
    let appended = log.append(append("a", 200, "y"));
    assert_ne!(appended.epoch, epoch, "no place means two records");
    assert_eq!((appended.epoch, appended.seq), (told.epoch, 1));
    log.disk.spoil_value(Table::States, &appended.epoch.to_be_bytes());
    for key in log.disk.keys(Table::Records) {
        log.lose(Table::Records, key);
    }
    log.restart();
    log.ask(Request::Delete { stream: stream("a") }).expect("it is deleted");
    assert_eq!(log.disk.keys(Table::Streams), Vec::<Vec<u8>>::new(), "its name goes, too");
}

#[test]
fn a_stream_whose_state_is_missing_with_all_its_records_begins_a_new_epoch() {
    let mut log = Simulated::new();
    let epoch = log.append(append("a", 1, "x")).epoch;
    log.lose(Table::States, epoch.to_be_bytes().to_vec());
    for key in log.disk.keys(Table::Records) {
        log.lose(Table::Records, key);
    }
    log.restart();
    let told = log.info("a");
    let appended = log.append(append("a", 2, "y"));
    assert_ne!(appended.epoch, epoch, "no place means two records");
    assert_eq!((appended.epoch, appended.seq), (told.epoch, 1));
}
