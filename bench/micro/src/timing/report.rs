//! What was measured, as Markdown and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// The times of one contestant, in nanoseconds an operation.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) size: Option<usize>,
    pub(super) contestant: &'static str,
    pub(super) fastest: f64,
    pub(super) median: f64,
}

impl Figure {
    #[expect(clippy::cast_precision_loss, reason = "sizes are small")]
    fn bytes_per_second(&self) -> Option<f64> {
        self.size.map(|size| size as f64 * 1e9 / self.fastest)
    }
}

/// One table; the last contestant of a comparison is what the others are compared with.
pub(super) fn markdown(figures: &[Figure]) -> String {
    let mut text = String::from(
        "| what | size | contestant | ns (fastest) | ns (median) | GB/s | a second | speed |\n\
         |---|--:|---|--:|--:|--:|--:|--:|\n",
    );
    for comparison in figures.chunk_by(|a, b| a.name == b.name && a.size == b.size) {
        let reference = comparison.last().expect("chunks are not empty");
        for figure in comparison {
            let size = figure.size.map_or_else(|| "-".to_owned(), shown_size);
            let rate = figure
                .bytes_per_second()
                .map_or_else(|| "-".to_owned(), |rate| format!("{:.1}", rate / 1e9));
            let ratio = if std::ptr::eq(figure, reference) {
                "-".to_owned()
            } else {
                format!("{:.2} x {}", reference.fastest / figure.fastest, reference.contestant)
            };
            let Figure { name, contestant, fastest, median, .. } = figure;
            let second = 1e9 / fastest;
            writeln!(
                text,
                "| {name} | {size} | {contestant} | {fastest:.1} | {median:.1} | {rate} | \
                 {second:.0} | {ratio} |"
            )
            .expect("a String takes everything");
        }
    }
    text
}

pub(super) fn json(figures: &[Figure]) -> Value {
    let figure = |figure: &Figure| {
        json!({
            "name": figure.name,
            "size": figure.size,
            "contestant": figure.contestant,
            "ns_per_op": figure.fastest,
            "median_ns_per_op": figure.median,
            "bytes_per_second": figure.bytes_per_second(),
        })
    };
    figures.iter().map(figure).collect()
}

fn shown_size(size: usize) -> String {
    match size {
        _ if size >= 1 << 20 && size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        _ if size >= 1 << 10 && size.is_multiple_of(1 << 10) => format!("{} KiB", size >> 10),
        _ => format!("{size} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> [Figure; 3] {
        let figure = |name: &str, size, contestant, fastest| Figure {
            name: name.to_owned(),
            size,
            contestant,
            fastest,
            median: fastest * 2.0,
        };
        [
            figure("mask", Some(4096), "longwire", 200.0),
            figure("mask", Some(4096), "memcpy", 100.0),
            figure("header", None, "longwire", 10.0),
        ]
    }

    #[test]
    fn speed_is_a_share_of_the_reference() {
        let table = markdown(&figures());
        assert!(
            table.contains(
                "| mask | 4 KiB | longwire | 200.0 | 400.0 | 20.5 | 5000000 | 0.50 x memcpy |\n"
            ),
            "{table}"
        );
        assert!(table.contains("| header | - | longwire | 10.0 | 20.0 | - | 100000000 | - |\n"));
    }

    #[test]
    fn what_has_no_size_has_no_rate() {
        let json = json(&figures());
        assert_eq!(json[0]["bytes_per_second"], 20.48e9);
        assert_eq!(json[0]["ns_per_op"], 200.0);
        assert_eq!(json[2]["bytes_per_second"], Value::Null);
        assert_eq!(json[2]["size"], Value::Null);
    }

    #[test]
    fn sizes_are_shown_in_their_unit() {
        let shown = [125, 1024, 1500, 64 << 10, 1 << 20].map(shown_size);
        assert_eq!(shown, ["125 B", "1 KiB", "1500 B", "64 KiB", "1 MiB"]);
    }
}
