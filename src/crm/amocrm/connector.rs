//! How amoCRM is asked to do things: the list of calls. Reading is in `read`, writing in `write`.

use async_trait::async_trait;
use serde_json::Value;

use super::{AmoCrm, read, write};
use crate::crm::{Capabilities, Connector, CrmError, Fetched, Presence, Reach, Successor, Undelete, Written};
use crate::domain::delete::DeleteIntent;
use crate::domain::plan::Step;
use crate::domain::record::{RecordRef, Snapshot};

#[async_trait]
impl Connector for AmoCrm {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // §4: the bin has no restore call; a person may restore on the CRM's screens.
            undelete: Undelete::UiOnly,
            // §2.0 [D][P]: more than 250 rows are cut silently; writes of 50 are recommended.
            read_page: 250,
            write_batch: 50,
            // §12.8 [U]: nobody knows how long lists lag behind; by-id reads do not.
            index_delay: write::INDEX_DELAY,
        }
    }

    async fn resolve(&self, reach: Reach<'_>, intent: &DeleteIntent) -> Result<Vec<RecordRef>, CrmError> {
        read::resolve(reach, intent).await
    }

    async fn fetch(&self, reach: Reach<'_>, records: &[RecordRef]) -> Result<Vec<Fetched>, CrmError> {
        read::fetch(reach, records).await
    }

    async fn presence(&self, reach: Reach<'_>, records: &[RecordRef]) -> Result<Vec<Presence>, CrmError> {
        read::presence(reach, records).await
    }

    async fn unchanged(&self, reach: Reach<'_>, snapshots: &[Snapshot]) -> Result<Vec<bool>, CrmError> {
        read::unchanged(reach, snapshots).await
    }

    async fn changed_since(
        &self,
        reach: Reach<'_>,
        records: &[RecordRef],
        since: jiff::Timestamp,
    ) -> Result<Vec<bool>, CrmError> {
        read::changed_since(reach, records, since).await
    }

    async fn surroundings(&self, reach: Reach<'_>) -> Result<Value, CrmError> {
        write::surroundings(reach).await
    }

    async fn write(
        &self,
        reach: Reach<'_>,
        steps: &[&Step],
        successor: Successor<'_>,
    ) -> Result<Vec<Written>, CrmError> {
        write::write(reach, steps, successor).await
    }

    async fn candidates(
        &self,
        reach: Reach<'_>,
        step: &Step,
        since: jiff::Timestamp,
        successor: Successor<'_>,
    ) -> Result<Vec<RecordRef>, CrmError> {
        write::candidates(reach, step, since, successor).await
    }

    async fn find_made(
        &self,
        reach: Reach<'_>,
        steps: &[&Step],
        since: jiff::Timestamp,
        successor: Successor<'_>,
    ) -> Result<Vec<Option<RecordRef>>, CrmError> {
        write::find_made(reach, steps, since, successor).await
    }
}
