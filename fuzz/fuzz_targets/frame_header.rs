//! See `longwire_proto::fuzzing::frame_header`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| longwire_proto::fuzzing::frame_header(data));
