//! A record read back beside its snapshot. Pure.
//!
//! | file | idea |
//! | --- | --- |
//! | `sheet` | the differences found so far, and what is not looked at |
//! | `own` | a record's own fields |
//! | `fields` | custom fields, value by value |
//! | `links` | links, under the new names of their ends |
//! | `hanging` | notes, tasks, purchases, files |

mod fields;
mod hanging;
mod links;
mod own;
mod sheet;
#[cfg(test)]
mod tests;

use serde_json::Value;

use self::sheet::Sheet;
use super::rows;
use crate::crm::Successor;
use crate::domain::record::Snapshot;
use crate::domain::restore::{Difference, Loss};

/// See [`Dialect::compare`](crate::crm::Dialect::compare).
pub fn compare(was: &Snapshot, is: &Snapshot, successor: Successor<'_>, losses: &[Loss]) -> Vec<Difference> {
    let mut sheet = Sheet::new(&was.of, losses);
    let (Some(old), Some(new)) = (rows::part(was, "record"), rows::part(is, "record")) else {
        sheet.differ("record", &Value::from(was.part("record").is_some()), &Value::from(is.part("record").is_some()));
        return sheet.differences;
    };
    match was.of.object.as_str() {
        "notes" => hanging::note(&mut sheet, &old, &new),
        "tasks" => hanging::task(&mut sheet, &old, &new),
        "transactions" => hanging::purchase(&mut sheet, &old, &new),
        "links" => links::one(&mut sheet, &old, &new),
        "tags" => sheet.same("name", old.get("name"), new.get("name")),
        _ => {
            own::own(&mut sheet, &old, &new);
            fields::fields(&mut sheet, &old, &new, successor);
            links::links(&mut sheet, was, is, successor);
            links::segments(&mut sheet, (was, &old), (is, &new), successor);
            hanging::hanging(&mut sheet, was, is);
        }
    }
    sheet.differences
}
