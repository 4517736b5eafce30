//! See `longwire_proto::fuzzing::utf8_differential`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| longwire_proto::fuzzing::utf8_differential(data));
