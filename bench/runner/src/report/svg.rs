//! A small writer of SVG: what the plots need, legible on light and on dark ground.

use std::fmt::Write;

/// A picture that grows by shapes; its ground is transparent.
#[derive(Debug)]
pub(crate) struct Picture {
    width: f64,
    height: f64,
    body: String,
}

/// What a shape is; the style sheet has its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Title,
    /// Ordinary words and figures.
    Text,
    /// Words that are looked for first.
    Strong,
    /// Words that explain.
    Faint,
    /// Lines behind everything.
    Grid,
    /// What is measured of longwire.
    Own,
    /// What is measured of the floor.
    Floor,
    /// What is measured of all others.
    Other,
    /// The range of the rounds.
    Range,
}

/// How a text lies at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Picture {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    pub(crate) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: Class, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{}\">{}</text>",
            class.name(),
            escape(text)
        ));
    }

    pub(crate) fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), class: Class) {
        self.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"2\" \
             class=\"{}\"/>",
            width.max(1.0),
            class.name()
        ));
    }

    pub(crate) fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: Class) {
        self.add(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{}\"/>",
            class.name()
        ));
    }

    pub(crate) fn dot(&mut self, (x, y): (f64, f64), radius: f64, class: Class) {
        self.add(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" class=\"{}\"/>",
            class.name()
        ));
    }

    /// The whole file; `title` is what a screen reader says.
    pub(crate) fn finish(self, title: &str) -> String {
        let Self { width, height, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n\
             <title>{}</title>\n<style>{STYLE}</style>\n{body}</svg>\n",
            escape(title)
        )
    }

    fn add(&mut self, shape: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.body, "{shape}"); // writing to a String never fails
    }
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Text => "text",
            Self::Strong => "strong",
            Self::Faint => "faint",
            Self::Grid => "grid",
            Self::Own => "own",
            Self::Floor => "floor",
            Self::Other => "other",
            Self::Range => "range",
        }
    }
}

/// Text as XML has it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            char => escaped.push(char),
        }
    }
    escaped
}

/// Both grounds: a page tells which by `prefers-color-scheme`, even to a picture within it. Letters have a rim
/// in the colour of the ground, where lines go through them.
const STYLE: &str = "
text { font: 12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #424a53;
  paint-order: stroke; stroke: #fff; stroke-width: 3px; stroke-linejoin: round }
.title { font-size: 15px; font-weight: 600 }
.strong { font-weight: 700; fill: #0a58ca }
.faint { font-size: 11px; fill: #6e7781 }
.grid { stroke: #8c959f; stroke-opacity: .35 }
.own { fill: #0969da }
.floor { fill: #8c959f }
.other { fill: #d4a72c }
.range { stroke: #424a53; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #c9d1d9; stroke: #0d1117 }
.strong { fill: #79c0ff }
.faint { fill: #8b949e }
.own { fill: #58a6ff }
.other { fill: #bb8009 }
.range { stroke: #f0f6fc }
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_reads_as_its_own_is_escaped() {
        assert_eq!(escape("a < b & \"c\" > d"), "a &lt; b &amp; &quot;c&quot; &gt; d");
    }

    #[test]
    fn a_picture_has_its_shapes_and_its_title() {
        let mut picture = Picture::new(100.0, 50.0);
        picture.text((1.0, 2.0), Anchor::End, Class::Strong, "<x>");
        picture.bar((1.0, 2.0), (0.0, 4.0), Class::Own);
        picture.line((1.0, 2.0), (3.0, 4.0), Class::Grid);
        picture.dot((1.0, 2.0), 3.0, Class::Other);
        let text = picture.finish("A & B");
        for part in [
            "viewBox=\"0 0 100 50\"",
            "<title>A &amp; B</title>",
            "text-anchor=\"end\" class=\"strong\">&lt;x&gt;</text>",
            "width=\"1.0\" height=\"4.0\" rx=\"2\" class=\"own\"/>",
            "<line x1=\"1.0\" y1=\"2.0\" x2=\"3.0\" y2=\"4.0\" class=\"grid\"/>",
            "<circle cx=\"1.0\" cy=\"2.0\" r=\"3.0\" class=\"other\"/>",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
