//! Mock CRM, gateway and console on this machine, in a directory that goes away.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mock_server::{MockServer, Options};
use reqwest::Method;
use serde_json::Value;

use super::super::Exit;
use super::super::client::Trouble;
use crate::app::{self, Running};
use crate::config::Config;

/// The console's administrator in the demo. No secret: everything listens on loopback only and lives for minutes.
pub(super) const ADMINISTRATOR: &str = "demo-administrator";
/// The script's own token at the CRM.
pub(super) const SCRIPT: &str = "demo-script-token";
const OWN: &str = "demo-gateway-token";
/// A job of the demo takes seconds; this is for machines that stall.
const PATIENCE: Duration = Duration::from_mins(2);

pub(super) struct Stage {
    mock: MockServer,
    running: Running,
    dir: PathBuf,
    http: reqwest::Client,
}

fn failed(what: impl std::fmt::Display) -> Trouble {
    Trouble::new(Exit::Failed, what.to_string())
}

impl Stage {
    pub(super) async fn set(once: bool) -> Result<Self, Trouble> {
        let mock = MockServer::start(Options {
            contacts: 40,
            tokens: vec![("script".into(), SCRIPT.into()), ("crm-undo".into(), OWN.into())],
            ..Options::default()
        })
        .await
        .map_err(failed)?;
        let dir = std::env::temp_dir().join(format!("crm-undo-demo-{}", uuid::Uuid::now_v7().simple()));
        let text = format!(
            "data_dir = {:?}\n[archive]\nmin_free_bytes = 1\n[[connections]]\nname = \"demo\"\nvendor = \"amocrm\"\n\
             upstream = \"{}\"\ntoken = \"{OWN}\"\n",
            dir.join("data").display().to_string(),
            mock.url(),
        );
        std::fs::create_dir_all(&dir).map_err(failed)?;
        let file = dir.join("crm-undo.toml");
        std::fs::write(&file, text).map_err(failed)?;
        let mut config = crate::config::load(Some(&file)).map_err(failed)?;
        // On the usual ports where somebody reads along; on others where those are taken.
        let usual = if once { None } else { started(&config).await.ok() };
        let running = if let Some(running) = usual {
            running
        } else {
            config.gateway.listen.set_port(0);
            config.console.listen.set_port(0);
            started(&config).await.map_err(failed)?
        };
        let http = reqwest::Client::builder().no_proxy().build().map_err(failed)?;
        Ok(Self { mock, running, dir, http })
    }

    pub(super) fn crm(&self) -> String {
        self.mock.url()
    }

    pub(super) fn gateway(&self) -> String {
        format!("http://{}", self.running.gateway)
    }

    pub(super) fn console(&self) -> String {
        format!("http://{}", self.running.console)
    }

    /// A call of the script, through the gateway.
    pub(super) async fn script(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Trouble> {
        let mut request = self.http.request(method, format!("{}{path}", self.gateway())).bearer_auth(SCRIPT);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let text = answer.text().await.map_err(failed)?;
        match status.as_u16() {
            204 => Ok(Value::Null),
            200..300 => serde_json::from_str(&text).map_err(failed),
            _ => Err(failed(format!("{path}: the gateway answered {status}: {text}"))),
        }
    }

    /// The script's delete: status and `Undo-Id`.
    pub(super) async fn delete(&self, object: &str, id: u64) -> Result<(u16, String), Trouble> {
        let request = self
            .http
            .post(format!("{}/ajax/{object}/multiple/delete/", self.gateway()))
            .bearer_auth(SCRIPT)
            .header("X-Requested-With", "XMLHttpRequest")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(format!("ID[]={id}"));
        let answer = request.send().await.map_err(failed)?;
        let undo = answer.headers().get("undo-id").and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        match undo {
            Some(undo) => Ok((answer.status().as_u16(), undo)),
            None => {
                Err(failed(format!("the delete of {object}/{id} was answered {} without Undo-Id", answer.status())))
            }
        }
    }

    /// `GET` of the console.
    pub(super) async fn see(&self, path: &str) -> Result<Value, Trouble> {
        self.said(self.http.get(format!("{}{path}", self.console()))).await
    }

    /// `POST` to the console.
    pub(super) async fn ask(&self, path: &str, body: Value) -> Result<Value, Trouble> {
        self.said(self.http.post(format!("{}{path}", self.console())).json(&body)).await
    }

    async fn said(&self, request: reqwest::RequestBuilder) -> Result<Value, Trouble> {
        let answer = request.bearer_auth(ADMINISTRATOR).send().await.map_err(failed)?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(failed)?;
        if status.is_success() { Ok(body) } else { Err(failed(format!("the console answered {status}: {body}"))) }
    }

    /// The job once it is over.
    pub(super) async fn finished(&self, job: &str) -> Result<Value, Trouble> {
        let until = Instant::now() + PATIENCE;
        loop {
            let job = self.see(&format!("/api/v1/jobs/{job}")).await?;
            if !matches!(job["state"].as_str(), Some("queued" | "running")) {
                return Ok(job);
            }
            if Instant::now() > until {
                return Err(failed(format!("the job was not over within {} s", PATIENCE.as_secs())));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(super) async fn clear(self) {
        self.running.stop().await;
        self.mock.stop().await;
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

async fn started(config: &Config) -> Result<Running, app::Failure> {
    app::start(config, Some(ADMINISTRATOR), Arc::new(String::new)).await
}
