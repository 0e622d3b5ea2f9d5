//! What a request would destroy, record by record.

use std::collections::HashMap;

use super::fetch::by_kind;
use super::locate::{Located, locate};
use super::pieces::is;
use super::places;
use super::row::Row;
use crate::crm::amocrm::wire::{Tag, TagName, TagsPatch, numeric_id};
use crate::crm::{CrmError, Reach};
use crate::domain::delete::{DeleteIntent, Selection};
use crate::domain::record::RecordRef;

/// See [`Connector::resolve`](crate::crm::Connector::resolve).
pub async fn resolve(reach: Reach<'_>, intent: &DeleteIntent) -> Result<Vec<RecordRef>, CrmError> {
    match &intent.selection {
        Selection::Ids(ids) => Ok(ids.clone()),
        Selection::Query { object, expression } if object == "tags" => match TagsPatch::parse(expression) {
            Some(patch) => tags(reach, &patch).await,
            None => Err(cannot("this change of tags cannot be read")),
        },
        Selection::Query { .. } => Err(cannot("this choice of records cannot be read")),
    }
}

/// The tags that would go: of those named, the ones a card carries; of a replaced set, the ones not kept.
async fn tags(reach: Reach<'_>, patch: &TagsPatch) -> Result<Vec<RecordRef>, CrmError> {
    let removed: Vec<TagName> = patch.remove.iter().filter_map(TagName::parse).collect();
    if removed.len() != patch.remove.len() {
        return Err(cannot("this change of tags cannot be read"));
    }
    let on: Vec<RecordRef> =
        removed.iter().map(|name| name.on.clone()).chain(patch.replace.iter().map(|kept| kept.on.clone())).collect();
    let cards = cards(reach, &on).await?;
    let mut gone: Vec<RecordRef> = Vec::new();
    let mut add = |record: RecordRef| {
        if !gone.contains(&record) {
            gone.push(record);
        }
    };
    for name in &removed {
        match carried(&cards, &name.on)? {
            // By its id, so that a tag named twice in two ways is one.
            Some(tags) => tags
                .iter()
                .filter(|tag| is(tag, &name.tag))
                .filter_map(Row::id)
                .for_each(|id| add(TagName { on: name.on.clone(), tag: Tag::Id(id) }.record())),
            None => add(name.record()),
        }
    }
    for kept in &patch.replace {
        for tag in carried(&cards, &kept.on)?.unwrap_or_default() {
            match tag.id() {
                Some(_) if kept.keep.iter().any(|keep| is(&tag, keep)) => {}
                Some(id) => add(TagName { on: kept.on.clone(), tag: Tag::Id(id) }.record()),
                None => return Err(cannot("a tag of a record has no id")),
            }
        }
    }
    Ok(gone)
}

async fn cards(reach: Reach<'_>, records: &[RecordRef]) -> Result<HashMap<RecordRef, Located>, CrmError> {
    let mut read = HashMap::new();
    for (object, group) in by_kind(records) {
        let place = places::cards(object).ok_or_else(|| cannot("records of this kind carry no tags"))?;
        let ids: Vec<u64> = group.iter().filter_map(|record| numeric_id(&record.id)).collect();
        let found = locate(reach, &place, &ids).await?;
        read.extend(found.into_iter().map(|(id, located)| (RecordRef::new(object, id), located)));
    }
    Ok(read)
}

/// The tags on a card; `None` if there is no such card.
fn carried(cards: &HashMap<RecordRef, Located>, on: &RecordRef) -> Result<Option<Vec<Row>>, CrmError> {
    match cards.get(on) {
        Some(Located::There(card)) => {
            let tags = card.embedded_rows("tags");
            tags.map(Some).ok_or_else(|| cannot(&format!("the CRM does not show the tags of {on}")))
        }
        Some(Located::Absent) => Ok(None),
        Some(Located::Hidden(why)) => Err(cannot(&format!("{on}: {why}"))),
        None => Err(cannot(&format!("the CRM did not say whether {on} is there"))),
    }
}

fn cannot(why: &str) -> CrmError {
    CrmError::Permanent { status: None, detail: why.to_owned() }
}
