//! Plots as SVG: lines over scales that are linear or logarithmic.

use std::fmt::Write as _;

/// A plot.
pub(super) struct Plot {
    /// What it shows, for those who cannot see it.
    pub(super) label: String,
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) lines: Vec<Line>,
}

/// A line, its points in the order of x.
pub(super) struct Line {
    /// What it is; nothing where there is one line alone.
    pub(super) name: &'static str,
    /// The class that gives it its colour.
    pub(super) class: &'static str,
    pub(super) points: Vec<(f64, f64)>,
    /// Points that are marked, with what stands beside them.
    pub(super) marks: Vec<(f64, f64, String)>,
    /// Whether what is below is filled.
    pub(super) filled: bool,
}

/// From values to places on an axis, and the values that are named there.
pub(super) struct Scale {
    from: f64,
    to: f64,
    logarithmic: bool,
    ticks: Vec<(f64, String)>,
}

/// How large a plot is drawn.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
    /// Labels on the x axis at most.
    pub(super) labels: usize,
}

impl Scale {
    /// From 0 to a round number above all values.
    pub(super) fn linear(max: f64, label: fn(f64) -> String) -> Self {
        let step = round_step(max / 5.0);
        let to = (max / step).ceil().max(1.0) * step;
        let mut ticks = Vec::new();
        let mut value = 0.0;
        while value <= to + step / 2.0 {
            ticks.push((value, label(value)));
            value += step;
        }
        Self { from: 0.0, to, logarithmic: false, ticks }
    }

    /// From 0 to exactly this, named at round numbers.
    pub(super) fn time(to: f64) -> Self {
        let step = round_step(to / 8.0);
        let mut ticks = Vec::new();
        let mut value = 0.0;
        while value <= to * 1.001 {
            ticks.push((value, format!("{} s", short(value))));
            value += step;
        }
        Self { from: 0.0, to, logarithmic: false, ticks }
    }

    /// Logarithmic, around values above 0, named at 1, 2 and 5 of each power of ten, or at powers of
    /// ten alone where these are many.
    pub(super) fn logarithmic(min: f64, max: f64, label: fn(f64) -> String) -> Self {
        let mut marks = Vec::new();
        let mut power = 10_f64.powf(min.log10().floor());
        while power <= max * 10.0 {
            marks.extend([power, 2.0 * power, 5.0 * power]);
            power *= 10.0;
        }
        let from = marks.iter().copied().filter(|mark| *mark <= min).fold(marks[0], f64::max);
        let to = marks
            .iter()
            .copied()
            .filter(|mark| *mark >= max && *mark > from)
            .fold(f64::MAX, f64::min);
        let decades = (to / from).log10();
        let is_tick = |mark: &f64| {
            let digit = mark / 10_f64.powf((mark.log10() + 1e-9).floor());
            *mark >= from * 0.999 && *mark <= to * 1.001 && (decades < 3.5 || digit < 1.5)
        };
        let ticks = marks.into_iter().filter(is_tick).map(|mark| (mark, label(mark))).collect();
        Self { from, to, logarithmic: true, ticks }
    }

    /// Logarithmic from 1, over how rare a latency is: 1 of so many is above it.
    pub(super) fn rarity(max: f64) -> Self {
        let mut ticks = vec![(1.0, "0".to_owned()), (2.0, "p50".to_owned())];
        let (mut power, mut digits) = (10.0, 0);
        while power <= max {
            ticks.push((power, format!("p{:.digits$}", 100.0 - 100.0 / power)));
            power *= 10.0;
            digits = if power > 100.0 { digits + 1 } else { 0 };
        }
        Self { from: 1.0, to: max, logarithmic: true, ticks }
    }

