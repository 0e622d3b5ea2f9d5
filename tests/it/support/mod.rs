//! The real program, on port 0, with a directory of its own, against a mock CRM of its own.

// Each module of the test uses some of this.
#![allow(dead_code)]

mod program;
mod raw;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mock_server::{MockServer, Options};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use program::Program;
pub use raw::{Message, Raw, exchange};

/// The console's first administrator in every test.
pub const ADMIN: &str = "admin-token-of-a-test";
/// The caller's own token at the CRM; an integration of its own. It has the shape of amoCRM's tokens (JWT, expiring in
/// 2100), because one client library reads the time out of it.
pub const CALLER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDAsImFjY291bnRfaWQiOjMxMzM3MDAwfQ.\
                          c2lnbmF0dXJlIG9mIGEgdGVzdCwgMzIgYnl0ZXMgb2sh";
/// The gateway's own token at the CRM.
pub const OWN: &str = "own-token";

/// How a test's world is made.
pub struct Setup {
    pub seed: u64,
    pub contacts: usize,
    /// Of the mock; 0 lifts the limit.
    pub crm_requests_per_second: u32,
    /// Of the gateway; 0 lifts the limit.
    pub requests_per_second: u32,
    /// Whether the connection has a token of its own.
    pub own_token: bool,
    /// Free bytes the archive asks for.
    pub min_free_bytes: u64,
    /// More lines of `[gateway]`.
    pub gateway: String,
    /// More lines of configuration, before the connection.
    pub config: String,
    /// Host values of the connection.
    pub hosts: Vec<String>,
    /// `RUST_LOG` of the program.
    pub rust_log: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: 7,
            contacts: 0,
            crm_requests_per_second: 0,
            requests_per_second: 0,
            own_token: true,
            min_free_bytes: 1,
            gateway: String::new(),
            config: String::new(),
            hosts: Vec::new(),
            rust_log: "info",
        }
    }
}

/// A running crm-undo before a running mock.
pub struct World {
    pub mock: MockServer,
    pub gateway: String,
    pub console: String,
    pub dir: TempDir,
    pub http: reqwest::Client,
    pub log: Arc<Mutex<Vec<String>>>,
    child: Child,
    rust_log: &'static str,
}

