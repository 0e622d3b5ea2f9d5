//! The whole gateway over real sockets, before a CRM that writes down every byte it hears.

mod deletes;
pub(in crate::gateway) mod fake;
mod framing;
mod passing;
mod patience;
mod world;
