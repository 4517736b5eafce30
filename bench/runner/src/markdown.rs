//! The report for people.

use std::fmt::{Result, Write};

use crate::machine::Machine;
use crate::measure::Setting;
use crate::summary::{Details, Line, Spread, Table};
use crate::workloads::Workload;

/// Above this share of a second spent waiting for a core, the machine was not quiet.
const QUIET: f64 = 0.05;

/// Writes the whole report.
pub(crate) fn render(
    machine: &Machine,
    setting: Setting,
    rounds: usize,
    tables: &[Table],
    failures: &[String],
) -> std::result::Result<String, std::fmt::Error> {
    let mut out = String::new();
    head(&mut out, machine, setting, rounds)?;
    for table in tables {
        render_table(&mut out, table)?;
    }
    if !failures.is_empty() {
        writeln!(out, "## Failed\n")?;
        for failure in failures {
            writeln!(out, "- {failure}")?;
        }
    }
    Ok(out)
}

fn head(out: &mut String, machine: &Machine, setting: Setting, rounds: usize) -> Result {
    writeln!(out, "# Echo servers on one core\n")?;
    writeln!(
        out,
        "{}. {}, {} cores, {} GiB, {}, {}.",
        machine.taken,
        machine.processor,
        machine.cores,
        machine.memory_gib,
        machine.kernel,
        machine.rustc
    )?;
    let libraries: Vec<_> =
        machine.libraries.iter().map(|(name, version)| format!("{name} {version}")).collect();
    writeln!(out, "Longwire {}; {}.\n", machine.longwire, libraries.join(", "))?;
    writeln!(out, "    {}\n", machine.command)?;
    writeln!(
        out,
        "Server on core {}, load on core {}, loopback, {} s a measurement, a fresh server each. \
         Median of {rounds} interleaved rounds (min-max). CPU is the server's user + system time \
         divided by echoed messages. \"x NAME\" is this line's cost divided by that contestant's in the \
         same round (median). \"Waited\" is the share of time that server / load were ready to run \
         and something else had their core: above {:.0} % (marked !) the machine was not quiet and \
         the figures are too high. Memory is resident memory of the process; \
         what the kernel holds for sockets is not in it. The host of the machine kept {:.1} % of the \
         two cores' time during the run.\n",
        setting.server_cpu,
        setting.load_cpu,
        setting.seconds,
        QUIET * 100.0,
        machine.stolen * 100.0
    )
}

fn render_table(out: &mut String, table: &Table) -> Result {
    let columns: &[&str] = match table.workload {
        Workload::Echo { connections, in_flight, .. } => {
            let many = if in_flight == 1 { "message" } else { "messages" };
            writeln!(out, "## {}\n", table.workload.name())?;
            writeln!(out, "{connections} connections, {in_flight} {many} in flight on each.\n")?;
            &["CPU us/message", "messages/s", "busy", "waited"]
        }
        Workload::Idle { connections } => {
            writeln!(out, "## {}\n", table.workload.name())?;
            writeln!(out, "{connections} connections at rest.\n")?;
            &["bytes each after one echo", "bytes each, only opened", "CPU us/handshake"]
        }
    };
    let names: Vec<_> = table.lines.iter().map(|line| line.contestant).collect();
    write!(out, "| server | {} |", columns.join(" | "))?;
    for name in &names {
        write!(out, " x {name} |")?;
    }
    writeln!(out, "\n|---|{}", "---|".repeat(columns.len() + names.len()))?;
    for line in &table.lines {
        render_line(out, line, &names)?;
    }
    writeln!(out)
}

fn render_line(out: &mut String, line: &Line, names: &[&str]) -> Result {
    write!(out, "| {} ", line.contestant)?;
    match line.details {
        Details::Echo { messages_per_second, server_busy, server_waited, load_waited } => {
            let mark = if server_waited.max(load_waited) > QUIET { " !" } else { "" };
            write!(
                out,
                "| {} | {} | {:.0} % | {:.0} / {:.0} %{mark} |",
                spread(line.cost),
                spread(messages_per_second),
                server_busy * 100.0,
                server_waited * 100.0,
                load_waited * 100.0
            )?;
        }
        Details::Idle { open, handshake_us } => {
            write!(out, "| {} | {} | {} |", spread(line.cost), spread(open), spread(handshake_us))?;
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
