//! The most lenient CRM in this process, without a socket: for tests that ask by the million what a request destroys.

use bytes::Bytes;
use http::{Request as HttpRequest, StatusCode};
use serde_json::{Value, json};

use crate::Options;
use crate::lax;
use crate::ledger::What;
use crate::request::Request;
use crate::state::State;
use crate::vendors::amocrm::{self, Portion};

/// An account that reads every request in every helpful way at once (the switch `lax`), and deletes what a `PATCH` marks.
/// No limits, no faults, no webhooks, no ledger of requests.
#[derive(Debug)]
pub struct Lenient {
    state: State,
}

/// What one request came to.
#[derive(Debug)]
pub struct Outcome {
    /// The status of the answer.
    pub status: StatusCode,
    /// The answer's body, if it was JSON.
    pub body: Value,
    /// What went with it, as `leads/5`, or `links/leads-5-contacts-6`.
    pub destroyed: Vec<String>,
}

impl Lenient {
    /// An account with nothing but its schema.
    pub fn new(options: Options) -> Self {
        let state = State::new(options);
        let wanted = json!({"lax": true, "patch_is_deleted": "deletes"});
        state.account().world.switches.turn(&wanted).expect("these switches are in the table");
        Self { state }
    }

    /// Lets the CRM act.
    pub fn act(&self, request: &HttpRequest<Bytes>) -> Outcome {
        let target = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let heard =
            Request::new(1, request.method().clone(), target, request.headers().clone(), request.body().clone());
        let mut account = self.state.account();
        let answer = amocrm::answer(&mut account, &lax::read(heard), &mut Portion::all());
        let lost =
            account.world.effects.drain(..).filter(|effect| matches!(effect.what, What::Deleted | What::Unlinked));
        let destroyed = lost.filter(|effect| effect.by == "api").map(|effect| match effect.to {
            Some((object, id)) => format!("links/{}-{}-{object}-{id}", effect.object, effect.id),
            None => format!("{}/{}", effect.object, effect.id),
        });
        let destroyed = destroyed.collect();
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        Outcome { status: answer.status, body, destroyed }
    }
}
