//! The way of one request: ledger, limits, faults before, the CRM, faults after.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::Request as HyperRequest;
use hyper::body::Incoming;

use crate::answer::Answer;
use crate::control;
use crate::faults::{Do, Fault, When};
use crate::lax;
use crate::limits::Verdict;
use crate::request::Request;
use crate::state::State;
use crate::vendors::amocrm::{self, Portion};

/// Larger than any part of a file (§2.15).
const LARGEST_BODY: usize = 64 << 20;

/// How a request ends for the caller.
pub enum Ending {
    Answer(Answer),
    /// Half of the body, then the connection breaks.
    HalfAnswer(Answer),
    /// The connection breaks without an answer.
    Cut,
    Hang,
}

pub async fn exchange(state: &State, request: HyperRequest<Incoming>) -> Ending {
    let arrival = Instant::now();
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    if target == "/_mock" || target.starts_with("/_mock/") {
        let Some(body) = whole(body).await else { return Ending::Cut };
        return Ending::Answer(control::answer(state, &Request::new(0, head.method, &target, head.headers, body)));
    }

    let seq = state.ledger.arrived(head.method.as_str(), &target);
    let mut request = Request::new(seq, head.method, &target, head.headers, Bytes::new());
    let (integration, block_after) = {
        let account = state.account();
        let integration = account.tokens.integration(&request).map(str::to_owned);
        (integration, account.world.switches.number("block_after_overruns"))
    };
    if let Some(integration) = &integration {
        state.ledger.name_integration(seq, integration);
    }
    let verdict = state.limits().judge(arrival, integration.as_deref(), block_after);
    // Read even what will be refused: an answer before the body's end would cost the caller its connection.
    let Some(body) = whole(body).await else { return Ending::Cut };
    request.body = body;
    let refused = match verdict {
        Verdict::Allowed => None,
        Verdict::TooMany => Some(StatusCode::TOO_MANY_REQUESTS),
        Verdict::Blocked => Some(StatusCode::FORBIDDEN),
    };
    if let Some(status) = refused {
        return answered(state, seq, Answer::html(status));
    }

    let fault = state.faults().strike(request.method.as_str(), &request.path, &target);
    let ending = match fault {
        Some(fault) => spoiled(state, &request, &fault).await,
        None => Ending::Answer(act(state, &request, &mut Portion::all())),
    };
    if let Ending::Answer(answer) | Ending::HalfAnswer(answer) = &ending {
        state.ledger.answered(seq, answer.status.as_u16());
    }
    ending
}

async fn whole(body: Incoming) -> Option<Bytes> {
    let collected = Limited::new(body, LARGEST_BODY).collect().await.ok()?;
    Some(collected.to_bytes())
}

fn answered(state: &State, seq: u64, answer: Answer) -> Ending {
    state.ledger.answered(seq, answer.status.as_u16());
    Ending::Answer(answer)
}

/// Lets the CRM act, in one locked step.
fn act(state: &State, request: &Request, portion: &mut Portion) -> Answer {
    let mut account = state.account();
    let answer = if account.world.switches.on("lax") {
        amocrm::answer(&mut account, &lax::read(request.clone()), portion)
    } else {
        amocrm::answer(&mut account, request, portion)
    };
    state.settle(&mut account);
    answer
}

async fn spoiled(state: &State, request: &Request, fault: &Fault) -> Ending {
    let delay = Duration::from_millis(fault.delay_ms);
    if fault.what == Do::Partial {
        return partial(state, request, fault);
    }
    if fault.when == When::Before {
        return match fault.what {
            // The caller may give up while this sleeps; then nothing ever happens.
            Do::Delay => {
                tokio::time::sleep(delay).await;
                Ending::Answer(act(state, request, &mut Portion::all()))
            }
            other => instead(other, fault),
        };
    }
    let answer = act(state, request, &mut Portion::all());
    if fault.what == Do::Delay {
        tokio::time::sleep(delay).await;
        return Ending::Answer(answer);
    }
    instead(fault.what, fault)
}

/// What the caller gets in place of the CRM's own answer.
fn instead(what: Do, fault: &Fault) -> Ending {
    let answer = match what {
        Do::Cut => return Ending::Cut,
        Do::Hang => return Ending::Hang,
        Do::Html => Answer::html(fault.status.unwrap_or(StatusCode::FORBIDDEN)),
        Do::Status | Do::Delay | Do::Partial => {
            let status = fault.status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Answer::problem(status, "A fault on demand")
        }
    };
    Ending::Answer(match fault.retry_after {
        Some(seconds) => answer.with_header(header::RETRY_AFTER, seconds.to_string()),
        None => answer,
    })
}

/// `before`: nothing happens and the batch is too heavy (504). `after`: a part of the batch happens, the answer tells
/// of that part alone, or is `status` if the fault gives one. Without a batch the body arrives by half.
fn partial(state: &State, request: &Request, fault: &Fault) -> Ending {
    if fault.when == When::Before {
        return Ending::Answer(Answer::html(fault.status.unwrap_or(StatusCode::GATEWAY_TIMEOUT)));
    }
    let mut portion = Portion::some(fault.keep);
    let answer = act(state, request, &mut portion);
    match (portion.was_used(), fault.status) {
        (true, None) => Ending::Answer(answer),
        (true, Some(_)) => instead(Do::Status, fault),
        (false, _) => Ending::HalfAnswer(answer),
    }
}
