//! What is found by which words.

use super::made::{all, deleted, snapshot, titles};
use crate::archive::{EntryFilter, Store};
use crate::domain::entry::EntryState;

async fn found(store: &impl Store, q: &str) -> Vec<String> {
    titles(store, &EntryFilter { q: Some(q.into()), ..all() }).await
}

async fn people(store: &impl Store) {
    let mut anna = snapshot(2001, "Anna Serova");
    anna.keys.emails = vec!["Anna.Serova@Example.com".into()];
    anna.keys.phones = vec!["+7 (916) 123-45-67".into()];
    let mut boris = snapshot(2002, "Boris Serov");
    boris.keys.emails = vec!["boss@mail.test".into()];
    boris.keys.phones = vec!["8 916 765 43 21".into()];
    let mut smith = snapshot(77, "Артём Ёлкин");
    smith.keys.names.push("Smith-Jones".into());
    deleted(store, 1, vec![anna, boris, smith]).await;
}

pub(crate) async fn by_a_word_and_its_beginning(store: &impl Store) {
    people(store).await;
    for q in ["anna", "ANNA", "ann", "an", " Anna "] {
        assert_eq!(found(store, q).await, ["Anna Serova"], "{q}");
    }
    assert_eq!(found(store, "sero").await, ["Boris Serov", "Anna Serova"]);
    assert_eq!(found(store, "serova").await, ["Anna Serova"]);
    assert_eq!(found(store, "jones").await, ["Артём Ёлкин"]);
    assert_eq!(found(store, "smith-j").await, ["Артём Ёлкин"]);
    for q in ["annas", "nna", "erova", "serovaa"] {
        assert!(found(store, q).await.is_empty(), "{q}");
    }
}

pub(crate) async fn by_all_words(store: &impl Store) {
    people(store).await;
    assert_eq!(found(store, "serov boris").await, ["Boris Serov"]);
    assert_eq!(found(store, "an ser").await, ["Anna Serova"]);
    assert!(found(store, "anna boris").await.is_empty());
    assert_eq!(found(store, "  ").await.len(), 3);
}

pub(crate) async fn by_email(store: &impl Store) {
    people(store).await;
    for q in ["anna.serova@example.com", "anna.serova", "ANNA.SEROVA@EXA", "serova anna.ser"] {
        assert_eq!(found(store, q).await, ["Anna Serova"], "{q}");
    }
    assert_eq!(found(store, "mail.test").await, ["Boris Serov"]);
    assert!(found(store, "anna.serova@example.org").await.is_empty());
}

pub(crate) async fn by_last_digits(store: &impl Store) {
    people(store).await;
    for q in ["4567", "123-45-67", "+7 916 123 45 67", "8 (916) 123-45-67".get(2..).unwrap(), "9161234567", "anna 4567"]
    {
        assert_eq!(found(store, q).await, ["Anna Serova"], "{q}");
    }
    assert_eq!(found(store, "9167654321").await, ["Boris Serov"]);
    for q in ["567", "1234", "0004567"] {
        assert!(found(store, q).await.is_empty(), "{q}");
    }
}

pub(crate) async fn by_old_id(store: &impl Store) {
    people(store).await;
    assert_eq!(found(store, "2001").await, ["Anna Serova"]);
    assert_eq!(found(store, "77").await, ["Артём Ёлкин"]);
    assert_eq!(found(store, "2002 boris").await, ["Boris Serov"]);
    for q in ["200", "20011", "7"] {
        assert!(found(store, q).await.is_empty(), "{q}");
    }
}

pub(crate) async fn in_cyrillic(store: &impl Store) {
    people(store).await;
    for q in ["артём", "АРТЕМ", "ёлк", "елкин", "арт ел"] {
        assert_eq!(found(store, q).await, ["Артём Ёлкин"], "{q}");
    }
}

pub(crate) async fn by_one_letter(store: &impl Store) {
    people(store).await;
    assert_eq!(found(store, "s").await, ["Артём Ёлкин", "Boris Serov", "Anna Serova"]);
    assert_eq!(found(store, "b").await, ["Boris Serov"]);
    assert!(found(store, "z").await.is_empty());
}

pub(crate) async fn with_other_filters(store: &impl Store) {
    people(store).await;
    deleted(store, 2, vec![snapshot(3, "Anna Other")]).await;
    let q = Some("anna".to_owned());
    let of = EntryFilter { q: q.clone(), operation: Some(super::made::op(1)), ..all() };
    assert_eq!(titles(store, &of).await, ["Anna Serova"]);
    let unknown = EntryFilter { q: q.clone(), states: vec![EntryState::Unknown], ..all() };
    assert!(titles(store, &unknown).await.is_empty());
    let there = EntryFilter { q, states: vec![EntryState::Deleted], ..all() };
    assert_eq!(titles(store, &there).await, ["Anna Other", "Anna Serova"]);
}

pub(crate) async fn page_by_page(store: &impl Store) {
    for n in 1..=9 {
        let name = if n % 2 == 0 { "Even" } else { "Odd" };
        deleted(store, n, vec![snapshot(n, &format!("{name} {n}x"))]).await;
    }
    let mut filter = EntryFilter { q: Some("odd".into()), limit: 2, ..all() };
    let mut seen = Vec::new();
    loop {
        let page = store.entries(&filter).await.expect("listed");
        seen.extend(page.rows.into_iter().map(|entry| entry.title));
        filter.cursor = page.next;
        if filter.cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["Odd 9x", "Odd 7x", "Odd 5x", "Odd 3x", "Odd 1x"]);
}

pub(crate) async fn forgotten_names_are_not_found(store: &impl Store) {
    let anna = snapshot(1, "Anna");
    deleted(store, 1, vec![anna.clone()]).await;
    store.forget(&anna.id()).await.expect("forgotten");
    for states in [vec![], vec![EntryState::Forgotten]] {
        let filter = EntryFilter { q: Some("anna".into()), states, ..all() };
        assert!(titles(store, &filter).await.is_empty());
    }
}
