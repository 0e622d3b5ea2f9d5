//! The CRMs. One folder a vendor, always the same four files; `upstream` is the only door to a CRM.
//!
//! A [`Dialect`] is pure: it says what a vendor's requests mean, without I/O. A [`Connector`] asks the vendor to do
//! things, through [`Reach`]. `docs/dialect-contract.md` has the MUSTs and SHOULDs of both.

pub mod amocrm;
pub mod grant;
pub mod upstream;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::Value;

use crate::domain::delete::{DeleteIntent, Recognised, Refusal, Verdict};
use crate::domain::plan::Step;
use crate::domain::record::{RecordRef, Snapshot};
use crate::domain::restore::{Difference, Draft, Loss};

/// The head of a request, with the path that is both classified and forwarded.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Verb.
    pub method: &'a Method,
    /// Canonical path, still percent-encoded; begins with `/`, has no `//`.
    pub path: &'a str,
    /// Raw query, without `?`.
    pub query: Option<&'a str>,
    /// As received.
    pub headers: &'a HeaderMap,
}

/// What is to be done with a request, by its head alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Triage {
    /// It cannot destroy anything, whatever its body says: it streams through.
    Stream,
    /// Its body decides: it is buffered up to this many bytes (more is refused), then recognized.
    Buffer(usize),
    /// It looks destructive and is understood by nobody: it is refused, with this reason in plain words.
    Refuse(String),
}

/// A request that names old ids, in the words of the records that replaced them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// Path and query.
    pub target: String,
    /// Body, if it changed.
    pub body: Option<Bytes>,
    /// Old and new, for `Content-Location` and the log.
    pub changes: Vec<(RecordRef, RecordRef)>,
}

/// Who now stands for a record: the idmap as a function. `None`: it was never restored under a new id.
pub type Successor<'a> = &'a (dyn Fn(&RecordRef) -> Option<RecordRef> + Sync);

/// What a vendor's requests mean. Pure: no I/O, no clock.
pub trait Dialect: Send + Sync + Debug {
    /// The vendor's word in the configuration: `amocrm`.
    fn vendor(&self) -> &'static str;

