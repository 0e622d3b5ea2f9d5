//! The promises, each shown against the real program and the bundled mock CRM. One module a promise; the program listens
//! on port 0 and has a directory of its own. To run one: `cargo test --test it deletes::`.

mod bad_input;
mod canaries;
mod clients;
mod commands;
mod deletes;
mod fidelity;
mod kills;
mod kinds;
mod old_ids;
mod passing;
mod restores;
mod sealed;
mod support;
