//! What callers were answered, kept for 24 hours, also over a restart: a repeat gets the first answer, not a second delete.
//!
//! Under an `Idempotency-Key` whatever was sent is answered as the first time; the same key with another request is
//! refused. Without a key a repeat of a request whose records are gone gets the outcome of the operation that took them.
//! What was refused before it was sent is not kept: the caller mends it and sends it again.
//!
//! A name in the ledger is a hash over the caller's credentials, so two callers' equal keys do not meet. The body of an
//! answer may name people and events may not: it is kept under a key that only the caller's own request gives.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crm_undo_cipher::{Cipher, NONCE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use jiff::{SignedDuration, Timestamp};

use super::delete::DeleteAnswer;
use super::stop::refusal;
use super::{Connection, Engine};
use crate::archive::ArchiveError;
use crate::crm::upstream::Answer;
use crate::domain::delete::{DeleteIntent, Refusal};
use crate::domain::entry::OperationState;
use crate::domain::event::{Event, Recorded, Stream};
use crate::domain::ids::OperationId;
use crate::domain::record::RecordRef;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);
const LONGEST_KEY: usize = 255;
/// Larger answers are not kept; a repeat is told how it ended, in fewer words.
const LONGEST_BODY: usize = 64 << 10;
const LONGEST_HEADERS: usize = 4 << 10;

/// By what a repeat of one request is recognized.
#[derive(Clone)]
pub(super) struct Slip {
    connection: String,
    /// Of the caller's key, if he gave one.
    by_key: Option<String>,
    /// Of the request itself.
    by_request: String,
    /// Hash of the request in the ledger.
    request: String,
    /// The key that the answer's body is sealed with. Never written down.
    secret: [u8; 32],
}

/// One asked-for delete, as the ledger has it.
struct Known {
    operation: OperationId,
    until: Timestamp,
    request: String,
}

impl Slip {
    /// Of a request. The error: its key is none.
    pub(super) fn of(connection: &str, request: &Request<Bytes>) -> Result<Self, Refusal> {
        let mut keys = request.headers().get_all(KEY).iter();
        let key = keys.next().map(|key| (key.as_bytes().trim_ascii(), keys.next()));
        let key = match key {
            None => None,
            Some((key, None))
                if (1..=LONGEST_KEY).contains(&key.len()) && key.iter().all(|b| (b' '..=b'~').contains(b)) =>
            {
                Some(key)
            }
            Some(_) => {
                let detail = "Idempotency-Key has to be one text of 1 to 255 visible characters".to_owned();
                return Err(refusal(400, "bad_value", detail, "send one key, or none"));
            }
        };
        let who = [header::AUTHORIZATION, header::COOKIE];
        let who = who.iter().flat_map(|name| request.headers().get_all(name)).map(HeaderValue::as_bytes);
        let who: Vec<&[u8]> = std::iter::once(connection.as_bytes()).chain(who).collect();
        let target = request.uri().to_string();
        let what = [request.method().as_str().as_bytes(), target.as_bytes(), request.body()];
        let all: Vec<&[u8]> = who.iter().copied().chain([&b"|"[..]]).chain(what).collect();
        let own: Option<Vec<&[u8]>> = key.map(|key| who.iter().copied().chain([&b"|"[..], key]).collect());
        Ok(Self {
            connection: connection.to_owned(),
            by_key: own.map(|own| hex("crm-undo 2026 asked by key", &own)),
            by_request: hex("crm-undo 2026 asked by request", &all),
            request: hex("crm-undo 2026 asked request", &all),
            secret: hash("crm-undo 2026 kept answer", &all),
        })
    }

    /// What is claimed while a request under this key is carried out.
    pub(super) fn own_key(&self) -> Vec<RecordRef> {
        self.by_key.iter().map(|name| RecordRef::new("idempotency-key", name)).collect()
    }

    /// What the CRM answered, as the ledger keeps it.
    pub(super) fn told(&self, operation: OperationId, answer: &Answer) -> Option<Event> {
        let one_connection =
            [header::CONNECTION, header::CONTENT_LENGTH, header::DATE, header::SET_COOKIE, header::TRANSFER_ENCODING];
        let headers = answer.headers.iter().filter(|(name, _)| !one_connection.contains(name));
        let headers: Vec<(String, String)> =
            headers.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect();
        let length: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if answer.body.len() > LONGEST_BODY || length > LONGEST_HEADERS {
            return None;
        }
        let body = STANDARD.encode(self.seal(operation, &answer.body)?);
        Some(Event::Told { status: answer.status.as_u16(), headers, body, undo: true })
    }

