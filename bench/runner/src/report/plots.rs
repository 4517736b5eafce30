//! The plots: bars for what a message or a connection costs, dots for latency.

use bench_harness::statistics::Spread;

use super::numbers::number;
use super::svg::{Anchor, Class, Picture};
use super::tables::compared;
use crate::plan::entries::{self, Group};
use crate::plan::workloads::{BURSTS, HEADLINE, IDLE, Part, Workload};
use crate::results::Results;
use crate::results::figures::Metric;

/// A file of the published set.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) file: String,
    pub(crate) title: String,
    pub(crate) svg: String,
}

/// The plots of everything that was measured.
pub(crate) fn all(results: &Results) -> Vec<Plot> {
    let mut plots = Vec::new();
    for workload in results.workloads() {
        let is_drawn = HEADLINE.contains(&workload)
            || BURSTS.contains(&workload)
            || workload == IDLE
            || matches!(workload.part, Part::Broadcast | Part::Connect);
        if is_drawn {
            plots.push(cost(results, workload));
        } else if workload.part == Part::Latency {
            plots.push(latency(results, workload));
        }
    }
    plots
}

/// The file that a workload's plot is in.
pub(crate) fn file(workload: Workload) -> String {
    let name = workload.name().to_lowercase();
    let words: Vec<_> = name
        .split(|char: char| !char.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    format!("{}.svg", words.join("-"))
}

/// One line of a plot of bars.
#[derive(Debug)]
struct Bar<'a> {
    name: &'a str,
    spread: Spread,
}

/// p50, p99 and p99.9, or why there are none.
#[derive(Debug)]
struct Dots<'a> {
    name: &'a str,
    percentiles: Result<[f64; 3], String>,
}

/// Where a value lies between the left and the right end of a plot.
#[derive(Debug)]
struct Scale {
    from: f64,
    to: f64,
    is_log: bool,
    left: f64,
    width: f64,
}

fn cost(results: &Results, workload: Workload) -> Plot {
    let metric = compared(workload);
    let contestants = results.contestants(workload).into_iter();
    let mut bars: Vec<_> = contestants
        .filter_map(|name| Some(Bar { name, spread: results.spread(workload, name, metric)? }))
        .collect();
    bars.sort_by(|one, other| one.spread.median.total_cmp(&other.spread.median));
    let title = match metric {
        Metric::UsedBytes => "Resident bytes a connection at rest",
        _ if workload.part == Part::Connect => "Server CPU an opening handshake, microseconds",
        _ => "Server CPU a message, microseconds",
    };
    let svg = bar_chart(title, &workload.description(), &bars);
    Plot { file: file(workload), title: format!("{title}: {}", workload.name()), svg }
}

fn latency(results: &Results, workload: Workload) -> Plot {
    let median = |name, metric| results.spread(workload, name, metric).map(|spread| spread.median);
    let percentiles = |name| {
        let [p50, p99, p99_9] =
            [Metric::P50, Metric::P99, Metric::P99_9].map(|metric| median(name, metric));
        Some([p50?, p99?, p99_9?])
    };
    let contestants = results.contestants(workload).into_iter();
    let mut rows: Vec<_> = contestants
        .map(|name| Dots {
            name,
            percentiles: percentiles(name).ok_or_else(|| results.held(workload, name)),
        })
        .collect();
    let last = |row: &Dots<'_>| row.percentiles.as_ref().map_or(f64::INFINITY, |values| values[2]);
    rows.sort_by(|one, other| last(one).total_cmp(&last(other)));
    let title = "Latency, microseconds: p50, p99 and p99.9";
    let svg = dot_chart(title, &workload.description(), &rows);
    Plot { file: file(workload), title: format!("{title}: {}", workload.name()), svg }
}

