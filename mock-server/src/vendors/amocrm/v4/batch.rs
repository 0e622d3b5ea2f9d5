//! Writes of many items: all are checked before any is applied.

use http::StatusCode;
use serde_json::Value;

use crate::answer::Answer;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::paging::LARGEST_PAGE;
use crate::vendors::amocrm::validate::{Fault, rejected, rejection, request_id, wrong_type};
use crate::world::World;

type Read<T> = Result<T, Vec<Fault>>;

/// Reads every item of the body's array, then applies them. Rows are what `apply` returns, by `request_id`.
pub fn write<T, R>(
    cx: &mut Cx,
    read: impl Fn(&World, &Value) -> Read<T>,
    apply: impl FnMut(&mut World, T) -> R,
) -> Result<Vec<(String, R)>, Answer> {
    let items = items(cx)?;
    write_items(cx, &items, read, apply)
}

/// The body's array.
pub fn items(cx: &Cx) -> Result<Vec<Value>, Answer> {
    let Some(Value::Array(items)) = cx.request.json() else { return Err(rejected(wrong_type(""))) };
    if items.len() > LARGEST_PAGE {
        return Err(Answer::problem(StatusCode::BAD_REQUEST, "Too many items: at most 250 in one request"));
    }
    Ok(items)
}

pub fn write_items<T, R>(
    cx: &mut Cx,
    items: &[Value],
    read: impl Fn(&World, &Value) -> Read<T>,
    mut apply: impl FnMut(&mut World, T) -> R,
) -> Result<Vec<(String, R)>, Answer> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let id = request_id(item, index);
        match read(cx.world, item) {
            Ok(read) => good.push((id, read)),
            Err(faults) => bad.push((id, faults)),
        }
    }
    if !bad.is_empty() && cx.world.switches.on("bad_item_rejects_batch") {
        return Err(rejection(&bad));
    }
    let happen = cx.portion.of(good.len());
    let rows: Vec<(String, R)> = good.into_iter().take(happen).map(|(id, read)| (id, apply(cx.world, read))).collect();
    if bad.is_empty() { Ok(rows) } else { Err(rejection(&bad)) }
}
