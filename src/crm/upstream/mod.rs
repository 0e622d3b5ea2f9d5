//! The only door to a CRM: identity, budget, retries.
//!
//! Three ways through it, all of which wait for the account's budget:
//! [`ask`](Upstream::ask) for the calls we make ourselves, [`forward`](Upstream::forward) for a caller's own destructive
//! request, sent once, and [`relay`](Upstream::relay) for everything that streams through.
//!
//! | file | idea |
//! | --- | --- |
//! | [`budget`] | whose turn it is: never more than the account's requests in any second |
//! | [`transport`] | how a request gets there and what can go wrong, as a trait |
//! | [`flow`] | bodies on their way |
//! | `wire` | the transport over real sockets |
//! | `ask` | our own calls: identity, retries, what an answer means |
//! | `circuit` | the CRM has blocked the account: leave it alone |
//!
//! All three share one client, and so one pool of connections: the budget counts from the moment a request could leave
//! on an open connection, which a client that hides its connections cannot tell.

mod ask;
pub mod budget;
mod circuit;
pub mod flow;
pub mod transport;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use secrecy::SecretString;

use super::grant::Keeper;
use super::{CrmError, Lane};
use budget::{Budget, Budgeting, Turn, Usage};
use circuit::Circuit;
use flow::Flow;
use transport::{Failure, Transport};

/// How to reach one CRM account. [`new`](Self::new) has the usual limits.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// Scheme, host and port; `http` or `https`, without a path.
    pub base: Uri,
    /// The connection's own token, sent as `Authorization: Bearer`.
    pub token: Option<SecretString>,
    /// Requests the account takes in any second; 0 means no limit.
    pub requests_per_second: u32,
    /// Of those, how many background work leaves free for callers who wait.
    pub live_reserve: u32,
    /// Requests that may wait for their turn at once.
    pub max_waiting: usize,
    /// How long a live request may wait for its turn.
    pub max_wait: Duration,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long the CRM may take to begin an answer to a relayed request.
    pub answer_timeout: Duration,
    /// How long the CRM may take to answer a destructive request before its outcome counts as unknown. Clients give up
    /// after 20 s, so this stays well below.
    pub forward_timeout: Duration,
    /// How long one try of a call of our own may take, body included.
    pub ask_timeout: Duration,
    /// Of so many cards at once the files attached to each are read, one request a card; of more they are not.
    pub files_up_to: usize,
    /// Largest answer that is read into memory, in bytes.
    pub answer_limit: usize,
    /// How long a written record may be missing from the account's lists; `None`: what the vendor is known for.
    pub index_delay: Option<Duration>,
    /// What the jitter of pauses begins with: chance is given, never taken from the air.
    pub seed: u64,
}

impl UpstreamConfig {
    /// With amoCRM's usual limits and no token.
    pub fn new(base: Uri) -> Self {
        Self {
            base,
            token: None,
            requests_per_second: 7,
            live_reserve: 2,
            max_waiting: 1000,
            max_wait: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_mins(1),
            forward_timeout: Duration::from_secs(15),
            ask_timeout: Duration::from_secs(15),
            files_up_to: 5,
            answer_limit: 32 << 20,
            index_delay: None,
            seed: 0x5eed,
        }
    }
}

/// One CRM account behind the gateway.
#[derive(Clone, Debug)]
pub struct Upstream {
    config: Arc<UpstreamConfig>,
    scheme: Scheme,
    authority: Authority,
    host: http::HeaderValue,
    budget: Arc<Budget>,
    circuit: Arc<Circuit>,
    transport: Arc<dyn Transport>,
    chance: Arc<AtomicU64>,
    /// Held by the one delete that has its turn and looks once more.
    approach: Arc<tokio::sync::Mutex<()>>,
    grant: Option<Arc<Keeper>>,
}

/// A turn that is kept for a request to come: what it is for does not wait in line any more.
#[derive(Debug)]
pub struct Reserved {
    turn: Option<Turn>,
    _approach: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take() {
            turn.not_sent();
        }
    }
}

/// A call of our own.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Verb.
    pub method: Method,
    /// Path and query, already encoded; begins with `/`.
    pub target: String,
    /// Content type and body.
    pub body: Option<(&'static str, Bytes)>,
}

impl Ask {
    /// `GET target`.
    pub fn get(target: impl Into<String>) -> Self {
        Self { method: Method::GET, target: target.into(), body: None }
    }

    /// `POST target` with JSON.
    pub fn post(target: impl Into<String>, json: &serde_json::Value) -> Self {
        Self { method: Method::POST, target: target.into(), body: Some(("application/json", json.to_string().into())) }
    }
}

