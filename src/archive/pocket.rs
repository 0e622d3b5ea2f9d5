//! Short secrets of the configuration, sealed with the archive's key: `sealed:v1:` and base64 of nonce, ciphertext and
//! tag. Their key is derived from the master key for this alone, so that neither can stand for a frame of the journal.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crm_undo_cipher::Cipher;
use secrecy::{ExposeSecret as _, SecretString};

use super::ArchiveError;
use super::durable::Options;
use super::sealed::{self, NONCE, Sealer};

/// What a sealed text begins with, in every version.
const SEALED: &str = "sealed:";
const V1: &str = "sealed:v1:";
const AAD: &[u8] = b"crm-undo sealed text v1";

/// Seals and opens the configuration's secrets.
pub struct Pocket(Cipher);

/// Why a sealed text cannot be used. Never holds it.
#[derive(Debug, thiserror::Error)]
pub enum Shut {
    /// Not one of ours.
    #[error("it is not a text that `crm-undo seal` of this version printed")]
    Malformed,
    /// The tag does not match.
    #[error("it was sealed with another key than this archive's, or was changed since")]
    AnotherKey,
}

/// Whether a text is sealed, or meant to be.
pub fn is_sealed(text: &str) -> bool {
    text.trim_start().starts_with(SEALED)
}

impl Pocket {
    /// With the key of an archive that may not be there yet: key and directory are then made as opening it would.
    pub fn open_or_create(options: &Options) -> Result<Self, ArchiveError> {
        let dir = options.dir.join("journal");
        let Some(key) = &options.key else {
            let file = options.key_path();
            Sealer::open_or_create(&file, &dir)?;
            return Self::of_file(&file);
        };
        Sealer::with_key(key, &dir)?;
        Ok(Self::new(&sealed::parse_key(key)?))
    }

    /// With the key that is there. Makes and changes nothing.
    pub fn open(options: &Options) -> Result<Self, ArchiveError> {
        match &options.key {
            Some(key) => Ok(Self::new(&sealed::parse_key(key)?)),
            None => Self::of_file(&options.key_path()),
        }
    }

    fn of_file(file: &std::path::Path) -> Result<Self, ArchiveError> {
        sealed::read_key(file)?.map(|key| Self::new(&key)).ok_or_else(|| {
            ArchiveError::BadKey(format!(
                "{} is missing; put the key file back, from where you keep its copy",
                file.display()
            ))
        })
    }

    fn new(master: &[u8; 32]) -> Self {
        let key = blake3::derive_key("crm-undo 2026 sealed texts of the configuration", master);
        Self(Cipher::new(&key))
    }

    /// The text, sealed.
    pub fn seal(&self, plain: &SecretString) -> Result<String, ArchiveError> {
        let nonce = sealed::random::<NONCE>()?;
        let sealed = self.0.seal(&nonce, AAD, plain.expose_secret().as_bytes());
        let sealed = sealed.map_err(|_| ArchiveError::Invalid("the text is too long to be sealed".to_owned()))?;
        Ok(format!("{V1}{}", STANDARD.encode([&nonce[..], &sealed].concat())))
    }

    /// The text that was sealed.
    pub fn unseal(&self, text: &str) -> Result<SecretString, Shut> {
        let text = text.trim().strip_prefix(V1).ok_or(Shut::Malformed)?;
        let bytes = STANDARD.decode(text).map_err(|_| Shut::Malformed)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or(Shut::Malformed)?;
        let plain = self.0.open(nonce, AAD, sealed);
        let plain = String::from_utf8(plain.ok_or(Shut::AnotherKey)?).map_err(|_| Shut::Malformed)?;
        Ok(SecretString::from(plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_opens_and_only_unchanged() {
        let (one, other) = (Pocket::new(&[1; 32]), Pocket::new(&[2; 32]));
        let sealed = one.seal(&SecretString::from("a-token")).expect("sealed");
        assert!(is_sealed(&sealed) && !sealed.contains("a-token"), "{sealed}");
        assert_eq!(one.unseal(&sealed).expect("opened").expose_secret(), "a-token");
        assert!(matches!(other.unseal(&sealed), Err(Shut::AnotherKey)));
        let again = one.seal(&SecretString::from("a-token")).expect("sealed");
        assert_ne!(sealed, again, "a nonce of its own each time");
        let bytes = STANDARD.decode(&sealed[V1.len()..]).expect("base64");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = format!("{V1}{}", STANDARD.encode(&changed));
            assert!(matches!(one.unseal(&changed), Err(Shut::AnotherKey)), "bit {bit}");
        }
        for odd in ["", "sealed:v1:", "sealed:v1:AAAA", "sealed:v2:AAAA", "sealed:v1:%%%", "a-token"] {
            assert!(matches!(one.unseal(odd), Err(Shut::Malformed)), "{odd}");
        }
    }

    #[test]
    fn a_frame_is_no_sealed_text_and_the_other_way_round() {
        let master = [7; 32];
        let (pocket, sealer) = (Pocket::new(&master), Sealer::new(&master, [0; 16]));
        let frame = sealer.seal(AAD, b"a frame").expect("sealed");
        assert!(pocket.unseal(&format!("{V1}{}", STANDARD.encode(frame))).is_err());
        let text = pocket.seal(&SecretString::from("a-token")).expect("sealed");
        let bytes = STANDARD.decode(&text[V1.len()..]).expect("base64");
        assert!(sealer.open(AAD, &bytes).is_none() && sealer.open(b"", &bytes).is_none());
    }
}
