//! `Sec-WebSocket-Key` and the `Sec-WebSocket-Accept` that answers it (§4.1, §4.2.2, §11.3.1, §11.3.3).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha1::{Digest as _, Sha1};

/// Bytes of a nonce before base64.
pub(crate) const NONCE_LENGTH: usize = 16;

/// The key that carries `nonce`.
pub(crate) fn encode(nonce: [u8; NONCE_LENGTH]) -> String {
    STANDARD.encode(nonce)
}

/// Whether `key` is the base64 of 16 bytes.
pub(crate) fn is_valid(key: &[u8]) -> bool {
    let mut nonce = [0; ENCODED_LENGTH / 4 * 3];
    key.len() == ENCODED_LENGTH && LENIENT.decode_slice(key, &mut nonce) == Ok(NONCE_LENGTH)
}

/// The answer to `key`, which is hashed as it was sent: it is never decoded first.
pub(crate) fn accept(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Characters of 16 bytes in base64, with padding.
const ENCODED_LENGTH: usize = 24;

/// Takes unused bits that are not zero: the RFC's own example has them (erratum 3150).
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_nonce_gets_the_sample_answer() {
        // §1.3
        let nonce = *b"the sample nonce";
        assert_eq!(encode(nonce), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept(encode(nonce).as_bytes()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn unused_bits_of_the_key_may_be_set() {
        // §4.1, erratum 3150
        assert!(is_valid(b"AQIDBAUGBwgJCgsMDQ4PEC=="));
        assert!(is_valid(b"AQIDBAUGBwgJCgsMDQ4PEA=="));
    }

    #[test]
    fn the_key_is_sixteen_bytes_in_padded_base64() {
        for wrong in [
            "",
            "AQIDBAUGBwgJCgsMDQ4P",
            "AQIDBAUGBwgJCgsMDQ4PEA",
            "AQIDBAUGBwgJCgsMDQ4PEBES",
            "AQIDBAUGBwgJCgsMDQ4PEBE=",
            "AQIDBAUGBwgJCgsMDQ4PEBESEw==",
            "AQIDBAUGBwgJCgsMDQ4P*A==",
            "AQIDBAUGBwgJCgsMDQ4PEA= ",
            "AQIDBAUGBwgJCgsMDQ4P-_==",
        ] {
            assert!(!is_valid(wrong.as_bytes()), "{wrong}");
        }
    }
}
