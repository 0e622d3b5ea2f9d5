//! The feed of events (§6.5): newest first, a hundred a page, its filters free of charge.

use http::StatusCode;
use serde_json::{Value, json};

use super::event_types;
use crate::answer::Answer;
use crate::query::{Query, Range};
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::{no_method, nothing};
use crate::world::ACCOUNT_ID;
use crate::world::happenings::Event;
use crate::world::kind::Kind;

const LARGEST_PAGE: usize = 100;
/// So many values `created_by` and `entity_id` take.
const MOST_VALUES: usize = 10;

pub fn route(cx: &mut Cx, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("GET", []) => list(cx),
        ("GET", ["types"]) => event_types::list(cx),
        ("GET", [id]) => match cx.world.events.iter().find(|event| event.id == *id) {
            Some(event) => Answer::hal(StatusCode::OK, &show(cx, event)),
            None => nothing(),
        },
        (_, [] | [_]) => no_method(),
        _ => cx.no_route(),
    }
}

struct Filter<'a> {
    ids: Option<Vec<&'a str>>,
    created_at: Option<Range>,
    created_by: Option<Vec<i64>>,
    entities: Option<Vec<&'a str>>,
    entity_ids: Option<Vec<i64>>,
    types: Option<Vec<&'a str>>,
}

impl<'a> Filter<'a> {
    /// The error is what is wrong with the filter.
    fn read(query: &'a Query) -> Result<Self, &'static str> {
        // `filter[type]` may be a list, and a comma list.
        let words = |name: &str| {
            query.words(name).map(|lists| lists.into_iter().flat_map(|list| list.split(',')).collect::<Vec<&str>>())
        };
        let filter = Self {
            ids: words("filter[id]"),
            created_at: query.range("filter[created_at]"),
            created_by: query.numbers("filter[created_by]"),
            entities: words("filter[entity]"),
            entity_ids: query.numbers("filter[entity_id]"),
            types: words("filter[type]"),
        };
        let too_many = |list: &Option<Vec<i64>>| list.as_ref().is_some_and(|list| list.len() > MOST_VALUES);
        if too_many(&filter.created_by) || too_many(&filter.entity_ids) {
            return Err("At most 10 values in created_by and entity_id");
        }
        if filter.entity_ids.is_some() && filter.entities.as_ref().is_none_or(|entities| entities.len() != 1) {
            return Err("entity_id needs exactly one entity");
        }
        Ok(filter)
    }

    fn holds(&self, event: &Event) -> bool {
        let among = |list: &Option<Vec<i64>>, value: u64| {
            list.as_ref().is_none_or(|list| list.iter().any(|wanted| u64::try_from(*wanted) == Ok(value)))
        };
        let one_of = |list: &Option<Vec<&str>>, text: &str| list.as_ref().is_none_or(|list| list.contains(&text));
        one_of(&self.ids, &event.id)
            && self.created_at.is_none_or(|range| range.holds(event.created_at))
            && among(&self.created_by, event.created_by)
            && one_of(&self.entities, &event.entity_type)
            && among(&self.entity_ids, event.entity_id)
            && self.types.as_ref().is_none_or(|types| types.iter().any(|wanted| is_type(event, wanted)))
    }
}

/// `custom_field_640_value_changed` is a name for changes of that field.
fn is_type(event: &Event, wanted: &str) -> bool {
    let field = wanted.strip_prefix("custom_field_").and_then(|rest| rest.strip_suffix("_value_changed"));
    match field.and_then(|field| field.parse::<u64>().ok()) {
        Some(field) if event.name == "custom_field_value_changed" => [&event.before, &event.after]
            .into_iter()
            .any(|value| value[0]["custom_field_value"]["field_id"].as_u64() == Some(field)),
        _ => event.name == wanted,
    }
}

fn list(cx: &mut Cx) -> Answer {
    let filter = match Filter::read(&cx.request.query) {
        Ok(filter) => filter,
        Err(why) => return Answer::problem(StatusCode::BAD_REQUEST, why),
    };
    let events = cx.world.events.iter().enumerate().rev();
    let places: Vec<usize> = events.filter(|(_, event)| filter.holds(event)).map(|(place, _)| place).collect();
    cx.page_of("events", &places, LARGEST_PAGE, |cx, place| Some(show(cx, cx.world.events.get(place)?)))
}

fn show(cx: &Cx, event: &Event) -> Value {
    let kind = Kind::CARDS.into_iter().find(|kind| kind.single() == event.entity_type);
    let path = match (kind, event.entity_type.strip_prefix("catalog_")) {
        (Some(kind), _) => format!("/api/v4/{}/{}", kind.word(), event.entity_id),
        (None, Some(catalog)) => format!("/api/v4/catalogs/{catalog}/elements/{}", event.entity_id),
        (None, None) => format!("/api/v4/tasks/{}", event.entity_id),
    };
    let mut entity = json!({"id": event.entity_id, "_links": cx.self_link(&path)});
    let asked = cx.request.query.asks_with(&format!("{}_name", event.entity_type));
    if let Some(card) = kind.filter(|_| asked).and_then(|kind| cx.world.card(kind.of(event.entity_id))) {
        entity["name"] = json!(card.name);
    }
    json!({
        "id": event.id,
        "type": event.name,
        "entity_id": event.entity_id,
        "entity_type": event.entity_type,
        "created_by": event.created_by,
        "created_at": event.created_at,
        "value_after": event.after,
        "value_before": event.before,
        "account_id": ACCOUNT_ID,
        "_links": cx.self_link(&format!("/api/v4/events/{}", event.id)),
        "_embedded": {"entity": entity},
    })
}
