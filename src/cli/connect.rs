//! `crm-undo connect`: a code from the CRM, exchanged for access that is kept alive from then on.

use std::io::{IsTerminal as _, Read as _};

use clap::Args;
use serde_json::json;

use super::client::{Client, Outcome, Trouble};
use super::text::{cell, time};
use super::{Exit, print_json};

/// No code is longer.
const LONGEST: u64 = 8 << 10;

#[derive(Debug, Args)]
pub(super) struct Connect {
    /// Name of the connection.
    name: String,
    /// The code; without it, it is read from stdin, which other users of this machine cannot see.
    #[arg(long)]
    code: Option<String>,
}

pub(super) async fn run(connect: &Connect, client: &Client, json: bool) -> Outcome {
    let code = match &connect.code {
        Some(code) => code.clone(),
        None => read()?,
    };
    let path = format!("/api/v1/connections/{}/connect", super::segment(&connect.name));
    let access = client.post(&path, Some(json!({"code": code.trim()}))).await?;
    if json {
        print_json(&access);
    } else {
        println!("{}", cell(&access, "state"));
        eprintln!("the token at hand ends {} (UTC); it is renewed ahead of time", time(&access, "ends_at"));
    }
    Ok(Exit::Ok)
}

fn read() -> Result<String, Trouble> {
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        eprintln!("paste the code, then Enter and Ctrl-D");
    }
    let mut code = String::new();
    let unreadable = |error| Trouble::new(Exit::Usage, format!("the code cannot be read from stdin: {error}"));
    stdin.by_ref().take(LONGEST).read_to_string(&mut code).map_err(unreadable)?;
    Ok(code)
}
