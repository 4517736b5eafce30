//! See `longwire_proto::fuzzing::uri`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| longwire_proto::fuzzing::uri(data));
