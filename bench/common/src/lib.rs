//! What contestants share: command lines, the first line, TLS, the accept loop, the clients' measurement,
//! masking, and the accept key.

pub mod batch;
pub mod client;
pub mod listen;
pub mod schedstat;
pub mod serve;
pub mod tls;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

pub use listen::{Deflate, Listen, Loop};

/// The `Sec-WebSocket-Accept` value for a `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
pub fn accept_key(key: &[u8]) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(sha1.finalize())
}

/// Masks or unmasks `payload` in place (RFC 6455 section 5.3).
pub fn apply_mask(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_key_of_the_rfc_example() {
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn mask_of_every_length_is_the_bytewise_definition() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for length in 0..40 {
            let plain: Vec<u8> = (0..length).collect();
            let expected: Vec<u8> =
                plain.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k).collect();
            let mut masked = plain.clone();
            apply_mask(&mut masked, key);
            assert_eq!(masked, expected);
        }
    }
}
