//! `longwire bench`: what it measures, what it refuses to measure, and what it shows.

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    sync::{Arc, LazyLock, Mutex, mpsc},
    thread,
};

use longwire::{Sender, Server, WebSocket};
use rustix::process::Signal;
use serde_json::Value;
use tokio::sync::Barrier;

use crate::{
    process::{DEADLINE, Ended, echo, run, start},
    scripted,
};

/// Options that keep a run short.
const SHORT: [&str; 4] = ["--duration", "0.3", "--warm-up", "0.05"];

/// The figures of a run with these options.
fn measure(url: &str, options: &[&str]) -> Value {
    let mut arguments = vec!["bench", "--json", url];
    arguments.extend(options);
    let ended = run(&arguments, "");
    ended.assert_quiet_success();
    serde_json::from_str(ended.text()).expect("one JSON object")
}

/// A run that is to fail with exit code 1 and one line on stderr, which has this in it.
#[track_caller]
fn fails(url: &str, options: &[&str], expected: &str) {
    let mut arguments = vec!["bench", "-c", "1", "--in-flight", "1", "--size", "20", url];
    arguments.extend(options);
    failed(&run(&arguments, ""), expected);
}

#[track_caller]
fn failed(ended: &Ended, expected: &str) {
    assert_eq!((ended.code, ended.text()), (Some(1), ""), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.starts_with("longwire: "), "{}", ended.stderr);
    assert!(ended.stderr.contains(expected), "{expected:?} in {}", ended.stderr);
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is a number"))
}

/// A server's frame of less than 126 bytes.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short frame");
    [&[first, length], payload].concat()
}

/// Sends back what comes, changed by `change`, until the client closes.
fn echo_frames(stream: &mut TcpStream, mut change: impl FnMut(usize, &mut Vec<u8>)) {
    for number in 0.. {
        let (first, mut payload) = scripted::read_frame(stream);
        if first != 0x88 {
            change(number, &mut payload);
        }
        // The client may have seen enough.
        if stream.write_all(&frame(first, &payload)).is_err() || first == 0x88 {
            return;
        }
    }
}

#[test]
fn a_closed_loop_has_every_promised_figure() {
    let echo = echo(&["--threads", "1"]);
    let report = measure(&echo.url, &[&SHORT[..], &["-c", "8", "--in-flight", "4"]].concat());
    for (name, expected) in [
        ("workload", Value::from("echo")),
        ("url", format!("{}/", echo.url).into()),
        ("connections", 8.into()),
        ("in_flight", 4.into()),
        ("rate", Value::Null),
        ("size", 512.into()),
        ("content", "random".into()),
        ("deflate", Value::Null),
        ("send_late_us", Value::Null),
        ("bytes_from_server_per_message", 516.0.into()),
        ("server", Value::Null),
        ("memory", Value::Null),
        ("stopped", false.into()),
    ] {
        assert_eq!(report[name], expected, "{name}");
    }
    let messages = number(&report["messages"]);
    assert!(messages > 0.0);
    assert_eq!(report["latency_us"]["count"], report["messages"]);
    assert_eq!(report["opening_us"]["count"], 8);
    let seconds = number(&report["seconds"]);
    assert!((0.1..3.0).contains(&seconds), "{report}");
    assert!((number(&report["messages_per_second"]) * seconds / messages - 1.0).abs() < 1e-6);
    let names = ["min", "p50", "p90", "p99", "p99_9", "p99_99", "max"];
    let latencies = names.map(|name| number(&report["latency_us"][name]));
    assert!(latencies.is_sorted() && latencies[0] > 0.0, "{report}");
    assert!(number(&report["payload_bytes_per_second"]) > 0.0);
}

