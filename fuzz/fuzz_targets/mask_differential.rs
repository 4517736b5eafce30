//! See `longwire_proto::fuzzing::mask_differential`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| longwire_proto::fuzzing::mask_differential(data));
