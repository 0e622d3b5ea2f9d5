//! Gateway and console until a signal.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::build::connection;
use super::doors::doors;
use super::{Failure, archive_options, engine_over};
use crate::archive::durable::Durable;
use crate::archive::{ArchiveError, durable};
use crate::config::{self, Config};
use crate::engine::Engine;
use crate::{console, gateway, telemetry};

/// For answers under way when the process stops, then for started deletes. Together they stay below the 30 s that service
/// managers give.
const ANSWERS: Duration = Duration::from_secs(15);
const DELETES: Duration = Duration::from_secs(10);
/// For everything, jobs too: a batch at a CRM that hangs is looked for at the next start.
const ALL: Duration = Duration::from_secs(28);

/// A started gateway and console.
pub struct Running {
    /// Where the gateway listens.
    pub gateway: SocketAddr,
    /// Whether the gateway speaks TLS.
    pub secure: bool,
    /// Where the forward proxy listens, if there is one.
    pub forward_proxy: Option<SocketAddr>,
    /// Where the console listens.
    pub console: SocketAddr,
    /// The first administrator's token, if one was made by this start.
    pub administrator: Option<String>,
    engine: Engine,
    store: Arc<Durable>,
    shutdown: CancellationToken,
    proxy: gateway::Serving,
    tasks: Vec<JoinHandle<()>>,
}

/// Opens the archive and starts everything; both listeners accept when this returns. The collected metrics are shown
/// by `metrics`.
pub async fn start(
    config: &Config,
    administrator: Option<&str>,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
) -> Result<Running, Failure> {
    let mut gateway_at =
        listening("gateway.listen", config.gateway.listen, gateway::bind(config.gateway.listen, threads(config)))?;
    let mut forward_proxy = None;
    if let Some(at) = config.gateway.proxy() {
        let proxy_at = listening("gateway.forward_proxy", at, gateway::bind(at, threads(config)))?;
        forward_proxy = Some(proxy_at.address());
        gateway_at = gateway_at.with_proxy(proxy_at);
    }
    let console_at =
        listening("console.listen", config.console.listen, TcpListener::bind(config.console.listen).await)?;
    // A token that cannot be opened is told before a key or a journal is made.
    for configured in &config.connections {
        connection(config, configured)?;
    }
    let doors = doors(config)?;
    let options = archive_options(config);
    let opened = tokio::task::spawn_blocking(move || durable::open(options));
    let opened = tokio::select! {
        opened = opened => opened,
        never = console::opening(&console_at) => match never {},
    };
    let store = opened
        .map_err(|_| Failure::new("opening the archive failed in an unexpected way; the log has more"))?
        .map_err(|error| closed(&error))?;
    let store = Arc::new(store);
    let engine = engine_over(config, store.clone())?;
    let administrator = engine.first_administrator(administrator).await.map_err(Failure::new)?;

    let shutdown = CancellationToken::new();
    let (gateway_address, console_address) =
        (gateway_at.address(), console_at.local_addr().map_err(|error| Failure::new(error.to_string()))?);
    let settings = gateway::Settings {
        hosts: config.connections.iter().map(|c| (c.name.clone(), c.hosts.clone())).collect(),
        limits: gateway::Limits {
            connections: config.gateway.max_connections,
            connections_per_address: config.gateway.max_connections_per_address,
            drain: ANSWERS,
            ..patience(&config.gateway)
        },
        client_requests_per_second: config.gateway.client_requests_per_second,
        tls: doors.tls.clone(),
        forward: doors.forward.clone(),
    };
    let secure = settings.tls.is_some();
    let main = tokio::runtime::Handle::current();
    let proxy = gateway_at
        .serve(engine.clone(), settings, main, shutdown.clone())
        .map_err(|error| Failure::new(format!("the gateway could not start: {error}")))?;
    let backup = super::backup::maker(config, &store)?;
    let keepers = engine.connections().values().filter_map(|connection| connection.upstream.grant().cloned());
    let mut tasks: Vec<JoinHandle<()>> = keepers.map(|keeper| tokio::spawn(keeper.keep(shutdown.clone()))).collect();
    tasks.extend([
        tokio::spawn({
            let (engine, shutdown) = (engine.clone(), shutdown.clone());
            let settings = console::Settings { metrics, backup };
            async move {
                if let Err(error) = console::serve(console_at, engine, settings, shutdown).await {
                    tracing::error!(%error, "the console stopped");
                }
            }
        }),
        tokio::spawn(doors.keep_fresh(shutdown.clone())),
        tokio::spawn({
            let (engine, shutdown) = (engine.clone(), shutdown.clone());
            async move { engine.keep_settling(shutdown).await }
        }),
        tokio::spawn({
            let (engine, shutdown) = (engine.clone(), shutdown.clone());
            async move { engine.keep_retention(shutdown).await }
        }),
        tokio::spawn({
            let (engine, shutdown) = (engine.clone(), shutdown.clone());
            async move { engine.keep_jobs_running(shutdown).await }
        }),
        tokio::spawn({
            let (store, shutdown) = (store.clone(), shutdown.clone());
            let outside = super::anchors::Outside::of(config);
            async move { outside.keep(store, shutdown).await }
        }),
    ]);
    Ok(Running {
        gateway: gateway_address,
        secure,
        forward_proxy,
        console: console_address,
        administrator,
        engine,
        store,
        shutdown,
        proxy,
        tasks,
    })
}