#[test]
#[cfg(target_os = "linux")]
fn the_servers_process_is_measured_where_it_is_named() {
    let echo = echo(&["--threads", "1"]);
    let pid = echo.process.id().to_string();
    // So long that a reading which another process interrupts is still close enough to the edges.
    let report = measure(&echo.url, &["-d", "2", "--pid", &pid, "--cpu", "0"]);
    for (name, least) in [
        ("cpu_us_per_message", 0.01),
        ("busy", 0.001),
        ("waited", 0.0),
        ("rss_before", 1e5),
        ("rss_after", 1e5),
        ("rss_settled", 1e5),
    ] {
        assert!(number(&report["server"][name]) >= least, "{name}: {report}");
    }
    assert!(number(&report["load"]["busy"]) > 0.0);
}

#[test]
fn messages_end_the_window_and_all_threads_count() {
    let echo = echo(&[]);
    let options =
        ["-n", "2000", "-c", "5", "--threads", "3", "--content", "json", "--size", "70000"];
    let report = measure(&echo.url, &[&options[..], &["--warm-up", "0"]].concat());
    let messages = number(&report["messages"]);
    assert!((2000.0..2100.0).contains(&messages), "{messages}");
    assert_eq!(report["latency_us"]["count"], report["messages"]);
    assert_eq!(report["opening_us"]["count"], 5);
}

#[test]
fn empty_messages_and_long_ones_come_back_too() {
    let echo = echo(&[]);
    for size in ["0", "1", "3000000"] {
        let report =
            measure(&echo.url, &["-n", "20", "-c", "2", "--in-flight", "3", "--size", size]);
        assert!(number(&report["messages"]) >= 20.0, "{report}");
    }
}

#[test]
fn an_open_loop_sends_what_is_due_and_times_all_of_it() {
    let echo = echo(&[]);
    for threads in ["1", "2"] {
        let options = ["-c", "6", "--rate", "1000", "--threads", threads];
        let report = measure(&echo.url, &[&SHORT[..], &options].concat());
        assert_eq!(report["in_flight"], Value::Null);
        assert_eq!(report["rate"], 1000.0);
        assert_eq!(report["latency_us"]["count"], 300, "{report}");
        assert_eq!(report["send_late_us"]["count"], 300, "{report}");
        assert!(number(&report["messages"]) <= 350.0);
    }
}

#[test]
fn latency_counts_from_when_a_message_was_due() {
    // 20 messages that are due 10 ms apart; the first 20 come back together, after the last of them.
    let server = scripted::websocket(|stream| {
        let frames: Vec<_> = (0..20).map(|_| scripted::read_frame(stream)).collect();
        for (first, payload) in frames {
            stream.write_all(&frame(first, &payload)).expect("the client reads");
        }
        echo_frames(stream, |_, _| {});
    });
    let options = ["-c", "1", "--size", "20", "--rate", "100", "-n", "30", "--warm-up", "0"];
    let report = measure(&server.url(), &options);
    server.join();
    assert_eq!(report["latency_us"]["count"], 30);
    assert!(number(&report["latency_us"]["max"]) >= 189_000.0, "{report}");
    assert!(number(&report["latency_us"]["p50"]) >= 39_000.0, "{report}");
}

#[test]
fn a_window_in_which_nothing_came_is_a_failure() {
    let echo = echo(&[]);
    let options = ["-c", "1", "--rate", "2", "--warm-up", "0.3", "--duration", "0.001"];
    let expected = "no message came in the measured window of 0.001 s; make it longer (--duration)";
    failed(&run(&[&["bench", &echo.url], &options[..]].concat(), ""), expected);
}

#[test]
fn pings_and_empty_fragments_are_no_answer() {
    for frame in [&b"\x89\x00"[..], b"\x00\x00"] {
        let server = scripted::websocket(move |stream| {
            scripted::read_frame(stream);
            stream.write_all(b"\x02\x00").expect("the client reads");
            while stream.write_all(frame).is_ok() {}
        });
        fails(&server.url(), &["--stall-timeout", "0.2"], "no answer for 0.2 s");
        server.join();
    }
}

