//! The report as a page: one file without scripts or outside parts, with plots.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Write as _},
    path::Path,
    time::SystemTime,
};

use longwire_load::{Latency, Report};

use super::{
    plot::{Line, Plot, Scale, Size},
    text::{self, duration_us, number},
};
use crate::failure::Failure;

/// The file of a page. What was in it stays until the page is written.
pub(super) struct Page<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Page<'a> {
    pub(super) fn open(path: &'a Path) -> Result<Self, Failure> {
        let file = File::options().write(true).create(true).truncate(false).open(path);
        Ok(Self { path, file: file.map_err(|error| unwritable(path, &error))? })
    }

    /// Writes the page.
    pub(super) fn write(mut self, report: &Report, command: &str) -> Result<(), Failure> {
        let page = page(report, command, &machine(), SystemTime::now());
        self.replace(page.as_bytes()).map_err(|error| unwritable(self.path, &error))
    }

    fn replace(&mut self, page: &[u8]) -> io::Result<()> {
        // A pipe has no length.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.file.write_all(page)
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let cure = match error.kind() {
        io::ErrorKind::NotFound => "; make its folder first",
        _ => "",
    };
    Failure::new(format!("the report {} cannot be written: {error}{cure}", path.display()))
}

/// The page. All that comes from outside is escaped.
fn page(report: &Report, command: &str, machine: &[(&str, String)], now: SystemTime) -> String {
    let mut out = String::from(HEAD);
    let mut add = |text: &str| out.push_str(text);
    add(&format!(
        "<title>{} · longwire bench</title>{STYLE}</head><body><main>",
        escape(&report.url)
    ));
    add(&format!(
        "<header><p class=\"brand\">longwire bench</p><h1>{}</h1><p>{}</p></header>",
        escape(&report.url),
        escape(&text::workload(report))
    ));
    if report.stopped {
        add("<p class=\"note\">It was stopped early: this is what was measured until then.</p>");
    }
    add(&tiles(report));
    let latency = report.latency_us.as_ref().or(report.opening_us.as_ref());
    if let Some(latency) = latency {
        let what = if report.latency_us.is_some() { "Latency" } else { "Opening handshakes" };
        add(&format!("<section><h2>{what} by percentile</h2>"));
        add(&both_sizes(&percentiles(report, latency)));
        add("</section>");
    }
    if report.timeline.len() > 1 {
        add("<section><h2>Over time</h2>");
        add(&both_sizes(&throughput(report)));
        if let Some(plot) = latency_over_time(report) {
            add(&both_sizes(&plot));
        }
        add("</section>");
    }
    add("<section><h2>Figures</h2>");
    add(&latency_table(report));
    let rows = text::rows(report);
    add(&list(rows.iter().map(|(name, value)| (*name, value.clone()))));
    add("</section><section><h2>How it was measured</h2><pre>");
    add(&escape(command));
    add("</pre>");
    let date = ("date", httpdate::fmt_http_date(now));
    add(&list(machine.iter().cloned().chain([date])));
    add("</section></main></body></html>\n");
    out
}

/// The figures that are looked at first.
fn tiles(report: &Report) -> String {
    let unit = if report.workload == "connect" { "handshakes/s" } else { "messages/s" };
    let mut tiles = vec![(unit, number(report.messages_per_second))];
    if let Some(latency) = report.latency_us.as_ref().or(report.opening_us.as_ref()) {
        tiles.push(("p50", duration_us(latency.p50)));
        tiles.push(("p99", duration_us(latency.p99)));
        tiles.push(("p99.9", duration_us(latency.p99_9)));
    }
    if let Some(cpu) = report.server.and_then(|server| server.cpu_us_per_message) {
        tiles.push(("server CPU each", duration_us(cpu)));
    }
    if let Some(memory) = report.memory {
        tiles.push(("memory a connection", text::bytes(memory.per_used_connection)));
    }
    let mut out = String::from("<div class=\"tiles\">");
    for (name, value) in tiles {
        let _ = write!(out, "<div><b>{value}</b><span>{name}</span></div>");
    }
    out + "</div>"
}

