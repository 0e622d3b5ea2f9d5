//! Records erased for good: what would go, doing it, and the acts.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{id, stamp};
use crate::console::Console;
use crate::console::auth::Caller;
use crate::console::body;
use crate::console::problem::{Body as ProblemBody, Problem};
use crate::domain::event::{Erased, Event, Recorded};
use crate::domain::record::RecordRef;
use crate::engine::erase::{Meant, Proposal};

/// Which record, why, and whether it was looked at.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct NewErasure {
    /// An entry of the record; or `connection` and `record`.
    entry: Option<String>,
    connection: Option<String>,
    /// `contacts/2001`.
    record: Option<String>,
    /// Why. It is kept for ever: no personal data.
    reason: String,
    /// Of what was shown. Without it nothing is erased, and what would be is shown.
    digest: Option<String>,
}

/// What would be erased.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Proposed {
    connection: String,
    record: String,
    /// Keyed hash of both.
    subject: String,
    entries: Vec<String>,
    snapshots: usize,
    /// Plans that hold values of it; they are erased with it.
    plans: Vec<String>,
    /// Jobs whose losses and reports are.
    jobs: Vec<String>,
    /// Send it back to erase exactly this.
    digest: String,
}

/// The act of an erasure.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct ErasureAct {
    id: String,
    /// Who asked.
    who: String,
    /// What: keyed hash and ids, no personal value.
    what: What,
    /// Where: the connection whose archive held it.
    r#where: String,
    /// Why, in the words of who asked.
    why: String,
    #[schema(format = DateTime)]
    when: String,
    /// How.
    how: String,
    /// Position of the erasure in the ledger.
    seq: u64,
    /// What the ledger says of it: position, time, stream, event.
    log: Vec<Value>,
}

/// What was erased.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct What {
    subject: String,
    entries: Vec<String>,
    snapshots: Vec<String>,
    plans: Vec<String>,
    jobs: Vec<String>,
    /// Slots of the key ring whose keys were destroyed.
    keys: Vec<u32>,
}

/// All acts.
#[derive(Serialize, ToSchema)]
pub(in crate::console) struct Acts {
    erasures: Vec<ErasureAct>,
    /// Always null: the list comes whole.
    next: Option<String>,
}

const HOW: &str = "the data keys of everything listed were overwritten in both copies of the key ring, synced and read \
                   again; the key of the index with them; the snapshots and values stay as ciphertext that no key opens";

fn texts<T: ToString>(all: &[T]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

impl From<Proposal> for Proposed {
    fn from(proposal: Proposal) -> Self {
        let what = proposal.what;
        Self {
            connection: what.connection,
            record: what.record.to_string(),
            subject: what.subject,
            entries: texts(&what.entries),
            snapshots: what.snapshots.len(),
            plans: texts(&what.plans),
            jobs: texts(&what.jobs),
            digest: proposal.digest,
        }
    }
}

fn act(recorded: &Recorded, erased: &Erased, log: &[Recorded]) -> ErasureAct {
    let line = |recorded: &Recorded| {
        let value = serde_json::to_value(&recorded.event).unwrap_or_default();
        json!({ "seq": recorded.seq, "at": stamp(recorded.at), "stream": recorded.stream.0, "event": value["event"] })
    };
    ErasureAct {
        id: erased.erasure.to_string(),
        who: erased.by.clone(),
        what: What {
            subject: erased.subject.clone(),
            entries: texts(&erased.entries),
            snapshots: texts(&erased.snapshots),
            plans: texts(&erased.plans),
            jobs: texts(&erased.jobs),
            keys: erased.slots.clone(),
        },
        r#where: erased.connection.clone(),
        why: erased.reason.clone(),
        when: stamp(recorded.at),
        how: HOW.to_owned(),
        seq: recorded.seq,
        log: log.iter().chain([recorded]).map(line).collect(),
    }
}

fn meant(new: &NewErasure) -> Result<Meant, Problem> {
    match (&new.entry, &new.connection, &new.record) {
        (Some(entry), None, None) => Ok(Meant::Entry(id("entry", entry)?)),
        (None, Some(connection), Some(record)) => {
            let record: RecordRef = record
                .parse()
                .map_err(|_| Problem::bad_value("record", "has to be object/id, for example contacts/2001"))?;
            Ok(Meant::Record(connection.clone(), record))
        }
        _ => Err(Problem::bad_value("entry", "name an entry, or a connection and a record")),
    }
}

/// Without a digest: what would be erased. With it: erases exactly that, for good.
#[utoipa::path(post, path = "/api/v1/erasures", tag = "erasures", request_body = NewErasure,
    responses((status = 200, description = "What would be erased", body = Proposed),
        (status = 201, description = "Erased: the act", body = ErasureAct), (status = 404, body = ProblemBody),
        (status = 409, description = "It has changed, or something is under way with it", body = ProblemBody)))]
pub(in crate::console) async fn create(
    State(console): State<Console>,
    Caller(caller): Caller,
    body::Json(new): body::Json<NewErasure>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let meant = meant(&new)?;
    let answer = match &new.digest {
        None => (StatusCode::OK, json!(Proposed::from(console.engine.erasable(&meant).await?))),
        Some(digest) => {
            let deed = console.engine.erase(&meant, digest, &new.reason, &caller.person).await?;
            let Event::Erased(erased) = &deed.recorded.event else {
                return Err(Problem::internal(&"an erasure recorded something else"));
            };
            (StatusCode::CREATED, json!(act(&deed.recorded, erased, &deed.log)))
        }
    };
    Ok((answer.0, Json(answer.1)))
}

/// Every act, oldest first.
#[utoipa::path(get, path = "/api/v1/erasures", tag = "erasures", responses((status = 200, body = Acts)))]
pub(in crate::console) async fn list(State(console): State<Console>) -> Result<Json<Acts>, Problem> {
    let all = console.engine.erasures().await?;
    let acts = all.iter().filter_map(|recorded| match &recorded.event {
        Event::Erased(erased) => Some(act(recorded, erased, &[])),
        _ => None,
    });
    Ok(Json(Acts { erasures: acts.collect(), next: None }))
}
