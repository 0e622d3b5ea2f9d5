//! `crm-undo audit`: what happened, and whether any of it was changed since.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, Outcome, Trouble};
use super::text::{cell, count, plain, table, time};
use super::{Exit, print_json};

/// What the console takes in one body, with room for what is around it.
const MOST: usize = 900 << 10;

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// List what happened, newest first.
    Ls {
        /// Rows.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Print all that happened as JSON lines, newest first.
    Export,
    /// Read the whole archive and compare it with heads of the audit chain that were sent out.
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The anchor file (audit.anchor_file), or a copy of it. Without it a cut of the end, or a change by somebody who has
    /// the key, cannot be seen.
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// Open the archive itself instead of asking the console: for a copy, or while `serve` is stopped.
    #[arg(long)]
    pub(super) offline: bool,
    /// Configuration file, as for `serve`; with --offline.
    #[arg(long, value_name = "FILE", requires = "offline")]
    config: Option<PathBuf>,
}

pub(super) async fn run(audit: &Audit, client: &Client, json: bool) -> Outcome {
    match audit {
        Audit::Ls { limit } => list(*limit, client, json).await,
        Audit::Export => export(client).await,
        Audit::Verify(verify) => {
            let anchors = lines(verify)?;
            // Heads add up: the newest cover everything before them.
            let from = anchors.len().saturating_sub(MOST);
            let from = if from == 0 { 0 } else { anchors[from..].find('\n').map_or(from, |at| from + at + 1) };
            let report = client.post("/api/v1/audit/verify", Some(json!({"anchors": &anchors[from..]}))).await?;
            Ok(told(&report, verify, json))
        }
    }
}

/// Without a console.
pub(super) async fn offline(verify: &Verify, json: bool) -> Outcome {
    let anchors = lines(verify)?;
    let report = crate::app::verify_offline(verify.config.as_deref(), &anchors).await.map_err(|failure| {
        let trouble = Trouble::new(if failure.usage { Exit::Usage } else { Exit::Failed }, failure.message);
        match failure.hint {
            Some(hint) => trouble.hint(hint),
            None => trouble,
        }
    })?;
    let report = json!({
        "frames": report.frames, "events": report.events, "anchors": report.anchors, "anchored": report.anchored,
        "findings": report.findings,
    });
    Ok(told(&report, verify, json))
}

fn lines(verify: &Verify) -> Result<String, Trouble> {
    let Some(file) = &verify.anchors else { return Ok(String::new()) };
    std::fs::read_to_string(file)
        .map_err(|error| Trouble::new(Exit::Usage, format!("{} cannot be read: {error}", file.display())))
}

fn told(report: &Value, verify: &Verify, json: bool) -> Exit {
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    if json {
        print_json(report);
    } else {
        for finding in &findings {
            println!("found: {}", finding.as_str().map_or_else(|| finding.to_string(), plain));
        }
        println!(
            "read {} frames, {} events; compared {} anchors, the last covers frame {}: {}",
            cell(report, "frames"),
            cell(report, "events"),
            cell(report, "anchors"),
            cell(report, "anchored"),
            if findings.is_empty() {
                "nothing was changed".to_owned()
            } else {
                count(findings.len() as u64, "finding")
            },
        );
    }
    if verify.anchors.is_none() {
        eprintln!("hint: without --anchors a cut of the end, or a change by who has the key, cannot be seen");
    }
    if findings.is_empty() && report["frames"] != Value::Null { Exit::Ok } else { Exit::Failed }
}

async fn list(limit: u32, client: &Client, json: bool) -> Outcome {
    let page: Value = client.get(&format!("/api/v1/audit?limit={}", limit.clamp(1, 200))).await?;
    if json {
        print_json(&page);
        return Ok(Exit::Ok);
    }
    let events = page["events"].as_array().cloned().unwrap_or_default();
    let rows = events.iter().map(|event| {
        let by = event["data"]["by"].as_str().map_or_else(String::new, plain);
        vec![cell(event, "seq"), time(event, "at"), cell(event, "event"), cell(event, "stream"), by]
    });
    print!("{}", table(&["POSITION", "AT", "EVENT", "STREAM", "BY"], &rows.collect::<Vec<_>>()));
    Ok(Exit::Ok)
}

async fn export(client: &Client) -> Outcome {
    let mut cursor = String::new();
    loop {
        let page: Value = client.get(&format!("/api/v1/audit?limit=200{cursor}")).await?;
        for event in page["events"].as_array().into_iter().flatten() {
            println!("{event}");
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", super::segment(next)),
            None => return Ok(Exit::Ok),
        }
    }
}
