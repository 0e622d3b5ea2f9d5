//! The calls under `/_mock/`: what only the owner of a mock can ask. No token, never counted as traffic.
//!
//! | file | is |
//! | --- | --- |
//! | `screen` | a person on the CRM's own screens |
//! | `integrations` | consent, switching off and on |

mod integrations;
mod screen;

use http::StatusCode;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::request::Request;
use crate::state::State;

/// A slip of the hand must not fill the memory.
const MOST_CONTACTS: usize = 1_000_000;

/// What a control call answers: a body, or one sentence about what is wrong with the call.
type Reply = Result<Value, String>;

pub fn answer(state: &State, request: &Request) -> Answer {
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
    let body = match (request.body.is_empty(), request.json()) {
        (true, _) => json!({}),
        (false, Some(body)) => body,
        (false, None) => return refusal(StatusCode::BAD_REQUEST, "the body is not JSON"),
    };
    let reply = match (request.method.as_str(), path.as_slice()) {
        ("GET", ["requests"]) => Ok(state.ledger.requests_since(since(request))),
        ("GET", ["effects"]) => Ok(state.ledger.effects_since(since(request))),
        ("GET", ["state"]) => Ok(shown(state)),
        ("POST", ["reset"]) => reset(state, &body),
        ("POST", ["limits"]) => limits(state, &body),
        ("GET", ["faults"]) => Ok(json!({"faults": state.faults().shown()})),
        ("POST", ["faults"]) => state.faults().add(&body).map(|id| json!({"id": id.to_string()})),
        ("DELETE", ["faults"]) => Ok(json!({"removed": state.faults().remove(None)})),
        ("DELETE", ["faults", id]) => remove_fault(state, id),
        ("GET", ["switches"]) => Ok(state.account().world.switches.shown()),
        ("POST", ["switches"]) => {
            let mut account = state.account();
            account.world.version += 1;
            account.world.switches.turn(&body).map(|()| account.world.switches.shown())
        }
        ("POST", ["clock"]) => clock(state, &body),
        ("GET", ["webhooks"]) => Ok(state.post.shown()),
        ("POST", ["webhooks"]) => state.post.set(&body).map(|()| state.post.shown()),
        ("GET", ["integrations"]) => Ok(json!({"integrations": state.account().tokens.shown()})),
        ("POST", ["integrations"]) => integrations::set(state, &body),
        ("POST", ["oauth", "code"]) => integrations::mint(state, &body),
        ("POST", ["ui", verb @ ("delete" | "restore" | "edit" | "merge")]) => screen::act(state, verb, &body),
        _ => return refusal(StatusCode::NOT_FOUND, "there is no such control call; see mock-server/README.md"),
    };
    match reply {
        Ok(body) => Answer::json(StatusCode::OK, &body),
        Err(why) => refusal(StatusCode::BAD_REQUEST, &why),
    }
}

fn refusal(status: StatusCode, detail: &str) -> Answer {
    Answer::problem_body(status, &json!({"status": status.as_u16(), "code": "mock_control", "detail": detail}))
}

fn since(request: &Request) -> u64 {
    request.query.one("since").and_then(|seq| seq.parse().ok()).unwrap_or(0)
}

fn shown(state: &State) -> Value {
    let (requests, effects) = state.ledger.sizes();
    let limits = {
        let limits = state.limits();
        json!({
            "requests_per_second": limits.per_integration,
            "account_requests_per_second": limits.per_account,
            "blocked": limits.blocked(),
        })
    };
    let faults = state.faults().shown();
    let account = state.account();
    json!({
        "counts": account.world.counts(),
        "integrations": account.tokens.shown(),
        "clock": {
            "now": crate::clock::wall_text(jiff::Timestamp::from_second(account.world.clock.now()).unwrap_or_default()),
            "unix": account.world.clock.now(),
            "advanced_seconds": account.world.clock.advanced_seconds(),
        },
        "limits": limits,
        "faults": faults,
        "requests": requests,
        "effects": effects,
    })
}

fn reset(state: &State, body: &Value) -> Reply {
    let number = |key: &str, otherwise: u64| match body.get(key) {
        None | Some(Value::Null) => Ok(otherwise),
        Some(value) => value.as_u64().ok_or_else(|| format!("{key} is a number from 0")),
    };
    let seed = number("seed", state.options.seed)?;
    let contacts = number("contacts", state.options.contacts as u64)?;
    let contacts = usize::try_from(contacts).ok().filter(|contacts| *contacts <= MOST_CONTACTS);
    state.reset(seed, contacts.ok_or_else(|| format!("contacts is {MOST_CONTACTS} at most"))?);
    Ok(shown(state))
}

fn limits(state: &State, body: &Value) -> Reply {
    let number = |key: &str, otherwise: u32| match body.get(key) {
        None | Some(Value::Null) => Ok(otherwise),
        Some(value) => value
            .as_u64()
            .and_then(|value| u32::try_from(value).ok())
            .ok_or_else(|| format!("{key} is a number from 0")),
    };
    let mut limits = state.limits();
    let per_integration = number("requests_per_second", limits.per_integration)?;
    let per_account = number("account_requests_per_second", limits.per_account)?;
    // Setting limits is what amoCRM's support does: it also lifts a block.
    *limits = crate::limits::Limits::new(per_integration, per_account);
    Ok(json!({"requests_per_second": per_integration, "account_requests_per_second": per_account}))
}

fn remove_fault(state: &State, id: &str) -> Reply {
    let id: u64 = id.parse().map_err(|_| "a fault's id is a number")?;
    match state.faults().remove(Some(id)) {
        0 => Err(format!("there is no fault {id}")),
        removed => Ok(json!({"removed": removed})),
    }
}

fn clock(state: &State, body: &Value) -> Reply {
    let seconds = body.get("advance_seconds").and_then(Value::as_i64).ok_or("advance_seconds is a whole number")?;
    let mut account = state.account();
    account.world.clock.advance(seconds);
    account.world.purge_bin();
    state.post.wake();
    Ok(json!({"unix": account.world.clock.now(), "advanced_seconds": account.world.clock.advanced_seconds()}))
}
