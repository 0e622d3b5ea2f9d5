//! Which delivery is due when, how badly it goes, and what became of it. Times are the account's, in milliseconds.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use serde_json::{Value, json};

use crate::dice::Dice;

/// Waits before attempts 2 to 5, in seconds.
const WAITS: [i64; 4] = [5 * 60, 15 * 60, 15 * 60, 60 * 60];
/// More invalid answers than this within the time, the latest one too, disable a webhook.
const BAD_ANSWERS: usize = 100;
const BAD_WITHIN: i64 = 2 * 3_600_000;
/// How far `shuffle` moves a delivery at most.
const SHUFFLE: i64 = 500;
/// How much of what became of deliveries is kept.
const LOG: usize = 2000;

/// How badly hooks are delivered; `POST /_mock/webhooks`.
#[derive(Clone, Debug)]
pub struct Manner {
    /// The share that is lost, and that comes twice.
    pub drop: f64,
    pub double: f64,
    pub delay_ms: i64,
    pub shuffle: bool,
    /// What the waits between attempts are multiplied with.
    pub retry_scale: f64,
}

impl Default for Manner {
    fn default() -> Self {
        Self { drop: 0.0, double: 0.0, delay_ms: 0, shuffle: false, retry_scale: 1.0 }
    }
}

#[derive(Clone, Debug)]
pub struct Delivery {
    pub seq: u64,
    pub webhook: u64,
    pub destination: String,
    pub body: String,
    /// From 1.
    pub attempt: usize,
    pub due: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The status, `None` for no answer in time.
    Answered(Option<u16>),
    Dropped,
    /// The webhook was deleted or disabled meanwhile.
    Unwanted,
    NotLoopback,
}

#[derive(Debug)]
pub struct Queue {
    pub manner: Manner,
    pending: Vec<Delivery>,
    /// Destinations that are being delivered to.
    busy: HashSet<String>,
    bad: HashMap<u64, VecDeque<i64>>,
    log: VecDeque<Value>,
    dice: Dice,
    last: u64,
}

impl Queue {
    pub fn new(seed: u64) -> Self {
        Self {
            manner: Manner::default(),
            pending: Vec::new(),
            busy: HashSet::new(),
            bad: HashMap::new(),
            log: VecDeque::new(),
            dice: Dice::from_seed(seed),
            last: 0,
        }
    }

    /// Takes one delivery in, or loses or doubles it.
    pub fn add(&mut self, now: i64, webhook: u64, destination: &str, body: &str) {
        let copies = 1 + usize::from(self.dice.happens(self.manner.double));
        let lost = self.dice.happens(self.manner.drop);
        for _ in 0..copies {
            self.last += 1;
            let moved = if self.manner.shuffle { self.dice.between(0, SHUFFLE) } else { 0 };
            let (destination, body) = (destination.to_owned(), body.to_owned());
            let due = now + self.manner.delay_ms + moved;
            let delivery = Delivery { seq: self.last, webhook, destination, body, attempt: 1, due };
            if lost {
                self.note(&delivery, Outcome::Dropped);
            } else {
                self.pending.push(delivery);
            }
        }
    }

    /// What is due now, by destination in order, leaving out those that are busy; and when the next is due.
    pub fn take(&mut self, now: i64) -> (Vec<Vec<Delivery>>, Option<i64>) {
        let mut rounds: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
        let mut left = Vec::new();
        self.pending.sort_by_key(|delivery| (delivery.due, delivery.seq));
        for delivery in self.pending.drain(..) {
            if delivery.due <= now && !self.busy.contains(&delivery.destination) {
                rounds.entry(delivery.destination.clone()).or_default().push(delivery);
            } else {
                left.push(delivery);
            }
        }
        self.pending = left;
        self.busy.extend(rounds.keys().cloned());
        // Those of busy destinations are woken for when they are free.
        let next = self.pending.iter().find(|delivery| !self.busy.contains(&delivery.destination));
        (rounds.into_values().collect(), next.map(|delivery| delivery.due))
    }

