//! A run from beginning to end: the connections, the load, the readings, the report.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    Compression, Latency, Load, LoadError, Memory, Plan, Report, Server, Stop, Workload,
    crew::{Crew, News},
    latency::{as_f64, curve, histogram, per_second, quantile_us},
    plan::Pace,
    process::{self, Cpu, Process},
    schedule::{Schedule, nanos},
    shared::{Reading, Shared},
    slice::{Counts, Series},
    target::Target,
    worker::Command,
};

/// How far a run is, about four times a second.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// What it is doing.
    pub stage: Stage,
    /// The time since this stage began.
    pub elapsed: Duration,
    /// Messages a second, of late.
    pub messages_per_second: Option<f64>,
    /// Median latency in the window so far, in microseconds.
    pub p50_us: Option<f64>,
    /// The latency below which 99 of 100 are.
    pub p99_us: Option<f64>,
    /// The server's share of one core, of late.
    pub server_busy: Option<f64>,
}

/// The parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Connections are being opened.
    Opening,
    /// The load before the measured window.
    WarmUp,
    /// The measured window.
    Measuring,
    /// The connections are idle.
    Resting,
}

/// Carries out a plan, and reports. `stop` ends it early, `watch` is told how far it is, if anybody
/// wants to know.
pub fn run(
    plan: &Plan,
    stop: &Stop,
    watch: Option<&mut dyn FnMut(&Progress)>,
) -> Result<Report, LoadError> {
    plan.check()?;
    process::check_open_files(plan.all_connections() + SPARE_FILES)?;
    let server = plan.pid.map(Process::new).transpose()?;
    if let Some(cpu) = plan.cpu {
        process::pin(cpu)?;
    }
    let mut plan = plan.clone();
    plan.request.deflate = plan.deflate.map(|deflate| deflate.params);
    let target = Target::new(&plan)?;
    let shared = Arc::new(Shared::new(plan, target, server));
    let rss_start = server.map(Process::resident).transpose()?;
    let crew = Crew::start(&shared, stop.clone())?;
    let run = Run { shared, crew, rss_start, watch, stage: Stage::Opening, since: Instant::now() };
    match run.shared.plan.workload {
        Workload::Idle { messages, warm, rest, .. } => run.idle(messages, warm, rest),
        _ => run.load(),
    }
}

struct Run<'a> {
    shared: Arc<Shared>,
    crew: Crew,
    rss_start: Option<u64>,
    watch: Option<&'a mut dyn FnMut(&Progress)>,
    stage: Stage,
    since: Instant,
}

/// A window: what was counted, from when to when.
struct Window {
    series: Series,
    edges: Vec<Reading>,
    length: Duration,
    /// The server's resident memory at its end.
    rss_after: Option<u64>,
}