fn bar_chart(title: &str, description: &str, bars: &[Bar<'_>]) -> String {
    let values: Vec<f64> =
        bars.iter().flat_map(|bar| [bar.spread.median, bar.spread.min, bar.spread.max]).collect();
    let left = left_of(bars.iter().map(|bar| bar.name));
    let scale = Scale::new(&values, left, RIGHT_OF_BARS);
    let mut picture =
        frame((title, description), "the lines show the range of the rounds", &scale, bars.len());
    let top = top_of(description);
    for (row, bar) in (0_u16..).zip(bars) {
        let y = top + f64::from(row) * ROW;
        let Spread { median, min, max } = bar.spread;
        name(&mut picture, bar.name, left, y);
        let end = scale.place(median);
        picture.bar((left, y + 4.0), (end - left, ROW - 8.0), class(bar.name));
        let (low, high) = (scale.place(min), scale.place(max));
        picture.line((low, y + ROW / 2.0), (high, y + ROW / 2.0), Class::Range);
        for x in [low, high] {
            picture.line((x, y + 7.0), (x, y + ROW - 7.0), Class::Range);
        }
        let at = (end.max(high) + 6.0, y + BASE);
        picture.text(at, Anchor::Start, strength(bar.name), &number(median));
    }
    picture.finish(title)
}

fn dot_chart(title: &str, description: &str, rows: &[Dots<'_>]) -> String {
    let values: Vec<f64> =
        rows.iter().filter_map(|row| row.percentiles.as_ref().ok()).flatten().copied().collect();
    let left = left_of(rows.iter().map(|row| row.name));
    let scale = Scale::new(&values, left, RIGHT_OF_DOTS);
    let top = top_of(description);
    let mut picture = frame((title, description), "medians of the rounds", &scale, rows.len());
    for (row, dots) in (0_u16..).zip(rows) {
        let y = top + f64::from(row) * ROW;
        name(&mut picture, dots.name, left, y);
        match &dots.percentiles {
            Ok(values) => {
                let middle = y + ROW / 2.0;
                let places = values.map(|value| scale.place(value));
                picture.line((places[0], middle), (places[2], middle), Class::Grid);
                for (place, radius) in places.into_iter().zip([3.0, 4.0, 5.5]) {
                    picture.dot((place, middle), radius, class(dots.name));
                }
                let words = values.map(number).join(" / ");
                let at = (places[2] + 10.0, y + BASE);
                picture.text(at, Anchor::Start, strength(dots.name), &words);
            }
            Err(why) => {
                let why = cut(why, WIDTH - MARGIN - left - 6.0);
                picture.text((left + 6.0, y + BASE), Anchor::Start, Class::Faint, &why);
            }
        }
    }
    picture.finish(title)
}

/// Title, description, and the grid with its figures.
fn frame((title, description): (&str, &str), remark: &str, scale: &Scale, rows: usize) -> Picture {
    let rows = f64::from(u16::try_from(rows).unwrap_or(u16::MAX));
    let top = top_of(description);
    let bottom = top + rows * ROW;
    let mut picture = Picture::new(WIDTH, bottom + BELOW);
    picture.text((MARGIN, 20.0), Anchor::Start, Class::Title, title);
    for (line, text) in (0_u16..).zip(wrapped(description)) {
        let y = HEAD + f64::from(line) * LEADING;
        picture.text((MARGIN, y), Anchor::Start, Class::Faint, &text);
    }
    for tick in scale.ticks() {
        let x = scale.place(tick);
        picture.line((x, top), (x, bottom), Class::Grid);
        picture.text((x, bottom + 15.0), Anchor::Middle, Class::Faint, &short(tick));
    }
    let axis = if scale.is_log { "logarithmic; " } else { "" };
    let remark = format!("{axis}{remark}");
    let at = (WIDTH - MARGIN, bottom + 30.0);
    picture.text(at, Anchor::End, Class::Faint, &remark);
    picture
}

fn name(picture: &mut Picture, name: &str, left: f64, y: f64) {
    picture.text((left - 8.0, y + BASE), Anchor::End, strength(name), name);
}

fn class(name: &str) -> Class {
    match entries::group(name) {
        Group::Longwire => Class::Own,
        Group::Floor => Class::Floor,
        _ => Class::Other,
    }
}

fn strength(name: &str) -> Class {
    if entries::group(name) == Group::Longwire { Class::Strong } else { Class::Text }
}

/// Room for the longest name.
fn left_of<'a>(names: impl Iterator<Item = &'a str>) -> f64 {
    let longest = names.map(|name| name.chars().count()).max().unwrap_or(0);
    MARGIN + 12.0 + f64::from(u16::try_from(longest).unwrap_or(u16::MAX)) * LETTER
}

/// Room for title and description.
fn top_of(description: &str) -> f64 {
    let lines = u16::try_from(wrapped(description).len()).unwrap_or(u16::MAX);
    HEAD + f64::from(lines) * LEADING
}

/// A reason, or its beginning if there is no room for all of it.
fn cut(text: &str, room: f64) -> String {
    let letters = text.chars().scan(0.0, |width, letter| {
        *width += FAINT_LETTER;
        (*width <= room).then_some(letter)
    });
    let fits: String = letters.collect();
    if fits.len() == text.len() {
        return fits;
    }
    let whole_words = fits.rsplit_once(' ').map_or(fits.as_str(), |(words, _)| words);
    format!("{whole_words} ...")
}

/// The description in lines that fit.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one from the beginning");
        if line.chars().count() + word.chars().count() > LINE {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// A figure of the axis.
fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        1e6.. => format!("{}M", value / 1e6),
        1e3.. => format!("{}k", value / 1e3),
        _ => format!("{}", (value * 1e6).round() / 1e6),
    }
}

impl Scale {
    fn new(values: &[f64], left: f64, right: f64) -> Self {
        let positive = values.iter().copied().filter(|value| *value > 0.0);
        let least = positive.clone().fold(f64::INFINITY, f64::min);
        let most = positive.fold(0.0, f64::max);
        let width = WIDTH - right - left;
        if least.is_finite() && most > least * LOG_FROM {
            let from = 10_f64.powf((least / 1.5).log10().floor());
            return Self { from, to: most, is_log: true, left, width };
        }
        Self { from: 0.0, to: if most > 0.0 { most } else { 1.0 }, is_log: false, left, width }
    }