impl World {
    /// An empty account and no limits.
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// As told.
    pub async fn with(setup: Setup) -> Self {
        // reqwest is built without a provider of its own; every test but the first finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mock = MockServer::start(Options {
            seed: setup.seed,
            contacts: setup.contacts,
            tokens: vec![("caller".into(), CALLER.into()), ("own".into(), OWN.into())],
            requests_per_second: setup.crm_requests_per_second,
            account_requests_per_second: 0,
            ..Options::default()
        })
        .await
        .expect("the mock starts");
        let dir = tempfile::tempdir().expect("a directory");
        let token = if setup.own_token { format!("token = \"{OWN}\"") } else { String::new() };
        let config = format!(
            "data_dir = \"{}\"\n[gateway]\nlisten = \"127.0.0.1:0\"\n{}[console]\nlisten = \"127.0.0.1:0\"\n\
             [archive]\nmin_free_bytes = {}\n{}\n[[connections]]\nname = \"acme\"\nvendor = \"amocrm\"\n\
             upstream = \"{}\"\n{token}\nrequests_per_second = {}\nhosts = {:?}\n",
            dir.path().join("data").display(),
            setup.gateway,
            setup.min_free_bytes,
            setup.config,
            mock.url().trim_end_matches('/'),
            setup.requests_per_second,
            setup.hosts,
        );
        std::fs::write(dir.path().join("crm-undo.toml"), config).expect("the configuration is written");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (child, gateway, console) = launch(dir.path(), &log, setup.rust_log);
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().expect("a client");
        Self { mock, gateway, console, dir, http, log, child, rust_log: setup.rust_log }
    }

    /// Reached under these Host values only.
    pub async fn hosted(hosts: &[&str]) -> Self {
        Self::with(Setup { hosts: hosts.iter().map(ToString::to_string).collect(), ..Setup::default() }).await
    }

    /// Starts the program again on the same directory, after [`terminate`](Self::terminate).
    pub fn start_again(&mut self) {
        (self.child, self.gateway, self.console) = launch(self.dir.path(), &self.log, self.rust_log);
    }

    /// Kills the program as a power switch would, and starts it again on the same directory.
    pub fn kill_and_restart(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        (self.child, self.gateway, self.console) = launch(self.dir.path(), &self.log, self.rust_log);
    }

    /// SIGTERM; how it ended and after how long.
    pub fn terminate(&mut self) -> (std::process::ExitStatus, Duration) {
        let begun = Instant::now();
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        (self.child.wait().expect("it ends"), begun.elapsed())
    }

    /// A request of the caller's, through the gateway.
    pub fn through(&self, method: Method, target: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{target}", self.gateway);
        self.http.request(method, url).bearer_auth(CALLER).header("X-Requested-With", "XMLHttpRequest")
    }

    /// A request straight to the CRM, as the test's own eye.
    pub async fn crm(&self, target: &str) -> Option<Value> {
        let answer = self.http.get(format!("{}{target}", self.mock.url().trim_end_matches('/'))).bearer_auth(CALLER);
        let answer = answer.send().await.expect("the mock answers");
        match answer.status() {
            StatusCode::NO_CONTENT => None,
            status => {
                let text = answer.text().await.expect("a body");
                assert!(status.is_success(), "{target}: {status} {text}");
                Some(serde_json::from_str(&text).expect("JSON"))
            }
        }
    }

    /// Creates records straight in the CRM; their ids.
    pub async fn create(&self, path: &str, items: Value) -> Vec<u64> {
        let url = format!("{}/api/v4/{path}", self.mock.url().trim_end_matches('/'));
        let answer = self.http.post(url).bearer_auth(CALLER).json(&items).send().await.expect("the mock answers");
        let status = answer.status();
        let body: Value = answer.json().await.expect("JSON");
        assert!(status.is_success(), "{path}: {status} {body}");
        let embedded = body["_embedded"].as_object().expect("_embedded").values().next().expect("a list");
        embedded.as_array().expect("a list").iter().map(|item| item["id"].as_u64().expect("an id")).collect()
    }

    /// A control call of the mock.
    pub async fn control(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/_mock/{path}", self.mock.url().trim_end_matches('/'));
        let answer = self.http.post(url).json(&body).send().await.expect("the mock answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap_or(Value::Null)
    }

    /// A list of the mock's control calls: `requests` or `effects`.
    pub async fn heard(&self, what: &str) -> Vec<Value> {
        let url = format!("{}/_mock/{what}?since=0", self.mock.url().trim_end_matches('/'));
        let body: Value = self.http.get(url).send().await.expect("the mock answers").json().await.expect("JSON");
        body[what].as_array().expect("a list").clone()
    }

    /// Effects of one kind on one object.
    pub async fn effects(&self, what: &str, object: &str) -> Vec<u64> {
        let effects = self.heard("effects").await;
        let matching = effects.iter().filter(|effect| effect["what"] == what && effect["object"] == object);
        matching.map(|effect| number(&effect["id"])).collect()
    }

    /// A call of the console as its administrator.
    pub async fn console(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.console)).bearer_auth(ADMIN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("the console answers");
        let status = answer.status();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// `GET` of the console that must succeed.
    pub async fn see(&self, path: &str) -> Value {
        let (status, body) = self.console(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// The entries of the bin, as listed.
    pub async fn bin(&self, query: &str) -> Vec<Value> {
        self.see(&format!("/api/v1/entries{query}")).await["entries"].as_array().expect("entries").clone()
    }

    /// Deletes contacts the way the CRM's own page does.
    pub async fn delete(&self, object: &str, ids: &[u64]) -> Response {
        let body = ids.iter().map(|id| format!("ID[]={id}")).collect::<Vec<_>>().join("&");
        let request = self.through(Method::POST, &format!("/ajax/{object}/multiple/delete/"));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(body);
        request.send().await.expect("the gateway answers")
    }

    /// Plans and applies the restore of everything an operation destroyed; the finished job.
    pub async fn undo(&self, operation: &str) -> Value {
        let (status, plan) =
            self.console(Method::POST, "/api/v1/restore-plans", Some(json!({"operation": operation}))).await;
        assert_eq!(status, StatusCode::CREATED, "{plan}");
        let apply = format!("/api/v1/restore-plans/{}/apply", plan["id"].as_str().expect("an id"));
        let (status, body) = self.console(Method::POST, &apply, Some(json!({"digest": plan["digest"]}))).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        self.finished(body["job"]["id"].as_str().expect("a job")).await
    }

    /// The job once it is over.
    pub async fn finished(&self, job: &str) -> Value {
        let path = format!("/api/v1/jobs/{job}");
        self.until(&format!("job {job} is over"), async || {
            let job = self.see(&path).await;
            let over = ["done", "partial", "failed", "cancelled", "needs_review"];
            over.contains(&job["state"].as_str().unwrap_or_default()).then_some(job)
        })
        .await
    }

    /// Polls until there is an answer, at most 60 s.
    pub async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < deadline, "after 60 s it is still not so that {what}\n{}", self.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the program has written to stderr.
    pub fn said(&self) -> String {
        self.log.lock().expect("the log").join("\n")
    }

    /// The command line, as a person would call it.
    pub fn cli(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(env!("CARGO_BIN_EXE_crm-undo"))
            .args(arguments)
            .current_dir(self.dir.path())
            .env("CRM_UNDO_CONSOLE", &self.console)
            .env("CRM_UNDO_TOKEN", ADMIN)
            .stdin(Stdio::null())
            .output()
            .expect("the program runs")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- crm-undo said:\n{}", self.said());
        }
    }
}

/// Ids come as numbers and as text.
pub fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).unwrap_or_else(|| panic!("{value}"))
}

/// Starts `crm-undo serve` in `dir` and reads from stderr where it listens.
fn launch(dir: &Path, log: &Arc<Mutex<Vec<String>>>, rust_log: &str) -> (Child, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_crm-undo"))
        .args(["serve", "--config", "crm-undo.toml"])
        .current_dir(dir)
        .env("CRM_UNDO_ADMIN_TOKEN", ADMIN)
        .env("RUST_LOG", rust_log)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("crm-undo starts");
    let lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
    let (tell, told) = std::sync::mpsc::channel();
    let log = log.clone();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            for name in ["gateway", "console"] {
                if let Some((_, address)) = line.split_once(&format!("{name}: http://")) {
                    let address = address.split_whitespace().next().unwrap_or_default();
                    let _ = tell.send((name, format!("http://{address}")));
                }
            }
            log.lock().expect("the log").push(line);
        }
    });
    let (mut gateway, mut console) = (None, None);
    while gateway.is_none() || console.is_none() {
        match told.recv_timeout(Duration::from_secs(30)) {
            Ok(("gateway", address)) => gateway = Some(address),
            Ok((_, address)) => console = Some(address),
            Err(error) => panic!("crm-undo did not say where it listens: {error}"),
        }
    }
    (child, gateway.expect("said"), console.expect("said"))
}
