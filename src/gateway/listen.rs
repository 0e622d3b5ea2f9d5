//! Sockets, threads, connections, the drain.
//!
//! One listening socket a thread, all on one port: the kernel deals connections out, and no thread wakes another.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::callers::Callers;
use super::converse::{Arrival, converse};
use super::hosts::Hosts;
use super::links::Address;
use super::proxy::Proxy;
use super::pulse::Coarse;
use super::serve::{Account, Desk};
use super::via::Via;
use super::{Limits, Settings, secure};
use crate::engine::Engine;

/// The longest head of a request, in bytes.
const HEAD: usize = 64 << 10;
/// What the kernel holds of an answer that was not sent yet, in bytes. Without a limit it takes megabytes for each client
/// that does not read.
const UNSENT: u32 = 128 << 10;
/// Connections the kernel keeps for us until they are accepted.
const BACKLOG: i32 = 1024;

/// Sockets that listen already and are not served yet.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<std::net::TcpListener>,
    address: SocketAddr,
    /// Those of the forward proxy, one a thread.
    proxy: Vec<std::net::TcpListener>,
}

/// Listens on `addr`, with a socket for each of `threads`. With port 0 the first socket chooses.
pub fn bind(addr: SocketAddr, threads: usize) -> io::Result<Bound> {
    let mut address = addr;
    let mut listeners = Vec::with_capacity(threads.max(1));
    for _ in 0..threads.max(1) {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = std::net::TcpListener::from(socket);
        address = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(Bound { listeners, address, proxy: Vec::new() })
}

impl Bound {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// With the listeners of a forward proxy, as many as its own.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Bound) -> Self {
        self.proxy = proxy.listeners;
        self
    }

    /// Serves until `shutdown`, then finishes the answers under way. Deletes run on `main`, which has to outlive it.
    #[allow(clippy::needless_pass_by_value)] // each thread gets a copy, and the caller keeps none
    pub fn serve(
        self,
        engine: Engine,
        settings: Settings,
        main: tokio::runtime::Handle,
        shutdown: CancellationToken,
    ) -> io::Result<Serving> {
        let door = Arc::new(Door {
            limits: settings.limits,
            places: Arc::new(Semaphore::new(settings.limits.connections)),
            by_address: Mutex::default(),
            draining: AtomicBool::new(false),
        });
        let callers = Callers::new(settings.client_requests_per_second).map(Arc::new);
        let entrance = settings.tls.clone().map_or(Entrance::Plain, Entrance::Tls);
        let proxy = settings.forward.clone().map(|forward| Arc::new(Proxy::new(forward, crms(&engine))));
        let mut proxies = self.proxy.into_iter();
        let mut threads = Vec::new();
        for (number, listener) in self.listeners.into_iter().enumerate() {
            let mut listeners = vec![(listener, entrance.clone())];
            if let Some((listener, proxy)) = proxies.next().zip(proxy.clone()) {
                listeners.push((listener, Entrance::Proxy(proxy)));
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let desk = Arc::new(desk(engine.clone(), &settings, main.clone(), callers.clone()));
            let (door, shutdown) = (Arc::clone(&door), shutdown.clone());
            let (tell, told) = oneshot::channel();
            thread::Builder::new().name(format!("gateway-{number}")).spawn(move || {
                let all = listeners.into_iter().map(|(at, entrance)| attend(at, entrance, &desk, &door, &shutdown));
                let drained = runtime.block_on(futures::future::try_join_all(all));
                let drained = drained.map(|drained| drained.into_iter().all(|drained| drained));
                // Look-ups on the blocking pool may hang on a sick disk; nothing is lost with them.
                runtime.shutdown_timeout(Duration::from_secs(1));
                let _ = tell.send(drained);
            })?;
            threads.push(told);
        }
        Ok(Serving { threads })
    }
}

/// The gateway's threads.
#[derive(Debug)]
pub struct Serving {
    threads: Vec<oneshot::Receiver<io::Result<bool>>>,
}

impl Serving {
    /// Waits until all threads have ended. `Ok(false)`: some answers were cut because they took longer than the drain.
    pub async fn stopped(self) -> io::Result<bool> {
        let mut all = true;
        for thread in self.threads {
            all &= thread.await.map_err(|_| io::Error::other("a gateway thread panicked"))??;
        }
        Ok(all)
    }
}

/// What a listener's connections begin with.
#[derive(Clone, Debug)]
enum Entrance {
    Plain,
    Tls(Arc<ServerConfig>),
    Proxy(Arc<Proxy>),
}

/// What the threads share.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) limits: Limits,
    places: Arc<Semaphore>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    pub(super) draining: AtomicBool,
}

