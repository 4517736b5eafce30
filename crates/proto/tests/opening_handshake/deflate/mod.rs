//! permessage-deflate in the opening handshake (RFC 7692 §5, §7.1): offers, answers, agreements.

mod client;
mod server;
mod together;

use http::header::SEC_WEBSOCKET_EXTENSIONS;
use longwire_proto::handshake::{
    Answer, ClientHandshake, ClientOpening, ClientProgress, ClientRequest, HandshakeError,
    HandshakeLimits, ServerHandshake,
};
use longwire_proto::{Agreement, DeflateParams, Extension, InvalidDeflate, WindowBits, WsUri};

use crate::{Head, SAMPLE_ACCEPT, SAMPLE_KEY, SAMPLE_NONCE};

const NAME: &str = "permessage-deflate";
const HEADER: &str = "Sec-WebSocket-Extensions";
const SERVER_FLAG: &str = "server_no_context_takeover";
const CLIENT_FLAG: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

const TAKEOVER: DeflateParams = DeflateParams::CONTEXT_TAKEOVER;
const NO_TAKEOVER: DeflateParams = DeflateParams::NO_CONTEXT_TAKEOVER;

/// Parameters in brief: no context takeover of the server's, of the client's; window bits likewise.
type Short = (bool, bool, u8, u8);

fn params((server_flag, client_flag, server_bits, client_bits): Short) -> DeflateParams {
    let bits = |bits| WindowBits::new(bits).expect("8 to 15");
    DeflateParams {
        server_no_context_takeover: server_flag,
        client_no_context_takeover: client_flag,
        server_max_window_bits: bits(server_bits),
        client_max_window_bits: bits(client_bits),
    }
}

fn short(params: DeflateParams) -> Short {
    (
        params.server_no_context_takeover,
        params.client_no_context_takeover,
        params.server_max_window_bits.get(),
        params.client_max_window_bits.get(),
    )
}

/// `permessage-deflate` with these parameters.
fn with(params: &str) -> String {
    if params.is_empty() { NAME.to_owned() } else { format!("{NAME}; {params}") }
}

fn list(text: &str) -> Vec<Extension> {
    Extension::parse_list(text).expect("a list")
}