fn percentiles(report: &Report, latency: &Latency) -> Plot {
    let count = text::as_f64(latency.count).max(2.0);
    let rarity = |share: f64| (1.0 / (1.0 - share)).min(count);
    let points: Vec<(f64, f64)> =
        report.curve.iter().map(|(share, micros)| (rarity(*share), *micros)).collect();
    let shown = [
        (0.5, latency.p50),
        (0.9, latency.p90),
        (0.99, latency.p99),
        (0.999, latency.p99_9),
        (0.9999, latency.p99_99),
    ];
    let marks = shown
        .into_iter()
        .filter(|(share, _)| 1.0 / (1.0 - share) <= count)
        .map(|(share, micros)| (rarity(share), micros, duration_us(micros)))
        .collect();
    Plot {
        label: "Latency by percentile".to_owned(),
        x: Scale::rarity(count),
        y: Scale::logarithmic(latency.min.max(0.001), latency.max.max(0.001), axis_us),
        lines: vec![Line { name: "", class: "a", points, marks, filled: false }],
    }
}

fn throughput(report: &Report) -> Plot {
    let points: Vec<(f64, f64)> =
        report.timeline.iter().map(|point| (point.second, point.messages_per_second)).collect();
    let points =
        thin(&points, |group| group.iter().sum::<f64>() / text::as_f64(group.len() as u64));
    let max = points.iter().map(|point| point.1).fold(0.0, f64::max);
    let what = if report.workload == "connect" { "handshakes/s" } else { "messages/s" };
    Plot {
        label: format!("{what} over time"),
        x: Scale::time(last_second(report)),
        y: Scale::linear(max, axis_count),
        lines: vec![Line { name: what, class: "a", points, marks: Vec::new(), filled: true }],
    }
}

fn latency_over_time(report: &Report) -> Option<Plot> {
    let line = |name, class, value: fn(&longwire_load::Point) -> Option<f64>| {
        let points: Vec<(f64, f64)> = report
            .timeline
            .iter()
            .filter_map(|point| value(point).map(|value| (point.second, value)))
            .collect();
        // The worst of those that share a place.
        let points = thin(&points, |group| group.iter().copied().fold(0.0, f64::max));
        Line { name, class, points, marks: Vec::new(), filled: false }
    };
    let lines =
        vec![line("p50", "a", |point| point.p50_us), line("p99", "b", |point| point.p99_us)];
    let values = || lines.iter().flat_map(|line| &line.points).map(|point| point.1);
    let (min, max) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    Some(Plot {
        label: "Latency over time".to_owned(),
        x: Scale::time(last_second(report)),
        y: Scale::logarithmic(min.max(0.001), max.max(0.001), axis_us),
        lines,
    })
}

fn last_second(report: &Report) -> f64 {
    report.timeline.last().map_or(1.0, |point| point.second)
}

/// No more points than a plot can show.
fn thin(points: &[(f64, f64)], join: impl Fn(&[f64]) -> f64) -> Vec<(f64, f64)> {
    let group = points.len().div_ceil(POINTS_MAX).max(1);
    let values = |group: &[(f64, f64)]| group.iter().map(|point| point.1).collect::<Vec<_>>();
    points.chunks(group).map(|group| (group[0].0, join(&values(group)))).collect()
}

/// For wide screens and for narrow ones: text keeps its size, so the plot cannot just shrink.
fn both_sizes(plot: &Plot) -> String {
    let wide = Size { width: 960.0, height: 320.0, labels: 12 };
    let narrow = Size { width: 380.0, height: 260.0, labels: 5 };
    plot.svg(wide, "wide") + &plot.svg(narrow, "narrow")
}

fn latency_table(report: &Report) -> String {
    let rows = [
        ("latency", &report.latency_us),
        ("sent late", &report.send_late_us),
        ("opening", &report.opening_us),
    ];
    let rows: Vec<_> = rows
        .iter()
        .filter_map(|(name, latency)| Some((name, text::columns(latency.as_ref()?))))
        .collect();
    let Some((_, columns)) = rows.first() else { return String::new() };
    let mut out = String::from("<div class=\"scroll\"><table><tr><td></td>");
    for (name, _) in columns {
        let _ = write!(out, "<th>{name}</th>");
    }
    for (name, columns) in &rows {
        let _ = write!(out, "</tr><tr><th>{name}</th>");
        for (_, micros) in columns {
            let _ = write!(out, "<td>{}</td>", duration_us(*micros));
        }
    }
    out + "</tr></table></div>"
}

fn list<'a>(rows: impl Iterator<Item = (&'a str, String)>) -> String {
    let mut out = String::from("<dl>");
    for (name, value) in rows {
        let _ = write!(out, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(&value));
    }
    out + "</dl>"
}

/// What made the load, and ran on the same machine as the server or not.
fn machine() -> Vec<(&'static str, String)> {
    let mut rows = vec![("version", format!("longwire {}", env!("CARGO_PKG_VERSION")))];
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let model = model.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    rows.push(("load's machine", format!("{model}, {cores} cores to run on")));
    rows.push(("system", system()));
    rows
}

