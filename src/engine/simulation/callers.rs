//! What scripts and people do.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use jiff::SignedDuration;

use super::dice::Dice;
use super::world::World;
use crate::archive::OperationFilter;
use crate::domain::delete::{DeleteIntent, Effect, Selection};
use crate::domain::entry::Entry;
use crate::domain::ids::JobId;
use crate::domain::record::RecordRef;
use crate::engine::Engine;
use crate::engine::delete::{DeleteAnswer, DeleteRequest};
use crate::engine::jobs::verbs::Verb;
use crate::engine::restore::{RestoreAsk, Wanted};

pub(super) struct Caller {
    pub(super) number: usize,
    pub(super) world: World,
    pub(super) engine: Engine,
    pub(super) dice: Dice,
}

impl Caller {
    pub(super) async fn acts(self, times: usize) {
        for _ in 0..times {
            tokio::time::sleep(self.dice.millis(0, 9_000)).await;
            match self.dice.below(20) {
                0..=8 => self.deletes().await,
                9..=12 => self.undoes().await,
                13 | 14 => self.restores().await,
                15 | 16 => self.steers().await,
                17 if self.world.weather.jumps => {
                    let hours = i64::try_from(self.dice.below(100)).expect("small") - 50;
                    self.world.note(|| format!("clock {hours:+} h"));
                    self.world.time.jump(SignedDuration::from_hours(hours));
                }
                _ if self.world.weather.people => self.touches(),
                _ => self.deletes().await,
            }
        }
    }

    /// Records there are, and now and then one that is gone.
    fn some(&self) -> Vec<RecordRef> {
        let crm = self.world.crm();
        let mut known: Vec<RecordRef> = crm.cards.keys().filter(|record| record.object != "notes").cloned().collect();
        if self.dice.chance(0.2) {
            known.extend(crm.before.keys().cloned());
        }
        drop(crm);
        let mut some = Vec::new();
        for _ in 0..=self.dice.below(3) {
            if known.is_empty() {
                break;
            }
            let one = self.dice.pick(&known).clone();
            if !some.contains(&one) {
                some.push(one);
            }
        }
        some
    }

    async fn deletes(&self) {
        let records = self.some();
        if records.is_empty() {
            return;
        }
        // The same request may be sent by several at once, and again.
        let who = if self.dice.chance(0.5) { 0 } else { self.number };
        for _ in 0..=self.dice.below(2) {
            let id = self.world.request();
            let body = records.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let request = Request::post("/delete")
                .header("x-request", id)
                .header(header::AUTHORIZATION, format!("Bearer caller-{who}"))
                .body(Bytes::from(body))
                .expect("a request");
            let intent = DeleteIntent {
                route: "simulated.delete",
                effect: Effect::Destroy,
                selection: Selection::Ids(records.clone()),
            };
            let leaves = self.dice.chance(0.25);
            let patience = if leaves { self.dice.millis(0, 3_000) } else { Duration::from_mins(2) };
            let answer = tokio::time::timeout(patience, self.engine.delete("acme", DeleteRequest { request, intent }));
            let told = match answer.await {
                Err(_) => "left".to_owned(),
                Ok(DeleteAnswer::Forwarded { answer, operation }) => {
                    format!("forwarded {} {}", answer.status, operation.is_some())
                }
                Ok(DeleteAnswer::Gone(_)) => "gone".to_owned(),
                Ok(DeleteAnswer::Again { answer, .. }) => format!("again {}", answer.status),
                Ok(DeleteAnswer::Unknown { .. }) => "unknown".to_owned(),
                Ok(DeleteAnswer::Refused(response)) => {
                    let code = String::from_utf8_lossy(response.body()).into_owned();
                    if code != "internal" {
                        self.world.log().refused.insert(id);
                    }
                    format!("refused {code}")
                }
            };
            self.world.note(|| format!("caller {} request {id} {records:?}: {told}", self.number));
        }
    }

    async fn undoes(&self) {
        let Ok(page) = self.engine.bin().operations(&OperationFilter { limit: 6, ..Default::default() }).await else {
            return;
        };
        if page.rows.is_empty() {
            return;
        }
        let operation = self.dice.pick(&page.rows).id;
        self.applies(Wanted::Operation(operation)).await;
    }

    async fn restores(&self) {
        let Ok(entries) = super::judge::entries(self.engine.bin()).await else { return };
        if entries.is_empty() {
            return;
        }
        // Nobody names an entry under review without having looked at the CRM.
        let fine = |entry: &&Entry| entry.state != crate::domain::entry::EntryState::NeedsReview;
        let some: Vec<_> =
            (0..=self.dice.below(2)).map(|_| self.dice.pick(&entries)).filter(fine).map(|entry| entry.id).collect();
        self.applies(Wanted::Entries(some)).await;
    }

    async fn applies(&self, of: Wanted) {
        let include_parents = self.dice.chance(0.7);
        let plan = match self.engine.plan_restore(RestoreAsk { of, include_parents }, "anna").await {
            Ok(plan) => plan,
            Err(error) => return self.world.note(|| format!("no plan: {error}")),
        };
        // The plan says so, and nobody lets it be made again without having looked at the CRM.
        if plan.losses.iter().any(|loss| loss.reason == "maybe_restored") {
            return self.world.note(|| "the plan says that it may be there already".to_owned());
        }
        tokio::time::sleep(self.dice.millis(0, 4_000)).await;
        let applied = self.engine.apply(plan.id, &plan.digest, "anna").await;
        self.world.note(|| match &applied {
            Ok(job) => format!("job {} of {} steps", job.id, plan.steps.len()),
            Err(error) => format!("not applied: {error}"),
        });
    }

    async fn steers(&self) {
        let Ok(page) = self.engine.bin().jobs(5, None).await else { return };
        let ids: Vec<JobId> = page.rows.iter().map(|job| job.id).collect();
        if ids.is_empty() {
            return;
        }
        let verb = *self.dice.pick(&[Verb::Pause, Verb::Resume, Verb::Cancel, Verb::Retry, Verb::Retry]);
        let steered = self.engine.steer(*self.dice.pick(&ids), verb).await;
        self.world.note(|| format!("{verb:?}: {:?}", steered.map(|job| job.state).map_err(|error| error.to_string())));
    }

    /// A person on the CRM's own screens.
    fn touches(&self) {
        let some = self.some();
        let now = self.world.time.since_begin();
        let mut crm = self.world.crm();
        let Some(record) = some.first() else { return };
        match self.dice.below(4) {
            0 => crm.person_deletes(now, record),
            1 => {
                let lately: Vec<RecordRef> = crm.before.keys().cloned().collect();
                if !lately.is_empty() {
                    let record = self.dice.pick(&lately).clone();
                    crm.person_restores(now, &record);
                }
            }
            2 => crm.person_edits(now, record, &format!("edited at {}", now.as_millis())),
            _ => {
                let name = crm.cards.get(record).map(|card| card.name.clone()).unwrap_or_default();
                crm.person_makes(now, &name);
            }
        }
        drop(crm);
        self.world.note(|| format!("a person touches {record}"));
    }
}
