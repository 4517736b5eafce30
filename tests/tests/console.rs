//! The development console in Chromium: what it shows while it is being ill-treated.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use longwire_tests::binaries;
use longwire_tests::console::Console;
use longwire_tests::processes::Process;
use longwire_toolbox::command::run;
use serde_json::{Value, json};

/// How long a line to copy may take until it prints what is there.
const LIMIT: Duration = Duration::from_secs(30);

/// What the page's own counters must say in the end: every message once, in order, at both subscribers.
fn assert_whole(seen: &Value) {
    let sent = &seen["sent"];
    assert!(sent.as_u64().is_some_and(|sent| sent > 0), "nothing was sent: {seen:#}");
    assert_eq!(&seen["acknowledged"], sent, "{seen:#}");
    for name in ["a", "b"] {
        let card = &seen[name];
        assert_eq!((&card["received"], &card["seq"]), (sent, sent), "{name}: {seen:#}");
        assert_eq!((&card["lost"], &card["doubled"]), (&json!(0), &json!(0)), "{name}: {seen:#}");
        assert_eq!(card["behind"], 0, "{name}: {seen:#}");
    }
    assert_eq!((&seen["lost"], &seen["doubled"]), (&json!(0), &json!(0)), "{seen:#}");
    assert!(seen["verdict"].as_str().is_some_and(|text| text.ends_with(", in order")), "{seen:#}");
    assert!(!seen["notes"].to_string().contains("began anew"), "a new epoch: {seen:#}");
}

#[test]
fn nothing_is_lost_or_doubled_by_a_cut_a_slow_reader_and_a_kill() -> Result<()> {
    let seen = Console::start()?.run("proof", None)?;
    assert_whole(&seen);
    assert!(seen["a"]["reconnects"].as_u64() >= Some(2), "cut and killed: {seen:#}");
    assert!(seen["b"]["reconnects"].as_u64() >= Some(1), "killed: {seen:#}");
    assert!(seen["mostBehind"].as_u64() >= Some(50), "B was not slow: {seen:#}");
    assert_ne!(seen["killed"], seen["serving"], "the same process still serves: {seen:#}");
    assert_eq!(seen["stream"]["seq"], seen["sent"], "the stream has it all once: {seen:#}");
    Ok(())
}

/// `Go slow` is no play: the server feels it, keeps little for B, and lets it read the log.
#[test]
fn a_slow_reader_is_held_back_at_the_server_and_reads_the_log() -> Result<()> {
    let seen = Console::start()?.run("held-back", None)?;
    assert_whole(&seen);
    assert!(seen["congested"].as_u64() >= Some(1), "{seen:#}");
    assert!(seen["pages"].as_u64() >= Some(1), "nothing was read from the log: {seen:#}");
    assert!(seen["heldBack"].as_u64() < seen["mostBehind"].as_u64(), "A waited for B: {seen:#}");
    Ok(())
}

#[test]
fn the_proof_holds_over_a_slow_network_in_a_browser_that_cannot_read_slowly() -> Result<()> {
    let seen = Console::start()?.run("slow-network", None)?;
    assert_whole(&seen);
    Ok(())
}

#[test]
fn the_pages_counters_notice_holes_doubles_and_disorder() -> Result<()> {
    let seen = Console::start()?.run("counters", None)?;
    // Received, lost, doubled, out of order.
    assert_eq!(seen["whole"], json!([3, 0, 0, 0]));
    assert_eq!(seen["hole"], json!([3, 2, 0, 0]));
    assert_eq!(seen["twice"], json!([2, 0, 2, 0]));
    assert_eq!(seen["swapped"], json!([4, 0, 0, 1]));
    assert_eq!(seen["late"], json!([2, 1, 1, 1]));
    Ok(())
}

#[test]
fn two_browsers_chat_over_a_killed_server_and_markup_stays_text() -> Result<()> {
    let seen = Console::start()?.run("chat", None)?;
    assert_eq!(seen["latest"], json!(["old 11", "old 60"]), "the latest fifty");
    assert_eq!(seen["whileAway"], json!(["Are you still there?"]), "shown before it was sent");
    let markup = r#"<img src=x onerror="document.title=1"> & <b>bold</b>"#;
    let expected =
        json!([markup, "x".repeat(400), "Are you still there?", "Never left.", "In doubt."]);
    assert_eq!(seen["ada"], expected, "who wrote it");
    assert_eq!(seen["grace"], expected, "after a reload");
    assert_eq!(seen["authors"], json!(["Ada", "Grace", "Ada", "Grace", "Ada"]));
    assert_eq!((&seen["title"], &seen["images"]), (&json!("Chat · Longwire"), &json!(0)));
    Ok(())
}

#[test]
fn an_answer_survives_a_reload_and_a_killed_server_in_two_pages() -> Result<()> {
    let seen = Console::start()?.run("stream", None)?;
    let total = seen["total"].as_u64().unwrap_or_default();
    assert!(total > 200, "a short answer shows nothing: {seen:#}");
    assert!(seen["afterReload"].as_u64() < Some(total), "the reload came too late: {seen:#}");
    assert_eq!(seen["loads"], "2");
    let pages = seen["pages"].as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!(pages.len(), 2, "{seen:#}");
    for page in pages {
        assert_eq!(page["text"], seen["whole"]);
        assert_eq!(page["pieces"], format!("{total} of {total}"));
        assert_eq!((&page["lost"], &page["doubled"]), (&json!("0"), &json!("0")), "{page:#}");
        assert_eq!(page["reconnects"], "1", "{page:#}");
    }
    Ok(())
}

#[test]
fn nothing_sticks_out_at_any_width_and_the_keyboard_is_enough() -> Result<()> {
    let seen = Console::start()?.run("layout", None)?;
    assert_eq!(seen["outside"], json!([]), "wider than the window");
    assert_eq!(seen["nameless"], json!([]), "controls without a name");
    let order = [
        "Skip to the content",
        "Longwire",
        "Proof",
        "Chat",
        "Token stream",
        "Try it",
        "publish",
        "rate",
        "size",
    ];
    assert_eq!(seen["keyboard"]["focused"], json!(order));
    assert_eq!(seen["keyboard"]["rate"], "100 a second");
    Ok(())
}

#[test]
fn the_lines_to_copy_work_as_they_are() -> Result<()> {
    let console = Console::start()?;
    let seen = console.run("lines", None)?;
    assert_eq!(seen["label"], json!(["Copied", "Copied: Publish with curl"]), "seen and heard");
    assert_eq!(seen["copied"], seen["lines"][0]);
    assert_eq!(seen["printed"], json!(["from elsewhere", "hello"]), "JavaScript, elsewhere");
    let line = |number: usize| seen["lines"][number].as_str().unwrap_or_default();

    let answer: Value = serde_json::from_str(&run(&mut shell(line(0)))?)?;
    assert_eq!(answer["seq"], 3, "behind what the scenario published: {answer}");
    let program = binaries::longwire()?;
    let at_program = |line: &str| line.replacen("longwire", &program.to_string_lossy(), 1);
    assert!(run(&mut shell(&at_program(line(4))))?.trim().ends_with(":4"));
    for (listening, expected) in
        [(line(1).to_owned(), "data: hello"), (at_program(line(5)), "hello")]
    {
        let process = Process::start(shell(&format!("exec {listening}")))?;
        process.wait_for_line(LIMIT, |line| (line == expected).then_some(()))?;
    }
    Ok(())
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command
}