/// The CRM's answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as received; never decoded.
    pub body: Bytes,
}

/// The configuration of an upstream cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadUpstream(pub String);

impl Upstream {
    /// Over real sockets. Opens none yet.
    pub fn new(config: UpstreamConfig) -> Result<Self, BadUpstream> {
        let https = config.base.scheme() == Some(&Scheme::HTTPS);
        let transport = wire::Wire::new(https, config.connect_timeout)?;
        Self::over(config, Arc::new(transport))
    }

    /// Over any transport: how tests run it in a simulated world.
    pub fn over(config: UpstreamConfig, transport: Arc<dyn Transport>) -> Result<Self, BadUpstream> {
        let (scheme, authority) = origin(&config.base)?;
        let host = http::HeaderValue::from_str(authority.as_str())
            .map_err(|_| BadUpstream(format!("`{}` is not a usable host name", config.base)))?;
        let budget = Arc::new(Budget::new(Budgeting {
            per_second: config.requests_per_second,
            live_reserve: config.live_reserve,
            max_waiting: config.max_waiting,
            max_wait: config.max_wait,
        }));
        let circuit = Arc::new(Circuit::default());
        let chance = Arc::new(AtomicU64::new(config.seed));
        let approach = Arc::default();
        let config = Arc::new(config);
        Ok(Self { config, scheme, authority, host, budget, circuit, transport, chance, approach, grant: None })
    }

    /// The same account, budget and circuit with a pool of connections of its own: for another runtime, so that no
    /// request has to wake a thread that is not its own.
    #[must_use]
    pub fn for_another_runtime(&self) -> Self {
        Self { transport: self.transport.another(), ..self.clone() }
    }

    /// The same door with a token of its own that this keeper keeps alive.
    #[must_use]
    pub fn with_grant(self, keeper: Arc<Keeper>) -> Self {
        Self { grant: Some(keeper), ..self }
    }

    /// Who keeps its token alive; `None`: it is a long-lived one, or there is none.
    pub fn grant(&self) -> Option<&Arc<Keeper>> {
        self.grant.as_ref()
    }

    /// Of how many cards at once the files attached to each are read.
    pub fn files_up_to(&self) -> usize {
        self.config.files_up_to
    }

    /// Scheme, host and port of the CRM, as in `https://acme.amocrm.ru`.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// The CRM's value of `Host`.
    pub fn host(&self) -> &str {
        self.authority.as_str()
    }

    /// How long a written record may be missing from the account's lists, where the operator says so.
    pub fn index_delay(&self) -> Option<Duration> {
        self.config.index_delay
    }

    /// How much of the budget is in use now.
    pub fn usage(&self) -> Usage {
        self.budget.usage()
    }

    /// How long background work will still leave the account alone because the CRM has blocked it.
    pub fn blocked_for(&self) -> Option<Duration> {
        self.circuit.blocked_for()
    }

    /// A turn for a delete that is about to be sent, taken before the last look at its records, so that no line stands
    /// between that look and the delete. One delete of an account at a time keeps one: many that hold a turn and wait for
    /// another would wait for each other.
    pub async fn reserve(&self, lane: Lane) -> Result<Reserved, CrmError> {
        if !self.budget.has_room_for_two() {
            return Ok(Reserved { turn: None, _approach: None });
        }
        let approach = self.approach.clone().lock_owned().await;
        Ok(Reserved { turn: Some(self.turn(lane).await?), _approach: Some(approach) })
    }

    /// A caller's own request, its bytes as they came, sent once, followed by no redirect. `Ok` is any answer;
    /// [`CrmError::Transient`] if it was certainly not sent, [`CrmError::Ambiguous`] if it may have arrived.
    /// The path and query of `request` go out byte for byte; `Host` becomes the CRM's.
    pub async fn forward(&self, lane: Lane, request: Request<Bytes>) -> Result<Answer, CrmError> {
        self.forward_in(None, lane, request).await
    }

