//! See `longwire_channel::fuzzing::cbor`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| longwire_channel::fuzzing::cbor(data));
