//! What callers, the writer and the watch share: the queue, the poison, what is in flight.

use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Place;
use super::dictionary::{Samples, lock};
use super::disk::{Disk, DiskFile};
use super::pack::{Packed, Packer};
use super::room::Room;
use super::segments::Segments;
use crate::archive::ArchiveError;

/// A unit on its way, and who waits for it.
pub struct Job {
    pub frames: Vec<Packed>,
    pub answer: Answer,
}

pub type Answer = oneshot::Sender<Result<Written, ArchiveError>>;

/// A unit that is durable.
pub struct Written {
    pub file: Arc<dyn DiskFile>,
    pub places: Vec<Place>,
}

/// What the read-back of a frame has to give: hash of the plain body; and its length on disk.
pub type Wanted = (blake3::Hash, usize);

#[derive(Default)]
pub struct Queue {
    pub jobs: Vec<Job>,
    pub stop: bool,
}

pub struct Shared {
    pub disk: Arc<dyn Disk>,
    pub packer: Packer,
    pub room: Room,
    pub queue: Mutex<Queue>,
    /// Rung when a job or the end has come.
    pub work: Condvar,
    pub segments: RwLock<Segments>,
    /// Where the durable frames end.
    pub end: Mutex<Place>,
    pub samples: Mutex<Option<Samples>>,
    fence_timeout: Duration,
    poison: OnceLock<String>,
    /// Since when the writer is at work, and for whom.
    flight: Mutex<Option<(Instant, Vec<Answer>)>>,
}

impl Shared {
    pub fn new(
        disk: Arc<dyn Disk>,
        packer: Packer,
        room: Room,
        segments: Segments,
        end: Place,
        samples: Option<Samples>,
        fence_timeout: Duration,
    ) -> Self {
        Self {
            disk,
            packer,
            room,
            queue: Mutex::default(),
            work: Condvar::new(),
            segments: RwLock::new(segments),
            end: Mutex::new(end),
            samples: Mutex::new(samples),
            fence_timeout,
            poison: OnceLock::new(),
            flight: Mutex::new(None),
        }
    }

    /// Hands a unit to the writer.
    pub fn push(&self, frames: Vec<Packed>) -> Result<oneshot::Receiver<Result<Written, ArchiveError>>, ArchiveError> {
        let (answer, waiting) = oneshot::channel();
        let mut queue = lock(&self.queue);
        self.usable()?;
        if queue.stop {
            return Err(ArchiveError::Unusable("it is being closed".to_owned()));
        }
        queue.jobs.push(Job { frames, answer });
        drop(queue);
        self.work.notify_one();
        Ok(waiting)
    }

    /// Fails once the journal is poisoned.
    pub fn usable(&self) -> Result<(), ArchiveError> {
        match self.poison.get() {
            Some(why) => Err(ArchiveError::Unusable(why.clone())),
            None => Ok(()),
        }
    }

    /// From now on nothing is written. Whoever waits is told so.
    pub fn poison(&self, why: String) {
        let mut queue = lock(&self.queue);
        let _ = self.poison.set(why);
        let waiting = std::mem::take(&mut queue.jobs);
        drop(queue);
        // An answer that is dropped is read as "poisoned".
        drop(waiting);
        drop(lock(&self.flight).take());
    }

    /// Why an answer was dropped.
    pub fn gone(&self) -> ArchiveError {
        self.usable()
            .err()
            .unwrap_or_else(|| ArchiveError::Unusable("it was closed before this was written".to_owned()))
    }

    /// The writer begins work for these.
    pub fn take_off(&self, answers: Vec<Answer>) {
        *lock(&self.flight) = Some((Instant::now(), answers));
    }

    /// The writer is alive, only slow: a segment is being made, which is not a fence.
    pub fn beat(&self) {
        if let Some((since, _)) = lock(&self.flight).as_mut() {
            *since = Instant::now();
        }
    }

    /// The first `units` are done; who waited for them, unless they have been told otherwise already. The others have
    /// the time of a fence from now on.
    pub fn land(&self, units: usize) -> Vec<Answer> {
        let mut flight = lock(&self.flight);
        let Some((since, answers)) = flight.as_mut() else { return Vec::new() };
        let landed = answers.drain(..units.min(answers.len())).collect();
        *since = Instant::now();
        if answers.is_empty() {
            *flight = None;
        }
        landed
    }

    /// Poisons the journal when a fence takes too long. Runs on a thread of its own, by the machine's clock, so that it
    /// also works when the runtime of the callers stands still.
    pub fn watch(&self, stopped: &(Mutex<bool>, Condvar)) {
        let pause = (self.fence_timeout / 8).clamp(Duration::from_millis(5), Duration::from_millis(250));
        let mut stop = lock(&stopped.0);
        while !*stop {
            stop = stopped.1.wait_timeout(stop, pause).unwrap_or_else(PoisonError::into_inner).0;
            let late = lock(&self.flight).as_ref().is_some_and(|(since, _)| since.elapsed() > self.fence_timeout);
            if late {
                let limit = self.fence_timeout.as_secs_f32();
                self.poison(format!("the disk has not confirmed a write within {limit} s; restart on a healthy disk"));
            }
        }
    }
}
