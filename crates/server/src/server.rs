//! A server, from its configuration to its end.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use longwire_hub::Input;
use tokio::{
    net::{TcpListener, lookup_host},
    sync::Notify,
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep},
};
use tracing::{info, warn};

use crate::{
    app::App,
    auth::{Authoriser, Configured, Everybody},
    config::{Config, ConfigError},
    development::Development,
    error::StartError,
    http,
    listener::{Front, Listener},
    node::{Node, NodeHandle, Parts, unix_ms},
    settings,
    storage::Storage,
};

/// The server.
#[derive(Debug)]
pub struct Server(());

/// A server that runs. Dropping it leaves it running, until its runtime ends: [`Self::shutdown`] ends it well.
pub struct Running {
    address: SocketAddr,
    app: Arc<App>,
    front: Arc<Front>,
    node: NodeHandle,
    node_task: JoinHandle<()>,
    listener_task: JoinHandle<()>,
}

/// How a shutdown went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// Connections that did not end in time, and were cut.
    pub cut: usize,
}

impl Server {
    /// Starts a server: listens, opens the log, and serves once that is open. In between, health is answered, and
    /// everything else is `unavailable`.
    ///
    /// Must be called within a Tokio runtime with I/O and time.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a start that is dropped may leave the port taken until the runtime ends.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        Self::start_with(config, None).await
    }

    /// As [`Self::start`], with another way to tell who somebody is than the section `[auth]`. There is then no
    /// development mode.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub async fn start_with(
        config: Config,
        authoriser: Option<Arc<dyn Authoriser>>,
    ) -> Result<Running, StartError> {
        config.check()?;
        let addresses = addresses(&config).await?;
        let development = is_development(&config, &addresses, authoriser.is_some())?;
        let bind_error = |error| StartError::Bind { addr: config.listen.clone(), error };
        let listener = TcpListener::bind(&addresses[..]).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        let app = Arc::new(App::new(config, development.then(|| Development::new(unix_ms()))));
        let front = Arc::new(Front::new(app.clone(), http::router(&app)));
        let listener_task = tokio::spawn(Listener::new(front.clone(), listener).run());
        let opened = Self::open(&app, authoriser).await;
        let (node, node_task) = opened.inspect_err(|_| listener_task.abort())?;
        info!(%address, development, data = %app.config.data.display(), "serving");
        Ok(Running { address, app, front, node, node_task, listener_task })
    }

    /// Opens the log, and lets requests in.
    async fn open(
        app: &Arc<App>,
        authoriser: Option<Arc<dyn Authoriser>>,
    ) -> Result<(NodeHandle, JoinHandle<()>), StartError> {
        let wake = Arc::new(Notify::new());
        let hub = settings::hub(&app.config);
        let (config, waker, namespaces) =
            (app.config.clone(), wake.clone(), hub.namespaces.clone());
        let is_development = app.development.is_some();
        let opened = spawn_blocking(move || {
            let storage = Storage::open(&config, &namespaces, waker)?;
            let authoriser = match authoriser {
                Some(authoriser) => authoriser,
                None if is_development => Arc::new(Everybody),
                None => Arc::new(Configured::new(&config)?),
            };
            Ok::<_, StartError>((storage, authoriser))
        });
        let (storage, authoriser) = opened.await.map_err(|error| StartError::Data {
            folder: app.config.data.clone(),
            error: io::Error::other(error),
        })??;
        let (node, handle) = Node::new(Parts {
            config: hub,
            storage,
            authoriser: authoriser.clone(),
            authorise_timeout: app.config.limits.connect_timeout.0,
            wake,
            queue_bytes: app.config.limits.queue_bytes.bytes(),
        });
        let node_task = tokio::spawn(node.run());
        app.begin(handle.clone(), authoriser);
        Ok((handle, node_task))
    }
}

impl Running {
    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Whether it is in development mode: everybody may do everything, and the console is there.
    pub fn is_development(&self) -> bool {
        self.app.development.is_some()
    }

    /// Waits for the end of the server, which comes by itself only if it fails.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe.
    pub async fn wait(&mut self) {
        // Either task ends only by a shutdown, or in a panic.
        while !self.node_task.is_finished() && !self.listener_task.is_finished() {
            tokio::select! {
                _ = &mut self.node_task => {}
                _ = &mut self.listener_task => {}
            }
        }
    }

    /// Ends it: accepts no more, tells every client to come back after a random part of `shutdown.drain_window`, waits
    /// for them and for what is being written, and cuts what is left at `shutdown.timeout`.
    ///
    /// # Cancel safety
    ///
    /// Once polled no more connections are accepted; dropped, it leaves the rest undone.
    pub async fn shutdown(self) -> Ended {
        let deadline = Instant::now() + self.app.config.shutdown.timeout.0;
        info!("stopping: clients are told to come back");
        self.app.drain();
        self.front.stop();
        let window = self.app.config.shutdown.drain_window.0;
        self.node.input(Input::Drain { window }).await;
        let cut = self.front.end(deadline.saturating_duration_since(Instant::now())).await;
        if cut > 0 {
            warn!(cut, "connections did not end in time and were cut");
        }
        // The log writes what it has taken when it is dropped, with the node.
        let node = self.node.clone();
        let stopped = async {
            node.stop().await;
            // Whoever waited for the end of the server may have seen this task's before.
            if !self.node_task.is_finished() {
                // An error says that the node had panicked, which was logged.
                let _ = self.node_task.await;
            }
        };
        let limit = deadline.saturating_duration_since(Instant::now()).max(LOG_TIME);
        tokio::select! {
            () = stopped => {}
            () = sleep(limit) => warn!("the log did not finish in time"),
        }
        info!("stopped");
        Ended { cut }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn addresses(config: &Config) -> Result<Vec<SocketAddr>, StartError> {
    let bind_error = |error| StartError::Bind { addr: config.listen.clone(), error };
    let found: Vec<_> = lookup_host(&config.listen).await.map_err(bind_error)?.collect();
    if found.is_empty() {
        let error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        return Err(bind_error(error));
    }
    Ok(found)
}

/// Without credentials a server serves this machine alone.
fn is_development(
    config: &Config,
    addresses: &[SocketAddr],
    has_authoriser: bool,
) -> Result<bool, StartError> {
    if has_authoriser || config.auth.has_credentials() {
        return Ok(false);
    }
    if addresses.iter().all(|address| address.ip().is_loopback()) {
        return Ok(true);
    }
    Err(StartError::NoCredentials { listen: config.listen.clone() })
}

/// What the log gets at least, however long connections took: a few commits.
const LOG_TIME: Duration = Duration::from_secs(2);

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}
