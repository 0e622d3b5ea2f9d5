//! What the faces may ask for. Decides; speaks no vendor's language.
//!
//! | file | idea |
//! | --- | --- |
//! | `delete` | snapshot, commit, forward, settle |
//! | `stop` | why a delete is not sent, in words for the caller |
//! | `version` | the last look before a delete is sent: still as the snapshot says? |
//! | `evidence` | afterwards: what the CRM's log says was changed in between |
//! | `kept` | what callers were answered, for a repeat of the request |
//! | `inflight` | deletes under way: repeats join, drains wait |
//! | `settle` | what became of a delete, by reading the CRM; at start, what was left open |
//! | `unsettled` | operations whose outcome is not known, and when to look |
//! | `restore` | entries -> plan |
//! | `jobs` | a plan being applied |
//! | `review` | what nobody but a person can decide, with the evidence side by side |
//! | `access` | who may use the console |
//! | `erase` | everything of one record destroyed for good |
//! | `connect` | letting a connection's own client in; how its access stands |
//! | `holds` | legal holds: what may neither be forgotten nor erased |
//! | `retention` | forgetting what has lain in the bin long enough |
//! | `look` | looking without touching: what would come back, what stands there now |

pub mod access;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod chance;
mod connect;
pub mod delete;
pub mod erase;
mod evidence;
#[cfg(test)]
pub(crate) mod fake_crm;
#[cfg(test)]
mod fake_wire;
#[cfg(test)]
pub(crate) mod fake_world;
pub mod holds;
mod inflight;
pub mod jobs;
mod kept;
pub mod look;
pub mod restore;
pub mod retention;
pub mod review;
mod settle;
#[cfg(test)]
mod simulation;
mod stop;
#[cfg(test)]
mod tests;
mod unsettled;
mod version;

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

impl Connection {
    /// How long a written record may be missing from its lists.
    pub(crate) fn index_delay(&self) -> std::time::Duration {
        self.upstream.index_delay().unwrap_or(self.connector.capabilities().index_delay)
    }
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
    hold_book: Arc<holds::Holds>,
    retention: Arc<retention::Retention>,
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
            hold_book: Arc::default(),
            retention: Arc::default(),
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
