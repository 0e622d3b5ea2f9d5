//! `crm-undo check`: reads the whole archive.

use serde_json::Value;

use super::client::{Client, Outcome};
use super::text::{cell, count, plain};
use super::{Exit, print_json};

pub(super) async fn run(client: &Client, json: bool) -> Outcome {
    let report = client.post("/api/v1/check", None).await?;
    let damage = report["damage"].as_array().cloned().unwrap_or_default();
    if json {
        print_json(&report);
    } else {
        for line in &damage {
            println!("damaged: {}", line.as_str().map_or_else(|| line.to_string(), plain));
        }
        println!(
            "read {} segments, {} frames, {} snapshots: {}",
            cell(&report, "segments"),
            cell(&report, "frames"),
            cell(&report, "snapshots"),
            if damage.is_empty() { "all whole".to_owned() } else { count(damage.len() as u64, "damaged place") },
        );
        if !damage.is_empty() {
            eprintln!("hint: restore the named segment from a backup; everything else stays readable");
        }
    }
    Ok(if damage.is_empty() && report["frames"] != Value::Null { Exit::Ok } else { Exit::Failed })
}
