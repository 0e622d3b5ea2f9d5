//! Old ids in a request, in the words of the records that replaced them.

use std::collections::HashMap;

use bytes::Bytes;

use super::serve::Account;
use crate::crm::{Head, Renamed};
use crate::domain::record::RecordRef;
use crate::engine::Engine;

/// The same request in new ids; `None` for most. An archive that cannot be asked lets the old ids pass: the CRM says
/// then that they are gone, which is true and destroys nothing.
pub(super) async fn rename(engine: &Engine, account: &Account, head: &Head<'_>, body: &Bytes) -> Option<Renamed> {
    if engine.bin().successors(&account.name) == 0 {
        return None;
    }
    let mut names = account.connector.names_in_head(head);
    if !body.is_empty() {
        names.extend(account.connector.names_in_body(head, body));
    }
    let mut found: HashMap<RecordRef, RecordRef> = HashMap::new();
    for old in names {
        if found.contains_key(&old) {
            continue;
        }
        match engine.bin().successor(&account.name, &old).await {
            Ok(Some(new)) => {
                found.insert(old, new);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(connection = %account.name, %error, "a restored record's new id could not be looked up");
                return None;
            }
        }
    }
    if found.is_empty() {
        return None;
    }
    account.connector.rename(head, body, &|old| found.get(old).cloned())
}
