//! See `longwire_proto::fuzzing::connection_server`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    longwire_proto::fuzzing::connection_server(data, std::time::Instant::now())
});
