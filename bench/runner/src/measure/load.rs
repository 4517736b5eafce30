//! `longwire bench`: how it is told what to do, and what is taken from its report.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use bench_harness::Server;
use bench_harness::cores::spawn_on;
use serde::Deserialize;

use super::{Cores, finish, limit};
use crate::contestants::certificate::Certificate;
use crate::plan::workloads::{Kind, Part, Workload};
use crate::results::figures::{Figures, Percentiles};

/// Everything that one measurement needs besides the server.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    pub(crate) workload: Workload,
    pub(crate) seconds: f64,
    /// Messages a second, of an open loop.
    pub(crate) rate: Option<f64>,
    /// What the contestant has to be asked for besides.
    pub(crate) besides: &'a [&'a str],
}

/// Puts a workload on a server. Fails unless the figures are there that the workload is about.
pub(crate) fn measure(
    program: &Path,
    server: &Server,
    order: &Order<'_>,
    cores: &Cores,
    certificate: &Certificate,
) -> Result<Figures> {
    let mut command = Command::new(program);
    command.args(["bench", "--json", "--pid", &server.pid().to_string()]);
    if let [core] = cores.load[..] {
        command.args(["--cpu", &core.to_string()]);
    }
    if order.workload.part == Part::Tls {
        command.arg("--ca").arg(certificate.chain());
    }
    command
        .args(order.workload.load_arguments(order.seconds, order.rate))
        .args(order.besides)
        .arg(server.url())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = spawn_on(&cores.load, &mut command)?;
    let output =
        finish(child, limit(order.workload, order.seconds)).context("the load generator")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", complaint.trim());
    let report: Report = serde_json::from_slice(&output.stdout)
        .context("the report of `longwire bench --json` is not as agreed")?;
    ensure!(!report.stopped, "the load was stopped before its time");
    let figures = report.figures(order.workload);
    require(&figures, order)?;
    Ok(Figures { asked_per_second: order.rate, ..figures })
}

/// The report of `longwire bench --json`, as far as it is used.
#[derive(Debug, Deserialize)]
struct Report {
    messages: u64,
    messages_per_second: Option<f64>,
    bytes_to_server_per_message: Option<f64>,
    bytes_from_server_per_message: Option<f64>,
    deflate: Option<Deflate>,
    latency_us: Option<Percentiles>,
    opening_us: Option<Percentiles>,
    load: Option<Shares>,
    /// Of an open loop.
    send_late_us: Option<Percentiles>,
    server: Option<ServerReport>,
    memory: Option<Memory>,
    /// Whether it was ended from outside before its time.
    #[serde(default)]
    stopped: bool,
}

