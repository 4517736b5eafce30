//! One table of the report.

use std::fmt::{Result, Write};

use crate::summary::{Details, Line, Spread, Table};
use crate::workloads::{Part, Workload};

/// Above this share of a second spent waiting for a core, the machine was not quiet.
pub(crate) const QUIET: f64 = 0.05;

/// Writes the heading, the introduction and the table.
pub(crate) fn render(out: &mut String, table: &Table) -> Result {
    writeln!(out, "## {}\n", table.workload.name())?;
    introduction(out, table.workload)?;
    let columns = columns(table.workload);
    let names = table.lines.iter().map(|line| line.contestant);
    let names: Vec<_> = names.filter(|name| table.workload.compares_with(name)).collect();
    write!(out, "| server | {} |", columns.join(" | "))?;
    for name in &names {
        write!(out, " x {name} |")?;
    }
    writeln!(out, "\n|---|{}", "---|".repeat(columns.len() + names.len()))?;
    for line in &table.lines {
        render_line(out, line, table.workload.part(), &names)?;
    }
    writeln!(out)
}

fn introduction(out: &mut String, workload: Workload) -> Result {
    let messages = |count| if count == 1 { "message" } else { "messages" };
    match workload {
        Workload::Echo { connections, in_flight: count, .. } => {
            let many = messages(count);
            writeln!(out, "{connections} connections, {count} {many} in flight on each.\n")
        }
        Workload::Idle { connections } => writeln!(out, "{connections} connections at rest.\n"),
        Workload::DeflateEcho { connections, in_flight: count, .. } => {
            let many = messages(count);
            writeln!(
                out,
                "{connections} connections, {count} {many} of JSON in flight on each, compressed in \
                 both directions (permessage-deflate). Bytes are those of WebSocket frames, a message.\n"
            )
        }
        Workload::DeflateIdle { connections, messages: count, .. } => {
            let many = messages(count);
            writeln!(
                out,
                "{connections} connections at rest, after {count} {many} of JSON each. \"Beyond off\" \
                 is the difference to the same server without compression. \"Shared\" is the growth, in \
                 all, by the connections that were used first, with what the server then keeps for all \
                 connections together. Measured once.\n"
            )
        }
        Workload::Broadcast { receivers, .. } => writeln!(
            out,
            "Messages of JSON by bench-broadcast, each to {receivers} receivers; a message is one \
             delivery. \"uncompressed\" has as many bytes on the wire as \"prepared\".\n"
        ),
    }
}

/// The headings between the contestant's name and the ratios.
fn columns(workload: Workload) -> &'static [&'static str] {
    match workload.part() {
        Part::Echo if matches!(workload, Workload::Idle { .. }) => {
            &["bytes each after one echo", "bytes each, only opened", "CPU us/handshake"]
        }
        Part::Echo => &["CPU us/message", "messages/s", "busy", "waited"],
        Part::Deflate | Part::Broadcast => {
            &["CPU us/message", "messages/s", "busy", "waited", "bytes to / from it", "compressed"]
        }
        Part::DeflateMemory => {
            &["bytes each, used", "bytes each, only opened", "bytes each beyond off", "KiB shared"]
        }
    }
}

fn render_line(out: &mut String, line: &Line, part: Part, names: &[&str]) -> Result {
    write!(out, "| {} | {} |", line.contestant, spread(line.cost))?;
    match line.details {
        Details::Speed {
            messages_per_second,
            server_busy,
            server_waited,
            load_waited,
            bytes_to_server,
            bytes_from_server,
            compressed,
        } => {
            let mark = if server_waited.max(load_waited) > QUIET { " !" } else { "" };
            write!(
                out,
                " {} | {:.0} % | {:.0} / {:.0} %{mark} |",
                spread(messages_per_second),
                server_busy * 100.0,
                server_waited * 100.0,
                load_waited * 100.0
            )?;
            if part != Part::Echo {
                write!(
                    out,
                    " {bytes_to_server:.0} / {bytes_from_server:.0} | {:.0} % |",
                    compressed * 100.0
                )?;
            }
        }
        Details::Memory { open, shared, beyond, .. } if part == Part::DeflateMemory => {
            let beyond = beyond.map_or_else(|| "-".to_owned(), number);
            write!(out, " {} | {beyond} | {} |", spread(open), number(shared / 1024.0))?;
        }
        Details::Memory { open, handshake_us, .. } => {
            write!(out, " {} | {} |", spread(open), spread(handshake_us))?;
        }
    }
    for name in names {
        match line.ratios.iter().find(|(other, _)| other == name) {
            Some((other, _)) if *other == line.contestant => write!(out, " 1 |")?,
            Some((_, ratio)) => write!(out, " {} |", number(*ratio))?,
            None => write!(out, " - |")?,
        }
    }
    writeln!(out)
}

fn spread(Spread { median, min, max }: Spread) -> String {
    format!("**{}** ({}-{})", number(median), number(min), number(max))
}

/// Three significant digits or so: enough for figures that differ by a tenth from run to run.
fn number(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!(
            [0.364, 5.41, 63.04, 246.2, 137_000.4].map(number),
            ["0.36", "5.41", "63.0", "246", "137000"]
        );
    }
}
