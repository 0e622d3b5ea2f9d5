//! Plans being applied. The jobs of a connection run one after another, so two of them never make the same record.
//!
//! | file | idea |
//! | --- | --- |
//! | `verbs` | what people may do with a job: apply, pause, resume, cancel, retry |
//! | `line` | which jobs wait, which run, what was asked of them, who watches |
//! | `keeper` | runs what waits, from the start of the process to its end |
//! | `progress` | a job's history, folded: which steps are open |
//! | `run` | one job from its first step to its last |
//! | `batch` | one batch: look, write down the intent, write, write down what became of it |
//! | `recover` | steps that may have been written: found, sent again only where that is safe, else for a person |
//! | `report` | reading back, comparing |
//! | `finish` | links that wait, operations undone, the last state |

mod batch;
mod finish;
mod keeper;
mod line;
mod progress;
mod recover;
mod report;
mod run;
#[cfg(test)]
mod tests;
pub mod verbs;

pub(crate) use line::Jobs;
pub(super) use progress::Progress;
