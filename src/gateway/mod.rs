//! The proxy listener: speaks the CRM's own API and nothing else. Decides nothing that the dialect or the engine can.
//!
//! | file | idea |
//! | --- | --- |
//! | [`limits`] | how patient the gateway is, and with how many |
//! | `listen` | sockets, threads, connections, the drain |
//! | `converse` | one connection's life, once its bytes are HTTP |
//! | `secure` | TLS before that |
//! | `via` | how a connection came in, and what that says about its requests |
//! | [`proxy`] | the forward proxy: `CONNECT` to a CRM ends here |
//! | [`tunnel`] | `CONNECT` to other hosts, where that is configured |
//! | `reach` | which addresses a tunnel may lead to; pure |
//! | [`credentials`] | who may use the forward proxy |
//! | `rewound` | a stream of which some bytes were read already |
//! | `pulse` | the clocks of one connection: slow clients are cut, not waited for |
//! | `admit` | what every request must be before anybody looks at its meaning |
//! | `callers` | how many requests a second one client may send |
//! | `canonical` | one path, read the same by us and by the CRM; pure |
//! | `course` | what becomes of a request, by its head and its body; pure |
//! | `hosts` | which connection a `Host` chooses |
//! | `hops` | headers that end here, headers that begin here |
//! | `serve` | what a thread serves with, and how it receives a request |
//! | `visit` | the way of one request that was admitted |
//! | `body` | the body of a write that streams, where it may name an old id |
//! | `rename` | old ids in a request, in the words of the records that replaced them |
//! | `refusal` | what is answered instead of the CRM's answer |
//! | `undo` | the answer to a delete |
//! | `links` | finding the CRM's own address in JSON as it streams by; pure |
//! | `relink` | answers whose links must lead back through the gateway |
//! | `recode` | their bodies as they stream: unpacked, rewritten, packed again |
//! | `codings` | gzip, deflate, br and zstd, each as two writers |
//!
//! One thread a core, each with a runtime and connections to the CRM of its own, so that no request wakes another
//! core; a request that destroys something runs on the main runtime, so that no gateway thread can cut it.

mod admit;
mod body;
mod callers;
mod canonical;
mod codings;
mod converse;
mod course;
pub mod credentials;
mod hops;
mod hosts;
pub mod limits;
mod links;
mod listen;
pub mod proxy;
mod pulse;
mod reach;
mod recode;
mod refusal;
mod relink;
mod rename;
mod rewound;
mod secure;
mod serve;
pub mod tunnel;
mod undo;
mod via;
mod visit;

#[cfg(test)]
mod tests;

pub use credentials::Credentials;
pub use limits::Limits;
pub use listen::{Bound, Serving, bind};
pub use proxy::Forward;
pub use tunnel::Tunnels;

use std::sync::Arc;

use rustls::ServerConfig;

/// For every text: what has one reading is read the same once more, and by a server that decodes and resolves.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_path_alike(text: &str) {
    canonical::read_alike(text);
}

/// What a request comes to and how it would leave, if it is not refused: for proofs that ask by the million what passes.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn judge(
    dialect: &dyn crate::crm::Dialect,
    request: &http::Request<bytes::Bytes>,
) -> Option<(http::Request<bytes::Bytes>, crate::domain::delete::Recognised)> {
    let (mut parts, body) = request.clone().into_parts();
    let hosts = hosts::Hosts::new(&Settings::default(), &["only"]);
    admit::admit(&parts, &hosts, &via::Via::plain()).ok()?;
    hops::request(&mut parts.headers, &hops::Origin::of(std::net::Ipv4Addr::LOCALHOST.into()));
    let target = parts.uri.path_and_query()?;
    let (target, recognised) = course::judge(dialect, &parts.method, target, &parts.headers, &body)?;
    parts.uri = target.into();
    Some((http::Request::from_parts(parts, body), recognised))
}

/// How the gateway is set up.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Connection and the `Host` values that choose it. A value without a port chooses on any port. The only
    /// connection needs none: without values it takes any.
    pub hosts: Vec<(String, Vec<String>)>,
    /// Patience and numbers.
    pub limits: Limits,
    /// Requests a second of one client (one token, else one address); 0: no cap.
    pub client_requests_per_second: u32,
    /// TLS on the gateway's own listener; without it, that one is plain.
    pub tls: Option<Arc<ServerConfig>>,
    /// The forward proxy, if there is one; it needs a listener of its own ([`Bound::with_proxy`]).
    pub forward: Option<Forward>,
}