impl Run<'_> {
    /// A load on connections that are open, or the opening of them.
    fn load(mut self) -> Result<Report, LoadError> {
        let plan = self.shared.plan.clone();
        if plan.workload != Workload::Connect {
            self.open(plan.connections)?;
        }
        let window = self.window()?;
        let rss_settled = match self.shared.server {
            Some(server) if !self.crew.stop.is_stopped() => {
                self.stage(Stage::Resting);
                let settled = self.settle(server, QUIET)? && !self.crew.stop.is_stopped();
                settled.then(|| server.resident()).transpose()?
            }
            _ => None,
        };
        self.crew.carry_out(Command::Close, |_| Ok(()))?;
        let server = self.server(&window, rss_settled);
        self.report(window, server, None)
    }

    /// Connections that are opened, used, and rest.
    fn idle(mut self, messages: u64, warm: usize, rest: Duration) -> Result<Report, LoadError> {
        let shared = Arc::clone(&self.shared);
        let (server, connections) = (shared.server, shared.plan.connections);
        self.open(warm)?;
        self.use_from(0, messages, false)?;
        let before = server.map(|server| self.rest_and_read(server)).transpose()?;
        self.crew.openings = histogram();
        self.open(warm + connections)?;
        let open = server.map(|server| self.rest_and_read(server)).transpose()?;
        let window = self.use_from(warm, messages, true)?;
        self.stage(Stage::Resting);
        let used = server.map(|server| self.rest_and_read(server)).transpose()?;
        self.crew.rest(rest)?;
        self.crew.carry_out(Command::Close, |_| Ok(()))?;
        let memory = match (self.rss_start, before, open, used) {
            (Some(rss_start), Some(before), Some(open), Some(used)) => {
                let count = as_f64(connections as u64);
                let each = |rss| (as_f64(rss) - as_f64(before.1)) / count;
                let cpu = open.0.running.saturating_sub(before.0.running);
                Some(Memory {
                    rss_start,
                    rss_before: before.1,
                    rss_open: open.1,
                    rss_used: used.1,
                    per_open_connection: each(open.1),
                    per_used_connection: each(used.1),
                    cpu_us_per_opening: cpu.as_secs_f64() * 1e6 / count,
                })
            }
            _ => None,
        };
        let server = self.server(&window, used.map(|(_, rss)| rss));
        self.report(window, server, memory)
    }

    fn open(&mut self, connections: usize) -> Result<(), LoadError> {
        self.stage(Stage::Opening);
        let (stage, since) = (self.stage, self.since);
        let Self { crew, watch, .. } = self;
        let stopping = crew.stop.clone();
        crew.carry_out(Command::Open(connections), |news| {
            if let News::Tick = news {
                if stopping.is_stopped() {
                    return Err(LoadError::Stopped);
                }
                tell(watch, || Progress::at(stage, since));
            }
            Ok(())
        })
    }

    /// The load's window.
    fn window(&mut self) -> Result<Window, LoadError> {
        let shared = Arc::clone(&self.shared);
        let plan = &shared.plan;
        let start = shared.now() + nanos(LEAD);
        let from = start + nanos(plan.warm_up);
        let slice = slice_length(plan.window());
        if let Some(window) = plan.window() {
            shared.end_at(from + nanos(window));
        }
        let schedule = Schedule { start, from, slice: nanos(slice) };
        let mut series = Series::new(slice.as_secs_f64(), plan.threads);
        let mut clock = ServerClock { server: shared.server, last: None };
        self.stage(Stage::WarmUp);
        let stopping = self.crew.stop.clone();
        let (mut edges, mut rss_after) = (Vec::new(), None);
        let Self { crew, watch, stage, since, .. } = self;
        crew.carry_out(Command::Load(schedule), |news| {
            match news {
                News::Slice(slice) => series.add(&slice),
                News::Edge(reading) => {
                    if !edges.is_empty() {
                        rss_after = shared.server.map(Process::resident).transpose()?;
                    }
                    edges.push(reading);
                    (*stage, *since) = (Stage::Measuring, reading.at);
                }
                News::Tick => {
                    if stopping.is_stopped() {
                        if shared.from() == u64::MAX {
                            return Err(LoadError::Stopped);
                        }
                        shared.end_at(shared.now());
                    }
                    let latencies = &series.latencies;
                    let at = |quantile| {
                        (!latencies.is_empty()).then(|| quantile_us(latencies, quantile))
                    };
                    tell(watch, || Progress {
                        messages_per_second: series.latest_rate(),
                        p50_us: at(0.5),
                        p99_us: at(0.99),
                        server_busy: clock.busy(),
                        ..Progress::at(*stage, *since)
                    });
                }
            }
            Ok(())
        })?;
        let length = Duration::from_nanos(shared.end().saturating_sub(shared.from()));
        Ok(Window { series, edges, length, rss_after })
    }

    /// Has the connections from this number on echo their messages, which are measured or not.
    fn use_from(
        &mut self,
        first: usize,
        messages: u64,
        measured: bool,
    ) -> Result<Window, LoadError> {
        let shared = Arc::clone(&self.shared);
        self.stage(Stage::Measuring);
        let before = shared.read()?;
        let from = if measured { shared.now() } else { u64::MAX };
        // One slice for all of it: it is as long as it takes.
        let schedule = Schedule { start: from, from, slice: u64::MAX / 4 };
        let mut series = Series::new(1.0, shared.plan.threads);
        let stopping = self.crew.stop.clone();
        let Self { crew, watch, stage, since, .. } = self;
        crew.carry_out(Command::Use { first, messages, schedule }, |news| {
            match news {
                News::Slice(slice) => series.add(&slice),
                News::Edge(_) => {}
                News::Tick if stopping.is_stopped() => return Err(LoadError::Stopped),
                News::Tick => tell(watch, || Progress::at(*stage, *since)),
            }
            Ok(())
        })?;
        let after = shared.read()?;
        let rss_after = shared.server.map(Process::resident).transpose()?;
        let length = after.at - before.at;
        Ok(Window { series, edges: vec![before, after], length, rss_after })
    }

    fn rest_and_read(&mut self, server: Process) -> Result<(Cpu, u64), LoadError> {
        if !self.settle(server, QUIET_MEMORY)? {
            return Err(LoadError::Unmeasured(
                "the server does not come to rest, so its memory for idle connections cannot be told; \
                 see what else it does"
                    .to_owned(),
            ));
        }
        if self.crew.stop.is_stopped() {
            return Err(LoadError::Stopped);
        }
        Ok((server.cpu()?, server.resident()?))
    }

    /// Whether the server came to rest.
    fn settle(&mut self, server: Process, quiet: Duration) -> Result<bool, LoadError> {
        let (stage, since) = (self.stage, self.since);
        let Self { crew, watch, .. } = self;
        server.settle(quiet, |time| {
            tell(watch, || Progress::at(stage, since));
            crew.rest(time)
        })
    }

    fn stage(&mut self, stage: Stage) {
        (self.stage, self.since) = (stage, Instant::now());
    }

    fn server(&self, window: &Window, rss_settled: Option<u64>) -> Option<Server> {
        let [first, last] = window.edges[..] else { return None };
        let (before, after) = (first.server?, last.server?);
        let used = last.used_since(&first, before, after);
        Some(Server {
            cpu_us_per_message: used.map(|used| {
                used.running.as_secs_f64() * 1e6 / as_f64(window.series.counts.messages)
            }),
            busy: used.map(|used| used.busy),
            waited: used.and_then(|used| used.waited),
            rss_before: self.rss_start?,
            rss_after: window.rss_after?,
            rss_settled,
        })
    }

    fn report(
        self,
        window: Window,
        server: Option<Server>,
        memory: Option<Memory>,
    ) -> Result<Report, LoadError> {
        let plan = &self.shared.plan;
        let Window { series, edges, length, .. } = window;
        let (timeline, counts, latencies) = series.points(length.as_secs_f64());
        if counts.messages == 0 {
            if self.crew.stop.is_stopped() {
                return Err(LoadError::Stopped);
            }
            return Err(LoadError::Unmeasured(format!(
                "no message came in the measured window of {} s; make it longer (Plan::until)",
                plan.window().unwrap_or(length).as_secs_f64()
            )));
        }
        let deflate = self.compression(counts)?;
        let connects = plan.workload == Workload::Connect;
        let openings = if connects { &latencies } else { &self.crew.openings };
        let each = |bytes| (!connects).then(|| as_f64(bytes) / as_f64(counts.messages));
        let messages_per_second = per_second(counts.messages, length);
        Ok(Report {
            workload: plan.workload.name(),
            url: plan.request.uri.to_string(),
            connections: plan.connections,
            in_flight: match plan.workload {
                Workload::Echo(Pace::InFlight(count)) => Some(count),
                Workload::Idle { in_flight, .. } => usize::try_from(in_flight).ok(),
                Workload::Echo(Pace::Rate(_)) | Workload::Broadcast(Pace::Rate(_)) => None,
                _ => Some(1),
            },
            rate: match plan.pace() {
                Some(Pace::Rate(rate)) => Some(rate),
                _ => None,
            },
            size: plan.size,
            content: plan.content.name(),
            deflate,
            seconds: length.as_secs_f64(),
            messages: counts.messages,
            messages_per_second,
            payload_bytes_per_second: (!connects)
                .then(|| messages_per_second * as_f64(plan.size as u64)),
            bytes_to_server_per_message: each(counts.sent),
            bytes_from_server_per_message: each(counts.received),
            latency_us: if connects { None } else { Latency::of(&latencies) },
            send_late_us: Latency::of(&self.crew.send_late),
            opening_us: Latency::of(openings),
            load: load_shares(&edges),
            server,
            memory,
            stopped: self.crew.stop.is_stopped(),
            timeline,
            curve: curve(&latencies),
        })
    }

    /// What came of the compression that was asked for.
    fn compression(&self, counts: Counts) -> Result<Option<Compression>, LoadError> {
        let Some(agreed) = self.shared.agreed.get().cloned().flatten() else { return Ok(None) };
        if self.shared.plan.workload == Workload::Connect {
            return Ok(Some(Compression { agreed, compressed: None }));
        }
        if counts.compressed == 0 {
            return Err(LoadError::Unmeasured(format!(
                "the server agreed to {agreed} and never compressed a message; see its settings, or \
                 use larger messages"
            )));
        }
        // A message may begin in the window and end behind it.
        let compressed = Some((as_f64(counts.compressed) / as_f64(counts.messages)).min(1.0));
        Ok(Some(Compression { agreed, compressed }))
    }
}

