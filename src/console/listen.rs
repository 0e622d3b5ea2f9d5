//! Connections: counted, timed, drained at the end. `axum::serve` would keep a half-sent header for ever.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Console, Settings, layers, once, routes};
use crate::engine::Engine;

/// People and scripts, not traffic: the gateway is where the load is.
const MOST_CONNECTIONS: usize = 512;
/// For the head of a request, and for a kept connection to ask again.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// For answers under way when the process stops.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves the console until `shutdown`, then finishes the answers under way (at most 10 seconds).
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    settings: Settings,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let results = Arc::<once::Results>::default();
    let console = Console { engine, settings, results };
    let service = TowerToHyperService::new(layers::around(routes::router(&console)));
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let under_way = GracefulShutdown::new();
    loop {
        // The place is taken before the connection is: who finds none waits in the kernel's queue.
        let accepted = async {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, _)| (place, stream))
        };
        let (place, stream) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, or a client that left at once. Neither may end the listener.
                    tracing::warn!(%error, "console: could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .serve_connection(TokioIo::new(stream), service.clone());
        let connection = under_way.watch(connection);
        tokio::spawn(async move {
            // Clients that vanish are no news.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, under_way.shutdown()).await.is_err() {
        tracing::warn!("console: some answers were not finished within {} s", DRAIN.as_secs());
    }
    Ok(())
}
