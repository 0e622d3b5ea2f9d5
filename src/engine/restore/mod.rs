//! Entries -> plan: reads what a plan is made from, hands it to the planner, and keeps the plan.
//!
//! | file | idea |
//! | --- | --- |
//! | `gather` | which entries, which parents, what would be written for each |
//! | `facts` | what every record they name is called now, and whether it is there |
//! | `links` | links that waited for their other end |

mod facts;
mod gather;
mod links;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Connection, Engine, EngineError};
use crate::domain::entry::Entry;
use crate::domain::event::{Event, Stream};
use crate::domain::ids::{EntryId, JobId, OperationId, PlanId};
use crate::domain::plan::estimate::Tempo;
use crate::domain::plan::planner::{self, Sketch};
use crate::domain::plan::{Plan, PlanKind};
use crate::proofs::point;

/// What somebody wants back.
#[derive(Clone, Debug)]
pub struct RestoreAsk {
    /// Which entries.
    pub of: Wanted,
    /// Whether parents that lie in the bin come back too; without them their children are skipped.
    pub include_parents: bool,
}

/// Which entries.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// These. Naming an entry that needs review is the person's word that the CRM was looked at.
    Entries(Vec<EntryId>),
    /// All that this operation destroyed.
    Operation(OperationId),
    /// All that this job's plan was about.
    Job(JobId),
}

/// An entry to plan for, and whether a person named this very entry.
type Asked = (Entry, bool);

impl Engine {
    /// Plans a restore and keeps the plan. Reads the CRM, changes nothing in it.
    pub async fn plan_restore(&self, ask: RestoreAsk, by: &str) -> Result<Plan, EngineError> {
        let (ids, operation) = self.wanted(ask.of).await?;
        let asked = self.load(&ids).await?;
        let connection = self.one_connection(&asked)?.clone();
        let surroundings = self.surroundings_now(&connection).await?;
        let sketch = self.sketch(&connection, asked, ask.include_parents, &surroundings).await?;
        let plan = sketch.into_plan(PlanId(self.names.fresh()), &connection.name, operation, self.clock.now());
        self.keep_plan(plan, by).await
    }

    /// One plan.
    pub async fn plan(&self, id: PlanId) -> Result<Plan, EngineError> {
        self.store.plan(id).await?.ok_or_else(|| EngineError::NotFound { what: format!("plan {id}") })
    }

    /// The digest that the same plan would have if it were made now: another one means that the facts have moved.
    pub(super) async fn digest_now(&self, plan: &Plan) -> Result<String, EngineError> {
        // The entries that were planned for are those of its root steps, parents and skipped ones included. An entry
        // under review that was skipped for that reason was not named.
        let named = |reason: Option<&str>| reason != Some("needs_review");
        let roots = plan.steps.iter().filter(|step| step.root);
        let ids: BTreeMap<EntryId, bool> = roots.map(|step| (step.entry, named(step.reason.as_deref()))).collect();
        let asked = self.load(&ids).await?;
        let connection = self.connection(&plan.connection)?.clone();
        let surroundings = self.surroundings_lately(&connection).await?;
        let sketch = self.sketch(&connection, asked, false, &surroundings).await?;
        Ok(Plan::digest_of(PlanKind::Restore, &sketch.basis, &sketch.steps, &sketch.losses))
    }

    async fn sketch(
        &self,
        connection: &Connection,
        asked: Vec<Asked>,
        include_parents: bool,
        surroundings: &Value,
    ) -> Result<Sketch, EngineError> {
        let candidates = self.candidates(connection, asked, include_parents, surroundings).await?;
        let waiting = self.waiting_for(connection, &candidates, surroundings).await?;
        let facts = self.facts(connection, &candidates, &waiting).await?;
        Ok(planner::restore(candidates, waiting, &facts, tempo(connection)))
    }

    pub(super) async fn keep_plan(&self, plan: Plan, by: &str) -> Result<Plan, EngineError> {
        let event = Event::PlanMade { plan: Box::new(plan.clone()), by: by.to_owned() };
        self.store.append(&Stream::plan(plan.id), 0, vec![event]).await?;
        point("plan.kept");
        Ok(plan)
    }
}

/// How fast a connection may be worked on in the background.
pub(super) fn tempo(connection: &Connection) -> Tempo {
    let capabilities = connection.connector.capabilities();
    let usage = connection.upstream.usage();
    // Without a limit the estimate is about the size of a plan, not about a pace.
    let per_second = if usage.per_second == 0 { 100 } else { usage.per_second.saturating_sub(usage.live_reserve) };
    Tempo { write_batch: capabilities.write_batch, read_page: capabilities.read_page, per_second }
}
