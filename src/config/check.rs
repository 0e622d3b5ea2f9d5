//! What is wrong with a configuration, all of it at once: a person mends a file once, not once for each line.

use std::collections::{BTreeMap, BTreeSet};

use super::{Config, Connection, Console, Gateway, Tls};
use crate::crm::vendors;

/// Problems, each one sentence that names the key and what to do.
pub(super) fn check(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    if !(0.0..=1.0).contains(&config.policy.blast_radius_share) {
        problems.push("policy.blast_radius_share: has to be from 0 to 1".to_owned());
    }
    for (object, _) in config.policy.retention.iter().filter(|(_, days)| **days == 0) {
        problems.push(format!("policy.retention.{object}: has to be at least 1"));
    }
    if config.policy.retention_days == 0 {
        problems.push("policy.retention_days: has to be at least 1".to_owned());
    }
    if config.gateway.max_connections == 0 || config.gateway.max_connections_per_address == 0 {
        problems.push("gateway.max_connections and max_connections_per_address: have to be at least 1".to_owned());
    }
    let gateway = &config.gateway;
    for (key, seconds) in [
        ("header_seconds", gateway.header_seconds),
        ("keep_alive_seconds", gateway.keep_alive_seconds),
        ("body_idle_seconds", gateway.body_idle_seconds),
        ("write_idle_seconds", gateway.write_idle_seconds),
        ("answer_idle_seconds", gateway.answer_idle_seconds),
        ("delete_answer_seconds", gateway.delete_answer_seconds),
    ] {
        if !(1..=86_400).contains(&seconds) {
            problems.push(format!("gateway.{key}: has to be from 1 to 86400"));
        }
    }
    if config.gateway.listen == config.console.listen && config.gateway.listen.port() != 0 {
        problems.push("gateway.listen and console.listen: have to differ".to_owned());
    }
    problems.extend(ways_in(&config.gateway, &config.console));
    let anchors = &config.audit.anchor_url;
    let web = anchors.parse::<http::Uri>().is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    if !anchors.is_empty() && !web {
        problems.push("audit.anchor_url: has to be an address like https://anchors.example/crm-undo".to_owned());
    }
    if let Err(why) = crate::archive::backup::is_place(&config.backup.to) {
        problems.push(format!("backup.to: {why}"));
    }
    let mut names = BTreeSet::new();
    let mut hosts = BTreeSet::new();
    let mut accounts = BTreeMap::new();
    for connection in &config.connections {
        let called = format!("connection {:?}", connection.name);
        if !names.insert(&connection.name) {
            problems.push(format!("{called}: there are two of that name"));
        }
        problems.extend(one(connection).into_iter().map(|problem| format!("{called}: {problem}")));
        // Two bins of one account would know nothing of each other: one delete, two entries, and both could be restored.
        let account = connection.upstream.trim_end_matches('/').to_ascii_lowercase();
        if let Some(other) = accounts.insert(account, &connection.name).filter(|other| *other != &connection.name) {
            problems.push(format!("{called}: upstream: is the account of connection {other:?} already"));
        }
        if connection.hosts.is_empty() && config.connections.len() > 1 {
            problems.push(format!("{called}: hosts is empty; with several connections each needs at least one"));
        }
        for host in &connection.hosts {
            if !hosts.insert(host.to_ascii_lowercase()) {
                problems.push(format!("{called}: hosts: {host} chooses another connection already"));
            }
        }
    }
    problems
}

fn ways_in(gateway: &Gateway, console: &Console) -> Vec<String> {
    let mut problems = Vec::new();
    let files = [&gateway.tls_certificate_file, &gateway.tls_key_file];
    match gateway.tls {
        Tls::Files if files.iter().any(|file| file.as_os_str().is_empty()) => {
            problems.push("gateway.tls: \"files\" needs tls_certificate_file and tls_key_file".to_owned());
        }
        Tls::Off | Tls::OwnCa if files.iter().any(|file| !file.as_os_str().is_empty()) => {
            problems
                .push("gateway.tls_certificate_file and tls_key_file: are used only with tls = \"files\"".to_owned());
        }
        _ => {}
    }
    if let Some(name) = gateway.tls_names.iter().find(|name| !is_certificate_name(name)) {
        problems.push(format!("gateway.tls_names: {name:?} is neither a host name without a port nor an address"));
    }
    if gateway.forward_proxy.is_empty() {
        if gateway.tunnel_other_hosts || !gateway.forward_proxy_users_file.as_os_str().is_empty() {
            problems.push("gateway.tunnel_other_hosts and forward_proxy_users_file: need forward_proxy".to_owned());
        }
        return problems;
    }
    let Some(proxy) = gateway.proxy() else {
        problems.push("gateway.forward_proxy: has to be an address like 127.0.0.1:8082".to_owned());
        return problems;
    };
    if proxy.port() != 0 && (proxy == gateway.listen || proxy == console.listen) {
        problems.push("gateway.forward_proxy: has to differ from the other listeners".to_owned());
    }
    let open = gateway.forward_proxy_users_file.as_os_str().is_empty() && !proxy.ip().is_loopback();
    if gateway.tunnel_other_hosts && open {
        // The whole network could use it to go anywhere under this machine's name.
        problems.push(
            "gateway.tunnel_other_hosts: needs forward_proxy_users_file where forward_proxy listens beyond this machine"
                .to_owned(),
        );
    }
    problems
}

/// Whether a certificate can be for it.
fn is_certificate_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.parse::<std::net::IpAddr>().is_ok() || (!name.is_empty() && name.chars().all(plain) && !name.ends_with('.'))
}

fn one(connection: &Connection) -> Vec<String> {
    let mut problems = Vec::new();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    if connection.name.is_empty() || connection.name.len() > 64 || !connection.name.chars().all(plain) {
        problems.push("name: has to be 1 to 64 letters, digits, dots, - or _".to_owned());
    }
    let known: Vec<&str> = vendors().iter().map(|vendor| vendor.vendor()).collect();
    if !known.contains(&connection.vendor.as_str()) {
        problems.push(format!("vendor: {:?} is not known; known are: {}", connection.vendor, known.join(", ")));
    }
    match connection.upstream.parse::<http::Uri>() {
        Ok(uri) => {
            let mut config = crate::crm::upstream::UpstreamConfig::new(uri);
            config.requests_per_second = connection.requests_per_second;
            if let Err(error) = crate::crm::upstream::Upstream::new(config) {
                problems.push(format!("upstream: {error}"));
            }
        }
        Err(_) => problems.push("upstream: has to be an address like https://acme.amocrm.ru".to_owned()),
    }
    match (connection.token(), &connection.oauth) {
        (Err(problem), _) => problems.push(problem),
        (Ok(Some(_)), Some(_)) => problems.push("oauth: the connection has a token already; give only one".to_owned()),
        (Ok(_), Some(oauth)) => problems.extend(client(oauth)),
        (Ok(_), None) => {}
    }
    problems
}

fn client(oauth: &super::OAuth) -> Vec<String> {
    let mut problems: Vec<String> = oauth.secret().err().into_iter().collect();
    if oauth.client_id.is_empty() || !oauth.client_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.push("oauth.client_id: is what the CRM shows as the integration's id".to_owned());
    }
    let whole = oauth.redirect_uri.parse::<http::Uri>().is_ok_and(|uri| uri.scheme().is_some() && uri.host().is_some());
    if !whole {
        problems
            .push("oauth.redirect_uri: has to be the address that the integration names, like https://…".to_owned());
    }
    problems
}
