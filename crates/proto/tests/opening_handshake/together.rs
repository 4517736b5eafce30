//! A client and a server of ours, together.

use longwire_proto::handshake::{
    Answer, ClientHandshake, ClientProgress, ClientRequest, HandshakeLimits, ServerHandshake,
    encode_acceptance,
};
use longwire_proto::{Extension, Subprotocol, WsUri};
use proptest::prelude::*;

fn token() -> impl Strategy<Value = String> {
    "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}"
}

fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    let params = prop::collection::vec((token(), prop::option::of(token())), 0..3);
    let one = (token(), params).prop_map(|(name, params)| Extension { name, params });
    prop::collection::vec(one, 0..4)
}

fn subprotocols() -> impl Strategy<Value = Vec<Subprotocol>> {
    prop::collection::btree_set(token(), 0..5)
        .prop_map(|names| names.iter().map(|name| name.parse().expect("a token")).collect())
        .prop_shuffle()
}

proptest! {
    #[test]
    fn both_sides_agree(
        nonce in any::<[u8; 16]>(),
        path in "[ -\"$-~é]{0,20}",
        subprotocols in subprotocols(),
        extensions in extensions(),
        choice in any::<prop::sample::Index>(),
        kept in any::<u8>(),
        sizes in (1..40usize, 1..40usize),
        leftovers in (prop::collection::vec(any::<u8>(), 0..9), prop::collection::vec(any::<u8>(), 0..9)),
    ) {
        let uri = WsUri::parse(&format!("ws://example.com/{path}")).expect("a URI");
        let resource_name = uri.resource_name();
        let mut request = ClientRequest::new(uri);
        request.subprotocols = subprotocols.clone();
        request.extensions = extensions.clone();
        let limits = HandshakeLimits::default();
        let mut client = ClientHandshake::new(request, nonce, limits).expect("a valid request");

        let input = [client.request(), &leftovers.0].concat();
        let mut server = ServerHandshake::new(limits);
        let mut pieces = input.chunks(sizes.0);
        let mut opening = loop {
            let piece = pieces.next().expect("the request is whole");
            if let Some(opening) = server.handle_input(piece).expect("it is valid") {
                break opening;
            }
        };
        let leftover = [&opening.take_leftover()[..], &pieces.collect::<Vec<_>>().concat()].concat();
        prop_assert_eq!(leftover, leftovers.0);
        prop_assert_eq!(opening.request().uri().to_string(), resource_name);
        prop_assert_eq!(opening.subprotocols(), &subprotocols[..]);
        prop_assert_eq!(opening.extensions(), &extensions[..]);

        let keep = |&(index, _): &(usize, &Extension)| kept >> index & 1 == 1;
        let answer = Answer {
            subprotocol: (!subprotocols.is_empty()).then(|| choice.get(&subprotocols).clone()),
            extensions: extensions.iter().enumerate().filter(keep).map(|(_, e)| e.clone()).collect(),
            ..Answer::default()
        };
        let (response, agreed) = opening.accept(answer).expect("all of it was offered");

        let input = [&encode_acceptance(&response)[..], &leftovers.1].concat();
        let mut pieces = input.chunks(sizes.1);
        let (read, agreement, leftover) = loop {
            match client.handle_input(pieces.next().expect("the response is whole")) {
                Ok(ClientProgress::NeedMore) => {}
                Ok(ClientProgress::Accepted { response, agreement, leftover }) => {
                    break (response, agreement, leftover);
                }
                other => panic!("an acceptance is read as {other:?}"),
            }
        };
        let leftover = [&leftover[..], &pieces.collect::<Vec<_>>().concat()].concat();
        prop_assert_eq!(leftover, leftovers.1);
        prop_assert_eq!(agreement, agreed);
        prop_assert_eq!(read.headers(), response.headers());
    }
}
