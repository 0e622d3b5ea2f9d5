//! What is wrong with the configuration, the token, the clock, the disk and the CRM. Changes nothing.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

use super::build::connection;
use crate::certs::Facts;
use crate::certs::given::{self, Files};
use crate::config::{self, Config};
use crate::crm::grant::{Report, Standing};
use crate::crm::upstream::Ask;
use crate::crm::{Access, CrmError, Lane, Reach};

/// How far our clock and the CRM's may differ: tokens and times of records rest on it.
const SKEW: Duration = Duration::from_mins(2);

/// A token that ends sooner should have been renewed: that is done when 4.8 hours of amoCRM's 24 are left. In seconds.
const SOON: i64 = 4 * 3600;

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// How it stands.
    pub level: Level,
    /// What was found.
    pub detail: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Good,
    /// It works, and somebody should know.
    Warning,
    /// It does not work.
    Bad,
}

impl Level {
    /// `ok`, `warning` or `bad`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

fn found(what: &str, level: Level, detail: impl Into<String>, hint: Option<&str>) -> Finding {
    Finding { what: what.to_owned(), level, detail: detail.into(), hint: hint.map(ToOwned::to_owned) }
}

/// Looks at everything that can be looked at, from the ground up.
pub async fn examine(file: Option<&Path>) -> Vec<Finding> {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(error) => {
            return error.0.into_iter().map(|line| found("configuration", Level::Bad, line, None)).collect();
        }
    };
    let mut findings = vec![found("configuration", Level::Good, "", None)];
    findings.push(directory(&config));
    findings.extend(key(&config));
    findings.push(room(&config));
    findings.extend(certificates(&config));
    if config.connections.is_empty() {
        findings.push(found(
            "connections",
            Level::Bad,
            "none is configured, so the gateway has nowhere to send requests to",
            Some("add a [[connections]] block; config.default.toml shows one"),
        ));
    }
    for configured in &config.connections {
        findings.extend(account(&config, configured).await);
    }
    findings
}

fn directory(config: &Config) -> Finding {
    let dir = &config.data_dir;
    let what = format!("data_dir {}", dir.display());
    if !dir.exists() {
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return match tempfile_in(parent) {
            Ok(()) => found(&what, Level::Good, "it will be made by the first serve", None),
            Err(error) => {
                found(&what, Level::Bad, format!("it cannot be made: {error}"), Some("choose another data_dir"))
            }
        };
    }
    match tempfile_in(dir) {
        Ok(()) => found(&what, Level::Good, "", None),
        Err(error) => {
            found(&what, Level::Bad, format!("it cannot be written: {error}"), Some("mend its owner or mode"))
        }
    }
}

/// Whether a file can be made there; it is removed again.
fn tempfile_in(dir: &Path) -> std::io::Result<()> {
    let probe = dir.join(format!(".crm-undo-doctor-{}", std::process::id()));
    std::fs::File::create_new(&probe)?;
    std::fs::remove_file(&probe)
}

fn key(config: &Config) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let options = super::archive_options(config);
    if options.key.is_some() {
        return None;
    }
    let path = options.key_file.unwrap_or_else(|| config.data_dir.join("archive.key"));
    let what = format!("key {}", path.display());
    match std::fs::metadata(&path) {
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => Some(found(
            &what,
            Level::Warning,
            "others than its owner may read it",
            Some("chmod 600 it, and keep a copy of it apart from the archive's backups"),
        )),
        Ok(_) => Some(found(&what, Level::Good, "", None)),
        Err(_) if !config.data_dir.join("journal").exists() => None,
        Err(error) => Some(found(
            &what,
            Level::Bad,
            format!("there is an archive, and its key cannot be read: {error}"),
            Some("bring the key back from where its copy is kept; without it nothing in the archive can be read"),
        )),
    }
}

fn room(config: &Config) -> Finding {
    let dir = if config.data_dir.exists() { config.data_dir.as_path() } else { Path::new(".") };
    match crate::archive::space(dir, config.archive.min_free_bytes) {
        Ok((free, needed)) if free >= needed => found("disk", Level::Good, format!("{free} bytes free"), None),
        Ok((free, needed)) => found(
            "disk",
            Level::Bad,
            format!("{free} bytes are free and {needed} are needed, so deletes are refused"),
            Some("free some space, or lower archive.min_free_bytes"),
        ),
        Err(error) => found("disk", Level::Warning, format!("its free space cannot be read: {error}"), None),
    }
}

/// The certificates clients are shown; from [`SOON`](super::doors::SOON) days before one ends that is a warning.
fn certificates(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let gateway = &config.gateway;
    if gateway.tls == config::Tls::Files {
        let files = Files { certificate: gateway.tls_certificate_file.clone(), key: gateway.tls_key_file.clone() };
        let what = format!("certificate {}", files.certificate.display());
        findings.push(match given::read(&files) {
            Ok(pair) => until(&what, &pair.facts, "put a new certificate and its key in the place of these files"),
            Err(error) => {
                let hint = Some("serve does not start like that; tls_certificate_file and tls_key_file name PEM files");
                found(&what, Level::Bad, error.to_string(), hint)
            }
        });
    }
    if gateway.tls == config::Tls::OwnCa || gateway.proxy().is_some() {
        findings.push(match super::doors::authority(config) {
            Ok(ca) => until(
                "private CA",
                ca.facts(),
                "`crm-undo ca init --replace` makes another one; clients then have to trust that one",
            ),
            Err(failure) => found("private CA", Level::Bad, failure.message, failure.hint.as_deref()),
        });
    }
    findings
}

