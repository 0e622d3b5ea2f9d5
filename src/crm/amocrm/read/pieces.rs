//! Links, tags, segments and parts of the set-up: what has no list of its own to be found in.

use std::collections::{BTreeSet, HashMap};

use http::StatusCode;
use serde_json::Value;

use super::associations::other_end;
use super::hanging::{What, hanging, of_one};
use super::locate::{Located, locate, one};
use super::page::{Unread, get, record, refusal};
use super::places;
use super::row::Row;
use super::walk::{Comes, List, walk};
use crate::crm::amocrm::wire::{LinkName, SetUpName, Tag, TagName};
use crate::crm::upstream::flow::is_html;
use crate::crm::{CrmError, Reach};

/// Links, each in the list of the record its name begins with, and once more at that record's own address.
pub(super) async fn links(reach: Reach<'_>, names: &[LinkName]) -> Result<Vec<Located>, CrmError> {
    let mut shown: HashMap<(String, u64), Result<Vec<Row>, String>> = HashMap::new();
    for (object, ids) in by_object(names.iter().map(|name| (name.from.object.as_str(), name.from.id.as_str()))) {
        for (id, rows) in hanging(reach, What::Links, &object, &ids).await? {
            shown.insert((object.clone(), id), rows);
        }
    }
    let mut located = Vec::with_capacity(names.len());
    for name in names {
        let Ok(id) = name.from.id.parse::<u64>() else {
            located.push(Located::Absent);
            continue;
        };
        let found = match shown.get(&(name.from.object.clone(), id)) {
            Some(Ok(rows)) => rows.iter().find(|row| leads_to(row, name)).cloned(),
            Some(Err(why)) => {
                located.push(Located::Hidden(why.clone()));
                continue;
            }
            None => None,
        };
        located.push(match found {
            Some(row) => Located::There(row),
            None => link_at_its_record(reach, name, id).await?,
        });
    }
    Ok(located)
}

async fn link_at_its_record(reach: Reach<'_>, name: &LinkName, id: u64) -> Result<Located, CrmError> {
    let why = match of_one(reach, What::Links, &name.from.object, id).await? {
        Ok(rows) => {
            return Ok(rows.into_iter().find(|row| leads_to(row, name)).map_or(Located::Absent, Located::There));
        }
        Err(why) => why,
    };
    // The links of a record that is gone cannot be read; that it is gone is an answer too.
    match places::cards(&name.from.object) {
        Some(place) if matches!(one(reach, &place, id).await?, Located::Absent) => Ok(Located::Absent),
        _ => Ok(Located::Hidden(why)),
    }
}

fn leads_to(row: &Row, name: &LinkName) -> bool {
    let catalog = row.value.get("metadata").and_then(|metadata| metadata.get("catalog_id")).and_then(Value::as_u64);
    other_end(row).as_ref() == Some(&name.to)
        && (name.catalog.is_none() || catalog.is_none() || catalog == name.catalog)
}

/// Tags, each in the row of the card that carries it.
pub(super) async fn tags(reach: Reach<'_>, names: &[TagName]) -> Result<Vec<Located>, CrmError> {
    let mut cards: HashMap<(String, u64), Located> = HashMap::new();
    for (object, ids) in by_object(names.iter().map(|name| (name.on.object.as_str(), name.on.id.as_str()))) {
        if let Some(place) = places::cards(&object) {
            for (id, card) in locate(reach, &place, &ids).await? {
                cards.insert((object.clone(), id), card);
            }
        }
    }
    let of = |name: &TagName| {
        let id = name.on.id.parse().unwrap_or(0);
        match cards.get(&(name.on.object.clone(), id)) {
            Some(Located::There(card)) => match card.embedded_rows("tags") {
                Some(tags) => tags.into_iter().find(|tag| is(tag, &name.tag)).map_or(Located::Absent, Located::There),
                None => Located::Hidden("the CRM does not show its tags".to_owned()),
            },
            Some(other) => other.clone(),
            None => Located::Hidden(format!("crm-undo cannot read tags of {}", name.on.object)),
        }
    };
    Ok(names.iter().map(of).collect())
}

/// Whether a row is this tag.
pub(super) fn is(row: &Row, tag: &Tag) -> bool {
    match tag {
        Tag::Id(id) => row.id() == Some(*id),
        Tag::Name(name) => row.text("name").is_some_and(|text| text.trim() == name.trim()),
    }
}

/// The customers of segments: the CRM lists none, so all customers are walked once.
pub(super) async fn members(reach: Reach<'_>, ids: &[u64]) -> Result<Result<HashMap<u64, Vec<u64>>, String>, CrmError> {
    let belongs = |_: &Row| true;
    let list = List {
        path: "/api/v4/customers".into(),
        query: String::new(),
        key: "customers",
        comes: Comes::Everything,
        belongs: &belongs,
    };
    let rows = match walk(reach, &list).await {
        Ok(rows) => rows,
        Err(Unread::Down(error)) => return Err(error),
        Err(Unread::Hidden(why)) => return Ok(Err(why)),
        Err(Unread::Ignored) => return Ok(Err("the CRM's list of customers is odd".to_owned())),
    };
    let mut members: HashMap<u64, Vec<u64>> = ids.iter().map(|id| (*id, Vec::new())).collect();
    for row in rows {
        let (Some(customer), Some(segments)) = (row.id(), row.embedded("segments")) else {
            return Ok(Err("the CRM does not show the segments of its customers".to_owned()));
        };
        for segment in segments.iter().filter_map(|segment| segment.get("id").and_then(Value::as_u64)) {
            if let Some(list) = members.get_mut(&segment) {
                list.push(customer);
            }
        }
    }
    Ok(Ok(members))
}

/// A part of the set-up, at its own path.
pub(super) async fn set_up(reach: Reach<'_>, name: &SetUpName) -> Result<Located, CrmError> {
    let answer = get(reach, name.path.clone()).await?;
    Ok(match answer.status {
        StatusCode::OK => match record(&answer) {
            Some(row) => Located::There(row),
            None => Located::Hidden("the CRM's answer about it is not of the known shape".to_owned()),
        },
        StatusCode::NO_CONTENT => Located::Absent,
        StatusCode::NOT_FOUND if !is_html(&answer.headers) => Located::Absent,
        _ => Located::Hidden(refusal(&answer, "it")),
    })
}

/// Ids by kind of record, each once.
fn by_object<'a>(records: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, Vec<u64>)> {
    let mut groups: HashMap<String, BTreeSet<u64>> = HashMap::new();
    for (object, id) in records {
        if let Ok(id) = id.parse() {
            groups.entry(object.to_owned()).or_default().insert(id);
        }
    }
    groups.into_iter().map(|(object, ids)| (object, ids.into_iter().collect())).collect()
}
