//! The real program, on port 0, with a directory of its own, against a mock CRM of its own.

// Each module of the test uses some of this.
#![allow(dead_code)]

mod one_contact;
mod outputs;
mod program;
mod raw;
mod secure;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mock_server::{MockServer, Options};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use one_contact::crm_of_one_contact;
pub use program::Program;
pub use raw::{Client, Message, Raw, exchange, read, read_from, read_head};
pub use secure::{Secure, ca_of, make_ca, trusting};

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
    /// Whether there is a private CA before the first start.
    pub ca: bool,
    /// More variables of the program's environment.
    pub env: Vec<(String, String)>,
    /// Where the connection's upstream is, instead of at the mock.
    pub upstream: Option<String>,
    /// More lines of `[gateway]`.
    pub gateway: String,
    /// More lines of configuration, before the connection.
    pub config: String,
    /// Host values of the connection.
    pub hosts: Vec<String>,
    /// `RUST_LOG` of the program.
    pub rust_log: &'static str,
    /// Whether it listens at a loopback address of its own: for programs that are killed while somebody asks them. Their
    /// port may be another's a moment later, and what was meant for the dead would reach the living.
    pub apart: bool,
}

/// A loopback address that no other world of this process has.
fn apart() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    format!("127.1.{high}.{low}")
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
            ca: false,
            env: Vec::new(),
            upstream: None,
            gateway: String::new(),
            config: String::new(),
            hosts: Vec::new(),
            rust_log: "info",
            apart: false,
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
        Self::through_front(setup, str::to_owned).await
    }

    /// As told, with a CRM that the gateway reaches at another address than its own.
    pub async fn through_front(setup: Setup, front: impl FnOnce(&str) -> String) -> Self {
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
        let address = if setup.apart { apart() } else { "127.0.0.1".to_owned() };
        let config = format!(
            "data_dir = \"{}\"\n[gateway]\nlisten = \"{address}:0\"\n{}[console]\nlisten = \"{address}:0\"\n\
             [archive]\nmin_free_bytes = {}\n{}\n[[connections]]\nname = \"acme\"\nvendor = \"amocrm\"\n\
             upstream = \"{}\"\n{token}\nrequests_per_second = {}\nhosts = {:?}\n",
            dir.path().join("data").display(),
            setup.gateway,
            setup.min_free_bytes,
            setup.config,
            setup.upstream.clone().unwrap_or_else(|| front(mock.url().trim_end_matches('/'))),
            setup.requests_per_second,
            setup.hosts,
        );
        std::fs::write(dir.path().join("crm-undo.toml"), config).expect("the configuration is written");
        if setup.ca {
            make_ca(dir.path());
        }
        let log = Arc::new(Mutex::new(Vec::new()));
        let (child, gateway, console) = launch_in(dir.path(), &log, setup.rust_log, &setup.env);
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().expect("a client");
        Self { mock, gateway, console, dir, http, log, child, rust_log: setup.rust_log }
    }

    /// Its process, for what the system says of it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reached under these Host values only.
    pub async fn hosted(hosts: &[&str]) -> Self {
        Self::with(Setup { hosts: hosts.iter().map(ToString::to_string).collect(), ..Setup::default() }).await
    }

    /// Starts the program again on the same directory, after [`terminate`](Self::terminate).
    pub fn start_again(&mut self) {
        (self.child, self.gateway, self.console) = launch(self.dir.path(), &self.log, self.rust_log);
    }

    /// The same, some days later by its clock, with the help of libfaketime.
    pub fn start_days_later(&mut self, days: u32) {
        let library = format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
        assert!(Path::new(&library).exists(), "{library} is missing: ./tests/tools clock");
        let env = [
            ("LD_PRELOAD", library),
            ("FAKETIME", format!("+{days}d")),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        (self.child, self.gateway, self.console) = launch_in(self.dir.path(), &self.log, self.rust_log, &env);
    }

    /// Kills the program as a power switch would, and starts it again on the same directory.
    pub fn kill_and_restart(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        (self.child, self.gateway, self.console) = launch(self.dir.path(), &self.log, self.rust_log);
    }

    /// Where the program reads at which point it is to die (`src/proofs.rs`); `None`: at none.
    pub fn point(&self, line: Option<&str>) {
        let file = self.dir.path().join("points");
        match line {
            Some(line) => std::fs::write(file, line).expect("written"),
            None => drop(std::fs::remove_file(file)),
        }
    }

    /// Whether the program has ended by itself.
    pub fn has_died(&mut self) -> bool {
        self.child.try_wait().expect("it can be asked").is_some()
    }

    /// Starts the program again; `false`: it died while it started.
    pub fn try_start(&mut self) -> bool {
        let _ = self.child.kill();
        let _ = self.child.wait();
        match try_launch(self.dir.path(), &self.log, self.rust_log, &[]) {
            Ok((child, gateway, console)) => {
                (self.child, self.gateway, self.console) = (child, gateway, console);
                true
            }
            Err(mut child) => {
                let _ = child.kill();
                let _ = child.wait();
                false
            }
        }
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
        self.heard_since(what, 0).await
    }

    /// What came after a number of such a list.
    pub async fn heard_since(&self, what: &str, seq: u64) -> Vec<Value> {
        let url = format!("{}/_mock/{what}?since={seq}", self.mock.url().trim_end_matches('/'));
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

    /// Where the forward proxy listens: host and port.
    pub fn forward_proxy(&self) -> String {
        outputs::forward_proxy(&self.log)
    }

    /// What the program has written to stderr.
    pub fn said(&self) -> String {
        outputs::said(&self.log)
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

    /// A client of its own deletes a contact at this address; it lies in the bin, and comes back.
    pub async fn deleted_and_undone_by(&self, client: &reqwest::Client, base: &str, contact: u64) {
        let page = client.post(format!("{base}/ajax/contacts/multiple/delete/")).bearer_auth(CALLER);
        let page = page.header("X-Requested-With", "XMLHttpRequest");
        let gone = page.form(&[("ID[]", contact)]).send().await.expect("an answer");
        assert_eq!(gone.status(), StatusCode::OK, "{}", self.said());
        let operation = gone.headers()["undo-id"].to_str().expect("text").to_owned();
        assert_eq!(self.effects("deleted", "contacts").await, [contact]);
        assert_eq!(self.bin("").await[0]["record_id"], contact.to_string());
        assert_eq!(self.undo(&operation).await["state"], "done");
    }

    /// A command with another token than the administrator's: its exit code, stdout and stderr.
    pub fn told_as(&self, token: &str, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_crm-undo"))
            .args(arguments)
            .current_dir(self.dir.path())
            .env("CRM_UNDO_CONSOLE", &self.console)
            .env("CRM_UNDO_TOKEN", token)
            .stdin(Stdio::null())
            .output()
            .expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            outputs::metrics_searched(&self.console);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- crm-undo said:\n{}", self.said());
        } else {
            outputs::searched(&self.log.lock().expect("the log"));
            outputs::files_searched(&self.dir.path().join("data"));
        }
    }
}

/// Ids come as numbers and as text.
pub fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).unwrap_or_else(|| panic!("{value}"))
}

