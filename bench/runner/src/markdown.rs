//! The report for people.

use std::fmt::{Result, Write};

use crate::machine::Machine;
use crate::measure::Setting;
use crate::summary::Table;
use crate::tables::{self, QUIET};

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
        tables::render(&mut out, table)?;
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
    writeln!(out, "# WebSocket servers on one core\n")?;
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
         divided by messages that came back or were delivered. \"x NAME\" is this line's cost divided by that contestant's in the \
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
