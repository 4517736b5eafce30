//! CPU time of this process, as the scheduler counts it.

use std::time::Duration;
use std::{fs, io};

use anyhow::{Context, Result};

/// Run time of all threads that there are, user and system. Linux only.
pub fn cpu_time() -> Result<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir("/proc/self/task").context("there is no /proc: run on Linux")? {
        let path = thread?.path().join("schedstat");
        let text = match fs::read_to_string(&path) {
            // It has ended since.
            Err(error) if is_gone(&error) => continue,
            text => text.with_context(|| format!("cannot read {}", path.display()))?,
        };
        nanoseconds += run_time(&text)
            .with_context(|| format!("{} begins without a number: {text:?}", path.display()))?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// `/proc` says either, by when the thread ends.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH)
}

/// The first of the three numbers: nanoseconds on a core.
fn run_time(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

/// No such process, on Linux.
const ESRCH: i32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_is_the_run_time() {
        assert_eq!(run_time("1500 27 3\n"), Some(1500));
        assert_eq!(run_time(""), None);
        assert_eq!(run_time("x 1 2"), None);
    }

    #[test]
    fn time_on_the_core_grows_with_work() {
        let before = cpu_time().expect("there is a /proc");
        // Other threads' work counts too, for as long as they live.
        while cpu_time().expect("there is a /proc") <= before {
            std::hint::black_box((0..10_000_u64).map(std::hint::black_box).sum::<u64>());
        }
    }
}