/// Parameters that neither an offer nor an answer may have (§7.1), with what is wrong with them.
fn wrong() -> Vec<(&'static str, InvalidDeflate)> {
    let value = |name: &str, value: &str| InvalidDeflate::Value {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let unknown = |name: &str| InvalidDeflate::Unknown(name.to_owned());
    let repeated = |name: &str| InvalidDeflate::Repeated(name.to_owned());
    vec![
        // Flags have no value, not even a plausible one (§7.1.1).
        ("server_no_context_takeover=true", value(SERVER_FLAG, "true")),
        ("server_no_context_takeover=\"1\"", value(SERVER_FLAG, "1")),
        ("client_no_context_takeover=0", value(CLIENT_FLAG, "0")),
        ("client_no_context_takeover=15", value(CLIENT_FLAG, "15")),
        // Windows are 8 to 15, in decimal, without leading zeros (§7.1.2).
        ("server_max_window_bits=7", value(SERVER_BITS, "7")),
        ("server_max_window_bits=16", value(SERVER_BITS, "16")),
        ("server_max_window_bits=0", value(SERVER_BITS, "0")),
        ("server_max_window_bits=1000", value(SERVER_BITS, "1000")),
        ("server_max_window_bits=08", value(SERVER_BITS, "08")),
        ("server_max_window_bits=015", value(SERVER_BITS, "015")),
        ("server_max_window_bits=\"010\"", value(SERVER_BITS, "010")),
        ("server_max_window_bits=-10", value(SERVER_BITS, "-10")),
        ("server_max_window_bits=+10", value(SERVER_BITS, "+10")),
        ("server_max_window_bits=10.0", value(SERVER_BITS, "10.0")),
        ("server_max_window_bits=1e1", value(SERVER_BITS, "1e1")),
        ("server_max_window_bits=0xA", value(SERVER_BITS, "0xA")),
        ("server_max_window_bits=true", value(SERVER_BITS, "true")),
        // 2^8 + 10 and 2^64 + 10: what wraps is no window either.
        ("server_max_window_bits=266", value(SERVER_BITS, "266")),
        ("server_max_window_bits=18446744073709551626", value(SERVER_BITS, "18446744073709551626")),
        ("client_max_window_bits=7", value(CLIENT_BITS, "7")),
        ("client_max_window_bits=16", value(CLIENT_BITS, "16")),
        ("client_max_window_bits=0", value(CLIENT_BITS, "0")),
        ("client_max_window_bits=1000", value(CLIENT_BITS, "1000")),
        ("client_max_window_bits=08", value(CLIENT_BITS, "08")),
        ("client_max_window_bits=\"09\"", value(CLIENT_BITS, "09")),
        ("client_max_window_bits=-8", value(CLIENT_BITS, "-8")),
        ("client_max_window_bits=ten", value(CLIENT_BITS, "ten")),
        // Each once, whether or not it says the same.
        ("server_no_context_takeover; server_no_context_takeover", repeated(SERVER_FLAG)),
        ("client_no_context_takeover; client_no_context_takeover", repeated(CLIENT_FLAG)),
        ("server_max_window_bits=9; server_max_window_bits=9", repeated(SERVER_BITS)),
        ("server_max_window_bits=15; server_max_window_bits=9", repeated(SERVER_BITS)),
        ("client_max_window_bits=9; client_max_window_bits=\"9\"", repeated(CLIENT_BITS)),
        ("client_max_window_bits; client_max_window_bits", repeated(CLIENT_BITS)),
        ("client_max_window_bits; client_max_window_bits=9", repeated(CLIENT_BITS)),
        (
            "client_no_context_takeover; server_max_window_bits=9; client_no_context_takeover",
            repeated(CLIENT_FLAG),
        ),
        // Four names are defined, in lower case.
        ("x", unknown("x")),
        ("server_max_window_bits=10; x=10", unknown("x")),
        ("max_window_bits=10", unknown("max_window_bits")),
        ("no_context_takeover", unknown("no_context_takeover")),
        ("SERVER_NO_CONTEXT_TAKEOVER", unknown("SERVER_NO_CONTEXT_TAKEOVER")),
        ("Client_No_Context_Takeover", unknown("Client_No_Context_Takeover")),
        ("Server_max_window_bits=10", unknown("Server_max_window_bits")),
        ("CLIENT_MAX_WINDOW_BITS=10", unknown("CLIENT_MAX_WINDOW_BITS")),
        ("server-max-window-bits=10", unknown("server-max-window-bits")),
        (NAME, unknown(NAME)),
    ]
}

/// The server's side of a request with these lines.
fn open(lines: &[&str]) -> Result<ClientOpening, HandshakeError> {
    let mut head = Head::new(
        "GET / HTTP/1.1",
        &[
            ("Host", "h"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", SAMPLE_KEY),
            ("Sec-WebSocket-Version", "13"),
        ],
    );
    for line in lines {
        head = head.with(HEADER, line);
    }
    let opening = ServerHandshake::new(HandshakeLimits::default()).handle_input(&head.bytes())?;
    Ok(opening.expect("the request is whole"))
}

fn opened(lines: &[&str]) -> ClientOpening {
    open(lines).unwrap_or_else(|error| panic!("{lines:?}: {error}"))
}

fn wish(deflate: DeflateParams) -> Answer {
    Answer { deflate: Some(deflate), ..Answer::default() }
}

/// The answer's header, empty if it is not there, and what was agreed on.
fn answer_to(opening: &ClientOpening, answer: Answer) -> (String, Agreement) {
    let (response, agreement) = opening.accept(answer).expect("nothing is misused");
    let lines: Vec<_> = response.headers().get_all(SEC_WEBSOCKET_EXTENSIONS).iter().collect();
    assert!(lines.len() <= 1, "{lines:?}");
    let line = lines.first().map(|line| line.to_str().expect("ASCII").to_owned());
    (line.unwrap_or_default(), agreement)
}

/// A request with the setting, and with these extensions beside it.
fn offering(deflate: Option<DeflateParams>, extensions: &str) -> ClientRequest {
    let mut request = ClientRequest::new(WsUri::parse("ws://h").expect("a URI"));
    request.deflate = deflate;
    request.extensions = if extensions.is_empty() { Vec::new() } else { list(extensions) };
    request
}

fn handshake(request: &ClientRequest) -> Result<ClientHandshake, HandshakeError> {
    ClientHandshake::new(request.clone(), SAMPLE_NONCE, HandshakeLimits::default())
}

/// The one line of the request, empty if there is none.
fn offer_of(request: &ClientRequest) -> String {
    let client = handshake(request).expect("a valid request");
    let text = std::str::from_utf8(client.request()).expect("ASCII");
    let lines: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix(HEADER)?.strip_prefix(": ")).collect();
    assert!(lines.len() <= 1, "{lines:?}");
    lines.concat()
}

/// What a client makes of an answer with these lines.
fn respond(request: &ClientRequest, lines: &[&str]) -> Result<Agreement, HandshakeError> {
    let mut head = Head::new(
        "HTTP/1.1 101 Switching Protocols",
        &[
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", SAMPLE_ACCEPT),
        ],
    );
    for line in lines {
        head = head.with(HEADER, line);
    }
    match handshake(request)?.handle_input(&head.bytes())? {
        ClientProgress::Accepted { agreement, .. } => Ok(agreement),
        other => panic!("{lines:?} is read as {other:?}"),
    }
}
