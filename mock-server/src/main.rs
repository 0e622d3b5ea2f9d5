//! `crm-mock`: the mock CRM as a program.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use mock_server::{MockServer, Options};

/// A stateful mock of amoCRM: its API, limits and recycle bin, with faults and a ledger under /_mock/.
#[derive(Parser)]
#[command(name = "crm-mock", version)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Chooses the generated account; the same seed gives the same account.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many contacts to generate, with their companies, deals, notes and tasks.
    #[arg(long, default_value_t = 0)]
    contacts: usize,
    /// An integration and its long-lived token; may be repeated. Without it there is demo=demo-token.
    #[arg(long = "token", value_name = "INTEGRATION=TOKEN", value_parser = integration_and_token)]
    tokens: Vec<(String, String)>,
    /// Requests allowed in any one second per integration; 0 lifts the limit.
    #[arg(long, default_value_t = 7)]
    requests_per_second: u32,
    /// Requests allowed in any one second per account; 0 lifts the limit.
    #[arg(long, default_value_t = 50)]
    account_requests_per_second: u32,
}

fn integration_and_token(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((integration, token)) if !integration.is_empty() && !token.is_empty() => {
            Ok((integration.to_owned(), token.to_owned()))
        }
        _ => Err("expected INTEGRATION=TOKEN, for example demo=demo-token".to_owned()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut options = Options {
        listen: arguments.listen,
        seed: arguments.seed,
        contacts: arguments.contacts,
        requests_per_second: arguments.requests_per_second,
        account_requests_per_second: arguments.account_requests_per_second,
        ..Options::default()
    };
    if !arguments.tokens.is_empty() {
        options.tokens = arguments.tokens;
    }
    match MockServer::start(options).await {
        Ok(server) => run(server).await,
        Err(error) => {
            eprintln!("crm-mock: cannot listen on {}: {error}", arguments.listen);
            eprintln!("hint: choose another address with --listen");
            ExitCode::FAILURE
        }
    }
}

async fn run(server: MockServer) -> ExitCode {
    println!("crm-mock listens on {}", server.url());
    let interrupt = tokio::signal::ctrl_c();
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            eprintln!("crm-mock: cannot listen for SIGTERM: {error}");
            return ExitCode::FAILURE;
        }
    };
    tokio::select! {
        _ = interrupt => {}
        _ = terminate.recv() => {}
    }
    server.stop().await;
    ExitCode::SUCCESS
}
