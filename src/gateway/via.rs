//! How a connection came in, and what that says about every request on it.

use super::hosts;

/// Set once for a connection, before its first request.
#[derive(Clone, Debug)]
pub(super) struct Via {
    scheme: &'static str,
    /// The name the client wanted a certificate of.
    sni: Option<String>,
    /// The host a tunnel was asked for, and its account.
    tunnel: Option<(String, usize)>,
}

impl Via {
    /// A plain connection.
    pub(super) fn plain() -> Self {
        Self { scheme: "http", sni: None, tunnel: None }
    }

    /// TLS, perhaps inside a tunnel to a host.
    pub(super) fn tls(sni: Option<String>, tunnel: Option<(String, usize)>) -> Self {
        Self { scheme: "https", sni, tunnel }
    }

    /// As links back to the gateway begin.
    pub(super) fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The account, where the connection has chosen it already.
    pub(super) fn account(&self) -> Option<usize> {
        self.tunnel.as_ref().map(|(_, account)| *account)
    }

    /// Whether a `Host` is the one this connection was made for. Whoever says two things is not guessed about.
    pub(super) fn agrees(&self, host: &str) -> bool {
        let (name, port) = hosts::split_port(host);
        let sni = self.sni.as_ref().is_none_or(|sni| sni.eq_ignore_ascii_case(name));
        let tunnel = self
            .tunnel
            .as_ref()
            .is_none_or(|(wanted, _)| wanted.eq_ignore_ascii_case(name) && port.is_none_or(|port| port == "443"));
        sni && tunnel
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_to_be_what_the_connection_was_made_for() {
        let tls = Via::tls(Some("acme.example".into()), None);
        let tunnel = Via::tls(None, Some(("acme.example".into(), 0)));
        let both = Via::tls(Some("other.example".into()), Some(("acme.example".into(), 0)));
        for (via, host, agrees) in [
            (&Via::plain(), "anything:1", true),
            (&Via::tls(None, None), "anything", true),
            (&tls, "acme.example", true),
            (&tls, "ACME.example:8443", true),
            (&tls, "acme.example.", false),
            (&tls, "other.example", false),
            (&tunnel, "acme.example", true),
            (&tunnel, "Acme.example:443", true),
            (&tunnel, "acme.example:80", false),
            (&tunnel, "other.example", false),
            (&both, "acme.example", false),
            (&both, "other.example", false),
        ] {
            assert_eq!(via.agrees(host), agrees, "{via:?} {host}");
        }
    }
}
