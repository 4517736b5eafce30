//! A server's answers to offers of permessage-deflate (RFC 7692 §5.1, §7.1).

use http::Request;
use http::header::SEC_WEBSOCKET_EXTENSIONS;
use longwire_proto::handshake::{Answer, BadRequest, ClientOpening, HandshakeError, Misuse};
use longwire_proto::{Agreement, Deflate, DeflateParams};

use super::{
    CLIENT_BITS, CLIENT_FLAG, HEADER, NAME, NO_TAKEOVER, SERVER_BITS, SERVER_FLAG, Short, TAKEOVER,
    answer_to, list, open, opened, params, short, wish, with, wrong,
};
use crate::SAMPLE_KEY;

fn misuse_of(opening: &ClientOpening, answer: Answer) -> Misuse {
    match opening.accept(answer) {
        Err(HandshakeError::Misuse(misuse)) => misuse,
        other => panic!("misuse is taken as {other:?}"),
    }
}

#[track_caller]
fn assert_answer(lines: &[&str], own: DeflateParams, answer: &str, agreed: Short) {
    let (line, agreement) = answer_to(&opened(lines), wish(own));
    assert_eq!(line, with(answer), "{lines:?}");
    assert_eq!(agreement.deflate.map(short), Some(agreed), "{lines:?}");
    assert!(agreement.extensions.is_empty(), "{lines:?}");
}

#[track_caller]
fn assert_declined(lines: &[&str], own: DeflateParams) {
    let (line, agreement) = answer_to(&opened(lines), wish(own));
    assert_eq!((line.as_str(), agreement), ("", Agreement::default()), "{lines:?}");
}

#[test]
fn a_server_grants_what_is_offered() {
    // §7.1.1, §7.1.2; a window in the offer is answered, 15 or not
    let table: &[(&str, &str, Short)] = &[
        ("", "", (false, false, 15, 15)),
        (SERVER_FLAG, SERVER_FLAG, (true, false, 15, 15)),
        (CLIENT_FLAG, CLIENT_FLAG, (false, true, 15, 15)),
        ("server_max_window_bits=15", "server_max_window_bits=15", (false, false, 15, 15)),
        ("server_max_window_bits=14", "server_max_window_bits=14", (false, false, 14, 15)),
        ("server_max_window_bits=10", "server_max_window_bits=10", (false, false, 10, 15)),
        ("server_max_window_bits=9", "server_max_window_bits=9", (false, false, 9, 15)),
        ("server_max_window_bits=\"9\"", "server_max_window_bits=9", (false, false, 9, 15)),
        ("server_max_window_bits=\"1\\0\"", "server_max_window_bits=10", (false, false, 10, 15)),
        (CLIENT_BITS, "", (false, false, 15, 15)),
        ("client_max_window_bits=15", "", (false, false, 15, 15)),
        ("client_max_window_bits=14", "client_max_window_bits=14", (false, false, 15, 14)),
        ("client_max_window_bits=9", "client_max_window_bits=9", (false, false, 15, 9)),
        ("client_max_window_bits=8", "client_max_window_bits=8", (false, false, 15, 8)),
        ("client_max_window_bits = \"12\"", "client_max_window_bits=12", (false, false, 15, 12)),
        (
            "client_max_window_bits=11;server_max_window_bits=12 ; client_no_context_takeover\t;\
             server_no_context_takeover",
            "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; \
             client_max_window_bits=11",
            (true, true, 12, 11),
        ),
    ];
    for (offered, answered, agreed) in table {
        assert_answer(&[&with(offered)], TAKEOVER, answered, *agreed);
    }
}

#[test]
fn a_server_asks_for_what_it_wishes_unasked() {
    // §7.1.1.1, §7.1.1.2, §7.1.2.1; but client_max_window_bits only if it is offered (§7.1.2.2)
    let both = "server_no_context_takeover; client_no_context_takeover";
    let table: &[(&str, Short, &str, Short)] = &[
        ("", (true, true, 15, 15), both, (true, true, 15, 15)),
        ("", (true, false, 15, 15), SERVER_FLAG, (true, false, 15, 15)),
        ("", (false, true, 15, 15), CLIENT_FLAG, (false, true, 15, 15)),
        (SERVER_FLAG, (true, true, 15, 15), both, (true, true, 15, 15)),
        ("", (false, false, 10, 15), "server_max_window_bits=10", (false, false, 10, 15)),
        ("", (false, false, 15, 10), "", (false, false, 15, 15)),
        (SERVER_FLAG, (false, false, 15, 9), SERVER_FLAG, (true, false, 15, 15)),
        (CLIENT_BITS, (false, false, 15, 10), "client_max_window_bits=10", (false, false, 15, 10)),
    ];
    for (offered, own, answered, agreed) in table {
        assert_answer(&[&with(offered)], params(*own), answered, *agreed);
    }
    assert_answer(&[NAME], Deflate::default().params, both, (true, true, 15, 15));
}

