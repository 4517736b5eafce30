//! The settings of a server's side, and the opening handshake read from a byte stream
//! (RFC 6455 §4.2).

use std::{future::pending, sync::Arc, time::Duration};

use http::Response;
use longwire_proto::{
    Config, Subprotocol,
    handshake::{Answer, ClientOpening, HandshakeLimits, ServerHandshake, encode_response},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{AcceptError, Connections, Incoming, OriginPolicy, Registration};
use crate::WebSocket;

/// Accepts a WebSocket on a byte stream, with every default of [`Acceptor`].
///
/// # Errors
///
/// See [`AcceptError`].
///
/// # Cancel safety
///
/// Not cancel safe in the sense of going on later: dropping the future closes the transport.
pub async fn accept<T>(transport: T) -> Result<WebSocket, AcceptError>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    Acceptor::new().accept(transport).await
}

/// How connections are accepted. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Acceptor {
    settings: Arc<Settings>,
}

#[derive(Clone, Debug)]
struct Settings {
    config: Arc<Config>,
    limits: HandshakeLimits,
    timeout: Duration,
    origins: OriginPolicy,
    subprotocols: Vec<Subprotocol>,
    connections: Option<Connections>,
}

impl Default for Acceptor {
    fn default() -> Self {
        Self::new()
    }
}

