//! Pipelines and their stages (§2.11). The list ignores `page` and `limit`.

use http::StatusCode;
use serde_json::{Value, json};

use super::batch;
use crate::answer::Answer;
use crate::ledger::What;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, not_found, nothing};
use crate::vendors::amocrm::validate::{Fault, Item, missing, not_a_choice, rejected, rejection, wrong_type};
use crate::world::kind::Kind;
use crate::world::pipelines::{LOST, Pipeline, Stage, WON};
use crate::world::{ACCOUNT_ID, World};

pub fn route(cx: &mut Cx, path: &[&str]) -> Answer {
    let method = cx.request.method.as_str();
    match (method, path) {
        ("GET", []) => {
            let rows: Vec<Value> = cx.world.funnel.pipelines.iter().map(|(id, row)| show(cx, id, row)).collect();
            cx.whole("pipelines", &rows)
        }
        ("POST", []) => create(cx),
        (_, []) => no_method(),
        (_, [id, rest @ ..]) => {
            let Ok(id) = id.parse::<u64>() else { return cx.no_route() };
            let known = cx.world.funnel.pipelines.get(id).is_some();
            match (method, rest) {
                // The one v4 delete whose "already gone" is a validation error (§3.6).
                ("DELETE", []) if !known => rejected(not_a_choice("id")),
                _ if !known => not_found(),
                ("GET", []) => match cx.world.funnel.pipelines.get(id) {
                    Some(row) => Answer::hal(StatusCode::OK, &show(cx, id, row)),
                    None => nothing(),
                },
                ("PATCH", []) => change(cx, id),
                ("DELETE", []) => delete(cx, id),
                (_, []) => no_method(),
                (_, ["statuses", rest @ ..]) => stages(cx, id, rest),
                _ => cx.no_route(),
            }
        }
    }
}

fn show(cx: &Cx, id: u64, pipeline: &Pipeline) -> Value {
    json!({
        "id": id,
        "name": pipeline.name,
        "sort": pipeline.sort,
        "is_main": pipeline.main,
        "is_unsorted_on": pipeline.unsorted_on,
        "is_archive": false,
        "account_id": ACCOUNT_ID,
        "_links": cx.self_link(&format!("/api/v4/leads/pipelines/{id}")),
        "_embedded": {"statuses": stage_rows(cx, id, pipeline)},
    })
}

fn stage_rows(cx: &Cx, id: u64, pipeline: &Pipeline) -> Vec<Value> {
    let won = closing_stage(WON, "Успешно реализовано", "#CCFF66", 10_000);
    let lost = closing_stage(LOST, "Закрыто и не реализовано", "#D5D8DB", 11_000);
    let mut rows: Vec<Value> = pipeline.stages.iter().map(|stage| show_stage(cx, id, stage, true)).collect();
    rows.extend([won, lost].iter().map(|stage| show_stage(cx, id, stage, false)));
    rows
}

fn closing_stage(id: u64, name: &str, color: &str, sort: i64) -> Stage {
    Stage { id, name: name.to_owned(), sort, color: color.to_owned(), unsorted: false }
}

fn show_stage(cx: &Cx, pipeline: u64, stage: &Stage, editable: bool) -> Value {
    json!({
        "id": stage.id,
        "name": stage.name,
        "sort": stage.sort,
        "is_editable": editable && !stage.unsorted,
        "pipeline_id": pipeline,
        "color": stage.color,
        "type": u8::from(stage.unsorted),
        "account_id": ACCOUNT_ID,
        "_links": cx.self_link(&format!("/api/v4/leads/pipelines/{pipeline}/statuses/{}", stage.id)),
    })
}

fn read_stage(item: &Value) -> Result<(String, i64, String), Vec<Fault>> {
    let mut item = Item::read(item)?;
    let (sort, color) = (item.number("sort").unwrap_or(10), item.text("color").unwrap_or_else(|| "#99ccff".to_owned()));
    match item.text("name").filter(|name| !name.is_empty()) {
        Some(name) => item.done((name, sort, color)),
        None => Err(vec![missing("name")]),
    }
}