#[test]
fn the_smaller_window_holds() {
    for offered in 9..=15 {
        for own in 9..=15 {
            let agreed = offered.min(own);
            let answered = format!("server_max_window_bits={agreed}");
            let line = with(&format!("server_max_window_bits={offered}"));
            let mine = params((false, false, own, 15));
            assert_answer(&[&line], mine, &answered, (false, false, agreed, 15));

            let answered = format!("client_max_window_bits={agreed}");
            let answered = if agreed < 15 { answered } else { String::new() };
            let line = with(&format!("client_max_window_bits={offered}"));
            let mine = params((false, false, 15, own));
            assert_answer(&[&line], mine, &answered, (false, false, 15, agreed));
        }
    }
}

#[test]
fn a_window_of_8_bits_is_taken_from_clients_but_never_made_by_servers() {
    // A setting of 8 is one of 9, whatever it is a setting of.
    let own = params((false, false, 8, 8));
    let nine = "server_max_window_bits=9";
    assert_answer(&[NAME], own, nine, (false, false, 9, 15));
    assert_answer(&[&with("server_max_window_bits=15")], own, nine, (false, false, 9, 15));
    let windows = "server_max_window_bits=9; client_max_window_bits=9";
    assert_answer(&[&with(CLIENT_BITS)], own, windows, (false, false, 9, 9));
    // A client may know its own window better.
    let windows = "server_max_window_bits=9; client_max_window_bits=8";
    assert_answer(&[&with("client_max_window_bits=8")], own, windows, (false, false, 9, 8));

    let eight = with("server_max_window_bits=8");
    for own in [TAKEOVER, NO_TAKEOVER, own] {
        assert_declined(&[&eight], own);
        assert_declined(&[&with("server_max_window_bits=\"8\"; client_max_window_bits")], own);
    }
    let next = format!("{eight}, {NAME}; client_no_context_takeover");
    assert_answer(&[&next], TAKEOVER, CLIENT_FLAG, (false, true, 15, 15));
    let next = with("server_max_window_bits=9; client_max_window_bits=8");
    assert_answer(&[&eight, &next], TAKEOVER, windows, (false, false, 9, 8));
}

#[test]
fn a_wrong_offer_is_declined_and_the_next_one_is_taken() {
    // §5.1, §7.1: it costs the offer, neither the others nor the handshake
    let offers = wrong().into_iter().map(|(offer, _)| offer);
    for offer in offers.chain(["server_max_window_bits", "server_max_window_bits=8"]) {
        let wrong = with(offer);
        for own in [TAKEOVER, NO_TAKEOVER] {
            assert_declined(&[&wrong], own);
        }
        assert_declined(&[&wrong, &format!("{wrong}, {wrong}")], TAKEOVER);
        let next = format!("{wrong}, {NAME}; server_max_window_bits=12, {NAME}");
        let agreed = (false, false, 12, 15);
        assert_answer(&[&next], TAKEOVER, "server_max_window_bits=12", agreed);
        let lines = [&*wrong, &*wrong, "permessage-deflate; client_max_window_bits=11"];
        assert_answer(&lines, TAKEOVER, "client_max_window_bits=11", (false, false, 15, 11));
        // What comes behind an offer that is taken is not looked at.
        assert_answer(&[NAME, &wrong], TAKEOVER, "", (false, false, 15, 15));
    }
}

#[test]
fn a_value_that_breaks_the_grammar_is_a_bad_request() {
    // RFC 6455 §9.1: there is no offer to decline
    for value in ["", "\"\"", "\"10", "\"1 0\"", "10 11", "10=10", "\"10\\", "1\u{661}"] {
        for name in [SERVER_BITS, CLIENT_BITS, SERVER_FLAG] {
            let line = with(&format!("{name}={value}"));
            let error = open(&[NAME, &line]).expect_err("it is no list");
            let fault = BadRequest::HeaderInvalid(SEC_WEBSOCKET_EXTENSIONS);
            assert_eq!(error, fault.into(), "{line}");
        }
    }
    open(&["permessage-deflate;"]).expect_err("a parameter is missing");
}

