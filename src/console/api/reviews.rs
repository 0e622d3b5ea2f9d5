//! What nobody but a person can decide: shown with the evidence side by side, resolved with a reason.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entries::DifferenceView;
use super::{id, stamp, word};
use crate::console::auth::Caller;
use crate::console::problem::{Body as ProblemBody, Problem};
use crate::console::{Console, body};
use crate::domain::record::RecordRef;
use crate::domain::review::{ReviewId, Verdict};
use crate::engine::review::{Evidence, Finding, Now, Open, Seen};

/// Everything that waits for a person.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Reviews {
    reviews: Vec<Row>,
    /// Always null: what waits for a person is never so much that it needs pages.
    next: Option<String>,
}

/// Something that waits for a person.
#[derive(Serialize, ToSchema)]
#[schema(as = Review)]
pub(in crate::console) struct Row {
    id: String,
    /// `delete` or `restore`.
    kind: &'static str,
    connection: String,
    #[schema(format = DateTime)]
    since: String,
    /// The records whose fate is open.
    records: Vec<String>,
    /// A stable word.
    reason: String,
    /// What it can be resolved as.
    choices: Vec<String>,
}

/// One review with its evidence, read from the CRM just now.
#[derive(Serialize, ToSchema)]
#[schema(as = ReviewDetail)]
pub(in crate::console) struct Detail {
    #[serde(flatten)]
    row: Row,
    /// What was asked for: name of the route of a delete, `recreate`, `undelete`, … of a step.
    meant: String,
    /// Who asked.
    by: String,
    /// HTTP status of the CRM's answer, where there was one.
    answer: Option<u16>,
    evidence: Vec<Side>,
    /// Give it back when you resolve this.
    digest: String,
}

/// An archived record beside what the CRM shows.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Side {
    record: String,
    entry: String,
    /// What the archive calls it. `/api/v1/entries/{entry}` has the whole of it.
    title: String,
    /// `there`, `gone` or `unseen`.
    now: &'static str,
    /// The record that is there: the old one, or what is probably the copy.
    found: Option<String>,
    /// Why it could not be seen.
    unseen: Option<String>,
    differences: Vec<DifferenceView>,
    /// Of a step: records made since that may be what it made. A person tells which, if any.
    candidates: Vec<String>,
}

/// What a person has found.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Resolution {
    /// `deleted` or `kept` for a delete, `restored` or `not_created` for a step of a restore.
    #[serde(rename = "as")]
    #[schema(value_type = String)]
    verdict: Verdict,
    /// Records of a delete of which the opposite is true.
    #[serde(default)]
    except: Vec<String>,
    /// The record that was made.
    #[serde(default)]
    restored_as: Option<String>,
    /// Why, in your own words; it is kept with your name.
    reason: String,
    /// Of the evidence as it was shown.
    digest: String,
}

impl From<&Open> for Row {
    fn from(open: &Open) -> Self {
        let kind = match open.id {
            ReviewId::Operation(_) => "delete",
            ReviewId::Step(..) => "restore",
        };
        Self {
            id: open.id.to_string(),
            kind,
            connection: open.connection.clone(),
            since: stamp(open.since),
            records: open.records.iter().map(ToString::to_string).collect(),
            reason: open.why.clone(),
            choices: open.id.choices().iter().map(word).collect(),
        }
    }
}

impl From<Seen> for Side {
    fn from(seen: Seen) -> Self {
        let (now, found, unseen, differences) = match seen.now {
            Now::Gone => ("gone", None, None, Vec::new()),
            Now::Unseen(why) => ("unseen", None, Some(why), Vec::new()),
            Now::There(record, differences) => ("there", Some(record.to_string()), None, differences),
        };
        Self {
            record: seen.record.to_string(),
            entry: seen.entry.to_string(),
            title: seen.title,
            now,
            found,
            unseen,
            differences: differences.into_iter().map(DifferenceView::from).collect(),
            candidates: seen.candidates.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<Evidence> for Detail {
    fn from(evidence: Evidence) -> Self {
        Self {
            row: Row::from(&evidence.open),
            meant: evidence.meant.what,
            by: evidence.meant.by,
            answer: evidence.answer,
            evidence: evidence.records.into_iter().map(Side::from).collect(),
            digest: evidence.digest,
        }
    }
}

/// Everything that waits for a person.
#[utoipa::path(get, path = "/api/v1/reviews", tag = "reviews", responses((status = 200, body = Reviews)))]
pub(in crate::console) async fn list(State(console): State<Console>) -> Result<Json<Reviews>, Problem> {
    let open = console.engine.reviews().await?;
    Ok(Json(Reviews { reviews: open.iter().map(Row::from).collect(), next: None }))
}

/// One review with its evidence. Costs requests to the CRM.
#[utoipa::path(get, path = "/api/v1/reviews/{id}", tag = "reviews", params(("id" = String, Path)),
    responses((status = 200, body = Detail), (status = 404, body = ProblemBody)))]
pub(in crate::console) async fn one(
    State(console): State<Console>,
    Path(text): Path<String>,
) -> Result<Json<Detail>, Problem> {
    let evidence = console.engine.evidence(id::<ReviewId>("review", &text)?).await?;
    Ok(Json(Detail::from(evidence)))
}

/// Settles a review as a person has found it.
#[utoipa::path(post, path = "/api/v1/reviews/{id}/resolve", tag = "reviews", request_body = Resolution,
    params(("id" = String, Path)),
    responses((status = 204, description = "Settled"), (status = 400, body = ProblemBody),
        (status = 404, body = ProblemBody),
        (status = 409, description = "`review_changed`: look at the evidence again", body = ProblemBody)))]
pub(in crate::console) async fn resolve(
    State(console): State<Console>,
    Caller(caller): Caller,
    Path(text): Path<String>,
    body::Json(new): body::Json<Resolution>,
) -> Result<StatusCode, Problem> {
    let review = id::<ReviewId>("review", &text)?;
    let record = |field: &str, text: &str| {
        let read = text.parse::<RecordRef>();
        read.map_err(|_| Problem::bad_value(field, "is no record; write it like contacts/2001"))
    };
    let finding = Finding {
        verdict: new.verdict,
        except: new.except.iter().map(|text| record("except", text)).collect::<Result<_, _>>()?,
        restored_as: new.restored_as.as_deref().map(|text| record("restored_as", text)).transpose()?,
        reason: new.reason,
        digest: new.digest,
    };
    console.engine.resolve(review, &finding, &caller.person).await?;
    Ok(StatusCode::NO_CONTENT)
}
