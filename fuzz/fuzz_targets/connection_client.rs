//! See `longwire_proto::fuzzing::connection_client`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    longwire_proto::fuzzing::connection_client(data, std::time::Instant::now())
});
