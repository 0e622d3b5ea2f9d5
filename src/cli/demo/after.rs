//! What was there before beside what is there now: plain facts, read by the script through the gateway by old ids.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use super::super::client::Trouble;
use super::super::text::plain;
use super::family::Family;
use super::stage::Stage;

/// Facts, each one line.
#[derive(Debug, Default)]
pub(super) struct Facts {
    lines: Vec<String>,
}

impl Facts {
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn shown(&self) -> String {
        self.lines.iter().flat_map(|line| ["  ", line, "\n"]).collect()
    }

    /// What is here and not in `now`.
    pub(super) fn missing_from(&self, now: &Self) -> Vec<String> {
        let now: BTreeSet<&String> = now.lines.iter().collect();
        self.lines.iter().filter(|line| !now.contains(line)).cloned().collect()
    }

    fn add(&mut self, line: &str) {
        self.lines.push(plain(line));
    }
}

pub(super) async fn look(stage: &Stage, family: &Family) -> Result<Facts, Trouble> {
    let mut facts = Facts::default();
    let names = [("contacts", family.contact, "leads"), ("companies", family.company, "leads,contacts")];
    let deals = family.deals.iter().map(|deal| ("leads", *deal, "contacts,loss_reason"));
    for (object, id, with) in names.into_iter().chain(deals) {
        let row = stage.script(Method::GET, &format!("/api/v4/{object}/{id}?with={with}"), None).await?;
        if row.is_null() {
            continue;
        }
        let name = row["name"].as_str().unwrap_or_default().to_owned();
        facts.add(&format!("{object}: {name}"));
        for key in ["price", "status_id", "closed_at", "created_at"] {
            if !row[key].is_null() {
                facts.add(&format!("{name}: {key} {}", row[key]));
            }
        }
        for field in row["custom_fields_values"].as_array().into_iter().flatten() {
            for value in field["values"].as_array().into_iter().flatten() {
                facts.add(&format!("{name}: {} {}", text(&field["field_name"]), text(&value["value"])));
            }
        }
        for tag in row["_embedded"]["tags"].as_array().into_iter().flatten() {
            facts.add(&format!("{name}: tag {}", text(&tag["name"])));
        }
        for (kind, what) in [("contacts", "contact"), ("companies", "company"), ("leads", "deal")] {
            let ends = row["_embedded"][kind].as_array().map_or(&[][..], Vec::as_slice);
            // New ids differ from the old ones, so links are counted by kind, and the main contact is told apart.
            let main = ends.iter().filter(|end| end["is_main"] == true).count();
            if !ends.is_empty() {
                facts.add(&format!("{name}: linked with {} {what}(s), {main} main", ends.len()));
            }
        }
        hanging(stage, object, id, &name, &mut facts).await?;
    }
    Ok(facts)
}

async fn hanging(stage: &Stage, object: &str, id: u64, name: &str, facts: &mut Facts) -> Result<(), Trouble> {
    let notes = stage.script(Method::GET, &format!("/api/v4/{object}/{id}/notes?limit=250"), None).await?;
    let mut lines: Vec<String> = Vec::new();
    for note in notes["_embedded"]["notes"].as_array().into_iter().flatten() {
        let params = &note["params"];
        let said = [&params["text"], &params["link"]].into_iter().find(|value| !value.is_null()).unwrap_or(params);
        lines.push(format!("{name}: note {} {}", text(&note["note_type"]), text(said)));
    }
    let path = format!("/api/v4/tasks?filter[entity_type]={object}&filter[entity_id][]={id}&limit=250");
    let tasks = stage.script(Method::GET, &path, None).await?;
    for task in tasks["_embedded"]["tasks"].as_array().into_iter().flatten() {
        let done = if task["is_completed"] == true { "done" } else { "open" };
        lines.push(format!("{name}: task {} ({done}, until {})", text(&task["text"]), task["complete_till"]));
    }
    lines.sort();
    for line in &lines {
        facts.add(line);
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
