//! One connection's life, once its bytes are HTTP.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Limits;
use super::hops::Origin;
use super::listen::Place;
use super::pulse::{Coarse, Marked, Pulse};
use super::serve::Desk;
use super::via::Via;

/// A connection that was let in.
pub(super) struct Arrival {
    pub(super) http: http1::Builder,
    pub(super) origin: Origin,
    pub(super) clock: Coarse,
    pub(super) desk: Arc<Desk>,
    pub(super) place: Place,
}

impl Arrival {
    pub(super) fn new(http: http1::Builder, peer: SocketAddr, clock: Coarse, desk: Arc<Desk>, place: Place) -> Self {
        Self { http, origin: Origin::of(peer.ip()), clock, desk, place }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.place.door.limits
    }

    pub(super) fn draining(&self) -> bool {
        self.place.door.draining.load(Ordering::Relaxed)
    }

    pub(super) fn pulse(&self) -> Arc<Pulse> {
        Arc::new(Pulse::new(self.clock.clone(), *self.limits()))
    }
}

/// Requests and answers until one side is done.
pub(super) async fn converse<S>(stream: S, via: Via, arrival: Arrival)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let pulse = arrival.pulse();
    let io = TokioIo::new(Marked { stream, pulse: Arc::clone(&pulse) });
    let (desk, marks, origin, via) = (&*arrival.desk, &pulse, &arrival.origin, &via);
    let service = service_fn(|request| desk.serve(request, marks, origin, via));
    let connection = arrival.http.serve_connection(io, service);
    watched(connection, http1::Connection::graceful_shutdown, &pulse, &arrival).await;
}

/// Drives a connection; whether it ended by itself, and was not cut. `close` asks it to end after the answer under way.
pub(super) async fn watched<C: Future>(
    connection: C,
    close: impl Fn(Pin<&mut C>),
    pulse: &Pulse,
    arrival: &Arrival,
) -> bool {
    let tick = arrival.limits().tick();
    let mut connection = pin!(connection);
    let mut look = pin!(tokio::time::sleep(tick));
    let mut closing = false;
    loop {
        tokio::select! {
            biased;
            // Clients that vanish or talk nonsense are no news.
            _ = connection.as_mut() => return true,
            () = look.as_mut() => {}
        }
        if let Some(limit) = pulse.overdue() {
            metrics::counter!("crm_undo_gateway_cut_total", "limit" => limit).increment(1);
            tracing::debug!(limit, "gateway: a slow client was cut");
            return false;
        }
        if !closing && arrival.draining() {
            closing = true;
            close(connection.as_mut());
        }
        look.as_mut().reset(tokio::time::Instant::now() + tick);
    }
}
