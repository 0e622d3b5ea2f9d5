//! `crm-undo review`: what nobody but a person can decide.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::{Client, Outcome, Trouble};
use super::text::{cell, table, time};
use super::{Exit, print_json, segment};

#[derive(Debug, Subcommand)]
pub(super) enum Review {
    /// List what waits for a person.
    Ls,
    /// Show one with the evidence: what was meant, what the CRM answered, what it shows now.
    Show {
        /// The review's id.
        id: String,
    },
    /// Settle one as you have found it. Look first: `show` prints the digest of the evidence.
    Resolve(Resolve),
}

#[derive(Debug, Args)]
pub(super) struct Resolve {
    /// The review's id.
    id: String,
    /// What you have found.
    #[arg(long = "as", value_enum)]
    verdict: Verdict,
    /// Why; it is kept with your name.
    #[arg(long)]
    reason: String,
    /// The digest that `show` printed.
    #[arg(long)]
    digest: String,
    /// The record that was made: contacts/9001.
    #[arg(long)]
    restored_as: Option<String>,
    /// A record of a delete of which the opposite is true. May be repeated.
    #[arg(long, value_name = "RECORD")]
    except: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Verdict {
    /// Of a delete: the records are gone.
    Deleted,
    /// Of a delete: the records are still there.
    Kept,
    /// Of a restore: the record was made.
    Restored,
    /// Of a restore: nothing was made.
    NotCreated,
}

pub(super) async fn run(review: &Review, client: &Client, json: bool) -> Outcome {
    match review {
        Review::Ls => list(client, json).await,
        Review::Show { id } => show(id, client, json).await,
        Review::Resolve(resolve) => settle(resolve, client).await,
    }
}

async fn list(client: &Client, json: bool) -> Outcome {
    let page: Value = client.get("/api/v1/reviews").await?;
    if json {
        print_json(&page);
        return Ok(Exit::Ok);
    }
    let reviews = page["reviews"].as_array().map_or(&[][..], Vec::as_slice);
    if reviews.is_empty() {
        eprintln!("nothing waits for a person");
        return Ok(Exit::Ok);
    }
    let cells = |row: &Value| vec![cell(row, "id"), cell(row, "kind"), records(row), time(row, "since")];
    print!("{}", table(&["REVIEW", "OF A", "RECORDS", "SINCE (UTC)"], &reviews.iter().map(cells).collect::<Vec<_>>()));
    eprintln!("hint: `crm-undo review show ID` shows the evidence");
    Ok(Exit::Ok)
}

fn records(row: &Value) -> String {
    let names: Vec<&str> = row["records"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match names.as_slice() {
        [first, _, _, ..] => format!("{} and {} more", super::text::plain(first), names.len() - 1),
        few => super::text::plain(&few.join(", ")),
    }
}

async fn show(id: &str, client: &Client, json: bool) -> Outcome {
    let review: Value = client.get(&format!("/api/v1/reviews/{}", segment(id))).await?;
    if json {
        print_json(&review);
        return Ok(Exit::Ok);
    }
    let answer = review["answer"].as_u64().map_or("no answer".to_owned(), |status| format!("answer {status}"));
    println!("{} by {}, {answer}", cell(&review, "meant"), cell(&review, "by"));
    let sides = review["evidence"].as_array().map_or(&[][..], Vec::as_slice);
    let cells = |side: &Value| {
        let now = match side["now"].as_str() {
            Some("there") => format!("there as {}", cell(side, "found")),
            Some("unseen") => format!("not seen: {}", cell(side, "unseen")),
            _ => cell(side, "now"),
        };
        vec![cell(side, "record"), cell(side, "title"), now, cell(side, "entry")]
    };
    print!("{}", table(&["ARCHIVED", "NAME", "IN THE CRM NOW", "ENTRY"], &sides.iter().map(cells).collect::<Vec<_>>()));
    for row in sides.iter().flat_map(|side| side["differences"].as_array().into_iter().flatten()) {
        println!(
            "differs: {} {}: archived {}, now {}",
            cell(row, "record"),
            cell(row, "field"),
            cell(row, "was"),
            cell(row, "is")
        );
    }
    for side in sides {
        let candidates = side["candidates"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let candidates = candidates.map(super::text::plain).collect::<Vec<_>>().join(", ");
        if !candidates.is_empty() {
            println!("{} may have come back as: {candidates}", cell(side, "record"));
        }
    }
    let choices: Vec<&str> = review["choices"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    println!("digest {}", cell(&review, "digest"));
    eprintln!(
        "hint: look in the CRM, then `crm-undo review resolve {} --as {} --reason WHY --digest DIGEST`",
        cell(&review, "id"),
        choices.join("|")
    );
    Ok(Exit::Ok)
}

async fn settle(resolve: &Resolve, client: &Client) -> Outcome {
    let verdict = resolve.verdict.to_possible_value();
    let verdict = verdict.ok_or_else(|| Trouble::new(Exit::Usage, "--as names nothing that can be found"))?;
    let body = json!({
        "as": verdict.get_name(),
        "reason": resolve.reason,
        "digest": resolve.digest,
        "restored_as": resolve.restored_as,
        "except": resolve.except,
    });
    client.post(&format!("/api/v1/reviews/{}/resolve", segment(&resolve.id)), Some(body)).await?;
    eprintln!("settled");
    Ok(Exit::Ok)
}
