//! Our own calls: with whose identity they are made, which are repeated, and what an answer means.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::circuit::says_blocked;
use super::flow::{self, Flow};
use super::{Answer, Ask, Upstream};
use crate::crm::grant::Lease;
use crate::crm::{Access, CrmError, Lane};

/// What a caller identifies himself with.
const IDENTITY: [HeaderName; 4] =
    [AUTHORIZATION, COOKIE, HeaderName::from_static("x-context-user-id"), HeaderName::from_static("x-requested-with")];

/// How often a read that broke off or was answered 5xx is tried.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How long a read may be repeated: a caller gives up after 20 s, a job can wait.
const PATIENCE_LIVE: Duration = Duration::from_secs(10);
const PATIENCE_BACKGROUND: Duration = Duration::from_mins(5);

/// What one try came to.
enum Tried {
    Answered(Answer),
    Failed(CrmError),
    /// The CRM said 429.
    Throttled(Option<Duration>),
    /// 5xx, or cut on the way.
    Broken(String),
}

impl Upstream {
    /// A call of our own. `Ok` is any answer that the CRM's API gave (2xx and 4xx but 429); a `GET` is repeated within
    /// bounds when it was throttled, cut or answered 5xx, anything else is sent once: [`CrmError::Transient`] if it was
    /// certainly not carried out, [`CrmError::Ambiguous`] if it may have been.
    pub async fn ask(&self, access: &Access, lane: Lane, ask: Ask) -> Result<Answer, CrmError> {
        let repeatable = ask.method == Method::GET;
        let patience = if lane == Lane::Live { PATIENCE_LIVE } else { PATIENCE_BACKGROUND };
        let give_up = Instant::now() + patience;
        let (mut broken, mut throttled, mut renewed) = (0, 0, false);
        loop {
            self.leave_alone_if_blocked(lane)?;
            let (identity, lease) = self.identity(access).await?;
            let tried = self.try_once(&identity, lane, &ask).await;
            let leased = lease.map(Lease::end);
            let (error, pause) = match tried {
                Tried::Answered(answer) => match (&self.grant, leased) {
                    (Some(keeper), Some(token)) if answer.status == StatusCode::UNAUTHORIZED && !renewed => {
                        renewed = true;
                        keeper.refused(&token).await?;
                        if repeatable {
                            continue;
                        }
                        // Whoever writes looks first whether it is still to be written.
                        return Err(CrmError::Transient {
                            retry_after: Some(FIRST_PAUSE),
                            detail: "the token was over, so nothing was written; it has been renewed".into(),
                        });
                    }
                    _ => return Ok(answer),
                },
                Tried::Failed(error) => return Err(error),
                Tried::Throttled(retry_after) => {
                    throttled += 1;
                    let detail = "it answered 429: more requests than it takes, perhaps from another program".into();
                    let pause = retry_after.map_or_else(|| self.pause(throttled), |rest| rest.min(LONGEST_PAUSE));
                    (CrmError::Transient { retry_after: Some(retry_after.unwrap_or(FIRST_PAUSE)), detail }, pause)
                }
                Tried::Broken(detail) if repeatable => {
                    broken += 1;
                    let error = CrmError::Transient { retry_after: None, detail };
                    if broken >= TRIES {
                        return Err(error);
                    }
                    (error, self.pause(broken) / 4)
                }
                Tried::Broken(detail) => return Err(CrmError::Ambiguous { detail }),
            };
            if !repeatable || Instant::now() + pause >= give_up {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_once(&self, identity: &HeaderMap, lane: Lane, ask: &Ask) -> Tried {
        let mut request = Request::new(Flow::empty());
        *request.method_mut() = ask.method.clone();
        match ask.target.parse() {
            Ok(target) => *request.uri_mut() = target,
            Err(_) => return Tried::Failed(super::unaddressable("its path is not a valid one")),
        }
        *request.headers_mut() = identity.clone();
        if let Some((content_type, body)) = &ask.body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            *request.body_mut() = Flow::whole(body.clone());
        }
        let given = ask.target.as_str();
        if request.uri().path_and_query().map(http::uri::PathAndQuery::as_str) != Some(given) {
            return Tried::Failed(super::unaddressable("its path would change on the way"));
        }
        let response = match self.send(None, lane, request, self.config.ask_timeout).await {
            Ok(response) => response,
            Err(CrmError::Ambiguous { detail }) => return Tried::Broken(detail),
            Err(other) => return Tried::Failed(other),
        };
        let (head, body) = response.into_parts();
        match tokio::time::timeout(self.config.ask_timeout, flow::collect(body, self.config.answer_limit)).await {
            Ok(Ok(body)) => judge(Answer { status: head.status, headers: head.headers, body }),
            Ok(Err(flow::Unread::TooLarge(limit))) => {
                let detail = format!("its answer is larger than {limit} bytes");
                Tried::Failed(if ask.method == Method::GET {
                    CrmError::Permanent { status: Some(head.status.as_u16()), detail }
                } else {
                    CrmError::Ambiguous { detail }
                })
            }
            Ok(Err(why)) => Tried::Broken(format!("its answer broke off: {why}")),
            Err(_) => Tried::Broken("its answer did not end in time".into()),
        }
    }

    /// Under which headers a call is made; with the lease of a token that is kept alive.
    async fn identity(&self, access: &Access) -> Result<(HeaderMap, Option<Lease>), CrmError> {
        let mut headers = HeaderMap::new();
        let mut lease = None;
        match access {
            Access::Own => {
                if let Some(keeper) = &self.grant {
                    lease = Some(keeper.lease().await?);
                }
                let token = lease.as_ref().map(Lease::token).or(self.config.token.as_ref());
                let token = token.ok_or_else(|| CrmError::Permanent {
                    status: None,
                    detail: "this connection has no token of its own; set token_env or token_file for it".into(),
                })?;
                let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|_| {
                    CrmError::Permanent { status: None, detail: "the connection's token is not a token".into() }
                })?;
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
            Access::Caller(caller) => {
                for name in IDENTITY {
                    for value in caller.get_all(&name) {
                        headers.append(name.clone(), value.clone());
                    }
                }
            }
        }
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("crm-undo/", env!("CARGO_PKG_VERSION"))));
        headers.insert(ACCEPT, HeaderValue::from_static("application/hal+json, application/json;q=0.9, */*;q=0.1"));
        Ok((headers, lease))
    }

