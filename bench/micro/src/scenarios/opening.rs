//! The opening handshake without I/O, in both roles.

use std::hint::black_box;

use longwire_proto::WsUri;
use longwire_proto::handshake::{
    Answer, ClientHandshake, ClientProgress, ClientRequest, HandshakeLimits, ServerHandshake,
    encode_acceptance,
};

use super::Work;

/// A server reads a browser's request and writes its answer.
pub(super) fn server() -> Work {
    Box::new(|| {
        for _ in 0..TIMES {
            black_box(answer(black_box(REQUEST)));
        }
    })
}

/// A client writes its request and reads the answer.
pub(super) fn client() -> Work {
    let uri = WsUri::parse(URI).expect("it is one");
    let response = answer(handshake(&uri).request());
    Box::new(move || {
        for _ in 0..TIMES {
            accept(&mut handshake(&uri), black_box(&response));
        }
    })
}

/// A client's, with its request.
pub(crate) fn handshake(uri: &WsUri) -> ClientHandshake {
    let request = ClientRequest::new(uri.clone());
    ClientHandshake::new(request, *b"a nonce, 16 byte", HandshakeLimits::default())
        .expect("a plain request")
}

/// The client takes the whole answer.
pub(crate) fn accept(handshake: &mut ClientHandshake, response: &[u8]) {
    let progress = handshake.handle_input(response);
    assert!(matches!(black_box(progress), Ok(ClientProgress::Accepted { .. })));
}

/// What a server answers to a whole request.
pub(crate) fn answer(request: &[u8]) -> Vec<u8> {
    let opening = ServerHandshake::new(HandshakeLimits::default())
        .handle_input(request)
        .expect("a valid request")
        .expect("a whole one");
    let (response, _) = opening.accept(Answer::default()).expect("nothing is answered to");
    encode_acceptance(&response)
}

pub(crate) const URI: &str = "ws://example.com/chat?room=general";

/// As browsers send it.
pub(crate) const REQUEST: &[u8] = b"GET /chat?room=general HTTP/1.1\r\n\
    Host: example.com\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\n\
    Upgrade: websocket\r\n\
    Origin: http://example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate\r\n\
    Accept-Language: en-GB,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
    \r\n";

const TIMES: usize = 100;
