//! The way of a delete: read everything, one durable write, then the caller's own bytes, then read back.
//!
//! There is one place in crm-undo that sends a destructive request: `send` below, and it takes a [`Fenced`], which only
//! a successful commit can make. That is promise P1 as a type.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use jiff::Timestamp;

pub use super::inflight::Ticket;
use super::inflight::{Claim, Joined};
use super::kept::Slip;
use super::stop::{Pending, Stop, refusal};
use super::unsettled::OnItsWay;
use super::version::LastLook;
use super::{Connection, Engine};
use crate::archive::Write;
use crate::crm::upstream::Answer;
use crate::crm::{Access, CrmError, Fetched, Head, Lane};
use crate::domain::delete::{DeleteIntent, Refusal, Verdict};
use crate::domain::entry::{Entry, EntryState, OperationState, Via};
use crate::domain::event::{CapturedEntry, Event, Stream};
use crate::domain::ids::{EntryId, OperationId};
use crate::domain::policy::Decision;
use crate::domain::record::{RecordRef, Snapshot};
use crate::proofs::{bite, point};

/// A recognized destructive request.
#[derive(Clone, Debug)]
pub struct DeleteRequest {
    /// The caller's own request; its URI is path and query only, hop-by-hop headers are gone.
    pub request: Request<Bytes>,
    /// What it would destroy, recognized from these very bytes.
    pub intent: DeleteIntent,
}

/// What the caller is answered.
#[derive(Clone, Debug)]
pub enum DeleteAnswer {
    /// The CRM's own answer.
    Forwarded {
        /// As it came.
        answer: Answer,
        /// The operation and until when it can be undone; `None` where nothing is gone.
        operation: Option<(OperationId, Timestamp)>,
    },
    /// Nothing was sent: the records are gone already, and this is how the CRM says so.
    Gone(Response<Bytes>),
    /// Nothing was sent.
    Refused(Response<Bytes>),
    /// What the same request was answered before: nothing was sent now.
    Again {
        /// As it was, or as the CRM words it where its own answer was lost.
        answer: Answer,
        /// The operation and until when it can be undone; `None` where nothing is gone.
        operation: Option<(OperationId, Timestamp)>,
    },
    /// It was sent, and what became of it is not known yet. The snapshots are safe.
    Unknown {
        /// Settled in the background.
        operation: OperationId,
        /// Until when it can be undone.
        until: Timestamp,
    },
}

/// Proof that the snapshots of everything `request` would destroy are durable, together with the intent to send it.
struct Fenced {
    operation: OperationId,
    until: Timestamp,
    request: Request<Bytes>,
    access: Access,
    entries: Vec<(EntryId, RecordRef)>,
    /// When the records were seen to be as their snapshots say.
    look: LastLook,
    slip: Slip,
    /// Until this is dropped nobody else judges the operation.
    way: OnItsWay,
    /// Held until the outcome is recorded: no other delete of these records runs meanwhile.
    _claim: Claim,
}

impl Engine {
    /// Carries out a destructive request. It runs in a task of its own: a caller that leaves does not cut it, and a
    /// repeat of the same request while it runs joins it.
    pub async fn delete(&self, connection: &str, request: DeleteRequest) -> DeleteAnswer {
        match self.delete_within(connection, request, std::time::Duration::MAX).await {
            Ok(answer) => answer,
            Err(Ticket { operation, until }) => DeleteAnswer::Unknown { operation, until },
        }
    }

    /// The same for a caller who waits only so long. `Err`: it goes on without him, under this name.
    pub async fn delete_within(
        &self,
        connection: &str,
        request: DeleteRequest,
        patience: std::time::Duration,
    ) -> Result<DeleteAnswer, Ticket> {
        let Ok(connection) = self.connection(connection).cloned() else {
            let refusal = refusal(500, "unknown_connection", "this connection is not configured".into(), "");
            return Ok(DeleteAnswer::Refused(plain(&refusal)));
        };
        let engine = self.clone();
        let key = Joined::key(&connection.name, &request.request);
        let head = request.request.clone();
        let connector = connection.connector.clone();
        let name = connection.name.clone();
        let until = self.clock.now().saturating_add(self.policy.shortest_retention()).unwrap_or(Timestamp::MAX);
        let ticket = Ticket { operation: OperationId(self.names.fresh()), until };
        let work = move || async move { engine.carry_out(&connection, request, ticket).await };
        let (ticket, task) = self.inflight.join(key, ticket, work);
        let Ok(answer) = tokio::time::timeout(patience, task).await else { return Err(ticket) };
        Ok(match answer {
            Some(answer) => answer,
            // The task panicked. If the intent was durable by then, it is unknown and settled by looking.
            None if let Some((operation, until)) = self.left_open(&name, &head).await => {
                DeleteAnswer::Unknown { operation, until }
            }
            None => DeleteAnswer::Refused(connector.refuse(
                &head_of(&head),
                &refusal(
                    500,
                    "internal",
                    "crm-undo failed while it carried out this delete; the delete may have happened".into(),
                    "look at /api/v1/operations before you repeat it",
                ),
            )),
        })
    }

