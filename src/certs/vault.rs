//! Where the private CA lies: one file in `data_dir`, so that certificate and key cannot come apart. The certificate is
//! PEM; the key follows, sealed with the archive's key.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::authority::{self, Authority};
use super::{BadCertificate, bad};
use crate::archive::durable::Options;
use crate::archive::pocket::Pocket;

/// The file in `data_dir`.
const FILE: &str = "private-ca.pem";
const SEALED: &str = "sealed:";

/// Where it lies.
pub fn path(options: &Options) -> PathBuf {
    options.dir.join(FILE)
}

/// Makes a CA for `names` (for any, if there are none). One that is there is replaced only if `replace` says so.
pub fn init(options: &Options, names: &[String], replace: bool, now: Timestamp) -> Result<Authority, BadCertificate> {
    let path = path(options);
    if path.exists() && !replace {
        return Err(bad(format!("{}: there is a private CA already", path.display())));
    }
    let pocket = Pocket::open_or_create(options).map_err(bad)?;
    let (pem, key) = authority::make(names, now)?;
    let authority = Authority::open(&pem, &key)?;
    let text = format!("{pem}{}\n", pocket.seal(&key).map_err(bad)?);
    write(&path, &text, replace).map_err(|error| bad(format!("{}: cannot be written: {error}", path.display())))?;
    Ok(authority)
}

/// The CA's certificate alone; needs no key.
pub fn certificate(options: &Options) -> Result<String, BadCertificate> {
    Ok(read(&path(options))?.0)
}

/// The CA, ready to issue.
pub fn open(options: &Options) -> Result<Authority, BadCertificate> {
    let path = path(options);
    let (pem, sealed) = read(&path)?;
    let named = |why: &dyn std::fmt::Display| bad(format!("{}: {why}", path.display()));
    let pocket = Pocket::open(options).map_err(|error| named(&error))?;
    let key = pocket.unseal(&sealed).map_err(|error| named(&format!("its key: {error}")))?;
    Authority::open(&pem, &key).map_err(|error| named(&error))
}

fn read(path: &Path) -> Result<(String, String), BadCertificate> {
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => bad(format!("{}: there is no private CA yet", path.display())),
        _ => bad(format!("{}: cannot be read: {error}", path.display())),
    })?;
    match text.find(SEALED) {
        Some(at) => Ok((text[..at].to_owned(), text[at..].to_owned())),
        None => Err(bad(format!("{}: is not a private CA that `crm-undo ca init` made", path.display()))),
    }
}

/// Whole or not at all, for its owner only.
fn write(path: &Path, text: &str, replace: bool) -> std::io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let new = dir.join(format!(".{FILE}-{}", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| {
        // A link fails on a name that is taken, a rename does not: two `init` at once leave one CA.
        if replace { fs::rename(&new, path) } else { fs::hard_link(&new, path).and_then(|()| fs::remove_file(&new)) }
    });
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written?;
    fs::File::open(dir)?.sync_all()
}
