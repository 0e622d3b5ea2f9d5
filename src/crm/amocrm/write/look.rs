//! Looking at the newest records of a kind: what a create made when its answer does not tell (P4).

use serde_json::Value;

use super::jobs::Place;
use super::pen::Pen;
use crate::crm::CrmError;
use crate::crm::amocrm::rows::{embedded, id_at};

/// Pages read back before giving up.
const PAGES: usize = 8;
const ROWS: usize = 250;

/// The highest id before anything is sent. `None`: the list does not come in the order asked for, and nothing can be
/// concluded from it.
pub async fn newest(pen: &Pen<'_>, place: &Place) -> Result<Option<u64>, CrmError> {
    let rows = page(pen, place, 1, 50).await?;
    Ok(descending(&rows).then(|| rows.first().and_then(|row| id_at(row, "id")).unwrap_or(0)))
}

/// All rows above that id. `None`: they cannot be told.
pub async fn above(pen: &Pen<'_>, place: &Place, newest: u64) -> Result<Option<Vec<Value>>, CrmError> {
    let mut found = Vec::new();
    let mut last = u64::MAX;
    for number in 1..=PAGES {
        let rows = page(pen, place, number, ROWS).await?;
        if !descending(&rows) {
            return Ok(None);
        }
        let full = rows.len() >= ROWS;
        for row in rows {
            // A row moves to the next page when somebody makes another one meanwhile.
            let Some(id) = id_at(&row, "id").filter(|id| *id < last) else { continue };
            if id <= newest {
                return Ok(Some(found));
            }
            last = id;
            found.push(row);
        }
        if !full {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

async fn page(pen: &Pen<'_>, place: &Place, page: usize, rows: usize) -> Result<Vec<Value>, CrmError> {
    let target = format!("{}?order[id]=desc&limit={rows}&page={page}", place.path);
    let body = pen.get(target).await?.unwrap_or_default();
    let word = if place.object == "catalog_elements" { "elements" } else { place.object.as_str() };
    Ok(embedded(&body, word).to_vec())
}

fn descending(rows: &[Value]) -> bool {
    rows.windows(2).all(|pair| id_at(&pair[0], "id") > id_at(&pair[1], "id"))
        && rows.iter().all(|row| id_at(row, "id").is_some())
}
