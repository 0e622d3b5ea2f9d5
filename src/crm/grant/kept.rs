//! What lies in the vault, when it is due, and how it stands. Pure.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A pair is exchanged when so much of the access token's life is over: of amoCRM's 24 hours 4.8 are left then.
const SHARE: f64 = 0.8;
/// Nor is a pair ever older than this: a refresh token that nobody uses dies (at amoCRM after 3 months).
const OLDEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A pair from so far in the future was obtained by a clock that was wrong.
const FUTURE: SignedDuration = SignedDuration::from_mins(5);

/// Two tokens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Access token.
    pub access: String,
    /// Refresh token, good once.
    pub refresh: String,
    /// When it was asked for.
    pub obtained_at: Timestamp,
    /// For how long the access token is good from then on, in seconds.
    pub lives: u64,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("obtained_at", &self.obtained_at)
            .field("lives", &self.lives)
            .finish_non_exhaustive()
    }
}

impl Pair {
    /// How old it is when it is to be exchanged.
    pub fn due_after(&self) -> Duration {
        let share = Duration::from_secs(self.lives).mul_f64(SHARE);
        share.min(OLDEST.unsigned_abs())
    }

    /// When it is to be exchanged.
    pub fn due_at(&self) -> Timestamp {
        later(self.obtained_at, self.due_after())
    }

    /// When the access token ends.
    pub fn ends_at(&self) -> Timestamp {
        later(self.obtained_at, Duration::from_secs(self.lives))
    }

    /// Whether it is to be exchanged now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= self.due_at() || self.obtained_at.duration_since(now) > FUTURE
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// All that has to survive a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The pair; none until a person lets the client in.
    pub pair: Option<Pair>,
    /// Since when the pair's refresh token may have been used without an answer.
    pub asked: Option<Timestamp>,
    /// Why the CRM did not take the refresh token.
    pub refused: Option<String>,
}

/// How access stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It works, and is kept alive.
    Good,
    /// It works, and could not be renewed yet: why.
    Late(String),
    /// A refresh may have been carried out and its answer is lost; it is tried again.
    Uncertain(String),
    /// Only a person can mend it: why.
    Reauthorize(String),
}

impl Standing {
    /// A stable word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Late(_) => "late",
            Self::Uncertain(_) => "uncertain",
            Self::Reauthorize(_) => "reauthorize",
        }
    }

    /// Why it is not good.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Good => None,
            Self::Late(why) | Self::Uncertain(why) | Self::Reauthorize(why) => Some(why),
        }
    }
}

/// How access stands, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// In a word and a sentence.
    pub standing: Standing,
    /// When the access token at hand ends.
    pub ends_at: Option<Timestamp>,
}

impl Report {
    /// Of what lies in the vault. `trouble`: what keeps a refresh from happening.
    pub fn of(kept: &Kept, trouble: Option<&str>) -> Self {
        let ends_at = kept.pair.as_ref().map(Pair::ends_at);
        let standing = match (&kept.pair, &kept.refused, kept.asked, trouble) {
            (_, Some(why), ..) => Standing::Reauthorize(why.clone()),
            (None, ..) => Standing::Reauthorize("nobody has let its client in yet".to_owned()),
            (_, _, Some(_), why) => Standing::Uncertain(
                why.unwrap_or("the answer to a refresh was lost, and a refresh token is good once").to_owned(),
            ),
            (.., Some(why)) => Standing::Late(why.to_owned()),
            _ => Standing::Good,
        };
        Self { standing, ends_at }
    }

    /// Seconds until access would be lost if nothing more succeeded; 0 where it may be lost already. The CRM revokes the
    /// old access token when it gives a new pair, so after a lost answer nothing can be counted on.
    pub fn seconds_left(&self, now: Timestamp) -> i64 {
        match (&self.standing, self.ends_at) {
            (Standing::Good | Standing::Late(_), Some(ends)) => ends.duration_since(now).as_secs().max(0),
            _ => 0,
        }
    }
}
