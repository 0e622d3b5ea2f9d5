//! `crm-undo ca`: the private CA, for clients whose host cannot be changed.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::client::{Outcome, Trouble};
use super::{Exit, print_json};
use crate::app::Failure;
use crate::app::ca::{self, Ca};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the private CA in data_dir, and say how clients come to trust it.
    Init {
        /// Configuration file, as for `serve`.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// More hosts (and all below them) or addresses that it may vouch for; the configured ones are known.
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<String>,
        /// It may vouch for any host. Whoever has its key can then pose as any site to those who trust it.
        #[arg(long, conflicts_with = "hosts")]
        any_host: bool,
        /// Put another CA in the place of one that is there. Clients have to be told to trust the new one.
        #[arg(long)]
        replace: bool,
    },
    /// Print its certificate, and say until when and for which hosts it is.
    Show {
        /// Configuration file, as for `serve`.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Write a certificate and a key for each host: HOST.pem and HOST.key.
    Issue {
        /// Configuration file, as for `serve`.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Where to write them.
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
        /// Names or addresses.
        #[arg(required = true, value_name = "HOST")]
        hosts: Vec<String>,
    },
}

pub(super) fn run(command: &Command, json: bool) -> Outcome {
    match command {
        Command::Init { config, hosts, any_host, replace } => {
            let ca = ca::init(config.as_deref(), hosts, *any_host, *replace).map_err(trouble)?;
            if json {
                print_json(&seen(&ca));
            } else {
                println!("{}", ca.path.display());
            }
            tell(&ca);
            eprint!("{}", how_to_trust());
        }
        Command::Show { config } => {
            let ca = ca::show(config.as_deref()).map_err(trouble)?;
            if json {
                print_json(&seen(&ca));
            } else {
                print!("{}", ca.pem);
            }
            tell(&ca);
        }
        Command::Issue { config, out, hosts } => {
            let written = ca::issue(config.as_deref(), hosts, out).map_err(trouble)?;
            let paths: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
            if json {
                print_json(&json!({"files": paths}));
            } else {
                for path in &paths {
                    println!("{path}");
                }
            }
        }
    }
    Ok(Exit::Ok)
}

fn seen(ca: &Ca) -> serde_json::Value {
    json!({
        "path": ca.path.display().to_string(),
        "certificate": ca.pem,
        "sha256": ca.facts.fingerprint,
        "begins": ca.facts.begins.to_string(),
        "ends": ca.facts.ends.to_string(),
        "hosts": ca.names(),
    })
}

fn tell(ca: &Ca) {
    eprintln!("SHA-256 fingerprint: {}", ca.facts.fingerprint);
    eprintln!("valid from {} to {}", ca.facts.begins, ca.facts.ends);
    match ca.names() {
        None => eprintln!("may vouch for any host"),
        Some(names) => eprintln!("may vouch for: {}", names.join(", ")),
    }
}

fn how_to_trust() -> &'static str {
    "\nIts key is in the same file, sealed with the archive's key. Give clients the certificate alone:\n\n  \
     crm-undo ca show > crm-undo-ca.crt\n\n\
     Debian:   install -m 644 crm-undo-ca.crt /usr/local/share/ca-certificates/ && update-ca-certificates\n\
     macOS:    sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain crm-undo-ca.crt\n\
     Python:   REQUESTS_CA_BUNDLE=crm-undo-ca.crt (requests), SSL_CERT_FILE=crm-undo-ca.crt (httpx, urllib, aiohttp)\n\
     Node.js:  NODE_EXTRA_CA_CERTS=crm-undo-ca.crt\n\n\
     The two variables of Python name the only CAs that are trusted; append the system's to the file if the same program\n\
     also talks to other hosts.\n"
}

fn trouble(failure: Failure) -> Trouble {
    let trouble = Trouble::new(if failure.usage { Exit::Usage } else { Exit::Failed }, failure.message);
    match failure.hint {
        Some(hint) => trouble.hint(hint),
        None => trouble,
    }
}
