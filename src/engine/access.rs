//! Who may use the console: tokens with a role each, held by a person.
//!
//! A token is 256 random bits, shown once. The ledger keeps its BLAKE3 hash; a plain hash is enough because nothing
//! about 256 random bits can be guessed. Issuing and revoking are events of the ledger, so the audit log has them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use tokio::sync::RwLock;

use super::{Engine, EngineError};
use crate::archive::{ArchiveError, Ledger};
use crate::domain::event::{Event, Recorded, Stream};
use crate::domain::ids::TokenId;

/// What a token may do. Viewer, operator and admin: each may do everything the one before it may. Privacy is a role of its
/// own: it reads and erases, and no other role erases (`docs/decisions/0004-erasing.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Restores, undoes, moves jobs.
    Operator,
    /// Gives and takes access, checks the archive.
    Admin,
    /// Erases for good.
    Privacy,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Admin, Self::Privacy];

    /// Whether this role may do what needs that one.
    pub fn may(self, needed: Self) -> bool {
        match (self, needed) {
            (Self::Privacy, needed) => matches!(needed, Self::Viewer | Self::Privacy),
            (_, Self::Privacy) => false,
            (role, needed) => role >= needed,
        }
    }

    /// The word of the console and the ledger.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Privacy => "privacy",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Role {
    type Err = EngineError;
    fn from_str(text: &str) -> Result<Self, EngineError> {
        Self::ALL.into_iter().find(|role| role.word() == text).ok_or_else(|| EngineError::Invalid {
            code: "bad_value",
            detail: "role: has to be viewer, operator, admin or privacy".into(),
        })
    }
}

/// Whose token it is, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The token's name, not its secret.
    pub token: TokenId,
    /// Who holds it.
    pub person: String,
    /// What it may do.
    pub role: Role,
}

/// A token as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose it is, and what it may do.
    pub identity: Identity,
    /// Since when.
    pub issued_at: Timestamp,
    /// Who gave it.
    pub issued_by: String,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

/// The stream of tokens, folded. Read from the ledger once, then kept in step with what this process appends.
#[derive(Debug, Default)]
pub(crate) struct TokenBook(RwLock<Option<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    version: u64,
    tokens: Vec<(blake3::Hash, Token)>,
}

impl Pages {
    async fn read(ledger: &dyn Ledger) -> Result<Self, ArchiveError> {
        let mut pages = Self::default();
        for recorded in ledger.read(&Stream::tokens(), 0).await? {
            pages.apply(&recorded)?;
        }
        Ok(pages)
    }

