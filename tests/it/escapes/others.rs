//! nginx and haproxy, as anybody would set them up before an application.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What stands before the CRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    Nothing,
    Nginx,
    Haproxy,
}

impl Between {
    fn program(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Nginx => Some("nginx"),
            Self::Haproxy => Some("haproxy"),
        }
    }
}

/// One of them, running.
pub struct Proxy {
    pub address: String,
    child: Option<Child>,
    _dir: TempDir,
}

impl Proxy {
    /// Before a server at `upstream` (host and port).
    pub fn start(which: Between, upstream: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("crm-undo-others-").tempdir().expect("a directory");
        let at = dir.path().display();
        let Some(program) = which.program() else {
            return Self { address: upstream.to_owned(), child: None, _dir: dir };
        };
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let address = format!("127.0.0.1:{port}");
        let file = dir.path().join("conf");
        let mut command = Command::new(program);
        if which == Between::Nginx {
            // The path is passed on as nginx itself understands it: merged, decoded, resolved.
            let config = format!(
                "worker_processes 1; pid {at}/pid; error_log {at}/error.log; daemon off;\n\
                     events {{ worker_connections 1024; }}\n\
                     http {{ access_log off; underscores_in_headers on; client_body_temp_path {at}/b;\n\
                     proxy_temp_path {at}/p; fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
                     server {{ listen {address}; location / {{ proxy_pass http://{upstream}/; proxy_http_version 1.1;\n\
                     proxy_set_header Host $host; proxy_set_header Connection \"\"; }} }} }}\n"
            );
            std::fs::write(&file, config).expect("written");
            command.args(["-p", &at.to_string(), "-c"]).arg(&file);
        } else {
            let config = format!(
                "global\n    nbthread 1\ndefaults\n    mode http\n    timeout client 30s\n    timeout server 30s\n    \
                     timeout connect 5s\n    option accept-invalid-http-request\nfrontend f\n    bind {address}\n    \
                     default_backend b\nbackend b\n    server s {upstream}\n"
            );
            std::fs::write(&file, config).expect("written");
            command.arg("-f").arg(&file);
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{program} does not start ({error}): ./tests/tools judges"));
        let begun = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{program} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { address, child: Some(child), _dir: dir }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        // nginx ends its workers on SIGTERM, not on SIGKILL.
        let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        let _ = child.wait();
    }
}
