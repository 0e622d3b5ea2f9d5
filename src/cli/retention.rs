//! `crm-undo retention`: what would be forgotten, and a pass now.

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Client, Outcome};
use super::text::{cell, plain, table, time};
use super::{Exit, print_json};

#[derive(Debug, Subcommand)]
pub(super) enum Retention {
    /// Say what the next pass would drop and mark. Changes nothing.
    Plan,
    /// Make a pass now, if the last one is a day old.
    Run {
        /// You have looked at the clock of the server's machine, and it is right. Such a pass only marks.
        #[arg(long)]
        clock_is_right: bool,
    },
}

pub(super) async fn run(retention: &Retention, client: &Client, json: bool) -> Outcome {
    match retention {
        Retention::Plan => {
            let plan: Value = client.get("/api/v1/retention").await?;
            if json { print_json(&plan) } else { show(&plan) }
        }
        Retention::Run { clock_is_right } => {
            let done = client.post("/api/v1/retention/run", Some(json!({"clock_is_right": clock_is_right}))).await?;
            if json { print_json(&done) } else { println!("{} dropped, {} marked", done["dropped"], done["marked"]) }
        }
    }
    Ok(Exit::Ok)
}

fn show(plan: &Value) {
    let of = |list: &str, what: &str| -> Vec<Vec<String>> {
        let rows = plan[list].as_array().into_iter().flatten();
        rows.map(|row| vec![what.to_owned(), cell(row, "record"), cell(row, "state"), time(row, "deleted_at")])
            .collect()
    };
    let rows = [of("drops", "drop"), of("marks", "mark")].concat();
    print!("{}", table(&["WOULD", "RECORD", "STATE", "DELETED (UTC)"], &rows));
    eprintln!(
        "{} would be dropped, {} marked (at most {} a day); {} are held; next pass {} (UTC)",
        plan["drop_count"],
        plan["mark_count"],
        plan["cap"],
        plan["held"],
        time(plan, "next_pass"),
    );
    if let Some(why) = plan["stopped"].as_str() {
        eprintln!("stopped: {}", plain(why));
        eprintln!("hint: look at the machine's clock; if it is right: crm-undo retention run --clock-is-right");
    }
}
