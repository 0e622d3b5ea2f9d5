//! A running mock and a client small enough to see everything it does.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mock_server::{MockServer, Options};
use serde_json::{Value, json};

/// No answer of the mock takes this long, unless a fault says so.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Crm {
    pub server: MockServer,
    client: Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>,
}

/// One answer, whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub content_type: String,
    pub retry_after: Option<String>,
    pub text: String,
}

impl Reply {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The JSON of an answer that must be this status.
    #[track_caller]
    pub fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.text.is_empty() { Value::Null } else { self.json() }
    }
}

impl Crm {
    /// Without limits, so that tests of other things need not wait.
    pub async fn start() -> Self {
        Self::with(Options { requests_per_second: 0, account_requests_per_second: 0, ..Options::default() }).await
    }

    pub async fn with_contacts(seed: u64, contacts: usize) -> Self {
        let limits = (0, 0);
        let options = Options {
            seed,
            contacts,
            requests_per_second: limits.0,
            account_requests_per_second: limits.1,
            ..Options::default()
        };
        Self::with(options).await
    }

    pub async fn with(options: Options) -> Self {
        let server = MockServer::start(options).await.expect("port 0 is free");
        Self { server, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// `None` when the connection breaks before the answer is whole.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Option<Reply> {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.server.url()) };
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a valid request");
        let exchange = async {
            let (head, body) = self.client.request(request).await.ok()?.into_parts();
            let text = String::from_utf8_lossy(&body.collect().await.ok()?.to_bytes()).into_owned();
            let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            Some(Reply {
                status: head.status.as_u16(),
                content_type: header("content-type").unwrap_or_default(),
                retry_after: header("retry-after"),
                text,
            })
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("an answer in time")
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
        self.try_send(method, path, headers, body).await.expect("an answer")
    }

    /// With the token every mock has.
    pub async fn call(&self, method: &str, path: &str, body: Value) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &[("authorization", "Bearer demo-token"), ("content-type", "application/json")], body)
            .await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, Value::Null).await
    }

    /// A private route as the web pages call it.
    pub async fn form(&self, path: &str, body: &str) -> Reply {
        let headers = [
            ("authorization", "Bearer demo-token"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-requested-with", "XMLHttpRequest"),
        ];
        self.send("POST", path, &headers, body.to_owned()).await
    }

    /// A control call; it must work.
    pub async fn mock(&self, method: &str, path: &str, body: Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, &format!("/_mock/{path}"), &[], body).await.ok(200)
    }

    pub async fn switch(&self, name: &str, value: Value) {
        self.mock("POST", "switches", json!({name: value})).await;
    }

    /// Makes one record and gives its id.
    pub async fn make(&self, path: &str, item: Value) -> u64 {
        let made = self.call("POST", &format!("/api/v4/{path}"), json!([item])).await.ok(200);
        let rows = made["_embedded"].as_object().and_then(|parts| parts.values().next()).cloned().unwrap_or_default();
        rows[0]["id"].as_u64().unwrap_or_else(|| panic!("no id in {made}"))
    }

    /// `what object id` of each effect since `seq`.
    pub async fn effects(&self, since: u64) -> Vec<String> {
        let effects = self.mock("GET", &format!("effects?since={since}"), Value::Null).await;
        let word = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let rows = effects["effects"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| format!("{} {} {}", word(row, "what"), word(row, "object"), word(row, "id"))).collect()
    }
}