fn add_stage(world: &mut World, pipeline: u64, (name, sort, color): (String, i64, String)) -> u64 {
    let id = world.funnel.next_stage;
    world.funnel.next_stage += 1;
    if let Some(pipeline) = world.funnel.pipelines.get_mut(pipeline) {
        pipeline.stages.push(Stage { id, name, sort, color, unsorted: false });
        pipeline.stages.sort_by_key(|stage| (!stage.unsorted, stage.sort));
    }
    world.did(What::Created, "statuses", id);
    id
}

fn create(cx: &mut Cx) -> Answer {
    let read = |_: &World, item: &Value| {
        let stages = item.get("_embedded").and_then(|parts| parts.get("statuses")).and_then(Value::as_array);
        let closing = |stage: &&Value| !matches!(stage.get("id").and_then(Value::as_u64), Some(WON | LOST));
        let stages: Result<Vec<_>, _> = stages.into_iter().flatten().filter(closing).map(read_stage).collect();
        let mut item = Item::read(item)?;
        let (sort, main) = (item.number("sort").unwrap_or(10), item.yes("is_main").unwrap_or(false));
        let unsorted_on = item.yes("is_unsorted_on").unwrap_or(true);
        match item.text("name").filter(|name| !name.is_empty()) {
            Some(name) => item.done((Pipeline { name, sort, main, unsorted_on, stages: Vec::new() }, stages?)),
            None => Err(vec![missing("name")]),
        }
    };
    let apply = |world: &mut World, (pipeline, stages): (Pipeline, Vec<(String, i64, String)>)| {
        let id = world.funnel.pipelines.next_id();
        if pipeline.main {
            world.funnel.pipelines.iter_mut().for_each(|(_, other)| other.main = false);
        }
        world.funnel.pipelines.put(id, pipeline);
        world.did(What::Created, "pipelines", id);
        let unsorted = add_stage(world, id, ("Неразобранное".to_owned(), 10, "#c1c1c1".to_owned()));
        let pipeline = world.funnel.pipelines.get_mut(id);
        if let Some(stage) = pipeline.and_then(|row| row.stages.iter_mut().find(|stage| stage.id == unsorted)) {
            stage.unsorted = true;
        }
        for stage in stages {
            add_stage(world, id, stage);
        }
        id
    };
    match batch::write(cx, read, apply) {
        Ok(rows) => {
            let rows = rows.into_iter().filter_map(|(request_id, id)| {
                let mut row = show(cx, id, cx.world.funnel.pipelines.get(id)?);
                row["request_id"] = json!(request_id);
                Some(row)
            });
            let rows: Vec<Value> = rows.collect();
            cx.whole("pipelines", &rows)
        }
        Err(answer) => answer,
    }
}

fn change(cx: &mut Cx, id: u64) -> Answer {
    let body = cx.request.json().unwrap_or(Value::Null);
    let Ok(mut item) = Item::read(&body) else { return rejected(wrong_type("")) };
    let (name, sort, main) = (item.text("name"), item.number("sort"), item.yes("is_main"));
    if !item.faults.is_empty() {
        return rejection(&[("0".to_owned(), item.faults)]);
    }
    if main == Some(true) {
        cx.world.funnel.pipelines.iter_mut().for_each(|(_, other)| other.main = false);
    }
    if let Some(row) = cx.world.funnel.pipelines.get_mut(id) {
        row.name = name.unwrap_or_else(|| row.name.clone());
        row.sort = sort.unwrap_or(row.sort);
        row.main = main.unwrap_or(row.main);
    }
    cx.world.did(What::Changed, "pipelines", id);
    match cx.world.funnel.pipelines.get(id) {
        Some(row) => Answer::hal(StatusCode::OK, &show(cx, id, row)),
        None => nothing(),
    }
}

/// Why a pipeline cannot go now.
pub fn delete_refused(world: &World, id: u64) -> Option<&'static str> {
    let holds_leads = world.cards(Kind::Leads).iter().any(|(lead, card)| {
        card.lead().is_some_and(|l| l.pipeline == id) && world.alive(Kind::Leads.of(lead)).is_some()
    });
    if holds_leads {
        return Some("Only pipelines without leads can be deleted");
    }
    (world.funnel.pipelines.len() == 1).then_some("The last pipeline cannot be deleted")
}

