//! From settings to an opened stream: dialling, the handshake, and redirects, each within its time.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use longwire_proto::handshake::{Agreement, ClientHandshake, ClientRequest};
use longwire_proto::{Config, Side, WsUri};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tracing::debug;

use super::error::{ConnectError, RequestError};
use super::handshake::{self, Answer, Failure};
use super::redirect::{self, Trail};
use super::{Connect, ProxyChoice};
use crate::connection::{Meta, WebSocket};
use crate::dial::{self, Dialled, Network, Progress, Proxy, Stage, Stream, Target};

/// A stream behind a successful opening handshake.
#[derive(Debug)]
pub(super) struct Opened<T> {
    pub(super) io: T,
    pub(super) peer: Option<SocketAddr>,
    pub(super) response: Response<()>,
    pub(super) agreement: Agreement,
    /// What the server sent right behind its answer: frames.
    pub(super) leftover: Bytes,
}

impl<T> Opened<T>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    pub(super) fn into_websocket(self, config: Config) -> WebSocket {
        let meta = Meta {
            agreement: self.agreement,
            peer_addr: self.peer,
            response: Some(Box::new(self.response)),
        };
        WebSocket::start(self.io, Side::Client, self.leftover, Arc::new(config), meta, None)
    }
}

/// Dials the URL's server, opens, and follows redirects.
pub(super) async fn dial_and_open<N: Network>(
    connect: &Connect,
    network: &N,
) -> Result<Opened<Stream<N::Io>>, ConnectError> {
    let mut uri = connect.uri.clone().map_err(ConnectError::Url)?;
    let mut request = connect.request(&uri).map_err(ConnectError::Request)?;
    let mut trail = Trail::new(&uri, connect.redirects);
    loop {
        // Before dialling, so that a mistake in the request costs no connection.
        let handshake = begin(connect, request.clone())?;
        let Dialled { mut io, peer } = dial_one(connect, network, &uri).await?;
        let response = match answer(connect, &mut io, handshake, &uri).await? {
            Answer::Accepted { response, agreement, leftover } => {
                return Ok(Opened { io, peer: Some(peer), response, agreement, leftover });
            }
            Answer::Refused(response) => response,
        };
        let Some(next) = trail.follow(&uri, &response).map_err(ConnectError::Redirect)? else {
            return Err(refused(response));
        };
        debug!(from = uri.authority(), to = next.authority(), status = %response.status(), "redirected");
        if !next.same_origin(&uri) {
            redirect::leave_origin(&mut request.headers);
        }
        request.uri = next.clone();
        uri = next;
    }
}

/// Opens over the caller's stream.
pub(super) async fn open_over<T>(connect: &Connect, mut io: T) -> Result<Opened<T>, ConnectError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let uri = connect.uri.clone().map_err(ConnectError::Url)?;
    let request = connect.request(&uri).map_err(ConnectError::Request)?;
    let handshake = begin(connect, request)?;
    match answer(connect, &mut io, handshake, &uri).await? {
        Answer::Accepted { response, agreement, leftover } => {
            Ok(Opened { io, peer: None, response, agreement, leftover })
        }
        Answer::Refused(response) => Err(refused(response)),
    }
}

fn begin(connect: &Connect, request: ClientRequest) -> Result<ClientHandshake, ConnectError> {
    ClientHandshake::new(request, rand::random(), connect.handshake_limits)
        .map_err(|error| ConnectError::Request(RequestError::new(error.to_string())))
}

/// A stream to the server of this URL.
async fn dial_one<N: Network>(
    connect: &Connect,
    network: &N,
    uri: &WsUri,
) -> Result<Dialled<N::Io>, ConnectError> {
    let target = Target { host: uri.host(), port: uri.port(), secure: uri.is_secure() };
    let mut options = connect.dial.clone();
    options.proxy = match &connect.proxy {
        ProxyChoice::Fixed(proxy) => proxy.clone(),
        ProxyChoice::Environment => {
            Proxy::from_environment(target).map_err(ConnectError::ProxyUrl)?
        }
    };
    debug!(
        to = uri.authority(),
        tls = uri.is_secure(),
        proxy = options.proxy.as_ref().map(display),
        "connecting"
    );
    let progress = Progress::new();
    let limit = connect.dial_timeout;
    if let Ok(dialled) = timeout(limit, dial::dial(network, target, &options, &progress)).await {
        return Ok(dialled?);
    }
    let (stage, subject) = progress.now();
    Err(ConnectError::TimedOut { stage, subject, limit })
}

/// The server's answer, within its time.
async fn answer<T>(
    connect: &Connect,
    io: &mut T,
    handshake: ClientHandshake,
    uri: &WsUri,
) -> Result<Answer, ConnectError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let limit = connect.handshake_timeout;
    match handshake::perform(io, handshake, limit).await {
        Ok(answer) => Ok(answer),
        Err(Failure::Io(error)) => Err(ConnectError::Io(error)),
        Err(Failure::Invalid(error)) => Err(ConnectError::Handshake(error)),
        Err(Failure::TimedOut) => {
            // Not the whole URL: a query often holds a token.
            let subject = uri.authority();
            Err(ConnectError::TimedOut { stage: Stage::Handshake, subject, limit })
        }
    }
}

/// A cookie in a refusal is as secret as one in a request.
fn refused(mut response: Response<Bytes>) -> ConnectError {
    if let http::header::Entry::Occupied(mut cookies) =
        response.headers_mut().entry(http::header::SET_COOKIE)
    {
        for cookie in cookies.iter_mut() {
            cookie.set_sensitive(true);
        }
    }
    ConnectError::Refused(Box::new(response))
}
