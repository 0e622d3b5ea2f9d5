//! Faults on demand: what goes wrong, with which requests, before or after the effect, how often.

use http::StatusCode;
use regex::Regex;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The effect never happens.
    Before,
    /// The effect happens, then the answer is spoiled.
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Do {
    /// The connection is reset without an answer.
    Cut,
    /// No answer ever comes.
    Hang,
    /// An error in the API's own shape.
    Status,
    /// The HTML page of the web server in front of the CRM.
    Html,
    /// The answer comes late.
    Delay,
    /// Only a part of the batch happens; without a batch, only a part of the body arrives.
    Partial,
}

/// One fault as it strikes one request.
#[derive(Clone, Debug)]
pub struct Fault {
    pub id: u64,
    pub when: When,
    pub what: Do,
    pub status: Option<StatusCode>,
    pub delay_ms: u64,
    pub retry_after: Option<u64>,
    /// For `partial`: how many records of the batch happen; half of them if absent.
    pub keep: Option<usize>,
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    method: Option<String>,
    path: Option<Regex>,
    /// Strikes left; `None` strikes for ever.
    times: Option<u64>,
    shown: Value,
}

#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<Rule>,
    last_id: u64,
}

impl Faults {
    /// Adds a rule from the body of `POST /_mock/faults`; the error is one sentence for a person.
    pub fn add(&mut self, body: &Value) -> Result<u64, String> {
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        let number = |key: &str| body.get(key).and_then(Value::as_u64);
        let when = match text("when").unwrap_or("before") {
            "before" => When::Before,
            "after" => When::After,
            other => return Err(format!("when is before or after, not {other}")),
        };
        let what = match text("do") {
            Some("cut") => Do::Cut,
            Some("hang") => Do::Hang,
            Some("status") => Do::Status,
            Some("html") => Do::Html,
            Some("delay") => Do::Delay,
            Some("partial") => Do::Partial,
            other => return Err(format!("do is cut, hang, status, html, delay or partial, not {other:?}")),
        };
        let status = match number("status") {
            None => None,
            Some(code) => {
                let code = u16::try_from(code).ok().and_then(|code| StatusCode::from_u16(code).ok());
                Some(code.ok_or("status is not an HTTP status")?)
            }
        };
        let path = match text("path") {
            None | Some("") => None,
            Some(pattern) => Some(Regex::new(pattern).map_err(|error| format!("path: {error}"))?),
        };
        let method = text("method").filter(|method| !matches!(*method, "" | "*" | "ANY")).map(str::to_uppercase);
        self.last_id += 1;
        let id = self.last_id;
        let fault = Fault {
            id,
            when,
            what,
            status,
            delay_ms: number("delay_ms").unwrap_or(0),
            retry_after: number("retry_after"),
            keep: number("keep").and_then(|keep| usize::try_from(keep).ok()),
        };
        self.rules.push(Rule { fault, method, path, times: number("times"), shown: body.clone() });
        Ok(id)
    }

    /// Removes one rule, or all; says how many went.
    pub fn remove(&mut self, id: Option<u64>) -> usize {
        let before = self.rules.len();
        self.rules.retain(|rule| id.is_some_and(|id| rule.fault.id != id));
        before - self.rules.len()
    }

    /// The first rule that fits this request, with one of its strikes used up. `path` may fit as a path or with its
    /// query.
    pub fn strike(&mut self, method: &str, path: &str, target: &str) -> Option<Fault> {
        let rule = self.rules.iter_mut().find(|rule| {
            rule.times != Some(0)
                && rule.method.as_deref().is_none_or(|wanted| wanted == method)
                && rule.path.as_ref().is_none_or(|pattern| pattern.is_match(path) || pattern.is_match(target))
        })?;
        if let Some(times) = &mut rule.times {
            *times -= 1;
        }
        Some(rule.fault.clone())
    }

    pub fn shown(&self) -> Vec<Value> {
        let show = |rule: &Rule| {
            let mut shown = json!({"id": rule.fault.id.to_string()});
            if let (Some(into), Some(from)) = (shown.as_object_mut(), rule.shown.as_object()) {
                into.extend(
                    from.iter().filter(|(key, _)| *key != "id").map(|(key, value)| (key.clone(), value.clone())),
                );
            }
            shown["left"] = json!(rule.times);
            shown
        };
        self.rules.iter().map(show).collect()
    }
}