    async fn carry_out(&self, connection: &Connection, request: DeleteRequest, ticket: Ticket) -> DeleteAnswer {
        let by = caller(request.request.headers());
        let slip = match Slip::of(&connection.name, &request.request) {
            Ok(slip) => slip,
            Err(refusal) => {
                return DeleteAnswer::Refused(connection.connector.refuse(&head_of(&request.request), &refusal));
            }
        };
        // Requests under one key follow each other; nobody holds records while he waits here.
        let _key = self.inflight.claim(&connection.name, &slip.own_key()).await;
        match self.told_under_key(connection, &slip, &request.intent).await {
            Ok(None) => {}
            Ok(Some(answer)) => return answer,
            Err(refusal) => {
                return DeleteAnswer::Refused(connection.connector.refuse(&head_of(&request.request), &refusal));
            }
        }
        match self.fence(connection, &by, request.clone(), slip.clone(), ticket).await {
            Ok(fenced) => {
                let answer = self.send(connection, &request.intent, fenced).await;
                metrics::counter!("crm_undo_deletes_total", "connection" => connection.name.clone()).increment(1);
                answer
            }
            Err(Stop::Gone) => match self.told_to_this_request(connection, &slip, &request.intent).await {
                Some(answer) => answer,
                None => DeleteAnswer::Gone(connection.connector.gone(&request.intent)),
            },
            Err(Stop::Unknown(operation, until)) => DeleteAnswer::Unknown { operation, until },
            Err(Stop::Refused(refusal, records)) => {
                self.refused(&connection.name, &by, Some(request.intent.route), refusal.code, records).await;
                DeleteAnswer::Refused(connection.connector.refuse(&head_of(&request.request), &refusal))
            }
        }
    }

    /// Everything before the request may leave. Reads all parts, and writes snapshots and intent in one durable write.
    async fn fence(
        &self,
        connection: &Connection,
        by: &str,
        request: DeleteRequest,
        slip: Slip,
        ticket: Ticket,
    ) -> Result<Fenced, Stop> {
        if let Decision::Refuse(refusal) = self.policy.judge(&request.intent) {
            return Err(Stop::Refused(refusal, named(&request.intent)));
        }
        self.store.ready().map_err(|error| Stop::archive(&error))?;
        let access =
            if connection.has_own_token { Access::Own } else { Access::Caller(request.request.headers().clone()) };
        let reach = self.reach(connection, &access, Lane::Live);
        let records = connection.connector.resolve(reach, &request.intent).await.map_err(|e| Stop::unread(&e))?;
        let claim = self.inflight.claim(&connection.name, &records).await;
        point("delete.claimed");
        let (snapshots, look) = self.read_until_unchanged(connection, &access, &records).await?;
        point("delete.read");

        let Ticket { operation, .. } = ticket;
        let way = self.unsettled.sets_out(operation, access.clone());
        let now = self.clock.now();
        let ends = |object: &str| now.saturating_add(self.policy.keeps(object)).unwrap_or(Timestamp::MAX);
        // One time for all: the first that any of them may be dropped, and not after what a caller who left was told.
        let until = snapshots.iter().map(|snapshot| ends(&snapshot.of.object)).min().unwrap_or_else(|| ends(""));
        let entries: Vec<CapturedEntry> = snapshots
            .iter()
            .map(|snapshot| CapturedEntry {
                id: EntryId(self.names.fresh()),
                record: snapshot.of.clone(),
                snapshot: snapshot.id(),
                expires_at: ends(&snapshot.of.object),
            })
            .collect();
        let names = entries.iter().map(|entry| (entry.id, entry.record.clone())).collect();
        let captured = Event::Captured {
            operation,
            connection: connection.name.clone(),
            via: Via::Proxy,
            by: by.to_owned(),
            route: request.intent.route.to_owned(),
            entries,
        };
        let mut appends = vec![(Stream::operation(operation), 0, vec![captured, Event::Forwarding])];
        appends.extend(self.asked(&slip, operation, until).await.map_err(|error| Stop::archive(&error))?);
        let write = Write { snapshots, appends };
        point("delete.before_commit");
        if bite("send_early") {
            let store = self.store.clone();
            tokio::spawn(async move { store.commit(write).await });
        } else {
            self.store.commit(write).await.map_err(|error| Stop::archive(&error))?;
        }
        point("delete.committed");
        let request = request.request;
        Ok(Fenced { operation, until, request, access, entries: names, look, slip, way, _claim: claim })
    }