#[test]
fn an_open_loop_that_is_not_kept_up_with_fails() {
    let server = scripted::websocket(scripted::read_to_end);
    let options =
        ["-c", "1", "--size", "20", "--rate", "100", "-d", "0.1", "--stall-timeout", "0.3"];
    failed(
        &run(&[&["bench", &server.url()], &options[..]].concat(), ""),
        "no answer for 0.3 s; expected message 0 (20 bytes), nothing came",
    );
    server.join();
}

#[test]
fn opening_handshakes_are_a_load_of_their_own() {
    let echo = echo(&[]);
    let options = ["--workload", "connect", "-c", "4", "--threads", "2"];
    assert_eq!(measure(&echo.url, &[&SHORT[..], &options].concat())["deflate"], Value::Null);
    let echo = crate::process::echo(&["--deflate", "takeover"]);
    let options = [&options[..], &["--deflate", "takeover"]].concat();
    let report = measure(&echo.url, &[&SHORT[..], &options].concat());
    assert!(number(&report["messages"]) > 4.0, "{report}");
    assert_eq!(report["opening_us"]["count"], report["messages"]);
    let agreed = Value::from("permessage-deflate");
    assert_eq!(
        (&report["deflate"]["agreed"], &report["deflate"]["compressed"]),
        (&agreed, &Value::Null)
    );
    for name in ["latency_us", "payload_bytes_per_second", "bytes_to_server_per_message"] {
        assert_eq!(report[name], Value::Null, "{name}");
    }
}

#[test]
fn a_greeting_does_not_disturb_handshakes_as_a_load() {
    let url = serve(|socket| async move {
        let (sender, mut receiver) = socket.split();
        let _ = sender.send(longwire::Message::text("welcome")).await;
        while let Ok(Some(_)) = receiver.recv().await {}
    });
    let report = measure(&url, &[&SHORT[..], &["--workload", "connect", "-c", "2"]].concat());
    assert!(number(&report["messages"]) > 0.0, "{report}");
}

#[test]
#[cfg(target_os = "linux")]
fn idle_connections_are_used_and_their_memory_is_told() {
    let echo = echo(&["--threads", "1"]);
    let pid = echo.process.id().to_string();
    let options = ["--workload", "idle", "-c", "200", "--messages", "3", "--warm", "5"];
    let report = measure(&echo.url, &[&options[..], &["--pid", &pid]].concat());
    assert_eq!(report["messages"], 600);
    assert_eq!(report["latency_us"]["count"], 600);
    assert_eq!(report["opening_us"]["count"], 200);
    let memory = &report["memory"];
    for name in ["rss_start", "rss_before", "rss_open", "rss_used"] {
        assert!(number(&memory[name]) > 1e5, "{name}: {report}");
    }
    let used = number(&memory["rss_used"]) - number(&memory["rss_before"]);
    assert!((number(&memory["per_used_connection"]) - used / 200.0).abs() < 1e-6, "{report}");
    assert!(number(&memory["per_used_connection"]) > 100.0, "{report}");
    assert!(number(&memory["cpu_us_per_opening"]) > 0.0);
    assert_eq!(report["server"]["rss_settled"], memory["rss_used"]);
}

#[test]
fn a_burst_of_idle_connections_is_on_so_many_at_once() {
    // Nothing goes back before four connections have sent.
    let url = serve(|socket| {
        static FOUR: LazyLock<Barrier> = LazyLock::new(|| Barrier::new(4));
        async move {
            let (sender, mut receiver) = socket.split();
            while let Ok(Some(message)) = receiver.recv().await {
                FOUR.wait().await;
                let _ = sender.send(message).await;
            }
        }
    });
    let options = ["--workload", "idle", "-c", "8", "--warm", "4", "--at-once", "4"];
    let report = measure(&url, &options);
    assert_eq!(report["messages"], 8);
}

