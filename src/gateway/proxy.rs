//! The forward proxy: `CONNECT` to a host of ours ends here, in TLS of our own, and then the gateway's rules hold; to
//! any other host it is refused, or tunneled where that is configured.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderValue, Method, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::http1::UpgradeableConnection;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::TcpStream;

use super::converse::{Arrival, watched};
use super::credentials::Credentials;
use super::pulse::{Answered, Marked, Pulse};
use super::refusal::because;
use super::rewound::Rewound;
use super::tunnel::{self, Others, Tunnel, Tunnels, not_proxied};
use super::via::Via;
use super::{admit, hosts, secure};
use crate::crm::upstream::flow::Flow;
use crate::domain::delete::Refusal;

/// How the forward proxy is set up.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Shows certificates of the private CA.
    pub tls: Arc<ServerConfig>,
    /// Who may use it; `None`: whoever reaches it.
    pub credentials: Option<Credentials>,
    /// How hosts that are none of ours are served; `None`: not at all.
    pub tunnels: Option<Tunnels>,
}

/// The forward proxy, as all threads share it.
#[derive(Debug)]
pub(super) struct Proxy {
    tls: Arc<ServerConfig>,
    credentials: Option<Credentials>,
    others: Option<Others>,
}

/// Where a tunnel leads.
enum To {
    /// Here: a host of ours, and its account.
    Crm(String, usize),
    /// There.
    Other(Tunnel),
}

/// A `CONNECT` that was answered 200.
type Granted = Mutex<Option<(OnUpgrade, To)>>;

impl Proxy {
    /// `crms`: where the CRMs are, name and port.
    pub(super) fn new(forward: Forward, crms: Vec<(String, u16)>) -> Self {
        Self {
            tls: forward.tls,
            credentials: forward.credentials,
            others: forward.tunnels.map(|rules| Others::new(rules, crms)),
        }
    }

    /// One connection's life.
    pub(super) async fn receive(self: Arc<Self>, stream: TcpStream, arrival: Arrival) {
        let granted = Granted::default();
        let pulse = arrival.pulse();
        let io = TokioIo::new(Marked { stream, pulse: Arc::clone(&pulse) });
        let (proxy, at, marks, grant) = (&*self, &arrival, &pulse, &granted);
        let service = service_fn(|request| proxy.answer(request, at, marks, grant));
        let connection = arrival.http.serve_connection(io, service).with_upgrades();
        if !watched(connection, UpgradeableConnection::graceful_shutdown, &pulse, &arrival).await {
            return;
        }
        let Some((upgrade, to)) = granted.into_inner().unwrap_or_else(PoisonError::into_inner) else { return };
        let Ok(upgraded) = upgrade.await else { return };
        // The bare socket, and what came after the request: it belongs to the tunnel, and to nothing else.
        let Ok(parts) = upgraded.downcast::<TokioIo<Marked<TcpStream>>>() else { return };
        let stream = Rewound { before: parts.read_buf, stream: parts.io.into_inner().stream };
        match to {
            To::Crm(name, account) => {
                secure::serve(Arc::clone(&self.tls), stream, Some((name, account)), arrival).await;
            }
            To::Other(tunnel) => tunnel::carry(stream, tunnel, &arrival).await,
        }
    }

    async fn answer(
        &self,
        mut request: Request<Incoming>,
        arrival: &Arrival,
        pulse: &Arc<Pulse>,
        granted: &Granted,
    ) -> Result<Response<Answered>, Infallible> {
        let admitted = self.credentials.as_ref().map_or(Ok(()), |known| known.admit(request.headers()));
        let refusal = if let Err(refusal) = admitted {
            refusal
        } else if request.method() == Method::CONNECT {
            match self.connect(&request, arrival).await {
                Ok(to) => {
                    pulse.begin(false);
                    let kind = if matches!(to, To::Crm(..)) { "crm" } else { "other" };
                    metrics::counter!("crm_undo_gateway_tunnels_total", "to" => kind).increment(1);
                    let upgrade = hyper::upgrade::on(&mut request);
                    *granted.lock().unwrap_or_else(PoisonError::into_inner) = Some((upgrade, to));
                    return Ok(Response::new(Answered { body: Flow::empty(), pulse: Arc::clone(pulse) }));
                }
                Err(refusal) => refusal,
            }
        } else {
            match forwarded(&request, arrival) {
                Ok(()) => return arrival.desk.serve(request, pulse, &arrival.origin, &Via::plain()).await,
                Err(refusal) => refusal,
            }
        };
        let mut response = arrival.desk.not_served(request, pulse, &refusal).await;
        if refusal.status == 407 {
            let asked = HeaderValue::from_static("Basic realm=\"crm-undo\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::PROXY_AUTHENTICATE, asked);
        }
        Ok(response)
    }

    /// Where this `CONNECT` may lead. One reading of it, or none.
    async fn connect(&self, request: &Request<Incoming>, arrival: &Arrival) -> Result<To, Refusal> {
        let headers = request.headers();
        if headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING) {
            let detail = "a CONNECT request has no body";
            return Err(because(400, "bad_framing", detail, "leave Content-Length and Transfer-Encoding out"));
        }
        admit::expectation(headers)?;
        let uri = request.uri();
        let authority = uri.authority().filter(|_| uri.scheme().is_none() && uri.path_and_query().is_none());
        let target = authority.and_then(|authority| hosts::name_and_port(authority.as_str()));
        let Some((name, port)) = target else {
            let detail = "CONNECT has to name a host and a port, and nothing else";
            return Err(because(400, "bad_target", detail, "CONNECT acme.amocrm.ru:443 HTTP/1.1"));
        };
        match hosts::only_host(headers)? {
            // Some libraries still ask in HTTP/1.0, and name the host only once.
            None if request.version() == Version::HTTP_10 => {}
            None => return Err(because(400, "bad_host", "the request has no Host header", "send one")),
            Some(host) => {
                let (host, at) = hosts::split_port(host);
                if !host.eq_ignore_ascii_case(name) || at.is_some_and(|at| at != port.to_string()) {
                    let detail = "the request line names another host than the Host header";
                    return Err(because(400, "bad_target", detail, "send the same in both, or the name alone in Host"));
                }
            }
        }
        if let Some(account) = arrival.desk.hosts.crm(name) {
            if port == 443 {
                return Ok(To::Crm(name.to_ascii_lowercase(), account));
            }
            // Untouched, it would be a way around.
            return Err(not_proxied("to this port of the CRM", "use port 443"));
        }
        match &self.others {
            Some(others) => Ok(To::Other(others.connect(name, port).await?)),
            None => Err(not_proxied(
                "to this host",
                "add it to `hosts` of a connection if it is a CRM, set gateway.tunnel_other_hosts, or exempt it with NO_PROXY",
            )),
        }
    }
}

/// Whether a request in absolute form is for a host of ours. Its `Host` is looked at by whoever serves it.
fn forwarded(request: &Request<Incoming>, arrival: &Arrival) -> Result<(), Refusal> {
    let uri = request.uri();
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        let detail = "this port is a forward proxy, and the request does not say for whom it is";
        return Err(because(400, "bad_target", detail, "use it as HTTPS_PROXY, or ask gateway.listen"));
    };
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(because(400, "bad_target", "https goes through CONNECT", "let the client use it as HTTPS_PROXY"));
    }
    if arrival.desk.hosts.crm_plain(authority.as_str()).is_some() {
        return Ok(());
    }
    Err(not_proxied("to this host", "only hosts of configured connections are served"))
}
