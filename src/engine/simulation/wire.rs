//! The way to the CRM, and what strikes on it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};

use super::crm::{Heard, INDEX_DELAY};
use super::dice::Dice;
use super::judge;
use super::world::World;
use crate::crm::upstream::budget::Turn;
use crate::crm::upstream::flow::{self, Flow};
use crate::crm::upstream::transport::{Failure, Transport};
use crate::domain::record::RecordRef;

/// How much longer one request may take to arrive than another, as the budget allows for it.
const JITTER: u64 = 45;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Strike {
    None,
    NotSent,
    /// The connection breaks, without the effect, with it, or with the effect later.
    Cut(When),
    /// 5xx.
    Failed(When),
    /// No answer ever comes.
    Hang(When),
    Slow,
    Throttled,
    Blocked,
    /// Only some of the records; the answer speaks of all of them.
    Some,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Never,
    Before,
    Later,
}

fn strike(dice: &Dice) -> Strike {
    let when = *dice.pick(&[When::Never, When::Before, When::Later]);
    match dice.below(16) {
        0 | 1 => Strike::NotSent,
        2..=4 => Strike::Cut(when),
        5..=7 => Strike::Failed(when),
        8 | 9 => Strike::Hang(when),
        10 | 11 => Strike::Slow,
        12 => Strike::Throttled,
        13 => Strike::Blocked,
        _ => Strike::Some,
    }
}

#[derive(Debug)]
pub(super) struct Wire {
    pub(super) world: World,
    pub(super) dice: Dice,
}

fn records(text: &str) -> Vec<RecordRef> {
    text.split(',').filter_map(|text| text.parse().ok()).collect()
}

fn heard(method: &Method, path: &str, query: &str, id: u64, body: &Bytes) -> Heard {
    let text = std::str::from_utf8(body).unwrap_or_default();
    match (method, path) {
        (&Method::GET, "/records") => Heard::Read(records(query)),
        (&Method::GET, "/present") => Heard::Present(records(query)),
        (&Method::GET, "/marked") => Heard::Marked(records(query)),
        (&Method::POST, "/delete") => Heard::Delete(id, records(text)),
        (&Method::POST, "/make") => Heard::Make(serde_json::from_str(text).expect("the vendor wrote it")),
        (&Method::POST, "/link") => Heard::Link(serde_json::from_str(text).expect("the vendor wrote it")),
        _ => Heard::Account,
    }
}

fn respond(status: u16, body: &Value) -> Response<Flow> {
    let mut response = Response::new(Flow::whole(body.to_string().into()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn blocked() -> Response<Flow> {
    let mut response = Response::new(Flow::whole("<html>403</html>".into()));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/html"));
    response
}

fn throttled(seconds: Option<usize>) -> Response<Flow> {
    let mut response = respond(429, &json!({}));
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    }
    response
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request<Flow>, turn: &Turn) -> Result<Response<Flow>, Failure> {
        let (world, dice) = (&self.world, &self.dice);
        let (head, body) = request.into_parts();
        let body = flow::collect(body, 1 << 20).await.expect("it lies in memory");
        let id = head.headers.get("x-request").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0);
        let heard = heard(&head.method, head.uri.path(), head.uri.query().unwrap_or_default(), id, &body);
        let strike = if world.stormy() && dice.chance(world.weather.strikes) { strike(dice) } else { Strike::None };
        if world.disk().is_dead() {
            return std::future::pending().await;
        }
        if strike == Strike::NotSent {
            tokio::time::sleep(dice.millis(0, 30)).await;
            return Err(Failure::NotSent("refused".into()));
        }
        // From here on the process may die: the request is on its way.
        turn.sent();
        world.note(|| format!("send {} {:?} {strike:?}", head.uri, heard));
        if let Heard::Delete(id, records) = &heard {
            judge::a_delete_leaves(world, *id, records);
        }
        let now = world.time.since_begin();
        let arrival = now + dice.millis(1, JITTER);
        world.log().arrivals.push(arrival);
        let when = match strike {
            Strike::Cut(when) | Strike::Failed(when) | Strike::Hang(when) => when,
            Strike::Throttled | Strike::Blocked => When::Never,
            _ => When::Before,
        };
        let takes = match (when, &heard) {
            (When::Later, Heard::Delete(..)) => dice.millis(200, 50_000),
            // And it has to be in the lists by the end of the index delay.
            (When::Later, _) => dice.millis(200, 2_000),
            _ if strike == Strike::Slow => dice.millis(200, 20_000).min(slowest(&heard)),
            _ => dice.millis(0, 60),
        };
        let only = (strike == Strike::Some).then(|| dice.below(3));
        let number = if when == When::Never { None } else { Some(world.crm().hears(arrival + takes, heard, only)) };
        self.may_die();
        let done = arrival + takes;
        let until = if when == When::Later { arrival } else { done };
        tokio::time::sleep(until.saturating_sub(now)).await;
        let answer = number.map(|number| world.crm().answer(number)).unwrap_or_default();
        tokio::time::sleep(dice.millis(1, 40)).await;
        if world.disk().is_dead() {
            return std::future::pending().await;
        }
        match strike {
            Strike::Cut(_) => Err(Failure::Cut("cut".into())),
            Strike::Failed(_) => Ok(respond(*dice.pick(&[500, 502, 503, 504]), &json!({}))),
            Strike::Hang(_) => std::future::pending().await,
            Strike::Throttled => Ok(throttled(*dice.pick(&[None, Some(1), Some(5), Some(30)]))),
            Strike::Blocked => Ok(blocked()),
            _ => Ok(respond(200, &answer)),
        }
    }

    fn another(&self) -> Arc<dyn Transport> {
        Arc::new(Self { world: self.world.clone(), dice: self.dice.fork() })
    }
}

/// What is made has to be in the lists by the end of the index delay, counted from when it was sent.
fn slowest(heard: &Heard) -> Duration {
    if matches!(heard, Heard::Make(_)) { INDEX_DELAY / 4 } else { Duration::from_mins(1) }
}

impl Wire {
    /// The process dies with the n-th request that has left.
    fn may_die(&self) {
        let mut left = self.world.sends_left.lock().expect("nothing panics while it holds this lock");
        if let Some(some) = left.as_mut() {
            *some = some.saturating_sub(1);
            if *some == 0 {
                self.world.disk().power_off();
            }
        }
    }
}
