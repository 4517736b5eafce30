//! The opening handshake, without I/O.

use std::hint::black_box;

use longwire_proto::WsUri;

use super::{Comparison, contestant};
use crate::scenarios::opening::{REQUEST, URI, accept, answer, handshake};

pub(super) fn comparisons() -> Vec<Comparison> {
    let uri = WsUri::parse(URI).expect("it is one");
    let response = answer(handshake(&uri).request());
    let server = contestant("longwire", || {
        black_box(answer(black_box(REQUEST)));
    });
    let client = contestant("longwire", move || {
        accept(&mut handshake(&uri), black_box(&response));
    });
    [("opening handshake, server", server), ("opening handshake, client", client)]
        .map(|(name, it)| Comparison { name: name.to_owned(), size: None, contestants: vec![it] })
        .into()
}
