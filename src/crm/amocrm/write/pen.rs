//! Sending one write, what its answer means, and the answers collected so far.

use std::collections::HashSet;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;

use crate::crm::upstream::{Answer, Ask};
use crate::crm::{CrmError, Reach, Written};

/// How often a write is tried that certainly was not carried out, or may be carried out twice.
const TRIES: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What came of one write.
#[derive(Debug)]
pub enum Sent {
    /// The CRM did it.
    Did(Value),
    /// 400: with the body, which may name what is wrong.
    Bad(Value),
    /// Another refusal of this request: nothing was done.
    Refused(u16),
    /// It may have been done.
    Lost(String),
    /// It was not done, and nothing further can be done now.
    Cannot(CrmError),
}

/// One call of `write`.
pub struct Pen<'a> {
    /// How the CRM is reached.
    pub reach: Reach<'a>,
    /// How long lists may lag.
    pub index_delay: Duration,
    /// Ids that this call knows it made.
    pub made: HashSet<u64>,
    answers: Vec<Option<Written>>,
    wrote: bool,
}

impl<'a> Pen<'a> {
    pub fn new(reach: Reach<'a>, index_delay: Duration, steps: usize) -> Self {
        Self { reach, index_delay, made: HashSet::new(), answers: vec![None; steps], wrote: false }
    }

    /// The answer for the step at this position.
    pub fn answer(&mut self, at: usize, written: Written) {
        self.wrote |= !matches!(written, Written::Refused { .. });
        self.answers[at] = Some(written);
    }

    /// The same refusal for many.
    pub fn refuse(&mut self, at: impl IntoIterator<Item = usize>, reason: &str, detail: &str) {
        for at in at {
            self.answer(at, Written::Refused { reason: reason.to_owned(), detail: detail.to_owned() });
        }
    }

    /// These were not written. As long as nothing was, the whole call says so; afterwards, only they.
    pub fn cannot(&mut self, at: impl IntoIterator<Item = usize>, error: CrmError) -> Result<(), CrmError> {
        if !self.wrote {
            return Err(error);
        }
        self.refuse(at, "not_sent", &error.to_string());
        Ok(())
    }

    pub fn finish(self) -> Vec<Written> {
        let nobody = || Written::Refused { reason: "not_sent".to_owned(), detail: "it was not sent".to_owned() };
        self.answers.into_iter().map(|answer| answer.unwrap_or_else(nobody)).collect()
    }

    /// A read; `None` for an answer without a body or one that says there is nothing.
    pub async fn get(&self, target: String) -> Result<Option<Value>, CrmError> {
        let answer = self.reach.upstream.ask(self.reach.access, self.reach.lane, Ask::get(target)).await?;
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => json(&answer).map(Some).ok_or_else(|| CrmError::Transient {
                retry_after: None,
                detail: "it answered a read with something that is not JSON".to_owned(),
            }),
            status => Err(CrmError::Permanent {
                status: Some(status.as_u16()),
                detail: format!("it answered {} to a read", status.as_u16()),
            }),
        }
    }

    /// A write, sent once; again only while it certainly was not carried out.
    pub async fn send(&self, method: &Method, target: &str, body: &Value) -> Sent {
        let mut tried = 1;
        loop {
            let ask = Ask { method: method.clone(), ..Ask::post(target, body) };
            match self.reach.upstream.ask(self.reach.access, self.reach.lane, ask).await {
                Ok(answer) => return judged(&answer),
                Err(CrmError::Ambiguous { detail }) => return Sent::Lost(detail),
                Err(CrmError::Transient { retry_after, .. }) if self.wrote && tried < TRIES => {
                    tried += 1;
                    tokio::time::sleep(retry_after.unwrap_or(Duration::from_secs(1)).min(LONGEST_PAUSE)).await;
                }
                Err(error) => return Sent::Cannot(error),
            }
        }
    }

    /// A write that may be carried out twice without harm.
    pub async fn send_again(&self, method: &Method, target: &str, body: &Value) -> Sent {
        let mut tried = 1;
        loop {
            match self.send(method, target, body).await {
                Sent::Lost(_) if tried < TRIES => {
                    tried += 1;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                sent => return sent,
            }
        }
    }
}

fn json(answer: &Answer) -> Option<Value> {
    serde_json::from_slice(&answer.body).ok()
}

fn judged(answer: &Answer) -> Sent {
    let status = answer.status;
    if status.is_success() {
        // 202 and 204 have no body. A web page with 200 says nothing about what was done.
        return match (answer.body.is_empty(), json(answer)) {
            (true, _) => Sent::Did(Value::Null),
            (_, Some(body)) => Sent::Did(body),
            (false, None) => Sent::Lost("it answered with something that is not JSON".to_owned()),
        };
    }
    match status {
        StatusCode::BAD_REQUEST => Sent::Bad(json(answer).unwrap_or_default()),
        // A server in front of the CRM gave up on the body; how much of it the CRM had, nobody says.
        StatusCode::REQUEST_TIMEOUT => Sent::Lost("it answered 408".to_owned()),
        // Not about this record: nobody could write anything now.
        StatusCode::UNAUTHORIZED | StatusCode::PAYMENT_REQUIRED => Sent::Cannot(CrmError::Permanent {
            status: Some(status.as_u16()),
            detail: format!("it answered {}", status.as_u16()),
        }),
        _ => Sent::Refused(status.as_u16()),
    }
}
