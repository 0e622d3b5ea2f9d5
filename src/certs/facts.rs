//! What a certificate says about itself.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use super::{BadCertificate, bad};

/// Read from a certificate; nothing of it is verified.
#[derive(Clone, Debug)]
pub struct Facts {
    /// First moment.
    pub begins: Timestamp,
    /// Last moment.
    pub ends: Timestamp,
    /// SHA-256 of the whole certificate, as people compare it: `AB:CD:…`.
    pub fingerprint: String,
    /// Whom it is for.
    pub subject: String,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// What it may sign, if it is a CA.
    pub permitted: Names,
    pub(super) public_key: Vec<u8>,
}

/// The names a CA may vouch for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// It is not constrained.
    Any,
    /// These, lower case, and what is below them.
    Only(Vec<String>),
}

impl Facts {
    /// Of a certificate in DER.
    pub fn of(der: &[u8]) -> Result<Self, BadCertificate> {
        let (_, parsed) = parse_x509_certificate(der).map_err(|_| bad("it is no X.509 certificate"))?;
        let at = |time: i64| Timestamp::from_second(time).map_err(|_| bad("its dates are out of range"));
        let permitted = match parsed.name_constraints().map_err(bad)? {
            None => Names::Any,
            Some(constraints) => {
                let trees = constraints.value.permitted_subtrees.iter().flatten();
                Names::Only(trees.filter_map(|tree| name(&tree.base)).collect())
            }
        };
        let mut fingerprint = String::new();
        for byte in ring::digest::digest(&ring::digest::SHA256, der).as_ref() {
            let colon = if fingerprint.is_empty() { "" } else { ":" };
            let _ = write!(fingerprint, "{colon}{byte:02X}");
        }
        Ok(Self {
            begins: at(parsed.validity().not_before.timestamp())?,
            ends: at(parsed.validity().not_after.timestamp())?,
            fingerprint,
            subject: parsed.subject().to_string(),
            is_ca: parsed.is_ca(),
            permitted,
            public_key: parsed.public_key().raw.to_vec(),
        })
    }

    /// Whole days left; negative when it has ended.
    pub fn days_left(&self, now: Timestamp) -> i64 {
        (self.ends.as_second() - now.as_second()).div_euclid(24 * 3600)
    }
}

fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        // Address and mask; ours are always of one address.
        GeneralName::IPAddress(bytes) => match bytes.len() {
            8 => Some(IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[..4]).ok()?)).to_string()),
            32 => Some(IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..16]).ok()?)).to_string()),
            _ => None,
        },
        _ => None,
    }
}
