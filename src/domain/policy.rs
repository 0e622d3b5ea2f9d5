//! What may pass and what is refused, as a function of values.

use super::delete::{DeleteIntent, Effect, Refusal};

/// The operator's rules about destructive requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Words of [`Effect::Unrestorable`] that may pass although nothing can bring them back.
    pub allow_unrestorable: Vec<String>,
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
        let policy = Policy { allow_unrestorable: vec!["custom_fields".into()] };
        assert_eq!(policy.judge(&intent), Decision::Forward);
    }
}
