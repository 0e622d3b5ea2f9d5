//! `crm-undo token`: who may use the console.

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Client, Outcome};
use super::text::{cell, table, time};
use super::{Exit, print_json};

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Give a person access; prints the token alone, this once.
    Create {
        /// viewer, operator, admin or privacy.
        #[arg(long)]
        role: String,
        /// Whose it is.
        #[arg(long)]
        person: String,
    },
    /// List who has or had access.
    Ls,
    /// Take access back, at once.
    Revoke {
        /// The token's id (not its secret).
        id: String,
    },
}

pub(super) async fn run(token: &Token, client: &Client, json: bool) -> Outcome {
    match token {
        Token::Create { role, person } => {
            let made = client.post("/api/v1/tokens", Some(json!({"role": role, "person": person}))).await?;
            if json { print_json(&made) } else { println!("{}", cell(&made, "token")) }
        }
        Token::Ls => {
            let list: Value = client.get("/api/v1/tokens").await?;
            if json {
                print_json(&list);
            } else {
                let rows: Vec<Vec<String>> = list["tokens"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|row| {
                        vec![
                            cell(row, "id"),
                            cell(row, "person"),
                            cell(row, "role"),
                            time(row, "issued_at"),
                            time(row, "revoked_at"),
                        ]
                    })
                    .collect();
                print!("{}", table(&["TOKEN", "PERSON", "ROLE", "SINCE (UTC)", "REVOKED (UTC)"], &rows));
            }
        }
        Token::Revoke { id } => {
            client.delete(&format!("/api/v1/tokens/{}", super::segment(id))).await?;
            eprintln!("revoked");
        }
    }
    Ok(Exit::Ok)
}
