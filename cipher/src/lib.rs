//! XChaCha20-Poly1305 as crm-undo uses it. A crate of its own because generic code is compiled where it is used: here it
//! is optimized in every build, also in those of the tests (docs/decisions/0014-a-crate-for-the-cipher.md).

use chacha20poly1305::aead::AeadInPlace as _;
use chacha20poly1305::{Key, KeyInit as _, Tag, XChaCha20Poly1305, XNonce};

/// Bytes of a nonce. None may stand for two texts under one key; this many random ones do not meet.
pub const NONCE: usize = 24;
/// Bytes of a tag, which follows the ciphertext.
pub const TAG: usize = 16;

/// One key. Forgotten, with all that was made of it, when it is dropped.
pub struct Cipher(XChaCha20Poly1305);

/// The text is longer than 256 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl Cipher {
    /// With this key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(Key::from_slice(key)))
    }

    /// Ciphertext and tag. `aad` is bound to them and not among them.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, TooLong> {
        let mut sealed = Vec::with_capacity(plain.len() + TAG);
        sealed.extend_from_slice(plain);
        let tag = self.0.encrypt_in_place_detached(XNonce::from_slice(nonce), aad, &mut sealed).map_err(|_| TooLong)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// What was sealed; `None` if one bit of it, of the nonce or of `aad` is different.
    #[must_use]
    pub fn open(&self, nonce: &[u8; NONCE], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (ciphertext, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG)?)?;
        let mut plain = ciphertext.to_vec();
        self.0.decrypt_in_place_detached(XNonce::from_slice(nonce), aad, &mut plain, Tag::from_slice(tag)).ok()?;
        Some(plain)
    }
}
