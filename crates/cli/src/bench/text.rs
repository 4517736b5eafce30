//! The report as a table for people, and how numbers look in reports.

use std::fmt::Write as _;

use longwire_load::{Latency, Report};

/// The report.
pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    for (name, value) in rows(report) {
        // A String takes all.
        let _ = writeln!(out, "{name:<15}{value}");
    }
    let tables = [
        ("latency", &report.latency_us),
        ("sent late", &report.send_late_us),
        ("opening", &report.opening_us),
    ];
    let rows: Vec<_> = tables
        .iter()
        .filter_map(|(name, latency)| latency.as_ref().map(|latency| (*name, latency)))
        .collect();
    if !rows.is_empty() {
        let _ = write!(out, "\n{:<15}", "");
        for (name, _) in columns(rows[0].1) {
            let _ = write!(out, "{name:>10}");
        }
        out.push('\n');
        for (name, latency) in rows {
            let _ = write!(out, "{name:<15}");
            for (_, micros) in columns(latency) {
                let _ = write!(out, "{:>10}", duration_us(micros));
            }
            out.push('\n');
        }
    }
    if report.stopped {
        out.push_str("\nIt was stopped early: this is what was measured until then.\n");
    }
    out
}

/// The percentiles that are shown, by name.
pub(super) fn columns(latency: &Latency) -> [(&'static str, f64); 8] {
    [
        ("min", latency.min),
        ("mean", latency.mean),
        ("p50", latency.p50),
        ("p90", latency.p90),
        ("p99", latency.p99),
        ("p99.9", latency.p99_9),
        ("p99.99", latency.p99_99),
        ("max", latency.max),
    ]
}

/// The figures but for latencies, each with its name.
pub(super) fn rows(report: &Report) -> Vec<(&'static str, String)> {
    let mut rows = vec![("workload", workload(report))];
    let mut row = |name, value| rows.push((name, value));
    let unit = if report.workload == "connect" { "handshakes" } else { "messages" };
    row(
        unit,
        format!(
            "{} in {:.2} s, {}/s{}",
            number(as_f64(report.messages)),
            report.seconds,
            number(report.messages_per_second),
            match report.workload {
                "connect" => "",
                _ => ", every byte verified",
            }
        ),
    );
    if let Some(rate) = report.rate {
        row("due", format!("{}/s; latency counts from when each was due", number(rate)));
    }
    if let Some(payload) = report.payload_bytes_per_second {
        row("payload", format!("{}/s", bytes(payload)));
    }
    if let (Some(to), Some(from)) =
        (report.bytes_to_server_per_message, report.bytes_from_server_per_message)
    {
        row("on the wire", format!("{to:.1} B to the server, {from:.1} B from it, a message"));
    }
    if let Some(deflate) = &report.deflate {
        let share = match deflate.compressed {
            Some(share) => format!("; {:.1} % of what came was compressed", share * 100.0),
            None => String::new(),
        };
        row("compression", deflate.agreed.clone() + &share);
    }
    if let Some(server) = report.server {
        if let (Some(each), Some(busy)) = (server.cpu_us_per_message, server.busy) {
            let waited =
                server.waited.map(|share| format!(", waited for it {:.1} %", share * 100.0));
            row(
                "server CPU",
                format!(
                    "{each:.3} µs/{}, {:.0} % of a core{}",
                    unit.trim_end_matches('s'),
                    busy * 100.0,
                    waited.unwrap_or_default()
                ),
            );
        }
        let settled = match server.rss_settled {
            Some(settled) => format!(", {} at rest", bytes(as_f64(settled))),
            None => String::new(),
        };
        row(
            "server memory",
            format!(
                "{} before, {} after{settled}",
                bytes(as_f64(server.rss_before)),
                bytes(as_f64(server.rss_after))
            ),
        );
    }
    if let Some(memory) = report.memory {
        row(
            "a connection",
            format!(
                "{} open, {} used; {:.1} µs of CPU to open",
                bytes(memory.per_open_connection),
                bytes(memory.per_used_connection),
                memory.cpu_us_per_opening
            ),
        );
    }
    if let Some(load) = report.load {
        row(
            "load CPU",
            format!(
                "{:.0} % of a core, waited for it {:.1} %",
                load.busy * 100.0,
                load.waited * 100.0
            ),
        );
    }
    rows
}

/// What was done, in a line.
pub(super) fn workload(report: &Report) -> String {
    let Report { workload, connections, content, .. } = report;
    let messages = format!("{content} messages of {}", bytes(as_f64(report.size as u64)));
    match (*workload, report.rate, report.in_flight) {
        ("connect", ..) => format!("connect: {connections} at a time"),
        ("idle", ..) => format!("idle: {connections} connections, used for {messages}"),
        (name, Some(rate), _) => {
            format!("{name}: {connections} connections, {messages}, {} a second", number(rate))
        }
        (name, None, in_flight) => format!(
            "{name}: {connections} connections, {messages}, {} in flight",
            in_flight.unwrap_or(1)
        ),
    }
}

/// Three digits or more, with commas between thousands.
pub(super) fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// A time in the unit that gives it three digits.
pub(super) fn duration_us(micros: f64) -> String {
    let (value, unit) = match micros {
        us if us < 1000.0 => (us, "µs"),
        us if us < 1e6 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    let digits = match value {
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

/// An amount of bytes, in the unit that keeps it short.
pub(super) fn bytes(count: f64) -> String {
    let (value, unit) = match count.abs() {
        size if size < 1024.0 => return format!("{count:.0} B"),
        size if size < 1024.0 * 1024.0 => (count / 1024.0, "KiB"),
        size if size < 1024.0 * 1024.0 * 1024.0 => (count / (1024.0 * 1024.0), "MiB"),
        _ => (count / (1024.0 * 1024.0 * 1024.0), "GiB"),
    };
    format!("{value:.1} {unit}")
}

#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_keep_three_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (0.5, "0.50"),
            (12.34, "12.3"),
            (999.0, "999"),
            (1000.4, "1,000"),
            (1_234_567.0, "1,234,567"),
            (-1234.0, "-1,234"),
        ] {
            assert_eq!(number(value), expected);
        }
        for (micros, expected) in [
            (0.9, "0.90 µs"),
            (12.0, "12.0 µs"),
            (123.4, "123 µs"),
            (1500.0, "1.50 ms"),
            (99_000.0, "99.0 ms"),
            (2_500_000.0, "2.50 s"),
        ] {
            assert_eq!(duration_us(micros), expected);
        }
        for (count, expected) in
            [(0.0, "0 B"), (1023.0, "1023 B"), (1536.0, "1.5 KiB"), (3_145_728.0, "3.0 MiB")]
        {
            assert_eq!(bytes(count), expected);
        }
    }
}
