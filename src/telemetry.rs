//! What crm-undo says about itself: a log on stderr, and metrics.
//!
//! Logs hold ids and counts, never names, e-mails, phones, tokens or query strings.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use tracing_subscriber::EnvFilter;

/// Writes the log to stderr, at `RUST_LOG` or `info`. `CRM_UNDO_LOG=json` makes each line one JSON object.
/// Does nothing if a log is set up already.
pub fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let _ = if std::env::var("CRM_UNDO_LOG").is_ok_and(|format| format == "json") {
        lines.json().try_init()
    } else {
        lines.with_ansi(false).try_init()
    };
}

/// Collects metrics from now on; the function renders them in Prometheus' text format.
pub fn metrics() -> Arc<dyn Fn() -> String + Send + Sync> {
    match PrometheusBuilder::new().install_recorder() {
        Ok(handle) => Arc::new(move || handle.render()),
        // Another part of this process collects them already; it will render them too.
        Err(_) => Arc::new(String::new),
    }
}