#[derive(Debug, Deserialize)]
struct Deflate {
    compressed: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Shares {
    busy: Option<f64>,
    waited: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct ServerReport {
    cpu_us_per_message: Option<f64>,
    #[serde(flatten)]
    shares: Shares,
}

#[derive(Debug, Deserialize)]
struct Memory {
    rss_start: Option<f64>,
    rss_before: Option<f64>,
    per_open_connection: Option<f64>,
    per_used_connection: Option<f64>,
    cpu_us_per_opening: Option<f64>,
}

impl Report {
    fn figures(self, workload: Workload) -> Figures {
        // A closed loop's latency follows its throughput: it is not shown, so it is not kept.
        let latency = match workload.kind {
            Kind::Connect { .. } => self.opening_us,
            Kind::Paced { .. } => self.latency_us,
            Kind::Echo { .. } | Kind::Idle { .. } | Kind::Broadcast { .. } => None,
        };
        let (p50, p99, p99_9) =
            latency.map(|latency| (latency.p50, latency.p99, latency.p99_9)).unwrap_or_default();
        let (load_busy, load_waited) =
            self.load.map(|load| (load.busy, load.waited)).unwrap_or_default();
        let has_bytes = self.deflate.is_some();
        let (cpu_us, busy, waited) = self
            .server
            .map(|server| (server.cpu_us_per_message, server.shares.busy, server.shares.waited))
            .unwrap_or_default();
        let memory = self.memory.as_ref();
        Figures {
            // Linux tells run time at every timer tick: a shorter window may have none.
            cpu_us: cpu_us.filter(|cost| self.messages > 0 && *cost > 0.0),
            messages_per_second: self.messages_per_second,
            asked_per_second: None,
            busy,
            waited,
            load_waited,
            load_busy,
            send_late_us: self.send_late_us,
            bytes_to_server: self.bytes_to_server_per_message.filter(|_| has_bytes),
            bytes_from_server: self.bytes_from_server_per_message.filter(|_| has_bytes),
            compressed: self.deflate.and_then(|deflate| deflate.compressed),
            p50,
            p99,
            p99_9,
            open_bytes: memory.and_then(|memory| memory.per_open_connection),
            used_bytes: memory.and_then(|memory| memory.per_used_connection),
            shared_bytes: memory.and_then(|memory| Some(memory.rss_before? - memory.rss_start?)),
            opening_us: memory.and_then(|memory| memory.cpu_us_per_opening),
        }
    }
}

/// Fails unless what the workload is about was measured.
fn require(figures: &Figures, order: &Order<'_>) -> Result<()> {
    let needed: &[(&str, Option<f64>)] = match order.workload.kind {
        Kind::Echo { .. } | Kind::Connect { .. } | Kind::Broadcast { .. } => &[
            ("the server's CPU a message", figures.cpu_us),
            ("messages a second", figures.messages_per_second),
        ],
        Kind::Paced { .. } => &[
            ("messages a second", figures.messages_per_second),
            ("the latency's p50", figures.p50),
            ("the latency's p99", figures.p99),
            ("the latency's p99.9", figures.p99_9),
        ],
        Kind::Idle { .. } => &[
            ("memory a connection that is open", figures.open_bytes),
            ("memory a connection that was used", figures.used_bytes),
        ],
    };
    for (what, figure) in needed {
        ensure!(figure.is_some(), "`longwire bench` did not measure {what}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::workloads::{HALF, IDLE, MAXIMUM};

    fn order(workload: Workload) -> Order<'static> {
        Order { workload, seconds: 1.0, rate: None, besides: &[] }
    }

    fn figures(workload: Workload, json: &str) -> Figures {
        serde_json::from_str::<Report>(json).expect("as agreed").figures(workload)
    }

    const ECHO: &str = r#"{
        "workload": "echo", "messages": 1000, "messages_per_second": 500.0,
        "bytes_to_server_per_message": 38.0, "bytes_from_server_per_message": 34.0,
        "deflate": null, "latency_us": {"min": 1, "p50": 10, "p99": 20, "p99_9": 30, "count": 1000},
        "opening_us": {"p50": 100, "p99": 200, "p99_9": 300},
        "load": {"busy": 0.5, "waited": 0.01},
        "server": {"cpu_us_per_message": 0.7, "busy": 0.9, "waited": 0.02, "rss_before": 1},
        "memory": null}"#;

    #[test]
    fn an_echo_has_cpu_and_throughput() {
        let figures = figures(MAXIMUM, ECHO);
        require(&figures, &order(MAXIMUM)).expect("all is there");
        assert_eq!(
            figures,
            Figures {
                cpu_us: Some(0.7),
                messages_per_second: Some(500.0),
                busy: Some(0.9),
                waited: Some(0.02),
                load_waited: Some(0.01),
                load_busy: Some(0.5),
                ..Figures::default()
            }
        );
    }

    #[test]
    fn an_open_loop_has_latency_and_opening_handshakes_have_their_own() {
        let percentiles = |figures: Figures| [figures.p50, figures.p99, figures.p99_9];
        assert_eq!(percentiles(figures(HALF, ECHO)), [Some(10.0), Some(20.0), Some(30.0)]);
        let connect = Workload { part: Part::Connect, kind: Kind::Connect { connections: 64 } };
        assert_eq!(percentiles(figures(connect, ECHO)), [Some(100.0), Some(200.0), Some(300.0)]);
    }

    #[test]
    fn late_sending_is_kept_where_it_is_told() {
        let told = ECHO.replace(r#""deflate": null"#, r#""send_late_us": {"p50": 1, "p99": 7}"#);
        assert_eq!(figures(HALF, &told).send_late_us.and_then(|late| late.p99), Some(7.0));
        let closed = ECHO.replace(r#""deflate": null"#, r#""send_late_us": null"#);
        assert_eq!(figures(MAXIMUM, &closed).send_late_us, None);
    }

    #[test]
    fn memory_is_that_of_a_connection() {
        let json = r#"{"messages": 10, "memory": {"rss_start": 1000, "rss_before": 3000,
            "rss_open": 4000, "rss_used": 5000, "per_open_connection": 100.5,
            "per_used_connection": 200.5, "cpu_us_per_opening": 40}}"#;
        let figures = figures(IDLE, json);
        require(&figures, &order(IDLE)).expect("all is there");
        assert_eq!((figures.open_bytes, figures.used_bytes), (Some(100.5), Some(200.5)));
        assert_eq!((figures.shared_bytes, figures.opening_us), (Some(2000.0), Some(40.0)));
    }

    #[test]
    fn a_figure_that_is_missing_fails_the_measurement() {
        for (workload, json, missing) in [
            (MAXIMUM, r#"{"messages": 1, "messages_per_second": 1, "server": null}"#, "CPU"),
            (HALF, r#"{"messages": 1, "messages_per_second": 1, "latency_us": null}"#, "p50"),
            (IDLE, r#"{"messages": 1, "memory": null}"#, "memory"),
        ] {
            let error = require(&figures(workload, json), &order(workload)).expect_err(missing);
            assert!(error.to_string().contains(missing), "{error}");
        }
    }

    #[test]
    fn no_messages_have_no_cost() {
        let json = r#"{"messages": 0, "messages_per_second": 0,
            "server": {"cpu_us_per_message": 0, "busy": 0, "waited": 0}}"#;
        assert_eq!(figures(MAXIMUM, json).cpu_us, None);
    }
}
