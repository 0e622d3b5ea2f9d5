//! TLS before HTTP: the handshake, with a deadline, and what it says about the client.

use std::sync::Arc;

use bytes::Bytes;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::converse::{Arrival, converse};
use super::rewound::Rewound;
use super::via::Via;

/// Of an answer, this much may wait in the TLS layer: what waits there the clocks do not see moving.
const WAITING: usize = 16 << 10;

/// A client that speaks TLS from the first byte.
pub(super) async fn receive(tls: Arc<ServerConfig>, stream: TcpStream, arrival: Arrival) {
    serve(tls, Rewound { before: Bytes::new(), stream }, None, arrival).await;
}

/// Handshake, then HTTP. `tunnel`: the host that the tunnel was asked for, and its account.
pub(super) async fn serve(
    tls: Arc<ServerConfig>,
    stream: Rewound<TcpStream>,
    tunnel: Option<(String, usize)>,
    arrival: Arrival,
) {
    let shaking = TlsAcceptor::from(tls).accept_with(stream, |connection| connection.set_buffer_limit(Some(WAITING)));
    let stream = match tokio::time::timeout(arrival.limits().head, shaking).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            metrics::counter!("crm_undo_gateway_handshakes_failed_total").increment(1);
            // Mostly a client that does not trust the certificate; the error names neither side.
            tracing::debug!(%error, "gateway: a TLS handshake failed");
            return;
        }
        Err(_) => {
            metrics::counter!("crm_undo_gateway_cut_total", "limit" => "handshake").increment(1);
            return;
        }
    };
    let sni = stream.get_ref().1.server_name().map(ToOwned::to_owned);
    converse(stream, Via::tls(sni, tunnel), arrival).await;
}
