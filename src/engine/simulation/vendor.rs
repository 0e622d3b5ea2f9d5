//! How the engine speaks to this CRM.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::crm::INDEX_DELAY;
use crate::crm::upstream::Ask;
use crate::crm::{
    Capabilities, Connector, CrmError, Dialect, Fetched, Head, Presence, Reach, Renamed, Successor, Triage, Undelete,
    Written,
};
use crate::domain::delete::{DeleteIntent, Recognised, Refusal, Selection, Verdict};
use crate::domain::plan::{Step, What};
use crate::domain::record::{Association, Eyes, ManifestLine, Part, RecordRef, SearchKeys, Snapshot};
use crate::domain::restore::{Difference, Draft, DraftStep, Loss};

#[derive(Clone, Copy, Debug)]
pub(super) struct Vendor {
    /// Whether what it made bears a mark.
    pub(super) can_find: bool,
}

fn parsed(value: &Value) -> Option<RecordRef> {
    value.as_str()?.parse().ok()
}

fn parsed_all(value: &Value) -> Vec<RecordRef> {
    value.as_array().into_iter().flatten().filter_map(parsed).collect()
}

fn joined(records: &[RecordRef]) -> String {
    records.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The record part of a snapshot.
pub(super) fn body(snapshot: &Snapshot) -> Value {
    snapshot.part("record").and_then(|part| serde_json::from_slice(&part.body).ok()).unwrap_or_default()
}

fn snapshot(reach: Reach<'_>, of: &RecordRef, shown: &Value) -> Snapshot {
    let link = |to: RecordRef| Association { from: of.clone(), to, metadata: "{}".into() };
    let notes = shown["notes"].as_array().map_or(0, Vec::len) as u64;
    let line = |part: &str, rows| ManifestLine { part: part.into(), expected: rows, got: rows };
    // The CRM said that there are more.
    let lost = shown["lost"].as_u64().unwrap_or(0);
    Snapshot {
        connection: reach.connection.to_owned(),
        of: of.clone(),
        title: shown["name"].as_str().unwrap_or_default().to_owned(),
        keys: SearchKeys::default(),
        parts: vec![Part {
            name: "record".into(),
            content_type: "application/json".into(),
            body: Bytes::from(shown.to_string()),
        }],
        associations: parsed_all(&shown["links"]).into_iter().map(link).collect(),
        manifest: vec![line("record", 1), ManifestLine { expected: notes + lost, ..line("notes", notes) }],
        taken_at: reach.now,
        read_by: Eyes::Gateway,
    }
}

async fn get(reach: Reach<'_>, path: &str, records: &[RecordRef]) -> Result<Vec<Value>, CrmError> {
    let answer = reach.upstream.ask(reach.access, reach.lane, Ask::get(format!("{path}?{}", joined(records)))).await?;
    if !answer.status.is_success() {
        return Err(CrmError::Permanent { status: Some(answer.status.as_u16()), detail: "refused".into() });
    }
    let rows: Vec<Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
    if rows.len() == records.len() {
        return Ok(rows);
    }
    Err(CrmError::Transient { retry_after: None, detail: "a page is short".into() })
}

impl Dialect for Vendor {
    fn vendor(&self) -> &'static str {
        "simulated"
    }
    fn triage(&self, _: &Head<'_>) -> Triage {
        Triage::Stream
    }
    fn recognise(&self, _: &Head<'_>, _: &[u8]) -> Recognised {
        Recognised::NotADelete
    }
    fn settle(&self, _: &DeleteIntent, status: StatusCode, body: &[u8]) -> Verdict {
        let Ok(told) = serde_json::from_slice::<Value>(body) else { return Verdict::Unclear("no JSON".into()) };
        if !status.is_success() {
            return if status == StatusCode::TOO_MANY_REQUESTS {
                Verdict::Denied("throttled".into())
            } else {
                Verdict::Unclear(status.to_string())
            };
        }
        match parsed_all(&told["refused"]) {
            none if none.is_empty() => Verdict::Claimed,
            some => Verdict::Mixed(some.into_iter().map(|record| (record, "locked".into())).collect()),
        }
    }
    fn gone(&self, _: &DeleteIntent) -> Response<Bytes> {
        Response::new(Bytes::from_static(b"gone"))
    }
    fn done(&self, intent: &DeleteIntent) -> Response<Bytes> {
        self.gone(intent)
    }
    fn refuse(&self, _: &Head<'_>, refusal: &Refusal) -> Response<Bytes> {
        Response::new(Bytes::from(refusal.code))
    }
    fn names_in_head(&self, _: &Head<'_>) -> Vec<RecordRef> {
        Vec::new()
    }
    fn names_in_body(&self, _: &Head<'_>, _: &[u8]) -> Vec<RecordRef> {
        Vec::new()
    }
    fn rename(&self, _: &Head<'_>, _: &[u8], _: Successor<'_>) -> Option<Renamed> {
        None
    }

    fn draft(&self, snapshot: &Snapshot, _: &Value) -> Draft {
        let shown = body(snapshot);
        let parent = parsed(&shown["parent"]);
        let of = &snapshot.of;
        let write = |record: &RecordRef, name: &Value, parent: Option<&RecordRef>| json!({"record": record, "name": name, "parent": parent});
        let mut steps = vec![DraftStep {
            wave: 1,
            what: What::Recreate,
            write: write(of, &shown["name"], parent.as_ref()),
            record: of.clone(),
            needs: parent.iter().cloned().collect(),
        }];
        for note in shown["notes"].as_array().into_iter().flatten() {
            if let Some(record) = parsed(&note[0]) {
                steps.push(DraftStep {
                    wave: 2,
                    what: What::Recreate,
                    write: write(&record, &note[1], Some(of)),
                    record,
                    needs: Vec::new(),
                });
            }
        }
        steps.extend(snapshot.associations.iter().map(|link| DraftStep {
            wave: 3,
            what: What::Relink,
            write: json!([of, link.to]),
            record: RecordRef::new("links", format!("{}-{}-{}-{}", of.object, of.id, link.to.object, link.to.id)),
            needs: vec![link.to.clone()],
        }));
        Draft { parents: parent.into_iter().collect(), steps, losses: Vec::new(), fields: vec!["name".into()] }
    }

    fn may_have_made(&self, step: &Step, snapshot: &Snapshot) -> bool {
        parsed(&body(snapshot)["made_for"]).is_some_and(|old| old == step.record)
    }
    fn compare(&self, was: &Snapshot, is: &Snapshot, _: Successor<'_>, _: &[Loss]) -> Vec<Difference> {
        let (before, after) = (body(was)["name"].clone(), body(is)["name"].clone());
        let differs = (before != after).then(|| Difference {
            record: was.of.clone(),
            field: "name".into(),
            was: before.to_string(),
            is: after.to_string(),
        });
        differs.into_iter().collect()
    }
}

