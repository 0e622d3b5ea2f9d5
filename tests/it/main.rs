//! The promises, each shown against the real program and the bundled mock CRM. One module a promise; the program listens
//! on port 0 and has a directory of its own. To run one: `cargo test --test it deletes::`.

mod audit;
mod bad_input;
mod canaries;
mod clients;
mod commands;
mod crossed;
mod delete_cost;
mod deletes;
mod erasures;
mod escapes;
mod fidelity;
mod floods;
mod forward_proxy;
mod kills;
mod kinds;
mod oauth;
mod odd_clients;
mod old_ids;
mod passing;
#[cfg(feature = "failpoints")]
mod points;
mod protocol;
mod restores;
mod retention;
mod reviews;
mod sealed;
mod slow;
mod support;
mod tls;
