//! `longwire serve`: the server of channels, in development mode under a supervisor.

mod args;
mod greeting;
mod supervisor;

use std::{env, io, process, thread, time::Duration};

use longwire_server::{Server, config::Config};
use tokio::{runtime, sync::oneshot};

pub(crate) use self::args::ServeArgs;
use crate::{failure::Failure, limits, listening, output, signals::Signals};

/// Serves until a signal asks for the end.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    limits::raise_open_files();
    let config = args.load()?;
    let development = config.is_development();
    if development && !args.no_supervisor && !args.supervised {
        return supervise(&config);
    }
    let mut builder = runtime::Builder::new_multi_thread();
    if let Some(threads) = args.threads {
        builder.worker_threads(threads.into());
    }
    let runtime = builder.enable_all().build().map_err(|error| {
        Failure::new(format!("no threads to serve with: {error}; try --threads 1"))
    })?;
    let result = runtime.block_on(serve(args, config, development));
    // What is open has been cut.
    runtime.shutdown_background();
    result
}

async fn serve(args: &ServeArgs, config: Config, development: bool) -> Result<(), Failure> {
    let mut stop = Stop::new(args.supervised)?;
    let mut running = tokio::select! {
        running = Server::start(config.clone()) => running?,
        // A large log takes its time, and nobody is connected yet.
        () = stop.asked() => return Ok(()),
    };
    let address = running.local_addr().to_string();
    if args.supervised {
        listening::announce(&address);
    } else {
        listening::announce(&greeting::text(&address, &config, development));
    }
    tokio::select! {
        () = stop.asked() => {}
        () = running.wait() => {
            output::complain("the server failed; what it said above is the reason");
            process::exit(PANICKED);
        }
    }
    tokio::select! {
        ended = running.shutdown() => {
            if ended.cut > 0 {
                output::complain(format_args!(
                    "{} connections did not end within shutdown.timeout and were cut",
                    ended.cut
                ));
            }
            Ok(())
        }
        () = stop.asked() => Err(Failure::new("stopped before every connection had closed")),
    }
}

/// Runs this command as a child, again and again.
fn supervise(config: &Config) -> Result<(), Failure> {
    let program = env::current_exe().map_err(|error| {
        Failure::new(format!(
            "cannot find this program's file: {error}; --no-supervisor needs none"
        ))
    })?;
    let command = |address: Option<&str>| {
        let mut command = tokio::process::Command::new(&program);
        command.args(env::args_os().skip(1)).arg("--supervised");
        for (name, _) in env::vars_os() {
            // The warning about it was this process's.
            if name.to_str().is_some_and(Config::passes_over) {
                command.env_remove(name);
            }
        }
        if let Some(address) = address {
            command.args(["--listen", address]);
        }
        command
    };
    let ready = |address: &str| listening::announce(&greeting::text(address, config, true));
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the runtime could not be started: {error}")))?;
    let patience = config.shutdown.timeout.0 + PATIENCE;
    match runtime.block_on(supervisor::run(command, ready, patience))? {
        0 => Ok(()),
        // The child has said why.
        code => process::exit(code.into()),
    }
}

/// What asks for the end: a signal, or the end of the supervisor.
struct Stop {
    signals: Signals,
    supervisor: Option<oneshot::Receiver<()>>,
}

impl Stop {
    fn new(supervised: bool) -> Result<Self, Failure> {
        let supervisor = supervised.then(|| {
            let (tell, gone) = oneshot::channel();
            thread::spawn(move || {
                // Nothing comes by this pipe but its end.
                let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
                let _ = tell.send(());
            });
            gone
        });
        Ok(Self { signals: Signals::catch()?, supervisor })
    }

    /// Waits until it is asked for, each time anew.
    async fn asked(&mut self) {
        match &mut self.supervisor {
            Some(supervisor) => tokio::select! {
                () = self.signals.next() => {}
                _ = supervisor => self.supervisor = None,
            },
            None => self.signals.next().await,
        }
    }
}

/// The exit code of a panic, so that a supervisor knows it for a death.
const PANICKED: i32 = 101;

/// Beyond the server's own time for its end.
const PATIENCE: Duration = Duration::from_secs(5);
