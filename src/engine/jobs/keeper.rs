//! Runs what waits, from the start of the process to its end.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::progress::Progress;
use super::run::{Makers, Run};
use crate::archive::ArchiveError;
use crate::domain::event::{Event, Stream};
use crate::domain::ids::JobId;
use crate::domain::job::JobState;
use crate::engine::{Connection, Engine, EngineError};

/// Before a job whose history could not be written or read is looked at again.
const BREATH: Duration = Duration::from_secs(2);

impl Engine {
    /// Runs the jobs of every connection, those that an earlier process left first, until `shutdown`; then the batches
    /// under way are finished and written down, and their jobs wait in line for the next start.
    pub async fn keep_jobs_running(&self, shutdown: CancellationToken) {
        while let Err(error) = self.find_unfinished().await {
            tracing::error!(%error, "unfinished jobs could not be listed; it is tried again");
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(BREATH) => {}
            }
        }
        let connections = TaskTracker::new();
        for connection in self.connections().values().cloned() {
            let (engine, shutdown) = (self.clone(), shutdown.clone());
            connections.spawn(async move { engine.run_connection(connection, shutdown).await });
        }
        connections.close();
        connections.wait().await;
        self.jobs.stopping().cancel();
    }

    async fn run_connection(&self, connection: Connection, shutdown: CancellationToken) {
        while let Some(id) = self.jobs.next(&connection.name, &shutdown).await {
            let (engine, of, stop) = (self.clone(), connection.clone(), shutdown.clone());
            // A task of its own: a bug in one job must not end the line behind it.
            let result = match tokio::spawn(async move { engine.run_job(&of, id, &stop).await }).await {
                Ok(Err(error)) if is_hopeless(&error) => {
                    tracing::error!(job = %id, %error, "a job cannot go on");
                    self.give_up(id).await
                }
                Ok(result) => result,
                Err(_) => self.give_up(id).await,
            };
            if let Err(error) = result {
                tracing::error!(job = %id, %error, "a job stopped; it is tried again");
                self.jobs.add(&connection.name, id);
                self.jobs.pause(BREATH, id, &shutdown).await;
            }
        }
    }

    async fn run_job(
        &self,
        connection: &Connection,
        id: JobId,
        shutdown: &CancellationToken,
    ) -> Result<(), EngineError> {
        let _running = self.jobs.starts(id);
        let Some(job) = self.store.job(id).await? else { return Ok(()) };
        let plan = self.plan(job.plan).await?;
        let progress = Progress::read(self.store.as_ref(), id).await?;
        if !matches!(progress.state, JobState::Queued | JobState::Running) {
            return Ok(());
        }
        let makers = Makers::of(&plan);
        Run { engine: self, connection, id, plan: &plan, makers, progress, shutdown }.go().await
    }

    /// After a panic, or when the ledger will never take what the job has to say: nobody knows what was written, so a
    /// person has to look. Entries that wait for this job are let go.
    async fn give_up(&self, id: JobId) -> Result<(), EngineError> {
        let Some(job) = self.store.job(id).await? else { return Ok(()) };
        let progress = Progress::read(self.store.as_ref(), id).await?;
        if !matches!(progress.state, JobState::Queued | JobState::Running) {
            return Ok(());
        }
        let mut events = Vec::new();
        if progress.state == JobState::Queued {
            events.push(Event::JobMoved { to: JobState::Running, reason: None });
        }
        events.push(Event::JobMoved { to: JobState::NeedsReview, reason: Some("internal".to_owned()) });
        let items = self.plan(job.plan).await.map(|plan| progress.let_go(&plan)).unwrap_or_default();
        let with_items = [vec![Event::Applied { items }], events.clone()].concat();
        let stream = Stream::job(id);
        match self.store.append(&stream, progress.version, with_items).await {
            // What keeps the job from going on may keep its items out as well.
            Err(ArchiveError::Invalid(_)) => self.store.append(&stream, progress.version, events).await?,
            result => result?,
        };
        self.jobs.tell(id);
        Ok(())
    }

    async fn find_unfinished(&self) -> Result<(), EngineError> {
        let mut found = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.store.jobs(200, cursor.as_deref()).await?;
            found.extend(page.rows.into_iter().filter(|job| matches!(job.state, JobState::Queued | JobState::Running)));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        // Newest first in the list, oldest first in the line. One that ran goes on before one that has only waited.
        found.reverse();
        found.sort_by_key(|job| job.state == JobState::Queued);
        for job in found {
            self.jobs.add(&job.connection, job.id);
        }
        Ok(())
    }
}

/// Whether trying again comes to the same end.
fn is_hopeless(error: &EngineError) -> bool {
    use ArchiveError::{Damaged, Invalid, NotFound};
    matches!(error, EngineError::NotFound { .. } | EngineError::Archive(Invalid(_) | Damaged { .. } | NotFound(_)))
}
