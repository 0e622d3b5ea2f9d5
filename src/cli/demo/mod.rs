//! `crm-undo demo`: the whole story with every real part: mock CRM, gateway, archive, console, restore.
//!
//! | file | idea |
//! | --- | --- |
//! | `stage` | mock CRM, gateway and console on this machine, in a directory that goes away |
//! | `family` | who is deleted: a contact with its company, deals, notes and tasks |
//! | `after` | what was there before beside what is there now |

mod after;
mod family;
mod stage;

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::client::Trouble;
use super::text::{cell, table, time};
use super::{Exit, ended};
use stage::Stage;

/// Runs the story. `once`: without a keyboard, and nothing keeps running at the end.
pub(super) fn run(once: bool) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ended(Err(Trouble::new(Exit::Failed, format!("the runtime could not start: {error}")))),
    };
    ended(runtime.block_on(async {
        let stage = Stage::set(once).await?;
        let told = story(&stage, once).await;
        if !once && told.is_ok() {
            leave_running(&stage).await;
        }
        stage.clear().await;
        told
    }))
}

async fn story(stage: &Stage, once: bool) -> Result<Exit, Trouble> {
    say("A mock CRM runs on this machine, with crm-undo in front of it:");
    println!("  CRM      {}\n  gateway  {}\n  console  {}\n", stage.crm(), stage.gateway(), stage.console());

    say("1. A year of work. A script makes a contact with a company, three deals, notes and tasks.");
    let family = family::create(stage).await?;
    let before = after::look(stage, &family).await?;
    println!("{}", before.shown());
    turn(once);

    say("2. The accident. The script deletes the contact, its company and one deal. It speaks the CRM's own API;");
    say("   only its base URL is the gateway's.");
    let mut operations = Vec::new();
    for (object, id) in family.doomed() {
        let (status, undo) = stage.delete(object, id).await?;
        println!("  POST /ajax/{object}/multiple/delete/  ID[]={id}  ->  {status}, Undo-Id: {undo}");
        operations.push(undo);
    }
    let gone = after::look(stage, &family).await?;
    println!("\n  The CRM now says:\n{}", gone.shown());
    turn(once);

    say("3. The bin. Everything was archived before the delete was let through:");
    let bin = stage.see("/api/v1/entries").await?;
    let entries = bin["entries"].as_array().cloned().unwrap_or_default();
    let row = |row: &Value| {
        let record = format!("{}/{}", cell(row, "object"), cell(row, "record_id"));
        vec![record, cell(row, "title"), time(row, "deleted_at"), cell(row, "state")]
    };
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    println!("{}", table(&["RECORD", "NAME", "DELETED (UTC)", "STATE"], &rows));
    turn(once);

    say("4. Undo. First the plan, which changes nothing:");
    let ids: Vec<&Value> = entries.iter().map(|entry| &entry["id"]).collect();
    let plan = stage.ask("/api/v1/restore-plans", json!({"entries": ids})).await?;
    let row = |step: &Value| vec![cell(step, "wave"), cell(step, "what"), cell(step, "record"), cell(step, "reason")];
    let rows: Vec<Vec<String>> = plan["steps"].as_array().into_iter().flatten().map(row).collect();
    println!("{}", table(&["WAVE", "WHAT", "RECORD", "REASON"], &rows));
    for loss in plan["losses"].as_array().into_iter().flatten() {
        println!("  will not come back: {} {}: {}", cell(loss, "record"), cell(loss, "field"), cell(loss, "detail"));
    }
    turn(once);

    say("   Then exactly that plan is applied, at the pace the CRM allows:");
    let apply = format!("/api/v1/restore-plans/{}/apply", cell(&plan, "id"));
    let started = stage.ask(&apply, json!({"digest": plan["digest"]})).await?;
    let job = stage.finished(&cell(&started["job"], "id")).await?;
    println!(
        "  job {}: {} done, {} failed, {} to review; {} records read back and compared",
        cell(&job, "state"),
        cell(&job, "done"),
        cell(&job, "failed"),
        cell(&job, "needs_review"),
        cell(&job["report"], "compared"),
    );
    for row in job["report"]["differences"].as_array().into_iter().flatten() {
        println!(
            "  differs: {} {}: {} -> {}",
            cell(row, "record"),
            cell(row, "field"),
            cell(row, "was"),
            cell(row, "is")
        );
    }

    say("\n5. What the CRM says now. Old ids still work through the gateway, so the script looks for what it knew:");
    let now = after::look(stage, &family).await?;
    println!("{}", now.shown());
    let missing = before.missing_from(&now);
    for line in &missing {
        println!("  did not come back: {line}");
    }
    if missing.is_empty() && job["state"] == "done" {
        println!("Everything came back: {} facts of {} are equal.", before.len(), before.len());
        Ok(Exit::Ok)
    } else {
        Err(Trouble::new(Exit::Failed, format!("{} of {} facts did not come back", missing.len(), before.len())))
    }
}

fn say(text: &str) {
    println!("{text}");
}

/// Waits for Enter where somebody reads along.
fn turn(once: bool) {
    if !once && std::io::stdin().is_terminal() {
        println!("  [Enter]");
        let _ = std::io::stdin().lock().read_line(&mut String::new());
    } else {
        println!();
    }
}

async fn leave_running(stage: &Stage) {
    println!("\nIt keeps running until Ctrl-C. In another terminal:\n");
    println!("  export CRM_UNDO_CONSOLE={} CRM_UNDO_TOKEN={}", stage.console(), stage::ADMINISTRATOR);
    println!("  crm-undo bin ls --state restored");
    println!("  curl -H 'Authorization: Bearer {}' {}/api/v4/contacts", stage::SCRIPT, stage.gateway());
    let _ = tokio::signal::ctrl_c().await;
}
