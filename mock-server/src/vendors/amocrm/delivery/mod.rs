//! Delivery of webhooks (§6.2, §6.3): forms, two seconds, five attempts, and the rule that disables.
//!
//! | file | is |
//! | --- | --- |
//! | `post` | what the rest of the mock hands hooks to and asks about them |
//! | `queue` | which delivery is due when, how badly it goes, what became of it |
//! | `form` | bodies with PHP's bracketed names |

mod form;
mod post;
mod queue;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use post::Post;

use crate::server::told;
use crate::state::State;
use queue::{Delivery, Outcome};

const PATIENCE: Duration = Duration::from_secs(2);

type Http = Client<HttpConnector, Full<Bytes>>;

/// Delivers until told to stop. A destination gets one delivery at a time.
pub async fn run(state: Arc<State>, mut stopped: watch::Receiver<bool>) {
    let http: Http = Client::builder(TokioExecutor::new()).build_http();
    let mut rounds = JoinSet::new();
    loop {
        let now = state.account().world.clock.now_millis();
        let (due, next) = state.post.due(now);
        for round in due {
            rounds.spawn(deliver(Arc::clone(&state), http.clone(), round));
        }
        let wait = next.map_or(Duration::from_hours(1), |next| millis(next - now));
        tokio::select! {
            () = told(&mut stopped) => break,
            () = state.post.woken() => {}
            () = tokio::time::sleep(wait) => {}
            Some(_) = rounds.join_next() => {}
        }
    }
    rounds.shutdown().await;
}

fn millis(count: i64) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}

/// What is due for one destination, in order.
async fn deliver(state: Arc<State>, http: Http, round: Vec<Delivery>) {
    let destination = round.first().map(|delivery| delivery.destination.clone());
    for delivery in round {
        let wanted = {
            let account = state.account();
            account.world.webhooks.get(delivery.webhook).is_some_and(|hook| !hook.disabled)
        };
        let outcome = match delivery.destination.parse::<Uri>() {
            _ if !wanted => Outcome::Unwanted,
            Ok(uri) if is_loopback(&uri) => Outcome::Answered(attempt(&http, uri, &delivery).await),
            _ => Outcome::NotLoopback,
        };
        let now = state.account().world.clock.now_millis();
        let webhook = delivery.webhook;
        if state.post.done(now, delivery, outcome) {
            let mut account = state.account();
            if let Some(hook) = account.world.webhooks.get_mut(webhook) {
                hook.disabled = true;
            }
        }
    }
    if let Some(destination) = destination {
        state.post.free(&destination);
    }
}

/// The status, or `None` for no answer in time.
async fn attempt(http: &Http, uri: Uri, delivery: &Delivery) -> Option<u16> {
    let request = Request::post(uri)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::USER_AGENT, "crm-mock")
        .body(Full::new(Bytes::from(delivery.body.clone())))
        .ok()?;
    let answer = tokio::time::timeout(PATIENCE, http.request(request)).await.ok()?.ok()?;
    Some(answer.status().as_u16())
}

/// Nothing the mock makes up may leave this machine.
fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    local && uri.scheme_str() == Some("http")
}
