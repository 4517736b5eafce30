//! `longwire check`: whether a server would start here and serve well, one line for each thing.

mod disk;
mod surroundings;

use std::{
    fmt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use longwire_server::{StartError, config::Config};

use crate::{
    failure::Failure,
    listening,
    settings::{DEFAULT_FILE, SettingsArgs},
};

/// The options of `longwire check`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP, mut_arg("config", |config| config.hide(true)))]
pub(crate) struct CheckArgs {
    /// Configuration file [default: longwire.toml, if it is there]
    #[arg(conflicts_with = "config")]
    file: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
}

const HELP: &str = "\
Run it as the user who runs the server, while that is stopped: its port must be free. Each line is
ok, a warning or an error, which say what helps. Nothing is left behind.

Exit codes: 0 no error, 1 an error.";

/// Checks, and prints what was found.
pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let mut settings = args.settings.clone();
    settings.config = settings.config.or_else(|| args.file.clone());
    let mut findings = Vec::new();
    let file = settings.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    match settings.load(&[]) {
        Ok(config) => {
            findings.push(read(&file));
            findings.extend(private(&file, &config));
            findings.push(credentials(&config));
            findings.push(surroundings::port(&config.listen));
            findings.extend(disk::look(&config.data));
            findings.push(surroundings::open_files(config.limits.connections as u64));
        }
        // Without a configuration there is nowhere to look.
        Err(failure) => findings.push(Finding::error("file", failure)),
    }
    findings.push(surroundings::clock(SystemTime::now()));
    for finding in &findings {
        listening::announce(&finding.to_string());
    }
    match findings.iter().filter(|finding| finding.level == Level::Error).count() {
        0 => Ok(()),
        1 => Err(Failure::new("there is an error: the server would not serve")),
        errors => {
            Err(Failure::new(format!("there are {errors} errors: the server would not serve")))
        }
    }
}

/// What was found about one thing.
#[derive(Debug)]
struct Finding {
    level: Level,
    subject: &'static str,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    Ok,
    Warning,
    Error,
}

impl Finding {
    fn ok(subject: &'static str, text: impl fmt::Display) -> Self {
        Self { level: Level::Ok, subject, text: text.to_string() }
    }

    fn warning(subject: &'static str, text: impl fmt::Display) -> Self {
        Self { level: Level::Warning, subject, text: text.to_string() }
    }

    fn error(subject: &'static str, text: impl fmt::Display) -> Self {
        Self { level: Level::Error, subject, text: text.to_string() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        // Problems of the configuration may be several.
        let text = self.text.replace('\n', &format!("\n{:16}", ""));
        write!(f, "{level:<8} {:<6} {text}", self.subject)
    }
}

fn read(file: &Path) -> Finding {
    if file.exists() {
        Finding::ok("file", format!("{} is valid", file.display()))
    } else {
        Finding::ok("file", format!("there is no {}, so every key has its default", file.display()))
    }
}

/// A warning if everybody may read the keys of the file.
#[cfg(unix)]
fn private(file: &Path, config: &Config) -> Option<Finding> {
    use std::{fs, os::unix::fs::PermissionsExt};

    let mode = fs::metadata(file).ok()?.permissions().mode();
    let file = file.display();
    (config.auth.has_credentials() && mode & 0o004 != 0).then(|| {
        let text = format!("{file} holds keys and may be read by everybody: chmod o= {file}");
        Finding::warning("file", text)
    })
}

/// Permissions are of another kind.
#[cfg(not(unix))]
fn private(_file: &Path, _config: &Config) -> Option<Finding> {
    None
}

fn credentials(config: &Config) -> Finding {
    if config.is_development() {
        return Finding::ok(
            "auth",
            "development mode: whoever reaches the address may do everything",
        );
    }
    if config.auth.has_credentials() {
        return Finding::ok("auth", "keys are configured");
    }
    Finding::error("auth", StartError::NoCredentials { listen: config.listen.clone() })
}
