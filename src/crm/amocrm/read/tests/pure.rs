//! Rows, parts, keys, associations: no CRM.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::associations::associations;
use super::super::back::with_owner;
use super::super::row::Row;
use super::super::snapshot::{keys, name, words};
use super::super::walk::{filter, in_chunks};
use crate::domain::record::RecordRef;

fn row(text: &'static str) -> Row {
    Row::read(Bytes::from_static(text.as_bytes()), Arc::from("application/json")).expect("an object")
}

#[test]
fn what_lies_in_a_row_is_cut_out_byte_for_byte() {
    let card = row(r#"{"id":1,"_embedded":{"tags":[ {"id":11, "name":"\u0416", "n":1.10} ,{"id":12}]}}"#);
    let tags = card.embedded_rows("tags").expect("tags");
    assert_eq!(tags[0].raw, r#"{"id":11, "name":"\u0416", "n":1.10}"#);
    assert_eq!(tags[1].id(), Some(12));
    assert!(card.embedded_rows("leads").is_none());
    assert_eq!(row(r#"{"metadata":{"quantity":2.50}}"#).raw_text("metadata"), r#"{"quantity":2.50}"#);
    assert_eq!(row("{}").raw_text("metadata"), "null");
    assert!(Row::read(Bytes::from_static(b"[1]"), Arc::from("x")).is_none());
}

#[test]
fn keys_are_names_emails_and_phones_once() {
    let card = row(r#"{"name":"Anna Serova","first_name":"Anna","last_name":"","custom_fields_values":[
        {"field_code":"PHONE","values":[{"value":"+7 999"},{"value":"+7 998"}]},
        {"field_code":"EMAIL","values":[{"value":"a@example.test"}]},{"field_code":null,"values":[{"value":"no"}]}]}"#);
    let found = keys(&card);
    assert_eq!(found.names, ["Anna Serova", "Anna"]);
    assert_eq!(found.phones, ["+7 999", "+7 998"]);
    assert_eq!(found.emails, ["a@example.test"]);
    let bare = keys(&row(r#"{"name":null,"custom_fields_values":null}"#));
    assert!(bare.names.is_empty() && bare.phones.is_empty() && bare.emails.is_empty());
}

#[test]
fn titles_are_names_or_the_first_words() {
    assert_eq!(name(&row(r#"{"name":"Acme"}"#)).as_deref(), Some("Acme"));
    assert_eq!(words(&row(r#"{"text":"Call back"}"#)).as_deref(), Some("Call back"));
    assert_eq!(words(&row(r#"{"note_type":"common","params":{"text":"Hello"}}"#)).as_deref(), Some("Hello"));
    assert_eq!(words(&row(r#"{"note_type":"call_in","params":{}}"#)).as_deref(), Some("call_in"));
}

#[test]
fn links_and_what_the_card_names_are_united() {
    let of = RecordRef::new("contacts", 1);
    let card = row(r#"{"id":1,"_embedded":{"companies":[{"id":3}],"leads":[{"id":5},{"id":6}],"contacts":[{"id":9}],
        "catalog_elements":[{"id":77,"metadata":{"quantity":2,"catalog_id":4100}}]}}"#);
    let links = [
        row(r#"{"to_entity_id":3,"to_entity_type":"companies","metadata":null}"#),
        row(r#"{"to_entity_id":4,"to_entity_type":"customers","metadata":null}"#),
    ];
    let back = [(RecordRef::new("leads", 5), row(r#"{"to_entity_id":1,"metadata":{"main_contact":true}}"#))];
    let found = associations(&of, &card, &links, &back);
    let found: Vec<_> = found.iter().map(|found| (found.to.to_string(), found.metadata.as_str())).collect();
    let expected = [
        ("companies/3", "null"),
        ("customers/4", "null"),
        ("leads/5", r#"{"main_contact":true}"#),
        ("leads/6", "null"),
        ("catalog_elements/77", r#"{"quantity":2,"catalog_id":4100}"#),
    ];
    assert_eq!(found, expected.map(|(to, metadata)| (to.to_owned(), metadata)));
}

#[test]
fn a_row_that_does_not_say_whose_it_is_is_told() {
    let lead = RecordRef::new("leads", 5);
    let told = r#"{"entity_id":5,"entity_type":"leads","to_entity_id":1,"n":1.10}"#;
    assert_eq!(with_owner(&lead, &row(r#"{"to_entity_id":1,"n":1.10}"#)), told);
    assert_eq!(with_owner(&lead, &row(r#"{"entity_id":5,"n":1.10}"#)), r#"{"entity_id":5,"n":1.10}"#);
}

proptest! {
    #[test]
    fn chunks_hold_every_id_once_and_fit_into_a_request_line(
        ids in proptest::collection::vec(1..=u64::try_from(i64::MAX).expect("positive"), 0..1000),
    ) {
        let chunks = in_chunks("entity_id", &ids);
        prop_assert_eq!(&chunks.concat(), &ids);
        for chunk in chunks {
            prop_assert!(chunk.len() <= 250 && filter("entity_id", chunk).len() < 7_800);
        }
    }
}