    fn place(&self, value: f64) -> f64 {
        let share = if self.is_log {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value / self.to).max(0.0)
        };
        self.left + share * self.width
    }

    fn ticks(&self) -> Vec<f64> {
        let mut ticks = vec![self.from];
        if self.is_log {
            while let Some(next) = ticks.last().map(|tick| tick * 10.0).filter(|t| *t <= self.to) {
                ticks.push(next);
            }
            return ticks;
        }
        let tenth = 10_f64.powf((self.to / 4.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|step| step * tenth)
            .into_iter()
            .find(|step| self.to / step <= 5.0)
            .unwrap_or(self.to);
        let mut tick = 1.0;
        while tick * step <= self.to {
            ticks.push(tick * step);
            tick += 1.0;
        }
        ticks
    }
}

/// Narrow, so that a telephone shows letters of a size to read.
const WIDTH: f64 = 560.0;
const MARGIN: f64 = 10.0;
/// Room for the figure at the end of the longest bar, and for those of three dots.
const RIGHT_OF_BARS: f64 = 60.0;
const RIGHT_OF_DOTS: f64 = 160.0;
/// Where the description begins, below the title.
const HEAD: f64 = 38.0;
/// From one line of the description to the next.
const LEADING: f64 = 14.0;
/// Room for the axis.
const BELOW: f64 = 40.0;
const ROW: f64 = 24.0;
/// Where a row's text stands.
const BASE: f64 = 16.0;
/// Width of a letter, about.
const LETTER: f64 = 7.6;
/// Letters of a line of the description.
const LINE: usize = 84;
/// Width of a letter of words that explain, about.
const FAINT_LETTER: f64 = 6.2;
/// Largest by smallest value from which a scale is logarithmic.
const LOG_FROM: f64 = 20.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::workloads::{self, HALF, MAXIMUM};
    use crate::results::Run;
    use crate::results::tests::run;

    fn scale(values: &[f64]) -> Scale {
        Scale::new(values, 100.0, RIGHT_OF_BARS)
    }

    #[test]
    fn a_wide_range_is_logarithmic() {
        assert!(!scale(&[1.0, 20.0]).is_log);
        let wide = scale(&[1.0, 100.0]);
        assert!(wide.is_log);
        assert_eq!(
            wide.ticks().into_iter().map(short).collect::<Vec<_>>(),
            ["0.1", "1", "10", "100"]
        );
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "the ends are exact")]
    fn values_lie_between_the_ends_in_their_order() {
        for values in [&[1.0, 5.0][..], &[1.0, 500.0], &[-3.0, 0.0, 7.0], &[0.0], &[]] {
            let scale = scale(values);
            let places: Vec<_> = values.iter().map(|value| scale.place(*value)).collect();
            assert!(places.is_sorted(), "{values:?}: {places:?}");
            assert!(
                places.iter().all(|x| (100.0..=WIDTH - RIGHT_OF_BARS).contains(x)),
                "{places:?}"
            );
            assert_eq!(scale.place(scale.to), WIDTH - RIGHT_OF_BARS);
            assert!((2..=8).contains(&scale.ticks().len()), "{:?}", scale.ticks());
        }
    }

    #[test]
    fn bars_are_sorted_and_longwire_is_marked() {
        let mut results = Results::default();
        for (name, cost) in [("longwire", 2.0), ("yawc", 3.0), ("floor", 1.0)] {
            results.runs.push(run(0, 1, name, cost));
        }
        let plot = cost(&results, MAXIMUM);
        assert_eq!(plot.file, "64-x-32-b-x-16.svg");
        let place = |name: &str| plot.svg.find(&format!(">{name}</text>")).expect(name);
        assert!(place("floor") < place("longwire") && place("longwire") < place("yawc"));
        assert!(plot.svg.contains("class=\"strong\">longwire</text>"));
        assert!(plot.svg.contains("class=\"own\""));
    }

    #[test]
    fn who_could_not_hold_the_rate_has_a_reason_in_place_of_dots() {
        let mut results = Results::default();
        for (name, came) in [("longwire", 1000.0), ("ws", 500.0)] {
            let mut paced = Run { workload: HALF.name(), ..run(0, 1, name, 1.0) };
            let figures = &mut paced.figures;
            (figures.asked_per_second, figures.messages_per_second) = (Some(1000.0), Some(came));
            (figures.p50, figures.p99, figures.p99_9) = (Some(1.0), Some(2.0), Some(3.0));
            results.runs.push(paced);
        }
        let svg = latency(&results, HALF).svg;
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("cannot hold: 500 of 1000"), "{svg}");
    }

    #[test]
    fn a_reason_that_is_too_long_ends_at_a_word() {
        assert_eq!(cut("all of it fits", 100.0), "all of it fits");
        assert_eq!(cut("not all of it fits", 70.0), "not all of ...");
    }

    #[test]
    fn files_have_names_of_their_own() {
        let mut files: Vec<_> = workloads::all().into_iter().map(file).collect();
        files.sort();
        let count = files.len();
        files.dedup();
        assert_eq!(files.len(), count);
    }
}
