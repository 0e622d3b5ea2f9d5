//! The second listener: `/api/v1`, health, metrics. Decides nothing: it reads requests, asks the engine, words answers.
//!
//! | file | idea |
//! | --- | --- |
//! | `routes` | every route in one list, with who may use it |
//! | `layers` | what every answer goes through, in one list, with reasons |
//! | `auth` | who is asking |
//! | `params` | query parameters: known ones, once each |
//! | `body` | request bodies: JSON, bounded |
//! | `once` | `Idempotency-Key`; writes outlive their connection |
//! | `problem` | the only place where errors become answers |
//! | `listen` | connections: counted, timed, drained |
//! | `opening` | what is answered while the archive is being opened |
//! | `api/` | one file a noun |

mod api;
mod auth;
mod body;
mod layers;
mod listen;
mod once;
mod opening;
mod params;
mod problem;
mod routes;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::archive::ArchiveError;
use crate::archive::backup::Made;
use crate::engine::Engine;

pub use listen::serve;
pub use opening::opening;

/// What the console takes from outside besides the engine.
#[derive(Clone)]
pub struct Settings {
    /// Renders the metrics in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Makes a backup; `None`: the configuration names no place for one.
    pub backup: Option<BackUp>,
}

/// Makes a backup.
pub type BackUp = Arc<dyn Fn() -> BoxFuture<'static, Result<Made, ArchiveError>> + Send + Sync>;

impl Default for Settings {
    fn default() -> Self {
        Self { metrics: Arc::new(String::new), backup: None }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

/// What every handler may use. Cheap to clone.
#[derive(Clone)]
struct Console {
    engine: Engine,
    settings: Settings,
    /// Results of writes by their `Idempotency-Key`.
    results: Arc<once::Results>,
}
