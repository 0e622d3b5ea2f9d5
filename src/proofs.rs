//! Switches that only the proofs have: named points at which the program can be made to die or to panic, and twelve bugs
//! that can be put back. Each is compiled only under its feature (`failpoints`, `bite`); without debug assertions, as in
//! a release build, the features do not compile at all. `docs/decisions/0012-proofs-in-the-program.md` says why.

#[cfg(all(any(feature = "failpoints", feature = "bite"), not(debug_assertions)))]
compile_error!("`failpoints` and `bite` are for proofs only: a release build must not have them");

/// Where the program can be made to die: the name says what has just happened, or is about to.
pub const POINTS: [&str; 28] = [
    "delete.claimed",
    "delete.read",
    "delete.before_commit",
    "delete.committed",
    "send.before",
    "send.answered",
    "settle.before_look",
    "settle.looked",
    "settle.before_record",
    "settle.recorded",
    "plan.kept",
    "job.queued",
    "job.started",
    "batch.before_intent",
    "batch.intent",
    "batch.before_outcome",
    "batch.outcome",
    "finish.before_look",
    "finish.before_end",
    "finish.ended",
    "journal.before_write",
    "journal.written",
    "journal.synced",
    // While it starts again:
    "journal.opened",
    "start.open_found",
    "start.before_settle",
    "recover.before_look",
    "recover.looked",
];

/// The seeded bugs.
pub const BUGS: [&str; 12] = [
    "skip_fsync",
    "send_early",
    "timeout_means_failed",
    "resend_create",
    "raw_path",
    "skip_manifest",
    "burst_7",
    "self_grant",
    "url_in_log",
    "ignore_fsync_error",
    "cancel_with_client",
    "last_key_wins",
];

/// The program is here. Nothing happens without the feature.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn point(_: &'static str) {}

/// The program is here. It dies, or the task panics, if the file that `CRM_UNDO_POINTS` names says so: a line of the
/// point's name, how often it is passed before that, and `abort` or `panic`.
#[cfg(feature = "failpoints")]
pub fn point(name: &'static str) {
    use std::sync::{Mutex, OnceLock, PoisonError};
    static FILE: OnceLock<Option<std::path::PathBuf>> = OnceLock::new();
    /// The line that is heeded, and how often its point was passed.
    static PASSED: Mutex<(String, u64)> = Mutex::new((String::new(), 0));

    debug_assert!(POINTS.contains(&name), "{name} is not in the list");
    let Some(file) = FILE.get_or_init(|| std::env::var_os("CRM_UNDO_POINTS").map(Into::into)) else { return };
    let Ok(line) = std::fs::read_to_string(file) else { return };
    let mut words = line.split_whitespace();
    if words.next() != Some(name) {
        return;
    }
    let times: u64 = words.next().and_then(|times| times.parse().ok()).unwrap_or(0);
    let passed = {
        let mut known = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != line {
            *known = (line.clone(), 0);
        }
        known.1 += 1;
        known.1
    };
    if passed == times + 1 {
        match words.next() {
            Some("panic") => panic!("on purpose, at {name}"),
            _ => std::process::abort(),
        }
    }
}

/// Whether this bug is in. Never, without the feature.
#[cfg(not(feature = "bite"))]
#[inline]
pub const fn bite(_: &str) -> bool {
    false
}

/// Whether this bug is in: the one that `CRM_UNDO_BITE` names.
#[cfg(feature = "bite")]
pub fn bite(bug: &str) -> bool {
    static BUG: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    debug_assert!(BUGS.contains(&bug), "{bug} is not in the list");
    BUG.get_or_init(|| std::env::var("CRM_UNDO_BITE").ok()).as_deref() == Some(bug)
}
