//! Forgetting what has lain in the bin long enough: marked by one pass, dropped by a later one, a day after at the
//! earliest. Never what a hold keeps, what is not settled, or what a job may still need; never before `Undo-Until`.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex as Short, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, RwLock, RwLockReadGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineError};
use crate::archive::{ArchiveError, EntryFilter};
use crate::domain::entry::Entry;
use crate::domain::event::{Event, Stream};
use crate::domain::ids::EntryId;
use crate::domain::retention::{self, DAY, DROPPABLE, History};

/// Entries that are dropped while jobs wait to be queued.
const CHUNK: usize = 50;
/// Rows of a page, and jobs that are looked at.
const PAGE: usize = 1_000;
/// How often it is looked whether a pass is due.
const LOOK: Duration = Duration::from_mins(10);

/// What passes of this process share.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    /// Whoever has it is the only pass.
    history: Mutex<Option<History>>,
    /// Since when both clocks of this process are compared.
    since: Short<Option<(Timestamp, Instant)>>,
    /// Queueing a job reads it, dropping writes it: a job never finds its entries gone in between.
    dropping: RwLock<()>,
}

/// What the next pass would do.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// Why there will be no pass until a person has looked.
    pub stopped: Option<String>,
    /// When the next pass may be; now, if there was none.
    pub next_pass: Timestamp,
    /// Entries it may mark at most.
    pub cap: usize,
    /// Marked before; they would be dropped.
    pub drops: Vec<Entry>,
    /// They would be marked; the oldest first.
    pub marks: Vec<Entry>,
    /// Entries whose time is over and that a hold keeps.
    pub held: u64,
}

/// What a pass did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Entries dropped.
    pub dropped: usize,
    /// Entries marked.
    pub marked: usize,
}

impl Engine {
    /// What the next pass would do, as things are now. Changes nothing.
    pub async fn retention_forecast(&self) -> Result<Forecast, EngineError> {
        let mut slot = self.retention.history.lock().await;
        let history = self.history(&mut slot).await?.clone();
        let now = self.clock.now();
        let mut drops = Vec::new();
        for id in &history.marked {
            if let Some(entry) = self.droppable(*id, now).await? {
                drops.push(entry);
            }
        }
        let cap = retention::cap(self.store.stats().await?.entries);
        // What is dropped first makes room, so it is not marked again.
        let (mut marks, held) = self.overdue(now, cap + drops.len()).await?;
        marks.retain(|entry| !drops.iter().any(|drop| drop.id == entry.id));
        marks.truncate(cap);
        let stopped = self.believes(now, &history).await?.err();
        Ok(Forecast { stopped, next_pass: history.next_pass().unwrap_or(now), cap, drops, marks, held })
    }

    /// One pass. `clock_is_right`: a person says so; then the clock is believed from here on.
    pub async fn retention_pass(&self, by: &str, clock_is_right: bool) -> Result<Passed, EngineError> {
        let mut slot = self.retention.history.lock().await;
        let now = self.clock.now();
        let history = self.history(&mut slot).await?;
        if clock_is_right {
            self.compare_from(now);
        } else if let Err(why) = self.believes(now, history).await? {
            let detail = format!("retention has stopped: {why}");
            return Err(EngineError::Stale { code: "clock_jumped", detail });
        }
        if let Some(next) = history.next_pass().filter(|next| now < *next && !clock_is_right) {
            let detail = format!("there is one pass a day; the next may be at {next}");
            return Err(EngineError::Stale { code: "wrong_state", detail });
        }
        // A person's word about the clock begins a new day; it does not make an old mark older.
        let marked_a_day_ago = history.last_pass.is_some_and(|last| now.duration_since(last) >= DAY);
        let marked = if marked_a_day_ago && !clock_is_right { history.marked.clone() } else { Vec::new() };
        let mut dropped = 0;
        for chunk in marked.chunks(CHUNK) {
            let gone = self.drop_some(chunk, now).await?;
            dropped += gone.len();
            if !gone.is_empty() {
                self.note(history, Event::RetentionDropped { entries: gone }).await?;
            }
        }
        let cap = retention::cap(self.store.stats().await?.entries);
        let (entries, _) = self.overdue(now, cap).await?;
        let entries: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
        let marked = entries.len();
        self.note(history, Event::RetentionMarked { entries, by: by.to_owned() }).await?;
        tracing::info!(dropped, marked, by, "retention");
        Ok(Passed { dropped, marked })
    }

