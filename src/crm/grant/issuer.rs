//! Asking the CRM for a pair: one POST, sent once, through the same door and on the same budget as everything else.

use async_trait::async_trait;
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Issued, Issuer, NotIssued};
use crate::crm::upstream::flow::is_html;
use crate::crm::upstream::{Answer, Ask, Upstream};
use crate::crm::{Access, CrmError, Lane};

/// Where a vendor gives tokens.
#[derive(Clone, Copy, Debug)]
pub struct TokenRoute {
    /// Path.
    pub path: &'static str,
    /// What it says about a code or token that it does not take. Other texts of it are not passed on.
    pub hints: &'static [&'static str],
}

/// A client of ours at the CRM.
#[derive(Clone, Debug)]
pub struct Client {
    /// The door, without a token of its own.
    pub upstream: Upstream,
    /// Where to ask.
    pub route: TokenRoute,
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
    /// As the CRM knows it.
    pub redirect_uri: String,
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    refresh_token: String,
    expires_in: u64,
}

#[async_trait]
impl Issuer for Client {
    async fn refresh(&self, refresh: &str) -> Result<Issued, NotIssued> {
        self.ask(json!({"grant_type": "refresh_token", "refresh_token": refresh})).await
    }

    async fn exchange(&self, code: &str) -> Result<Issued, NotIssued> {
        self.ask(json!({"grant_type": "authorization_code", "code": code})).await
    }
}

impl Client {
    async fn ask(&self, mut body: Value) -> Result<Issued, NotIssued> {
        body["client_id"] = json!(self.id);
        body["client_secret"] = json!(self.secret.expose_secret());
        body["redirect_uri"] = json!(self.redirect_uri);
        let nobody = Access::Caller(HeaderMap::new());
        match self.upstream.ask(&nobody, Lane::Live, Ask::post(self.route.path, &body)).await {
            Ok(answer) => self.judge(&answer),
            Err(CrmError::Ambiguous { detail }) => Err(NotIssued::Lost(detail)),
            Err(CrmError::Transient { detail, .. } | CrmError::Permanent { detail, .. }) => {
                Err(NotIssued::Later(detail))
            }
        }
    }

    fn judge(&self, answer: &Answer) -> Result<Issued, NotIssued> {
        match answer.status {
            StatusCode::OK => {
                let given: Option<Given> = serde_json::from_slice(&answer.body).ok();
                let sound = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
                // Something was given, to whoever can read it.
                given
                    .filter(|given| sound(&given.access_token) && sound(&given.refresh_token) && given.expires_in > 0)
                    .map(|given| Issued {
                        access: given.access_token,
                        refresh: given.refresh_token,
                        lives: given.expires_in,
                    })
                    .ok_or_else(|| NotIssued::Lost("its answer is not of the known shape".to_owned()))
            }
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if !is_html(&answer.headers) => {
                Err(NotIssued::Refused(self.reason(answer)))
            }
            StatusCode::REQUEST_TIMEOUT => Err(NotIssued::Lost("it answered 408".to_owned())),
            status => Err(NotIssued::Later(format!("it answered {}", status.as_u16()))),
        }
    }

    fn reason(&self, answer: &Answer) -> String {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let hint = body.get("hint").and_then(Value::as_str).unwrap_or_default();
        match self.route.hints.iter().find(|known| **known == hint) {
            Some(known) => (*known).to_owned(),
            None => format!(
                "it answered {} without a known reason; see that client_id, client_secret and redirect_uri are right",
                answer.status.as_u16()
            ),
        }
    }
}
