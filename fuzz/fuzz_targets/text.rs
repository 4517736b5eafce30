//! See `longwire_proto::fuzzing::text`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| longwire_proto::fuzzing::text(data));
