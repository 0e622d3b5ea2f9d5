//! The transport over real sockets: hyper-util's client, HTTP/1.1, no redirects, no environment proxies, no decoding.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{Connect, HttpConnector, capture_connection};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::BadUpstream;
use super::budget::Turn;
use super::flow::Flow;
use super::transport::{Failure, Transport};

/// Below the minute after which most servers close: whoever reuses a connection that is being closed gets a cut.
const IDLE: Duration = Duration::from_secs(25);

/// Over TCP, with TLS where the address says so.
#[derive(Clone, Debug)]
pub(super) enum Wire {
    Plain { client: Client<HttpConnector, Flow>, connector: HttpConnector },
    Tls { client: Client<HttpsConnector<HttpConnector>, Flow>, connector: HttpsConnector<HttpConnector> },
}

impl Wire {
    pub(super) fn new(https: bool, connect_timeout: Duration) -> Result<Self, BadUpstream> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp.set_keepalive(Some(Duration::from_mins(1)));
        if !https {
            return Ok(Self::Plain { client: client(tcp.clone()), connector: tcp });
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(provider)
            .map_err(|why| {
                BadUpstream(format!(
                    "the system's certificate authorities cannot be read ({why}); on Debian: apt-get install \
                     ca-certificates"
                ))
            })?
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self::Tls { client: client(tls.clone()), connector: tls })
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request<Flow>, turn: &Turn) -> Result<Response<Flow>, Failure> {
        match self {
            Self::Plain { client, .. } => send(client, request, turn).await,
            Self::Tls { client, .. } => send(client, request, turn).await,
        }
    }

    fn another(&self) -> Arc<dyn Transport> {
        Arc::new(match self {
            Self::Plain { connector, .. } => {
                Self::Plain { client: client(connector.clone()), connector: connector.clone() }
            }
            Self::Tls { connector, .. } => {
                Self::Tls { client: client(connector.clone()), connector: connector.clone() }
            }
        })
    }
}

fn client<C: Connect + Clone>(connector: C) -> Client<C, Flow> {
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE)
        .pool_timer(TokioTimer::new())
        .set_host(false)
        .build(connector)
}

async fn send<C>(client: &Client<C, Flow>, mut request: Request<Flow>, turn: &Turn) -> Result<Response<Flow>, Failure>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    if !turn.is_counted() && request.method().is_safe() {
        // Nobody will ask whether it left, so the request can do without the channel that tells.
        turn.sent();
        return outcome(client.request(request).await);
    }
    let mut connected = capture_connection(&mut request);
    let mut answer = client.request(request);
    tokio::select! {
        biased;
        answer = &mut answer => return outcome(answer.inspect(|_| turn.sent())),
        _ = connected.wait_for_connection_metadata() => turn.sent(),
    }
    outcome(answer.await)
}

fn outcome(answer: Result<Response<Incoming>, ClientError>) -> Result<Response<Flow>, Failure> {
    answer.map(|response| response.map(Flow::Wire)).map_err(|why| {
        let cause = why.source();
        // hyper gives a request back, and calls it canceled, when not a byte of it was written.
        let canceled =
            cause.and_then(|cause| cause.downcast_ref::<hyper::Error>()).is_some_and(hyper::Error::is_canceled);
        let detail = innermost(&why);
        if why.is_connect() || canceled { Failure::NotSent(detail) } else { Failure::Cut(detail) }
    })
}

/// The last cause says it best ("Connection refused"), and unlike the first it never names an address.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
