//! The only place where errors become answers: `application/problem+json` (RFC 9457).
//!
//! Rules:
//! - `code` is a stable word with a page in `docs/errors/`. Programs branch on it, never on the text.
//! - `detail` says in one sentence what happened to what; `hint` says what to do next.
//! - What goes wrong inside is told in generic words with a reference; the log has the rest under it. It is logged here,
//!   once, and nowhere else.
//! - Neither bodies nor tokens nor personal data stand in a problem or in the log.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use utoipa::ToSchema;

use crate::archive::ArchiveError;
use crate::crm::CrmError;
use crate::engine::EngineError;

/// An error, ready to be answered.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    body: Box<Body>,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why a call was not carried out.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Body {
    /// The status in words.
    title: String,
    /// HTTP status.
    status: u16,
    /// A stable word; it has a page in `docs/errors/`.
    code: String,
    /// What happened, in one sentence.
    detail: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The parameter or field that cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// The operation concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    /// The log tells more under this word.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let body = Body {
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            hint: None,
            parameter: None,
            operation: None,
            reference: None,
        };
        Self { body: Box::new(body), status, headers: Vec::new() }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A parameter or field has a value that cannot be used.
    pub(super) fn bad_value(parameter: &str, why: impl std::fmt::Display) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "bad_value", format!("{parameter}: {why}"))
            .hint("correct it and send the call again; /api/openapi.json lists what each call takes");
        problem.body.parameter = Some(parameter.to_owned());
        problem
    }

    /// A parameter that this call does not take.
    pub(super) fn unknown_parameter(parameter: &str, known: &[&str]) -> Self {
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            "unknown_parameter",
            format!("this call takes no parameter called {parameter:?}"),
        )
        .hint(if known.is_empty() {
            "this call takes no parameters".to_owned()
        } else {
            format!("it takes: {}", known.join(", "))
        });
        problem.body.parameter = Some(parameter.to_owned());
        problem
    }

    pub(super) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what}"))
            .hint("check the id; lists show what there is")
    }

    /// Something that a client can neither cause nor mend. `error` goes to the log only.
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        let reference = uuid::Uuid::now_v7().simple().to_string();
        tracing::error!(reference, "console: {error}");
        let mut problem = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "crm-undo failed to carry this out")
            .hint("look for the reference in the log of `crm-undo serve`");
        problem.body.reference = Some(reference);
        problem
    }

    fn retry_after(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&*self.body).expect("strings and a number always serialize");
        let mut response = (self.status, body).into_response();
        response.headers_mut().extend(self.headers);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotFound { what } => Self::not_found(what),
            EngineError::Stale { code, detail } => {
                let hint = match code {
                    "clock_jumped" => {
                        "look at the machine's clock; if it is right: crm-undo retention run --clock-is-right"
                    }
                    _ => "look at its state now, then decide anew",
                };
                Self::new(StatusCode::CONFLICT, code, detail).hint(hint)
            }
            EngineError::Invalid { code, detail } => {
                let mut problem = Self::new(StatusCode::BAD_REQUEST, code, detail);
                // The engine words a bad value as `field: what is wrong with it`.
                if let Some((field, _)) = problem.body.detail.split_once(": ")
                    && code == "bad_value"
                {
                    problem.body.parameter = Some(field.to_owned());
                }
                problem
            }
            EngineError::Archive(error) => error.into(),
            EngineError::Crm(error) => error.into(),
        }
    }
}

impl From<ArchiveError> for Problem {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::NotFound(what) => {
                Self::new(StatusCode::NOT_FOUND, "not_found", format!("{what} is not in the archive"))
                    .hint("retention or erasure may have removed it")
            }
            ArchiveError::Damaged { .. } => {
                let mut problem = Self::internal(&error);
                problem.body.code = "archive_damaged".into();
                problem.body.detail = "what was asked for is damaged in the archive".into();
                problem.hint("run `crm-undo check`, then restore the damaged segment from a backup")
            }
            ArchiveError::Conflict { .. } => {
                Self::new(StatusCode::CONFLICT, "conflict", "somebody else changed it at the same moment")
                    .hint("look at its state now, then repeat the call")
            }
            ArchiveError::Invalid(why) => Self::bad_value("cursor", why),
            ArchiveError::Unusable(_) => unavailable("archive_unusable", &error)
                .hint("see what the disk says, then restart `crm-undo serve`; nothing recorded so far is lost"),
            ArchiveError::Backup(_) => unavailable("backup_failed", &error)
                .hint("see to the place of backups (backup.to), then ask again; what was copied is not copied again"),
            ArchiveError::Full { .. } => unavailable("disk_full", &error).hint("free some space; nothing is lost"),
            ArchiveError::BadKey(_) => unavailable("bad_key", &error)
                .hint("give crm-undo the key file this archive was made with (archive.key_file)"),
            ArchiveError::Locked(_) => {
                unavailable("archive_locked", &error).hint("stop the other process, or choose another data_dir")
            }
        }
    }
}

fn unavailable(code: &str, error: &ArchiveError) -> Problem {
    tracing::warn!(code, "console: {error}");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string()).retry_after(10)
}

impl From<CrmError> for Problem {
    fn from(error: CrmError) -> Self {
        let detail = error.to_string();
        match error {
            CrmError::Permanent { .. } => Self::new(StatusCode::BAD_GATEWAY, "crm_refused", detail)
                .hint("check the connection's token and its rights with `crm-undo doctor`"),
            CrmError::Transient { retry_after, .. } => {
                let wait = retry_after.map_or(10, |wait| wait.as_secs().max(1));
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "crm_unavailable", detail)
                    .hint("nothing was changed; repeat it later")
                    .retry_after(wait)
            }
            CrmError::Ambiguous { .. } => Self::new(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", detail)
                .hint("do not repeat it blindly: look at the operation or job first"),
        }
    }
}
