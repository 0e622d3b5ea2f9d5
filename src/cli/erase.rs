//! `crm-undo erase`: shows what would go, asks, and prints the act.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use clap::Args;
use serde_json::{Value, json};

use super::client::{Client, Outcome};
use super::text::{cell, plain};
use super::{Exit, print_json};

#[derive(Debug, Args)]
pub(super) struct Erase {
    /// An entry of the record, by id.
    #[arg(long, required_unless_present = "record", conflicts_with_all = ["record", "connection"])]
    entry: Option<String>,
    /// The record: contacts/2001.
    #[arg(long, requires = "connection")]
    record: Option<String>,
    /// The record's connection.
    #[arg(long, requires = "record")]
    connection: Option<String>,
    /// Why; kept for ever, so no personal data.
    #[arg(long)]
    reason: String,
    /// Erase without asking.
    #[arg(long, short = 'y', conflicts_with = "dry_run")]
    yes: bool,
    /// Show what would go and change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(erase: &Erase, client: &Client, json: bool) -> Outcome {
    let mut wanted = match &erase.entry {
        Some(entry) => json!({ "entry": entry }),
        None => json!({ "connection": erase.connection, "record": erase.record }),
    };
    wanted["reason"] = json!(erase.reason);
    let shown = client.post("/api/v1/erasures", Some(wanted.clone())).await?;
    if erase.dry_run {
        if json {
            print_json(&shown);
        } else {
            print!("{}", proposal(&shown));
        }
        return Ok(Exit::Ok);
    }
    if !erase.yes {
        eprint!("{}", proposal(&shown));
        if !agreed() {
            eprintln!("nothing was erased");
            return Ok(Exit::Nothing);
        }
    }
    wanted["digest"] = shown["digest"].clone();
    let act = client.post("/api/v1/erasures", Some(wanted)).await?;
    if json {
        print_json(&act);
    } else {
        print!("{}", told(&act));
    }
    Ok(Exit::Ok)
}

fn agreed() -> bool {
    if !std::io::stdin().is_terminal() {
        eprintln!("hint: nobody to ask; --yes erases without asking");
        return false;
    }
    eprint!("Erase this for good? Nothing brings it back. [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "yes")
}

fn ids(value: &Value) -> String {
    let all = value.as_array().into_iter().flatten();
    let all: Vec<String> = all.map(|id| id.as_str().map_or_else(|| id.to_string(), plain)).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(" ") }
}

fn proposal(shown: &Value) -> String {
    format!(
        "Would be erased for good: {} of {}\n  entries    {}\n  snapshots  {}\n  plans      {}\n  jobs       {}\n",
        cell(shown, "record"),
        cell(shown, "connection"),
        ids(&shown["entries"]),
        shown["snapshots"],
        ids(&shown["plans"]),
        ids(&shown["jobs"]),
    )
}

fn told(act: &Value) -> String {
    let what = &act["what"];
    let mut text = format!(
        "Act of erasure {}\nwho    {}\nwhat   record {}\n       entries {}\n       snapshots {}\n       plans {}\n       jobs {}\n       keys {}\nwhere  {}\nwhy    {}\nwhen   {}\nhow    {}\nlog\n",
        cell(act, "id"),
        cell(act, "who"),
        cell(what, "subject"),
        ids(&what["entries"]),
        ids(&what["snapshots"]),
        ids(&what["plans"]),
        ids(&what["jobs"]),
        ids(&what["keys"]),
        cell(act, "where"),
        cell(act, "why"),
        cell(act, "when"),
        cell(act, "how"),
    );
    for line in act["log"].as_array().into_iter().flatten() {
        let (at, stream, event) = (cell(line, "at"), cell(line, "stream"), cell(line, "event"));
        let _ = writeln!(text, "  {} {at} {stream} {event}", line["seq"]);
    }
    text
}
