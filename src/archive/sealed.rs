//! Sealing: what lies on disk can be read only with the archive's key (XChaCha20-Poly1305, keys of its own for each
//! journal, derived from the master key). Layout of the key file and of `journal.id`: `docs/archive-format.md`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crm_undo_cipher::Cipher;
pub use crm_undo_cipher::{NONCE, TAG};
use rand::TryRng as _;
use rand::rngs::SysRng;
use secrecy::{ExposeSecret as _, SecretString};

use super::ArchiveError;
use super::journal::segment_head_of;

/// Bytes of a frame's nonce. 128 random bits are not met twice; zeros fill it up to [`NONCE`].
pub const SHORT_NONCE: usize = 16;

const KEY_LINE: &str = "crm-undo archive key v1: ";
const ID_FILE: &str = "journal.id";
const ID_LINE: &str = "crm-undo journal v1: ";

/// Seals and opens the frames of one journal.
pub struct Sealer {
    cipher: Cipher,
    header_key: [u8; 32],
    /// Half of what seals values of a family; the other half is the family's data key.
    family: [u8; 32],
    /// Seals the slots of the key ring.
    ring: Cipher,
    id: [u8; 16],
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("id", &hex(&self.id)).finish_non_exhaustive()
    }
}

impl Sealer {
    /// The key in `key_file`, made there on the first start; the journal lies in `dir`. A missing key beside an
    /// existing journal is [`ArchiveError::BadKey`]: a new key would open nothing of it.
    pub fn open_or_create(key_file: &Path, dir: &Path) -> Result<Self, ArchiveError> {
        make_dir(dir)?;
        if let Some(key) = read_key(key_file)? {
            return Self::in_dir(&key, dir);
        }
        let missing = |when: &str| {
            ArchiveError::BadKey(format!(
                "{} is missing{when}; put the key file back, from where you keep its copy",
                key_file.display()
            ))
        };
        if has_journal(dir)? {
            return Err(missing(" and a journal exists"));
        }
        if let Some(parent) = key_file.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            make_dir(parent)?;
        }
        let line = format!("{KEY_LINE}{}\n", hex(&random::<32>()?));
        publish(key_file, &line).map_err(|error| failed("make the key file", &error))?;
        Self::in_dir(&read_key(key_file)?.ok_or_else(|| missing(""))?, dir)
    }

    /// A key given by the caller: 64 hex digits or base64 of 32 bytes.
    pub fn with_key(key: &SecretString, dir: &Path) -> Result<Self, ArchiveError> {
        let key = parse_key(key)?;
        make_dir(dir)?;
        Self::in_dir(&key, dir)
    }

    /// Keys of the journal `id` under this master key.
    pub(crate) fn new(master: &[u8; 32], id: [u8; 16]) -> Self {
        let mut material = [0; 48];
        material[..32].copy_from_slice(master);
        material[32..].copy_from_slice(&id);
        let sealing = blake3::derive_key("crm-undo 2026 journal frame sealing", &material);
        let header_key = blake3::derive_key("crm-undo 2026 journal header authentication", &material);
        let family = blake3::derive_key("crm-undo 2026 journal families", &material);
        let ring = blake3::derive_key("crm-undo 2026 key ring slots", &material);
        Self { cipher: Cipher::new(&sealing), header_key, family, ring: Cipher::new(&ring), id }
    }

    /// Finds the journal's id, or gives it one, and tries the key on its canary.
    fn in_dir(master: &[u8; 32], dir: &Path) -> Result<Self, ArchiveError> {
        let path = dir.join(ID_FILE);
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed("read journal.id", &error)),
        };
        if let Some((id, canary)) = parse_id(&text) {
            let sealer = Self::new(master, id);
            if sealer.mac(&[b"canary"]) == canary {
                return Ok(sealer);
            }
        }
        // Damaged, lost or of another key: the segments know.
        let heads = segment_heads(dir)?;
        for head in &heads {
            if let Some(id) = segment_head_of(head).map(|(id, _)| id) {
                let sealer = Self::new(master, id);
                if segment_head_of(head).is_some_and(|(_, mac)| sealer.mac(&[&head[..56]]) == mac) {
                    sealer.write_id(&path)?;
                    return Ok(sealer);
                }
            }
        }
        if !text.is_empty() || !heads.is_empty() {
            return Err(ArchiveError::BadKey(format!(
                "{} was written with another key; give back the key it was begun with, or choose another data_dir",
                dir.display()
            )));
        }
        let fresh = Self::new(master, random::<16>()?);
        let line = fresh.id_line();
        publish(&path, &line).map_err(|error| failed("make journal.id", &error))?;
        // Another process may have been first.
        match fs::read_to_string(&path).ok().and_then(|text| parse_id(&text)) {
            Some((id, canary)) if Self::new(master, id).mac(&[b"canary"]) == canary => Ok(Self::new(master, id)),
            _ => Err(ArchiveError::BadKey(format!("{} was begun by another process with another key", dir.display()))),
        }
    }

    fn id_line(&self) -> String {
        format!("{ID_LINE}{} {}\n", hex(&self.id), hex(&self.mac(&[b"canary"])))
    }

    fn write_id(&self, path: &Path) -> Result<(), ArchiveError> {
        let _ = fs::remove_file(path);
        publish(path, &self.id_line()).map_err(|error| failed("mend journal.id", &error))
    }

    /// The journal's id.
    pub(crate) fn id(&self) -> &[u8; 16] {
        &self.id
    }

    /// Seals `plain`: nonce, ciphertext, tag. `aad` is bound to it.
    pub(crate) fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        let nonce = random::<NONCE>()?;
        Ok([&nonce[..], &close(&self.cipher, &nonce, aad, plain)?].concat())
    }

    /// Opens what [`seal`](Self::seal) made; `None` if one bit of it or of `aad` is different.
    pub(crate) fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
        self.cipher.open(nonce, aad, rest)
    }

    /// Seals `plain` under a nonce of the caller: ciphertext, tag.
    pub(crate) fn close(&self, nonce: &[u8; SHORT_NONCE], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        close(&self.cipher, &long(nonce, 0), aad, plain)
    }

    /// Opens what [`close`](Self::close) sealed.
    pub(crate) fn disclose(&self, nonce: &[u8; SHORT_NONCE], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.cipher.open(&long(nonce, 0), aad, sealed)
    }

    /// What values of the family with this data key are sealed with.
    pub(crate) fn family(&self, data_key: &[u8; 32]) -> Family {
        let material = [self.family, *data_key].concat();
        let key = blake3::derive_key("crm-undo 2026 values of one family", &material);
        Family(Cipher::new(&key))
    }

    /// A slot of the key ring. A slot gets one key in its life and one mark of erasure, under a nonce each, so no
    /// nonce is met twice.
    pub(crate) fn close_slot(&self, slot: u32, erased: bool, key: &[u8; 32]) -> Result<Vec<u8>, ArchiveError> {
        close(&self.ring, &slot_nonce(slot, erased), b"slot", key)
    }

    /// What [`close_slot`](Self::close_slot) sealed.
    pub(crate) fn open_slot(&self, slot: u32, erased: bool, sealed: &[u8]) -> Option<[u8; 32]> {
        self.ring.open(&slot_nonce(slot, erased), b"slot", sealed)?.try_into().ok()
    }

    /// Authenticates a header: keyed BLAKE3, cut to 16 bytes.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.header_key);
        for part in parts {
            hasher.update(part);
        }
        let mut mac = [0; 16];
        mac.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        mac
    }
}

