//! JSON text messages as services send them: orders, ticks and chat, with varying ids, numbers and names.

use std::fmt::Write;

use crate::random::Random;

/// `count` messages of `size` bytes each, which follow from `seed`. All differ, if there is room for it.
pub fn messages(seed: u64, count: usize, size: usize) -> Vec<String> {
    let mut random = Random::new(seed);
    (0..count).map(|_| message(&mut random, size)).collect()
}

/// One message of `size` bytes.
pub fn message(random: &mut Random, size: usize) -> String {
    let (kind, item): (_, fn(&mut Random) -> String) = match random.below(3) {
        0 => ("orders", order),
        1 => ("ticks", tick),
        _ => ("chat", chat),
    };
    let mut out = format!(
        r#"{{"type":"{kind}","seq":{},"time":"{}","data":["#,
        random.below(10_000_000),
        time(random)
    );
    if out.len() + END.len() > size {
        return short(random, size);
    }
    let mut next = item(random);
    while out.len() + next.len() + END.len() <= size {
        out.push_str(&next);
        next = format!(",{}", item(random));
    }
    // What is left is shorter than one item.
    let (before, after) = END.split_at(NOTE);
    let room = size - out.len() - END.len();
    out + before + &words(random, room) + after
}

const END: &str = r#"],"note":""}"#;
/// Where in the end the note's text stands.
const NOTE: usize = END.len() - 2;

/// JSON too, as long as there is room for two quotation marks.
fn short(random: &mut Random, size: usize) -> String {
    match size {
        0 | 1 => "7".repeat(size),
        _ => format!("\"{}\"", words(random, size - 2)),
    }
}

fn order(random: &mut Random) -> String {
    let quantity = 10 * (1 + random.below(500));
    format!(
        r#"{{"id":"{:016x}","symbol":"{}","side":"{}","kind":"{}","price":{}.{:02},"quantity":{quantity},"filled":{},"account":"ACC-{:05}","status":"{}"}}"#,
        random.number(),
        random.pick(&SYMBOLS),
        random.pick(&["buy", "sell"]),
        random.pick(&["limit", "market", "stop"]),
        5 + random.below(900),
        random.below(100),
        random.below(quantity),
        random.below(100_000),
        random.pick(&["new", "partially_filled", "filled", "cancelled"]),
    )
}

fn tick(random: &mut Random) -> String {
    let price = 100_000 + random.below(90_000_000);
    let ask = price + 1 + random.below(40);
    format!(
        r#"{{"symbol":"{}","bid":{}.{:03},"ask":{}.{:03},"volume":{},"venue":"{}","time":"{}"}}"#,
        random.pick(&SYMBOLS),
        price / 1000,
        price % 1000,
        ask / 1000,
        ask % 1000,
        100 * random.below(5000),
        random.pick(&["XNAS", "XNYS", "XETR", "XLON", "BATS"]),
        time(random)
    )
}

fn chat(random: &mut Random) -> String {
    let length = 20 + random.below(80);
    let text = words(random, length);
    format!(
        r#"{{"event":"message","id":"{:08x}","room":"{}","user":{{"id":{},"name":"{} {}"}},"text":"{text}","likes":{},"time":"{}"}}"#,
        random.below(1 << 32),
        random.pick(&["general", "support", "trading", "random", "releases"]),
        random.below(1_000_000),
        random.pick(&FIRST_NAMES),
        random.pick(&LAST_NAMES),
        random.below(12),
        time(random)
    )
}

fn time(random: &mut Random) -> String {
    let [hour, minute, second, milli] = [24, 60, 60, 1000].map(|end| random.below(end));
    let day = 1 + random.below(28);
    format!("2026-03-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Words in `size` bytes, the last of them cut where the room ends.
fn words(random: &mut Random, size: usize) -> String {
    let mut out = String::with_capacity(size + 16);
    while out.len() < size {
        let gap = if out.is_empty() { "" } else { " " };
        write!(out, "{gap}{}", random.pick(&WORDS)).expect("a String takes all");
    }
    out.truncate(size);
    out
}

const SYMBOLS: [&str; 16] = [
    "AAPL", "MSFT", "GOOG", "AMZN", "TSLA", "NVDA", "SAP", "BAYN", "VOW3", "SIE", "HSBA", "BP",
    "EURUSD", "GBPUSD", "USDJPY", "XAUUSD",
];

const FIRST_NAMES: [&str; 16] = [
    "Ada",
    "Alan",
    "Barbara",
    "Dennis",
    "Edsger",
    "Frances",
    "Grace",
    "Hedy",
    "John",
    "Katherine",
    "Ken",
    "Leslie",
    "Margaret",
    "Niklaus",
    "Radia",
    "Tony",
];

const LAST_NAMES: [&str; 16] = [
    "Allen", "Dijkstra", "Hamilton", "Hoare", "Hopper", "Johnson", "Lamarr", "Lamport", "Liskov",
    "Lovelace", "McCarthy", "Perlman", "Ritchie", "Thompson", "Turing", "Wirth",
];

const WORDS: [&str; 64] = [
    "about", "after", "again", "all", "and", "any", "are", "as", "at", "back", "be", "been",
    "before", "but", "by", "can", "check", "client", "could", "day", "deploy", "did", "do", "done",
    "for", "from", "good", "has", "have", "here", "in", "is", "it", "just", "know", "last",
    "looks", "maybe", "meeting", "message", "more", "morning", "new", "no", "not", "now", "on",
    "order", "please", "price", "release", "server", "should", "so", "thanks", "that", "the",
    "then", "there", "this", "today", "tomorrow", "was", "with",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_size_is_met_exactly_and_is_json() {
        let mut random = Random::new(1);
        for size in (2..2000).chain([16 * 1024, 100_000]) {
            let text = message(&mut random, size);
            assert_eq!(text.len(), size);
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
        assert_eq!(message(&mut random, 0), "");
        assert_eq!(message(&mut random, 1), "7");
    }

    #[test]
    fn messages_differ_and_follow_from_the_seed() {
        let all = messages(7, 1000, 1024);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 1000);
        assert_eq!(all, messages(7, 1000, 1024));
        assert_ne!(all[0], messages(8, 1, 1024)[0]);
    }
}