    fn leave_alone_if_blocked(&self, lane: Lane) -> Result<(), CrmError> {
        match self.circuit.blocked_for() {
            Some(rest) if lane == Lane::Background => Err(blocked(rest)),
            _ => Ok(()),
        }
    }

    /// Doubling from a second to a minute, of which a random half, so that several do not come back together.
    fn pause(&self, times: u32) -> Duration {
        let whole = FIRST_PAUSE.saturating_mul(1 << (times - 1).min(6)).min(LONGEST_PAUSE);
        whole.mul_f64(0.5 + self.chance() / 2.0)
    }
}

/// What an answer means. Redirects are not followed: the token would go along.
fn judge(answer: Answer) -> Tried {
    let status = answer.status;
    if says_blocked(status, &answer.headers) {
        return Tried::Failed(blocked(Duration::from_mins(15)));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Tried::Throttled(flow::retry_after(&answer.headers));
    }
    if status.is_server_error() {
        return Tried::Broken(format!("it answered {}", status.as_u16()));
    }
    if status.is_redirection() {
        return Tried::Failed(CrmError::Permanent {
            status: Some(status.as_u16()),
            detail: "it redirects to another address; check `upstream` in the configuration".into(),
        });
    }
    Tried::Answered(answer)
}

fn blocked(rest: Duration) -> CrmError {
    CrmError::Transient {
        retry_after: Some(rest),
        detail: "it has blocked the account for too many requests (403 with a web page); background work rests for \
                 15 minutes, then tries again. If it stays blocked, ask the CRM's support"
            .into(),
    }
}
