//! Entry points of the fuzz targets: each takes any bytes, and panics on a broken promise.

use crate::{Codec, Incoming};

/// Any frame in JSON: see `frame`.
pub fn json(data: &[u8]) {
    frame(Codec::Json, data);
}

/// Any frame in CBOR: see `frame`.
pub fn cbor(data: &[u8]) {
    frame(Codec::Cbor, data);
}

/// Both sides read it: what they understand survives each codec, and words about the rest are short.
fn frame(codec: Codec, data: &[u8]) {
    match codec.decode_client(data) {
        Ok(read) => read.into_iter().for_each(from_client),
        Err(malformed) => assert!(malformed.to_string().len() < LONGEST_WORDS, "{malformed}"),
    }
    for message in codec.decode_server(data).into_iter().flatten() {
        for &codec in Codec::ALL {
            let once = codec.decode_server(&codec.encode_server(&message));
            let once = once.expect("what was read is written soundly");
            assert_eq!(once.len(), 1);
            let twice = codec.decode_server(&codec.encode_server(&once[0]));
            assert_eq!(twice.as_ref(), Ok(&once));
            assert!(codec != Codec::Json || once[0] == message);
        }
    }
}

fn from_client(incoming: Incoming) {
    let message = match incoming {
        Incoming::Message(message) => message,
        Incoming::Refused { refusal, .. } => {
            return assert!(refusal.message.len() < LONGEST_WORDS, "{refusal}");
        }
    };
    for &codec in Codec::ALL {
        let once = codec.decode_client(&codec.encode_client(&message));
        let once = once.expect("what was read is written soundly");
        // Numbers and spaces within content may change once on their way through CBOR.
        let [Incoming::Message(other)] = &once[..] else { panic!("{once:?}") }; // not covered: a finding
        assert!(codec != Codec::Json || *other == message);
        assert_eq!(codec.decode_client(&codec.encode_client(other)).as_ref(), Ok(&once));
    }
}

/// Bytes of the longest words about bad input.
const LONGEST_WORDS: usize = 1_000;
