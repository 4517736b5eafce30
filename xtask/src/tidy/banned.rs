//! Calls and words that must not stand in the code: clocks in sans-IO code, sleeps in tests,
//! `unsafe`, notes for later.

use super::tree::{Tree, ending, has_word};

/// Code without I/O: the caller hands in the time, the randomness and the bytes. Its tests are
/// callers, and need an `Instant` to start from.
const SANS_IO: &[&str] =
    &["crates/channel/src/", "crates/client/src/machine/", "crates/hub/src/", "crates/proto/src/"];
/// Callers beside it.
const CALLERS: &[(&str, &str)] =
    &[("crates/hub/src/conformance/", "a suite for brokers, which waits for the log's threads")];
const DRIVER_CALLS: &[(&str, &str)] = &[
    ("Instant::now", "the caller hands in the time"),
    ("SystemTime::now", "the caller hands in the time"),
    ("elapsed()", "it reads the clock; the caller hands in the time"),
    ("thread", "the caller waits, and has the threads"),
    ("std::net", "there are no sockets here; for an address use core::net"),
    ("TcpListener", "there are no sockets here"),
    ("TcpStream", "there are no sockets here"),
    ("UdpSocket", "there are no sockets here"),
    ("fs", "there are no files here"),
    ("rand", "the caller hands in the random bytes"),
    ("getrandom", "the caller hands in the random bytes"),
    ("RandomState", "the caller hands in the random bytes"),
    ("tokio", "there is no runtime here"),
];

/// Where `unsafe` may stand, and why.
const UNSAFE: &[(&str, &str)] = &[
    ("crates/proto/src/frame/mask/kernel.rs", "a function for AVX2, called where there is AVX2"),
    ("crates/proto/src/text.rs", "a text's bytes are known to be UTF-8"),
    ("crates/hub/tests/memory.rs", "an allocator that counts"),
    ("crates/proto/tests/allocation.rs", "an allocator that counts"),
];

const NOTES: &[&str] = &["TODO", "FIXME", "XXX", "todo!", "unimplemented!"];
const CODE: &[&str] = &["rs", "toml", "py", "js", "mjs", "ts", "go", "java", "sh", "html", "md"];

/// This file and its neighbours name what they look for.
const SELF: &str = "xtask/src/tidy/";

pub(super) fn check(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts(&[SELF]) {
        if !CODE.contains(&ending(path)) {
            continue;
        }
        let is_rust = ending(path) == "rs";
        let is_sans_io = is_rust
            && SANS_IO.iter().any(|folder| path.starts_with(folder))
            && !CALLERS.iter().any(|(folder, _)| path.starts_with(folder));
        // Under a paused clock a sleep takes no time.
        let has_clock = !text.contains("start_paused") && !text.contains("time::pause()");
        let mut in_tests = is_rust && is_test_file(path);
        for (number, line) in (1..).zip(text.lines()) {
            let mut finding = |what: String| findings.push(format!("{path}:{number}: {what}"));
            if let Some(note) = NOTES.iter().find(|note| has_word(line, note)) {
                finding(format!("`{note}`: do it, or write an issue"));
            }
            if !is_rust || line.trim_start().starts_with("//") {
                continue;
            }
            in_tests |= line.trim() == "#[cfg(test)]";
            if is_sans_io
                && !in_tests
                && let Some((call, why)) =
                    DRIVER_CALLS.iter().find(|(call, _)| has_word(line, call))
            {
                finding(format!("`{call}` in code without I/O: {why}"));
            }
            if has_word(line, "unsafe") && !UNSAFE.iter().any(|(place, _)| *place == path) {
                finding(
                    "`unsafe`: find a safe way, or argue for a line in the list of exceptions"
                        .into(),
                );
            }
            if in_tests && has_clock && has_word(line, "sleep(") {
                finding("a test sleeps: wait for what it waits for, or pause the clock".into());
            }
        }
    }
    findings
}

fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&Tree::of(&[(path, text)]))
    }

    #[test]
    fn unsafe_stands_where_it_is_listed_and_nowhere_else() {
        assert_eq!(findings("crates/proto/src/utf8.rs", "unsafe { x }").len(), 1);
        assert_eq!(findings("crates/proto/src/text.rs", "unsafe { x }"), Vec::<String>::new());
    }

    #[test]
    fn code_without_io_reads_no_clock_and_opens_no_socket() {
        for line in [
            "let now = Instant::now();",
            "std::time::SystemTime::now()",
            "let took = start.elapsed();",
            "std::thread::sleep(x);",
            "use std::{mem, thread};",
            "use std::net::TcpStream;",
            "use std::{io, net::UdpSocket};",
            "fs::read(path)",
            "use rand::Rng;",
            "RandomState::new().hash_one(0)",
            "tokio::spawn(x);",
        ] {
            let found = findings("crates/proto/src/a.rs", &format!("//! A.\n{line}\n"));
            assert_eq!(found.len(), 1, "{line}: {found:?}");
            assert!(found[0].starts_with("crates/proto/src/a.rs:2: "), "{found:?}");
            assert_eq!(findings("crates/longwire/src/a.rs", line), [""; 0]);
        }
        let in_tests = "#[cfg(test)]\nmod tests {\nlet start = Instant::now();\n}\n";
        assert_eq!(findings("crates/proto/src/a.rs", in_tests), [""; 0]);
        let innocent = "//! Not tokio.\nfn at(now: Instant, operand: u8) {}\nuse core::net::IpAddr;\n\
             thread_local! {}\n";
        assert_eq!(findings("crates/proto/src/a.rs", innocent), [""; 0]);
    }

    #[test]
    fn what_has_no_io_is_told_from_what_drives_it() {
        let clock = "let now = Instant::now();";
        for path in [
            "crates/channel/src/codec/json.rs",
            "crates/client/src/machine/link.rs",
            "crates/hub/src/hub/mod.rs",
            "crates/hub/src/simulation/clock.rs",
        ] {
            assert_eq!(findings(path, clock).len(), 1, "{path}");
        }
        for path in [
            "crates/client/src/driver.rs",
            "crates/hub/src/conformance/subject.rs",
            "crates/hub/tests/conformance.rs",
            "crates/log/src/lib.rs",
        ] {
            assert_eq!(findings(path, clock), [""; 0], "{path}");
        }
    }

    #[test]
    fn a_test_does_not_sleep() {
        let sleep = "thread::sleep(SECOND);\n";
        assert_eq!(findings("tests/tests/a.rs", sleep).len(), 1);
        assert_eq!(findings("crates/longwire/tests/a.rs", "tokio::time::sleep(x).await").len(), 1);
        assert_eq!(findings("crates/longwire/src/a/tests.rs", sleep).len(), 1);
        let inline = format!("fn a() {{ {sleep} }}\n#[cfg(test)]\nmod tests {{\n{sleep}}}\n");
        assert_eq!(findings("crates/longwire/src/a.rs", &inline).len(), 1);

        assert_eq!(findings("crates/longwire/src/a.rs", sleep), [""; 0]);
        for pause in ["#[tokio::test(start_paused = true)]", "builder.start_paused(true);"] {
            let paused = format!("{pause}\nasync fn a() {{ sleep(x).await }}\n");
            assert_eq!(findings("tests/tests/a.rs", &paused), [""; 0]);
        }
    }

    #[test]
    fn a_note_for_later_is_found_in_any_language() {
        for note in NOTES {
            for path in ["crates/cli/src/a.rs", "tests/peers/node/a.js", "README.md", "Cargo.toml"]
            {
                assert_eq!(findings(path, note).len(), 1, "{note} in {path}");
            }
        }
        assert_eq!(findings("crates/cli/src/a.rs", "// TODOS AXXX"), [""; 0]);
    }
}
