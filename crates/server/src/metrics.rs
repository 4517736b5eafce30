//! What is measured, in the text format of Prometheus.

use std::fmt;

use longwire_hub::Stats;
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet, prometheus_text,
    },
    metrics::{counter::ConstCounter, counter::Counter, family::Family, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use crate::node::Snapshot;

/// The counters that the server itself keeps. Those of the hub are read when they are asked for.
#[derive(Debug)]
pub(crate) struct Metrics {
    refused: Family<Reason, Counter>,
    requests: Family<Answered, Counter>,
}

/// Why a connection was refused before it was a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// How a request of the HTTP API was answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self { refused: Family::default(), requests: Family::default() }
    }

    /// A connection was refused before it was a session.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    /// A request was answered. `route` is the path's pattern, so that there are few.
    pub(crate) fn answered(&self, method: &'static str, route: &str, status: u16) {
        let labels = Answered { method, route: route.to_owned(), status };
        self.requests.get_or_create(&labels).inc();
    }

    /// All of it as text.
    pub(crate) fn text(&self, snapshot: Option<Snapshot>, phase: &'static str) -> String {
        let mut registry = Registry::with_prefix("longwire");
        registry.register(
            "refused_connections",
            "Connections that were refused before they were sessions, by reason",
            self.refused.clone(),
        );
        registry.register(
            "http_requests",
            "Requests that were answered, by method, route and status",
            self.requests.clone(),
        );
        registry.register_collector(Box::new(Collected { snapshot, phase }));
        let mut text = String::new();
        // A String takes everything.
        let _ = prometheus_text::encode(&mut text, &registry);
        text
    }
}

/// What is read when it is asked for.
#[derive(Debug)]
struct Collected {
    snapshot: Option<Snapshot>,
    phase: &'static str,
}

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut write = Writer(&mut encoder);
        let phases =
            ["starting", "ready", "draining"].map(|phase| (phase, u64::from(phase == self.phase)));
        write.gauges("phase", "1 for the phase that the server is in", "phase", phases)?;
        let Some(snapshot) = &self.snapshot else { return Ok(()) };
        write.bytes("queue", "Bytes that wait for clients", snapshot.queue_bytes as u64)?;
        write.hub(&snapshot.stats)?;
        if let Some(log) = &snapshot.log {
            write.log(&log.stats(), log.disk_bytes())?;
        }
        Ok(())
    }
}

/// Writes metrics one by one.
struct Writer<'e, 'd>(&'e mut DescriptorEncoder<'d>);

impl Writer<'_, '_> {
    fn hub(&mut self, stats: &Stats) -> fmt::Result {
        self.gauge("sessions", "Sessions now", stats.sessions)?;
        self.gauge(
            "congested_sessions",
            "Sessions whose clients take too little",
            stats.congested,
        )?;
        self.gauge("channels", "Channels with subscriptions now", stats.channels)?;
        let now = stats.subscriptions;
        self.gauges(
            "subscriptions",
            "Subscriptions now, by state",
            "state",
            [
                ("opening", now.opening),
                ("reading", now.reading),
                ("live", now.live),
                ("waiting", now.waiting),
            ],
        )?;
        self.gauges(
            "subscriptions_by_policy",
            "Subscriptions now, by policy",
            "policy",
            [
                ("all", now.all),
                ("latest", now.latest),
                ("rollup", now.rollup),
                ("drop", now.drop),
                ("disconnect", now.disconnect),
            ],
        )?;
        self.counter("opened_sessions", "Sessions that were opened", stats.opened)?;
        self.counter("publications", "Publications that were accepted", stats.publications)?;
        self.counter("held", "Publications that came faster than their rate", stats.held)?;
        self.counter("duplicates", "Publications that were there before", stats.duplicates)?;
        self.counter("deliveries", "Records that were given to subscriptions", stats.deliveries)?;
        self.counter("recovered", "Of these, records that were read again", stats.recovered)?;
        self.counter("lost", "Records that subscriptions lost: no longer kept", stats.lost)?;
        self.counter("skipped", "Records that policies left out", stats.skipped)?;
        self.counter("resets", "Streams that began anew below subscriptions", stats.resets)?;
        self.counter("repaired", "Live records that were read instead", stats.repaired)?;
        let begun = stats.recoveries;
        self.counters(
            "recoveries",
            "Subscriptions by how they began",
            "outcome",
            [
                ("live", begun.live),
                ("deltas", begun.deltas),
                ("snapshot", begun.snapshot),
                ("truncated", begun.truncated),
            ],
        )?;
        let refusals = stats.refusals.iter().map(|(code, count)| (*code, *count));
        self.counters("refusals", "Commands and requests that were refused", "code", refusals)?;
        let ended = stats.disconnects.iter().map(|(code, count)| (code.to_string(), *count));
        self.counters("disconnects", "Sessions that the server ended", "code", ended)
    }