#[test]
fn a_burst_of_several_messages_comes_back_whole() {
    let echo = echo(&[]);
    for threads in ["1", "2"] {
        let options = ["--workload", "idle", "-c", "20", "--messages", "5", "--at-once", "6"];
        let report = measure(
            &echo.url,
            &[&options[..], &["--in-flight", "3", "--threads", threads]].concat(),
        );
        assert_eq!((&report["messages"], &report["in_flight"]), (&100.into(), &3.into()));
    }
}

#[test]
fn compression_is_verified_and_counted() {
    for mode in ["no-takeover", "takeover"] {
        let echo = echo(&["--deflate", mode]);
        let options = ["--content", "json", "--size", "1024", "-c", "3", "--deflate", mode];
        let report = measure(&echo.url, &[&SHORT[..], &options].concat());
        let deflate = &report["deflate"];
        assert!(
            deflate["agreed"].as_str().is_some_and(|text| text.starts_with("permessage-deflate")),
            "{report}"
        );
        assert!((number(&deflate["compressed"]) - 1.0).abs() < 0.1, "{report}");
        for name in ["bytes_to_server_per_message", "bytes_from_server_per_message"] {
            assert!(number(&report[name]) < 900.0, "{name}: {report}");
        }
    }
}

#[test]
fn compression_that_is_not_used_is_a_failure() {
    let offer = ["--content", "json", "--deflate", "takeover"];
    let plain = echo(&[]);
    fails(&plain.url, &offer, "the server did not agree to permessage-deflate; switch it on there");
    let echo = echo(&["--deflate", "takeover"]);
    fails(&echo.url, &[&offer[..], &SHORT].concat(), "never compressed a message");
}

/// A server that sends every message to all connections, and its URL.
fn broadcast_server() -> String {
    let all: Arc<Mutex<Vec<Sender>>> = Arc::default();
    serve(move |socket: WebSocket| {
        let all = Arc::clone(&all);
        let (sender, mut receiver) = socket.split();
        all.lock().expect("nobody panics").push(sender);
        async move {
            while let Ok(Some(message)) = receiver.recv().await {
                let senders = all.lock().expect("nobody panics").clone();
                for sender in senders {
                    let _ = sender.send(message.clone()).await;
                }
            }
        }
    })
}

/// A server of these connections, and its URL. It lives as long as the tests.
fn serve<F>(serve: impl Fn(WebSocket) -> F + Clone + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let (tell, url) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let server = Server::bind("127.0.0.1:0").await.expect("a free port");
            let address = server.local_addr().expect("it is bound");
            tell.send(format!("ws://{address}")).expect("the test waits");
            server.serve(serve).await
        })
    });
    url.recv_timeout(DEADLINE).expect("the server starts")
}

#[test]
fn a_broadcast_comes_to_all_and_each_delivery_counts() {
    for (threads, pace) in
        [("1", &[][..]), ("2", &[]), ("1", &["--rate", "200"]), ("2", &["--rate", "200"])]
    {
        let url = broadcast_server();
        let options = ["--workload", "broadcast", "-c", "10", "--threads", threads];
        let report = measure(&url, &[&SHORT[..], &options, pace].concat());
        let (messages, timed) = (&report["messages"], &report["latency_us"]["count"]);
        assert!(number(messages) >= 10.0, "{report}");
        if pace.is_empty() {
            assert_eq!((messages, &report["in_flight"]), (timed, &1.into()));
        } else {
            assert_eq!(*timed, 600, "60 messages are due in the window: {report}");
        }
    }
}

#[test]
fn a_server_that_echoes_is_no_broadcaster() {
    let echo = echo(&[]);
    let options = ["--workload", "broadcast", "-c", "2", "--stall-timeout", "0.2"];
    failed(
        &run(&[&["bench", &echo.url], &options[..]].concat(), ""),
        "connection 1: no answer for 0.2 s; expected message 0 (512 bytes), nothing came; is it a \
         server that sends every message to all connections?",
    );
}