    /// The snapshots, if every record that is there was read whole.
    pub(super) async fn complete(
        &self,
        connection: &Connection,
        access: &Access,
        records: &[RecordRef],
        fetched: Vec<Fetched>,
    ) -> Result<Vec<Snapshot>, Stop> {
        let mut snapshots = Vec::with_capacity(records.len());
        let (mut strangers, mut pending) = (Vec::new(), Pending::default());
        if fetched.len() != records.len() {
            let detail = format!("asked for {} records, the CRM told of {}", records.len(), fetched.len());
            return Err(Stop::unsafe_to_delete("incomplete_snapshot", detail, records));
        }
        for (record, fetched) in records.iter().zip(fetched) {
            match fetched {
                Fetched::Whole(snapshot) if snapshot.of != *record => {
                    let detail = format!("asked for {record}, the CRM showed {}", snapshot.of);
                    return Err(Stop::unsafe_to_delete("incomplete_snapshot", detail, std::slice::from_ref(record)));
                }
                Fetched::Whole(snapshot) => match snapshot.incomplete().filter(|_| !bite("skip_manifest")) {
                    None => {
                        match self.earlier(&connection.name, access, record).await? {
                            Some(entry) if entry.state == EntryState::Unknown => pending.add(record, &entry),
                            // Carried out after it was read just now: a second entry would be of nothing.
                            Some(_) => continue,
                            None => pending.others = true,
                        }
                        snapshots.push(*snapshot);
                    }
                    Some(line) => {
                        let detail = format!(
                            "{record}: of its {} only {} of {} could be read",
                            line.part, line.got, line.expected
                        );
                        return Err(Stop::unsafe_to_delete(
                            "incomplete_snapshot",
                            detail,
                            std::slice::from_ref(record),
                        ));
                    }
                },
                Fetched::Hidden(reason) => {
                    let detail = format!("{record}: {reason}");
                    return Err(Stop::unsafe_to_delete("unreadable_record", detail, std::slice::from_ref(record)));
                }
                // Gone already. In our own bin? Then its snapshot is safe, whatever the CRM makes of the id.
                Fetched::Absent => match self.earlier(&connection.name, access, record).await? {
                    Some(entry) if entry.state == EntryState::Unknown => pending.add(record, &entry),
                    Some(_) => {}
                    None => match self.store.in_bin(&connection.name, record).await {
                        Ok(Some(_)) => {}
                        Ok(None) => strangers.push(record.clone()),
                        Err(error) => return Err(Stop::archive(&error)),
                    },
                },
            }
        }
        pending.stop()?;
        // No records at all is something else: a replacement of tags that takes none away, or a delete of something
        // that cannot be read, allowed by name. It goes the same way and leaves an operation without entries.
        if snapshots.is_empty() && !records.is_empty() {
            return Err(Stop::Gone);
        }
        // Some are there, and some are neither there nor in the bin: sending these bytes would name records that we
        // could not read, perhaps only because our rights hide them.
        if let Some(first) = strangers.first() {
            let list = strangers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let refusal = refusal(
                409,
                "unreadable_record",
                format!("the CRM does not show {list}, so they cannot be archived; nothing of this request was sent"),
                "take them out of the request and send it again",
            );
            return Err(Stop::Refused(refusal, vec![first.clone()]));
        }
        Ok(snapshots)
    }

    /// The entry of an earlier delete of this record whose outcome was not known, after one more look: it may still be
    /// carried out, or has been. A second delete beside it would leave two entries of one record.
    async fn earlier(&self, connection: &str, access: &Access, record: &RecordRef) -> Result<Option<Entry>, Stop> {
        let in_bin = async || self.store.in_bin(connection, record).await.map_err(|error| Stop::archive(&error));
        let Some(entry) = in_bin().await?.filter(|entry| entry.state == EntryState::Unknown) else { return Ok(None) };
        self.unsettled.add(entry.operation, Some(access.clone()));
        if let Err(error) = self.settle(entry.operation).await {
            tracing::debug!(operation = %entry.operation, %error, "not settled before another delete");
        }
        Ok(in_bin().await?.filter(|now| now.id == entry.id))
    }