    /// By the head alone. MUST answer [`Triage::Buffer`] for everything whose body can make it a delete.
    fn triage(&self, head: &Head<'_>) -> Triage;

    /// With the whole body. MUST answer [`Recognised::Unreadable`] for what looks like a delete and cannot be read.
    fn recognise(&self, head: &Head<'_>, body: &[u8]) -> Recognised;

    /// What the CRM's answer alone says.
    fn settle(&self, intent: &DeleteIntent, status: StatusCode, body: &[u8]) -> Verdict;

    /// The CRM's own answer to a delete of records that are already gone, in this route's shape.
    fn gone(&self, intent: &DeleteIntent) -> Response<Bytes>;

    /// What the CRM answers when it has carried such a delete out: said to a repeat of one whose own answer was lost.
    fn done(&self, intent: &DeleteIntent) -> Response<Bytes>;

    /// A refusal in the vendor's own error shape, so that the caller's library understands it. The shape may depend on
    /// the route that was asked.
    fn refuse(&self, head: &Head<'_>, refusal: &Refusal) -> Response<Bytes>;

    /// The records a request's path and query name. Empty for most.
    fn names_in_head(&self, head: &Head<'_>) -> Vec<RecordRef>;

    /// The records a request's JSON or form body names.
    fn names_in_body(&self, head: &Head<'_>, body: &[u8]) -> Vec<RecordRef>;

    /// The same request in new ids; `None` if it names no record that has a successor. `body` is empty for requests
    /// that stream.
    fn rename(&self, head: &Head<'_>, body: &[u8], successor: Successor<'_>) -> Option<Renamed>;

    /// What would be written to bring `snapshot` back, given the account's users, fields, enums and statuses as
    /// [`Connector::surroundings`] read them.
    fn draft(&self, snapshot: &Snapshot, surroundings: &Value) -> Draft;

    /// Whether what this snapshot shows may be what `step` has made, whatever somebody has changed in it since. Asked about
    /// records of the step's kind that were deleted after its answer was lost. `true` where nothing tells.
    fn may_have_made(&self, step: &Step, snapshot: &Snapshot) -> bool;

    /// Compares a record read back with its snapshot, field by field and link by link, `successor` applied to old ids.
    /// Fields that `losses` name and fields the vendor never keeps (`updated_at`) are left out.
    fn compare(&self, was: &Snapshot, is: &Snapshot, successor: Successor<'_>, losses: &[Loss]) -> Vec<Difference>;
}

/// How undo works at a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether the same id can come back.
    pub undelete: Undelete,
    /// Rows in one read page.
    pub read_page: usize,
    /// Records in one write.
    pub write_batch: usize,
    /// How long a written record may be missing from lists.
    pub index_delay: Duration,
}

/// Whether and where the same id can come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undelete {
    /// By API.
    Api,
    /// Only on the CRM's own screens.
    UiOnly,
    /// Nowhere.
    None,
}

/// Whose budget share a request uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A caller waits for it.
    Live,
    /// A job does.
    Background,
}

/// Whose rights a request to the CRM is made with.
#[derive(Clone, Debug)]
pub enum Access {
    /// The connection's own token.
    Own,
    /// The headers a caller identified himself with (`Authorization`, `Cookie`, …).
    Caller(HeaderMap),
}

/// What was read of one record.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// All of it.
    Whole(Box<Snapshot>),
    /// The CRM says there is no such record.
    Absent,
    /// The CRM does not let us read it, or not whole: reason in plain words.
    Hidden(String),
}

/// Whether a record is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Alive,
    /// It is not.
    Gone,
}

/// What became of one write.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// A record was made, under this name.
    Made(RecordRef),
    /// Done; nothing got a name (a link, a set).
    Done,
    /// The CRM refused this one; nothing was made.
    Refused {
        /// Stable word.
        reason: String,
        /// For people.
        detail: String,
    },
    /// Made, but without some of it.
    MadeLess(RecordRef, Vec<Loss>),
    /// It cannot be known whether it was made: reason in plain words. It is never sent again blindly.
    Unclear(String),
}

/// How the connector reaches the CRM for one call.
#[derive(Clone, Copy)]
pub struct Reach<'a> {
    /// The only door.
    pub upstream: &'a upstream::Upstream,
    /// With whose rights.
    pub access: &'a Access,
    /// On whose share.
    pub lane: Lane,
    /// Now, for `taken_at`.
    pub now: jiff::Timestamp,
    /// Name of the connection, for snapshots.
    pub connection: &'a str,
}

/// How we ask a vendor to do things.
#[async_trait]
pub trait Connector: Dialect {
    /// What this vendor can do.
    fn capabilities(&self) -> Capabilities;

