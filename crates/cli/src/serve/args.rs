//! The options of `longwire serve`.

use std::path::PathBuf;

use longwire_server::config::Config;

use crate::{failure::Failure, settings::SettingsArgs};

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// Address to listen on; port 0 takes a free one, which the first line on stdout names
    /// [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR", overrides_with = "listen")]
    pub(crate) listen: Option<String>,
    /// Folder for what durable channels hold; it is made if it is not there [default:
    /// longwire-data]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// Threads to serve with [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Run the server in this process, in development mode too: nobody restarts it when it dies
    #[arg(long)]
    pub(crate) no_supervisor: bool,
    /// This is the supervisor's child
    #[arg(long, hide = true)]
    pub(crate) supervised: bool,
}

const HELP: &str = "\
Settings are taken from the file, then from the environment (LONGWIRE_LISTEN,
LONGWIRE_LIMITS__CONNECTIONS), then from the options; the last one wins. `longwire init` writes
a file that explains every key, and `longwire check` says what would go wrong.

Without credentials, and on a loopback address, it is development mode: whoever reaches the
address may do everything, the console is at /, and a supervisor restarts the server when it dies.

Examples:
  longwire serve
  longwire serve --listen 127.0.0.1:0 --data /tmp/try
  longwire serve --set limits.connections=20000 --set namespaces.default.durability=memory

SIGINT and SIGTERM tell every client when to come back, write what is acknowledged, and end within
shutdown.timeout. A second one ends the program at once.";

impl ServeArgs {
    /// The configuration with these options on top.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        let data = self.data.as_ref().map(|data| data.to_string_lossy());
        let listen = self.listen.as_deref().map(|listen| ("listen", listen));
        let data = data.as_deref().map(|data| ("data", data));
        let options: Vec<_> = listen.into_iter().chain(data).collect();
        self.settings.load(&options)
    }
}
