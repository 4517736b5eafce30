//! One line on a terminal, drawn again and again: how far the measuring is.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use longwire_load::{Plan, Progress, Stage, Until};

use super::text::{duration_us, number};

/// The line.
pub(super) struct Line {
    shows: bool,
    /// What the measuring has to come to, if that is a time.
    seconds: Option<f64>,
    drawn: bool,
}

impl Line {
    pub(super) fn new(shows: bool, plan: &Plan) -> Self {
        let seconds = match plan.until {
            Until::Elapsed(time) => Some(time.as_secs_f64()),
            Until::Messages(_) => None,
        };
        Self { shows, seconds, drawn: false }
    }

    /// Draws it anew.
    pub(super) fn show(&mut self, progress: &Progress) {
        if !self.shows {
            return;
        }
        let text = self.text(progress);
        self.drawn = true;
        // Back to the start, over the old line, and what is left of it away.
        let _ = write!(io::stderr(), "\r{text}\x1b[K");
    }

    /// Takes it away, so that what follows stands alone.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    fn text(&self, progress: &Progress) -> String {
        let elapsed = progress.elapsed.as_secs_f64();
        let mut text = match (progress.stage, self.seconds) {
            (Stage::Opening, _) => "opening".to_owned(),
            (Stage::WarmUp, _) => "warming up".to_owned(),
            (Stage::Measuring, Some(seconds)) => format!("{elapsed:.1} of {seconds} s"),
            (Stage::Resting, _) => "the server comes to rest".to_owned(),
            _ => format!("{elapsed:.1} s"),
        };
        if let Some(rate) = progress.messages_per_second {
            let _ = write!(text, "   {} messages/s", number(rate));
        }
        if let (Some(p50), Some(p99)) = (progress.p50_us, progress.p99_us) {
            let _ = write!(text, "   p50 {}  p99 {}", duration_us(p50), duration_us(p99));
        }
        if let Some(busy) = progress.server_busy {
            let _ = write!(text, "   server {:.0} % of a core", busy * 100.0);
        }
        text
    }
}