/// A place among the connections, and among those of one address.
pub(super) struct Place {
    pub(super) door: Arc<Door>,
    address: IpAddr,
    _one: OwnedSemaphorePermit,
}

impl Door {
    fn enter(self: &Arc<Self>, address: IpAddr, one: OwnedSemaphorePermit) -> Option<Place> {
        let mut counts = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        if *count >= self.limits.connections_per_address {
            return None;
        }
        *count += 1;
        Some(Place { door: Arc::clone(self), address, _one: one })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.door.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Where the CRMs are: name and port.
fn crms(engine: &Engine) -> Vec<(String, u16)> {
    let of = |origin: String| {
        let uri: http::Uri = origin.parse().ok()?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        Some((uri.host()?.trim_matches(['[', ']']).to_owned(), port))
    };
    engine.connections().values().filter_map(|connection| of(connection.upstream.origin())).collect()
}

fn desk(engine: Engine, settings: &Settings, main: tokio::runtime::Handle, callers: Option<Arc<Callers>>) -> Desk {
    let accounts: Vec<Account> = engine
        .connections()
        .values()
        .map(|connection| Account {
            name: connection.name.clone(),
            connector: Arc::clone(&connection.connector),
            upstream: connection.upstream.for_another_runtime(),
            address: Arc::new(Address::new(&connection.upstream.origin())),
        })
        .collect();
    let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
    let crms = accounts.iter().map(|account| account.upstream.host());
    let hosts = Hosts::new(settings, &names).with_crms(crms);
    let relayed = metrics::counter!("crm_undo_gateway_relayed_total");
    let refused = metrics::counter!("crm_undo_gateway_refused_total");
    Desk { engine, accounts, hosts, callers, main, relayed, refused }
}

/// One listener's life on one thread. Whether every answer under way was finished.
async fn attend(
    listener: std::net::TcpListener,
    entrance: Entrance,
    desk: &Arc<Desk>,
    door: &Arc<Door>,
    shutdown: &CancellationToken,
) -> io::Result<bool> {
    let listener = TcpListener::from_std(listener)?;
    let clock = Coarse::new();
    let ticking = tokio::spawn(clock.clone().run(door.limits.tick()));
    let http = protocol(&door.limits);
    let under_way = TaskTracker::new();
    loop {
        // The place is taken before the connection is: who finds none waits in the kernel's queue.
        let accepted = async {
            let place = Arc::clone(&door.places).acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, peer)| (place, stream, peer))
        };
        let (place, stream, peer) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, or a client that left at once. Neither may end the listener.
                    tracing::warn!(%error, "gateway: could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let Some(place) = door.enter(peer.ip(), place) else {
            turn_away(&stream, &entrance);
            continue;
        };
        let _ = stream.set_nodelay(true);
        hold_little(&stream);
        let arrival = Arrival::new(http.clone(), peer, clock.clone(), Arc::clone(desk), place);
        match &entrance {
            Entrance::Plain => under_way.spawn(converse(stream, Via::plain(), arrival)),
            Entrance::Tls(tls) => under_way.spawn(secure::receive(Arc::clone(tls), stream, arrival)),
            Entrance::Proxy(proxy) => under_way.spawn(Arc::clone(proxy).receive(stream, arrival)),
        };
    }
    drop(listener);
    door.draining.store(true, Ordering::Relaxed);
    under_way.close();
    let drained = tokio::time::timeout(door.limits.drain, under_way.wait()).await.is_ok();
    if !drained {
        tracing::warn!(left = under_way.len(), "gateway: some answers were not finished in time");
    }
    ticking.abort();
    Ok(drained)
}

fn protocol(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    // Our own clocks are finer; hyper's stays as a second look that covers a head which follows another at once.
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head.max(limits.keep_alive) + limits.head)
        .max_buf_size(HEAD);
    http
}

/// Best effort: a system without this option holds more.
fn hold_little(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, UNSENT);
}

/// An address with too many connections is told so, if it listens.
fn turn_away(stream: &TcpStream, entrance: &Entrance) {
    const TOO_MANY: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    // Before a handshake nothing can be said.
    if !matches!(entrance, Entrance::Tls(_)) {
        let _ = stream.try_write(TOO_MANY);
    }
    metrics::counter!("crm_undo_gateway_cut_total", "limit" => "address").increment(1);
}
