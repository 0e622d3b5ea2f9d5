//! amoCRM (Kommo abroad). Facts about it carry the marks of the fact sheet: `[D]` official documentation, `[P]` live
//! probes, `[C]` other people's code, `[U]` unverified.
//!
//! | file | idea |
//! | --- | --- |
//! | [`dialect`] | what its requests and answers mean: pure |
//! | [`wire`] | the shapes of its JSON, and the names of things that have no id of their own |
//! | [`rows`] | looking into its JSON rows and into the parts of a snapshot |
//! | [`connector`] | how it is asked to do things: the list of calls |
//! | [`read`] | records whole, in pages |
//! | [`write`] | records back |
//! | [`draft`] | what would be written to bring a record back |
//! | [`compare`] | a record read back beside its snapshot |
//! | [`tokens`] | where it gives tokens |

pub mod compare;
pub mod connector;
pub mod dialect;
pub mod draft;
pub mod read;
pub mod rows;
pub mod tokens;
pub mod wire;
pub mod write;

/// The vendor. Has no state: everything it knows is in its code.
#[derive(Debug, Default, Clone, Copy)]
pub struct AmoCrm;
