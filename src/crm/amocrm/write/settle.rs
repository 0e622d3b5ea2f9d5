//! Writes that may be repeated without harm: links, tags, membership of segments, files.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::{Value, json};

use super::faults;
use super::jobs::Setting;
use super::pen::{Pen, Sent};
use crate::crm::amocrm::rows::{embedded, id_at, number, text_at};
use crate::crm::{CrmError, Written};

/// Links said by one kind. A company is never put in the place of another one (§10.9).
pub async fn links(pen: &mut Pen<'_>, object: &str, items: Vec<Setting>) -> Result<(), CrmError> {
    let mut companies = match companies_of(pen, object, &items).await {
        Ok(companies) => companies,
        Err(error) => return pen.cannot(items.iter().map(|item| item.at), error),
    };
    let mut wanted = Vec::new();
    for item in items {
        let company = item.other.as_ref().filter(|other| other.object == "companies").and_then(number);
        if let (Some(company), Some(card)) = (company, number(&item.on))
            && *companies.entry(card).or_insert(company) != company
        {
            pen.refuse([item.at], "other_company", "it is linked to another company already");
            continue;
        }
        wanted.push(item);
    }
    let target = format!("/api/v4/{object}/link");
    batch(pen, &Method::POST, &target, wanted, |item| item.value.clone()).await
}

/// The companies that those cards have whom the items would give one.
async fn companies_of(pen: &Pen<'_>, object: &str, items: &[Setting]) -> Result<BTreeMap<u64, u64>, CrmError> {
    let is_company = |item: &&Setting| item.other.as_ref().is_some_and(|other| other.object == "companies");
    let cards: BTreeSet<u64> = items.iter().filter(is_company).filter_map(|item| number(&item.on)).collect();
    let mut companies = BTreeMap::new();
    if cards.is_empty() {
        return Ok(companies);
    }
    let filter: Vec<String> = cards.iter().map(|id| format!("filter[entity_id][]={id}")).collect();
    let body = pen.get(format!("/api/v4/{object}/links?{}", filter.join("&"))).await?.unwrap_or_default();
    let rows = embedded(&body, "links");
    if rows.iter().all(|row| id_at(row, "entity_id").is_some()) {
        companies.extend(rows.iter().filter_map(|row| Some((id_at(row, "entity_id")?, company(row)?))));
        return Ok(companies);
    }
    // Rows that do not say whose they are: one card at a time.
    for card in cards {
        let body = pen.get(format!("/api/v4/{object}/{card}/links")).await?.unwrap_or_default();
        companies.extend(embedded(&body, "links").iter().filter_map(|row| Some((card, company(row)?))));
    }
    Ok(companies)
}

fn company(row: &Value) -> Option<u64> {
    (text_at(row, "to_entity_type") == Some("companies")).then(|| id_at(row, "to_entity_id"))?
}

/// Tags, by name.
pub async fn tags(pen: &mut Pen<'_>, object: &str, items: Vec<Setting>) -> Result<(), CrmError> {
    let target = format!("/api/v4/{object}");
    for items in apart(items) {
        let body = |item: &Setting| {
            let names: Vec<Value> =
                item.value.as_array().into_iter().flatten().map(|name| json!({"name": name})).collect();
            json!({"id": number(&item.on), "tags_to_add": names})
        };
        batch(pen, &Method::PATCH, &target, items, body).await?;
    }
    Ok(())
}

/// Customers join segments. The CRM takes the whole set, so what each has is read first.
pub async fn joins(pen: &mut Pen<'_>, items: Vec<Setting>) -> Result<(), CrmError> {
    for items in apart(items) {
        let mut has: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        let mut wanted = Vec::new();
        for item in items {
            let Some(customer) = number(&item.on) else { continue };
            match pen.get(format!("/api/v4/customers/{customer}")).await {
                Ok(Some(row)) => {
                    let segments = embedded(&row, "segments").iter().filter_map(|segment| id_at(segment, "id"));
                    has.insert(customer, segments.collect());
                    wanted.push(item);
                }
                Ok(None) => pen.refuse([item.at], "link_end_gone", "the customer is not there"),
                Err(error) => pen.cannot([item.at], error)?,
            }
        }
        let body = |item: &Setting| {
            let customer = number(&item.on);
            let mut segments = customer.and_then(|id| has.get(&id)).cloned().unwrap_or_default();
            segments.extend(item.other.as_ref().and_then(number));
            let segments: Vec<Value> = segments.into_iter().map(|id| json!({"id": id})).collect();
            json!({"id": customer, "_embedded": {"segments": segments}})
        };
        batch(pen, &Method::PATCH, "/api/v4/customers", wanted, body).await?;
    }
    Ok(())
}

/// Files of one card.
pub async fn files(pen: &mut Pen<'_>, item: Setting) -> Result<(), CrmError> {
    let target = format!("/api/v4/{}/{}/files", item.on.object, item.on.id);
    match pen.send_again(&Method::PUT, &target, &item.value).await {
        Sent::Did(_) => pen.answer(item.at, Written::Done),
        Sent::Bad(body) => refused(pen, item.at, &body),
        Sent::Refused(status) => pen.refuse([item.at], "refused", &format!("the CRM answered {status}")),
        Sent::Lost(why) => pen.answer(item.at, Written::Unclear(why)),
        Sent::Cannot(error) => return pen.cannot([item.at], error),
    }
    Ok(())
}

/// Lists in which each record stands once: two changes of one record do not go in one request.
fn apart(items: Vec<Setting>) -> Vec<Vec<Setting>> {
    let mut lists: Vec<Vec<Setting>> = Vec::new();
    for item in items {
        match lists.iter_mut().find(|list| list.iter().all(|other| other.on != item.on)) {
            Some(list) => list.push(item),
            None => lists.push(vec![item]),
        }
    }
    lists
}

/// Sends the items together; each by itself after a 400.
async fn batch(
    pen: &mut Pen<'_>,
    method: &Method,
    target: &str,
    items: Vec<Setting>,
    body: impl Fn(&Setting) -> Value,
) -> Result<(), CrmError> {
    let mut waiting = vec![items];
    while let Some(items) = waiting.pop() {
        if items.is_empty() {
            continue;
        }
        let all = || items.iter().map(|item| item.at);
        let array = Value::Array(items.iter().map(&body).collect());
        match pen.send_again(method, target, &array).await {
            Sent::Did(_) => all().for_each(|at| pen.answer(at, Written::Done)),
            Sent::Bad(answer) if items.len() == 1 => refused(pen, items[0].at, &answer),
            Sent::Bad(_) => waiting.extend(items.into_iter().rev().map(|item| vec![item])),
            Sent::Refused(status) => pen.refuse(all(), "refused", &format!("the CRM answered {status}")),
            Sent::Lost(why) => all().for_each(|at| pen.answer(at, Written::Unclear(why.clone()))),
            Sent::Cannot(error) => {
                let rest: Vec<usize> = all().chain(waiting.iter().flatten().map(|item| item.at)).collect();
                return pen.cannot(rest, error);
            }
        }
    }
    Ok(())
}

fn refused(pen: &mut Pen<'_>, at: usize, answer: &Value) {
    let faults: Vec<faults::Fault> = faults::faults(answer).into_iter().flat_map(|(_, faults)| faults).collect();
    pen.refuse([at], "refused", &faults::words(&faults));
}