#[async_trait]
impl Connector for Vendor {
    fn capabilities(&self) -> Capabilities {
        Capabilities { undelete: Undelete::None, read_page: 50, write_batch: 3, index_delay: INDEX_DELAY }
    }

    async fn resolve(&self, _: Reach<'_>, intent: &DeleteIntent) -> Result<Vec<RecordRef>, CrmError> {
        match &intent.selection {
            Selection::Ids(ids) => Ok(ids.clone()),
            Selection::Query { .. } => Ok(Vec::new()),
        }
    }

    async fn fetch(&self, reach: Reach<'_>, records: &[RecordRef]) -> Result<Vec<Fetched>, CrmError> {
        let rows = get(reach, "/records", records).await?;
        let one = |(record, shown): (&RecordRef, &Value)| match shown {
            Value::Null => Fetched::Absent,
            Value::String(_) => Fetched::Hidden("no rights".into()),
            shown => Fetched::Whole(Box::new(snapshot(reach, record, shown))),
        };
        Ok(records.iter().zip(&rows).map(one).collect())
    }

    async fn presence(&self, reach: Reach<'_>, records: &[RecordRef]) -> Result<Vec<Presence>, CrmError> {
        let rows = get(reach, "/present", records).await?;
        Ok(rows.iter().map(|there| if *there == json!(true) { Presence::Alive } else { Presence::Gone }).collect())
    }

    async fn surroundings(&self, reach: Reach<'_>) -> Result<Value, CrmError> {
        let answer = reach.upstream.ask(reach.access, reach.lane, Ask::get("/account")).await?;
        if answer.status.is_success() {
            return Ok(Value::Null);
        }
        Err(CrmError::Permanent { status: Some(answer.status.as_u16()), detail: "refused".into() })
    }

    async fn write(
        &self,
        reach: Reach<'_>,
        steps: &[&Step],
        successor: Successor<'_>,
    ) -> Result<Vec<Written>, CrmError> {
        let now = |record: RecordRef| successor(&record).unwrap_or(record);
        let is_link = steps.iter().all(|step| step.what == What::Relink);
        let items: Vec<Value> = steps
            .iter()
            .map(|step| {
                let mut write = step.write.clone().unwrap_or_default();
                if is_link {
                    return json!(parsed_all(&write).into_iter().map(now).collect::<Vec<_>>());
                }
                write["parent"] = json!(parsed(&write["parent"]).map(now));
                write
            })
            .collect();
        let path = if is_link { "/link" } else { "/make" };
        let answer = reach.upstream.ask(reach.access, reach.lane, Ask::post(path, &json!(items))).await?;
        if !answer.status.is_success() {
            return Err(CrmError::Permanent { status: Some(answer.status.as_u16()), detail: "refused".into() });
        }
        let rows: Vec<Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
        let refused = || Written::Refused { reason: "invalid".into(), detail: "no".into() };
        let one = |index: usize| match rows.get(index) {
            None => Written::Unclear("the answer did not mention it".into()),
            Some(Value::Bool(true)) => Written::Done,
            Some(row) => parsed(row).map_or_else(refused, Written::Made),
        };
        Ok((0..steps.len()).map(one).collect())
    }

    async fn changed_since(&self, _: Reach<'_>, records: &[RecordRef], _: Timestamp) -> Result<Vec<bool>, CrmError> {
        // It keeps no log of changes.
        Ok(vec![false; records.len()])
    }

    async fn candidates(
        &self,
        _: Reach<'_>,
        _: &Step,
        _: Timestamp,
        _: Successor<'_>,
    ) -> Result<Vec<RecordRef>, CrmError> {
        // It bears no mark that a person could see.
        Ok(Vec::new())
    }

    async fn find_made(
        &self,
        reach: Reach<'_>,
        steps: &[&Step],
        _: Timestamp,
        _: Successor<'_>,
    ) -> Result<Vec<Option<RecordRef>>, CrmError> {
        if !self.can_find {
            return Err(CrmError::Permanent { status: None, detail: "no mark".into() });
        }
        let records: Vec<RecordRef> = steps.iter().map(|step| step.record.clone()).collect();
        Ok(get(reach, "/marked", &records).await?.iter().map(parsed).collect())
    }
}