    /// Sends the caller's own bytes, once, and settles what became of each record.
    async fn send(&self, connection: &Connection, intent: &DeleteIntent, fenced: Fenced) -> DeleteAnswer {
        let Fenced { operation, until, request, access, entries, look, slip, mut way, _claim } = fenced;
        let undo = (!entries.is_empty()).then_some((operation, until));
        let head = request.clone();
        let (looked_at, turn) = look.over(&connection.name);
        point("send.before");
        let sent = connection.upstream.forward_in(Some(turn), Lane::Live, request).await;
        point("send.answered");
        let (answer, verdict) = match sent {
            Ok(answer) => {
                let verdict = connection.connector.settle(intent, answer.status, &answer.body);
                (Some(answer), verdict)
            }
            Err(CrmError::Transient { retry_after, detail }) => {
                let fates =
                    entries.iter().map(|(entry, _)| (*entry, super::settle::kept("the request was never sent")));
                self.settled(&mut way, fates.collect(), None, OperationState::NotSent, None).await;
                let mut refusal =
                    refusal(503, "crm_unreachable", detail, "nothing was deleted; send the request again");
                refusal.retry_after = Some(retry_after.map_or(1, |wait| wait.as_secs().max(1)));
                return DeleteAnswer::Refused(connection.connector.refuse(&head_of(&head), &refusal));
            }
            Err(CrmError::Permanent { detail, .. } | CrmError::Ambiguous { detail }) => {
                (None, Verdict::Unclear(detail))
            }
        };
        // An answer that does not say what became of it is no result: a repeat gets the outcome once that is settled.
        let told = answer.as_ref().filter(|_| !matches!(verdict, Verdict::Unclear(_)));
        let told = told.and_then(|answer| slip.told(operation, answer));
        let state = self.settle_now(connection, &access, &entries, answer.as_ref(), &verdict, &mut way, told).await;
        if matches!(state, OperationState::Confirmed | OperationState::Partial) {
            self.look_for_changes(connection, access, operation, looked_at);
        }
        tracing::info!(
            connection = %connection.name, %operation, route = intent.route, records = entries.len(),
            ?state, status = answer.as_ref().map(|a| a.status.as_u16()), "delete",
        );
        match (answer, state) {
            (Some(answer), OperationState::Refused) => DeleteAnswer::Forwarded { answer, operation: None },
            // An answer that does not say (a web page with 200, a 502) is no outcome: unknown is said as unknown. The CRM's
            // own 401, 403 and 429 arrive as they are.
            (Some(answer), OperationState::Unknown)
                if matches!(verdict, Verdict::Unclear(_)) && !answer.status.is_client_error() =>
            {
                DeleteAnswer::Unknown { operation, until }
            }
            (Some(answer), _) => DeleteAnswer::Forwarded { answer, operation: undo },
            (None, _) => DeleteAnswer::Unknown { operation, until },
        }
    }

    /// Records that a destructive request was not forwarded.
    pub async fn refused(&self, connection: &str, by: &str, route: Option<&str>, code: &str, records: Vec<RecordRef>) {
        tracing::warn!(connection, code, route, records = records.len(), "destructive request refused");
        metrics::counter!("crm_undo_refused_total", "code" => code.to_owned()).increment(1);
        let event = Event::Refused {
            connection: connection.to_owned(),
            by: by.to_owned(),
            route: route.map(ToOwned::to_owned),
            code: code.to_owned(),
            records,
        };
        // A stream of its own: refusals do not queue behind each other. An archive that cannot be written is itself
        // a reason for refusals, so a failure here is only logged.
        let stream = Stream(format!("gateway/{connection}/{}", self.names.fresh()));
        if let Err(error) = self.store.append(&stream, 0, vec![event]).await {
            tracing::error!(%error, "a refusal could not be recorded");
        }
    }
}

fn named(intent: &DeleteIntent) -> Vec<RecordRef> {
    match &intent.selection {
        crate::domain::delete::Selection::Ids(ids) => ids.clone(),
        crate::domain::delete::Selection::Query { .. } => Vec::new(),
    }
}

fn head_of(request: &Request<Bytes>) -> Head<'_> {
    Head {
        method: request.method(),
        path: request.uri().path(),
        query: request.uri().query(),
        headers: request.headers(),
    }
}

/// Only for a connection that is not configured: there is no vendor to speak like.
fn plain(refusal: &Refusal) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(refusal.detail.clone()));
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Who asks, for the ledger: a fingerprint of the credentials, never the credentials.
pub fn caller(headers: &HeaderMap) -> String {
    match headers.get(header::AUTHORIZATION).or_else(|| headers.get(header::COOKIE)) {
        Some(secret) => {
            let hash = blake3::derive_key("crm-undo 2026 caller fingerprint", secret.as_bytes());
            format!("token:{}", &blake3::Hash::from_bytes(hash).to_hex()[..12])
        }
        None => "anonymous".into(),
    }
}
