//! The command line. One file a command; commands talk to the console's API, never to the archive, except those that
//! start or examine the server itself (`serve`, `demo`, `doctor`).
//!
//! Data goes to stdout, everything else to stderr; a hint is a line of its own (`hint: …`).
//!
//! | file | idea |
//! | --- | --- |
//! | `bin` `restore` `job` `review` `check` `token` `erase` `hold` `connect` `retention` | one command each, over the console |
//! | `audit` | the ledger, listed, exported and compared with heads that were sent out |
//! | `backup` | backups over the console; restoring and repairing by itself |
//! | `ca` | the private CA: made, shown, issuing |
//! | `seal` | a token from stdin, sealed on stdout |
//! | `doctor` | what is wrong with the configuration, the disk and the CRM |
//! | `demo` | the whole story against the bundled mock |
//! | `client` | how they talk to the console |
//! | `text` | tables; names made harmless for a terminal |
//! | `exit` | what an exit code says |

mod audit;
mod backup;
mod bin;
mod ca;
mod check;
mod client;
mod connect;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod erase;
mod exit;
mod hold;
mod job;
mod restore;
mod retention;
mod review;
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
    /// Settle what nobody but a person can decide.
    #[command(subcommand)]
    Review(review::Review),
    /// Show what happened, and whether any of it was changed since.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Make backups, try them, and bring an archive back from one.
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Rebuild what can be rebuilt, while `serve` is stopped: the index, journal.id, segments from a backup.
    Repair(backup::Repair),
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
    /// The private CA, for clients whose host cannot be changed.
    #[command(subcommand)]
    Ca(ca::Command),
    /// Destroy everything that is kept of one record, for good; prints the act.
    Erase(erase::Erase),
    /// Give, list and take access to the console.
    #[command(subcommand)]
    Token(token::Token),
    /// Let a connection's own client in, with the code that the CRM gave you for it.
    Connect(connect::Connect),
    /// Forgetting what has lain in the bin long enough: what would be, and a pass now.
    #[command(subcommand)]
    Retention(retention::Retention),
    /// Legal holds: records that may neither be forgotten nor erased.
    #[command(subcommand)]
    Hold(hold::Hold),
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
        Command::Ca(command) => ended(ca::run(&command, cli.whereabouts.json)),
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
    if let Command::Audit(audit::Audit::Verify(verify)) = command
        && verify.offline
    {
        return audit::offline(verify, json).await;
    }
    match command {
        Command::Backup(backup) if backup.is_offline() => return backup::offline(backup).await,
        Command::Repair(repair) => return backup::repair(repair),
        _ => {}
    }
    let client = Client::new(whereabouts)?;
    match command {
        Command::Backup(_) => backup::create(&client, json).await,
        Command::Audit(audit) => audit::run(audit, &client, json).await,
        Command::Bin(bin) => bin::run(bin, &client, json).await,
        Command::Restore(restore) => restore::restore(restore, &client, json).await,
        Command::Undo(undo) => restore::undo(undo, &client, json).await,
        Command::Job(job) => job::run(job, &client, json).await,
        Command::Review(review) => review::run(review, &client, json).await,
        Command::Check => check::run(&client, json).await,
        Command::Erase(erase) => erase::run(erase, &client, json).await,
        Command::Token(token) => token::run(token, &client, json).await,
        Command::Connect(connect) => connect::run(connect, &client, json).await,
        Command::Retention(retention) => retention::run(retention, &client, json).await,
        Command::Hold(hold) => hold::run(hold, &client, json).await,
        Command::Repair(_) | Command::Serve { .. } | Command::Doctor { .. } | Command::Seal { .. } | Command::Ca(_) => {
            Ok(Exit::Ok)
        }
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
