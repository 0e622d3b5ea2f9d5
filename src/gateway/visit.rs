//! One admitted request: read, classified, renamed; then relayed, carried out, or refused.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Body;

use super::body::{self, Looked};
use super::canonical::{self, Reading};
use super::course::{self, Course, course};
use super::pulse::{Brought, Pulse};
use super::refusal::{
    because, broken_body, changed_on_the_way, no_answer, not_understood, other_verb, unreadable, worded,
};
use super::serve::{Account, Desk};
use super::{hops, relink, rename, undo};
use crate::crm::upstream::flow::{self, Flow, Unread};
use crate::crm::{Head, Lane, Renamed, Triage};
use crate::domain::delete::{Recognised, Refusal};
use crate::engine::delete::{DeleteRequest, caller};

/// Of a body that is refused, this much is still read, so that the sender gets to read why.
const LISTEN_ON: usize = 16 << 20;
/// And for this long.
const LISTEN_FOR: Duration = Duration::from_secs(5);
/// How long a refusal waits for its line in the audit log.
const NOTE_FOR: Duration = Duration::from_millis(800);

/// One request, admitted.
pub(super) struct Visit<'a> {
    pub(super) desk: &'a Desk,
    pub(super) account: &'a Account,
    pub(super) pulse: &'a Arc<Pulse>,
    pub(super) parts: Parts,
    /// Whether the sender waits to be asked for the body.
    pub(super) waits: bool,
    /// What is classified and what is sent.
    pub(super) target: PathAndQuery,
    /// The gateway's own address in the client's words, if links have to lead back to it.
    pub(super) own_address: Option<String>,
    /// The target in new ids.
    pub(super) moved_to: Option<HeaderValue>,
}

