//! The readers of forms and JSON, on the routes whose bodies delete.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| crm_undo::fuzzing::body(data));
