//! A CRM of bare sockets, a gateway before it, and clients that write what they like.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::fake::{Fake, List};
use crate::crm::upstream::{Upstream, UpstreamConfig};
use crate::domain::policy::Policy;
use crate::domain::world::{Clock, Names};
use crate::engine::{Connection, Engine};
use crate::gateway::{Limits, Serving, Settings, bind};

/// Longer than anything here takes.
pub(super) const LONG: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Real;

impl Clock for Real {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

impl Names for Real {
    fn fresh(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}

/// A message as it came over the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) first: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Message {
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let of = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        of.map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(super) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads one message; `None` when the other side is done. `head_only`: an answer to `HEAD`.
pub(super) async fn read(stream: &mut TcpStream, held: &mut Vec<u8>, head_only: bool) -> Option<Message> {
    let end = loop {
        if let Some(end) = held.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        more(stream, held).await?;
    };
    let head = String::from_utf8_lossy(&held[..end]).into_owned();
    held.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned())))
        .collect();
    let mut message = Message { first, headers, body: vec![] };
    let is_answer = message.first.starts_with("HTTP/");
    if head_only || (is_answer && matches!(message.status(), 204 | 304)) {
        return Some(message);
    }
    if message.one("transfer-encoding").is_some() {
        loop {
            let line = line(stream, held).await?;
            let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
            while held.len() < size + 2 {
                more(stream, held).await?;
            }
            message.body.extend_from_slice(&held[..size]);
            held.drain(..size + 2);
            if size == 0 {
                return Some(message);
            }
        }
    }
    match message.one("content-length").map(|length| length.parse::<usize>().unwrap()) {
        Some(length) => {
            while held.len() < length {
                more(stream, held).await?;
            }
            message.body = held.drain(..length).collect();
        }
        None if is_answer => {
            while more(stream, held).await.is_some() {}
            message.body = std::mem::take(held);
        }
        None => {}
    }
    Some(message)
}

async fn line(stream: &mut TcpStream, held: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = held.windows(2).position(|w| w == b"\r\n") {
            let line = String::from_utf8_lossy(&held[..end]).into_owned();
            held.drain(..end + 2);
            return Some(line);
        }
        more(stream, held).await?;
    }
}

async fn more(stream: &mut TcpStream, held: &mut Vec<u8>) -> Option<()> {
    let mut some = vec![0; 16 << 10];
    match stream.read(&mut some).await {
        Ok(0) | Err(_) => None,
        Ok(length) => {
            held.extend_from_slice(&some[..length]);
            Some(())
        }
    }
}

type Script = Arc<dyn Fn(&Message) -> Vec<u8> + Send + Sync>;

/// Everything of one test.
pub(super) struct World {
    pub(super) gateway: SocketAddr,
    /// Where the forward proxy listens, if there is one.
    pub(super) proxy: Option<SocketAddr>,
    pub(super) crm: SocketAddr,
    pub(super) heard: Arc<Mutex<Vec<Message>>>,
    pub(super) store: Arc<List>,
    pub(super) shutdown: CancellationToken,
    pub(super) serving: Option<Serving>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl World {
    /// A CRM that answers what `script` says.
    pub(super) async fn new(script: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::with(script, Limits { connections_per_address: 2000, ..Limits::default() }, List::default()).await
    }

    pub(super) async fn with(
        script: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static,
        limits: Limits,
        store: List,
    ) -> Self {
        Self::set_up(script, Settings { limits, ..Settings::default() }, store).await
    }

    pub(super) async fn set_up(
        script: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static,
        settings: Settings,
        store: List,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let crm = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(crm_loop(listener, Arc::new(script), Arc::clone(&heard)));
        let config = UpstreamConfig {
            requests_per_second: 0,
            token: Some("own".to_owned().into()),
            forward_timeout: Duration::from_millis(400),
            answer_timeout: Duration::from_secs(3),
            ..UpstreamConfig::new(format!("http://{crm}").parse().unwrap())
        };
        let connection = Connection {
            name: "acme".into(),
            connector: Arc::new(Fake),
            upstream: Arc::new(Upstream::new(config).unwrap()),
            has_own_token: true,
        };
        let store = Arc::new(store);
        let engine = Engine::new(store.clone(), vec![connection], Policy::default(), Arc::new(Real), Arc::new(Real));
        let mut bound = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let mut proxy = None;
        if settings.forward.is_some() {
            let other = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
            proxy = Some(other.address());
            bound = bound.with_proxy(other);
        }
        let gateway = bound.address();
        let shutdown = CancellationToken::new();
        let main = tokio::runtime::Handle::current();
        let serving = bound.serve(engine, settings, main, shutdown.clone()).unwrap();
        Self { gateway, proxy, crm, heard, store, shutdown, serving: Some(serving) }
    }

    pub(super) async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.gateway).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, held: vec![] }
    }

    /// Sends bytes on a connection of their own; the first answer, if there is one.
    pub(super) async fn say(&self, bytes: impl AsRef<[u8]>) -> Option<Message> {
        let mut client = self.connect().await;
        client.write(bytes.as_ref()).await;
        client.read().await
    }

    pub(super) fn heard(&self) -> Vec<Message> {
        self.heard.lock().unwrap().clone()
    }
}

async fn crm_loop(listener: TcpListener, script: Script, heard: Arc<Mutex<Vec<Message>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (script, heard) = (Arc::clone(&script), Arc::clone(&heard));
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Some(message) = read(&mut stream, &mut held, false).await {
                let answer = script(&message);
                heard.lock().unwrap().push(message);
                if answer.is_empty() || stream.write_all(&answer).await.is_err() {
                    // Silence: until the gateway gives up.
                    while more(&mut stream, &mut held).await.is_some() {}
                    return;
                }
            }
        });
    }
}

/// A client that writes what it likes.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    pub(super) held: Vec<u8>,
}

impl Client {
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    pub(super) async fn read(&mut self) -> Option<Message> {
        let reading = read(&mut self.stream, &mut self.held, false);
        tokio::time::timeout(LONG, reading).await.expect("an answer or an end in time")
    }

    pub(super) async fn read_head(&mut self) -> Option<Message> {
        let reading = read(&mut self.stream, &mut self.held, true);
        tokio::time::timeout(LONG, reading).await.expect("an answer or an end in time")
    }

    /// Waits until the gateway closes; whether it did so in time.
    pub(super) async fn closed(&mut self, within: Duration) -> bool {
        let end = async { while more(&mut self.stream, &mut self.held).await.is_some() {} };
        tokio::time::timeout(within, end).await.is_ok()
    }
}

/// An answer of JSON with a length.
pub(super) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}