/// Tells how far the run is. What nobody watches is not computed.
fn tell(watch: &mut Option<&mut dyn FnMut(&Progress)>, progress: impl FnOnce() -> Progress) {
    if let Some(watch) = watch {
        watch(&progress());
    }
}

fn load_shares(edges: &[Reading]) -> Option<Load> {
    let [first, last] = edges[..] else { return None };
    let used = last.used_since(&first, first.load?, last.load?)?;
    Some(Load { busy: used.busy, waited: used.waited? })
}

/// CPU time in a window, and shares of the window.
#[derive(Clone, Copy, Debug)]
struct Used {
    running: Duration,
    busy: f64,
    /// `None` if threads have ended, which take with them how long they waited.
    waited: Option<f64>,
}

impl Reading {
    /// The CPU time between two readings. `None` if it was not measured: it has not advanced, or was
    /// read too far from the window's edges.
    fn used_since(&self, first: &Self, before: Cpu, after: Cpu) -> Option<Used> {
        let length = self.at - first.at;
        let (running, ended) = after.running_since(&before);
        if running.is_zero() || self.apart.max(first.apart) > length / APART_MAX {
            return None;
        }
        let busy = running.as_secs_f64() / length.as_secs_f64();
        let waited = (!ended).then(|| after.shares_since(&before, length).1);
        Some(Used { running, busy, waited })
    }
}

