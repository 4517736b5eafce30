//! See `longwire_proto::fuzzing::extensions_header`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| longwire_proto::fuzzing::extensions_header(data));
