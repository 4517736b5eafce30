//! A client's offer of permessage-deflate, and what it makes of the answer (RFC 7692 §5.1, §7.1).

use http::header::SEC_WEBSOCKET_EXTENSIONS;
use longwire_proto::handshake::{BadResponse, ClientRequest, HandshakeError, Misuse};
use longwire_proto::{Agreement, Deflate, DeflateParams, InvalidDeflate};

use super::{
    CLIENT_BITS, CLIENT_FLAG, NAME, NO_TAKEOVER, SERVER_BITS, SERVER_FLAG, Short, TAKEOVER,
    handshake, list, offer_of, offering, params, respond, short, with, wrong,
};

#[track_caller]
fn agreed(request: &ClientRequest, lines: &[&str]) -> Agreement {
    respond(request, lines).unwrap_or_else(|error| panic!("{lines:?}: {error}"))
}

#[track_caller]
fn fault(request: &ClientRequest, lines: &[&str]) -> BadResponse {
    match respond(request, lines) {
        Err(HandshakeError::BadResponse(fault)) => fault,
        other => panic!("{lines:?} is read as {other:?}"),
    }
}

#[test]
fn a_client_offers_its_wishes_and_that_it_can_bound_its_window() {
    // §7.1.2.2: without the offer a server could not ask for less
    let table: &[(Short, &str)] = &[
        ((false, false, 15, 15), "client_max_window_bits"),
        ((true, false, 15, 15), "server_no_context_takeover; client_max_window_bits"),
        ((false, true, 15, 15), "client_no_context_takeover; client_max_window_bits"),
        ((false, false, 14, 15), "server_max_window_bits=14; client_max_window_bits"),
        ((false, false, 15, 14), "client_max_window_bits=14"),
        ((false, false, 9, 10), "server_max_window_bits=9; client_max_window_bits=10"),
        ((false, false, 8, 15), "server_max_window_bits=9; client_max_window_bits"),
        ((false, false, 15, 8), "client_max_window_bits=9"),
        (
            (true, true, 8, 8),
            "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; \
             client_max_window_bits=9",
        ),
    ];
    for (own, offer) in table {
        assert_eq!(offer_of(&offering(Some(params(*own)), "")), with(offer), "{own:?}");
    }
    let default = offer_of(&offering(Some(Deflate::default().params), ""));
    let both = "server_no_context_takeover; client_no_context_takeover; client_max_window_bits";
    assert_eq!(default, with(both));
    assert_eq!(offer_of(&offering(None, "")), "");
    let beside = offer_of(&offering(Some(TAKEOVER), "x; y=1, z"));
    assert_eq!(beside, "x; y=1, z, permessage-deflate; client_max_window_bits");
}

#[test]
fn a_client_agrees_to_what_is_within_its_offer() {
    // §7.1.1, §7.1.2
    let free = (false, false, 15, 15);
    let table: &[(Short, &str, Short)] = &[
        (free, "", free),
        // What the server asks for unasked.
        (free, SERVER_FLAG, (true, false, 15, 15)),
        (free, CLIENT_FLAG, (false, true, 15, 15)),
        (free, "server_max_window_bits=15", free),
        (free, "server_max_window_bits=9", (false, false, 9, 15)),
        (free, "server_max_window_bits=8", (false, false, 8, 15)),
        (free, "client_max_window_bits=15", free),
        (free, "client_max_window_bits=\"9\"", (false, false, 15, 9)),
        (free, "client_max_window_bits=8", (false, false, 15, 8)),
        // What it was asked for, or less.
        ((true, false, 15, 15), SERVER_FLAG, (true, false, 15, 15)),
        ((false, false, 12, 15), "server_max_window_bits=12", (false, false, 12, 15)),
        ((false, false, 12, 15), "server_max_window_bits=\"10\"", (false, false, 10, 15)),
        ((false, false, 9, 15), "server_max_window_bits=8", (false, false, 8, 15)),
        ((false, false, 8, 15), "server_max_window_bits=9", (false, false, 9, 15)),
        ((false, false, 15, 12), "client_max_window_bits=12", (false, false, 15, 12)),
        ((false, false, 15, 12), "client_max_window_bits=8", (false, false, 15, 8)),
        // Hints that the server did not take up: the client keeps to them by itself.
        ((false, true, 15, 15), "", (false, true, 15, 15)),
        ((false, true, 15, 15), CLIENT_FLAG, (false, true, 15, 15)),
        ((false, false, 15, 12), "", (false, false, 15, 12)),
        ((false, false, 15, 8), "", (false, false, 15, 9)),
        (
            (true, true, 10, 10),
            "client_max_window_bits=9 ;server_max_window_bits=10; server_no_context_takeover",
            (true, true, 10, 9),
        ),
    ];
    for (own, answer, expected) in table {
        let agreement = agreed(&offering(Some(params(*own)), ""), &[&with(answer)]);
        assert_eq!(agreement.deflate.map(short), Some(*expected), "{own:?} and {answer}");
        assert!(agreement.extensions.is_empty());
    }
}