    fn place(&self, value: f64) -> f64 {
        let place = if self.logarithmic {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        place.clamp(0.0, 1.0)
    }
}

impl Plot {
    /// The plot as an SVG element, for a page that has the colours.
    pub(super) fn svg(&self, size: Size, class: &str) -> String {
        let Size { width, height, labels } = size;
        let x = |value| LEFT + self.x.place(value) * (width - LEFT - RIGHT);
        let y = |value| height - BOTTOM - self.y.place(value) * (height - TOP - BOTTOM);
        let mut svg = format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">",
            self.label
        );
        for (value, label) in &self.y.ticks {
            let y = y(*value);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                width - RIGHT,
                LEFT - 8.0,
                y + 4.0
            );
        }
        let every = self.x.ticks.len().div_ceil(labels).max(1);
        for (value, label) in self.x.ticks.iter().step_by(every) {
            let x = x(*value);
            let anchor = if x > width - RIGHT - 12.0 { "end" } else { "middle" };
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{x:.1} {TOP}V{:.1}\"/>\
                 <text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{label}</text>",
                height - BOTTOM,
                height - BOTTOM + 20.0
            );
        }
        for line in &self.lines {
            draw(&mut svg, line, height - BOTTOM, &x, &y);
        }
        let mut place = LEFT;
        for line in self.lines.iter().filter(|line| !line.name.is_empty()) {
            let _ = write!(
                svg,
                "<path class=\"line {}\" d=\"M{place:.1} 10h18\"/><text class=\"name\" x=\"{:.1}\" \
                 y=\"14\">{}</text>",
                line.class,
                place + 24.0,
                line.name
            );
            place += 70.0;
        }
        svg + "</svg>"
    }
}

fn draw(
    svg: &mut String,
    line: &Line,
    bottom: f64,
    x: &dyn Fn(f64) -> f64,
    y: &dyn Fn(f64) -> f64,
) {
    let Some(first) = line.points.first() else { return };
    let mut path = String::new();
    for (index, point) in line.points.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{:.1} {:.1}", x(point.0), y(point.1));
    }
    let class = line.class;
    if line.filled {
        let _ = write!(
            svg,
            "<path class=\"area {class}\" d=\"{path}V{bottom:.1}H{:.1}V{bottom:.1}Z\"/>",
            x(first.0)
        );
    }
    let _ = write!(svg, "<path class=\"line {class}\" d=\"{path}\"/>");
    let mut before = f64::MIN;
    for (at, value, text) in &line.marks {
        let (cx, cy) = (x(*at), y(*value));
        let _ =
            write!(svg, "<circle class=\"dot {class}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"4\"/>");
        // Texts beside one another would run into each other.
        if cx - before < MARK_WIDTH {
            continue;
        }
        before = cx;
        // Lines rise: above them on the left there is room, and at the edge below them.
        let (anchor, shift, below) =
            if cx < LEFT + MARK_WIDTH { ("start", 8.0, 14.0) } else { ("end", 6.0, -9.0) };
        let _ = write!(
            svg,
            "<text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{text}</text>",
            cx + shift,
            cy + below
        );
    }
}

/// The next of 1, 2 and 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    if least <= 0.0 || !least.is_finite() {
        return 1.0;
    }
    let power = 10_f64.powf(least.log10().floor());
    let steps = [power, 2.0 * power, 5.0 * power];
    steps.into_iter().find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// Without zeros at its end.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Room around the axes: labels, and what stands beside marks.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 30.0;

/// Room for the text beside a mark.
const MARK_WIDTH: f64 = 56.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(scale: &Scale) -> Vec<&str> {
        scale.ticks.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn scales_are_named_at_round_numbers_that_enclose_all() {
        let label = |value: f64| format!("{value}");
        assert_eq!(
            names(&Scale::linear(93_000.0, label)),
            ["0", "20000", "40000", "60000", "80000", "100000"]
        );
        assert_eq!(names(&Scale::linear(0.0, label)), ["0", "1"]);
        assert_eq!(
            names(&Scale::logarithmic(30.0, 400.0, label)),
            ["20", "50", "100", "200", "500"]
        );
        assert_eq!(names(&Scale::logarithmic(7.0, 7.0, label)), ["5", "10"]);
        assert_eq!(
            names(&Scale::logarithmic(3.0, 90_000.0, label)),
            ["10", "100", "1000", "10000", "100000"]
        );
        assert_eq!(names(&Scale::rarity(20_000.0)), ["0", "p50", "p90", "p99", "p99.9", "p99.99"]);
        assert_eq!(names(&Scale::time(2.0)), ["0 s", "0.5 s", "1 s", "1.5 s", "2 s"]);
    }

    #[test]
    fn places_are_between_the_ends() {
        let scale = Scale::logarithmic(10.0, 1000.0, |value| format!("{value}"));
        for (value, place) in [(10.0, 0.0), (100.0, 0.5), (1000.0, 1.0), (0.0, 0.0), (1e9, 1.0)] {
            assert!((scale.place(value) - place).abs() < 1e-9, "{value}");
        }
    }
}
