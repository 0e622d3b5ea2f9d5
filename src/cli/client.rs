//! How commands talk to the console: one client, one way to tell what went wrong.

use std::path::PathBuf;

use clap::Args;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Exit;

/// Where the console is, and who asks.
#[derive(Clone, Debug, Args)]
pub(super) struct Whereabouts {
    /// The console's address.
    #[arg(long, global = true, env = "CRM_UNDO_CONSOLE", default_value = "http://127.0.0.1:8081", value_name = "URL")]
    console: String,
    /// A file that holds the access token; without it, CRM_UNDO_TOKEN is read from the environment.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print JSON, as the console answers it.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// Why a command ends early.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) exit: Exit,
}

impl Trouble {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What a command came to.
pub(super) type Outcome = Result<Exit, Trouble>;

/// The console, as one person sees it.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    pub(super) fn new(whereabouts: &Whereabouts) -> Result<Self, Trouble> {
        let token = match &whereabouts.token_file {
            Some(file) => std::fs::read_to_string(file).map_err(|error| {
                Trouble::new(Exit::Usage, format!("{} cannot be read: {error}", file.display()))
                    .hint("name a file that holds the access token with --token-file")
            })?,
            None => std::env::var("CRM_UNDO_TOKEN").map_err(|_| {
                Trouble::new(Exit::Usage, "no access token: CRM_UNDO_TOKEN is not set")
                    .hint("the first `crm-undo serve` prints the administrator's token; or use --token-file")
            })?,
        };
        let http = reqwest::Client::builder().no_proxy().build().map_err(|error| {
            Trouble::new(Exit::Failed, format!("no HTTP client could be made: {}", error.without_url()))
        })?;
        let base = whereabouts.console.trim_end_matches('/').to_owned();
        Ok(Self { http, base, token: token.trim().to_owned() })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        self.call(Method::GET, path, None).await.map(|(_, body)| body)
    }

    pub(super) async fn post(&self, path: &str, body: Option<Value>) -> Result<Value, Trouble> {
        self.call(Method::POST, path, body).await.map(|(_, body)| body)
    }

    pub(super) async fn delete(&self, path: &str) -> Result<(), Trouble> {
        self.call::<Value>(Method::DELETE, path, None).await.map(drop)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, T), Trouble> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let unreachable = |error: reqwest::Error| {
            Trouble::new(
                Exit::Failed,
                format!("the console at {} cannot be reached: {}", self.base, error.without_url()),
            )
            .hint("is `crm-undo serve` running? --console or CRM_UNDO_CONSOLE names its address")
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(unreachable)?;
        if !status.is_success() {
            return Err(refused(status, &bytes));
        }
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(bytes).map(|body| (status, body)).map_err(|error| {
            Trouble::new(Exit::Failed, format!("the console's answer cannot be read: {error}"))
                .hint("is --console the address of crm-undo's console, and of the same version?")
        })
    }
}

/// The console's own words; they say what to do next.
fn refused(status: StatusCode, body: &[u8]) -> Trouble {
    let problem: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let detail =
        problem["detail"].as_str().map_or_else(|| format!("the console answered {status}"), super::text::plain);
    let exit = match status {
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => Exit::Usage,
        StatusCode::CONFLICT => Exit::Nothing,
        _ => Exit::Failed,
    };
    let trouble = Trouble::new(exit, detail);
    match (problem["hint"].as_str(), status) {
        (_, StatusCode::UNAUTHORIZED) => trouble.hint("see that CRM_UNDO_TOKEN holds a valid access token"),
        (Some(hint), _) => trouble.hint(super::text::plain(hint)),
        (None, _) => trouble,
    }
}
