//! See `longwire_proto::fuzzing::connection_operations`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    longwire_proto::fuzzing::connection_operations(data, std::time::Instant::now())
});
