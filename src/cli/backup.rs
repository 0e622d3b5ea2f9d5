//! `crm-undo backup` and `crm-undo repair`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::client::{Client, Outcome, Trouble};
use super::text::{cell, count, plain};
use super::{Exit, print_json};
use crate::app::{Failure, backup};

#[derive(Debug, Subcommand)]
pub(super) enum Backup {
    /// Make one, of the running crm-undo, in the place that its configuration names (backup.to).
    Create,
    /// Restore one aside, open every frame of it with the key, and remove it again. Needs as much room as the archive.
    Verify {
        #[command(flatten)]
        which: Which,
        /// An empty directory for the purpose.
        #[arg(long, value_name = "DIR", default_value = "backup-drill")]
        scratch: PathBuf,
    },
    /// Bring an archive back into an empty data_dir, while `serve` is stopped. The key has to be in its place.
    Restore {
        #[command(flatten)]
        which: Which,
        /// Go on though the list of erasures is lost: records that were erased since may come back.
        #[arg(long)]
        accept_lost_erasures: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Configuration file, as for `serve`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where backups are, a folder or s3://bucket/prefix; without it, backup.to.
    #[arg(long, value_name = "PLACE")]
    from: Option<PathBuf>,
    /// Which one; without it, the newest.
    #[arg(long, value_name = "NAME")]
    manifest: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Repair {
    /// Configuration file, as for `serve`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Backups to take damaged segments from: a folder or s3://bucket/prefix.
    #[arg(long, value_name = "PLACE")]
    from: Option<PathBuf>,
}

impl Backup {
    pub(super) fn is_offline(&self) -> bool {
        !matches!(self, Self::Create)
    }
}

pub(super) async fn create(client: &Client, json: bool) -> Outcome {
    let made = client.post("/api/v1/backups", None).await?;
    if json {
        print_json(&made);
    } else {
        println!(
            "{}: {} segments, {} copied now ({} bytes), {} erasures on the list",
            cell(&made, "manifest"),
            cell(&made, "segments"),
            cell(&made, "copied"),
            cell(&made, "bytes"),
            cell(&made, "erasures"),
        );
    }
    eprintln!("warning: the archive's key is NOT in the backup; without a copy of it kept elsewhere it opens nothing");
    Ok(Exit::Ok)
}

pub(super) async fn offline(backup: &Backup) -> Outcome {
    match backup {
        Backup::Create => Ok(Exit::Usage),
        Backup::Verify { which, scratch } => {
            let Which { config, from, manifest } = which;
            let verified = backup::verify(config.as_deref(), from.as_deref(), manifest.as_deref(), scratch).await;
            let (restored, report) = verified.map_err(trouble)?;
            for line in &report.damage {
                println!("damaged: {}", plain(line));
            }
            let (frames, snapshots) = (report.frames, report.snapshots);
            println!(
                "{}: restored and opened {frames} frames, {snapshots} snapshots, {} erasures applied: {}",
                restored.manifest,
                restored.erasures,
                if report.damage.is_empty() {
                    "all whole".to_owned()
                } else {
                    count(report.damage.len() as u64, "fault")
                },
            );
            Ok(if report.damage.is_empty() { Exit::Ok } else { Exit::Failed })
        }
        Backup::Restore { which, accept_lost_erasures } => {
            let Which { config, from, manifest } = which;
            let restored =
                backup::restore(config.as_deref(), from.as_deref(), manifest.as_deref(), *accept_lost_erasures)
                    .map_err(trouble)?;
            println!(
                "{}: {} segments are back, {} erasures applied again",
                restored.manifest, restored.segments, restored.erasures
            );
            eprintln!("hint: start `crm-undo serve`; it rebuilds the index and settles what was under way first");
            eprintln!("hint: tokens of connections may have been renewed since: check with `crm-undo doctor`");
            Ok(Exit::Ok)
        }
    }
}

pub(super) fn repair(repair: &Repair) -> Outcome {
    let replaced = backup::repair(repair.config.as_deref(), repair.from.as_deref()).map_err(trouble)?;
    for name in &replaced {
        println!("{name}: taken from the backup; what was there lies beside it as {name}.damaged");
    }
    println!("the index is rebuilt at the next start");
    if repair.from.is_none() {
        eprintln!("hint: `crm-undo check` names damaged segments; --from takes them from a backup");
    }
    Ok(Exit::Ok)
}

fn trouble(failure: Failure) -> Trouble {
    let trouble = Trouble::new(if failure.usage { Exit::Usage } else { Exit::Failed }, failure.message);
    match failure.hint {
        Some(hint) => trouble.hint(hint),
        None => trouble,
    }
}
