//! `crm-undo ca`: the private CA made, shown, and asked for a certificate.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::ExposeSecret as _;

use super::{Failure, archive_options, doors};
use crate::certs::facts::Names;
use crate::certs::{Facts, vault};
use crate::config;

/// The CA as people look at it.
#[derive(Clone, Debug)]
pub struct Ca {
    /// Where it lies.
    pub path: PathBuf,
    /// Its certificate.
    pub pem: String,
    /// What that says.
    pub facts: Facts,
}

impl Ca {
    /// The names it may vouch for; `None`: any.
    pub fn names(&self) -> Option<&[String]> {
        match &self.facts.permitted {
            Names::Any => None,
            Names::Only(names) => Some(names),
        }
    }
}

/// Makes the CA for the configured hosts and these `more`; for any host, if `any`. Replaces one only if `replace`.
pub fn init(file: Option<&Path>, more: &[String], any: bool, replace: bool) -> Result<Ca, Failure> {
    // Unchecked: the configuration may ask for the CA that is only now being made.
    let config = config::read(file).map_err(Failure::usage)?;
    let options = archive_options(&config);
    if vault::path(&options).exists() && !replace {
        return Err(Failure::new(format!("{}: there is a private CA already", vault::path(&options).display())).hint(
            "`crm-undo ca show` prints it; --replace makes another one, and clients then have to trust that one",
        ));
    }
    let mut names = if any { Vec::new() } else { doors::names(&config) };
    if !any {
        names.extend(more.iter().map(|name| name.to_ascii_lowercase()));
        names.sort();
        names.dedup();
    }
    let authority = vault::init(&options, &names, replace, Timestamp::now()).map_err(Failure::new)?;
    Ok(Ca { path: vault::path(&options), pem: authority.pem().to_owned(), facts: authority.facts().clone() })
}

/// The CA that is there; needs no key.
pub fn show(file: Option<&Path>) -> Result<Ca, Failure> {
    let config = config::read(file).map_err(Failure::usage)?;
    let options = archive_options(&config);
    let missing = "`crm-undo ca init` makes it; it lies in data_dir";
    let pem = vault::certificate(&options).map_err(|error| Failure::new(error).hint(missing))?;
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(Failure::new)?;
    let facts = Facts::of(&der).map_err(Failure::new)?;
    Ok(Ca { path: vault::path(&options), pem, facts })
}

/// Writes `NAME.pem` and `NAME.key` for each name into `dir`; what was written. No file is written over.
pub fn issue(file: Option<&Path>, names: &[String], dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let config = config::read(file).map_err(Failure::usage)?;
    let authority = vault::open(&archive_options(&config))
        .map_err(|error| Failure::new(error).hint("`crm-undo ca init` makes it; it lies in data_dir"))?;
    let mut written = Vec::new();
    for name in names {
        if name.contains('/') || name.starts_with('.') {
            return Err(Failure::usage(format!("{name:?} is not the name of a host")));
        }
        let issued = authority
            .issue(std::slice::from_ref(name), Timestamp::now())
            .map_err(|error| Failure::new(error).hint("`crm-undo ca show` says for what it may vouch"))?;
        for (end, mode, text) in [("key", 0o600, issued.key.expose_secret()), ("pem", 0o644, issued.pem.as_str())] {
            let path = dir.join(format!("{name}.{end}"));
            let new = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
            new.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
                .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
            written.push(path);
        }
    }
    Ok(written)
}