    /// The body, sealed for this operation. The nonce is a keyed hash of the body: the same one never stands for two texts.
    fn seal(&self, operation: OperationId, body: &[u8]) -> Option<Vec<u8>> {
        let digest = blake3::keyed_hash(&self.secret, body);
        let (nonce, _) = digest.as_bytes().split_first_chunk::<NONCE>()?;
        let sealed = self.cipher().seal(nonce, operation.0.as_bytes(), body).ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    /// What was sealed; `None` for anybody else.
    fn unseal(&self, operation: OperationId, bytes: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        self.cipher().open(nonce, operation.0.as_bytes(), sealed)
    }

    fn cipher(&self) -> Cipher {
        Cipher::new(&self.secret)
    }

    fn answer(&self, operation: OperationId, event: &Event) -> Option<Answer> {
        let Event::Told { status, headers, body, .. } = event else { return None };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(name.as_str()).ok()?, HeaderValue::from_str(value).ok()?);
        }
        let body = self.unseal(operation, &STANDARD.decode(body).ok()?)?;
        Some(Answer { status: StatusCode::from_u16(*status).ok()?, headers: map, body: body.into() })
    }
}

fn hash(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    *hasher.finalize().as_bytes()
}

fn hex(context: &str, parts: &[&[u8]]) -> String {
    blake3::Hash::from_bytes(hash(context, parts)).to_hex().to_string()
}

impl Engine {
    /// Events that say by what this operation was asked for, for the write that makes it durable.
    pub(super) async fn asked(
        &self,
        slip: &Slip,
        operation: OperationId,
        until: Timestamp,
    ) -> Result<Vec<(Stream, u64, Vec<Event>)>, ArchiveError> {
        let mut appends = Vec::new();
        for name in slip.by_key.iter().chain([&slip.by_request]) {
            let stream = Stream::asked(&slip.connection, name);
            let version = self.store.read(&stream, 0).await?.last().map_or(0, |last| last.version);
            appends.push((stream, version, vec![Event::Asked { operation, until, request: slip.request.clone() }]));
        }
        Ok(appends)
    }

    async fn known(&self, slip: &Slip, name: &str) -> Result<Option<Known>, ArchiveError> {
        let last = self.store.read(&Stream::asked(&slip.connection, name), 0).await?.pop();
        let Some(Recorded { at, event: Event::Asked { operation, until, request }, .. }) = last else {
            return Ok(None);
        };
        // A clock that has jumped back makes it stay longer, which does no harm.
        let is_fresh = self.clock.now().duration_since(at) < KEPT_FOR;
        Ok(is_fresh.then_some(Known { operation, until, request }))
    }

    /// The operation that a request has begun and not ended, after its task has failed.
    pub(super) async fn left_open(
        &self,
        connection: &str,
        request: &Request<Bytes>,
    ) -> Option<(OperationId, Timestamp)> {
        let slip = Slip::of(connection, request).ok()?;
        let known = self.known(&slip, &slip.by_request).await.ok()??;
        let state = self.store.operation(known.operation).await.ok()??.state;
        matches!(state, OperationState::Open | OperationState::Unknown).then_some((known.operation, known.until))
    }

    /// What was answered under the caller's key; `None` if nothing was, or nothing was done. The error: the key was used
    /// for something else.
    pub(super) async fn told_under_key(
        &self,
        connection: &Connection,
        slip: &Slip,
        intent: &DeleteIntent,
    ) -> Result<Option<DeleteAnswer>, Refusal> {
        let Some(name) = &slip.by_key else { return Ok(None) };
        let unreadable = |error: ArchiveError| {
            let detail = format!("it cannot be read whether this key was used before: {error}");
            refusal(503, "archive_unusable", detail, "nothing was sent; run `crm-undo doctor`")
        };
        let Some(known) = self.known(slip, name).await.map_err(unreadable)? else { return Ok(None) };
        if known.request != slip.request {
            let detail = "this Idempotency-Key was used for another request in the last 24 hours; nothing was sent";
            let hint = "use a fresh key for each thing to be done; repeat a request under its own key and unchanged";
            return Err(refusal(422, "idempotency_key_reused", detail.to_owned(), hint));
        }
        self.outcome(connection, slip, intent, &known).await.map_err(unreadable)
    }