impl Running {
    /// Stops accepting, lets started deletes and answers finish, checkpoints jobs, closes the archive.
    pub async fn stop(self) {
        self.shutdown.cancel();
        let end = tokio::time::Instant::now() + ALL;
        match self.proxy.stopped().await {
            Ok(true) => {}
            Ok(false) => tracing::warn!("some answers took longer than the drain and were cut"),
            Err(error) => tracing::error!(%error, "the gateway did not stop well"),
        }
        if !self.engine.drain_deletes(DELETES).await {
            tracing::warn!("some deletes were not finished in time; they are settled at the next start");
        }
        for mut task in self.tasks {
            if tokio::time::timeout_at(end, &mut task).await.is_err() {
                tracing::warn!("a job's batch was not finished in time; it is looked for at the next start");
                task.abort();
            }
        }
        drop(self.engine);
        let store = self.store;
        let _ = tokio::task::spawn_blocking(move || drop(store)).await;
    }
}

/// `crm-undo serve`.
pub fn serve(file: Option<&Path>) -> ExitCode {
    telemetry::log();
    let metrics = telemetry::metrics();
    match config::load(file).map_err(Failure::usage).and_then(|config| run(&config, metrics)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(config: &Config, metrics: Arc<dyn Fn() -> String + Send + Sync>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the runtime could not start: {error}")))?;
    runtime.block_on(async {
        let given = std::env::var("CRM_UNDO_ADMIN_TOKEN").ok();
        let mut signals = Signals::new()?;
        let running = start(config, given.as_deref(), metrics).await?;
        if let Some(token) = &running.administrator {
            eprintln!("administrator token: {token}");
        }
        if config.connections.is_empty() {
            eprintln!("warning: no connection is configured, so the gateway has nowhere to send requests to");
        }
        if config.policy.approval_over != 0 {
            tracing::debug!("policy.approval_over and blast_radius are not enforced by this version");
        }
        eprintln!("gateway: {}://{}", if running.secure { "https" } else { "http" }, running.gateway);
        if let Some(at) = running.forward_proxy {
            eprintln!("forward proxy: http://{at}");
        }
        eprintln!("console: http://{}", running.console);
        signals.wait().await;
        eprintln!("stopping: started deletes are finished first");
        running.stop().await;
        Ok(())
    })
}

/// The two signals that stop a service.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| Failure::new(format!("cannot listen for signals: {error}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn threads(config: &Config) -> usize {
    match config.gateway.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => threads,
    }
}

fn listening<T>(what: &str, at: SocketAddr, bound: std::io::Result<T>) -> Result<T, Failure> {
    bound.map_err(|error| {
        Failure::new(format!("{what}: cannot listen on {at}: {error}"))
            .hint(format!("choose another address with {what}, or stop what listens there"))
    })
}

fn closed(error: &ArchiveError) -> Failure {
    let failure = Failure::new(format!("the archive cannot be opened: {error}"));
    match error {
        ArchiveError::BadKey(_) => failure.hint("archive.key_file names the key that the archive was made with"),
        ArchiveError::Locked(_) => failure,
        _ => failure.hint("`crm-undo doctor` tells more; nothing was changed"),
    }
}

/// How long the gateway waits for whom.
fn patience(gateway: &crate::config::Gateway) -> gateway::Limits {
    gateway::Limits {
        head: Duration::from_secs(gateway.header_seconds),
        keep_alive: Duration::from_secs(gateway.keep_alive_seconds),
        body_idle: Duration::from_secs(gateway.body_idle_seconds),
        body_rate: gateway.body_bytes_per_second,
        write_idle: Duration::from_secs(gateway.write_idle_seconds),
        answer_idle: Duration::from_secs(gateway.answer_idle_seconds),
        delete_answer: Duration::from_secs(gateway.delete_answer_seconds),
        ..gateway::Limits::default()
    }
}
