//! The log in a process of its own: killed, opened twice, without room.

mod support;

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use longwire_log::{From, OpenError, Order, Page, Read, Request, Response};
use support::{Chance, client::Client, stream};

#[test]
fn what_was_acknowledged_before_sigkill_is_there_once_and_in_order() {
    let folder = tempfile::tempdir().expect("a folder for a moment");
    let mut chance = Chance(u64::from(std::process::id()));
    let mut kept: Vec<String> = Vec::new();
    for round in 0..8 {
        let mut writer = Writer::start(folder.path(), false);
        let acknowledged = chance.below(400);
        let mut sent = Vec::new();
        let mut seqs = Vec::new();
        while (seqs.len() as u64) < acknowledged || seqs.is_empty() {
            for _ in 0..=chance.below(20) {
                let line = format!("{round}:{}", sent.len());
                writer.send(&line);
                sent.push(line);
            }
            while seqs.len() + 10 < sent.len() {
                seqs.push(seq(&writer.answer()));
            }
        }
        writer.child.kill().expect("it can be killed");
        // What it had said and nobody had read counts too.
        while let Some(line) = writer.next() {
            seqs.push(seq(&line));
        }
        let expected_first = kept.len() as u64 + 1;
        assert!(seqs.iter().zip(expected_first..).all(|(&seq, expected)| seq == expected));
        let page = read(folder.path());
        let bodies: Vec<String> = page
            .records
            .iter()
            .map(|entry| String::from_utf8(entry.body.to_vec()).expect("lines are text"))
            .collect();
        assert!(page.records.iter().zip(1..).all(|(entry, seq)| entry.seq == seq));
        assert_eq!(bodies[..kept.len()], kept, "what was there is there");
        let new = &bodies[kept.len()..];
        assert!(new.len() >= seqs.len(), "all that was acknowledged is there");
        assert_eq!(*new, sent[..new.len()], "and in order, once");
        kept = bodies;
    }
    assert!(kept.len() > 8);
}

#[test]
fn a_second_process_is_kept_out_with_a_clear_error() {
    let folder = tempfile::tempdir().expect("a folder for a moment");
    let mut writer = Writer::start(folder.path(), false);
    writer.send("one");
    assert_eq!(seq(&writer.answer()), 1);
    let error = Client::open(folder.path()).err().expect("it is refused");
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    writer.child.kill().expect("it can be killed");
    writer.child.wait().expect("it has ended");
    assert_eq!(read(folder.path()).last, 1, "a killed process holds nothing");
}