    /// What became of an earlier request like this one, whose records are gone.
    pub(super) async fn told_to_this_request(
        &self,
        connection: &Connection,
        slip: &Slip,
        intent: &DeleteIntent,
    ) -> Option<DeleteAnswer> {
        let looked = async {
            match self.known(slip, &slip.by_request).await? {
                Some(known) => self.outcome(connection, slip, intent, &known).await,
                None => Ok(None),
            }
        };
        looked.await.unwrap_or_else(|error: ArchiveError| {
            tracing::warn!(%error, "an earlier answer could not be read");
            None
        })
    }

    /// The answer to a repeat. `None`: nothing was done for it, or only part of it: it may be done.
    async fn outcome(
        &self,
        connection: &Connection,
        slip: &Slip,
        intent: &DeleteIntent,
        known: &Known,
    ) -> Result<Option<DeleteAnswer>, ArchiveError> {
        let Known { operation, until, .. } = *known;
        if let Err(error) = self.settle(operation).await {
            tracing::debug!(%operation, %error, "not settled before a repeat was answered");
        }
        let Some(of) = self.store.operation(operation).await? else { return Ok(None) };
        let undo = (!of.entries.is_empty()).then_some((operation, until));
        let events = self.store.read(&Stream::operation(operation), 0).await?;
        let told = events.iter().find_map(|recorded| slip.answer(operation, &recorded.event));
        let worded = || {
            let (parts, body) = connection.connector.done(intent).into_parts();
            Answer { status: parts.status, headers: parts.headers, body }
        };
        Ok(match (of.state, told) {
            (OperationState::Open | OperationState::Unknown | OperationState::Held, _)
            | (OperationState::NeedsReview, None) => Some(DeleteAnswer::Unknown { operation, until }),
            (OperationState::NotSent, _) | (OperationState::Refused | OperationState::Partial, None) => None,
            (OperationState::Refused, Some(answer)) => Some(DeleteAnswer::Again { answer, operation: None }),
            (_, Some(answer)) => Some(DeleteAnswer::Again { answer, operation: undo }),
            (OperationState::Confirmed | OperationState::Undone, None) => {
                Some(DeleteAnswer::Again { answer: worded(), operation: undo })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(token: &str, key: Option<&str>, body: &'static str) -> Request<Bytes> {
        let mut request = Request::builder().method("POST").uri("/ajax/contacts/multiple/delete/");
        request = request.header("authorization", token);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        request.body(Bytes::from_static(body.as_bytes())).expect("a request")
    }

    #[test]
    fn keys_are_of_one_caller_and_answers_of_one_request() {
        let slip = |token, key, body| Slip::of("acme", &request(token, key, body)).expect("a slip");
        let (anna, boris) = (slip("anna", Some("k"), "ID[]=1"), slip("boris", Some("k"), "ID[]=1"));
        assert_ne!(anna.by_key, boris.by_key, "two callers' equal keys do not meet");
        assert_ne!(anna.by_request, boris.by_request);
        assert_eq!(anna.by_request, slip("anna", None, "ID[]=1").by_request, "the key is not part of the request");
        let other = slip("anna", Some("k"), "ID[]=2");
        assert_eq!(anna.by_key, other.by_key);
        assert_ne!(anna.request, other.request);

        let operation = OperationId(uuid::Uuid::nil());
        let body = Bytes::from_static(b"{\"name\":\"Anna Serova\"}");
        let answer = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: body.clone() };
        let told = anna.told(operation, &answer).expect("small enough");
        let Event::Told { body: kept, .. } = &told else { unreachable!() };
        assert!(!STANDARD.decode(kept).unwrap().windows(4).any(|word| word == b"Anna"), "nobody else can read it");
        assert_eq!(anna.answer(operation, &told).expect("it was kept").body, body);
        assert!(boris.answer(operation, &told).is_none());
        let another = OperationId(uuid::Uuid::from_u128(1));
        assert!(anna.answer(another, &told).is_none(), "nor under another operation");
    }

    #[test]
    fn a_key_is_one_visible_text() {
        for bad in ["", "é", &"x".repeat(256)] {
            let refused = Slip::of("acme", &request("anna", Some(bad), ""));
            assert_eq!(refused.err().map(|refusal| refusal.code), Some("bad_value"), "{bad}");
        }
        let mut twice = request("anna", Some("a"), "");
        twice.headers_mut().append(KEY, HeaderValue::from_static("b"));
        assert!(Slip::of("acme", &twice).is_err());
    }
}
