//! See `longwire_proto::fuzzing::inflate`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    longwire_proto::fuzzing::inflate(data, std::time::Instant::now())
});
