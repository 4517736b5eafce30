//! See `longwire_proto::fuzzing::handshake_request`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| longwire_proto::fuzzing::handshake_request(data));