#[cfg(target_os = "linux")]
#[test]
fn without_room_appends_fail_and_later_ones_succeed() {
    let folder = tempfile::tempdir().expect("a folder for a moment");
    let (mut writer, limited) = Writer::without_room(folder.path());
    let (error, acknowledged) = limited.split_last().expect("an answer came");
    assert!(error.contains("the disk is full"), "{error}");
    writer.send("refused");
    assert!(writer.answer().starts_with("error"), "it stays so");

    writer.limit_files(None);
    let refused = writer.until(|line| !line.starts_with("error"));
    let first = seq(refused.last().expect("an answer came"));
    assert_eq!(first, acknowledged.len() as u64 + 2, "nothing of what was refused is there");
    writer.send("after");
    assert_eq!(seq(&writer.answer()), first + 1);
    drop(writer);
    let page = read(folder.path());
    assert_eq!(page.records.len() as u64, first + 1);
    assert_eq!(page.corrupt, []);
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_refused_without_room_is_not_written_when_the_log_is_closed_with_room() {
    let folder = tempfile::tempdir().expect("a folder for a moment");
    let (writer, limited) = Writer::without_room(folder.path());
    writer.limit_files(None);
    drop(writer);
    assert_eq!(read(folder.path()).records.len(), limited.len(), "the refused one is not there");
}

#[cfg(target_os = "linux")]
#[test]
fn appends_need_no_file_descriptor_that_is_not_open_yet() {
    let folder = tempfile::tempdir().expect("a folder for a moment");
    let mut writer = Writer::start(folder.path(), false);
    writer.send("one");
    assert_eq!(seq(&writer.answer()), 1);
    writer.allow_no_more_open_files();
    writer.send("two");
    assert_eq!(seq(&writer.answer()), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn the_engines_threads_leave_the_core_to_whoever_somebody_waits_for() {
    use rustix::process::{Pid, getpriority_process};

    let folder = tempfile::tempdir().expect("a folder for a moment");
    let mut writer = Writer::start(folder.path(), false);
    writer.send("one");
    assert_eq!(seq(&writer.answer()), 1);
    let own = getpriority_process(None).expect("it may be asked");
    let threads = std::fs::read_dir(format!("/proc/{}/task", writer.child.id())).expect("it lives");
    let niceness: Vec<i32> = threads
        .map(|thread| {
            let thread = thread.expect("it is listed").file_name();
            let id = thread.to_str().and_then(|id| Pid::from_raw(id.parse().ok()?));
            getpriority_process(id).expect("it may be asked")
        })
        .collect();
    let count = |nice: i32| niceness.iter().filter(|it| **it == nice).count();
    assert!(count(own) > 1, "the writer's thread is as urgent as any: {niceness:?}");
    assert!(count((own + 10).min(19)) > 0, "the engine's are not: {niceness:?}");
}

/// The example `append`, whose standard input and output are at hand.
struct Writer {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    sent: u64,
}

impl Writer {
    /// Starts it; without the signal that a limit of a file's size sends, if that is wished.
    fn start(folder: &Path, ignores_limits: bool) -> Self {
        let program = example("append");
        let mut command = if ignores_limits {
            let mut command = Command::new("sh");
            command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let mut child = command
            .arg(folder)
            .arg("lines")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the example is built with the tests");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, input, output, sent: 0 }
    }

    /// One that has written until there was no room, and its answers behind the first.
    #[cfg(target_os = "linux")]
    fn without_room(folder: &Path) -> (Self, Vec<String>) {
        let mut writer = Self::start(folder, true);
        writer.send("one");
        assert_eq!(seq(&writer.answer()), 1);
        writer.limit_files(Some(20_000));
        let answers = writer.until(|line| line.starts_with("error"));
        (writer, answers)
    }

    fn send(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it is open");
        writeln!(input, "{line}").expect("it listens");
        self.sent += 1;
    }

    /// Bounds the length of files that it writes.
    #[cfg(target_os = "linux")]
    fn limit_files(&self, bytes: Option<u64>) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};

        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(pid, Resource::Fsize, limit).expect("a child's limits may be set");
    }

    #[cfg(target_os = "linux")]
    fn allow_no_more_open_files(&self) {
        use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let limit = Rlimit { current: Some(0), ..getrlimit(Resource::Nofile) };
        prlimit(pid, Resource::Nofile, limit).expect("a child's limits may be set");
    }

    fn answer(&mut self) -> String {
        self.next().expect("it answers")
    }

    fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it is text");
        line.ends_with('\n').then(|| line.trim_end().to_owned())
    }

    /// Sends lines, one by one, until an answer is as it should be; all answers.
    fn until(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut answers = Vec::new();
        loop {
            self.send(&"x".repeat(500));
            answers.push(self.answer());
            if wanted(&answers[answers.len() - 1]) {
                return answers;
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

fn seq(answer: &str) -> u64 {
    let (_, seq) = answer.split_once(':').unwrap_or_else(|| panic!("no place: {answer}"));
    seq.parse().unwrap_or_else(|_| panic!("no place: {answer}"))
}

fn read(folder: &Path) -> Page {
    let (mut client, report) = Client::open(folder).expect("it opens");
    assert_eq!(report.corrupt, []);
    let read = Read {
        stream: stream("lines"),
        from: From::Beginning,
        order: Order::Forwards,
        limit_records: 100_000,
        limit_bytes: 64 << 20,
    };
    match client.ask(Request::Read(read)) {
        Ok(Response::Page(page)) => page,
        other => panic!("{other:?}"),
    }
}

/// Where cargo puts examples: beside the folder of the tests.
fn example(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test is a file");
    let folder = test.ancestors().nth(2).expect("it is in a folder of a folder");
    folder.join("examples").join(name)
}
