//! Backups, to the place that the configuration names and nowhere else.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::console::Console;
use crate::console::problem::Problem;

/// A backup that was made.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Backup {
    /// Name of its manifest.
    manifest: String,
    segments: u64,
    /// Segments that were copied; the others were there from earlier backups.
    copied: u64,
    bytes: u64,
    /// Erasures that a restore of any backup applies again.
    erasures: u64,
}

/// Makes a backup of the archive while it is in use. The archive's key is not in it.
#[utoipa::path(post, path = "/api/v1/backups", tag = "archive", responses((status = 201, body = Backup)))]
pub(in crate::console) async fn create(State(console): State<Console>) -> Result<(StatusCode, Json<Backup>), Problem> {
    let Some(backup) = &console.settings.backup else {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "no_backup_place",
            "the configuration names no place for backups",
        )
        .hint("set backup.to in the configuration and start crm-undo again"));
    };
    let made = backup().await?;
    let answer = Backup {
        manifest: made.manifest,
        segments: made.segments,
        copied: made.copied,
        bytes: made.bytes,
        erasures: made.erasures,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}
