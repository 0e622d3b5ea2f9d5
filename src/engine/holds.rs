//! Legal holds: who placed them, on what, and whether one keeps a record from being forgotten or erased.
//!
//! A hold on a record is a hold on everything that stands for it: a copy that was restored under a new id, and the ids
//! it had before.

use std::collections::BTreeMap;

use tokio::sync::{RwLock, RwLockReadGuard};

use super::{Engine, EngineError};
use crate::archive::{ArchiveError, EntryFilter, Store};
use crate::domain::entry::EntryState;
use crate::domain::event::{Event, Stream};
use crate::domain::hold::{Book, Hold};
use crate::domain::ids::HoldId;
use crate::domain::record::RecordRef;

/// More records in one hold are a matter of the whole connection.
const MOST: usize = 10_000;
/// Characters of a ground.
const LONGEST: usize = 200;

/// The streams of holds, folded. Read once, then kept in step with what this process appends.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    books: RwLock<Option<BTreeMap<String, Book>>>,
    /// Placing waits while something is being forgotten or erased: what `held` said stays true meanwhile.
    gate: RwLock<()>,
}

/// While this lives no hold is placed.
#[derive(Debug)]
pub struct NoneMeanwhile<'a>(#[allow(dead_code, reason = "held for its drop")] RwLockReadGuard<'a, ()>);

impl Engine {
    /// The oldest hold that keeps this record from being forgotten or erased. Whoever destroys something asks this while
    /// it has [`no_hold_meanwhile`](Self::no_hold_meanwhile).
    pub async fn held(&self, connection: &str, record: &RecordRef) -> Result<Option<Hold>, EngineError> {
        let Some(book) = self.hold_books(|books| books.get(connection).cloned()).await? else { return Ok(None) };
        if book.active().next().is_none() {
            return Ok(None);
        }
        let newest = self.newest(connection, record).await?;
        for hold in book.active() {
            if hold.records.is_empty() || hold.records.contains(record) || hold.records.contains(&newest) {
                return Ok(Some(hold.clone()));
            }
            for other in hold.records.iter().filter(|other| other.object == record.object) {
                if self.newest(connection, other).await? == newest {
                    return Ok(Some(hold.clone()));
                }
            }
        }
        Ok(None)
    }

    /// Keeps holds from being placed while something is destroyed.
    pub async fn no_hold_meanwhile(&self) -> NoneMeanwhile<'_> {
        NoneMeanwhile(self.hold_book.gate.read().await)
    }

    /// Places a hold. `records` empty: on everything of the connection.
    pub async fn place_hold(
        &self,
        connection: &str,
        records: Vec<RecordRef>,
        ground: &str,
        by: &str,
    ) -> Result<Hold, EngineError> {
        let bad = |detail: String| EngineError::Invalid { code: "bad_value", detail };
        let ground = ground.trim();
        if ground.is_empty() || ground.chars().count() > LONGEST || ground.chars().any(char::is_control) {
            return Err(bad(format!("ground: has to be 1 to {LONGEST} characters on one line")));
        }
        if records.len() > MOST {
            return Err(bad(format!("records: has to be at most {MOST}; place several holds, or one on all")));
        }
        self.has_connection(connection).await?;
        let hold = HoldId(self.names.fresh());
        let event = Event::HoldPlaced {
            hold,
            connection: connection.to_owned(),
            records,
            ground: ground.to_owned(),
            by: by.to_owned(),
        };
        let _nothing_is_destroyed = self.hold_book.gate.write().await;
        let book = self.change_holds(connection, |_| Ok(event.clone())).await?;
        let placed = book.holds.into_iter().find(|one| one.id == hold);
        placed
            .ok_or_else(|| ArchiveError::Unusable("an append was acknowledged without what it recorded".into()).into())
    }

    /// Lifts a hold. What it kept may be forgotten and erased again.
    pub async fn release_hold(&self, id: HoldId, by: &str) -> Result<(), EngineError> {
        let missing = || EngineError::NotFound { what: format!("hold {id}") };
        let all = self.holds().await?;
        let connection = all.into_iter().find(|hold| hold.id == id).ok_or_else(missing)?.connection;
        self.change_holds(&connection, |book| match book.holds.iter().find(|hold| hold.id == id) {
            None => Err(missing()),
            Some(hold) if hold.released.is_some() => {
                Err(EngineError::Stale { code: "wrong_state", detail: format!("hold {id} is released already") })
            }
            Some(_) => Ok(Event::HoldReleased { hold: id, by: by.to_owned() }),
        })
        .await
        .map(drop)
    }

    /// Every hold ever placed, by connection, oldest first.
    pub async fn holds(&self) -> Result<Vec<Hold>, EngineError> {
        self.hold_books(|books| books.values().flat_map(|book| book.holds.clone()).collect()).await
    }

    /// Entries of a connection that was taken out of the configuration can be held too.
    async fn has_connection(&self, connection: &str) -> Result<(), EngineError> {
        use EntryState::{Deleted, Kept, NeedsReview, Restored, Restoring, Unknown};
        if self.connections.contains_key(connection) {
            return Ok(());
        }
        let states = vec![Deleted, Kept, NeedsReview, Restored, Restoring, Unknown];
        let filter = EntryFilter { connection: Some(connection.into()), states, limit: 1, ..EntryFilter::default() };
        if self.store.entries(&filter).await?.rows.is_empty() {
            return Err(EngineError::NotFound { what: format!("connection {connection}") });
        }
        Ok(())
    }

    async fn newest(&self, connection: &str, record: &RecordRef) -> Result<RecordRef, EngineError> {
        Ok(self.store.successor(connection, record).await?.unwrap_or_else(|| record.clone()))
    }

    async fn hold_books<T>(&self, look: impl FnOnce(&BTreeMap<String, Book>) -> T) -> Result<T, EngineError> {
        if let Some(books) = self.hold_book.books.read().await.as_ref() {
            return Ok(look(books));
        }
        let mut slot = self.hold_book.books.write().await;
        if let Some(books) = slot.as_ref() {
            return Ok(look(books));
        }
        Ok(look(slot.insert(read(self.store.as_ref()).await?)))
    }

    /// Appends what `decide` makes of the book; decides anew if another one was faster. The book afterwards.
    async fn change_holds(
        &self,
        connection: &str,
        decide: impl Fn(&Book) -> Result<Event, EngineError>,
    ) -> Result<Book, EngineError> {
        let mut slot = self.hold_book.books.write().await;
        for _ in 0..3 {
            let books = match slot.as_mut() {
                Some(books) => books,
                None => slot.insert(read(self.store.as_ref()).await?),
            };
            let book = books.entry(connection.to_owned()).or_default();
            match self.store.append(&Stream::hold(connection), book.version, vec![decide(book)?]).await {
                Ok(recorded) => {
                    for one in &recorded {
                        book.apply(one);
                    }
                    return Ok(book.clone());
                }
                Err(ArchiveError::Conflict { .. }) => *slot = None,
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::Stale { code: "conflict", detail: "somebody else changes holds just now; repeat it".into() })
    }
}

