//! The real program before CRMs of the test's own making.

use std::fmt::Write as _;
use std::process::Child;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::launch;

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
        let dir = tempfile::tempdir().expect("a directory");
        let mut config = format!(
            "data_dir = \"{}\"\n[gateway]\nlisten = \"127.0.0.1:0\"\n[console]\nlisten = \"127.0.0.1:0\"\n\
             [archive]\nmin_free_bytes = 1\n",
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
        let log = Arc::new(Mutex::new(Vec::new()));
        let (child, gateway, console) = launch(dir.path(), &log, "info");
        Self { gateway, console, dir, log, child }
    }

    /// Its gateway, for sockets.
    pub fn address(&self) -> &str {
        self.gateway.trim_start_matches("http://")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- crm-undo said:\n{}", self.log.lock().expect("the log").join("\n"));
        }
    }
}
