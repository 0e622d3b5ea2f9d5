//! Letting a connection's own client in, and how its access stands.

use super::{Engine, EngineError};
use crate::crm::CrmError;
use crate::crm::grant::{NotIssued, Standing};
use crate::domain::event::{Event, Stream};

/// No code is longer.
const LONGEST: usize = 8 << 10;

impl Engine {
    /// Exchanges the code that a person was given for tokens. The audit log says who did; the tokens lie elsewhere.
    pub async fn connect(&self, connection: &str, code: &str, by: &str) -> Result<(), EngineError> {
        let Some(keeper) = self.connection(connection)?.upstream.grant() else {
            let detail =
                format!("connection {connection} has no client of its own; [connections.oauth] configures one");
            return Err(EngineError::Invalid { code: "no_own_client", detail });
        };
        let code = code.trim();
        if code.is_empty() || code.len() > LONGEST || !code.bytes().all(|byte| byte.is_ascii_graphic()) {
            let detail = "code: has to be visible ASCII characters without spaces".to_owned();
            return Err(EngineError::Invalid { code: "bad_value", detail });
        }
        keeper.connect(code).await.map_err(|error| match error {
            NotIssued::Refused(why) => {
                let detail = format!("the CRM does not take this code: {why}");
                EngineError::Invalid { code: "code_refused", detail }
            }
            NotIssued::Later(detail) => CrmError::Transient { retry_after: None, detail }.into(),
            NotIssued::Lost(detail) => {
                let detail = format!("{detail}; if access does not work now, connect with a new code");
                CrmError::Ambiguous { detail }.into()
            }
        })?;
        tracing::info!(connection, by, "its own client was let in");
        let stream = Stream::access(connection);
        let version = self.store.read(&stream, 0).await?.last().map_or(0, |recorded| recorded.version);
        let granted = Event::AccessGranted { connection: connection.to_owned(), by: by.to_owned() };
        self.store.append(&stream, version, vec![granted]).await?;
        Ok(())
    }

    /// One line for each connection whose access somebody has to look at.
    pub fn troubles(&self) -> Vec<String> {
        let report = |(name, connection): (&String, &super::Connection)| {
            let standing = connection.upstream.grant()?.report().standing;
            (standing != Standing::Good).then(|| format!("connection {name}: access: {}\n", standing.word()))
        };
        self.connections.iter().filter_map(report).collect()
    }
}
