//! See `longwire_channel::fuzzing::json`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| longwire_channel::fuzzing::json(data));
