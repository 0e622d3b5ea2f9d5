//! Which cards a list shows and in which order (§2.0). What is not understood is ignored, as amoCRM does.

use serde_json::Value;

use crate::query::{Query, Range};
use crate::world::World;
use crate::world::card::{Card, Standing};
use crate::world::kind::Kind;

pub struct CardFilter<'a> {
    kind: Kind,
    world: &'a World,
    deleted: bool,
    pub ids: Option<Vec<i64>>,
    names: Option<Vec<&'a str>>,
    price: Option<Range>,
    statuses: Vec<(Option<i64>, Option<i64>)>,
    pipelines: Option<Vec<i64>>,
    status_ids: Option<Vec<i64>>,
    people: [Option<Vec<i64>>; 3],
    times: [Option<Range>; 4],
    next_price: Option<Range>,
    next_date: Option<Range>,
    fields: Vec<(u64, FieldTest)>,
    search: Option<Search>,
}

enum FieldTest {
    OneOf(Vec<String>),
    Within(Range),
}

/// `query=`: words anywhere, phones by their digits.
struct Search {
    text: String,
    digits: Option<String>,
}

impl<'a> CardFilter<'a> {
    pub fn read(world: &'a World, kind: Kind, query: &'a Query) -> Self {
        let search = query.one("query").filter(|text| !text.trim().is_empty()).map(Search::read);
        let deleted = query.asks_with("only_deleted") && kind != Kind::Customers;
        let mut filter = Self { kind, world, deleted, search, ..Self::none(world, kind) };
        if !world.switches.on("paid_filters") && !deleted {
            return filter;
        }
        filter.ids = query.numbers("filter[id]");
        filter.names = query.words("filter[name]");
        filter.people =
            ["filter[created_by]", "filter[updated_by]", "filter[responsible_user_id]"].map(|name| query.numbers(name));
        filter.times = ["filter[created_at]", "filter[updated_at]", "filter[closed_at]", "filter[closest_task_at]"]
            .map(|name| query.range(name));
        if kind == Kind::Leads {
            filter.price = query.range("filter[price]");
            filter.pipelines = query.numbers("filter[pipeline_id]");
            filter.statuses = statuses(query);
        }
        if kind == Kind::Customers {
            filter.next_price = query.range("filter[next_price]");
            filter.next_date = query.range("filter[next_date]");
            filter.status_ids = query.numbers("filter[status_id]");
        }
        filter.fields = field_tests(query);
        filter
    }

    fn none(world: &'a World, kind: Kind) -> Self {
        Self {
            kind,
            world,
            deleted: false,
            ids: None,
            names: None,
            price: None,
            statuses: Vec::new(),
            pipelines: None,
            status_ids: None,
            people: [None, None, None],
            times: [None; 4],
            next_price: None,
            next_date: None,
            fields: Vec::new(),
            search: None,
        }
    }

    pub fn holds(&self, id: u64, card: &Card) -> bool {
        let standing = if self.deleted { Standing::Bin } else { Standing::Alive };
        let among = |list: &Option<Vec<i64>>, value: u64| {
            list.as_ref().is_none_or(|list| list.iter().any(|wanted| u64::try_from(*wanted) == Ok(value)))
        };
        let within = |range: Option<Range>, value: Option<i64>| {
            range.is_none_or(|range| value.is_some_and(|value| range.holds(value)))
        };
        card.standing == standing
            && self.world.indexed(self.kind.word(), id)
            && among(&self.ids, id)
            && self.names.as_ref().is_none_or(|names| names.iter().any(|name| *name == card.name))
            && among(&self.people[0], card.created_by)
            && among(&self.people[1], card.updated_by)
            && among(&self.people[2], card.responsible)
            && within(self.times[0], Some(card.created_at))
            && within(self.times[1], Some(card.updated_at))
            && (self.times[2].is_none() || within(self.times[2], card.lead().and_then(|lead| lead.closed_at)))
            && (self.times[3].is_none() || within(self.times[3], self.world.closest_task_at(self.kind.of(id))))
            && card.lead().is_none_or(|lead| {
                within(self.price, Some(lead.price))
                    && among(&self.pipelines, lead.pipeline)
                    && (self.statuses.is_empty()
                        || self.statuses.iter().any(|(pipeline, status)| {
                            pipeline.is_none_or(|id| u64::try_from(id) == Ok(lead.pipeline))
                                && status.is_none_or(|id| u64::try_from(id) == Ok(lead.status))
                        }))
            })
            && card.customer().is_none_or(|customer| {
                within(self.next_price, Some(customer.next_price))
                    && within(self.next_date, customer.next_date)
                    && among(&self.status_ids, customer.status)
            })
            && self.fields.iter().all(|(field, test)| field_holds(card, *field, test))
            && self.search.as_ref().is_none_or(|search| search.finds(card))
    }

