//! A batch of creates. A create is never sent again before it was looked for (P4).

use http::Method;
use serde_json::{Value, json};

use super::faults::{self, Fault};
use super::jobs::{BATCH, CREATE, Item, Place};
use super::look;
use super::pen::{Pen, Sent};
use super::same::{self, Found};
use crate::crm::amocrm::rows::{embedded, id_at};
use crate::crm::{CrmError, Written};
use crate::domain::record::RecordRef;
use crate::domain::restore::Loss;

/// How often something is left out of one record.
const REPAIRS: u32 = 10;
/// Batches with an error after which each record goes by itself.
const BATCHES: u32 = 2;

/// Makes the items; each gets its answer.
pub async fn create(pen: &mut Pen<'_>, place: &Place, items: Vec<Item>) -> Result<(), CrmError> {
    let before = match look::newest(pen, place).await {
        Ok(before) => before,
        Err(error) => return pen.cannot(items.iter().map(|item| item.at), error),
    };
    let mut waiting = items;
    let mut rounds = 0;
    while !waiting.is_empty() {
        let count = if rounds < BATCHES { waiting.len().min(BATCH) } else { 1 };
        let batch: Vec<Item> = waiting.drain(..count).collect();
        rounds += 1;
        let body = Value::Array(batch.iter().map(|item| item.body.clone()).collect());
        match pen.send(&CREATE, &place.path, &body).await {
            Sent::Did(answer) => {
                let silent = take_made(pen, place, batch, &answer).await;
                settle_lost(pen, place, silent, before, "the CRM's answer does not name it").await;
            }
            Sent::Lost(why) => settle_lost(pen, place, batch, before, &why).await,
            Sent::Refused(status) => {
                let detail = format!("the CRM answered {status}");
                pen.refuse(batch.iter().map(|item| item.at), "refused", &detail);
            }
            Sent::Cannot(error) => {
                let all = batch.iter().chain(&waiting).map(|item| item.at).collect::<Vec<_>>();
                return pen.cannot(all, error);
            }
            Sent::Bad(answer) => {
                let again = after_a_400(pen, place, batch, &answer, before).await;
                waiting.splice(0..0, again);
            }
        }
    }
    Ok(())
}

/// Takes the ids out of the answer, by `request_id`. What it does not name is left.
async fn take_made(pen: &mut Pen<'_>, place: &Place, batch: Vec<Item>, answer: &Value) -> Vec<Item> {
    let word = if place.object == "catalog_elements" { "elements" } else { place.object.as_str() };
    let rows = embedded(answer, word);
    let alone = batch.len() == 1 && rows.len() == 1;
    let mut silent = Vec::new();
    for item in batch {
        let name = item.number.to_string();
        let said = |row: &&Value| row.get("request_id").is_some_and(|id| text_of(id) == name);
        let row =
            rows.iter().find(said).or_else(|| rows.first().filter(|row| alone && row.get("request_id").is_none()));
        match row.and_then(|row| id_at(row, "id")) {
            Some(id) => made(pen, place, item, id).await,
            None => silent.push(item),
        }
    }
    silent
}

fn text_of(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

/// It was made: what could only be set afterwards is set, and it gets its answer.
async fn made(pen: &mut Pen<'_>, place: &Place, mut item: Item, id: u64) {
    pen.made.insert(id);
    if let Some(mut then) = item.then.take() {
        then["id"] = json!(id);
        let sent = pen.send_again(&Method::PATCH, &place.path, &json!([then])).await;
        if !matches!(sent, Sent::Did(_)) {
            item.losses.push(Loss {
                record: item.record.clone(),
                field: "status_id".to_owned(),
                reason: "refused".to_owned(),
                detail: "it was made open and could not be closed".to_owned(),
            });
        }
    }
    let now = RecordRef::new(&place.object, id);
    let written = if item.losses.is_empty() { Written::Made(now) } else { Written::MadeLess(now, item.losses) };
    pen.answer(item.at, written);
}

/// Whether these were made, by looking; nothing is sent again.
async fn settle_lost(pen: &mut Pen<'_>, place: &Place, lost: Vec<Item>, before: Option<u64>, why: &str) {
    let (left, _) = find(pen, place, lost, before).await;
    for (item, _) in left {
        pen.answer(item.at, Written::Unclear(format!("{why}; it was looked for and not clearly found")));
    }
}

/// Looks at once, and once more when lists have had time to catch up. Those found get their answers; of the rest, what
/// is known. The second value: whether the look could be trusted.
async fn find(pen: &mut Pen<'_>, place: &Place, items: Vec<Item>, before: Option<u64>) -> (Vec<(Item, Found)>, bool) {
    let mut left: Vec<(Item, Found)> = items.into_iter().map(|item| (item, Found::None)).collect();
    let Some(before) = before else {
        for (_, found) in &mut left {
            *found = Found::Unclear;
        }
        return (left, false);
    };
    for last in [false, true] {
        if left.is_empty() {
            break;
        }
        if last {
            tokio::time::sleep(pen.index_delay).await;
        }
        let Ok(Some(rows)) = look::above(pen, place, before).await else {
            if last {
                return (left, false);
            }
            continue;
        };
        let items: Vec<Item> = left.into_iter().map(|(item, _)| item).collect();
        let found = same::assign(&items, &rows, &pen.made);
        // One of several that look alike must not be taken before all of them can be seen.
        let whole = last || found.iter().all(|found| matches!(found, Found::One(_)));
        left = Vec::new();
        for (item, found) in items.into_iter().zip(found) {
            match found {
                Found::One(id) if whole => made(pen, place, item, id).await,
                found => left.push((item, found)),
            }
        }
    }
    (left, true)
}

/// A 400 names the bad items; whether the others were made is not known (§12.10), so they are looked for. The answer is
/// what is to be sent again: the good ones that surely are not there, the bad ones without what was wrong.
async fn after_a_400(
    pen: &mut Pen<'_>,
    place: &Place,
    batch: Vec<Item>,
    answer: &Value,
    before: Option<u64>,
) -> Vec<Item> {
    let named = faults::faults(answer);
    let single = batch.len() == 1;
    let faults_of = |item: &Item, index: usize| -> Option<Vec<Fault>> {
        let name = item.number.to_string();
        let said = named.iter().find(|(id, _)| *id == name).or_else(|| named.first().filter(|_| single));
        said.or_else(|| named.iter().find(|(id, _)| *id == index.to_string() && named.len() == 1 && single))
            .map(|(_, faults)| faults.clone())
    };
    let (mut bad, mut good) = (Vec::new(), Vec::new());
    for (index, item) in batch.into_iter().enumerate() {
        match faults_of(&item, index) {
            Some(faults) => bad.push((item, faults)),
            None if single => bad.push((item, Vec::new())),
            None => good.push(item),
        }
    }
    let mut again = Vec::new();
    let (left, trusted) = find(pen, place, good, before).await;
    for (item, found) in left {
        if trusted && found == Found::None {
            again.push(item);
        } else {
            let why = "the CRM refused another record of its batch; whether it made this one could not be seen";
            pen.answer(item.at, Written::Unclear(why.to_owned()));
        }
    }
    for (mut item, faults) in bad {
        if item.repairs < REPAIRS && faults::leave_out(&mut item, &faults) {
            again.push(item);
        } else {
            pen.refuse([item.at], "refused", &faults::words(&faults));
        }
    }
    again
}