    pub fn free(&mut self, destination: &str) {
        self.busy.remove(destination);
    }

    /// Notes what became of an attempt and plans the next; says whether the webhook is to be disabled.
    pub fn done(&mut self, now: i64, mut delivery: Delivery, outcome: Outcome) -> bool {
        self.note(&delivery, outcome);
        let Outcome::Answered(status) = outcome else { return false };
        if matches!(status, Some(100..=299)) {
            return false;
        }
        if let Some(wait) = wait_after(delivery.attempt, status) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "an hour at most")]
            let wait = (wait as f64 * 1000.0 * self.manner.retry_scale) as i64;
            delivery.attempt += 1;
            delivery.due = now + wait;
            let webhook = delivery.webhook;
            self.pending.push(delivery);
            return self.is_bad(webhook, now);
        }
        self.is_bad(delivery.webhook, now)
    }

    /// Counts one more invalid answer.
    fn is_bad(&mut self, webhook: u64, now: i64) -> bool {
        let bad = self.bad.entry(webhook).or_default();
        bad.push_back(now);
        bad.retain(|at| now - at <= BAD_WITHIN);
        let disable = bad.len() > BAD_ANSWERS;
        if disable {
            // Enabled again by hand, it starts anew.
            bad.clear();
        }
        disable
    }

    fn note(&mut self, delivery: &Delivery, outcome: Outcome) {
        let (word, status) = match outcome {
            Outcome::Answered(Some(status @ 100..=299)) => ("delivered", Some(status)),
            Outcome::Answered(status) => ("failed", status),
            Outcome::Dropped => ("dropped", None),
            Outcome::Unwanted => ("unwanted", None),
            Outcome::NotLoopback => ("not_loopback", None),
        };
        if self.log.len() >= LOG {
            self.log.pop_front();
        }
        self.log.push_back(json!({
            "seq": delivery.seq,
            "webhook": delivery.webhook,
            "destination": delivery.destination,
            "attempt": delivery.attempt,
            "outcome": word,
            "status": status,
            "body": delivery.body,
        }));
    }

    pub fn shown(&self) -> Value {
        let Manner { drop, double, delay_ms, shuffle, retry_scale } = self.manner;
        let manner = json!({"drop": drop, "double": double, "delay_ms": delay_ms, "shuffle": shuffle,
            "retry_scale": retry_scale});
        json!({"manner": manner, "pending": self.pending.len(), "deliveries": self.log})
    }
}

/// How long to wait after a failed attempt, in seconds; `None`: it was the last. The fourth and fifth are only for
/// servers that broke.
fn wait_after(attempt: usize, status: Option<u16>) -> Option<i64> {
    let broke = matches!(status, Some(499 | 500..));
    WAITS.get(attempt - 1).copied().filter(|_| attempt <= 2 || broke)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_attempts_for_servers_that_broke_three_for_others() {
        let waits = |status| (1..6).map_while(|attempt| wait_after(attempt, status)).collect::<Vec<i64>>();
        assert_eq!(waits(Some(503)), [300, 900, 900, 3600]);
        assert_eq!(waits(Some(499)), [300, 900, 900, 3600]);
        assert_eq!(waits(Some(404)), [300, 900]);
        assert_eq!(waits(None), [300, 900]);
    }

    #[test]
    fn a_hundred_and_one_bad_answers_in_two_hours_disable() {
        let mut queue = Queue::new(1);
        let mut answer = |at: i64| {
            queue.add(at, 1, "http://127.0.0.1/", "");
            let delivery = queue.pending.pop().expect("just added");
            queue.done(at, delivery, Outcome::Answered(Some(302)))
        };
        assert!(!answer(0));
        let later = 2 * 3_600_000 + 1;
        for _ in 0..100 {
            assert!(!answer(later));
        }
        assert!(answer(later));
    }
}
