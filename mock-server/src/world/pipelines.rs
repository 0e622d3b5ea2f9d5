//! Pipelines with their stages, loss reasons, and the stages of customers.

use super::table::Table;

/// The stages every pipeline has (§2.1).
pub const WON: u64 = 142;
pub const LOST: u64 = 143;

#[derive(Clone, Debug)]
pub struct Pipeline {
    pub name: String,
    pub sort: i64,
    pub main: bool,
    pub unsorted_on: bool,
    /// In the order of the board; 142 and 143 are not among them.
    pub stages: Vec<Stage>,
}

#[derive(Clone, Debug)]
pub struct Stage {
    pub id: u64,
    pub name: String,
    pub sort: i64,
    pub color: String,
    /// Incoming leads wait here (`type: 1`).
    pub unsorted: bool,
}

impl Pipeline {
    /// Whether a lead of this pipeline may stand there.
    pub fn has(&self, status: u64) -> bool {
        status == WON || status == LOST || self.stages.iter().any(|stage| stage.id == status)
    }

    /// Where a new lead is put: the first stage that is not for incoming ones.
    pub fn first_stage(&self) -> u64 {
        self.stages.iter().find(|stage| !stage.unsorted).map_or(WON, |stage| stage.id)
    }

    pub fn unsorted_stage(&self) -> Option<u64> {
        self.stages.iter().find(|stage| stage.unsorted).map(|stage| stage.id)
    }
}

#[derive(Clone, Debug)]
pub struct LossReason {
    pub name: String,
    pub sort: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Clone, Debug)]
pub struct Funnel {
    pub pipelines: Table<Pipeline>,
    pub loss_reasons: Table<LossReason>,
    /// Stage ids are unique in the account; this gives the next one.
    pub next_stage: u64,
}

impl Funnel {
    pub fn main(&self) -> Option<u64> {
        let main = self.pipelines.iter().find(|(_, pipeline)| pipeline.main);
        main.or_else(|| self.pipelines.iter().next()).map(|(id, _)| id)
    }

    /// The pipeline a stage belongs to; 142 and 143 belong to all.
    pub fn pipeline_of(&self, status: u64) -> Option<u64> {
        self.pipelines
            .iter()
            .find(|(_, pipeline)| pipeline.stages.iter().any(|stage| stage.id == status))
            .map(|(id, _)| id)
    }
}
