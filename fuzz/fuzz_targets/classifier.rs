//! The classifier: verb, path, query, type and body of a request, from one text.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| crm_undo::fuzzing::classifier(data));