fn until(what: &str, facts: &Facts, hint: &str) -> Finding {
    let left = facts.days_left(Timestamp::now());
    if left < 0 {
        found(what, Level::Bad, format!("it has ended on {}", facts.ends), Some(hint))
    } else if left < super::doors::SOON {
        found(what, Level::Warning, format!("it ends on {}", facts.ends), Some(hint))
    } else {
        found(what, Level::Good, format!("it ends on {}", facts.ends), None)
    }
}

async fn account(config: &Config, configured: &config::Connection) -> Vec<Finding> {
    let what = |part: &str| format!("connection {}: {part}", configured.name);
    let built = match connection(config, configured) {
        Ok(built) => built,
        Err(failure) => return vec![found(&what("settings"), Level::Bad, failure.message, None)],
    };
    let mut findings = Vec::new();
    match built.upstream.ask(&Access::Caller(http::HeaderMap::new()), Lane::Live, Ask::get("/")).await {
        Ok(answer) => {
            findings.push(found(&what("reachable"), Level::Good, "", None));
            findings.extend(skew(&what("clock"), answer.headers.get(http::header::DATE)));
        }
        // Any answer at all shows that it can be reached.
        Err(CrmError::Permanent { status: Some(_), .. }) => {
            findings.push(found(&what("reachable"), Level::Good, "", None));
        }
        Err(error) => {
            let hint = Some("see that the upstream's address is right and that this machine may reach it");
            findings.push(found(&what("reachable"), Level::Bad, error.to_string(), hint));
            return findings;
        }
    }
    let mut built = built;
    if let Some(oauth) = &configured.oauth {
        let (finding, token) = granted(config, configured, oauth, &what("access"));
        findings.push(finding);
        // Only looks: whoever refreshes is the server, and nobody else.
        let Some(token) = token else { return findings };
        let lent = config::Connection { oauth: None, token: Some(token), ..configured.clone() };
        match connection(config, &lent) {
            Ok(lent) => built = lent,
            Err(_) => return findings,
        }
    }
    if !built.has_own_token {
        findings.push(found(
            &what("token"),
            Level::Warning,
            "it has none of its own: snapshots are read with each caller's rights, and nothing can be restored",
            Some("give it token_env, token_file or token"),
        ));
        return findings;
    }
    let access = Access::Own;
    let reach = Reach {
        upstream: &built.upstream,
        access: &access,
        lane: Lane::Live,
        now: Timestamp::now(),
        connection: &built.name,
    };
    findings.push(match built.connector.surroundings(reach).await {
        Ok(_) => found(&what("token"), Level::Good, "", None),
        Err(error) => found(
            &what("token"),
            Level::Bad,
            error.to_string(),
            Some("make a new long-lived token in the CRM, for an administrator, and configure it"),
        ),
    });
    findings
}

/// How the access of a client of its own stands, and its token if it is not over.
fn granted(
    config: &Config,
    configured: &config::Connection,
    oauth: &config::OAuth,
    what: &str,
) -> (Finding, Option<SecretString>) {
    let kept = match super::grants::look(config, configured, oauth) {
        Ok(kept) => kept,
        Err(why) => return (found(what, Level::Bad, why, None), None),
    };
    let now = Timestamp::now();
    let token = kept.pair.as_ref().filter(|pair| now < pair.ends_at()).map(|pair| pair.access.clone().into());
    let report = Report::of(&kept, None);
    let connect = format!("crm-undo connect {} (the server has to run)", configured.name);
    let left = report.seconds_left(now);
    let finding = match &report.standing {
        Standing::Reauthorize(why) => found(what, Level::Bad, why, Some(&connect)),
        Standing::Uncertain(why) | Standing::Late(why) => {
            found(what, Level::Bad, why, Some("`crm-undo serve` tries again and then knows; its log says more"))
        }
        Standing::Good if left < SOON => found(
            what,
            Level::Warning,
            format!("its token ends in {} min and was not renewed", left / 60),
            Some("`crm-undo serve` renews it; if it runs, its log says what keeps it from that"),
        ),
        Standing::Good => found(what, Level::Good, "", None),
    };
    (finding, token)
}

fn skew(what: &str, date: Option<&http::HeaderValue>) -> Option<Finding> {
    let theirs = jiff::fmt::rfc2822::parse(date?.to_str().ok()?).ok()?.timestamp();
    let apart = Timestamp::now().duration_since(theirs).unsigned_abs();
    Some(if apart > SKEW {
        found(
            what,
            Level::Warning,
            format!("it is {} s apart from the CRM's", apart.as_secs()),
            Some("let the machine keep its clock by NTP"),
        )
    } else {
        found(what, Level::Good, "", None)
    })
}