#[cfg(unix)]
fn system() -> String {
    let name = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    format!("{} {}", text(name.sysname()), text(name.release()))
}

#[cfg(not(unix))]
fn system() -> String {
    std::env::consts::OS.to_owned()
}

fn axis_us(micros: f64) -> String {
    let (value, unit) = match micros {
        us if us < 1000.0 => (us, "µs"),
        us if us < 1e6 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    let rounded = (value * 1000.0).round() / 1000.0;
    format!("{rounded} {unit}")
}

fn axis_count(count: f64) -> String {
    let (value, unit) = match count {
        count if count < 1000.0 => (count, ""),
        count if count < 1e6 => (count / 1e3, " k"),
        count => (count / 1e6, " M"),
    };
    let rounded = (value * 100.0).round() / 100.0;
    format!("{rounded}{unit}")
}

/// Text that stands for itself in HTML, in quotation marks too.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// Points of a line at most: more than a screen has places.
const POINTS_MAX: usize = 600;

const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
<meta name=\"color-scheme\" content=\"light dark\">";

const STYLE: &str = "<style>
:root{--back:#f6f7f9;--card:#fff;--text:#16202c;--soft:#5b6675;--edge:#dfe3e8;--a:#2563eb;--b:#c2410c}
@media(prefers-color-scheme:dark){:root{--back:#0e131a;--card:#171e28;--text:#e6ebf2;--soft:#98a4b3;
--edge:#2a3442;--a:#6ea8fe;--b:#fb923c}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{max-width:1060px;margin:0 auto;padding:2rem 1rem 3rem}
h1{font-size:1.6rem;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:0 0 .75rem}
header p{margin:.35rem 0 0;color:var(--soft)}
header .brand{margin:0 0 .35rem;color:var(--a);font-weight:600;letter-spacing:.02em}
.note{border-left:4px solid var(--b);padding-left:.75rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:1.5rem 0 .75rem}
.tiles div,section{background:var(--card);border:1px solid var(--edge);border-radius:10px}
.tiles div{padding:.8rem 1rem}
.tiles b{display:block;font-size:1.5rem;line-height:1.2;font-variant-numeric:tabular-nums}
.tiles span{color:var(--soft);font-size:.85rem}
section{padding:1rem 1.1rem;margin:.75rem 0}
svg{display:block;width:100%;height:auto;overflow:visible}
svg+svg.wide,svg.narrow+svg{margin-top:1rem}
svg.narrow{display:none}
@media(max-width:640px){svg.wide{display:none}svg.narrow{display:block}main{padding-top:1.25rem}
h1{font-size:1.25rem}.tiles{grid-template-columns:1fr 1fr}.tiles b{font-size:1.25rem}
.tiles div:last-child:nth-child(odd){grid-column:1/-1}section{padding:.9rem .8rem}}
text{font:12px system-ui,sans-serif;fill:var(--soft)}
.mark{fill:var(--text);font-weight:600}
.name{fill:var(--text)}
.grid{stroke:var(--edge);stroke-width:1;fill:none}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.line.a{stroke:var(--a)}.line.b{stroke:var(--b)}
.area{opacity:.14}.area.a,.dot.a{fill:var(--a)}.dot{stroke:var(--card);stroke-width:1.5}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{padding:.35rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--edge)}
th{font-weight:600;color:var(--soft)}
tr>:first-child{text-align:left;padding-left:0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1.25rem;margin:1rem 0 0;font-size:.92rem}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
pre{margin:0;padding:.75rem .9rem;background:var(--back);border-radius:8px;overflow-x:auto;
font:13px/1.5 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
@media(max-width:640px){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}
</style>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_cannot_become_markup() {
        assert_eq!(escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn plots_have_no_more_points_than_places() {
        let points: Vec<(f64, f64)> =
            (0..5000).map(|n| (f64::from(n), f64::from(n % 10))).collect();
        let thinned = thin(&points, |group| group.iter().copied().fold(0.0, f64::max));
        assert_eq!(thinned.len(), 556);
        assert!(thinned.iter().all(|point| point.1 > 7.0));
    }

    #[test]
    fn axes_are_named_without_needless_digits() {
        assert_eq!(axis_us(0.5), "0.5 µs");
        assert_eq!(axis_us(20_000.0), "20 ms");
        assert_eq!(axis_count(250_000.0), "250 k");
        assert_eq!(axis_count(1_500_000.0), "1.5 M");
    }
}
