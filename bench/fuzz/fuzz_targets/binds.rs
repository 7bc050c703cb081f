#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| icaze_bench::checks::binds(bytes));
