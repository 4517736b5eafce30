//! See `longwire_proto::fuzzing::deflate_roundtrip`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    longwire_proto::fuzzing::deflate_roundtrip(data, std::time::Instant::now())
});
