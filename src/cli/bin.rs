//! `crm-undo bin`: what lies in the bin.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::client::{Client, Outcome, Trouble};
use super::text::{cell, plain, table, time};
use super::{Exit, print_json};

#[derive(Debug, Subcommand)]
pub(super) enum Bin {
    /// List what was deleted, newest first.
    Ls(Filters),
    /// Show one entry with everything that was kept of it.
    Show {
        /// An entry's id, or its record: contacts/2001.
        entry: String,
    },
    /// Compare one entry with what stands in the CRM now.
    Diff {
        /// An entry's id, or its record: contacts/2001.
        entry: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Filters {
    /// Name, e-mail, phone (its last digits are enough) or old id.
    query: Option<String>,
    /// Of this connection.
    #[arg(long)]
    connection: Option<String>,
    /// Of this kind: contacts, companies, leads, …
    #[arg(long)]
    object: Option<String>,
    /// In this state: deleted, unknown, restoring, restored, needs_review, kept.
    #[arg(long)]
    state: Option<String>,
    /// Of this operation.
    #[arg(long)]
    operation: Option<String>,
    /// Deleted at this time or later (RFC 3339).
    #[arg(long)]
    after: Option<String>,
    /// Deleted before this time (RFC 3339).
    #[arg(long)]
    before: Option<String>,
    /// At most this many.
    #[arg(long, default_value_t = 50)]
    limit: u64,
}

pub(super) async fn run(bin: &Bin, client: &Client, json: bool) -> Outcome {
    match bin {
        Bin::Ls(filters) => list(filters, client, json).await,
        Bin::Show { entry } => show(entry, client, json).await,
        Bin::Diff { entry } => diff(entry, client, json).await,
    }
}

async fn list(filters: &Filters, client: &Client, json: bool) -> Outcome {
    let mut rows: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    while (rows.len() as u64) < filters.limit {
        let page: Value =
            client.get(&path(filters, (filters.limit - rows.len() as u64).min(200), cursor.as_ref())).await?;
        rows.extend(page["entries"].as_array().cloned().unwrap_or_default());
        cursor = page["next"].as_str().map(ToOwned::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if json {
        print_json(&serde_json::json!({"entries": rows, "next": cursor}));
        return Ok(Exit::Ok);
    }
    if rows.is_empty() {
        eprintln!("nothing in the bin matches");
        return Ok(Exit::Ok);
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let record = format!("{}/{}", cell(row, "object"), cell(row, "record_id"));
            vec![cell(row, "id"), record, cell(row, "title"), time(row, "deleted_at"), cell(row, "state")]
        })
        .collect();
    print!("{}", table(&["ENTRY", "RECORD", "NAME", "DELETED (UTC)", "STATE"], &cells));
    if cursor.is_some() {
        eprintln!("hint: there are more; raise --limit or narrow the search");
    }
    Ok(Exit::Ok)
}

fn path(filters: &Filters, limit: u64, cursor: Option<&String>) -> String {
    let mut path = format!("/api/v1/entries?limit={limit}");
    for (name, value) in [
        ("q", filters.query.as_ref()),
        ("connection", filters.connection.as_ref()),
        ("object", filters.object.as_ref()),
        ("state", filters.state.as_ref()),
        ("operation", filters.operation.as_ref()),
        ("deleted_after", filters.after.as_ref()),
        ("deleted_before", filters.before.as_ref()),
        ("cursor", cursor),
    ] {
        if let Some(value) = value {
            let _ = write!(path, "&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
    }
    path
}

async fn show(named: &str, client: &Client, json: bool) -> Outcome {
    let id = entry_named(named, client).await?;
    let entry: Value = client.get(&format!("/api/v1/entries/{id}")).await?;
    if json {
        print_json(&entry);
        return Ok(Exit::Ok);
    }
    for (label, key) in [("entry", "id"), ("name", "title"), ("state", "state"), ("operation", "operation")] {
        println!("{label:<10} {}", cell(&entry, key));
    }
    println!("{:<10} {}/{}", "record", cell(&entry, "object"), cell(&entry, "record_id"));
    println!("{:<10} {} UTC by {}", "deleted", time(&entry, "deleted_at"), cell(&entry, "deleted_by"));
    println!("{:<10} {} UTC", "kept until", time(&entry, "expires_at"));
    if let Some(new) = entry["restored_as"].as_str() {
        println!("{:<10} {}/{new}", "restored", cell(&entry, "object"));
    }
    for line in entry["snapshot"]["manifest"].as_array().into_iter().flatten() {
        println!("{:<10} {} of {} {}", "archived", cell(line, "got"), cell(line, "expected"), cell(line, "part"));
    }
    for loss in entry["restorable"]["losses"].as_array().into_iter().flatten() {
        println!("{:<10} {}: {}", "lost", cell(loss, "field"), cell(loss, "detail"));
    }
    if entry["restorable"]["checked"] == false {
        eprintln!("hint: what can come back is not known now: {}", cell(&entry["restorable"], "unchecked_because"));
    }
    Ok(Exit::Ok)
}

async fn diff(named: &str, client: &Client, json: bool) -> Outcome {
    let id = entry_named(named, client).await?;
    let found: Value = client.get(&format!("/api/v1/entries/{id}/diff")).await?;
    let differences = found["differences"].as_array().cloned().unwrap_or_default();
    if json {
        print_json(&found);
    } else if found["alive"] != true {
        println!("{} is not in the CRM now", cell(&found, "record"));
    } else if differences.is_empty() {
        println!("{} equals what was archived", cell(&found, "record"));
    } else {
        let rows: Vec<Vec<String>> = differences
            .iter()
            .map(|row| vec![cell(row, "record"), cell(row, "field"), cell(row, "was"), cell(row, "is")])
            .collect();
        print!("{}", table(&["RECORD", "FIELD", "ARCHIVED", "IN THE CRM"], &rows));
    }
    Ok(if found["alive"] == true && differences.is_empty() { Exit::Ok } else { Exit::Partial })
}

/// The id of an entry that a person named by its id or by its record.
pub(super) async fn entry_named(named: &str, client: &Client) -> Result<String, Trouble> {
    let Some((object, record)) = named.split_once('/') else { return Ok(named.to_owned()) };
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let path = format!("/api/v1/entries?object={}&q={}&limit=200", encode(object), encode(record));
    let page: Value = client.get(&path).await?;
    let rows = page["entries"].as_array().cloned().unwrap_or_default();
    let newest = rows.iter().find(|row| row["object"] == object && row["record_id"] == record);
    newest.and_then(|row| row["id"].as_str()).map(ToOwned::to_owned).ok_or_else(|| {
        Trouble::new(Exit::Usage, format!("{} is not in the bin", plain(named))).hint("`crm-undo bin ls` shows what is")
    })
}