#[test]
fn a_server_may_decline() {
    // §5: whatever was asked for
    for own in [TAKEOVER, NO_TAKEOVER, params((true, true, 9, 9))] {
        assert_eq!(agreed(&offering(Some(own), ""), &[]), Agreement::default());
        let others = agreed(&offering(Some(own), "x"), &["x; y"]);
        assert_eq!((others.deflate, others.extensions), (None, list("x; y")));
    }
}

#[test]
fn a_wrong_answer_fails_the_connection() {
    // §5.1, §7.1
    let not_granted = InvalidDeflate::NotGranted;
    let not_offered = InvalidDeflate::NotOffered;
    let missing = InvalidDeflate::ValueMissing;
    let free = (false, false, 15, 15);
    let mut table: Vec<(Short, &str, InvalidDeflate)> =
        wrong().into_iter().map(|(answer, what)| (free, answer, what)).collect();
    table.extend([
        // An answer's windows have values.
        (free, SERVER_BITS, missing(SERVER_BITS)),
        (free, CLIENT_BITS, missing(CLIENT_BITS)),
        ((false, false, 10, 15), SERVER_BITS, missing(SERVER_BITS)),
        ((false, false, 15, 10), CLIENT_BITS, missing(CLIENT_BITS)),
        // What was asked for is answered (§7.1.1.1, §7.1.2.1).
        ((true, false, 15, 15), "", not_granted(SERVER_FLAG)),
        ((true, false, 15, 15), CLIENT_FLAG, not_granted(SERVER_FLAG)),
        ((false, false, 14, 15), "", not_granted(SERVER_BITS)),
        ((false, false, 14, 15), "client_max_window_bits=14", not_granted(SERVER_BITS)),
        ((false, false, 8, 15), "", not_granted(SERVER_BITS)),
        // ... and not exceeded.
        ((false, false, 14, 15), "server_max_window_bits=15", not_granted(SERVER_BITS)),
        ((false, false, 8, 15), "server_max_window_bits=10", not_granted(SERVER_BITS)),
        ((false, false, 15, 14), "client_max_window_bits=15", not_offered(CLIENT_BITS)),
        ((false, false, 15, 8), "client_max_window_bits=10", not_offered(CLIENT_BITS)),
    ]);
    for (own, answer, what) in table {
        let request = offering(Some(params(own)), "x");
        let answer = with(answer);
        let expected = BadResponse::DeflateInvalid(what.clone());
        for lines in [&[&*answer][..], &["x", &*answer], &[&*format!("{answer}, x")]] {
            let fault = fault(&request, lines);
            assert_eq!(fault, expected, "{own:?} and {lines:?}");
            assert!(fault.to_string().contains(&what.to_string()), "{fault}");
        }
    }
}

