//! The shapes of amoCRM's JSON, and the names of things that have no id of their own.
//!
//! amoCRM's ids are positive integers, unique for their kind of record. Links and tags on records have none, so the
//! dialect composes one out of decimal ids and path words; nothing in it needs to be guessed back.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

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

/// Which tag: amoCRM takes an id or a name. As text: `11`, or `=vip%20client` (everything but letters and digits
/// percent-encoded, so that a name can never look like a separator).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Tag {
    /// By id, which is separate for each kind of record (§2.8).
    Id(u64),
    /// By name, as the caller wrote it.
    Name(String),
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => write!(f, "={}", utf8_percent_encode(name, NON_ALPHANUMERIC)),
        }
    }
}

/// The text is no tag.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is neither a tag's id nor =name")]
pub struct NotATag(String);

impl FromStr for Tag {
    type Err = NotATag;
    fn from_str(text: &str) -> Result<Self, NotATag> {
        let tag = match text.strip_prefix('=') {
            Some(name) => percent_decode_str(name).decode_utf8().ok().map(|name| Self::Name(name.into_owned())),
            None => numeric_id(text).map(Self::Id),
        };
        tag.ok_or_else(|| NotATag(text.to_owned()))
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.to_string()
    }
}

impl TryFrom<String> for Tag {
    type Error = NotATag;
    fn try_from(text: String) -> Result<Self, NotATag> {
        text.parse()
    }
}

/// A tag on a record: `tags/leads-5001-11`, or by name `tags/leads-5001-=vip%20client`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TagName {
    /// The record that carries the tag.
    pub on: RecordRef,
    /// The tag.
    pub tag: Tag,
}

impl TagName {
    /// The record `tags/…` of this tag.
    pub fn record(&self) -> RecordRef {
        RecordRef::new("tags", format!("{}-{}-{}", self.on.object, self.on.id, self.tag))
    }

    /// The tag a record `tags/…` names; `None` for anything else.
    pub fn parse(record: &RecordRef) -> Option<Self> {
        if record.object != "tags" {
            return None;
        }
        let mut words = record.id.splitn(3, '-');
        let on = next_record(&mut words)?;
        let tag = words.next()?.parse().ok()?;
        Some(Self { on, tag })
    }
}

/// The expression of a `Selection::Query { object: "tags", .. }`: what a `PATCH` with `_embedded.tags` does to the tags
/// of records. Which tags a replacement takes away can be known only by reading the records, so the connector's
/// `resolve` expands it: to `remove`, and for each of `replace` to the tags the record has and `keep` does not name.
/// That may be none at all (a replacement that only adds): then the request destroys nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagsPatch {
    /// Tags named in `tags_to_delete`, as records `tags/…`.
    pub remove: Vec<RecordRef>,
    /// Records whose tags are replaced as a set.
    pub replace: Vec<TagsKept>,
}

/// The tags a record is to have afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagsKept {
    /// The record.
    pub on: RecordRef,
    /// Its tags from then on; none for `_embedded.tags: null`.
    pub keep: Vec<Tag>,
}

impl TagsPatch {
    /// As it stands in [`Selection::Query`](crate::domain::delete::Selection::Query).
    pub fn expression(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always serialize")
    }

    /// The patch an expression says; `None` for any other text.
    pub fn parse(expression: &str) -> Option<Self> {
        serde_json::from_str(expression).ok()
    }
}

/// Something that amoCRM shows at a path of its own and that cannot be brought back yet (a custom field, a pipeline):
/// `custom_fields/%2Fapi%2Fv4%2Fleads%2Fcustom%5Ffields%2F640`. Its definition is archived; it is never restored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetUpName {
    /// The word of [`Effect::Unrestorable`](crate::domain::delete::Effect::Unrestorable).
    pub word: String,
    /// Where a `GET` shows it; begins with `/`, has no query.
    pub path: String,
}

impl SetUpName {
    /// The record it is called by.
    pub fn record(&self) -> RecordRef {
        RecordRef::new(&self.word, utf8_percent_encode(&self.path, NON_ALPHANUMERIC))
    }

    /// The thing a record names; `None` for records that have a number or a name of another kind.
    pub fn parse(record: &RecordRef) -> Option<Self> {
        let path = percent_decode_str(&record.id).decode_utf8().ok()?.into_owned();
        path.starts_with('/').then(|| Self { word: record.object.clone(), path })
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
            ("tags/leads-5001-11", Tag::Id(11)),
            ("tags/leads-5001-=vip%20%2F%2D%D1%8F", Tag::Name("vip /-я".into())),
            ("tags/leads-5001-=", Tag::Name(String::new())),
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
    fn parts_of_the_set_up_have_names_that_come_back() {
        let field = SetUpName { word: "custom_fields".into(), path: "/api/v4/leads/custom_fields/640".into() };
        assert!(!field.record().id.contains('/'));
        assert_eq!(SetUpName::parse(&field.record()), Some(field));
        assert_eq!(SetUpName::parse(&record("leads/5001")), None);
        assert_eq!(SetUpName::parse(&record("links/leads-1-contacts-2")), None);
    }

    #[test]
    fn a_replacement_of_tags_comes_back_from_its_expression() {
        let patch = TagsPatch {
            remove: vec![record("tags/leads-5001-11")],
            replace: vec![TagsKept {
                on: record("leads/5002"),
                keep: vec![Tag::Id(12), Tag::Name("vip \"я\"".into())],
            }],
        };
        assert_eq!(TagsPatch::parse(&patch.expression()), Some(patch));
        assert_eq!(TagsPatch::parse("SELECT id"), None);
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
