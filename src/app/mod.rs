//! Joins the floors: configuration, archive, connections, engine, the two listeners.
//!
//! | file | idea |
//! | --- | --- |
//! | `world` | the real clock and real names |
//! | `anchors` | the head of the audit chain goes out; comparing without a server |
//! | `backup` | making backups while it runs; restoring and repairing while it does not |
//! | `build` | a configuration becomes an engine |
//! | [`ca`] | the private CA made, shown, and asked for a certificate |
//! | `doors` | certificates and the forward proxy of the gateway's listeners |
//! | `doctor` | what is wrong, without changing anything |
//! | `seal` | tokens that lie sealed in the configuration |
//! | `grants` | tokens of connections with a client of their own, sealed on disk |
//! | `serve` | gateway and console until a signal |

mod anchors;
pub mod backup;
mod build;
pub mod ca;
pub mod doctor;
mod doors;
mod grants;
mod seal;
mod serve;
mod world;

pub use anchors::verify_offline;
pub use build::{archive_options, engine_over};
pub use seal::seal;
pub use serve::{Running, serve, start};

/// Why crm-undo does not run. `hint` is for the line after the message.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Whether it was asked or configured wrongly (exit 64) rather than failed (exit 1).
    pub usage: bool,
}

impl Failure {
    /// It failed.
    pub fn new(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, usage: false }
    }

    /// It is configured wrongly.
    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self { usage: true, ..Self::new(message) }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Failure {
    /// Says it on stderr; the exit code of the program.
    pub fn report(&self) -> std::process::ExitCode {
        for line in self.message.lines() {
            eprintln!("error: {line}");
        }
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
        std::process::ExitCode::from(if self.usage { 64 } else { 1 })
    }
}
