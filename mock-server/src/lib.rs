//! A stateful mock CRM: amoCRM's API (v4, the private web routes and the old ones) with its limits, its silences and
//! its recycle bin, plus what no real CRM offers: a ledger of every request and every effect, faults on demand, and a
//! person who acts on the CRM's own screens.
//!
//! ```no_run
//! # async fn story() -> std::io::Result<()> {
//! let crm = mock_server::MockServer::start(mock_server::Options { contacts: 50, ..Default::default() }).await?;
//! println!("GET {}/api/v4/contacts with Authorization: Bearer demo-token", crm.url());
//! crm.stop().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod clock;
mod control;
mod dice;
mod exchange;
mod faults;
mod generate;
mod lax;
mod ledger;
mod lenient;
mod limits;
mod query;
mod request;
mod server;
mod state;
mod switches;
mod uuids;
mod vendors;
mod world;

pub use lenient::{Lenient, Outcome};

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What a mock CRM starts with, and what `POST /_mock/reset` goes back to.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Chooses the generated account: the same seed and number of contacts give the same account, byte for byte.
    pub seed: u64,
    /// How many contacts to generate, with their companies, deals, notes and tasks. 0 leaves only the schema.
    pub contacts: usize,
    /// `(integration, token)`: long-lived bearer tokens. Tokens of one integration share its budget.
    pub tokens: Vec<(String, String)>,
    /// Requests allowed in any one second for one integration; 0 lifts the limit.
    pub requests_per_second: u32,
    /// Requests allowed in any one second for the whole account; 0 lifts the limit.
    pub account_requests_per_second: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 1,
            contacts: 0,
            tokens: vec![("demo".to_owned(), "demo-token".to_owned())],
            requests_per_second: 7,
            account_requests_per_second: 50,
        }
    }
}

/// A running mock CRM. Dropping it stops it and breaks its open connections.
#[derive(Debug)]
pub struct MockServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl MockServer {
    /// Generates the account and starts to listen; requests are answered as soon as this returns.
    ///
    /// Fails if the address cannot be bound.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let state = Arc::new(state::State::new(options));
        let task = tokio::spawn(async move {
            let delivery = vendors::amocrm::delivery::run(Arc::clone(&state), stopped.clone());
            tokio::join!(server::serve(listener, Arc::clone(&state), stopped), delivery);
        });
        Ok(Self { address, stop, task })
    }

    /// Where it listens, with the port the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops listening and breaks open connections; returns when the port is free.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        // The only way this task fails is a panic, which its own thread has reported already.
        let _ = (&mut self.task).await;
    }

    /// Waits until the server has stopped (it stops only when told to).
    pub async fn wait(&mut self) {
        let _ = (&mut self.task).await;
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
