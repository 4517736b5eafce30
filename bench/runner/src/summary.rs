//! Medians, ranges and ratios of the rounds.

use bench_load::process::as_f64;
use bench_load::report::{IdleReport, Window};
use serde::Serialize;

use crate::entries;
use crate::measure::Report;
use crate::workloads::Workload;

/// One report, and where it belongs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) round: usize,
    pub(crate) contestant: &'static str,
    pub(crate) workload: Workload,
    pub(crate) report: Report,
}

/// Median and range of one figure over the rounds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// One contestant's figures under one workload.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) contestant: &'static str,
    /// The figure that is compared: microseconds of CPU a message, or bytes a used idle connection.
    pub(crate) cost: Spread,
    /// Ratio of this cost to each contestant's: the median of the ratios within each round.
    pub(crate) ratios: Vec<(&'static str, f64)>,
    pub(crate) details: Details,
}

/// What is shown beside the compared figure.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Details {
    Speed {
        messages_per_second: Spread,
        server_busy: f64,
        server_waited: f64,
        load_waited: f64,
        /// Bytes of WebSocket frames to the server, a message.
        bytes_to_server: f64,
        bytes_from_server: f64,
        /// Share of the server's messages that were compressed.
        compressed: f64,
    },
    Memory {
        open: Spread,
        handshake_us: Spread,
        /// Bytes that the connections which were used first cost all together, with what the server keeps
        /// for all connections.
        shared: f64,
        /// Cost beyond that of the same server without compression: the median of the differences within
        /// each round.
        beyond: Option<f64>,
    },
}

/// All lines of one workload.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Table {
    pub(crate) workload: Workload,
    pub(crate) lines: Vec<Line>,
}

/// One table a workload, contestants in the order they ran.
pub(crate) fn summarise(runs: &[Run]) -> Vec<Table> {
    let mut workloads: Vec<Workload> = Vec::new();
    let mut names: Vec<&'static str> = Vec::new();
    for run in runs {
        if !workloads.contains(&run.workload) {
            workloads.push(run.workload);
        }
        if !names.contains(&run.contestant) {
            names.push(run.contestant);
        }
    }
    let table = |workload| {
        let of = |name| -> Vec<&Run> {
            runs.iter().filter(|run| run.workload == workload && run.contestant == name).collect()
        };
        let line = |&name: &&'static str| {
            let own = of(name);
            if own.is_empty() {
                return None;
            }
            let ratios = names
                .iter()
                .filter_map(|&other| {
                    Some((other, paired(&own, &of(other), |own, other| own / other)?))
                })
                .collect();
            let plain = entries::plain(name).map(of).unwrap_or_default();
            let beyond = paired(&own, &plain, |own, plain| own - plain);
            let cost = Spread::of(&own, cost);
            Some(Line { contestant: name, cost, ratios, details: details(&own, beyond) })
        };
        Table { workload, lines: names.iter().filter_map(line).collect() }
    };
    workloads.into_iter().map(table).collect()
}

fn cost(report: &Report) -> f64 {
    match report {
        Report::Echo(echo) => echo.window.server_cpu_us_per_message,
        Report::Idle(idle) => idle.rss_per_used_connection,
        Report::Broadcast(broadcast) => broadcast.window.server_cpu_us_per_message,
    }
}

fn details(runs: &[&Run], beyond: Option<f64>) -> Details {
    let idle = |figure: fn(&IdleReport) -> f64| {
        Spread::of(runs, |report| if let Report::Idle(idle) = report { figure(idle) } else { 0.0 })
    };
    let window = |figure: fn(&Window) -> f64| {
        Spread::of(runs, |report| match report {
            Report::Echo(echo) => figure(&echo.window),
            Report::Broadcast(broadcast) => figure(&broadcast.window),
            Report::Idle(_) => 0.0,
        })
    };
    if let Report::Idle(_) = runs[0].report {
        return Details::Memory {
            open: idle(|idle| idle.rss_per_open_connection),
            handshake_us: idle(|idle| idle.server_cpu_us_per_handshake),
            shared: idle(|idle| as_f64(idle.rss_before) - as_f64(idle.rss_start)).median,
            beyond,
        };
    }
    Details::Speed {
        messages_per_second: window(|window| window.messages_per_second),
        server_busy: window(|window| window.server_busy).median,
        server_waited: window(|window| window.server_waited).median,
        load_waited: window(|window| window.load_waited).median,
        bytes_to_server: Spread::of(runs, |report| match report {
            Report::Echo(echo) => echo.bytes_to_server_per_message,
            Report::Idle(_) | Report::Broadcast(_) => 0.0,
        })
        .median,
        bytes_from_server: Spread::of(runs, |report| match report {
            Report::Echo(echo) => echo.bytes_from_server_per_message,
            Report::Broadcast(broadcast) => broadcast.bytes_from_server_per_message,
            Report::Idle(_) => 0.0,
        })
        .median,
        compressed: Spread::of(runs, |report| {
            let compression = match report {
                Report::Echo(echo) => echo.compression.as_ref(),
                Report::Broadcast(broadcast) => broadcast.compression.as_ref(),
                Report::Idle(_) => None,
            };
            compression.map_or(0.0, |compression| compression.compressed)
        })
        .median,
    }
}

/// The median over the rounds of what `compare` makes of own cost and other's cost in the same round: slow
/// drift cancels out.
fn paired(own: &[&Run], other: &[&Run], compare: fn(f64, f64) -> f64) -> Option<f64> {
    let compared: Vec<f64> = own
        .iter()
        .filter_map(|run| {
            let pair = other.iter().find(|other| other.round == run.round)?;
            Some(compare(cost(&run.report), cost(&pair.report)))
        })
        .collect();
    (!compared.is_empty()).then(|| median(compared))
}

impl Spread {
    fn of(runs: &[&Run], figure: impl Fn(&Report) -> f64) -> Self {
        let values: Vec<f64> = runs.iter().map(|run| figure(&run.report)).collect();
        Self {
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            median: median(values),
        }
    }
}

/// The middle value, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "small whole numbers are exact")]
    fn median_of_odd_and_even_counts() {
        assert_eq!(median(vec![5.0, 1.0, 3.0]), 3.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
    }
}
