//! Everything that happens, as the ledger keeps it. The ledger is also the audit log.
//!
//! Events hold ids, never names, e-mails or phones: those lie in snapshots, where they can be erased.
//! (Plans and reports are the exception: they hold values about to be written, or found different. The archive seals
//! those values with a key of their plan or job, so that they can be erased: [`Event::without_values`].)

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::delete::Fate;
use super::entry::{OperationState, Via};
use super::ids::{EntryId, ErasureId, HoldId, JobId, OperationId, PlanId, SnapshotId, TokenId};
use super::job::{Item, JobState, Report};
use super::plan::{Plan, PlanKind};
use super::record::RecordRef;
use super::review::Verdict;

/// A line of history: `operation/…`, `plan/…`, `job/…`, `tokens`, `gateway/acme`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stream(pub String);

impl Stream {
    /// Of an operation.
    pub fn operation(id: OperationId) -> Self {
        Self(format!("operation/{id}"))
    }
    /// Of a plan.
    pub fn plan(id: PlanId) -> Self {
        Self(format!("plan/{id}"))
    }
    /// Of a job.
    pub fn job(id: JobId) -> Self {
        Self(format!("job/{id}"))
    }
    /// Of the links that wait for a record of this connection to come back.
    pub fn waiting(connection: &str, record: &RecordRef) -> Self {
        Self(format!("waiting/{connection}/{record}"))
    }
    /// Of one way in which a delete was asked for.
    pub fn asked(connection: &str, name: &str) -> Self {
        Self(format!("asked/{connection}/{name}"))
    }
    /// Of the console's access tokens.
    pub fn tokens() -> Self {
        Self("tokens".into())
    }
    /// Of what was erased for good on one connection.
    pub fn erasures(connection: &str) -> Self {
        Self(format!("erasure/{connection}"))
    }
    /// Of the legal holds on records of one connection.
    pub fn hold(connection: &str) -> Self {
        Self(format!("hold/{connection}"))
    }
    /// Of what retention marked and dropped.
    pub fn retention() -> Self {
        Self("retention".into())
    }
    /// Of the access that was given to one connection's own client.
    pub fn access(connection: &str) -> Self {
        Self(format!("access/{connection}"))
    }
    /// Of what one connection's gateway refused.
    pub fn gateway(connection: &str) -> Self {
        Self(format!("gateway/{connection}"))
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Snapshots of everything a request would destroy are durable (stream: operation).
    Captured {
        /// The operation.
        operation: OperationId,
        /// Connection.
        connection: String,
        /// By which way.
        via: Via,
        /// Who asked.
        by: String,
        /// Stable name of the route.
        route: String,
        /// The records, in the order of the request.
        entries: Vec<CapturedEntry>,
    },
    /// The request may have reached the CRM from here on (stream: operation).
    Forwarding,
    /// The CRM was read back (stream: operation).
    Settled {
        /// What became of each record.
        fates: Vec<(EntryId, Fate)>,
        /// HTTP status of the CRM's answer, where there was one.
        answer: Option<u16>,
        /// What that adds up to.
        state: OperationState,
    },
    /// A person has looked at what nobody else could know (stream: operation or job). What follows from it is said by
    /// the `Settled` or `Applied` of the same write.
    Reviewed {
        /// The step of the job; none for an operation.
        step: Option<u32>,
        /// What was found.
        verdict: Verdict,
        /// The entries that it frees for another restore, because nothing was made of them.
        freed: Vec<EntryId>,
        /// Digest of the evidence as it was shown.
        evidence: String,
        /// Why, in the person's own words.
        reason: String,
        /// Who.
        by: String,
    },
    /// What the CRM answered a delete, kept so that a repeat of it gets the same (stream: operation). The body is
    /// unreadable without the caller's own request and credentials: an answer may name people.
    Told {
        /// HTTP status.
        status: u16,
        /// Headers, but those of one connection.
        headers: Vec<(String, String)>,
        /// Base64 of nonce, ciphertext and tag (XChaCha20-Poly1305).
        body: String,
        /// Whether it offered an undo.
        undo: bool,
    },
    /// A delete was asked for in this way; the same request within 24 hours is about this operation (stream: asked).
    Asked {
        /// The operation.
        operation: OperationId,
        /// Until when it can be undone.
        until: Timestamp,
        /// Hash of the request and its credentials, hexadecimal.
        request: String,
    },
    /// The CRM's log shows that these records were changed after they had been read for the last time (stream:
    /// operation): their snapshots may lack that change.
    ChangedAfterSnapshot {
        /// Their entries.
        entries: Vec<EntryId>,
    },
    /// Every entry of the operation came back (stream: operation).
    Undone {
        /// By this job.
        job: JobId,
    },
    /// A plan was made (stream: plan).
    PlanMade {
        /// Whole.
        plan: Box<Plan>,
        /// For whom.
        by: String,
    },
    /// A plan is to be applied (stream: job).
    JobQueued {
        /// The job.
        job: JobId,
        /// The plan.
        plan: PlanId,
        /// Restore or delete.
        kind: PlanKind,
        /// Connection.
        connection: String,
        /// Steps.
        total: u64,
        /// Who asked.
        by: String,
    },
    /// A job changed its state (stream: job).
    JobMoved {
        /// To.
        to: JobState,
        /// Why, where that is not plain.
        reason: Option<String>,
    },
    /// These steps may have reached the CRM from here on (stream: job). One batch at a time: the next `Applied` closes it.
    Applying {
        /// Step number, entry, and whether it makes the entry's record itself.
        steps: Vec<(u32, EntryId, bool)>,
    },
    /// What became of steps (stream: job). Old id -> new id follows from here. The newest item of a step counts: a
    /// retry, or reading back, may tell otherwise than an earlier one. Steps of the `Applying` before that are not
    /// named here were certainly not sent, and stay open.
    Applied {
        /// Of each.
        items: Vec<Item>,
    },
    /// A record was restored while the other end of one of its links still lay in the bin (stream: waiting). When that
    /// end comes back, the link does.
    LinkWaits {
        /// The end in the bin.
        end: RecordRef,
        /// The restored entry; its snapshot holds the link.
        entry: EntryId,
        /// The job that restored it.
        job: JobId,
    },
    /// What reading back found (stream: job).
    Reported {
        /// Whole.
        report: Report,
    },
    /// An event whose values were erased; what is left of it. Never written by itself.
    Withheld {
        /// Its name.
        was: String,
    },
    /// Everything that was kept of one record was destroyed for good (stream: erasure). Durable before the keys are
    /// destroyed: from here on it is erased, whatever happens.
    Erased(Box<Erased>),
    /// Somebody was given access (stream: tokens).
    TokenIssued {
        /// Its name.
        token: TokenId,
        /// Whose.
        person: String,
        /// `viewer`, `operator` or `admin`.
        role: String,
        /// BLAKE3 of the secret, hexadecimal. The secret is 256 random bits, so a plain hash is enough.
        hash: String,
        /// Who gave it.
        by: String,
    },
    /// Access was taken back (stream: tokens).
    TokenRevoked {
        /// Its name.
        token: TokenId,
        /// Who took it.
        by: String,
    },
    /// A destructive request was not forwarded (stream: gateway).
    Refused {
        /// Connection.
        connection: String,
        /// Who asked.
        by: String,
        /// Stable name of the route, where it was recognized.
        route: Option<String>,
        /// The refusal's code.
        code: String,
        /// The records it named.
        records: Vec<RecordRef>,
    },
    /// Records may neither be forgotten nor erased from here on (stream: hold).
    HoldPlaced {
        /// Its name.
        hold: HoldId,
        /// Connection.
        connection: String,
        /// Which records, with all that replaced them or were replaced by them; empty: all of the connection.
        records: Vec<RecordRef>,
        /// Why, in a person's words: a case, a statute.
        ground: String,
        /// Who placed it.
        by: String,
    },
    /// A hold was lifted (stream: hold).
    HoldReleased {
        /// Its name.
        hold: HoldId,
        /// Who lifted it.
        by: String,
    },
    /// A pass of retention: these are dropped by a later pass, a day after this at the earliest (stream: retention).
    /// A pass that found nothing says so too: it is what a clock that jumped is measured by.
    RetentionMarked {
        /// Which entries.
        entries: Vec<EntryId>,
        /// Who asked: `retention`, or a person.
        by: String,
    },
    /// The snapshots of these entries, marked before, are dropped (stream: retention).
    RetentionDropped {
        /// Which entries.
        entries: Vec<EntryId>,
    },
    /// A person let a connection's own client in (stream: access). The tokens lie elsewhere, sealed.
    AccessGranted {
        /// Connection.
        connection: String,
        /// Who did.
        by: String,
    },
}

/// What was erased. No personal value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Its name.
    pub erasure: ErasureId,
    /// Connection.
    pub connection: String,
    /// Keyed hash of connection and record.
    pub subject: String,
    /// Entries of the record.
    pub entries: Vec<EntryId>,
    /// Its snapshots.
    pub snapshots: Vec<SnapshotId>,
    /// Plans that held values of it.
    pub plans: Vec<PlanId>,
    /// Jobs whose losses or reports did.
    pub jobs: Vec<JobId>,
    /// Slots of the key ring whose keys were destroyed.
    pub slots: Vec<u32>,
    /// Why, in the words of who asked.
    pub reason: String,
    /// Who asked.
    pub by: String,
}

impl Event {
    /// What is left of this event when its values are erased; `None` if it has none.
    pub fn without_values(&self) -> Option<Self> {
        match self {
            Self::PlanMade { .. } => Some(Self::Withheld { was: "plan_made".into() }),
            Self::Reported { .. } => Some(Self::Withheld { was: "reported".into() }),
            // What came back under which id concerns other records too.
            Self::Applied { items } if items.iter().any(|item| !item.losses.is_empty()) => {
                let bare = items.iter().map(|item| Item { losses: Vec::new(), ..item.clone() });
                Some(Self::Applied { items: bare.collect() })
            }
            _ => None,
        }
    }
}

/// One record of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedEntry {
    /// Its entry.
    pub id: EntryId,
    /// The record.
    pub record: RecordRef,
    /// Its snapshot, durable in the same write or before.
    pub snapshot: SnapshotId,
    /// When retention drops it.
    pub expires_at: Timestamp,
}

/// An event as it lies in the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Position in the whole ledger, from 1; what everything is ordered by.
    pub seq: u64,
    /// Its stream.
    pub stream: Stream,
    /// Position in its stream, from 1.
    pub version: u64,
    /// When. For people: clocks jump.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}
