//! The command line. One file a command; commands talk to the console's API, never to the archive, except those that
//! start or examine the server itself (`serve`, `demo`, `check`, `doctor`).
//!
//! Data goes to stdout, everything else to stderr; a hint is a line of its own (`hint: …`).

mod exit;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::Exit;

/// Undo for CRMs.
#[derive(Debug, Parser)]
#[command(name = "crm-undo", version, about, propagate_version = true)]
struct Cli {
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
    match cli.command {
        Command::Serve { config } => crate::app::serve(config.as_deref()),
        #[cfg(feature = "demo")]
        Command::Demo { once } => crate::app::demo(once),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn clap_accepts_the_tree() {
        super::Cli::command().debug_assert();
    }
}
