//! The real program before CRMs of the test's own making.

use std::fmt::Write as _;
use std::process::Child;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::{launch, make_ca};

/// A running crm-undo.
pub struct Program {
    pub gateway: String,
    pub console: String,
    dir: TempDir,
    log: Arc<Mutex<Vec<String>>>,
    child: Child,
}

impl Program {
    /// In front of these connections: name, where the CRM is, Host values.
    pub fn before(connections: &[(&str, &str, &[&str])]) -> Self {
        Self::with("", false, connections)
    }

    /// The same with more lines of `[gateway]`, and perhaps with a private CA.
    pub fn with(gateway: &str, ca: bool, connections: &[(&str, &str, &[&str])]) -> Self {
        Self::told(gateway, "", ca, connections)
    }

    /// The same, with more lines of configuration too.
    pub fn told(gateway: &str, more: &str, ca: bool, connections: &[(&str, &str, &[&str])]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut config = format!(
            "data_dir = \"{}\"\n[gateway]\nlisten = \"127.0.0.1:0\"\n{gateway}[console]\nlisten = \"127.0.0.1:0\"\n\
             [archive]\nmin_free_bytes = 1\n{more}",
            dir.path().join("data").display(),
        );
        for (name, upstream, hosts) in connections {
            let _ = write!(
                config,
                "[[connections]]\nname = \"{name}\"\nvendor = \"amocrm\"\nupstream = \"{upstream}\"\n\
                 token = \"own-token\"\nrequests_per_second = 0\nhosts = {hosts:?}\n"
            );
        }
        std::fs::write(dir.path().join("crm-undo.toml"), config).expect("the configuration is written");
        if ca {
            make_ca(dir.path());
        }
        let log = Arc::new(Mutex::new(Vec::new()));
        let (child, gateway, console) = launch(dir.path(), &log, "info");
        Self { gateway, console, dir, log, child }
    }

    /// Its process, for what the system says of it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its gateway, for sockets.
    pub fn address(&self) -> &str {
        self.gateway.split_once("://").expect("an address").1
    }

    /// Where the forward proxy listens.
    pub fn forward_proxy(&self) -> String {
        super::outputs::forward_proxy(&self.log)
    }

    /// What it has written to stderr.
    pub fn said(&self) -> String {
        super::outputs::said(&self.log)
    }

    /// Its directory.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- crm-undo said:\n{}", self.log.lock().expect("the log").join("\n"));
        } else {
            super::outputs::searched(&self.log.lock().expect("the log"));
        }
    }
}
