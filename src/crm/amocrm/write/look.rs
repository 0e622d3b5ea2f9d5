//! Looking at the newest records of a kind: what a create made when its answer does not tell (P4).

use serde_json::Value;

use super::jobs::Place;
use super::pen::Pen;
use crate::crm::CrmError;
use crate::crm::amocrm::rows::{embedded, id_at};

/// Pages read back before giving up.
const PAGES: usize = 8;
const ROWS: usize = 250;

/// One page, newest first if the CRM does as it is asked.
struct Page {
    rows: Vec<Value>,
    /// Whether nothing follows: then the order does not matter.
    whole: bool,
}

/// The highest id before anything is sent. `None`: the list does not come in the order asked for, and nothing can be
/// concluded from it.
pub async fn newest(pen: &Pen<'_>, place: &Place) -> Result<Option<u64>, CrmError> {
    // Purchases cannot be sorted, but those of one customer are few.
    let limit = if place.object == "transactions" { ROWS } else { 50 };
    let page = page(pen, place, 1, limit).await?;
    let ids = page.rows.iter().map(|row| id_at(row, "id")).collect::<Option<Vec<u64>>>();
    let told = page.whole || descending(&page.rows);
    Ok(ids.filter(|_| told).map(|ids| ids.into_iter().max().unwrap_or(0)))
}

/// All rows above that id. `None`: they cannot be told.
pub async fn above(pen: &Pen<'_>, place: &Place, newest: u64) -> Result<Option<Vec<Value>>, CrmError> {
    let mut found = Vec::new();
    let mut last = u64::MAX;
    for number in 1..=PAGES {
        let page = page(pen, place, number, ROWS).await?;
        if number == 1 && page.whole {
            let above = |row: &Value| id_at(row, "id").is_some_and(|id| id > newest);
            return Ok(Some(page.rows.into_iter().filter(above).collect()));
        }
        if !descending(&page.rows) {
            return Ok(None);
        }
        for row in page.rows {
            // A row moves to the next page when somebody makes another one meanwhile.
            let Some(id) = id_at(&row, "id").filter(|id| *id < last) else { continue };
            if id <= newest {
                return Ok(Some(found));
            }
            last = id;
            found.push(row);
        }
        if page.whole {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// All rows that may have been made at `since` (unix seconds) or later: ids grow, and no record was last changed before
/// it was made. `None`: they cannot be told.
pub async fn since(pen: &Pen<'_>, place: &Place, since: i64) -> Result<Option<Vec<Value>>, CrmError> {
    let mut found = Vec::new();
    for number in 1..=PAGES {
        let page = page(pen, place, number, ROWS).await?;
        let sorted = descending(&page.rows);
        let told = sorted || (number == 1 && page.whole);
        if !told {
            return Ok(None);
        }
        for row in page.rows {
            match row.get("updated_at").and_then(Value::as_i64) {
                None => return Ok(None),
                Some(at) if at >= since => found.push(row),
                Some(_) if sorted => return Ok(Some(found)),
                Some(_) => {}
            }
        }
        if page.whole {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

async fn page(pen: &Pen<'_>, place: &Place, page: usize, limit: usize) -> Result<Page, CrmError> {
    let target = format!("{}?order[id]=desc&limit={limit}&page={page}", place.path);
    let body = pen.get(target).await?.unwrap_or_default();
    let word = if place.object == "catalog_elements" { "elements" } else { place.object.as_str() };
    let rows = embedded(&body, word).to_vec();
    let next = body.get("_links").and_then(|links| links.get("next")).is_some();
    Ok(Page { whole: rows.len() < limit && !next, rows })
}

fn descending(rows: &[Value]) -> bool {
    rows.windows(2).all(|pair| id_at(&pair[0], "id") > id_at(&pair[1], "id"))
        && rows.iter().all(|row| id_at(row, "id").is_some())
}