    /// Every record that would be destroyed with an entry of its own: the named ones first, then cascades (the
    /// elements of a catalog). Costs no request where there is nothing to expand.
    async fn resolve(&self, reach: Reach<'_>, intent: &DeleteIntent) -> Result<Vec<RecordRef>, CrmError>;

    /// Reads the records whole, in pages, not one by one; one answer for each, in the same order. Where a page is
    /// missing, everything it belonged to is [`Fetched::Hidden`].
    async fn fetch(&self, reach: Reach<'_>, records: &[RecordRef]) -> Result<Vec<Fetched>, CrmError>;

    /// Whether the records are there, in the same order. Never answers from a filter it has not verified.
    async fn presence(&self, reach: Reach<'_>, records: &[RecordRef]) -> Result<Vec<Presence>, CrmError>;

    /// Whether each record still is what its snapshot says, in the same order; `false` also for one that is not there any
    /// more. Asked right before a delete is sent, so it costs one page for the whole batch, not one a record. The vendor
    /// says what a version is: a time alone is none where its clock counts whole seconds. Unless a vendor has something
    /// cheaper, everything is read again.
    async fn unchanged(&self, reach: Reach<'_>, snapshots: &[Snapshot]) -> Result<Vec<bool>, CrmError> {
        let records: Vec<RecordRef> = snapshots.iter().map(|snapshot| snapshot.of.clone()).collect();
        let now = self.fetch(reach, &records).await?;
        let same = |(was, is): (&Snapshot, &Fetched)| matches!(is, Fetched::Whole(is) if is.parts == was.parts);
        Ok(snapshots.iter().zip(now.iter()).map(same).collect())
    }

    /// Which of these records, that are gone by now, somebody had changed at `since` or later, as far as the CRM's own
    /// log shows; in the same order. Evidence for people: `false` promises nothing. Without a log: `false` for all.
    async fn changed_since(
        &self,
        reach: Reach<'_>,
        records: &[RecordRef],
        since: jiff::Timestamp,
    ) -> Result<Vec<bool>, CrmError>;

    /// What drafts are made against: users, fields, enums, pipelines, statuses, loss reasons.
    async fn surroundings(&self, reach: Reach<'_>) -> Result<Value, CrmError>;

    /// Writes steps of one wave and one kind, at most `write_batch` of them; one answer for each, in the same order.
    /// `successor` turns old ids into new ones. An `Err` means that none was written.
    async fn write(
        &self,
        reach: Reach<'_>,
        steps: &[&Step],
        successor: Successor<'_>,
    ) -> Result<Vec<Written>, CrmError>;

    /// Records made at `since` or later that may be what `step` has made, whatever has become of them since: for a person
    /// to look at. Empty if it cannot tell.
    async fn candidates(
        &self,
        reach: Reach<'_>,
        step: &Step,
        since: jiff::Timestamp,
        successor: Successor<'_>,
    ) -> Result<Vec<RecordRef>, CrmError>;

    /// Looks for what `steps` may have made at `since` or later: a batch of [`What::Recreate`] whose outcome was lost.
    /// One answer for each, in the same order. MUST answer `None` only where it is certain that nothing was made: that
    /// step is sent again. A vendor whose records bear no mark to be found by answers [`CrmError::Permanent`]: a person
    /// has to look then.
    ///
    /// [`What::Recreate`]: crate::domain::plan::What::Recreate
    async fn find_made(
        &self,
        reach: Reach<'_>,
        steps: &[&Step],
        since: jiff::Timestamp,
        successor: Successor<'_>,
    ) -> Result<Vec<Option<RecordRef>>, CrmError>;
}

/// The vendors crm-undo speaks, by the word of the configuration. The list to add a vendor to.
pub fn vendors() -> Vec<Arc<dyn Connector>> {
    vec![Arc::new(amocrm::AmoCrm)]
}

/// Where a vendor gives tokens to a client of ours; `None`: it is not known to.
pub fn token_route(vendor: &str) -> Option<grant::issuer::TokenRoute> {
    (vendor == "amocrm").then_some(amocrm::tokens::ROUTE)
}

/// What a caller of a CRM can do about a failure: stop, wait, or go and look.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CrmError {
    /// It will not work: rights, validation, a wrong address.
    #[error("the CRM refused: {detail}")]
    Permanent {
        /// HTTP status, where there was an answer.
        status: Option<u16>,
        /// Without personal data.
        detail: String,
    },
    /// It did not happen, and may work later.
    #[error("the CRM cannot answer now: {detail}")]
    Transient {
        /// When to come back.
        retry_after: Option<Duration>,
        /// Without personal data.
        detail: String,
    },
    /// It may have happened.
    #[error("it is not known whether the CRM did it: {detail}")]
    Ambiguous {
        /// Without personal data.
        detail: String,
    },
}
