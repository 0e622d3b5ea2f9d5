//! HTTP as bytes on a socket: a CRM that answers what it was told to, and a client that sends what it likes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than any exchange here takes.
const LONG: Duration = Duration::from_secs(30);

/// A request or an answer as it came.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub first: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    /// The head of a message; its body is left out.
    pub fn parsed(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        let pair = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Self { first, headers: lines.filter_map(pair).collect(), body: Vec::new() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }
}

/// A CRM of bare sockets. It answers the request with `X-Exchange: N` with the bytes under `N`, else 204.
pub struct Raw {
    pub url: String,
    pub heard: Arc<Mutex<Vec<Message>>>,
    pub answers: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

impl Raw {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let raw = Self { url, heard: Arc::default(), answers: Arc::default() };
        let (heard, answers) = (raw.heard.clone(), raw.answers.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (heard, answers) = (heard.clone(), answers.clone());
                tokio::spawn(async move {
                    let mut kept = Vec::new();
                    while let Some(message) = read(&mut stream, &mut kept).await {
                        let exchange = message.header("x-exchange").unwrap_or_default().to_owned();
                        heard.lock().expect("not poisoned").push(message);
                        let answer = answers.lock().expect("not poisoned").get(&exchange).cloned();
                        let answer = answer.unwrap_or_else(|| b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
                        if stream.write_all(&answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        raw
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// What is answered to an exchange: head without framing, body.
    pub fn answers_with(&self, exchange: &str, head: &str, body: &[u8]) {
        let mut bytes = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        self.answers.lock().expect("not poisoned").insert(exchange.to_owned(), bytes);
    }

    /// The request of an exchange, if it came, and only once.
    pub fn heard_of(&self, exchange: &str) -> Option<Message> {
        let heard = self.heard.lock().expect("not poisoned");
        let mut of: Vec<&Message> =
            heard.iter().filter(|message| message.header("x-exchange") == Some(exchange)).collect();
        assert!(of.len() <= 1, "exchange {exchange} came {} times", of.len());
        of.pop().cloned()
    }
}

/// Sends bytes on a connection of their own and reads one answer.
pub async fn exchange(address: &str, request: &[u8]) -> Message {
    let work = async {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(request).await.expect("it reads");
        read(&mut stream, &mut Vec::new()).await.expect("an answer")
    };
    tokio::time::timeout(LONG, work).await.expect("an answer in time")
}

/// One message in time; `None` when the other side is done.
pub async fn read_from(stream: &mut (impl AsyncRead + Unpin), kept: &mut Vec<u8>) -> Option<Message> {
    tokio::time::timeout(LONG, read(stream, kept)).await.expect("an answer or an end in time")
}

/// A client on one connection.
pub struct Client {
    pub stream: TcpStream,
    pub kept: Vec<u8>,
}

impl Client {
    pub async fn connect(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("it listens"), kept: Vec::new() }
    }

    /// Sends bytes; whether they went out.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// The next answer; `None` if the connection ends first.
    pub async fn answer(&mut self) -> Option<Message> {
        tokio::time::timeout(LONG, read(&mut self.stream, &mut self.kept)).await.expect("an answer or an end in time")
    }

    /// Whether the other side ends the connection in this time; what it still says is kept.
    pub async fn ends_within(&mut self, patience: Duration) -> bool {
        let reading = async { while more(&mut self.stream, &mut self.kept).await.is_some() {} };
        tokio::time::timeout(patience, reading).await.is_ok()
    }
}

/// The head of a message, taken from what was kept; `None` when the other side is done.
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin), kept: &mut Vec<u8>) -> Option<Message> {
    loop {
        if let Some(end) = kept.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let message = Message::parsed(&kept[..end + 4]);
            kept.drain(..end + 4);
            return Some(message);
        }
        more(stream, kept).await?;
    }
}

/// One message; `None` when the other side is done. Without framing it has no body.
pub async fn read(stream: &mut (impl AsyncRead + Unpin), kept: &mut Vec<u8>) -> Option<Message> {
    let mut message = read_head(stream, kept).await?;
    if message.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        loop {
            let size = loop {
                if let Some(end) = kept.windows(2).position(|bytes| bytes == b"\r\n") {
                    let line = String::from_utf8_lossy(&kept[..end]).into_owned();
                    kept.drain(..end + 2);
                    break usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
                }
                more(stream, kept).await?;
            };
            while kept.len() < size + 2 {
                more(stream, kept).await?;
            }
            message.body.extend(kept.drain(..size));
            kept.drain(..2);
            if size == 0 {
                return Some(message);
            }
        }
    }
    let length: usize = message.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while kept.len() < length {
        more(stream, kept).await?;
    }
    message.body = kept.drain(..length).collect();
    Some(message)
}

async fn more(stream: &mut (impl AsyncRead + Unpin), kept: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(kept).await.ok()?;
    (read > 0).then_some(())
}