pub fn delete_now(world: &mut World, id: u64) {
    let gone = world.funnel.pipelines.remove(id);
    if gone.is_some_and(|gone| gone.main)
        && let Some((_, next)) = world.funnel.pipelines.iter_mut().next()
    {
        next.main = true;
    }
    world.did(What::Deleted, "pipelines", id);
}

fn delete(cx: &mut Cx, id: u64) -> Answer {
    if let Some(why) = delete_refused(cx.world, id) {
        return Answer::problem(StatusCode::UNPROCESSABLE_ENTITY, why);
    }
    delete_now(cx.world, id);
    nothing()
}

fn stages(cx: &mut Cx, pipeline: u64, path: &[&str]) -> Answer {
    let rows = match cx.world.funnel.pipelines.get(pipeline) {
        Some(row) => stage_rows(cx, pipeline, row),
        None => return not_found(),
    };
    let method = cx.request.method.as_str();
    match (method, path) {
        ("GET", []) => cx.whole("statuses", &rows),
        ("POST", []) => {
            let made = batch::write(cx, |_, item| read_stage(item), |world, stage| add_stage(world, pipeline, stage));
            match made {
                Ok(made) => {
                    let made: Vec<u64> = made.into_iter().map(|(_, id)| id).collect();
                    let row = cx.world.funnel.pipelines.get(pipeline);
                    let rows = row.map(|row| stage_rows(cx, pipeline, row)).unwrap_or_default();
                    let is_new = |row: &Value| row["id"].as_u64().is_some_and(|id| made.contains(&id));
                    cx.whole("statuses", &rows.into_iter().filter(is_new).collect::<Vec<_>>())
                }
                Err(answer) => answer,
            }
        }
        (_, []) => no_method(),
        (_, [id]) => {
            let Ok(id) = id.parse::<u64>() else { return cx.no_route() };
            let Some(row) = rows.iter().find(|row| row["id"] == json!(id)) else { return not_found() };
            let editable = row["is_editable"] == json!(true);
            match method {
                "GET" => Answer::hal(StatusCode::OK, row),
                "PATCH" | "DELETE" if !editable => Answer::problem(StatusCode::FORBIDDEN, "System status"),
                "PATCH" => change_stage(cx, pipeline, id),
                "DELETE" => delete_stage(cx, pipeline, id),
                _ => no_method(),
            }
        }
        _ => cx.no_route(),
    }
}

fn change_stage(cx: &mut Cx, pipeline: u64, id: u64) -> Answer {
    let body = cx.request.json().unwrap_or(Value::Null);
    let Ok(mut item) = Item::read(&body) else { return rejected(wrong_type("")) };
    let (name, sort, color) = (item.text("name"), item.number("sort"), item.text("color"));
    let row = cx.world.funnel.pipelines.get_mut(pipeline);
    let Some(stage) = row.and_then(|row| row.stages.iter_mut().find(|stage| stage.id == id)) else {
        return not_found();
    };
    stage.name = name.unwrap_or_else(|| stage.name.clone());
    stage.sort = sort.unwrap_or(stage.sort);
    stage.color = color.unwrap_or_else(|| stage.color.clone());
    let stage = stage.clone();
    cx.world.did(What::Changed, "statuses", id);
    Answer::hal(StatusCode::OK, &show_stage(cx, pipeline, &stage, true))
}

/// Its leads move to the first stage.
fn delete_stage(cx: &mut Cx, pipeline: u64, id: u64) -> Answer {
    let Some(row) = cx.world.funnel.pipelines.get_mut(pipeline) else { return not_found() };
    row.stages.retain(|stage| stage.id != id);
    let first = row.first_stage();
    cx.world.did(What::Deleted, "statuses", id);
    let standing: Vec<u64> = cx
        .world
        .cards(Kind::Leads)
        .iter()
        .filter(|(_, card)| card.lead().is_some_and(|lead| lead.status == id))
        .map(|(id, _)| id)
        .collect();
    for lead in standing {
        let patch = crate::world::cards::CardPatch { status: Some(first), ..Default::default() };
        cx.world.change_card(Kind::Leads.of(lead), patch);
    }
    nothing()
}
