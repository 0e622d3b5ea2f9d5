//! The whole gateway over real sockets, before a CRM that writes down every byte it hears.

// heard, head, held, begin, begun: the words of this field are short.
#![allow(clippy::similar_names)]

mod deletes;
pub(in crate::gateway) mod fake;
mod framing;
mod passing;
mod patience;
mod secured;
mod world;