/// The server's CPU time at the last look.
struct ServerClock {
    server: Option<Process>,
    last: Option<(Instant, Cpu)>,
}

impl ServerClock {
    /// The share of a core that the server has used since the last look.
    fn busy(&mut self) -> Option<f64> {
        let (now, cpu) = (Instant::now(), self.server?.cpu().ok()?);
        let (then, before) = self.last.replace((now, cpu))?;
        Some(cpu.shares_since(&before, now - then).0)
    }
}

impl Progress {
    fn at(stage: Stage, since: Instant) -> Self {
        Self {
            stage,
            elapsed: since.elapsed(),
            messages_per_second: None,
            p50_us: None,
            p99_us: None,
            server_busy: None,
        }
    }
}

/// The length of a slice: a plot of a long window needs no more points.
fn slice_length(window: Option<Duration>) -> Duration {
    match window {
        Some(window) if window > Duration::from_mins(1) => Duration::from_secs(1),
        _ => Duration::from_millis(250),
    }
}

/// From the command to the first message, so that all threads begin at the same time.
const LEAD: Duration = Duration::from_millis(2);

/// How long a server is without CPU use when its memory after a load is read.
const QUIET: Duration = Duration::from_millis(100);

/// The same where memory is what is measured.
const QUIET_MEMORY: Duration = Duration::from_millis(300);

/// The part of a window that its readings may be away from its edges: 1 %.
const APART_MAX: u32 = 100;

/// Open files beside the connections.
const SPARE_FILES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at: Instant, apart_us: u64) -> Reading {
        Reading { at, apart: Duration::from_micros(apart_us), server: None, load: None }
    }

    #[test]
    fn cpu_time_that_was_not_measured_at_the_edges_is_none() {
        let cpu = |millis| {
            let running = Duration::from_millis(millis);
            Cpu { running, waiting: Duration::ZERO, total: running }
        };
        let start = Instant::now();
        let end = start + Duration::from_millis(100);
        let used = reading(end, 1_000).used_since(&reading(start, 10), cpu(5), cpu(55));
        assert!(used.is_some_and(|used| (used.busy - 0.5).abs() < 1e-9));
        for (first, last, after) in [(10, 1_001, 55), (1_001, 10, 55), (10, 10, 5)] {
            let used = reading(end, last).used_since(&reading(start, first), cpu(5), cpu(after));
            assert!(used.is_none(), "{first}, {last}, {after}");
        }
    }
}
