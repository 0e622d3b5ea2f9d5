//! Reading the whole archive.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::console::Console;
use crate::console::problem::Problem;

/// What was read, and what of it is damaged.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Check {
    segments: u64,
    frames: u64,
    snapshots: u64,
    /// Where, and what it was if that can be known. Empty: everything is whole.
    damage: Vec<String>,
}

/// Reads the whole archive. Takes as long as the disk does; changes nothing.
#[utoipa::path(post, path = "/api/v1/check", tag = "archive", responses((status = 200, body = Check)))]
pub(in crate::console) async fn run(State(console): State<Console>) -> Result<Json<Check>, Problem> {
    let report = console.engine.check().await?;
    Ok(Json(Check {
        segments: report.segments,
        frames: report.frames,
        snapshots: report.snapshots,
        damage: report.damage,
    }))
}
