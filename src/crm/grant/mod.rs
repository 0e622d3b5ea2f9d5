//! Access that a connection keeps alive by itself: a client of its own at the CRM, let in once by a person, and a pair
//! of tokens that has to be exchanged for a new one before it ends.
//!
//! A refresh token is good once. Whoever uses it and loses the answer has lost the access, so: exactly one refresher, no
//! call of our own beside a refresh, what is about to happen written down before it happens, and a new pair durable
//! before it is used. Where access may be gone all the same, somebody is told at once (`docs/decisions/0009`).
//!
//! | file | idea |
//! | --- | --- |
//! | [`kept`] | what lies in the vault; when it is due; how it stands: pure |
//! | [`keeper`] | the one refresher; leases of the token |
//! | `seat` | what the refresher knows, and one refresh from its first step to its last |
//! | [`issuer`] | asking the CRM for a pair |

pub mod issuer;
pub mod keeper;
pub mod kept;
mod seat;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

use async_trait::async_trait;

pub use issuer::Client;
pub use keeper::{Keeper, Lease};
pub use kept::{Kept, Pair, Report, Standing};

/// Where a pair lies, sealed.
#[async_trait]
pub trait Vault: Send + Sync + Debug {
    /// Replaces what lies there. Durable on return; after an error, or a crash, either the old or the new is there,
    /// whole. The text of an error holds no token.
    async fn save(&self, kept: &Kept) -> Result<(), String>;
}

/// A new pair, as the CRM gave it.
#[derive(Clone)]
pub struct Issued {
    /// Access token.
    pub access: String,
    /// Refresh token, good once.
    pub refresh: String,
    /// For how long the access token is good, in seconds.
    pub lives: u64,
}

impl Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("lives", &self.lives).finish_non_exhaustive()
    }
}

/// Why there is no new pair. Texts hold neither tokens nor codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotIssued {
    /// The CRM did nothing: what was to be exchanged is as good as before.
    Later(String),
    /// The CRM does not take it.
    Refused(String),
    /// The CRM may have exchanged it, and the answer did not come.
    Lost(String),
}

/// Who gives pairs.
#[async_trait]
pub trait Issuer: Send + Sync + Debug {
    /// A new pair for a refresh token. Sent once.
    async fn refresh(&self, refresh: &str) -> Result<Issued, NotIssued>;
    /// The first pair for a code that a person was given. Sent once.
    async fn exchange(&self, code: &str) -> Result<Issued, NotIssued>;
}
