//! Tunnels to hosts that are none of ours: bytes, untouched, few at once, and only to the public internet.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::converse::Arrival;
use super::pulse::Coarse;
use super::reach;
use super::refusal::because;
use super::rewound::Rewound;
use crate::domain::delete::Refusal;

/// For looking a name up and connecting.
const CONNECT: Duration = Duration::from_secs(10);

/// How the forward proxy serves hosts that are none of ours.
#[derive(Clone, Debug)]
pub struct Tunnels {
    /// Ports they may lead to.
    pub ports: Vec<u16>,
    /// Whether they may lead to loopback, private and link-local addresses, and to this machine.
    pub private_addresses: bool,
    /// How many at once.
    pub at_once: usize,
    /// After so long without a byte in either direction one ends.
    pub idle: Duration,
}

impl Default for Tunnels {
    fn default() -> Self {
        Self { ports: vec![443], private_addresses: false, at_once: 64, idle: Duration::from_mins(5) }
    }
}

/// What all threads share.
#[derive(Debug)]
pub(super) struct Others {
    rules: Tunnels,
    /// Where the CRMs are: name and port.
    crms: Vec<(String, u16)>,
    places: Arc<Semaphore>,
}

/// A tunnel that is connected.
pub(super) struct Tunnel {
    server: TcpStream,
    idle: Duration,
    _place: OwnedSemaphorePermit,
}

impl Others {
    pub(super) fn new(rules: Tunnels, crms: Vec<(String, u16)>) -> Self {
        let places = Arc::new(Semaphore::new(rules.at_once));
        Self { rules, crms, places }
    }

    /// Whether a CRM of ours answers at one of these addresses, whatever name was asked for.
    async fn leads_to_a_crm(&self, wanted: &[SocketAddr]) -> io::Result<bool> {
        for (name, port) in self.crms.iter().filter(|(_, port)| wanted.iter().any(|at| at.port() == *port)) {
            let mut of_crm = tokio::net::lookup_host((name.as_str(), *port)).await?;
            if of_crm.any(|at| wanted.iter().any(|wanted| wanted.ip().to_canonical() == at.ip().to_canonical())) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Connects to a host. The addresses are looked at, not the name, and those that were looked at are connected to:
    /// a name that changes its mind in between gains nothing.
    pub(super) async fn connect(&self, name: &str, port: u16) -> Result<Tunnel, Refusal> {
        if !self.rules.ports.contains(&port) {
            return Err(not_proxied("to this port", "add the port to gateway.tunnel_ports"));
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let detail = format!("{} tunnels to other hosts are open already", self.rules.at_once);
            let mut refusal = because(503, "too_many_tunnels", &detail, "try it again, or go there directly");
            refusal.retry_after = Some(1);
            refusal
        })?;
        // Without its brackets, as the resolver wants an address of version 6.
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let connecting = async {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name, port)).await?.collect();
            let wanted = found.iter().filter(|at| self.rules.private_addresses || reach::is_public(at.ip()));
            let wanted: Vec<SocketAddr> = wanted.copied().collect();
            if wanted.is_empty() {
                return Ok(Err(not_proxied(
                    "to an address of this network",
                    "set gateway.tunnel_private_addresses, or go there directly",
                )));
            }
            // Under another name, or as an address, it would be a way around.
            if self.leads_to_a_crm(&wanted).await? {
                return Ok(Err(not_proxied("to a configured CRM under another name", "use the CRM's own name")));
            }
            let server = TcpStream::connect(&*wanted).await?;
            // This machine, under a public address of its own.
            if !self.rules.private_addresses && server.local_addr()?.ip() == server.peer_addr()?.ip() {
                return Ok(Err(not_proxied("back to this machine", "go there directly")));
            }
            io::Result::Ok(Ok(server))
        };
        match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(connected)) => {
                let server = connected?;
                let _ = server.set_nodelay(true);
                Ok(Tunnel { server, idle: self.rules.idle, _place: place })
            }
            Ok(Err(_)) => Err(because(502, "tunnel_failed", "the host cannot be reached", "look at its name and port")),
            Err(_) => Err(because(504, "tunnel_failed", "the host did not answer in time", "try it again")),
        }
    }
}

/// The forward proxy does not lead there.
pub(super) fn not_proxied(what: &str, hint: &str) -> Refusal {
    because(403, "not_proxied", &format!("this forward proxy does not lead {what}"), hint)
}

/// Carries bytes both ways until both sides are done, or nothing moves any more.
pub(super) async fn carry(client: Rewound<TcpStream>, tunnel: Tunnel, arrival: &Arrival) {
    let moved = Arc::new(AtomicU64::new(arrival.clock.now()));
    let mut client = Moving { stream: client, clock: arrival.clock.clone(), moved: Arc::clone(&moved) };
    let mut server = Moving { stream: tunnel.server, clock: arrival.clock.clone(), moved: Arc::clone(&moved) };
    let mut carrying = pin!(tokio::io::copy_bidirectional(&mut client, &mut server));
    loop {
        tokio::select! {
            biased;
            _ = carrying.as_mut() => return,
            () = tokio::time::sleep(arrival.limits().tick()) => {}
        }
        let still = arrival.clock.now().saturating_sub(moved.load(Relaxed));
        if arrival.draining() || u128::from(still) > tunnel.idle.as_millis() {
            metrics::counter!("crm_undo_gateway_cut_total", "limit" => "tunnel").increment(1);
            return;
        }
    }
}

/// A stream that notes when bytes move.
struct Moving<S> {
    stream: S,
    clock: Coarse,
    moved: Arc<AtomicU64>,
}

impl<S> Moving<S> {
    fn mark<T>(&self, polled: Poll<T>) -> Poll<T> {
        if polled.is_ready() {
            self.moved.store(self.clock.now(), Relaxed);
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Moving<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.mark(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Moving<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.mark(wrote)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