#[test]
fn a_wrong_byte_is_told_with_its_place() {
    let server = scripted::websocket(|stream| {
        echo_frames(stream, |number, payload| {
            if number == 7 {
                payload[13] ^= 0x20;
            }
        });
    });
    fails(&server.url(), &[], "connection 0: message 7 came back changed: byte 13 is 0x");
    let server = scripted::websocket(|stream| {
        echo_frames(stream, |_, payload| payload.truncate(19));
    });
    fails(&server.url(), &[], "it has 19 bytes and had 20; expected binary, 20 bytes: ");
}

#[test]
fn a_greeting_is_no_echo() {
    let server = scripted::websocket(|stream| {
        stream.write_all(&frame(0x81, b"welcome <\x07>")).expect("the client reads");
        scripted::read_to_end(stream);
    });
    let ended = run(&["bench", "-c", "1", &server.url()], "");
    assert_eq!(ended.code, Some(1));
    // Whether it comes before the first message or behind it.
    assert!(ended.stderr.contains("text, 11 bytes: welcome <\\u{7}>"), "{}", ended.stderr);
}

#[test]
fn a_server_that_goes_or_is_silent_is_told() {
    let server = scripted::websocket(|stream| {
        let frame = scripted::read_frame(stream);
        stream.write_all(b"\x88\x05\x03\xe9bye").expect("the client reads");
        frame
    });
    fails(&server.url(), &[], "connection 0: the server closed the connection: 1001");
    server.join();
    let server = scripted::websocket(|stream| drop(scripted::read_frame(stream)));
    fails(&server.url(), &[], "the connection was lost: the server ended it without a close");
    server.join();
    let server = scripted::websocket(scripted::read_to_end);
    fails(&server.url(), &["--stall-timeout", "0.2"], "no answer for 0.2 s");
    server.join();
    let server = scripted::websocket(|stream| {
        stream.write_all(b"\x83\x00").expect("the client reads");
        scripted::read_to_end(stream);
    });
    fails(&server.url(), &[], "the server broke the protocol");
}

#[test]
fn a_server_that_does_not_open_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    fails(&format!("ws://{address}"), &[], "Connection refused (os error 111); start the server");
    let server = scripted::answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    fails(
        &server.url(),
        &[],
        "refused the opening handshake with 404 Not Found; check the URL's path",
    );
    let server = scripted::serve(|mut stream| scripted::read_to_end(&mut stream));
    fails(
        &server.url(),
        &["--timeout", "0.2"],
        "the opening handshake took longer than 0.2 s; --timeout",
    );
    server.join();
    fails("ws://no-such-host.invalid", &[], "no-such-host.invalid has no address");
}

#[test]
#[cfg(target_os = "linux")]
fn what_the_machine_lacks_is_told_with_the_cure() {
    let echo = echo(&[]);
    fails(&echo.url, &["--pid", "4194999"], "process 4194999 cannot be measured: no such process");
    fails(&echo.url, &["--cpu", "999"], "cannot run on core 999");
    let bench = crate::process::longwire(&["bench", "-c", "100", &echo.url]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -n 70 && exec \"$0\" \"$@\""]);
    shell.arg(bench.get_program()).args(bench.get_args());
    let ended = crate::process::Process::spawn(&mut shell).wait();
    failed(&ended, "164 open files are needed and the limit is 70; raise it by `ulimit -n 164`");
}

