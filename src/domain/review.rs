//! What a person decides where nobody else can: names of what is open, and which answers make sense. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::{JobId, OperationId};
use super::plan::What;

/// Something that waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReviewId {
    /// What became of a delete.
    Operation(OperationId),
    /// What became of one step of a job.
    Step(JobId, u32),
}

impl fmt::Display for ReviewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(id) => write!(f, "operation.{id}"),
            Self::Step(job, step) => write!(f, "step.{job}.{step}"),
        }
    }
}

/// A text that names no review.
#[derive(Debug, thiserror::Error)]
#[error("is not the id of a review")]
pub struct NoReview;

impl FromStr for ReviewId {
    type Err = NoReview;

    fn from_str(text: &str) -> Result<Self, NoReview> {
        match text.split('.').collect::<Vec<_>>().as_slice() {
            ["operation", id] => Ok(Self::Operation(id.parse().map_err(|_| NoReview)?)),
            ["step", job, step] => {
                Ok(Self::Step(job.parse().map_err(|_| NoReview)?, step.parse().map_err(|_| NoReview)?))
            }
            _ => Err(NoReview),
        }
    }
}

/// What a person has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The records are gone.
    Deleted,
    /// The records are still there.
    Kept,
    /// The step has made something.
    Restored,
    /// The step has made nothing.
    NotCreated,
}

/// The verdicts that can be given of a delete.
pub const OF_A_DELETE: [Verdict; 2] = [Verdict::Deleted, Verdict::Kept];
/// The verdicts that can be given of a step.
pub const OF_A_STEP: [Verdict; 2] = [Verdict::Restored, Verdict::NotCreated];

impl ReviewId {
    /// The verdicts that can be given of it.
    pub fn choices(self) -> [Verdict; 2] {
        match self {
            Self::Operation(_) => OF_A_DELETE,
            Self::Step(..) => OF_A_STEP,
        }
    }
}

/// Whether "restored" has to name the new record: where a step of this kind gives one.
pub fn needs_a_name(what: What) -> bool {
    what == What::Recreate
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn names_come_back() {
        let id = Uuid::from_u128(7);
        for review in [ReviewId::Operation(OperationId(id)), ReviewId::Step(JobId(id), 12)] {
            assert_eq!(review.to_string().parse::<ReviewId>().ok(), Some(review));
        }
        for text in
            ["", "operation", "operation.x", "step.x.1", "step.00000000-0000-0000-0000-000000000007.x", "a.b.c.d"]
        {
            assert!(text.parse::<ReviewId>().is_err(), "{text}");
        }
    }
}