/// Starts `crm-undo serve` in `dir` and reads from stderr where it listens.
fn launch(dir: &Path, log: &Arc<Mutex<Vec<String>>>, rust_log: &str) -> (Child, String, String) {
    launch_in(dir, log, rust_log, &[])
}

fn launch_in(
    dir: &Path,
    log: &Arc<Mutex<Vec<String>>>,
    rust_log: &str,
    env: &[(String, String)],
) -> (Child, String, String) {
    try_launch(dir, log, rust_log, env).unwrap_or_else(|mut child| {
        let _ = child.kill();
        panic!("crm-undo did not say where it listens:\n{}", log.lock().expect("the log").join("\n"))
    })
}

/// The same; `Err`: it did not get so far.
fn try_launch(
    dir: &Path,
    log: &Arc<Mutex<Vec<String>>>,
    rust_log: &str,
    env: &[(String, String)],
) -> Result<(Child, String, String), Child> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_crm-undo"))
        .args(["serve", "--config", "crm-undo.toml"])
        .current_dir(dir)
        .env("CRM_UNDO_ADMIN_TOKEN", ADMIN)
        // The mock's lists do not lag unless a test says so; the usual minute would only make lost answers slow.
        .env("CRM_UNDO__POLICY__INDEX_DELAY_SECONDS", "5")
        .env("RUST_LOG", rust_log)
        .env("CRM_UNDO_POINTS", dir.join("points"))
        .envs(env.iter().map(|(name, value)| (name, value)))
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
                for scheme in ["http", "https"] {
                    if let Some((_, address)) = line.split_once(&format!("{name}: {scheme}://")) {
                        let address = address.split_whitespace().next().unwrap_or_default();
                        let _ = tell.send((name, format!("{scheme}://{address}")));
                    }
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
            Err(_) => return Err(child),
        }
    }
    Ok((child, gateway.expect("said"), console.expect("said")))
}