    fn log(&mut self, stats: &longwire_log::Stats, disk: Option<u64>) -> fmt::Result {
        self.counter("log_records", "Records that were appended to the log", stats.records)?;
        self.counter("log_removed", "Records that retention or deletion removed", stats.removed)?;
        self.counter("log_full", "Writes that were refused since the disk was full", stats.full)?;
        self.counter("log_pages", "Pages that were read from the log", stats.pages)?;
        self.counter("log_corrupt", "Damaged places that reads met", stats.corrupt)?;
        self.gauge("log_failed", "1 once the log takes no more writes", u64::from(stats.failed))?;
        let help = "Bytes of the records that were appended to the log";
        let bytes = ConstCounter::new(stats.bytes);
        self.put("log", help, Some(&Unit::Bytes), &bytes)?;
        if let Some(disk) = disk {
            self.bytes("log_disk", "Bytes of the log on disk", disk)?;
        }
        let help = "Time of the log's fsyncs";
        self.histogram("log_sync", help, Some(&Unit::Seconds), &stats.sync_us, 1e-6)?;
        let help = "Time of commits of the log, fsync and all";
        self.histogram("log_commit", help, Some(&Unit::Seconds), &stats.commit_us, 1e-6)?;
        let help = "Requests of a commit";
        self.histogram("log_commit_requests", help, None, &stats.commit_requests, 1.0)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.put(name, help, None, &ConstCounter::new(value))
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.put(name, help, None, &ConstGauge::new(as_gauge(value)))
    }

    fn bytes(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.put(name, help, Some(&Unit::Bytes), &ConstGauge::new(as_gauge(value)))
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (impl AsRef<str>, u64)>,
    ) -> fmt::Result {
        let kind = ConstCounter::<u64>::new(0).metric_type();
        let mut encoder = self.0.encode_descriptor(name, help, None, kind)?;
        for (value, count) in values {
            let labels = [(label, value.as_ref())];
            ConstCounter::new(count).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn gauges<'v>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'v str, u64)>,
    ) -> fmt::Result {
        let kind = ConstGauge::<i64>::new(0).metric_type();
        let mut encoder = self.0.encode_descriptor(name, help, None, kind)?;
        for (value, count) in values {
            let labels = [(label, value)];
            ConstGauge::new(as_gauge(count)).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a measurement needs no more than 52 bits")]
    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        values: &longwire_log::Histogram,
        factor: f64,
    ) -> fmt::Result {
        let buckets: Vec<(f64, u64)> = values
            .buckets()
            .map(|(limit, count)| (limit.map_or(f64::INFINITY, |it| it as f64 * factor), count))
            .collect();
        let kind = prometheus_client::metrics::MetricType::Histogram;
        let mut encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        let sum = values.sum() as f64 * factor;
        encoder.encode_histogram::<NoLabelSet>(sum, values.count(), &buckets, None)
    }

    fn put(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        metric: &impl EncodeMetric,
    ) -> fmt::Result {
        let encoder: MetricEncoder<'_> =
            self.0.encode_descriptor(name, help, unit, metric.metric_type())?;
        metric.encode(encoder)
    }
}

fn as_gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