#[test]
fn the_first_offer_that_can_be_served_is_answered_alone() {
    // §5, §7.1.3
    let tight = "server_max_window_bits=10";
    let wide = "server_no_context_takeover; client_max_window_bits";
    let both = [with(tight), with(wide)];
    assert_answer(&[&both.join(",")], TAKEOVER, tight, (false, false, 10, 15));
    assert_answer(&[&both[0], &both[1]], TAKEOVER, tight, (false, false, 10, 15));
    assert_answer(&[&both[1], &both[0]], TAKEOVER, SERVER_FLAG, (true, false, 15, 15));
    assert_answer(&[&format!(",, {NAME} ,,{}", both[0])], TAKEOVER, "", (false, false, 15, 15));
    assert_answer(&[NAME, NAME, NAME], TAKEOVER, "", (false, false, 15, 15));
    // What the declined offer had is not carried over.
    let lines = ["permessage-deflate; server_no_context_takeover; x", NAME];
    assert_answer(&lines, TAKEOVER, "", (false, false, 15, 15));
    let lines = ["permessage-deflate; client_max_window_bits=9; server_max_window_bits=8", NAME];
    assert_answer(&lines, params((false, false, 15, 9)), "", (false, false, 15, 15));
    // A client that cannot bound its window in its first offer, and can in its second.
    let lines = [NAME, "permessage-deflate; client_max_window_bits"];
    assert_answer(&lines, params((false, false, 15, 9)), "", (false, false, 15, 15));
}

#[test]
fn what_is_not_permessage_deflate_is_no_offer_of_it() {
    for line in [
        "Permessage-Deflate",
        "PERMESSAGE-DEFLATE; client_max_window_bits",
        "permessage-deflate-2",
        "permessage_deflate",
        "x-webkit-deflate-frame",
        "deflate-frame; max_window_bits=10",
        "permessage-bzip2; permessage-deflate",
        "x; permessage-deflate=1",
    ] {
        assert_declined(&[line], TAKEOVER);
        assert_answer(&[line, NAME], TAKEOVER, "", (false, false, 15, 15));
    }
    assert_declined(&[], TAKEOVER);
}

#[test]
fn a_server_without_the_setting_does_not_answer() {
    let opening = opened(&[NAME, "permessage-deflate; client_max_window_bits"]);
    assert_eq!(answer_to(&opening, Answer::default()), (String::new(), Agreement::default()));
    assert_eq!(opening.extensions().len(), 2, "it may still look at the offers");
}

#[test]
fn a_server_answers_other_extensions_beside_it() {
    // RFC 6455 §9.1: in order of application, and ours comes behind what the caller does
    let opening =
        opened(&["a; permessage-deflate, permessage-deflate; x", "b, permessage-deflate"]);
    let chosen = list("b; c=1, a");
    let answer = Answer { extensions: chosen.clone(), ..wish(params((true, false, 15, 15))) };
    let (line, agreement) = answer_to(&opening, answer);
    assert_eq!(line, "b; c=1, a, permessage-deflate; server_no_context_takeover");
    assert_eq!(agreement.extensions, chosen);
    assert_eq!(agreement.deflate, Some(params((true, false, 15, 15))));
    let declined = opened(&["a, permessage-deflate; server_max_window_bits=8"]);
    let answer = Answer { extensions: list("a"), ..wish(TAKEOVER) };
    let (line, agreement) = answer_to(&declined, answer);
    assert_eq!((line.as_str(), agreement.deflate, agreement.extensions), ("a", None, list("a")));
}

#[test]
fn a_server_may_answer_by_hand_where_the_setting_does_not() {
    let by_hand = list("permessage-deflate; server_max_window_bits=8; x=y");
    let answer = Answer { extensions: by_hand.clone(), ..Answer::default() };
    let opening = opened(&["permessage-deflate; server_max_window_bits=8"]);
    let (line, agreement) = answer_to(&opening, answer.clone());
    assert_eq!(line, "permessage-deflate; server_max_window_bits=8; x=y");
    assert_eq!((agreement.deflate, agreement.extensions), (None, by_hand));

    let twice = Answer { deflate: Some(TAKEOVER), ..answer.clone() };
    for opening in [opening, opened(&[NAME])] {
        let misuse = misuse_of(&opening, twice.clone());
        assert_eq!(misuse, Misuse::DeflateRepeated, "{:?}", opening.extensions());
        assert!(misuse.to_string().contains("permessage-deflate is set"), "{misuse}");
    }
    for answer in [answer, twice] {
        let misuse = misuse_of(&opened(&["x"]), answer);
        assert_eq!(misuse, Misuse::ExtensionNotOffered(NAME.to_owned()));
    }
}

#[test]
fn a_request_that_an_http_server_has_read_is_answered_alike() {
    let request = Request::get("/")
        .header("Host", "h")
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Key", SAMPLE_KEY)
        .header("Sec-WebSocket-Version", "13")
        .header(HEADER, "permessage-deflate; server_max_window_bits=16")
        .header(HEADER, "x, permessage-deflate; server_max_window_bits=\"11\"")
        .body(())
        .expect("a request");
    let opening = ClientOpening::from_request(&request).expect("it is valid");
    let (line, agreement) = answer_to(&opening, wish(TAKEOVER));
    assert_eq!(line, "permessage-deflate; server_max_window_bits=11");
    assert_eq!(agreement.deflate.map(short), Some((false, false, 11, 15)));
}
