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
    std::panic::set_hook(Box::new(|panic| tracing::error!("{}", panicked(panic))));
}

/// Where it was, and what was said if that is a text of the program's own: a formatted one may hold anybody's data.
fn panicked(panic: &std::panic::PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
    let said = panic.payload().downcast_ref::<&'static str>().map_or_else(String::new, |said| format!(": {said}"));
    format!("a part of crm-undo ended in a panic{place}{said}")
}

/// Collects metrics from now on; the function renders them in Prometheus' text format.
pub fn metrics() -> Arc<dyn Fn() -> String + Send + Sync> {
    match PrometheusBuilder::new().install_recorder() {
        Ok(handle) => Arc::new(move || handle.render()),
        // Another part of this process collects them already; it will render them too.
        Err(_) => Arc::new(String::new),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    #[test]
    fn a_panic_tells_its_place_and_never_a_value() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let usual = std::panic::take_hook();
        let heard = Arc::clone(&said);
        std::panic::set_hook(Box::new(move |panic| heard.lock().expect("unbroken").push(super::panicked(panic))));
        let name = String::from("Kanarowa7Name");
        let _ = std::panic::catch_unwind(|| panic!("no such contact: {name}"));
        let missing: Result<(), String> = name.parse::<u8>().map(drop).map_err(|_| name.clone());
        let _ = std::panic::catch_unwind(|| missing.clone().expect("a record"));
        let _ = std::panic::catch_unwind(|| panic!("a text of its own"));
        std::panic::set_hook(usual);
        let said = said.lock().expect("unbroken").join("\n");
        assert!(said.contains("telemetry.rs:") && said.contains("a text of its own"), "{said}");
        assert!(!said.contains("Kanarowa7Name"), "{said}");
    }
}