    /// The ids in the order asked for; `updated_at` from the oldest when nothing else is sortable here.
    pub fn ordered(&self, query: &Query) -> Vec<u64> {
        let table = self.world.cards(self.kind);
        let mut rows: Vec<(u64, &Card)> = match &self.ids {
            Some(ids) => {
                let mut ids: Vec<u64> = ids.iter().filter_map(|id| u64::try_from(*id).ok()).collect();
                ids.sort_unstable();
                ids.dedup();
                ids.into_iter().filter_map(|id| Some((id, table.get(id)?))).collect()
            }
            None => table.iter().collect(),
        };
        rows.retain(|(id, card)| self.holds(*id, card));
        let people = matches!(self.kind, Kind::Contacts | Kind::Companies);
        match query.order() {
            Some(("id", _)) => {}
            Some(("created_at", _)) if !people => rows.sort_by_key(|(id, card)| (card.created_at, *id)),
            Some(("name", _)) if people => rows.sort_by(|a, b| (&a.1.name, a.0).cmp(&(&b.1.name, b.0))),
            _ => rows.sort_by_key(|(id, card)| (card.updated_at, *id)),
        }
        let sortable = match query.order() {
            Some(("id" | "updated_at", _)) => true,
            Some(("created_at", _)) => !people,
            Some(("name", _)) => people,
            _ => false,
        };
        if sortable && query.order().is_some_and(|(_, descending)| descending) {
            rows.reverse();
        }
        rows.into_iter().map(|(id, _)| id).collect()
    }
}

fn statuses(query: &Query) -> Vec<(Option<i64>, Option<i64>)> {
    let indexes = query.indexes("filter[statuses]");
    let read = |index: &String| {
        let number =
            |key: &str| query.one(&format!("filter[statuses][{index}][{key}]")).and_then(|text| text.parse().ok());
        (number("pipeline_id"), number("status_id"))
    };
    indexes.iter().map(read).filter(|pair| *pair != (None, None)).collect()
}

fn field_tests(query: &Query) -> Vec<(u64, FieldTest)> {
    let indexes = query.indexes("filter[custom_fields_values]");
    let read = |index: &String| {
        let name = format!("filter[custom_fields_values][{index}]");
        let field = index.parse().ok()?;
        if let Some(values) = query.words(&name) {
            return Some((field, FieldTest::OneOf(values.into_iter().map(str::to_owned).collect())));
        }
        query.range(&name).map(|range| (field, FieldTest::Within(range)))
    };
    indexes.iter().filter_map(read).collect()
}

fn field_holds(card: &Card, field: u64, wanted: &FieldTest) -> bool {
    let Some(value) = card.fields.iter().find(|value| value.field == field) else { return false };
    let items: Vec<Value> = serde_json::from_str(&value.values).unwrap_or_default();
    items.iter().any(|item| {
        let text = match &item["value"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match wanted {
            FieldTest::OneOf(words) => {
                let id = item["enum_id"].as_u64().map(|id| id.to_string());
                words.iter().any(|word| *word == text || Some(word) == id.as_ref())
            }
            FieldTest::Within(range) => text.parse().is_ok_and(|number| range.holds(number)),
        }
    })
}

impl Search {
    fn read(text: &str) -> Self {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let is_phone = digits.len() >= 5 && !text.chars().any(char::is_alphabetic);
        Self { text: text.trim().to_lowercase(), digits: is_phone.then_some(digits) }
    }

    fn finds(&self, card: &Card) -> bool {
        let values = || card.fields.iter().map(|value| &*value.values);
        if card.name.to_lowercase().contains(&self.text)
            || values().any(|text| text.to_lowercase().contains(&self.text))
        {
            return true;
        }
        // Values are `[{"value":"+7 999 …","enum_id":…}]`: only the text up to the enum may lend its digits.
        self.digits.as_ref().is_some_and(|digits| {
            values().flat_map(|text| text.split("\"value\":").skip(1)).any(|text| {
                let value = text.split("\",").next().unwrap_or(text);
                value.chars().filter(char::is_ascii_digit).collect::<String>().contains(digits.as_str())
            })
        })
    }
}
