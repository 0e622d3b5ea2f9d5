//! The wire to the fake CRM: deletes of callers, what goes wrong with them, and what others do meanwhile.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;

use super::fake_crm::{Edit, FakeCrm, World};
use crate::crm::upstream::budget::Turn;
use crate::crm::upstream::flow::{self, Flow};
use crate::crm::upstream::transport::{Failure, Transport};
use crate::domain::record::RecordRef;

/// What goes wrong with the next delete.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DeleteFault {
    /// No connection.
    NotSent,
    /// The connection is cut before the effect, or after it.
    Cut { happened: bool },
    /// The connection is cut, and the effect comes this much later.
    Late(Duration),
    /// Answered with this status, before the effect or after it.
    Status(u16, bool),
    /// The answer comes this much later.
    Slow(Duration),
    /// A bug, after the effect.
    Panic,
}

/// Carries deletes of callers: the body names records, one a line.
#[derive(Clone, Debug)]
pub(super) struct FakeWire(pub(super) FakeCrm);

#[async_trait]
impl Transport for FakeWire {
    async fn send(&self, request: http::Request<Flow>, turn: &Turn) -> Result<Response<Flow>, Failure> {
        let fault = self.0.world().delete_faults.pop_front();
        if let Some(DeleteFault::NotSent) = fault {
            return Err(Failure::NotSent("nobody there".into()));
        }
        turn.sent();
        let body = flow::collect(request.into_body(), 1 << 20).await.expect("in memory");
        let text = String::from_utf8(body.to_vec()).expect("a test wrote it");
        let named: Vec<RecordRef> = text.lines().map(|line| line.parse().expect("a record")).collect();
        self.0.call().await;
        self.0.world().delete_requests += 1;
        let answer = |status: u16| {
            let mut answer = Response::new(Flow::whole(Bytes::from(format!("answer to {text}"))));
            *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
            Ok(answer)
        };
        let destroy = |crm: &FakeCrm| crm.world().destroy(&named);
        match fault {
            None => destroy(&self.0),
            Some(DeleteFault::Panic) => {
                destroy(&self.0);
                panic!("on purpose");
            }
            Some(DeleteFault::Cut { happened: true } | DeleteFault::Status(_, true)) => destroy(&self.0),
            Some(DeleteFault::Cut { happened: false } | DeleteFault::Status(_, false) | DeleteFault::NotSent) => {}
            Some(DeleteFault::Slow(wait)) => {
                destroy(&self.0);
                tokio::time::sleep(wait).await;
            }
            Some(DeleteFault::Late(wait)) => {
                let (crm, named) = (self.0.clone(), named.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    crm.world().destroy(&named);
                });
            }
        }
        self.0.call().await;
        match fault {
            Some(DeleteFault::Cut { .. } | DeleteFault::Late(_)) => Err(Failure::Cut("cut".into())),
            Some(DeleteFault::Status(status, _)) => answer(status),
            _ => answer(200),
        }
    }

    fn another(&self) -> Arc<dyn Transport> {
        Arc::new(self.clone())
    }
}

impl World {
    /// A number below `end`, if there is chance in this world.
    pub(crate) fn roll(&mut self, end: u64) -> Option<u64> {
        let state = self.chance.as_mut()?;
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some((z ^ (z >> 31)) % end.max(1))
    }

    pub(super) fn others_act(&mut self) {
        let now = self.calls;
        let due: Vec<Edit> = self.edits.extract_if(.., |edit| edit.before_call <= now).collect();
        for edit in due {
            if let Some(name) = self.alive.get_mut(&edit.of) {
                name.clone_from(&edit.to);
                self.log.push((edit.of, Timestamp::now()));
            }
        }
    }

    pub(super) fn destroy(&mut self, named: &[RecordRef]) {
        for record in named {
            if let Some(name) = self.alive.remove(record) {
                self.destroyed.push((record.clone(), name));
            }
        }
    }
}
