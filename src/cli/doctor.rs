//! `crm-undo doctor`: what is wrong, and what to do about it.

use std::path::Path;

use serde_json::json;

use super::client::Outcome;
use super::text::table;
use super::{Exit, print_json};
use crate::app::doctor::{Finding, Level, examine};

pub(super) async fn run(config: Option<&Path>, json: bool) -> Outcome {
    let findings = examine(config).await;
    let bad = findings.iter().any(|finding| finding.level == Level::Bad);
    if json {
        let rows: Vec<_> = findings
            .iter()
            .map(|f| json!({"what": f.what, "level": f.level.word(), "detail": f.detail, "hint": f.hint}))
            .collect();
        print_json(&json!({"findings": rows}));
        return Ok(if bad { Exit::Failed } else { Exit::Ok });
    }
    let cells = |f: &Finding| vec![f.level.word().to_owned(), f.what.clone()];
    print!("{}", table(&["", "LOOKED AT"], &findings.iter().map(cells).collect::<Vec<_>>()));
    for finding in findings.iter().filter(|finding| finding.level != Level::Good) {
        eprintln!("{}: {}: {}", finding.level.word(), finding.what, finding.detail);
        if let Some(hint) = &finding.hint {
            eprintln!("hint: {hint}");
        }
    }
    Ok(if bad { Exit::Failed } else { Exit::Ok })
}