    /// A pass a day until `shutdown`.
    pub async fn keep_retention(&self, shutdown: CancellationToken) {
        self.compare_from(self.clock.now());
        let mut told: Option<Instant> = None;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            match self.retention_pass("retention", false).await {
                Ok(_) => told = None,
                Err(EngineError::Stale { code: "wrong_state", .. }) => {}
                Err(error) if told.is_none_or(|told| told.elapsed() >= Duration::from_hours(1)) => {
                    tracing::error!(%error, "nothing is forgotten; `crm-undo retention plan` tells more");
                    told = Some(Instant::now());
                }
                Err(_) => {}
            }
        }
    }

    /// Nothing is dropped while a job is queued.
    pub(crate) async fn nothing_dropped_meanwhile(&self) -> RwLockReadGuard<'_, ()> {
        self.retention.dropping.read().await
    }

    async fn drop_some(&self, chunk: &[EntryId], now: Timestamp) -> Result<Vec<EntryId>, EngineError> {
        let _no_job_is_queued = self.retention.dropping.write().await;
        let _no_hold_is_placed = self.no_hold_meanwhile().await;
        let jobs = self.store.jobs(PAGE, None).await?.rows;
        let busy: BTreeSet<&str> =
            jobs.iter().filter(|job| !job.state.is_final()).map(|job| job.connection.as_str()).collect();
        let mut gone = Vec::new();
        for id in chunk {
            let Some(entry) = self.droppable(*id, now).await? else { continue };
            if busy.contains(entry.connection.as_str()) {
                continue;
            }
            self.store.forget(&entry.snapshot).await?;
            gone.push(*id);
        }
        Ok(gone)
    }

    /// The entry, if nothing keeps it.
    async fn droppable(&self, id: EntryId, now: Timestamp) -> Result<Option<Entry>, EngineError> {
        let Some(entry) = self.store.entry(id).await? else { return Ok(None) };
        let is_over = retention::is_over(&entry, &self.policy, now).is_ok();
        Ok((is_over && !self.keeps(&entry).await?).then_some(entry))
    }

    /// Whether a hold, or another entry that still needs the same snapshot, keeps it.
    async fn keeps(&self, entry: &Entry) -> Result<bool, EngineError> {
        if self.held(&entry.connection, &entry.record).await?.is_some() {
            return Ok(true);
        }
        let newest = self.store.in_bin(&entry.connection, &entry.record).await?;
        Ok(newest.is_some_and(|other| other.id != entry.id && other.snapshot == entry.snapshot))
    }

    /// The oldest entries whose time is over, at most so many; and how many a hold keeps.
    async fn overdue(&self, now: Timestamp, most: usize) -> Result<(Vec<Entry>, u64), EngineError> {
        let shortest = self.policy.shortest_retention();
        let mut filter = EntryFilter {
            states: DROPPABLE.to_vec(),
            // Only to read less: whether its time is over is decided entry by entry.
            deleted_before: Some(now.saturating_sub(shortest).unwrap_or(Timestamp::MIN) + SignedDuration::from_secs(1)),
            limit: PAGE,
            ..EntryFilter::default()
        };
        let (mut oldest, mut held) = (VecDeque::new(), 0);
        loop {
            let page = self.store.entries(&filter).await?;
            for entry in page.rows {
                if retention::is_over(&entry, &self.policy, now).is_err() {
                    continue;
                }
                // A restored entry stays restored when its snapshot is dropped.
                match self.store.get(&entry.snapshot).await {
                    Err(ArchiveError::NotFound(_)) => continue,
                    Ok(_) | Err(ArchiveError::Damaged { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
                if self.keeps(&entry).await? {
                    held += 1;
                    continue;
                }
                // The list comes newest first.
                oldest.push_front(entry);
                oldest.truncate(most);
            }
            match page.next {
                Some(next) => filter.cursor = Some(next),
                None => return Ok((oldest.into(), held)),
            }
        }
    }

    async fn history<'a>(&self, slot: &'a mut Option<History>) -> Result<&'a mut History, EngineError> {
        if slot.is_none() {
            let mut history = History::default();
            for recorded in self.store.read(&Stream::retention(), 0).await? {
                history.apply(&recorded);
            }
            *slot = Some(history);
        }
        Ok(slot.as_mut().expect("it was filled just now"))
    }

    async fn note(&self, history: &mut History, event: Event) -> Result<(), EngineError> {
        for recorded in self.store.append(&Stream::retention(), history.version, vec![event]).await? {
            history.apply(&recorded);
        }
        Ok(())
    }

    fn compare_from(&self, now: Timestamp) {
        *self.retention.since.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Instant::now()));
    }

    async fn believes(&self, now: Timestamp, history: &History) -> Result<Result<(), String>, EngineError> {
        let newest = self.store.audit(1, None).await?.rows.first().map(|event| event.at);
        let since = {
            let mut since = self.retention.since.lock().unwrap_or_else(PoisonError::into_inner);
            let (date, timer) = *since.get_or_insert((now, Instant::now()));
            (now.duration_since(date), timer.elapsed())
        };
        Ok(retention::clock(now, since, history.last_pass, newest))
    }
}

#[cfg(test)]
mod tests;