async fn read(store: &dyn Store) -> Result<BTreeMap<String, Book>, ArchiveError> {
    let mut books: BTreeMap<String, Book> = BTreeMap::new();
    for (stream, _) in store.streams("hold/").await? {
        let connection = stream.0.trim_start_matches("hold/").to_owned();
        let book = books.entry(connection).or_default();
        for recorded in store.read(&stream, 0).await? {
            book.apply(&recorded);
        }
    }
    Ok(books)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake_crm::FakeCrm;
    use crate::engine::fake_world::Fake;

    fn contact(id: u64) -> RecordRef {
        RecordRef::new("contacts", id)
    }

    #[tokio::test]
    async fn a_hold_is_on_the_record_its_copies_and_nothing_else_until_it_is_lifted() {
        let fake = Fake::running();
        let engine = &fake.engine;
        let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
        assert_eq!(engine.held("acme", &contact(1)).await.expect("read"), None);
        let hold = engine.place_hold("acme", vec![contact(1)], "case 7/2026", "anna").await.expect("placed");
        // The copy gets a new id afterwards: it is the same person.
        fake.restore(&entries).await;
        let new = fake.entry(entries[0]).await.restored_as.expect("restored");
        assert_ne!(new, contact(1));
        for (record, expected) in [(contact(1), true), (new.clone(), true), (contact(2), false)] {
            assert_eq!(engine.held("acme", &record).await.expect("read").is_some(), expected, "{record}");
        }
        assert_eq!(engine.held("mute", &contact(1)).await.expect("read"), None, "another account's contact 1");
        // Another process reads the same from the ledger.
        let other = Fake::over(fake.store.clone(), fake.crm.clone());
        assert_eq!(other.engine.held("acme", &new).await.expect("read").expect("held").ground, "case 7/2026");
        engine.release_hold(hold.id, "boris").await.expect("released");
        assert!(matches!(engine.release_hold(hold.id, "boris").await, Err(EngineError::Stale { .. })));
        assert_eq!(engine.held("acme", &contact(1)).await.expect("read"), None);
        let kept = engine.holds().await.expect("read");
        assert_eq!((kept.len(), kept[0].released.as_ref().map(|(_, by)| by.as_str())), (1, Some("boris")));
    }

    #[tokio::test]
    async fn a_hold_on_the_new_id_holds_the_old_one_and_one_without_records_holds_all() {
        let fake = Fake::running();
        let (_, entries) = fake.delete(vec![FakeCrm::snapshot("contacts/1", None, &[], &[])]).await;
        fake.restore(&entries).await;
        let new = fake.entry(entries[0]).await.restored_as.expect("restored");
        let engine = &fake.engine;
        engine.place_hold("acme", vec![new], "case 8", "anna").await.expect("placed");
        assert!(engine.held("acme", &contact(1)).await.expect("read").is_some());
        assert!(engine.held("acme", &contact(5)).await.expect("read").is_none());
        engine.place_hold("acme", Vec::new(), "all", "anna").await.expect("placed");
        assert!(engine.held("acme", &contact(5)).await.expect("read").is_some());
    }

    #[tokio::test]
    async fn placing_waits_for_what_is_being_destroyed() {
        let fake = Fake::idle();
        let meanwhile = fake.engine.no_hold_meanwhile().await;
        let engine = fake.engine.clone();
        let mut placing = tokio::spawn(async move { engine.place_hold("acme", vec![contact(1)], "x", "a").await });
        let waited = tokio::time::timeout(std::time::Duration::from_millis(50), &mut placing).await;
        assert!(waited.is_err(), "it was placed beside a destruction");
        drop(meanwhile);
        placing.await.expect("no panic").expect("placed");
    }

    #[tokio::test]
    async fn what_cannot_be_a_hold_is_refused() {
        let engine = Fake::idle().engine.clone();
        for ground in ["", " ", "a\nb", &"x".repeat(201)] {
            assert!(matches!(engine.place_hold("acme", vec![], ground, "a").await, Err(EngineError::Invalid { .. })));
        }
        assert!(matches!(engine.place_hold("no", vec![], "x", "a").await, Err(EngineError::NotFound { .. })));
    }
}
