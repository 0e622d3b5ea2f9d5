//! `crm-undo restore` and `crm-undo undo`: the plan is shown, then exactly that plan is applied.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use clap::Args;
use serde_json::{Value, json};

use super::bin::entry_named;
use super::client::{Client, Outcome, Trouble};
use super::text::{cell, count, plain, table};
use super::{Exit, job, print_json};

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// Entries by id, or by record: contacts/2001.
    #[arg(required_unless_present_any = ["operation", "job"], conflicts_with_all = ["operation", "job"])]
    entries: Vec<String>,
    /// Everything one operation destroyed.
    #[arg(long, conflicts_with = "job")]
    operation: Option<String>,
    /// Everything one job destroyed.
    #[arg(long)]
    job: Option<String>,
    /// Leave parents that lie in the bin where they are.
    #[arg(long)]
    no_parents: bool,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
pub(super) struct Undo {
    /// The operation: the Undo-Id of a delete's answer.
    operation: String,
    #[command(flatten)]
    how: How,
}

/// What is done with the plan.
#[derive(Debug, Args)]
pub(super) struct How {
    /// Apply the plan without asking.
    #[arg(long, short = 'y', conflicts_with = "dry_run")]
    yes: bool,
    /// Show the plan and change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn restore(restore: &Restore, client: &Client, json: bool) -> Outcome {
    let mut wanted = match (&restore.operation, &restore.job) {
        (Some(operation), _) => json!({"operation": operation}),
        (_, Some(job)) => json!({"job": job}),
        _ => {
            let mut entries = Vec::new();
            for named in &restore.entries {
                entries.push(entry_named(named, client).await?);
            }
            json!({"entries": entries})
        }
    };
    wanted["include_parents"] = json!(!restore.no_parents);
    let plan = client.post("/api/v1/restore-plans", Some(wanted)).await?;
    decide(&plan, &restore.how, client, json).await
}

pub(super) async fn undo(undo: &Undo, client: &Client, json: bool) -> Outcome {
    let path = format!("/api/v1/operations/{}/undo", super::segment(&undo.operation));
    let plan = client.post(&path, None).await?;
    decide(&plan, &undo.how, client, json).await
}

async fn decide(plan: &Value, how: &How, client: &Client, json: bool) -> Outcome {
    let steps = plan["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let to_do = steps.iter().filter(|step| step["what"] != "skip").count();
    // With --json, stdout is for the one JSON value at the end.
    if !json {
        print!("{}", shown(plan));
    }
    if how.dry_run || to_do == 0 {
        if json {
            print_json(plan);
        }
        if to_do == 0 {
            eprintln!("there is nothing to bring back");
        }
        return Ok(if how.dry_run && to_do > 0 { Exit::Ok } else { Exit::Nothing });
    }
    if !how.yes && !agreed()? {
        eprintln!("nothing was changed");
        return Ok(Exit::Nothing);
    }
    let path = format!("/api/v1/restore-plans/{}/apply", cell(plan, "id"));
    let started = client.post(&path, Some(json!({"digest": plan["digest"]}))).await?;
    job::follow(&cell(&started["job"], "id"), client, json).await
}

fn shown(plan: &Value) -> String {
    let steps = plan["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<Vec<String>> = steps
        .iter()
        .map(|step| vec![cell(step, "wave"), cell(step, "what"), cell(step, "record"), cell(step, "reason")])
        .collect();
    let mut text = table(&["WAVE", "WHAT", "RECORD", "REASON"], &rows);
    for loss in plan["losses"].as_array().into_iter().flatten() {
        let (record, field) = (cell(loss, "record"), cell(loss, "field"));
        let _ = writeln!(text, "will not come back: {record} {field}: {}", cell(loss, "detail"));
    }
    let seconds = plan["eta_seconds"].as_u64().unwrap_or(0);
    let requests = count(plan["requests"].as_u64().unwrap_or(0), "request");
    let _ = writeln!(text, "{}, about {requests}, {}", count(steps.len() as u64, "step"), count(seconds, "second"));
    text
}

fn agreed() -> Result<bool, Trouble> {
    if !std::io::stdin().is_terminal() {
        return Err(Trouble::new(Exit::Nothing, "there is nobody to ask, so nothing was changed")
            .hint("--yes applies the plan without asking, --dry-run only shows it"));
    }
    eprint!("Apply this plan? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Trouble::new(Exit::Nothing, format!("the answer could not be read: {error}")))?;
    Ok(matches!(plain(answer.trim()).to_lowercase().as_str(), "y" | "yes" | "д" | "да" | "是"))
}
