//! The command line. One file a command; commands talk to the console's API, never to the archive, except those that
//! start or examine the server itself (`serve`, `demo`, `doctor`).
//!
//! Data goes to stdout, everything else to stderr; a hint is a line of its own (`hint: …`).
//!
//! | file | idea |
//! | --- | --- |
//! | `bin` `restore` `job` `check` `token` | one command each, over the console |
//! | `seal` | a token from stdin, sealed on stdout |
//! | `doctor` | what is wrong with the configuration, the disk and the CRM |
//! | `demo` | the whole story against the bundled mock |
//! | `client` | how they talk to the console |
//! | `text` | tables; names made harmless for a terminal |
//! | `exit` | what an exit code says |

mod bin;
mod check;
mod client;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod exit;
mod job;
mod restore;
mod seal;
mod text;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use client::{Client, Outcome, Trouble, Whereabouts};
pub use exit::Exit;

/// Undo for CRMs: a gateway that archives every record before a delete is forwarded, and brings it back.
#[derive(Debug, Parser)]
#[command(name = "crm-undo", version, about, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    whereabouts: Whereabouts,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway and the console.
    Serve {
        /// Configuration file; without it, crm-undo.toml here if there is one, else built-in defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Run the whole story against the bundled mock CRM.
    #[cfg(feature = "demo")]
    Demo {
        /// Tell it without a keyboard and exit; 0 only if everything came back.
        #[arg(long)]
        once: bool,
    },
    /// Look into the bin.
    #[command(subcommand)]
    Bin(bin::Bin),
    /// Bring entries back: shows the plan, asks, applies exactly that plan.
    Restore(restore::Restore),
    /// Bring back everything one operation destroyed.
    Undo(restore::Undo),
    /// Follow and steer jobs.
    #[command(subcommand)]
    Job(job::Job),
    /// Read the whole archive and say what is damaged.
    Check,
    /// Say what is wrong with the configuration, token, clock, disk and CRM.
    Doctor {
        /// Configuration file, as for `serve`.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Seal a connection's token for the configuration: reads it from stdin, prints the sealed text.
    Seal {
        /// Configuration file, as for `serve`.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Give, list and take access to the console.
    #[command(subcommand)]
    Token(token::Token),
}

/// Reads the arguments and carries them out.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are not errors; clap prints them to stdout.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            let _ = error.print();
            return exit.into();
        }
    };
    // reqwest is built without a provider of its own, so that TLS is the same everywhere. An earlier one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli.command {
        Command::Serve { config } => crate::app::serve(config.as_deref()),
        #[cfg(feature = "demo")]
        Command::Demo { once } => demo::run(once),
        Command::Seal { config } => ended(seal::run(config.as_deref())),
        command => match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => ended(runtime.block_on(carry_out(&command, &cli.whereabouts))),
            Err(error) => ended(Err(Trouble::new(Exit::Failed, format!("the runtime could not start: {error}")))),
        },
    }
}

async fn carry_out(command: &Command, whereabouts: &Whereabouts) -> Outcome {
    let json = whereabouts.json;
    if let Command::Doctor { config } = command {
        return doctor::run(config.as_deref(), json).await;
    }
    let client = Client::new(whereabouts)?;
    match command {
        Command::Bin(bin) => bin::run(bin, &client, json).await,
        Command::Restore(restore) => restore::restore(restore, &client, json).await,
        Command::Undo(undo) => restore::undo(undo, &client, json).await,
        Command::Job(job) => job::run(job, &client, json).await,
        Command::Check => check::run(&client, json).await,
        Command::Token(token) => token::run(token, &client, json).await,
        Command::Serve { .. } | Command::Doctor { .. } | Command::Seal { .. } => Ok(Exit::Ok),
        #[cfg(feature = "demo")]
        Command::Demo { .. } => Ok(Exit::Ok),
    }
}

fn ended(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(exit) => exit.into(),
        Err(trouble) => {
            eprintln!("error: {}", trouble.message);
            if let Some(hint) = &trouble.hint {
                eprintln!("hint: {hint}");
            }
            trouble.exit.into()
        }
    }
}

/// One JSON value on stdout.
fn print_json(value: &serde_json::Value) {
    println!("{value:#}");
}

/// A word as one segment of a path.
fn segment(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn clap_accepts_the_tree() {
        super::Cli::command().debug_assert();
    }
}
