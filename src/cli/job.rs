//! `crm-undo job`: plans being applied.

use std::time::Duration;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::client::{Client, Outcome, Trouble};
use super::text::{cell, table, time};
use super::{Exit, print_json, segment};

#[derive(Debug, Subcommand)]
pub(super) enum Job {
    /// List jobs, newest first.
    Ls {
        /// At most this many.
        #[arg(long, default_value_t = 50)]
        limit: u64,
    },
    /// Show a job and what became of each record.
    Show {
        /// The job's id.
        id: String,
    },
    /// Follow a job to its end.
    Watch {
        /// The job's id.
        id: String,
    },
    /// Stop a job where it is; `resume` goes on.
    Pause {
        /// The job's id.
        id: String,
    },
    /// Go on with a paused job.
    Resume {
        /// The job's id.
        id: String,
    },
    /// Stop a job for good; what it has done stays.
    Cancel {
        /// The job's id.
        id: String,
    },
    /// Try again what failed.
    Retry {
        /// The job's id.
        id: String,
    },
}

pub(super) async fn run(job: &Job, client: &Client, json: bool) -> Outcome {
    match job {
        Job::Ls { limit } => list(*limit, client, json).await,
        Job::Show { id } => show(id, client, json).await,
        Job::Watch { id } => follow(id, client, json).await,
        Job::Pause { id } => verb(id, "pause", client, json).await,
        Job::Resume { id } => verb(id, "resume", client, json).await,
        Job::Cancel { id } => verb(id, "cancel", client, json).await,
        Job::Retry { id } => verb(id, "retry", client, json).await,
    }
}

async fn list(limit: u64, client: &Client, json: bool) -> Outcome {
    let page: Value = client.get(&format!("/api/v1/jobs?limit={}", limit.clamp(1, 200))).await?;
    if json {
        print_json(&page);
        return Ok(Exit::Ok);
    }
    let cells = |row: &Value| {
        let done = format!("{}/{}", cell(row, "done"), cell(row, "total"));
        vec![cell(row, "id"), cell(row, "kind"), cell(row, "state"), done, cell(row, "failed"), time(row, "created_at")]
    };
    let rows: Vec<Vec<String>> = page["jobs"].as_array().into_iter().flatten().map(cells).collect();
    print!("{}", table(&["JOB", "KIND", "STATE", "DONE", "FAILED", "SINCE (UTC)"], &rows));
    Ok(Exit::Ok)
}

async fn show(id: &str, client: &Client, json: bool) -> Outcome {
    let mut job: Value = client.get(&format!("/api/v1/jobs/{}", segment(id))).await?;
    let items = items(id, client).await?;
    if json {
        job["items"] = Value::Array(items);
        print_json(&job);
    } else {
        told(&job, &items);
    }
    Ok(Exit::Ok)
}

async fn items(id: &str, client: &Client) -> Result<Vec<Value>, Trouble> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page: Value = client.get(&format!("/api/v1/jobs/{}/items?limit=200{cursor}", segment(id))).await?;
        rows.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", segment(next)),
            None => return Ok(rows),
        }
    }
}

async fn verb(id: &str, verb: &str, client: &Client, json: bool) -> Outcome {
    let answer = client.post(&format!("/api/v1/jobs/{}/{verb}", segment(id)), None).await?;
    if json {
        print_json(&answer);
    } else {
        eprintln!("{verb}: asked; `crm-undo job watch {id}` follows it");
    }
    Ok(Exit::Ok)
}

/// Follows a job to its end, shows what it did, and says by the exit code how it ended.
pub(super) async fn follow(id: &str, client: &Client, json: bool) -> Outcome {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:32} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    let path = format!("/api/v1/jobs/{}", segment(id));
    let job = loop {
        let job: Value = client.get(&path).await?;
        let number = |key: &str| job[key].as_u64().unwrap_or(0);
        bar.set_length(number("total"));
        bar.set_position(number("done") + number("failed") + number("skipped") + number("needs_review"));
        bar.set_message(match job["eta_seconds"].as_u64() {
            Some(seconds) => format!("{}, about {seconds} s left", cell(&job, "state")),
            None => cell(&job, "state"),
        });
        match job["state"].as_str() {
            Some("queued" | "running") => tokio::time::sleep(Duration::from_millis(200)).await,
            _ => break job,
        }
    };
    bar.finish_and_clear();
    if json {
        print_json(&job);
    } else {
        told(&job, &items(id, client).await?);
    }
    Ok(match job["state"].as_str() {
        Some("done") => Exit::Ok,
        Some("partial" | "paused" | "needs_review") => Exit::Partial,
        Some("cancelled") if job["done"] == 0 => Exit::Nothing,
        Some("cancelled") => Exit::Partial,
        _ => Exit::Failed,
    })
}

fn told(job: &Value, items: &[Value]) {
    let cells =
        |row: &Value| vec![cell(row, "record"), cell(row, "state"), cell(row, "restored_as"), cell(row, "reason")];
    print!("{}", table(&["RECORD", "STATE", "NOW", "REASON"], &items.iter().map(cells).collect::<Vec<_>>()));
    let report = &job["report"];
    for loss in report["losses"].as_array().into_iter().flatten() {
        let announced = if loss["announced"] == true { "" } else { " (not announced by the plan)" };
        println!("lost: {} {}: {}{announced}", cell(loss, "record"), cell(loss, "field"), cell(loss, "detail"));
    }
    for row in report["differences"].as_array().into_iter().flatten() {
        let (was, is) = (cell(row, "was"), cell(row, "is"));
        println!("differs: {} {}: archived {was}, read back {is}", cell(row, "record"), cell(row, "field"));
    }
    let count = |key: &str| cell(job, key);
    println!(
        "{}: {} done, {} failed, {} skipped, {} to review",
        count("state"),
        count("done"),
        count("failed"),
        count("skipped"),
        count("needs_review")
    );
    if job["state"] == "paused" {
        eprintln!("hint: `crm-undo job resume {}` goes on", cell(job, "id"));
    }
}
