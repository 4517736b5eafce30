//! Requests for a WebSocket: what they ask for, and whether they may.

use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc};

use http::{HeaderMap, Uri, header};
use longwire::{Subprotocol, WebSocket, server::Answer};
use longwire_channel::{ChannelName, Codec, ErrorCode, Refusal};
use percent_encoding::percent_decode_str;

use crate::{
    app::App,
    faces::{
        connect,
        socket::{self, Visit},
        start::StartQuery,
    },
};

/// What a WebSocket is for, once its request was let in.
pub(crate) enum Plan {
    /// The protocol.
    Protocol,
    /// The protocol, in a form that nobody speaks here.
    Unsupported,
    /// One channel, bare.
    Content(Box<Visit>),
}

/// A handler at work.
pub(crate) type Attending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Whether a request that begins like this is for a WebSocket.
pub(crate) fn is_for_socket(head: &[u8]) -> bool {
    let Some(target) = head.strip_prefix(b"GET ") else { return false };
    let Some(end) = target.iter().position(|byte| matches!(byte, b' ' | b'?')) else {
        return false;
    };
    let path = &target[..end];
    let channel = path.strip_prefix(CHANNELS.as_bytes());
    path == CONNECT.as_bytes() || channel.is_some_and(|it| it.ends_with(SOCKET.as_bytes()))
}

/// What a request is for, and whether it may.
pub(crate) async fn plan(
    app: &App,
    uri: &Uri,
    headers: &HeaderMap,
    offered: &[Subprotocol],
) -> Result<Plan, Refusal> {
    app.admit()?;
    app.origins
        .check(uri, headers)
        .map_err(|foreign| Refusal::new(ErrorCode::Forbidden, foreign.words()))?;
    if uri.path() == CONNECT {
        let known = |name: &Subprotocol| Codec::from_subprotocol(name.as_str()).is_some();
        let is_spoken = offered.is_empty() || offered.iter().any(known);
        return Ok(if is_spoken { Plan::Protocol } else { Plan::Unsupported });
    }
    let channel = uri
        .path()
        .strip_prefix(CHANNELS)
        .and_then(|rest| rest.strip_suffix(SOCKET))
        .ok_or_else(|| crate::http::no_such_path(uri.path()))?;
    let bad = |words: String| Refusal::new(ErrorCode::BadRequest, words);
    let channel = percent_decode_str(channel)
        .decode_utf8()
        .map_err(|_| bad("the channel's name is no UTF-8".to_owned()))?;
    let channel = ChannelName::new(&channel).map_err(|error| bad(error.to_string()))?;
    let query: StartQuery = crate::http::query(uri)?;
    let start = query.start(None).map_err(bad)?;
    let token = bearer(headers).or(query.token);
    let identity = app.authorise(token).await.map_err(|denied| denied.refusal)?;
    Ok(Plan::Content(Box::new(Visit { channel, start, identity })))
}

/// The token of `Authorization: Bearer TOKEN`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

impl Plan {
    /// What the opening handshake is answered: a subprotocol only where messages have one.
    pub(crate) fn answer(&self, answer: Answer) -> Answer {
        match self {
            Self::Protocol => answer,
            Self::Unsupported | Self::Content(_) => Answer { subprotocol: None, ..answer },
        }
    }

    /// Serves the connection to its end. Boxed, since each is of another size.
    pub(crate) fn attend(self, app: Arc<App>, socket: WebSocket, address: IpAddr) -> Attending {
        match self {
            Self::Protocol => Box::pin(connect::attend(app, socket, Some(address))),
            Self::Unsupported => Box::pin(connect::turn_away(socket)),
            Self::Content(visit) => Box::pin(socket::attend(app, socket, Some(address), visit)),
        }
    }
}

/// Where the protocol is.
pub(crate) const CONNECT: &str = "/v1/connect";
const CHANNELS: &str = "/v1/channels/";
const SOCKET: &str = "/socket";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_for_a_socket_are_known_by_their_first_line() {
        for head in [
            "GET /v1/connect HTTP/1.1\r\n",
            "GET /v1/connect?x=1 HTTP/1.1\r\n",
            "GET /v1/channels/chat:1/socket HTTP/1.1\r\n",
            "GET /v1/channels/a/socket?last=1 HTTP/1.1\r\n",
        ] {
            assert!(is_for_socket(head.as_bytes()), "{head}");
        }
        for head in [
            "",
            "GET ",
            "GET /v1/connect",
            "GET /v1/connected HTTP/1.1\r\n",
            "POST /v1/connect HTTP/1.1\r\n",
            "GET /v1/channels/a/messages HTTP/1.1\r\n",
            "GET /v1/channels/socket HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\n",
        ] {
            assert!(!is_for_socket(head.as_bytes()), "{head}");
        }
    }
}
