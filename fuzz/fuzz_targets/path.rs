//! The path reader: whatever it calls readable in one way is read the same by a server that decodes and resolves.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| crm_undo::fuzzing::path(data));
