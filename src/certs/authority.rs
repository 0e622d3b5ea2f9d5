//! The private CA: made, opened, issuing. Time is given; keys come from the system's random numbers.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData as _,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret as _, SecretString};

use super::facts::{Facts, Names};
use super::{BadCertificate, bad};

/// How long a CA is valid.
pub const CA_DAYS: u64 = 3650;
/// How long a certificate of the gateway is valid; it is issued again when a third of that is left.
pub const DAYS: u64 = 30;
/// Clients whose clock is behind by this much still take a certificate that is new.
const BEHIND: Duration = Duration::from_hours(24);

/// A private CA that can issue.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    facts: Facts,
}

/// A new certificate and its key.
pub struct Issued {
    /// The certificate.
    pub pem: String,
    /// The same, as it goes over the wire.
    pub der: CertificateDer<'static>,
    /// Its key, PKCS #8.
    pub key: SecretString,
    /// The same, as it is used.
    pub key_der: PrivateKeyDer<'static>,
    /// When it ends.
    pub ends: Timestamp,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("facts", &self.facts).finish_non_exhaustive()
    }
}

/// A new CA: its certificate and its key. It can vouch for `names` (and what is below them) and for nothing else; for
/// everything if there are none.
pub fn make(names: &[String], now: Timestamp) -> Result<(String, SecretString), BadCertificate> {
    let key = KeyPair::generate().map_err(bad)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // Two CAs of one name confuse the stores they are put into.
    let mark = &blake3::hash(&key.subject_public_key_info()).to_hex()[..8];
    params.distinguished_name.push(DnType::CommonName, format!("crm-undo private CA {mark}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (moment(now - BEHIND).into(), moment(now + days(CA_DAYS)).into());
    if !names.is_empty() {
        params.name_constraints = Some(constraints(names));
    }
    let made = params.self_signed(&key).map_err(bad)?;
    Ok((made.pem(), SecretString::from(key.serialize_pem())))
}

/// Only these names. Hosts and addresses are kinds apart: a kind that nothing is said about would be free.
fn constraints(names: &[String]) -> NameConstraints {
    let mut permitted_subtrees = Vec::new();
    let mut addresses = 0;
    for name in names {
        permitted_subtrees.push(match name.parse::<IpAddr>() {
            Ok(address) => {
                addresses += 1;
                GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                    address,
                    if address.is_ipv4() { 32 } else { 128 },
                ))
            }
            Err(_) => GeneralSubtree::DnsName(name.clone()),
        });
    }
    let mut excluded_subtrees = Vec::new();
    if addresses == names.len() {
        excluded_subtrees.push(GeneralSubtree::DnsName(String::new()));
    }
    if addresses == 0 {
        excluded_subtrees.push(GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])));
        excluded_subtrees.push(GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])));
    }
    NameConstraints { permitted_subtrees, excluded_subtrees }
}

impl Authority {
    /// From its certificate and key.
    pub fn open(pem: &str, key: &SecretString) -> Result<Self, BadCertificate> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(bad)?;
        let facts = Facts::of(&der)?;
        if !facts.is_ca {
            return Err(bad("the certificate is not that of a CA"));
        }
        let key = KeyPair::from_pem(key.expose_secret()).map_err(bad)?;
        if key.subject_public_key_info() != facts.public_key {
            return Err(bad("the key is not that of the certificate"));
        }
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(bad)?;
        Ok(Self { pem: pem.to_owned(), issuer, facts })
    }

    /// Its certificate, for those who are to trust it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What its certificate says.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether it may vouch for this name.
    pub fn covers(&self, name: &str) -> bool {
        self.facts.covers(name)
    }

    /// A certificate for these names, valid from now on.
    pub fn issue(&self, names: &[String], now: Timestamp) -> Result<Issued, BadCertificate> {
        if let Some(name) = names.iter().find(|name| !self.covers(name)) {
            return Err(bad(format!("the private CA may not vouch for {name}")));
        }
        let key = KeyPair::generate().map_err(bad)?;
        let mut params = CertificateParams::new(names).map_err(bad)?;
        params.distinguished_name = DistinguishedName::new();
        // With a space, so that nobody takes it for a host.
        params.distinguished_name.push(DnType::CommonName, "crm-undo gateway");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let ends = (now + days(DAYS)).min(self.facts.ends);
        (params.not_before, params.not_after) = (moment(now - BEHIND).into(), moment(ends).into());
        let made = params.signed_by(&key, &self.issuer).map_err(bad)?;
        Ok(Issued {
            pem: made.pem(),
            der: made.der().clone(),
            key_der: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            key: SecretString::from(key.serialize_pem()),
            ends,
        })
    }
}

impl Facts {
    /// Whether a CA of these facts may vouch for a name.
    pub fn covers(&self, name: &str) -> bool {
        match &self.permitted {
            Names::Any => true,
            Names::Only(names) => {
                let name = name.to_ascii_lowercase();
                let address = name.parse::<IpAddr>().is_ok();
                names.iter().any(|permitted| {
                    name == *permitted
                        || (!address && name.strip_suffix(permitted.as_str()).is_some_and(|rest| rest.ends_with('.')))
                })
            }
        }
    }
}

fn moment(at: Timestamp) -> std::time::SystemTime {
    // Certificates count whole seconds.
    Timestamp::from_second(at.as_second()).unwrap_or(at).into()
}

fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

#[cfg(test)]
impl Authority {
    pub(super) fn pretend_unconstrained(&mut self) {
        self.facts.permitted = Names::Any;
    }
}