impl Acceptor {
    /// Every default.
    #[must_use]
    pub fn new() -> Self {
        Self {
            settings: Arc::new(Settings {
                config: Arc::new(Config::default()),
                limits: HandshakeLimits::default(),
                timeout: Duration::from_secs(10),
                origins: OriginPolicy::default(),
                subprotocols: Vec::new(),
                connections: None,
            }),
        }
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// Settings of the connections; [`Config::deflate`] is what is agreed to. Default:
    /// [`Config::default`].
    #[must_use]
    pub fn config(self, config: Config) -> Self {
        self.set(|settings| settings.config = Arc::new(config))
    }

    /// Which web pages may connect. Default: those of the server's own origin.
    #[must_use]
    pub fn origins(self, policy: OriginPolicy) -> Self {
        self.set(|settings| settings.origins = policy)
    }

    /// Subprotocols to choose from: the first in the *client's* order that is among them.
    /// Default: none.
    #[must_use]
    pub fn subprotocols(self, supported: impl IntoIterator<Item = Subprotocol>) -> Self {
        self.set(|settings| settings.subprotocols = supported.into_iter().collect())
    }

    /// Time for the client's request to arrive, and for a refusal to be written.
    /// Default: 10 s.
    #[must_use]
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.timeout = timeout)
    }

    /// Bytes and headers of a request. Default: 16 KiB, 100 headers; beyond either 431.
    #[must_use]
    pub fn handshake_limits(self, limits: HandshakeLimits) -> Self {
        self.set(|settings| settings.limits = limits)
    }

    /// Keeps the connections in this list, so that they can all be closed. Default: in none.
    ///
    /// A [`Server`](super::Server) with such an acceptor uses this list in place of its own, and its
    /// graceful shutdown closes whatever is in it.
    #[must_use]
    pub fn track(self, connections: &Connections) -> Self {
        self.set(|settings| settings.connections = Some(connections.clone()))
    }

    /// Reads a client's opening handshake and accepts it.
    ///
    /// # Errors
    ///
    /// See [`AcceptError`]. A request that is at fault has been answered with its HTTP status.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the transport.
    pub async fn accept<T>(&self, transport: T) -> Result<WebSocket, AcceptError>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.read(transport).await?.accept().await
    }

    /// Reads a client's opening handshake, to be accepted or rejected by the application.
    ///
    /// # Errors
    ///
    /// See [`AcceptError`]. A request that is at fault has been answered with its HTTP status.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the transport.
    pub async fn read<T>(&self, transport: T) -> Result<Incoming<T>, AcceptError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        self.read_registered(transport, self.register()).await
    }

    /// As [`Self::read`], for a connection that has its place already.
    pub(super) async fn read_registered<T>(
        &self,
        mut transport: T,
        registration: Option<Registration>,
    ) -> Result<Incoming<T>, AcceptError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let limit = self.settings.timeout;
        let closing = async {
            match &registration {
                Some(registration) => registration.closing().await,
                None => pending().await,
            }
        };
        let result = tokio::select! {
            biased;
            result = timeout(limit, self.read_opening(&mut transport)) => match result {
                Err(_) => Err(AcceptError::TimedOut { limit }),
                Ok(result) => result.and_then(|opening| self.check(opening, registration.as_ref())),
            },
            () = closing => Err(AcceptError::ShuttingDown),
        };
        match result {
            Ok(opening) => Ok(Incoming::new(transport, opening, self.clone(), registration)),
            Err(error) => {
                if let Some(response) = error.refusal() {
                    // The client's fault is what is reported, whether the answer arrives or not.
                    drop(timeout(limit, refuse(&mut transport, &response)).await);
                }
                Err(error)
            }
        }
    }

    async fn read_opening<T: AsyncRead + Unpin>(
        &self,
        transport: &mut T,
    ) -> Result<ClientOpening, AcceptError> {
        let mut handshake = ServerHandshake::new(self.settings.limits);
        let mut buffer = [0; READ_LEN];
        loop {
            let count = transport.read(&mut buffer).await?;
            if count == 0 {
                return Err(AcceptError::Handshake(handshake.handle_eof()));
            }
            let opening =
                handshake.handle_input(&buffer[..count]).map_err(AcceptError::Handshake)?;
            if let Some(opening) = opening {
                return Ok(opening);
            }
        }
    }

    /// Checks what this server asks beyond the RFC: the origin, and that it is not shutting down.
    pub(super) fn check(
        &self,
        opening: ClientOpening,
        registration: Option<&Registration>,
    ) -> Result<ClientOpening, AcceptError> {
        if registration.is_some_and(Registration::is_closing) {
            return Err(AcceptError::ShuttingDown);
        }
        if self.settings.origins.permits(opening.origin(), opening.host()) {
            return Ok(opening);
        }
        let origin = opening.origin().unwrap_or_default().to_owned();
        Err(AcceptError::OriginRefused { origin })
    }

    /// A place in the list of connections, if there is one.
    pub(super) fn register(&self) -> Option<Registration> {
        self.settings.connections.as_ref().map(|list| list.register(None))
    }

    /// The list of connections that was given.
    pub(super) fn connections(&self) -> Option<&Connections> {
        self.settings.connections.as_ref()
    }

    pub(super) fn shared_config(&self) -> &Arc<Config> {
        &self.settings.config
    }

    pub(super) fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    /// What these settings answer to a client: the subprotocol, if both sides know one, and
    /// compression, if [`Config::deflate`] has it. Something to start from, for
    /// [`Incoming::accept_with`] and its like.
    pub fn answer(&self, opening: &ClientOpening) -> Answer {
        Answer {
            subprotocol: opening.select_subprotocol(&self.settings.subprotocols),
            deflate: self.settings.config.deflate.map(|deflate| deflate.params),
            ..Answer::default()
        }
    }
}

/// Writes a refusal and ends the transport, leaving the client time to read it.
pub(super) async fn refuse<T>(
    transport: &mut T,
    response: &Response<impl AsRef<[u8]>>,
) -> std::io::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    transport.write_all(&encode_response(response)).await?;
    transport.shutdown().await?;
    // A transport that is dropped with unread bytes may reset the connection before the client has
    // read the answer.
    let mut buffer = [0; READ_LEN];
    for _ in 0..LINGER_READS {
        if transport.read(&mut buffer).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// Bytes read at a time: most requests come whole.
const READ_LEN: usize = 2048;

/// Reads that wait for a refused client to leave.
const LINGER_READS: usize = 32;
