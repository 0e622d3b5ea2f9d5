//! What one gateway thread serves with, and how it receives a request.

use std::convert::Infallible;
use std::sync::Arc;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;

use super::admit;
use super::callers::Callers;
use super::hops::{self, Origin};
use super::hosts::Hosts;
use super::links::Address;
use super::pulse::{Answered, Brought, Pulse};
use super::refusal::worded;
use super::via::Via;
use super::visit::{Visit, listen_on};
use crate::crm::upstream::Upstream;
use crate::crm::upstream::flow::Flow;
use crate::crm::{Connector, Head};
use crate::domain::delete::Refusal;
use crate::engine::Engine;

/// One connection, as one gateway thread sees it.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) connector: Arc<dyn Connector>,
    /// With connections of this thread's own.
    pub(super) upstream: Upstream,
    pub(super) address: Arc<Address>,
}

/// What one gateway thread serves with.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) engine: Engine,
    pub(super) accounts: Vec<Account>,
    pub(super) hosts: Hosts,
    /// Without one, clients may ask as often as they like.
    pub(super) callers: Option<Arc<Callers>>,
    /// Where deletes run.
    pub(super) main: tokio::runtime::Handle,
    pub(super) relayed: metrics::Counter,
    pub(super) refused: metrics::Counter,
}

impl Desk {
    /// Answers one request.
    pub(super) async fn serve(
        &self,
        request: Request<Incoming>,
        pulse: &Arc<Pulse>,
        origin: &Origin,
        via: &Via,
    ) -> Result<Response<Answered>, Infallible> {
        let (parts, body) = request.into_parts();
        let two_lengths = pulse.begin(parts.headers.contains_key(header::TRANSFER_ENCODING));
        let mut doubtful = admit::is_unframed(&parts);
        let admitted = if two_lengths { Err(admit::two_lengths()) } else { admit::admit(&parts, &self.hosts, via) };
        let mut response = match admitted {
            Ok(account) => self.visit(&self.accounts[account], parts, body, pulse, origin, via).await,
            Err(refusal) => {
                doubtful = true;
                self.turn_away(None, &parts, body, pulse, &refusal).await
            }
        };
        if doubtful || pulse.body_broke() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Answered { body, pulse: Arc::clone(pulse) }))
    }

    /// The answer to a request that is refused before it is anybody's, and the end of its connection.
    pub(super) async fn not_served(
        &self,
        request: Request<Incoming>,
        pulse: &Arc<Pulse>,
        refusal: &Refusal,
    ) -> Response<Answered> {
        let (parts, body) = request.into_parts();
        pulse.begin(false);
        let mut response = self.turn_away(None, &parts, body, pulse, refusal).await;
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response.map(|body| Answered { body, pulse: Arc::clone(pulse) })
    }

    /// A request that was not admitted. Nothing is written down, so that a flood costs no disk. Without an account its
    /// vendor is only known if there is but one.
    async fn turn_away(
        &self,
        account: Option<&Account>,
        parts: &Parts,
        body: Incoming,
        pulse: &Arc<Pulse>,
        refusal: &Refusal,
    ) -> Response<Flow> {
        self.refused.increment(1);
        if !parts.headers.contains_key(header::EXPECT) {
            listen_on(Brought { body, pulse: Arc::clone(pulse) }).await;
        }
        let first = self.accounts.first();
        let one_vendor = first
            .filter(|first| self.accounts.iter().all(|account| account.connector.vendor() == first.connector.vendor()));
        let head =
            Head { method: &parts.method, path: parts.uri.path(), query: parts.uri.query(), headers: &parts.headers };
        match account.or(one_vendor) {
            Some(account) => worded(Some(&*account.connector), &head, refusal),
            None => worded(None, &head, refusal),
        }
    }

    async fn visit(
        &self,
        account: &Account,
        mut parts: Parts,
        body: Incoming,
        pulse: &Arc<Pulse>,
        origin: &Origin,
        via: &Via,
    ) -> Response<Flow> {
        if let Some(callers) = &self.callers
            && let Err(refusal) = callers.admit(&parts.headers, origin.peer)
        {
            return self.turn_away(Some(account), &parts, body, pulse, &refusal).await;
        }
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let own_address = host
            .filter(|host| !host.eq_ignore_ascii_case(account.upstream.host()))
            .map(|host| format!("{}://{host}", via.scheme()));
        let waits = parts.headers.contains_key(header::EXPECT);
        hops::request(&mut parts.headers, origin);
        // An upgrade that is not passed on is not offered either.
        parts.extensions = http::Extensions::new();
        let body = Brought { body, pulse: Arc::clone(pulse) };
        let target = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let visit = Visit { desk: self, account, pulse, parts, waits, target, own_address, moved_to: None };
        visit.answer(body).await
    }
}
