//! The opening handshake (§4) over HTTP/1.1, of both sides, without I/O.
//!
//! A client writes [`ClientHandshake::request`] and feeds what it reads; a server feeds what it
//! reads to [`ServerHandshake`], or takes a request that an HTTP server parsed, and answers the
//! [`ClientOpening`]. Both end with the same [`Agreement`], and with the bytes that came after the
//! handshake.
//!
//! ```
//! use longwire_proto::WsUri;
//! use longwire_proto::handshake::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let chat = Subprotocol::new("chat")?;
//! let mut request = ClientRequest::new(WsUri::parse("ws://example.com/room?n=1")?);
//! request.subprotocols = vec!["superchat".parse()?, chat.clone()];
//! let nonce = *b"16 random bytes!"; // from a strong source of randomness
//! let mut client = ClientHandshake::new(request, nonce, HandshakeLimits::default())?;
//!
//! // The server reads what the client wrote, and answers.
//! let mut server = ServerHandshake::new(HandshakeLimits::default());
//! let opening = server.handle_input(client.request())?.expect("the request is whole");
//! assert_eq!(opening.request().uri(), "/room?n=1");
//! let subprotocol = opening.select_subprotocol(&[chat.clone()]);
//! let (response, agreement) = opening.accept(Answer { subprotocol, ..Answer::default() })?;
//! assert_eq!(agreement.subprotocol, Some(chat));
//!
//! // The client reads the answer, and agrees.
//! let progress = client.handle_input(&encode_acceptance(&response))?;
//! let ClientProgress::Accepted { agreement: same, .. } = progress else {
//!     panic!("the server accepted")
//! };
//! assert_eq!(same, agreement);
//! # Ok(())
//! # }
//! ```
//!
//! A header block must be whole before it is parsed, and is parsed once; every list is read in one
//! pass. So the cost is linear in the bytes received, however they are cut, and
//! [`HandshakeLimits`] bounds their number.

mod body;
mod client;
mod error;
#[cfg(any(test, feature = "__fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod http1;
mod key;
mod limits;
mod server;
mod subprotocol;
pub(crate) mod tokens;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

pub use client::{BodyTruncated, ClientHandshake, ClientProgress, ClientRequest};
pub use error::{BadRequest, BadResponse, HandshakeError, Misuse};
pub use http1::{encode_acceptance, encode_response};
pub use limits::HandshakeLimits;
pub use server::{Answer, ClientOpening, ServerHandshake};
pub use subprotocol::{InvalidSubprotocol, Subprotocol};

use crate::DeflateParams;
use crate::extension::{Extension, deflate};

/// What an opening handshake settled. Default: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreement {
    /// The Subprotocol In Use (§4.1).
    pub subprotocol: Option<Subprotocol>,
    /// permessage-deflate (RFC 7692), if it is in use, for
    /// [`Connection::with_deflate`](crate::Connection::with_deflate).
    pub deflate: Option<DeflateParams>,
    /// The other Extensions In Use, with their parameters, in order of application (§4.1, §9.1).
    pub extensions: Vec<Extension>,
}

/// Whether a header belongs to the handshake, or says where a message ends: not for the caller.
fn is_reserved(name: &HeaderName) -> bool {
    [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE].contains(name)
        || name.as_str().starts_with("sec-websocket-")
}

/// The extensions of the caller, and behind them permessage-deflate, which is applied last (§9.1).
fn with_deflate(others: &[Extension], deflate: Option<Extension>) -> Vec<Extension> {
    others.iter().cloned().chain(deflate).collect()
}

/// Refuses permessage-deflate that is both set and given by hand.
fn check_deflate_once(deflate: Option<DeflateParams>, others: &[Extension]) -> Result<(), Misuse> {
    let by_hand = || others.iter().any(|other| other.name == deflate::NAME);
    if deflate.is_some() && by_hand() { Err(Misuse::DeflateRepeated) } else { Ok(()) }
}

/// The values of all lines of a header, in order.
fn lines<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes)
}