#[test]
fn permessage_deflate_is_agreed_to_once() {
    // §5: on one line or on two, the same or not, the second valid or not
    for second in ["", "server_max_window_bits=10"] {
        let second = with(second);
        for lines in [&[NAME, &*second][..], &[&*format!("{NAME}, x, {second}")]] {
            let fault = fault(&offering(Some(TAKEOVER), "x"), lines);
            let repeated = InvalidDeflate::Repeated(NAME.to_owned());
            assert_eq!(fault, BadResponse::DeflateInvalid(repeated), "{lines:?}");
        }
    }
    for lines in [[NAME, "permessage-deflate; x"], ["permessage-deflate; x", NAME]] {
        let fault = fault(&offering(Some(TAKEOVER), ""), &lines);
        assert!(matches!(fault, BadResponse::DeflateInvalid(_)), "{fault:?}");
    }
}

#[test]
fn an_answer_to_no_offer_fails_the_connection() {
    // RFC 6455 §4.1; names are compared as they are
    let table: &[(Option<DeflateParams>, &str, &[&str], &str)] = &[
        (None, "", &[NAME], NAME),
        (None, "x", &["x", "permessage-deflate; server_max_window_bits=16"], NAME),
        (Some(TAKEOVER), "", &["Permessage-Deflate"], "Permessage-Deflate"),
        (Some(TAKEOVER), "", &["PERMESSAGE-DEFLATE; x"], "PERMESSAGE-DEFLATE"),
        (Some(TAKEOVER), "", &[NAME, "x-webkit-deflate-frame"], "x-webkit-deflate-frame"),
        (Some(TAKEOVER), "x", &["x, permessage-deflate, y"], "y"),
    ];
    for (own, others, lines, name) in table {
        let fault = fault(&offering(*own, others), lines);
        assert_eq!(fault, BadResponse::ExtensionNotOffered((*name).to_owned()), "{lines:?}");
    }
    for value in ["", "\"\"", "\"10", "1 0"] {
        let line = with(&format!("server_max_window_bits={value}"));
        let fault = fault(&offering(Some(TAKEOVER), ""), &[&line]);
        assert_eq!(fault, BadResponse::HeaderInvalid(SEC_WEBSOCKET_EXTENSIONS), "{line}");
    }
}

#[test]
fn the_lines_of_an_answer_are_one_list() {
    // RFC 6455 §9.1, erratum 3433
    let request = offering(Some(params((false, false, 12, 15))), "x, y");
    let deflate = "permessage-deflate; server_max_window_bits=\"12\"";
    let in_one = format!("y; a, {deflate}, x");
    for lines in [&["y; a", deflate, "x"][..], &["y; a", &*format!("{deflate} ,, x")], &[&*in_one]]
    {
        let agreement = agreed(&request, lines);
        assert_eq!(agreement.deflate.map(short), Some((false, false, 12, 15)), "{lines:?}");
        assert_eq!(agreement.extensions, list("y; a, x"), "{lines:?}");
    }
}

#[test]
fn a_client_may_offer_by_hand_where_the_setting_does_not() {
    let by_hand = "permessage-deflate; server_max_window_bits=8; x=y, permessage-deflate";
    let request = offering(None, by_hand);
    assert_eq!(offer_of(&request), by_hand);
    let answer = "permessage-deflate; server_max_window_bits=1000; z";
    let agreement = agreed(&request, &[answer, answer]);
    assert_eq!(agreement.deflate, None);
    assert_eq!(agreement.extensions, [list(answer), list(answer)].concat());

    for others in [by_hand, "x, permessage-deflate"] {
        let error = handshake(&offering(Some(TAKEOVER), others)).expect_err("it is there twice");
        assert_eq!(error, Misuse::DeflateRepeated.into());
    }
    handshake(&offering(Some(TAKEOVER), "Permessage-Deflate")).expect("another extension");
}
