//! Steps -> what is sent together: one address, at most 50 items, new ids inside.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::pen::Pen;
use super::renew;
use crate::crm::Successor;
use crate::crm::amocrm::draft::act::Act;
use crate::crm::amocrm::rows::number;
use crate::crm::amocrm::wire::numeric_id;
use crate::domain::plan::Step;
use crate::domain::record::RecordRef;
use crate::domain::restore::Loss;

/// §2.0 [D]: writes of 50 are recommended.
pub const BATCH: usize = 50;

/// Where records of one kind are listed and made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Path of the collection.
    pub path: String,
    /// Its word in `_embedded`, and of the records made there.
    pub object: String,
}

/// One record to be made.
#[derive(Clone, Debug)]
pub struct Item {
    /// Position of its step.
    pub at: usize,
    /// Number of its step: the `request_id`.
    pub number: u32,
    /// The old record.
    pub record: RecordRef,
    /// What is sent.
    pub body: Value,
    /// See [`Act::Create`].
    pub open_stage: Option<u64>,
    /// What is set once it is made: how a deal is closed that could not be made closed.
    pub then: Option<Value>,
    /// What was left out.
    pub losses: Vec<Loss>,
    /// How often something was left out.
    pub repairs: u32,
}

/// Something to be set on a record that is there.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Position of its step.
    pub at: usize,
    /// The record it is set on, as it is called now.
    pub on: RecordRef,
    /// The other record, where there is one.
    pub other: Option<RecordRef>,
    /// What is set.
    pub value: Value,
}

/// What is sent to one address.
#[derive(Clone, Debug)]
pub enum Group {
    /// Records of one kind.
    Creates(Place, Vec<Item>),
    /// Links said by one kind.
    Links(String, Vec<Setting>),
    /// Tags on cards of one kind.
    Tags(String, Vec<Setting>),
    /// Customers joining segments.
    Joins(Vec<Setting>),
    /// Files of one card.
    Files(Setting),
}

/// The groups, in the order in which their first steps stand. Steps that cannot be read are answered at once.
pub fn groups(steps: &[&Step], successor: Successor<'_>, pen: &mut Pen<'_>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let act = step.write.as_ref().and_then(|write| serde_json::from_value::<Act>(write.clone()).ok());
        match act.and_then(|act| one(at, step, act, successor)) {
            Some(group) => add(&mut groups, group),
            None => pen.refuse([at], "not_supported", "this step holds no write that this version understands"),
        }
    }
    one_main(&mut groups, steps);
    groups
}

/// A card has one main contact. Where snapshots disagree, the one taken first tells how it was: after a main contact was
/// deleted the CRM may have made another one main, and a later snapshot remembers that. Ids of entries sort by time.
fn one_main(groups: &mut [Group], steps: &[&Step]) {
    let links = || groups.iter().flat_map(|group| if let Group::Links(_, items) = group { &items[..] } else { &[] });
    let mut first = BTreeMap::new();
    for link in links().filter(|link| is_main(link)) {
        let entry = steps[link.at].entry;
        let speaker = first.entry(link.on.clone()).or_insert(entry);
        *speaker = entry.min(*speaker);
    }
    for group in groups {
        let Group::Links(_, items) = group else { continue };
        for link in items.iter_mut().filter(|link| is_main(link)) {
            if first.get(&link.on) != Some(&steps[link.at].entry)
                && let Some(metadata) = link.value["metadata"].as_object_mut()
            {
                metadata.remove("is_main");
            }
        }
    }
}

fn is_main(link: &Setting) -> bool {
    link.value["metadata"]["is_main"] == true
}

fn add(groups: &mut Vec<Group>, new: Group) {
    for group in groups.iter_mut().rev() {
        match (group, &new) {
            (Group::Creates(place, items), Group::Creates(same, more)) if place == same && items.len() < BATCH => {
                return items.extend(more.iter().cloned());
            }
            (Group::Links(object, items), Group::Links(same, more))
            | (Group::Tags(object, items), Group::Tags(same, more))
                if object == same && items.len() < BATCH =>
            {
                return items.extend(more.iter().cloned());
            }
            (Group::Joins(items), Group::Joins(more)) if items.len() < BATCH => {
                return items.extend(more.iter().cloned());
            }
            _ => {}
        }
    }
    groups.push(new);
}

fn one(at: usize, step: &Step, act: Act, successor: Successor<'_>) -> Option<Group> {
    let now = |record: &RecordRef| renew::record(successor, record);
    let create = |path: String, object: &str, mut body: Value, open_stage: Option<u64>| {
        renew::body(successor, &mut body);
        body["request_id"] = step.number.to_string().into();
        let item = Item {
            at,
            number: step.number,
            record: step.record.clone(),
            body,
            open_stage,
            then: None,
            losses: Vec::new(),
            repairs: 0,
        };
        Group::Creates(Place { path, object: object.to_owned() }, vec![item])
    };
    Some(match act {
        Act::Create { object, catalog: Some(catalog), body, .. } => {
            let catalog = now(&RecordRef::new("catalogs", catalog)).id;
            create(format!("/api/v4/catalogs/{catalog}/elements"), &object, body, None)
        }
        Act::Create { object, body, open_stage, .. } if object == "segments" => {
            create("/api/v4/customers/segments".to_owned(), &object, body, open_stage)
        }
        Act::Create { object, body, open_stage, .. } => create(format!("/api/v4/{object}"), &object, body, open_stage),
        Act::Note { on, mut body } => {
            let on = now(&on);
            body["entity_id"] = number(&on)?.into();
            create(format!("/api/v4/{}/notes", on.object), "notes", body, None)
        }
        Act::Task { on, mut body } => {
            if let Some(on) = on.as_ref().map(now) {
                body["entity_id"] = number(&on)?.into();
                body["entity_type"] = on.object.into();
            }
            create("/api/v4/tasks".to_owned(), "tasks", body, None)
        }
        Act::Purchase { customer, body } => {
            let customer = numeric_id(&now(&customer).id)?;
            create(format!("/api/v4/customers/{customer}/transactions"), "transactions", body, None)
        }
        Act::Link { from, to, metadata } => {
            let (from, to) = (now(&from), now(&to));
            let metadata = renew::metadata(successor, metadata);
            let value = json!({"entity_id": number(&from)?, "to_entity_id": number(&to)?, "to_entity_type": to.object,
                "metadata": metadata});
            Group::Links(from.object.clone(), vec![Setting { at, on: from, other: Some(to), value }])
        }
        Act::Tag { on, names } => {
            let on = now(&on);
            Group::Tags(on.object.clone(), vec![Setting { at, on, other: None, value: json!(names) }])
        }
        Act::Join { customer, segment } => {
            let (on, other) = (now(&customer), Some(now(&segment)));
            Group::Joins(vec![Setting { at, on, other, value: Value::Null }])
        }
        Act::Attach { on, files } => {
            let files: Vec<Value> = files.iter().map(|uuid| json!({"file_uuid": uuid})).collect();
            Group::Files(Setting { at, on: now(&on), other: None, value: Value::Array(files) })
        }
    })
}

/// How a batch is made.
pub const CREATE: Method = Method::POST;
