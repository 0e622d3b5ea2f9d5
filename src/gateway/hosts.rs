//! Which connection a `Host` chooses.

use http::{HeaderMap, header};

use super::Settings;
use crate::domain::delete::Refusal;
use crate::gateway::refusal::because;

/// Which account each `Host` value stands for.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    values: Vec<(String, usize)>,
    /// The only connection, if it takes any host.
    any: Option<usize>,
    /// Names of the CRMs themselves, without a port.
    crm: Vec<(String, usize)>,
}

impl Hosts {
    /// For connections in this order.
    pub(super) fn new(settings: &Settings, connections: &[&str]) -> Self {
        let mut values = Vec::new();
        for (name, hosts) in &settings.hosts {
            if let Some(index) = connections.iter().position(|connection| connection == name) {
                values.extend(hosts.iter().map(|host| (host.to_ascii_lowercase(), index)));
            }
        }
        let any = (connections.len() == 1 && values.is_empty()).then_some(0);
        let crm = values.iter().map(|(value, account)| (without_port(value).to_owned(), *account)).collect();
        Self { values, any, crm }
    }

    /// The same, where these CRMs are as well known by their own names.
    pub(super) fn with_crms<'a>(mut self, upstreams: impl Iterator<Item = &'a str>) -> Self {
        for (account, authority) in upstreams.enumerate() {
            let name = without_port(authority).to_ascii_lowercase();
            if !self.crm.iter().any(|(known, _)| *known == name) {
                self.crm.push((name, account));
            }
        }
        self
    }

    /// The account of a CRM by its own name. Unlike [`choose`](Self::choose), never any name.
    pub(super) fn crm(&self, name: &str) -> Option<usize> {
        self.crm.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, account)| *account)
    }

    /// The same for the target of a plain request: on port 80, or as it stands in the configuration.
    pub(super) fn crm_plain(&self, authority: &str) -> Option<usize> {
        let literally = || self.values.iter().find(|(value, _)| value.eq_ignore_ascii_case(authority));
        let (name, port) = split_port(authority);
        let usual = port.is_none_or(|port| port == "80");
        self.crm(name).filter(|_| usual).or_else(|| literally().map(|(_, account)| *account))
    }

    /// The account a host stands for; a value without a port stands for that name on any port.
    pub(super) fn choose(&self, host: &str) -> Option<usize> {
        let matching = |host: &str| {
            self.values.iter().find(|(value, _)| value.eq_ignore_ascii_case(host)).map(|(_, account)| *account)
        };
        self.any.or_else(|| matching(host)).or_else(|| matching(without_port(host)))
    }

    /// Whether a request without a host can be served.
    pub(super) fn takes_any(&self) -> Option<usize> {
        self.any
    }
}

/// The only `Host` of a request, `None` if it has none.
pub(super) fn only_host(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let Some(host) = hosts.next() else { return Ok(None) };
    if hosts.next().is_some() {
        return Err(because(400, "bad_host", "the request has more than one Host header", "send one"));
    }
    match host.to_str() {
        Ok(host) if is_host(host) => Ok(Some(host)),
        _ => Err(because(400, "bad_host", "the Host header is not a host name with an optional port", "correct it")),
    }
}

/// `name`, `name:port`, `[v6]` or `[v6]:port`, of characters that need no escape anywhere.
fn is_host(host: &str) -> bool {
    let (name, port) = split_port(host);
    let good_name = if let Some(inner) = name.strip_prefix('[') {
        inner.strip_suffix(']').is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
    } else {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    good_name && port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

pub(super) fn split_port(host: &str) -> (&str, Option<&str>) {
    let after = host.rfind(']').unwrap_or(0);
    match host[after..].find(':') {
        Some(colon) => (&host[..after + colon], Some(&host[after + colon + 1..])),
        None => (host, None),
    }
}

/// The target of a `CONNECT`: a name and a port, written in the only way there is.
pub(super) fn name_and_port(authority: &str) -> Option<(&str, u16)> {
    let (name, port) = split_port(authority);
    let digits = port?;
    // A dot at the end, or a zero in front, and two servers see two hosts.
    let plain = is_host(authority) && !name.ends_with('.') && !digits.starts_with('0');
    plain.then(|| digits.parse().ok()).flatten().map(|port| (name, port))
}

fn without_port(host: &str) -> &str {
    split_port(host).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_and_a_port() {
        for good in ["crm.example", "crm.example:8080", "127.0.0.1:1", "[::1]:80", "[::1]", "a_b-c"] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["", "x/y@z", "a b", "a:b", "a:", "a:1:2", "[::1", "[x]", "a:99999", "a\\b", "имя", ":80", "a,b"]
        {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn the_target_of_a_connect_has_one_spelling() {
        assert_eq!(name_and_port("acme.example:443"), Some(("acme.example", 443)));
        assert_eq!(name_and_port("[::1]:443"), Some(("[::1]", 443)));
        for bad in [
            "acme.example",
            "acme.example:",
            ":443",
            "acme.example:0443",
            "acme.example:0",
            "acme.example:+443",
            "acme.example:443:443",
            "acme.example.:443",
            "u@acme.example:443",
            "u:p@acme.example:443",
            "acme.example:99999",
            "acme.example:443/x",
            "acme.example :443",
            "acme.example:4 43",
            "::1:443",
            "[::1:443",
            "acme%2eexample:443",
            "acme.example:443?x",
            "acme\\.example:443",
            "\u{430}cme.example:443",
            "acme.example:443#",
            "acme.example,b:443",
        ] {
            assert_eq!(name_and_port(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_crm_is_known_by_its_own_name_and_never_by_any() {
        let hosts = Hosts::new(&Settings::default(), &["acme"]).with_crms(["acme.example:8090"].into_iter());
        assert_eq!(hosts.choose("anything"), Some(0));
        assert_eq!((hosts.crm("ACME.example"), hosts.crm("other"), hosts.crm("b.acme.example")), (Some(0), None, None));
        let settings = Settings { hosts: vec![("acme".into(), vec!["a.example:81".into()])], ..Settings::default() };
        let hosts = Hosts::new(&settings, &["acme"]);
        for (authority, account) in [
            ("a.example", Some(0)),
            ("a.example:80", Some(0)),
            ("a.example:81", Some(0)),
            ("a.example:82", None),
            ("u@a.example", None),
            ("b.example:81", None),
        ] {
            assert_eq!(hosts.crm_plain(authority), account, "{authority}");
        }
    }

    #[test]
    fn a_host_chooses_its_connection() {
        let settings = Settings {
            hosts: vec![
                ("acme".into(), vec!["acme.example".into()]),
                ("beta".into(), vec!["beta.example:81".into(), "b".into()]),
            ],
            ..Settings::default()
        };
        let hosts = Hosts::new(&settings, &["acme", "beta"]);
        for (host, chosen) in [
            ("acme.example", Some(0)),
            ("ACME.example:8080", Some(0)),
            ("beta.example:81", Some(1)),
            ("beta.example:82", None),
            ("b:1", Some(1)),
            ("other", None),
        ] {
            assert_eq!(hosts.choose(host), chosen, "{host}");
        }
        assert_eq!(Hosts::new(&Settings::default(), &["acme"]).choose("x"), Some(0));
        assert_eq!(Hosts::new(&Settings::default(), &["acme", "beta"]).choose("x"), None);
        let one = Settings { hosts: vec![("acme".into(), vec!["acme.example".into()])], ..Settings::default() };
        assert_eq!(Hosts::new(&one, &["acme"]).choose("x"), None, "a value was named, so it has to be that one");
    }
}
