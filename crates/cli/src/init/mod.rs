//! `longwire init`: writes a configuration that explains itself, with keys of its own.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{failure::Failure, listening, settings::DEFAULT_FILE};

/// The options of `longwire init`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct InitArgs {
    /// File to write
    #[arg(default_value = DEFAULT_FILE)]
    file: PathBuf,
    /// For a server that others reach: listens on every address, and asks everybody for a key or token
    #[arg(long)]
    prod: bool,
    /// Replace the file if it is there; its keys are lost
    #[arg(long)]
    force: bool,
}

const HELP: &str = "\
The file has every key with its unit and default, and fresh random keys, so it is readable by its
owner alone. Without --prod the keys are not set: the server stays in development mode.

Examples:
  longwire init
  longwire init --prod /etc/longwire.toml";

/// Writes the file, and says what comes next.
pub(crate) fn run(args: &InitArgs) -> Result<(), Failure> {
    let keys = Keys::random();
    write(&args.file, &keys.fill(args.prod), args.force)
        .map_err(|error| problem(&args.file, &error))?;
    let file = args.file.display();
    // The default file is found by itself.
    let (named, config) = if args.file == Path::new(DEFAULT_FILE) {
        (String::new(), String::new())
    } else {
        (format!(" {file}"), format!(" --config {file}"))
    };
    let mut lines = vec![
        format!("wrote {file}"),
        format!("check   longwire check{named}"),
        format!("serve   longwire serve{config}"),
    ];
    if args.prod {
        lines.push(format!(
            "token   longwire token{config} --user alice --allow 'chat:*=subscribe,publish,history'"
        ));
    }
    listening::announce(&lines.join("\n"));
    Ok(())
}

/// What makes this file different from every other.
struct Keys {
    hmac_secret: String,
    api_key: String,
    example: String,
}

impl Keys {
    fn random() -> Self {
        Self { hmac_secret: hexadecimal(), api_key: hexadecimal(), example: hexadecimal() }
    }

    fn fill(&self, prod: bool) -> String {
        let set = if prod { "" } else { "# " };
        let listen = if prod { "0.0.0.0:8000" } else { "127.0.0.1:8000" };
        let api_key = format!(
            "{set}[[auth.api_keys]]\n{set}name = \"backend\"\n{set}key = \"{}\"",
            self.api_key
        );
        TEMPLATE
            .replace("{listen}", &format!("listen = \"{listen}\""))
            .replace("{data}", "data = \"longwire-data\"")
            .replace("{hmac_secret}", &format!("{set}hmac_secret = \"{}\"", self.hmac_secret))
            .replace("{api_key}", &api_key)
            .replace("{example}", &self.example)
    }
}

/// 256 random bits.
fn hexadecimal() -> String {
    format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>())
}

/// Writes a file that nobody else reads. Without `force` there must be none.
fn write(path: &Path, text: &str, force: bool) -> io::Result<()> {
    if force {
        // Not written over: the file that is there may be readable by others, or a link.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn problem(path: &Path, error: &io::Error) -> Failure {
    let file = path.display();
    Failure::new(match error.kind() {
        io::ErrorKind::AlreadyExists => format!(
            "{file} is there already and holds keys; name another file, or replace it by --force"
        ),
        io::ErrorKind::NotFound => format!("{file} cannot be written: make its folder first"),
        _ => format!("{file} cannot be written: {error}; name another file"),
    })
}

const TEMPLATE: &str = include_str!("template.toml");

#[cfg(test)]
mod tests {
    use longwire_server::config::{Config, ConfigError, Overrides};
    use tempfile::TempDir;

    use super::*;

    /// The configuration that a text has, with nothing of the environment.
    fn read(text: &str, more: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("longwire.toml");
        std::fs::write(&file, text).expect("it is writable");
        let mut overrides = Overrides::new();
        for (key, value) in more {
            overrides.set(*key, *value);
        }
        Config::from_layers(Some(&file), [], &overrides)
    }

    /// The text with every key set that is only shown.
    fn with_every_key(text: &str) -> String {
        let is_key = |line: &str| {
            line.split_once(" = ").is_some_and(|(key, _)| {
                key.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
            }) || line.starts_with("[[")
        };
        let mut lines = Vec::new();
        for line in text.lines() {
            lines.push(line.strip_prefix("# ").filter(|shown| is_key(shown)).unwrap_or(line));
        }
        lines.join("\n")
    }

    #[test]
    fn without_prod_the_file_changes_nothing() {
        let file = read(&Keys::random().fill(false), &[]).expect("it is valid");
        assert_eq!(file.namespace("chat"), Config::default().namespace("chat"));
        let mut defaults = Config::default();
        // Its section is there, and empty.
        defaults.namespaces.clone_from(&file.namespaces);
        assert_eq!(file, defaults);
    }

    #[test]
    fn with_prod_it_listens_to_all_and_asks_for_keys() {
        let keys = Keys::random();
        let file = read(&keys.fill(true), &[]).expect("it is valid");
        assert_eq!(file.listen, "0.0.0.0:8000");
        assert_eq!(file.auth.hmac_secret.map(|secret| secret.0), Some(keys.hmac_secret));
        let api_key = &file.auth.api_keys[0];
        assert_eq!(api_key.key.as_ref().map(|secret| &secret.0), Some(&keys.api_key));
        assert_eq!(api_key.channels, None);
    }

    #[test]
    fn a_key_that_is_shown_has_its_default() {
        let text = with_every_key(&Keys::random().fill(false));
        // A key of the API has either the secret or its hash.
        let text: Vec<_> = text.lines().filter(|line| !line.starts_with("key_sha256")).collect();
        let mut file = read(&text.join("\n"), &[]).expect("what is shown is valid");
        let defaults = Config::default();
        // These have no default, so an example is shown.
        assert!(file.limits.connections_per_ip.take().is_some());
        assert!(file.auth.hmac_secret.take().is_some() && file.auth.ticket_secret.take().is_some());
        assert!(file.auth.ed25519_public_key.take().is_some());
        file.auth.api_keys.clear();
        assert_eq!(file.auth, defaults.auth);
        assert_eq!(file.limits, defaults.limits);
        assert_eq!(file.shutdown, defaults.shutdown);
    }

    #[test]
    fn no_key_of_the_configuration_is_missing() {
        let text = with_every_key(&Keys::random().fill(false));
        for (unknown, value) in [
            ("unknown", "1"),
            ("auth.unknown", "1"),
            ("auth.api_keys", "[{ unknown = 1 }]"),
            ("limits.unknown", "1"),
            ("namespaces.default.unknown", "1"),
            ("namespaces.default.retention.unknown", "1"),
            ("namespaces.default.access.unknown", "1"),
            ("shutdown.unknown", "1"),
        ] {
            // The configuration itself lists the keys that it knows.
            let error = read("", &[(unknown, value)]).expect_err("there is no such key");
            let words = error.to_string();
            let known = words.split_once("write one of ").expect(&words).1;
            for key in known.split(", ") {
                let is_shown = text.lines().any(|line| {
                    let line = line.trim_start_matches("# ");
                    line.starts_with(&format!("{key} = "))
                        || line.starts_with('[')
                            && line.trim_matches(['[', ']']).split('.').any(|part| part == key)
                });
                assert!(is_shown, "{unknown}: {key} is not in the template");
            }
        }
    }
}
