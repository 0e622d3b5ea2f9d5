//! What the faces may ask for. Decides; speaks no vendor's language.
//!
//! | file | idea |
//! | --- | --- |
//! | `delete` | snapshot, commit, forward, settle |
//! | `stop` | why a delete is not sent, in words for the caller |
//! | `inflight` | deletes under way: repeats join, drains wait |
//! | `settle` | what became of a delete, by reading the CRM; at start, what was left open |
//! | `unsettled` | operations whose outcome is not known, and when to look |
//! | `restore` | entries -> plan |
//! | `jobs` | a plan being applied |
//! | `access` | who may use the console |
//! | `look` | looking without touching: what would come back, what stands there now |

pub mod access;
pub mod delete;
#[cfg(test)]
pub(crate) mod fake_crm;
#[cfg(test)]
pub(crate) mod fake_world;
mod inflight;
pub mod jobs;
pub mod look;
pub mod restore;
mod settle;
mod stop;
#[cfg(test)]
mod tests;
mod unsettled;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::archive::{ArchiveError, Bin, Store};
use crate::crm::upstream::Upstream;
use crate::crm::{Access, Connector, CrmError, Lane, Reach};
use crate::domain::policy::Policy;
use crate::domain::world::{Clock, Names};

/// One configured CRM account.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its name in the configuration.
    pub name: String,
    /// Its vendor.
    pub connector: Arc<dyn Connector>,
    /// The door to it.
    pub upstream: Arc<Upstream>,
    /// Whether it has a token of its own; restores need one, snapshots prefer it.
    pub has_own_token: bool,
}

/// Everything the verbs need. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) connections: Arc<BTreeMap<String, Connection>>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) names: Arc<dyn Names>,
    inflight: inflight::Joined,
    unsettled: unsettled::Unsettled,
    pub(crate) token_book: Arc<access::TokenBook>,
    surroundings: Arc<look::Surroundings>,
    jobs: jobs::Jobs,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("connections", &self.connections.keys()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Over a store, the configured connections and a world.
    pub fn new(
        store: Arc<dyn Store>,
        connections: Vec<Connection>,
        policy: Policy,
        clock: Arc<dyn Clock>,
        names: Arc<dyn Names>,
    ) -> Self {
        let connections = connections.into_iter().map(|connection| (connection.name.clone(), connection)).collect();
        Self {
            store,
            connections: Arc::new(connections),
            policy: Arc::new(policy),
            clock,
            names,
            inflight: inflight::Joined::default(),
            unsettled: unsettled::Unsettled::default(),
            token_book: Arc::default(),
            surroundings: Arc::default(),
            jobs: jobs::Jobs::default(),
        }
    }

    /// What the ledger adds up to, for reading.
    pub fn bin(&self) -> &dyn Bin {
        self.store.as_ref()
    }

    /// The configured connections, by name.
    pub fn connections(&self) -> &BTreeMap<String, Connection> {
        &self.connections
    }

    /// One connection.
    pub fn connection(&self, name: &str) -> Result<&Connection, EngineError> {
        self.connections.get(name).ok_or_else(|| EngineError::NotFound { what: format!("connection {name}") })
    }

    /// How to reach the CRM of a connection for one call.
    pub(crate) fn reach<'a>(&self, connection: &'a Connection, access: &'a Access, lane: Lane) -> Reach<'a> {
        Reach { upstream: &connection.upstream, access, lane, now: self.clock.now(), connection: &connection.name }
    }
}

/// Why a verb was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nothing by that name.
    #[error("there is no {what}")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The thing has changed since it was shown.
    #[error("{detail}")]
    Stale {
        /// Stable word: `plan_changed`, `wrong_state`.
        code: &'static str,
        /// What changed.
        detail: String,
    },
    /// The request makes no sense.
    #[error("{detail}")]
    Invalid {
        /// Stable word.
        code: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The archive did not do it.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The CRM did not do it.
    #[error(transparent)]
    Crm(#[from] CrmError),
}
