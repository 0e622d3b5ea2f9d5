//! `crm-undo hold`: what may neither be forgotten nor erased.

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Client, Outcome};
use super::text::{cell, table, time};
use super::{Exit, print_json};

#[derive(Debug, Subcommand)]
pub(super) enum Hold {
    /// Place a hold; prints its id.
    Place {
        /// Connection.
        #[arg(long)]
        connection: String,
        /// Why: a case, a statute.
        #[arg(long)]
        ground: String,
        /// Everything of the connection.
        #[arg(long, conflicts_with = "records", required_unless_present = "records")]
        all: bool,
        /// Records, like contacts/2001. What replaced them, or they replaced, is held with them.
        records: Vec<String>,
    },
    /// List holds.
    Ls,
    /// Lift a hold.
    Release {
        /// The hold's id.
        id: String,
    },
}

pub(super) async fn run(hold: &Hold, client: &Client, json: bool) -> Outcome {
    match hold {
        Hold::Place { connection, ground, all, records } => {
            let body = json!({"connection": connection, "ground": ground, "all": all, "records": records});
            let placed = client.post("/api/v1/holds", Some(body)).await?;
            if json { print_json(&placed) } else { println!("{}", cell(&placed, "id")) }
        }
        Hold::Ls => {
            let list: Value = client.get("/api/v1/holds").await?;
            if json {
                print_json(&list);
            } else {
                let rows: Vec<Vec<String>> = list["holds"].as_array().into_iter().flatten().map(row).collect();
                print!("{}", table(&["HOLD", "CONNECTION", "ON", "GROUND", "SINCE (UTC)", "RELEASED (UTC)"], &rows));
            }
        }
        Hold::Release { id } => {
            client.delete(&format!("/api/v1/holds/{}", super::segment(id))).await?;
            eprintln!("released");
        }
    }
    Ok(Exit::Ok)
}

fn row(hold: &Value) -> Vec<String> {
    let records = hold["records"].as_array().map_or(&[][..], Vec::as_slice);
    let on = match records {
        [] => "everything".to_owned(),
        [one] => super::text::plain(one.as_str().unwrap_or_default()),
        [first, rest @ ..] => {
            format!("{} and {} more", super::text::plain(first.as_str().unwrap_or_default()), rest.len())
        }
    };
    vec![
        cell(hold, "id"),
        cell(hold, "connection"),
        on,
        cell(hold, "ground"),
        time(hold, "placed_at"),
        time(hold, "released_at"),
    ]
}
