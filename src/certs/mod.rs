//! Certificates: crm-undo's own private CA, files that were given, and which of them a client is shown.
//!
//! | file | idea |
//! | --- | --- |
//! | [`authority`] | the private CA: made, opened, issuing; values in, values out |
//! | [`vault`] | where the private CA lies, its key sealed |
//! | [`given`] | a certificate and a key from files |
//! | [`facts`] | what a certificate says about itself |
//! | [`shown`] | which certificate a client is shown, and its renewal |

pub mod authority;
pub mod facts;
pub mod given;
pub mod shown;
pub mod vault;

#[cfg(test)]
mod tests;

pub use authority::Authority;
pub use facts::Facts;
pub use shown::{Shown, server};

/// Why a certificate cannot be used. Names the file where there is one, and never holds a key.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadCertificate(pub String);

fn bad(what: impl std::fmt::Display) -> BadCertificate {
    BadCertificate(what.to_string())
}
