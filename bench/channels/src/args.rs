//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Measure `longwire serve`, each figure beside its floor: build, pin, interleave, report medians and ratios
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// A short look: one round of half a second, fewer connections and streams; no result
    #[arg(long, conflicts_with_all = ["publish", "rounds", "seconds"])]
    pub(crate) quick: bool,
    /// Rounds; each measures everything once
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Seconds of a measurement; a quarter more is spent to warm up
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    pub(crate) seconds: f64,
    /// Only lines whose name starts so, such as `durable` (repeatable); the floors they are compared with are not added
    #[arg(long, value_name = "PREFIX")]
    pub(crate) only: Vec<String>,
    /// Core of the server
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) server_cpu: usize,
    /// Core of the load generator
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) load_cpu: usize,
    /// Measure this `longwire` program instead of building one
    #[arg(long, value_name = "FILE")]
    pub(crate) longwire: Option<PathBuf>,
    /// Folder on the disk to measure [default: bench/target]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// Write bench/results/channels.md and channels.json
    #[arg(long, conflicts_with = "only")]
    pub(crate) publish: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
