//! The head of the audit chain goes out: to a file on another disk, to an address, and into the log. What cannot be sent
//! is told and tried again; nothing waits for it.

use std::collections::VecDeque;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Failure, archive_options};
use crate::archive::audit::{Anchor, Anchors, AuditReport};
use crate::archive::durable::{self, Durable};
use crate::archive::{Bin as _, Store as _};
use crate::config::{self, Config};

/// A head goes out after this long, or after so many events.
const EVERY: Duration = Duration::from_mins(1);
const EVENTS: u64 = 1_000;
const LOOK: Duration = Duration::from_secs(1);
/// Heads that wait for the address; later ones cover what an earlier one that was dropped did.
const WAITING: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(10);

/// Where heads go.
pub(super) struct Outside {
    file: PathBuf,
    url: String,
}

impl Outside {
    pub(super) fn of(config: &Config) -> Self {
        let Config { audit, data_dir, .. } = config;
        let own = || data_dir.join("audit.anchors");
        let file = if audit.anchor_file.is_empty() { own() } else { PathBuf::from(&audit.anchor_file) };
        Self { file, url: audit.anchor_url.clone() }
    }

    /// Until the shutdown; the last head goes out then.
    pub(super) async fn keep(self, store: Arc<Durable>, shutdown: CancellationToken) {
        let post = (!self.url.is_empty()).then(|| self.post(shutdown.clone()));
        let sender = post.map(|(sender, task)| (sender, tokio::spawn(task)));
        let file = self.file.clone();
        let mut last = tokio::task::spawn_blocking(move || newest(&file)).await.ok().flatten();
        let mut taken = tokio::time::Instant::now();
        let mut over = false;
        while !over {
            tokio::select! {
                () = shutdown.cancelled() => over = true,
                () = tokio::time::sleep(LOOK) => {}
            }
            let events = store.stats().await.map_or(0, |stats| stats.last_seq);
            let fresh = events.saturating_sub(last.as_ref().map_or(0, |last| last.ledger));
            if !over && fresh < EVENTS && taken.elapsed() < EVERY {
                continue;
            }
            taken = tokio::time::Instant::now();
            let anchor = match store.anchor(last.clone()).await {
                Ok(anchor) => anchor,
                Err(error) => {
                    failed("taken", &error.to_string());
                    continue;
                }
            };
            if last.as_ref().is_some_and(|last| last.count == anchor.count) {
                continue;
            }
            tracing::info!(frame = anchor.frame, ledger = anchor.ledger, head = %anchor.head, "audit anchor");
            let (file, line) = (self.file.clone(), anchor.line());
            match tokio::task::spawn_blocking(move || append(&file, &line)).await {
                Ok(Ok(())) => {
                    #[allow(clippy::cast_precision_loss)]
                    metrics::gauge!("crm_undo_audit_anchored_position").set(anchor.ledger as f64);
                }
                Ok(Err(error)) => {
                    failed("written", &error.to_string());
                    // Its links go out with the next one.
                    continue;
                }
                Err(_) => continue,
            }
            if let Some((sender, _)) = &sender {
                let _ = sender.send(anchor.clone());
            }
            last = Some(anchor);
        }
        if let Some((sender, task)) = sender {
            drop(sender);
            let _ = tokio::time::timeout(PATIENCE, task).await;
        }
    }

    fn post(
        &self,
        shutdown: CancellationToken,
    ) -> (tokio::sync::mpsc::UnboundedSender<Anchor>, impl Future<Output = ()> + use<>) {
        let (sender, mut heads) = tokio::sync::mpsc::unbounded_channel::<Anchor>();
        let url = self.url.clone();
        let task = async move {
            let policy = reqwest::redirect::Policy::none();
            let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).redirect(policy).build();
            let Ok(client) = client else { return failed("sent", "no HTTP client could be made") };
            let mut waiting = VecDeque::new();
            let mut pause = LOOK;
            loop {
                if waiting.is_empty() {
                    let Some(head) = heads.recv().await else { return };
                    waiting.push_back(head);
                }
                while let Ok(head) = heads.try_recv() {
                    waiting.push_back(head);
                }
                waiting.drain(..waiting.len().saturating_sub(WAITING));
                let Some(head) = waiting.front() else { continue };
                let answer = client.post(&url).json(head).send().await;
                let why = match answer {
                    Ok(answer) if answer.status().is_success() => {
                        waiting.pop_front();
                        pause = LOOK;
                        continue;
                    }
                    Ok(answer) => format!("answered {}", answer.status()),
                    Err(error) => error.without_url().to_string(),
                };
                failed("sent", &why);
                if shutdown.is_cancelled() {
                    return;
                }
                // The shutdown ends the pause: what waits is tried once more.
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(EVERY);
            }
        };
        (sender, task)
    }
}

fn failed(what: &str, why: &str) {
    tracing::warn!(why, "an audit anchor could not be {what}; it is tried again");
    metrics::counter!("crm_undo_audit_anchor_failures_total").increment(1);
}

/// At the end of the file, synced. A line that a crash cut off is ended first.
fn append(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).read(true).append(true).open(path)?;
    let mut cut = false;
    if file.metadata()?.len() > 0 {
        let mut byte = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut byte)?;
        cut = byte != *b"\n";
    }
    file.write_all(format!("{}{line}", if cut { "\n" } else { "" }).as_bytes())?;
    file.sync_all()
}

/// The last head in the file, to go on from.
fn newest(path: &Path) -> Option<Anchor> {
    Anchors::read(&std::fs::read_to_string(path).ok()?).all.pop()
}

/// Compares the archive of a configuration, which no process uses, with these heads.
pub async fn verify_offline(file: Option<&Path>, anchors: &str) -> Result<AuditReport, Failure> {
    let config = config::read(file).map_err(Failure::usage)?;
    let options = archive_options(&config);
    if !options.dir.join("journal").exists() {
        return Err(Failure::usage(format!("{} holds no archive", options.dir.display())).hint("--config names one"));
    }
    let store =
        durable::open(options).map_err(|error| Failure::new(error).hint("while `serve` runs, leave --offline away"))?;
    let damage = store.recovery().damage.clone();
    let mut report = store.verify(Anchors::read(anchors)).await.map_err(Failure::new)?;
    for what in damage.into_iter().rev() {
        if !report.findings.contains(&what) {
            report.findings.insert(0, what);
        }
    }
    Ok(report)
}