#[test]
fn options_that_contradict_one_another_are_told_with_the_cure() {
    let url = "ws://127.0.0.1:1/";
    let cases: [(&[&str], &str); 19] = [
        (&[], "<URL>"),
        (&["example.com"], "not a WebSocket URI"),
        (&["--rate", "0", url], "messages a second"),
        (&["--rate", "5", "--in-flight", "2", url], "cannot be used with"),
        (&["--connections", "0", url], "from 1 to"),
        (&["--threads", "2", "-c", "1", url], "--connections"),
        (&["--deflate", "takeover", url], "--content json"),
        (&["--messages", "0", url], "0"),
        (&["--messages", "5", "--duration", "1", url], "give one of them"),
        (&["--workload", "broadcast", "--in-flight", "2", url], "--rate"),
        (&["--workload", "connect", "--rate", "2", url], "--workload echo and broadcast"),
        (&["--workload", "connect", "--size", "2", url], "leave out --size"),
        (&["--workload", "idle", "--warm-up", "2", url], "--warm gives"),
        (&["--warm", "2", url], "--workload idle"),
        (&["--at-once", "2", url], "--workload idle"),
        (&["--size", "999999999", url], "64 MiB"),
        (&["--workload", "chat", url], "idle"),
        (&["--header", "X-One", url], "with a colon"),
        (&["--user", "a:b", "--bearer", "c", url], "cannot be used with"),
    ];
    for (arguments, expected) in cases {
        let ended = run(&[&["bench"], arguments].concat(), "");
        assert_eq!((ended.code, ended.text()), (Some(2), ""), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn the_request_has_what_was_asked_for() {
    let server = scripted::answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    let options = ["-H", "X-One: 1", "--origin", "https://app.example", "--bearer", "abc"];
    fails(&server.url(), &options, "403");
    let request = server.join().to_lowercase();
    for field in ["x-one: 1", "origin: https://app.example", "authorization: bearer abc"] {
        assert!(request.contains(&format!("\r\n{field}\r\n")), "{field}: {request}");
    }
}

#[test]
fn a_report_is_one_page_with_plots_and_without_secrets() {
    let echo = echo(&[]);
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let file = folder.path().join("report.html");
    let path = file.to_str().expect("UTF-8");
    let url = format!("ws://alice:s3cret@{}/?<script>alert(1)</script>'\"", echo.address());
    let options = ["--html", path, "-H", "X-Key: s3cret", "--duration", "0.6", "--warm-up", "0"];
    let ended = run(&[&["bench", &url], &options[..]].concat(), "");
    ended.assert_quiet_success();
    assert!(ended.text().contains("every byte verified"), "{}", ended.text());
    let page = std::fs::read_to_string(&file).expect("it was written");
    for part in
        ["<!doctype html>", "<h2>Latency by percentile</h2>", "<h2>Over time</h2>", "X-Key: ..."]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    // Wide and narrow: by percentile, throughput, latency.
    assert_eq!(page.matches("<svg ").count(), 6);
    for part in ["<script", "s3cret", "http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(part), "{part}: {page}");
    }
    // Before anything is measured: nobody listens there.
    let nobody = "ws://127.0.0.1:1/";
    let nowhere = run(&["bench", "--html", "/no/such/folder/x.html", nobody], "");
    failed(&nowhere, "the report /no/such/folder/x.html cannot be written");
}

#[test]
fn people_get_a_table() {
    let echo = echo(&[]);
    let ended = run(&[&["bench", "--in-flight", "2", &echo.url], &SHORT[..]].concat(), "");
    ended.assert_quiet_success();
    let text = ended.text();
    for part in [
        "workload       echo: 64 connections, random messages of 512 B, 2 in flight\n",
        " s, ",
        "/s, every byte verified\n",
        "    p99.99       max\n",
        "\nlatency   ",
        "\nopening   ",
    ] {
        assert!(text.contains(part), "{part:?}: {text}");
    }
}

#[test]
fn a_signal_ends_it_early_with_what_was_measured() {
    let (tell, told) = mpsc::channel();
    let server = scripted::websocket(move |stream| {
        echo_frames(stream, |number, _| {
            if number == 2000 {
                tell.send(()).expect("the test waits");
            }
        });
    });
    let options = ["-c", "1", "--size", "20", "-d", "600", "--warm-up", "0"];
    let bench = start(&[&["bench", &server.url()], &options[..]].concat());
    told.recv_timeout(DEADLINE).expect("it sends");
    bench.signal(Signal::INT);
    let ended = bench.wait();
    ended.assert_quiet_success();
    assert!(ended.text().contains("stopped early"), "{}", ended.text());
    server.join();
}
