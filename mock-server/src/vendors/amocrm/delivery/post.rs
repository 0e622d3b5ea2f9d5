//! Where the rest of the mock hands hooks in and asks what became of them.

use std::sync::{Mutex, MutexGuard};

use serde_json::Value;
use tokio::sync::Notify;

use super::form;
use super::queue::{Delivery, Outcome, Queue};
use crate::state::open;
use crate::world::World;
use crate::world::hooks::Hook;

#[derive(Debug)]
pub struct Post {
    queue: Mutex<Queue>,
    bell: Notify,
}

impl Post {
    pub fn new(seed: u64) -> Self {
        Self { queue: Mutex::new(Queue::new(seed)), bell: Notify::new() }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        open(&self.queue)
    }

    pub fn clear(&self, seed: u64) {
        *self.queue() = Queue::new(seed);
    }

    /// Takes over what subscribers are to be told about one request.
    pub fn collect(&self, world: &mut World) {
        if world.hooks.is_empty() {
            return;
        }
        let hooks: Vec<Hook> = world.hooks.drain(..).collect();
        let (now, apart) = (world.clock.now_millis(), world.switches.is("hooks_of_one_request", "apart"));
        let mut queue = self.queue();
        for (id, webhook) in world.webhooks.iter().filter(|(_, webhook)| !webhook.disabled) {
            let wanted: Vec<&Hook> = hooks.iter().filter(|hook| webhook.settings.contains(&hook.setting)).collect();
            let together = if apart { 1 } else { wanted.len().max(1) };
            for items in wanted.chunks(together) {
                queue.add(now, id, &webhook.destination, &form::body(items.iter().copied()));
            }
        }
        drop(queue);
        self.wake();
    }

    /// Lets the deliverer look again: something may be due now.
    pub fn wake(&self) {
        self.bell.notify_one();
    }

    pub async fn woken(&self) {
        self.bell.notified().await;
    }

    pub fn due(&self, now: i64) -> (Vec<Vec<Delivery>>, Option<i64>) {
        self.queue().take(now)
    }

    pub fn done(&self, now: i64, delivery: Delivery, outcome: Outcome) -> bool {
        self.queue().done(now, delivery, outcome)
    }

    pub fn free(&self, destination: &str) {
        self.queue().free(destination);
        self.wake();
    }

    pub fn shown(&self) -> Value {
        self.queue().shown()
    }

    /// The body of `POST /_mock/webhooks`; what is left out stays.
    pub fn set(&self, body: &Value) -> Result<(), String> {
        let mut manner = self.queue().manner.clone();
        let share = |key: &str, otherwise: f64| match body.get(key) {
            None | Some(Value::Null) => Ok(otherwise),
            Some(Value::Bool(yes)) => Ok(f64::from(u8::from(*yes))),
            Some(value) => value
                .as_f64()
                .filter(|share| (0.0..=1.0).contains(share))
                .ok_or_else(|| format!("{key} is a share from 0 to 1, or true or false")),
        };
        manner.drop = share("drop", manner.drop)?;
        manner.double = share("double", manner.double)?;
        if let Some(value) = body.get("delay_ms") {
            let delay = value.as_i64().filter(|delay| (0..=3_600_000).contains(delay));
            manner.delay_ms = delay.ok_or("delay_ms is a number of milliseconds, an hour at most")?;
        }
        if let Some(value) = body.get("shuffle") {
            manner.shuffle = value.as_bool().ok_or("shuffle is true or false")?;
        }
        if let Some(value) = body.get("retry_scale") {
            let scale = value.as_f64().filter(|scale| (0.0..=1.0).contains(scale));
            manner.retry_scale = scale.ok_or("retry_scale is from 0 to 1")?;
        }
        self.queue().manner = manner;
        Ok(())
    }
}
