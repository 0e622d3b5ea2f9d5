//! What is wrong with a configuration, all of it at once: a person mends a file once, not once for each line.

use std::collections::{BTreeMap, BTreeSet};

use super::{Config, Connection};
use crate::crm::vendors;

/// Problems, each one sentence that names the key and what to do.
pub(super) fn check(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    if !(0.0..=1.0).contains(&config.policy.blast_radius_share) {
        problems.push("policy.blast_radius_share: has to be from 0 to 1".to_owned());
    }
    if config.policy.retention_days == 0 {
        problems.push("policy.retention_days: has to be at least 1".to_owned());
    }
    if config.gateway.max_connections == 0 || config.gateway.max_connections_per_address == 0 {
        problems.push("gateway.max_connections and max_connections_per_address: have to be at least 1".to_owned());
    }
    if config.gateway.listen == config.console.listen && config.gateway.listen.port() != 0 {
        problems.push("gateway.listen and console.listen: have to differ".to_owned());
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
    if let Err(problem) = connection.token() {
        problems.push(problem);
    }
    problems
}