    /// The same in a turn that was kept for it.
    pub async fn forward_in(
        &self,
        reserved: Option<Reserved>,
        lane: Lane,
        request: Request<Bytes>,
    ) -> Result<Answer, CrmError> {
        let deadline = self.config.forward_timeout;
        let turn = reserved.and_then(|mut reserved| reserved.turn.take());
        let response = self.send(turn, lane, request.map(Flow::whole), deadline).await?;
        let (head, body) = response.into_parts();
        let body = match tokio::time::timeout(deadline, flow::collect(body, self.config.answer_limit)).await {
            Ok(Ok(body)) => body,
            Ok(Err(why)) => return Err(CrmError::Ambiguous { detail: why.to_string() }),
            Err(_) => return Err(CrmError::Ambiguous { detail: "its answer did not end in time".into() }),
        };
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// Everything that streams through: sent once, in both directions as it comes, followed by no redirect. Errors as
    /// in [`forward`](Self::forward); a body that breaks off later is an error of the body.
    pub async fn relay(&self, lane: Lane, request: Request<Flow>) -> Result<Response<Flow>, CrmError> {
        self.send(None, lane, request, self.config.answer_timeout).await
    }

    async fn send(
        &self,
        turn: Option<Turn>,
        lane: Lane,
        mut request: Request<Flow>,
        deadline: Duration,
    ) -> Result<Response<Flow>, CrmError> {
        self.address(&mut request)?;
        if crate::proofs::bite("url_in_log") {
            tracing::info!(uri = %request.uri(), "a request is sent");
        }
        let turn = match turn {
            Some(turn) => turn,
            None => self.turn(lane).await?,
        };
        let sent = tokio::time::timeout(deadline, self.transport.send(request, &turn)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(failure)) => return Err(self.failed(turn, failure)),
            Err(_) => {
                let detail = format!("it did not answer within {} s", deadline.as_secs());
                return Err(if turn.was_sent() {
                    CrmError::Ambiguous { detail }
                } else {
                    turn.not_sent();
                    CrmError::Transient { retry_after: None, detail: format!("no connection to it: {detail}") }
                });
            }
        };
        turn.answered(response.status(), flow::retry_after(response.headers()));
        self.circuit.observe(response.status(), response.headers());
        Ok(response)
    }

    /// Points the request at the CRM, and asserts that its path and query stay what they were.
    fn address(&self, request: &mut Request<Flow>) -> Result<(), CrmError> {
        let given = request.uri().path_and_query().cloned().ok_or_else(|| unaddressable("it has no path"))?;
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(given.clone())
            .build()
            .map_err(|_| unaddressable("its path cannot be sent"))?;
        // P2: what is classified is what is sent. `http` keeps both as they are; if that ever changes, nothing leaves.
        if uri.path_and_query().map(http::uri::PathAndQuery::as_str) != Some(given.as_str()) {
            return Err(unaddressable("its path would change on the way"));
        }
        *request.uri_mut() = uri;
        *request.version_mut() = http::Version::HTTP_11;
        request.headers_mut().insert(header::HOST, self.host.clone());
        Ok(())
    }

    async fn turn(&self, lane: Lane) -> Result<Turn, CrmError> {
        self.budget.turn(lane).await.map_err(|busy| CrmError::Transient {
            retry_after: Some(busy.retry_after),
            detail: format!(
                "its limit of {} requests a second is in use and too many requests wait already",
                self.config.requests_per_second
            ),
        })
    }

    /// The next number from 0 to 1 (splitmix64).
    fn chance(&self) -> f64 {
        let mut z = self.chance.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from((z >> 32) as u32) / f64::from(u32::MAX)
    }

    /// What a failed send means to the caller. Where nothing left, the turn goes back into the budget.
    fn failed(&self, turn: Turn, failure: Failure) -> CrmError {
        match failure {
            Failure::NotSent(detail) => {
                turn.not_sent();
                CrmError::Transient {
                    retry_after: None,
                    detail: format!("no connection to {}: {detail}", self.authority),
                }
            }
            Failure::Cut(detail) => CrmError::Ambiguous { detail },
        }
    }
}

fn unaddressable(why: &str) -> CrmError {
    CrmError::Permanent { status: None, detail: format!("the request was not sent: {why}") }
}

fn origin(base: &Uri) -> Result<(Scheme, Authority), BadUpstream> {
    let bad = |why: &str| BadUpstream(format!("`{base}` cannot be an upstream: {why}"));
    let (Some(scheme), Some(authority)) = (base.scheme(), base.authority()) else {
        return Err(bad("write scheme and host, as in https://acme.amocrm.ru"));
    };
    if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
        return Err(bad("the scheme has to be http or https"));
    }
    if authority.as_str().contains('@') {
        return Err(bad("put the token into token_env or token_file, not into the address"));
    }
    if !matches!(base.path(), "" | "/") || base.query().is_some() {
        return Err(bad("leave out what follows the host"));
    }
    Ok((scheme.clone(), authority.clone()))
}

#[cfg(test)]
mod tests;
