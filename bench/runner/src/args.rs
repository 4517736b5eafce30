//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::plan::{Plan, Profile};

/// Measure WebSocket libraries side by side: build, pin, interleave, report medians and ratios
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Args {
    /// A short look: the headline lines, Rust alone, 2 rounds of half a second
    #[arg(long, conflicts_with = "headline")]
    pub(crate) quick: bool,
    /// What the front page shows, in 5 rounds; without it everything is measured
    #[arg(long)]
    pub(crate) headline: bool,
    /// Rounds; each measures every contestant once under every workload [default: by workload]
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// Seconds a measurement; a quarter more is spent to warm up [default: by workload]
    #[arg(long)]
    pub(crate) seconds: Option<f64>,
    /// Only this contestant (repeatable)
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Only workloads whose name starts so, such as `64 x 32 B`, of the whole suite (repeatable)
    #[arg(long, value_name = "PREFIX")]
    pub(crate) workload: Vec<String>,
    /// Say what would be measured, and how long it takes, and measure nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Core of the server
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) server_cpu: usize,
    /// Core of the load generator
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) load_cpu: usize,
    /// Measure this `longwire` program instead of building one; the load generator is built
    #[arg(long, value_name = "FILE")]
    pub(crate) longwire: Option<PathBuf>,
    /// Write bench/results/kept/NAME.{md,json} instead of bench/results/latest.*
    #[arg(long, value_name = "NAME")]
    pub(crate) keep: Option<String>,
    /// Go on with what the file to be written has already: only rounds that are not whole are measured
    #[arg(long)]
    pub(crate) resume: bool,
    /// Measure nothing, and put these results together; a workload that several have is taken from the
    /// last of them
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "resume")]
    pub(crate) merge: Vec<PathBuf>,
    /// Write the set that is committed as well: tables, results.json and plots in bench/results/
    #[arg(long)]
    pub(crate) publish: bool,
    /// Write the performance section of the front page from bench/results/results.json; without
    /// --publish nothing is measured
    #[arg(long)]
    pub(crate) readme: bool,
}

impl Args {
    /// What is to be measured.
    pub(crate) fn plan(&self) -> Plan {
        let profile = match (self.quick, self.headline) {
            (true, _) => Profile::Quick,
            (_, true) => Profile::Headline,
            _ => Profile::Full,
        };
        let plan = Plan::new(profile, &self.workload);
        Plan { rounds: self.rounds, seconds: self.seconds, ..plan }
    }

    /// Whether only the front page is to be written.
    pub(crate) fn is_readme_alone(&self) -> bool {
        self.readme && !self.publish && self.merge.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_front_page_alone_measures_nothing() {
        let args = |words: &[&str]| Args::parse_from([&["bench-runner"], words].concat());
        assert!(args(&["--readme"]).is_readme_alone());
        assert!(!args(&["--readme", "--publish"]).is_readme_alone());
        assert!(!args(&["--readme", "--merge", "a.json", "b.json"]).is_readme_alone());
    }
}
