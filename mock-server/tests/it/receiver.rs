//! Somebody who listens to webhooks, and answers as badly as a test wants.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One delivery as it was heard: decoded pairs.
pub type Heard = BTreeMap<String, String>;

pub struct Receiver {
    pub url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Answers the n-th delivery, from 0, with `status(n)` after `delay`.
    pub async fn start(status: impl Fn(usize) -> u16 + Send + Sync + 'static, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port 0 is free");
        let url = format!("http://{}/hooks", listener.local_addr().expect("it is bound"));
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (rows, status) = (Arc::clone(&heard), Arc::new(status));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (rows, status) = (Arc::clone(&rows), Arc::clone(&status));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (rows, status) = (Arc::clone(&rows), Arc::clone(&status));
                    async move {
                        let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
                        let pairs = form_urlencoded::parse(&body.unwrap_or_default()).into_owned().collect();
                        let index = {
                            let mut rows = rows.lock().expect("no test panics in here");
                            rows.push(pairs);
                            rows.len() - 1
                        };
                        tokio::time::sleep(delay).await;
                        let mut response = Response::new(Full::new(Bytes::new()));
                        *response.status_mut() = StatusCode::from_u16(status(index)).expect("a status");
                        Ok::<_, Infallible>(response)
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { url, heard, task }
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no test panics in here").clone()
    }

    /// Waits for so many deliveries and gives all that have come.
    pub async fn wait_for(&self, count: usize) -> Vec<Heard> {
        let started = Instant::now();
        while self.heard().len() < count {
            assert!(started.elapsed() < Duration::from_secs(20), "only {} of {count} came", self.heard().len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.heard()
    }
}