impl Visit<'_> {
    /// Classifies it and does what its class asks for.
    pub(super) async fn answer(mut self, body: Brought) -> Response<Flow> {
        let bare = body.is_end_stream();
        match course(&*self.account.connector, &self.parts.method, &self.target, &self.parts.headers, bare) {
            Course::Relay => self.relay(body.into_flow()).await,
            Course::Stream(target) => {
                self.target = target;
                self.stream(body).await
            }
            Course::Read(target, most) => {
                self.target = target;
                // Boxed: what is rare must not make every request's future large.
                Box::pin(self.buffer(body, most)).await
            }
            Course::Refuse(refusal) => self.refuse(body, refusal).await,
        }
    }

    fn triage(&self, path: &str) -> Triage {
        let (method, headers) = (&self.parts.method, &self.parts.headers);
        self.account.connector.triage(&Head { method, path, query: self.target.query(), headers })
    }

    fn head(&self) -> Head<'_> {
        Head {
            method: &self.parts.method,
            path: self.target.path(),
            query: self.target.query(),
            headers: &self.parts.headers,
        }
    }

    async fn stream(self, body: Brought) -> Response<Flow> {
        if self.desk.engine.bin().successors(&self.account.name) == 0 {
            return self.relay(body.into_flow()).await;
        }
        // Boxed, as above: most accounts have no old ids.
        Box::pin(self.stream_in_new_ids(body)).await
    }

    async fn stream_in_new_ids(mut self, body: Brought) -> Response<Flow> {
        let looked = if self.parts.method.is_safe() {
            Looked::Streams(body.into_flow())
        } else {
            match body::look(&self.parts.headers, body).await {
                Ok(looked) => looked,
                Err(_) => return self.say(&broken_body()),
            }
        };
        let (bytes, streams) = match looked {
            Looked::Whole(bytes) => (bytes, None),
            Looked::Streams(flow) => (Bytes::new(), Some(flow)),
        };
        let renamed = rename::rename(&self.desk.engine, self.account, &self.head(), &bytes).await;
        let mut flow = streams.unwrap_or_else(|| Flow::whole(bytes));
        if let Some(renamed) = renamed {
            if !self.take_name(&renamed) || self.triage(self.target.path()) != Triage::Stream {
                return self.refuse(flow, not_understood("with new ids it is no longer the request it was")).await;
            }
            if let Some(changed) = renamed.body {
                flow = Flow::whole(changed);
                self.parts.headers.remove(header::CONTENT_LENGTH);
            }
        }
        self.relay(flow).await
    }

    async fn buffer(mut self, mut body: Brought, cap: usize) -> Response<Flow> {
        if let Some(refusal) = course::unreadable(&self.parts.headers) {
            return self.refuse(body, refusal).await;
        }
        let too_large = || {
            let detail =
                format!("a request that may delete something is read whole, and this one has over {cap} bytes");
            because(413, "body_too_large", &detail, "name fewer records in one request")
        };
        if body.size_hint().lower() > cap as u64 {
            return self.refuse(body, too_large()).await;
        }
        let mut bytes = match flow::collect(&mut body, cap).await {
            Ok(bytes) => bytes,
            Err(Unread::TooLarge(_)) => return self.refuse(body, too_large()).await,
            Err(Unread::Broken(_)) => return self.refuse(body, broken_body()).await,
        };
        if course::asks_for_another_verb(&self.parts.headers, &bytes) {
            return self.refuse(body, other_verb()).await;
        }
        if let Some(renamed) = rename::rename(&self.desk.engine, self.account, &self.head(), &bytes).await {
            if !self.take_name(&renamed) || matches!(self.triage(self.target.path()), Triage::Refuse(_)) {
                return self.refuse(body, not_understood("with new ids it is no longer the request it was")).await;
            }
            if let Some(changed) = renamed.body {
                bytes = changed;
                self.parts.headers.remove(header::CONTENT_LENGTH);
            }
        }
        match self.account.connector.recognise(&self.head(), &bytes) {
            Recognised::NotADelete => self.relay(Flow::whole(bytes)).await,
            Recognised::Unreadable(why) => self.refuse(body, unreadable(&why)).await,
            Recognised::Delete(intent) => {
                let mut headers = self.parts.headers.clone();
                // What became of it is read from the answer, so the answer has to be readable.
                headers.remove(header::ACCEPT_ENCODING);
                let mut request = Request::new(bytes);
                *request.method_mut() = self.parts.method.clone();
                *request.uri_mut() = Uri::from(self.target.clone());
                *request.headers_mut() = headers;
                if !self.is_what_was_classified(request.uri()) {
                    return self.refuse(body, changed_on_the_way()).await;
                }
                let engine = self.desk.engine.clone();
                let name = self.account.name.clone();
                let request = DeleteRequest { request, intent };
                // On the main runtime: neither this connection nor this thread can cut it.
                let patience = self.pulse.limits().delete_answer;
                let task = self.desk.main.spawn(async move { engine.delete_within(&name, request, patience).await });
                let Ok(answer) = task.await else {
                    let detail = "crm-undo failed while it carried out this delete; it may have happened";
                    return self.refuse(body, because(500, "internal", detail, "look at /api/v1/operations")).await;
                };
                let response = match answer {
                    Ok(answer) => undo::answer(&*self.account.connector, &self.head(), answer),
                    Err(ticket) => undo::goes_on(&*self.account.connector, &self.head(), ticket),
                };
                self.finish(response).await
            }
        }
    }

    /// The request in new ids. Whether it can be sent like that.
    fn take_name(&mut self, renamed: &Renamed) -> bool {
        let Ok(target) = renamed.target.parse::<PathAndQuery>() else { return false };
        if target.as_str() != renamed.target
            || !matches!(canonical::read(target.path()), Reading::One(path) if path == target.path())
        {
            return false;
        }
        if target != self.target || renamed.body.is_some() {
            self.moved_to = HeaderValue::from_str(target.as_str()).ok();
        }
        tracing::debug!(connection = %self.account.name, records = renamed.changes.len(), "old ids followed");
        self.target = target;
        true
    }

    async fn relay(mut self, body: Flow) -> Response<Flow> {
        let mut request = Request::new(body);
        *request.method_mut() = self.parts.method.clone();
        *request.uri_mut() = Uri::from(self.target.clone());
        *request.headers_mut() = std::mem::take(&mut self.parts.headers);
        if !request.body().is_end_stream() && request.body().size_hint().exact().is_none() {
            // hyper would send a GET with a body of unknown length without the body.
            request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if !self.is_what_was_classified(request.uri()) {
            return self.say(&changed_on_the_way());
        }
        self.desk.relayed.increment(1);
        match self.account.upstream.relay(Lane::Live, request).await {
            Ok(mut response) => {
                if response.status().is_informational() {
                    return self.say(&because(502, "bad_answer", "the CRM answered with no answer", "try it again"));
                }
                hops::answer(response.headers_mut());
                self.finish(response).await
            }
            Err(_) if self.pulse.body_broke() => self.say(&broken_body()),
            Err(error) => self.say(&no_answer(&error, !self.parts.method.is_safe())),
        }
    }

    /// P2, the last look before anything leaves.
    fn is_what_was_classified(&self, uri: &Uri) -> bool {
        uri.path_and_query().is_some_and(|sent| sent.as_str() == self.target.as_str())
    }

    /// Links that lead back, and where the record is now.
    async fn finish(self, response: Response<Flow>) -> Response<Flow> {
        let mut response = match &self.own_address {
            None => response,
            Some(own) => {
                let has_body = self.parts.method != Method::HEAD && response.status() != StatusCode::NOT_MODIFIED;
                let work = relink::relink(response, &self.account.address, own, has_body);
                // A short answer is read whole, which nobody else sees waiting.
                let Ok(Ok(response)) = tokio::time::timeout(self.pulse.limits().answer_idle, work).await else {
                    let hint = "look before you send it again, if it changes something";
                    return self.say(&because(502, "broken_answer", "the CRM's answer broke off", hint));
                };
                response
            }
        };
        if let Some(target) = self.moved_to {
            response.headers_mut().insert(header::CONTENT_LOCATION, target);
        }
        response
    }

    fn say(&self, refusal: &Refusal) -> Response<Flow> {
        self.desk.refused.increment(1);
        worded(Some(&*self.account.connector), &self.head(), refusal)
    }

    /// Refuses and writes it down; the sender may finish what he has to say.
    async fn refuse<B>(self, body: B, refusal: Refusal) -> Response<Flow>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if !self.parts.method.is_safe() || matches!(refusal.code, "not_understood" | "unreadable_delete") {
            let (engine, name) = (self.desk.engine.clone(), self.account.name.clone());
            let (by, code) = (caller(&self.parts.headers), refusal.code);
            let noted = self.desk.main.spawn(async move { engine.refused(&name, &by, None, code, Vec::new()).await });
            // Written down first, but a sick archive must not keep the refusal back; the task goes on without us.
            let _ = tokio::time::timeout(NOTE_FOR, noted).await;
        }
        if !self.waits {
            listen_on(body).await;
        }
        self.say(&refusal)
    }
}

impl Brought {
    /// On its way to the CRM. Most requests have no body, and need no box for it.
    fn into_flow(self) -> Flow {
        if self.is_end_stream() { Flow::empty() } else { Flow::boxed(self) }
    }
}

/// A socket closed on unread bytes takes the answer with it.
pub(super) async fn listen_on(mut body: impl Body<Data = Bytes> + Unpin) {
    if body.is_end_stream() {
        return;
    }
    let reading = async {
        let mut length = 0;
        while let Some(Ok(frame)) = body.frame().await {
            length += frame.data_ref().map_or(0, Bytes::len);
            if length > LISTEN_ON {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(LISTEN_FOR, reading).await;
}
