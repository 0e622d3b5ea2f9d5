//! A card with all that hangs on it. Many cards of a kind cost as many pages as one.

use std::collections::HashMap;

use futures::future::try_join;

use super::associations::associations;
use super::back::{Back, links_back, with_owner};
use super::hanging::{Hung, What, files, hanging, transactions};
use super::locate::{Found, Located, Place, locate};
use super::row::Row;
use super::snapshot::{Draft, keys, name};
use crate::crm::{CrmError, Fetched, Reach};
use crate::domain::record::RecordRef;

/// Everything that was read of cards of one kind.
struct Reading {
    cards: Found,
    links: Hung,
    notes: Hung,
    tasks: Hung,
    files: Hung<Option<Vec<Row>>>,
    transactions: Hung,
    back: Back,
}

/// Cards of one kind, whole. There is no bulk call for files: without `with_files` the part is left out.
pub(super) async fn whole(
    reach: Reach<'_>,
    object: &str,
    place: &Place,
    ids: &[u64],
    with_files: bool,
) -> Result<HashMap<u64, Fetched>, CrmError> {
    let (with_list_of_files, with_purchases): (&[u64], &[u64]) =
        (if with_files { ids } else { &[] }, if object == "customers" { ids } else { &[] });
    let linked = async {
        let (cards, links) = try_join(locate(reach, place, ids), hanging(reach, What::Links, object, ids)).await?;
        let back = links_back(reach, object, &cards, &links).await?;
        Ok::<_, CrmError>((cards, links, back))
    };
    let ((cards, links, back), notes, tasks, files, transactions) = futures::try_join!(
        linked,
        hanging(reach, What::Notes, object, ids),
        hanging(reach, What::Tasks, object, ids),
        files(reach, object, with_list_of_files),
        transactions(reach, with_purchases),
    )?;
    let reading = Reading { cards, links, notes, tasks, files, transactions, back };
    Ok(ids.iter().map(|id| (*id, reading.card(reach, object, *id))).collect())
}

impl Reading {
    fn card(&self, reach: Reach<'_>, object: &str, id: u64) -> Fetched {
        let row = match self.cards.get(&id) {
            Some(Located::There(row)) => row,
            Some(Located::Absent) => return Fetched::Absent,
            Some(Located::Hidden(why)) => return Fetched::Hidden(why.clone()),
            None => return Fetched::Hidden("the CRM did not say whether it is there".to_owned()),
        };
        match self.assemble(reach, &RecordRef::new(object, id), row, id) {
            Ok(draft) => Fetched::Whole(draft.done()),
            Err(why) => Fetched::Hidden(why),
        }
    }

    fn assemble(&self, reach: Reach<'_>, of: &RecordRef, row: &Row, id: u64) -> Result<Draft, String> {
        let (links, notes, tasks) =
            (rows(&self.links, id, "links")?, rows(&self.notes, id, "notes")?, rows(&self.tasks, id, "tasks")?);
        let back = self.back.get(&id).map(|back| back.as_ref().map_err(Clone::clone)).transpose()?;
        // The card itself names the time of its nearest open task: a list that shows none is behind.
        let open = tasks.iter().any(|task| task.value.get("is_completed") != Some(&true.into()));
        let promised = row.number("closest_task_at").is_some_and(|at| at > 0) && !open;
        let mut draft = Draft::new(reach, of, row)
            .title(name(row))
            .keys(keys(row))
            .associations(associations(of, row, links, back.map_or(&[], Vec::as_slice)))
            .rows("links", links)
            .rows("notes", notes)
            .rows("tasks", tasks)
            .expecting("tasks", tasks.len() as u64 + u64::from(promised));
        match self.files.get(&id) {
            Some(Ok(Some(files))) => draft = draft.rows("files", files),
            Some(Err(why)) => return Err(why.clone()),
            Some(Ok(None)) | None => {}
        }
        if of.object == "customers" {
            draft = draft.rows("transactions", rows(&self.transactions, id, "transactions")?);
        }
        if let Some(back) = back {
            let content_type = back.first().map_or("application/hal+json", |(_, row)| &row.content_type);
            let rows: Vec<_> = back.iter().map(|(owner, row)| with_owner(owner, row)).collect();
            draft = draft.slices("links_back", content_type, &rows);
        }
        Ok(draft)
    }
}

fn rows<'a>(hung: &'a Hung, id: u64, what: &str) -> Result<&'a [Row], String> {
    match hung.get(&id) {
        Some(Ok(rows)) => Ok(rows),
        Some(Err(why)) => Err(why.clone()),
        None => Err(format!("its {what} were not read")),
    }
}
