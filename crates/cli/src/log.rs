//! The program's log on stderr.

use std::io;

use clap::ValueEnum;
use tracing_subscriber::filter::LevelFilter;

use crate::render;

/// How the log looks.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// From now on what happens is logged: warnings and errors, with `verbose` more.
pub(crate) fn start(format: LogFormat, verbose: bool) {
    let level = if verbose { LevelFilter::DEBUG } else { LevelFilter::WARN };
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log.with_ansi(render::is_coloured(&io::stderr())).init(),
        LogFormat::Json => log.json().init(),
    }
}