    fn apply(&mut self, recorded: &Recorded) -> Result<(), ArchiveError> {
        self.version = recorded.version;
        match &recorded.event {
            Event::TokenIssued { token, person, role, hash, by } => {
                // An unreadable line must not silently shut somebody out, or in: the console stays closed instead.
                let damaged = |detail: &str| ArchiveError::Damaged {
                    what: format!("event {} of stream tokens", recorded.version),
                    detail: detail.into(),
                };
                let role = role.parse().map_err(|_| damaged("unknown role"))?;
                let hash = blake3::Hash::from_hex(hash).map_err(|_| damaged("the hash is not hexadecimal"))?;
                let identity = Identity { token: *token, person: person.clone(), role };
                let (issued_at, issued_by) = (recorded.at, by.clone());
                self.tokens.push((hash, Token { identity, issued_at, issued_by, revoked_at: None }));
            }
            Event::TokenRevoked { token, .. } => {
                for (_, row) in &mut self.tokens {
                    if row.identity.token == *token {
                        row.revoked_at.get_or_insert(recorded.at);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn live(&self) -> impl Iterator<Item = &(blake3::Hash, Token)> {
        self.tokens.iter().filter(|(_, row)| row.revoked_at.is_none())
    }

    fn administrators(&self) -> usize {
        self.live().filter(|(_, row)| row.identity.role == Role::Admin).count()
    }
}

impl Engine {
    /// Makes sure somebody may administer. If nobody may: `given` becomes the administrator's token, or, without one,
    /// a secret is made and returned, to be printed once. Does nothing otherwise, whatever `given` says.
    pub async fn first_administrator(&self, given: Option<&str>) -> Result<Option<String>, EngineError> {
        if self.read_tokens(Pages::administrators).await? > 0 {
            return Ok(None);
        }
        let secret = match given {
            Some(given) if given.is_empty() || !given.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return Err(EngineError::Invalid {
                    code: "bad_value",
                    detail: "CRM_UNDO_ADMIN_TOKEN has to be visible ASCII characters without spaces".into(),
                });
            }
            Some(given) => given.to_owned(),
            None => fresh_secret(),
        };
        let token = TokenId(self.names.fresh());
        let hash = blake3::hash(secret.as_bytes()).to_hex().to_string();
        let (person, role) = ("administrator".to_owned(), Role::Admin.word().to_owned());
        self.change_tokens(|pages| match pages.administrators() {
            0 => Ok(Event::TokenIssued {
                token,
                person: person.clone(),
                role: role.clone(),
                hash: hash.clone(),
                by: "first start".into(),
            }),
            _ => Err(EngineError::Stale { code: "wrong_state", detail: "there is an administrator already".into() }),
        })
        .await?;
        Ok(given.is_none().then_some(secret))
    }

    /// A new token for `person`, given by `by`; the secret is returned and kept nowhere.
    pub async fn issue_token(&self, role: Role, person: &str, by: &str) -> Result<(Token, String), EngineError> {
        let person = person.trim();
        if person.is_empty() || person.chars().count() > 100 || person.chars().any(char::is_control) {
            return Err(EngineError::Invalid {
                code: "bad_value",
                detail: "person: has to be a name of 1 to 100 characters on one line".into(),
            });
        }
        let (token, secret) = (TokenId(self.names.fresh()), fresh_secret());
        let hash = blake3::hash(secret.as_bytes()).to_hex().to_string();
        let recorded = self
            .change_tokens(|_| {
                Ok(Event::TokenIssued {
                    token,
                    person: person.to_owned(),
                    role: role.word().to_owned(),
                    hash: hash.clone(),
                    by: by.to_owned(),
                })
            })
            .await?;
        let identity = Identity { token, person: person.to_owned(), role };
        Ok((Token { identity, issued_at: recorded.at, issued_by: by.to_owned(), revoked_at: None }, secret))
    }

    /// Takes a token back, at once. The last administrator's stays: without one nobody could give access again.
    pub async fn revoke_token(&self, token: TokenId, by: &str) -> Result<(), EngineError> {
        self.change_tokens(|pages| {
            let Some((_, row)) = pages.tokens.iter().find(|(_, row)| row.identity.token == token) else {
                return Err(EngineError::NotFound { what: format!("token {token}") });
            };
            if row.revoked_at.is_some() {
                return Err(EngineError::Stale {
                    code: "wrong_state",
                    detail: format!("token {token} is revoked already"),
                });
            }
            if row.identity.role == Role::Admin && pages.administrators() == 1 {
                return Err(EngineError::Stale {
                    code: "last_administrator",
                    detail: format!("token {token} is the only administrator's; issue another one first"),
                });
            }
            Ok(Event::TokenRevoked { token, by: by.to_owned() })
        })
        .await?;
        Ok(())
    }

    /// Every token ever issued, oldest first.
    pub async fn tokens(&self) -> Result<Vec<Token>, EngineError> {
        self.read_tokens(|pages| pages.tokens.iter().map(|(_, row)| row.clone()).collect()).await
    }

    /// Who holds this secret. The time it takes does not depend on how much of a hash matches.
    pub async fn verify(&self, secret: &str) -> Result<Option<Identity>, EngineError> {
        let hash = blake3::hash(secret.as_bytes());
        // `blake3::Hash` compares in constant time; the loop does not stop at a match for the same reason.
        self.read_tokens(|pages| {
            let mut found = None;
            for (known, row) in pages.live() {
                if *known == hash {
                    found = Some(row.identity.clone());
                }
            }
            found
        })
        .await
    }

    async fn read_tokens<T>(&self, look: impl FnOnce(&Pages) -> T) -> Result<T, EngineError> {
        if let Some(pages) = self.token_book.0.read().await.as_ref() {
            return Ok(look(pages));
        }
        let mut slot = self.token_book.0.write().await;
        if let Some(pages) = slot.as_ref() {
            return Ok(look(pages));
        }
        Ok(look(slot.insert(Pages::read(self.store.as_ref()).await?)))
    }

    /// Appends what `decide` makes of the book; decides anew if another process was faster.
    async fn change_tokens(
        &self,
        decide: impl Fn(&Pages) -> Result<Event, EngineError>,
    ) -> Result<Recorded, EngineError> {
        let mut slot = self.token_book.0.write().await;
        for _ in 0..3 {
            let pages = match slot.as_mut() {
                Some(pages) => pages,
                None => slot.insert(Pages::read(self.store.as_ref()).await?),
            };
            let event = decide(pages)?;
            match self.store.append(&Stream::tokens(), pages.version, vec![event]).await {
                Ok(recorded) => {
                    let last = recorded.last().cloned().ok_or_else(|| {
                        ArchiveError::Unusable("an append was acknowledged without what it recorded".into())
                    })?;
                    pages.apply(&last)?;
                    return Ok(last);
                }
                Err(ArchiveError::Conflict { .. }) => *slot = None,
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::Stale { code: "conflict", detail: "somebody else changes tokens just now; repeat it".into() })
    }
}

/// 256 random bits from a generator that the operating system seeded, in a form that is easy to recognize in a leak.
fn fresh_secret() -> String {
    let bits: [u8; 32] = rand::random();
    format!("cu_{}", URL_SAFE_NO_PAD.encode(bits))
}
