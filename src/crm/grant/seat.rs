//! What the refresher knows, and one refresh from its first step to its last. Whoever holds it is the only one.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Issued, Issuer, Kept, NotIssued, Pair, Report, Vault};

/// Between refreshes that failed: doubling from the first to the longest.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_mins(10);
/// A refresh token that the CRM does not take is tried again this often: the cause may be a secret that is mended.
const REFUSED: Duration = Duration::from_hours(1);
/// A 401 right after a refresh that a 401 asked for says that the account is at fault, not the token.
const CALM: Duration = Duration::from_secs(30);

/// Why a refresh is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Its time has come.
    Due,
    /// The CRM answered 401 to this access token.
    Refused(String),
}

/// What the refresher knows.
#[derive(Debug, Default)]
pub(super) struct Seat {
    pub(super) kept: Kept,
    /// Received and not durable yet, so not used yet.
    unsaved: Option<Pair>,
    /// When this process obtained the pair, by a clock that never jumps.
    since: Option<Instant>,
    failures: u32,
    next_try: Option<Instant>,
    /// Why the last try failed.
    trouble: Option<String>,
    calm_until: Option<Instant>,
}

impl Seat {
    pub(super) fn of(kept: Kept) -> Self {
        Self { kept, ..Self::default() }
    }

    pub(super) fn report(&self) -> Report {
        Report::of(&self.kept, self.trouble.as_deref())
    }

    /// The access token, if it may be used: durable, and not over.
    pub(super) fn usable(&self, now: Timestamp) -> Option<&str> {
        let pair = self.kept.pair.as_ref().filter(|_| self.unsaved.is_none())?;
        let over = now >= pair.ends_at() || self.age().is_some_and(|age| age.as_secs() >= pair.lives);
        (!over).then_some(pair.access.as_str())
    }

    fn age(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let by_age = |pair: &Pair| self.age().is_some_and(|age| age >= pair.due_after());
        self.unsaved.is_some()
            || self.kept.asked.is_some()
            || self.kept.pair.as_ref().is_some_and(|pair| pair.is_due(now) || by_age(pair))
    }

    /// How long a try that failed keeps others away.
    fn rest(&self) -> Duration {
        self.next_try.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// When somebody has to look at it again.
    pub(super) fn wait(&self, now: Timestamp) -> Duration {
        if self.is_due(now) {
            return self.rest();
        }
        let Some(pair) = &self.kept.pair else { return Duration::MAX };
        let by_date = Duration::try_from(pair.due_at().duration_since(now)).unwrap_or_default();
        self.age().map_or(by_date, |age| by_date.min(pair.due_after().saturating_sub(age)))
    }

    fn wants(&self, why: &Why, now: Timestamp) -> bool {
        match why {
            Why::Due => self.is_due(now),
            Why::Refused(token) => {
                let still = self.kept.pair.as_ref().is_some_and(|pair| pair.access == *token);
                let calm = self.calm_until.is_some_and(|until| Instant::now() < until);
                self.unsaved.is_some() || still && !calm
            }
        }
    }

    /// One refresh, if it is still wanted. Whoever calls this is never cut off in the middle: it runs in a task of its
    /// own.
    pub(super) async fn refresh(&mut self, why: &Why, vault: &dyn Vault, issuer: &dyn Issuer, now: Timestamp) {
        if !self.wants(why, now) || !self.rest().is_zero() {
            return;
        }
        if let Some(pair) = self.unsaved.take() {
            return self.adopt(pair, vault).await;
        }
        let Some(refresh) = self.kept.pair.as_ref().map(|pair| pair.refresh.clone()) else { return };
        // Written down first: after a crash from here on, nobody may take the access for granted. And a vault that
        // cannot be written would lose the answer.
        let before = self.kept.asked;
        let asked = Kept { asked: before.or(Some(now)), ..self.kept.clone() };
        if let Err(error) = vault.save(&asked).await {
            return self.failed(format!("its tokens cannot be written: {error}"), None);
        }
        self.kept = asked;
        match issuer.refresh(&refresh).await {
            Ok(issued) => {
                self.adopt(pair(issued, now), vault).await;
                if matches!(why, Why::Refused(_)) {
                    self.calm_until = Some(Instant::now() + CALM);
                }
            }
            Err(NotIssued::Lost(why)) => self.failed(format!("the answer to a refresh was lost: {why}"), None),
            Err(NotIssued::Later(why)) => {
                // This try changed nothing; an earlier one may have.
                self.keep(Kept { asked: before, ..self.kept.clone() }, vault).await;
                self.failed(format!("it could not be refreshed: {why}"), None);
            }
            Err(NotIssued::Refused(why)) => {
                let refused = match before {
                    Some(_) => format!("the answer to a refresh was lost, and now the CRM says: {why}"),
                    None => format!("the CRM does not take its refresh token: {why}"),
                };
                self.keep(Kept { asked: None, refused: Some(refused.clone()), ..self.kept.clone() }, vault).await;
                self.failed(refused, Some(REFUSED));
            }
        }
    }

    /// The first pair, or one in the place of another that is lost.
    pub(super) async fn exchange(
        &mut self,
        code: &str,
        vault: &dyn Vault,
        issuer: &dyn Issuer,
        now: Timestamp,
    ) -> Result<(), NotIssued> {
        // A vault that cannot be written would lose the answer, and the code with it.
        vault.save(&self.kept).await.map_err(|error| NotIssued::Later(unwritten(&error)))?;
        let issued = issuer.exchange(code).await?;
        self.adopt(pair(issued, now), vault).await;
        match &self.trouble {
            None => Ok(()),
            Some(_) => Err(NotIssued::Later("its tokens were received and cannot be written yet".to_owned())),
        }
    }

    /// Durable first, used then. The old pair stays in the vault until the new one is there.
    async fn adopt(&mut self, pair: Pair, vault: &dyn Vault) {
        let kept = Kept { pair: Some(pair.clone()), asked: None, refused: None };
        match vault.save(&kept).await {
            Ok(()) => {
                *self = Self { kept, since: Some(Instant::now()), ..Self::default() };
            }
            Err(error) => {
                self.unsaved = Some(pair);
                self.failed(unwritten(&error), Some(FIRST));
            }
        }
    }

    /// Writes what is known better now. If it cannot be written, what lies there is the more cautious.
    async fn keep(&mut self, kept: Kept, vault: &dyn Vault) {
        if let Err(error) = vault.save(&kept).await {
            tracing::error!(error, "how access stands could not be written");
        }
        self.kept = kept;
    }

    fn failed(&mut self, why: String, rest: Option<Duration>) {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(8)).min(LONGEST);
        self.failures += 1;
        self.next_try = Some(Instant::now() + rest.unwrap_or(doubled));
        self.trouble = Some(why);
    }
}

fn unwritten(error: &str) -> String {
    format!("its tokens cannot be written: {error}")
}

fn pair(issued: Issued, obtained_at: Timestamp) -> Pair {
    Pair { access: issued.access, refresh: issued.refresh, obtained_at, lives: issued.lives }
}
