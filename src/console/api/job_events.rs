//! A job as it changes: server-sent events, until it has ended.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::jobs::{Row, find};
use crate::console::Console;
use crate::console::problem::{Body as ProblemBody, Problem};
use crate::domain::ids::JobId;
use crate::domain::job::Job;

/// So that proxies in between do not take a quiet stream for a dead one.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where a stream stands.
struct Watch {
    console: Console,
    news: broadcast::Receiver<JobId>,
    id: JobId,
    told: Option<Job>,
}

/// A job as it changes: one `job` event for its state now and for each change, until it has ended.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/events", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, content_type = "text/event-stream", body = Row), (status = 404, body = ProblemBody)))]
pub(in crate::console) async fn stream(
    State(console): State<Console>,
    Path(text): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    // Before the job is read: a change in between is then news, not lost.
    let news = console.engine.job_news();
    let id = find(&console, &text).await?.id;
    let watch = Watch { console, news, id, told: None };
    let events = futures::stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok(event), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl Watch {
    /// The job when it is not what was told last. `None`: it has ended, and that was told; or the process stops.
    async fn next(&mut self) -> Option<Event> {
        if self.told.as_ref().is_some_and(|job| job.state.is_final()) {
            return None;
        }
        loop {
            // An error of the archive ends the stream; whoever watches asks again and is told what is wrong.
            let job = self.console.engine.job(self.id).await.ok()?;
            if self.told.as_ref() != Some(&job) {
                self.told = Some(job.clone());
                return Event::default().event("job").json_data(Row::from(job)).ok();
            }
            self.change().await?;
        }
    }

    async fn change(&mut self) -> Option<()> {
        let stopped = self.console.engine.jobs_stopped().clone();
        loop {
            tokio::select! {
                () = stopped.cancelled() => return None,
                heard = self.news.recv() => match heard {
                    Ok(id) if id == self.id => return Some(()),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return Some(()),
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }
}