/// Seals values of one family. Destroyed with its data key.
pub(crate) struct Family(Cipher);

impl Family {
    /// Seals item `item` of the frame with this nonce: ciphertext, tag.
    pub(crate) fn close(
        &self,
        nonce: &[u8; SHORT_NONCE],
        item: u8,
        aad: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, ArchiveError> {
        close(&self.0, &long(nonce, item), aad, plain)
    }

    /// Opens what [`close`](Self::close) sealed.
    pub(crate) fn disclose(&self, nonce: &[u8; SHORT_NONCE], item: u8, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.open(&long(nonce, item), aad, sealed)
    }
}

fn long(nonce: &[u8; SHORT_NONCE], item: u8) -> [u8; NONCE] {
    let mut long = [0; NONCE];
    long[..SHORT_NONCE].copy_from_slice(nonce);
    long[SHORT_NONCE] = item;
    long
}

fn slot_nonce(slot: u32, erased: bool) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    nonce[..4].copy_from_slice(&slot.to_le_bytes());
    nonce[4] = u8::from(erased);
    nonce
}

fn close(cipher: &Cipher, nonce: &[u8; NONCE], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    let sealed = cipher.seal(nonce, aad, plain);
    sealed.map_err(|_| ArchiveError::Invalid("a frame is too large to be sealed".to_owned()))
}

