//! What may pass and what is refused, as a function of values.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::delete::{DeleteIntent, Effect, Refusal};

/// The operator's rules about destructive requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Words of [`Effect::Unrestorable`] that may pass although nothing can bring them back.
    pub allow_unrestorable: Vec<String>,
    /// Days an entry stays in the bin.
    pub retention_days: u16,
    /// Other days for entries of a kind (`contacts`).
    pub retention: BTreeMap<String, u16>,
    /// How long after a request whose answer was lost a record that is still there may yet vanish because of it.
    pub settle_grace: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow_unrestorable: Vec::new(),
            retention_days: 90,
            retention: BTreeMap::new(),
            settle_grace: Duration::from_mins(1),
        }
    }
}

/// What is to be done with a destructive request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Snapshot, then forward.
    Forward,
    /// Answer with this instead.
    Refuse(Refusal),
}

impl Policy {
    /// How long entries of a kind stay in the bin.
    pub fn keeps(&self, object: &str) -> SignedDuration {
        days(self.retention.get(object).copied().unwrap_or(self.retention_days))
    }

    /// How long entries of any kind stay at least.
    pub fn shortest_retention(&self) -> SignedDuration {
        days(self.retention.values().copied().chain([self.retention_days]).min().unwrap_or(self.retention_days))
    }

    /// Judges one recognized request.
    pub fn judge(&self, intent: &DeleteIntent) -> Decision {
        match intent.effect {
            Effect::Destroy | Effect::Detach => Decision::Forward,
            Effect::Unrestorable(what) if self.allow_unrestorable.iter().any(|allowed| allowed == what) => {
                Decision::Forward
            }
            Effect::Unrestorable(what) => Decision::Refuse(Refusal {
                status: 403,
                code: "unrestorable",
                detail: format!("crm-undo cannot bring {what} back once deleted, so it did not forward this request"),
                hint: format!("to let it pass, add \"{what}\" to policy.allow_unrestorable in the configuration"),
                retry_after: None,
            }),
        }
    }
}

fn days(days: u16) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(days))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delete::Selection;

    #[test]
    fn what_cannot_come_back_passes_only_by_name() {
        let intent = DeleteIntent {
            route: "amocrm.custom_field",
            effect: Effect::Unrestorable("custom_fields"),
            selection: Selection::Ids(vec![]),
        };
        assert!(matches!(Policy::default().judge(&intent), Decision::Refuse(r) if r.code == "unrestorable"));
        let policy = Policy { allow_unrestorable: vec!["custom_fields".into()], ..Policy::default() };
        assert_eq!(policy.judge(&intent), Decision::Forward);
    }
}
