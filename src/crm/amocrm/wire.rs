//! The shapes of amoCRM's JSON, and the names of things that have no id of their own.
//!
//! amoCRM's ids are positive integers, unique for their kind of record. Links and tags on records have none, so the
//! dialect composes one out of decimal ids and path words; nothing in it needs to be guessed back.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::domain::record::RecordRef;

/// A decimal id as amoCRM writes it: a positive integer, no sign, no leading zero, within `i64`.
pub fn numeric_id(text: &str) -> Option<u64> {
    let digits = text.as_bytes();
    if digits.is_empty() || digits.len() > 19 || digits[0] == b'0' || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.parse::<u64>().ok().filter(|id| i64::try_from(*id).is_ok())
}

/// A link between two records: `links/leads-5001-contacts-2001`. One to a catalog element names the catalog too,
/// because amoCRM needs it to unlink (§2.9): `links/leads-5001-catalog_elements-77-4100`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkName {
    /// The record in the path of the links call: `leads/5001`.
    pub from: RecordRef,
    /// The other end: `contacts/2001`.
    pub to: RecordRef,
    /// The catalog of the other end, where that is a catalog element and the caller named it.
    pub catalog: Option<u64>,
}

impl LinkName {
    /// The record `links/…` of this link.
    pub fn record(&self) -> RecordRef {
        let mut id = format!("{}-{}-{}-{}", self.from.object, self.from.id, self.to.object, self.to.id);
        if let Some(catalog) = self.catalog {
            id.push('-');
            id.push_str(&catalog.to_string());
        }
        RecordRef::new("links", id)
    }

    /// The link a record `links/…` names; `None` for anything else.
    pub fn parse(record: &RecordRef) -> Option<Self> {
        if record.object != "links" {
            return None;
        }
        let mut words = record.id.split('-');
        let from = next_record(&mut words)?;
        let to = next_record(&mut words)?;
        let catalog = match words.next() {
            None => None,
            Some(word) if to.object == "catalog_elements" => Some(numeric_id(word)?),
            Some(_) => return None,
        };
        words.next().is_none().then_some(Self { from, to, catalog })
    }
}

/// Which tag: amoCRM takes an id or a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Tag {
    /// By id, which is separate for each kind of record (§2.8).
    Id(u64),
    /// By name, as the caller wrote it.
    Name(String),
}

/// A tag on a record: `tags/leads-5001-11`, or by name `tags/leads-5001-=vip%20client`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TagName {
    /// The record that carries the tag.
    pub on: RecordRef,
    /// The tag. `None` stands for every tag on the record (`_embedded.tags: null`, `[]` or a replacement), which
    /// only reading the record can tell: `tags/leads-5001-*`.
    pub tag: Option<Tag>,
}

/// Everything but letters and digits, so that a name can never look like a separator.
const NAME: &AsciiSet = NON_ALPHANUMERIC;

impl TagName {
    /// The record `tags/…` of this tag.
    pub fn record(&self) -> RecordRef {
        let tag = match &self.tag {
            None => "*".to_owned(),
            Some(Tag::Id(id)) => id.to_string(),
            Some(Tag::Name(name)) => format!("={}", utf8_percent_encode(name, NAME)),
        };
        RecordRef::new("tags", format!("{}-{}-{tag}", self.on.object, self.on.id))
    }

    /// The tag a record `tags/…` names; `None` for anything else.
    pub fn parse(record: &RecordRef) -> Option<Self> {
        if record.object != "tags" {
            return None;
        }
        let mut words = record.id.splitn(3, '-');
        let on = next_record(&mut words)?;
        let tag = match words.next()? {
            "*" => None,
            word => Some(match word.strip_prefix('=') {
                Some(name) => Tag::Name(percent_decode_str(name).decode_utf8().ok()?.into_owned()),
                None => Tag::Id(numeric_id(word)?),
            }),
        };
        Some(Self { on, tag })
    }
}

/// The next `object-id` of a composed name.
fn next_record<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<RecordRef> {
    let object = words.next().filter(|word| !word.is_empty())?;
    let id = numeric_id(words.next()?)?;
    Some(RecordRef::new(object, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> RecordRef {
        text.parse().expect("a record")
    }

    #[test]
    fn links_have_names_that_come_back() {
        for (text, from, to, catalog) in [
            ("links/leads-5001-contacts-2001", "leads/5001", "contacts/2001", None),
            ("links/leads-5001-catalog_elements-77-4100", "leads/5001", "catalog_elements/77", Some(4100)),
            ("links/leads-5001-catalog_elements-77", "leads/5001", "catalog_elements/77", None),
        ] {
            let link = LinkName { from: record(from), to: record(to), catalog };
            assert_eq!(link.record().to_string(), text);
            assert_eq!(LinkName::parse(&record(text)), Some(link));
        }
        for bad in
            ["links/leads-5001", "links/leads-5001-contacts-2001-9", "links/leads-5001-contacts-0", "tags/leads-1-2"]
        {
            assert_eq!(LinkName::parse(&record(bad)), None, "{bad}");
        }
    }

    #[test]
    fn tags_have_names_that_come_back() {
        for (text, tag) in [
            ("tags/leads-5001-11", Some(Tag::Id(11))),
            ("tags/leads-5001-=vip%20%2F%2D%D1%8F", Some(Tag::Name("vip /-я".into()))),
            ("tags/leads-5001-=", Some(Tag::Name(String::new()))),
            ("tags/leads-5001-*", None),
        ] {
            let name = TagName { on: record("leads/5001"), tag };
            assert_eq!(name.record().to_string(), text);
            assert_eq!(TagName::parse(&record(text)), Some(name));
        }
        for bad in ["tags/leads-5001", "tags/leads-x-1", "tags/leads-5001-x", "links/leads-1-2"] {
            assert_eq!(TagName::parse(&record(bad)), None, "{bad}");
        }
    }

    #[test]
    fn ids_are_plain_positive_decimals() {
        assert_eq!(numeric_id("5001"), Some(5001));
        for bad in ["", "0", "05", "+5", "-5", "5.0", " 5", "5e1", "9223372036854775808", "99999999999999999999", "５"]
        {
            assert_eq!(numeric_id(bad), None, "{bad}");
        }
    }
}