/// The key in a file; `None` if there is no such file.
pub(super) fn read_key(key_file: &Path) -> Result<Option<[u8; 32]>, ArchiveError> {
    let text = match fs::read_to_string(key_file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read the key file", &error)),
    };
    let key = text.trim().strip_prefix(KEY_LINE).and_then(unhex::<32>);
    key.map(Some).ok_or_else(|| {
        ArchiveError::BadKey(format!(
            "{} does not hold `{KEY_LINE}<64 hex digits>`; put the key file back, from where you keep its copy",
            key_file.display()
        ))
    })
}

/// A key given as text: 64 hex digits or base64 of 32 bytes.
pub(super) fn parse_key(key: &SecretString) -> Result<[u8; 32], ArchiveError> {
    let text = key.expose_secret().trim();
    let text = text.strip_prefix(KEY_LINE.trim_end()).unwrap_or(text).trim();
    let decoded = unhex::<32>(text).or_else(|| STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()));
    decoded
        .ok_or_else(|| ArchiveError::BadKey("the given key is neither 64 hex digits nor base64 of 32 bytes".to_owned()))
}

/// Writes a small file that is there whole or not at all, 0600; leaves the one that is there already.
fn publish(path: &Path, text: &str) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut suffix = [0; 8];
    SysRng.try_fill_bytes(&mut suffix).map_err(|error| io::Error::other(error.to_string()))?;
    let draft = parent.join(format!(".{}.tmp", hex(&suffix)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    fs::remove_file(&draft)?;
    linked?;
    fs::File::open(parent)?.sync_all()
}

pub(super) fn make_dir(dir: &Path) -> Result<(), ArchiveError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| failed("make its directory", &error))
}

fn has_journal(dir: &Path) -> Result<bool, ArchiveError> {
    Ok(dir.join(ID_FILE).exists() || !segment_files(dir)?.is_empty())
}

fn segment_files(dir: &Path) -> Result<Vec<std::path::PathBuf>, ArchiveError> {
    let listing = fs::read_dir(dir).map_err(|error| failed("list its directory", &error))?;
    Ok(listing
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect())
}

fn segment_heads(dir: &Path) -> Result<Vec<Vec<u8>>, ArchiveError> {
    let mut heads = Vec::new();
    for path in segment_files(dir)? {
        let mut head = Vec::new();
        let file = fs::File::open(&path).map_err(|error| failed("open a segment", &error))?;
        io::Read::read_to_end(&mut io::Read::take(file, 128), &mut head)
            .map_err(|error| failed("read a segment", &error))?;
        heads.push(head);
    }
    Ok(heads)
}

fn parse_id(text: &str) -> Option<([u8; 16], [u8; 16])> {
    let (id, canary) = text.trim().strip_prefix(ID_LINE)?.split_once(' ')?;
    Some((unhex(id)?, unhex(canary)?))
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], ArchiveError> {
    let mut bytes = [0; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| ArchiveError::Unusable(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes)
}

fn failed(what: &str, error: &io::Error) -> ArchiveError {
    ArchiveError::Unusable(format!("cannot {what}: {error}"))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let mut bytes = [0; N];
    if digits.len() != N * 2 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}
