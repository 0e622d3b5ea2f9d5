//! What the console answers while the archive is being opened: that the process lives, and that it is not ready. An
//! index that has to be made anew takes its time, and whoever watches the process should not take it for dead.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, HeaderValue, RETRY_AFTER};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::problem::Problem;

/// For the head of a request. Each connection asks once.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers until it is dropped; the listener stays open and can then be served.
pub async fn opening(listener: &TcpListener) -> Infallible {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let asked = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .keep_alive(false)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&request)))),
            );
        tokio::spawn(async move {
            // Clients that vanish are no news.
            let _ = asked.await;
        });
    }
}

fn answer(request: &Request<Incoming>) -> Response {
    let mut response = match request.uri().path() {
        "/healthz" => "ok\n".into_response(),
        _ => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "the archive is being opened")
            .hint("wait; a large index that has to be made anew takes minutes")
            .into_response(),
    };
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(listener: &TcpListener, path: &str) -> String {
        let address = listener.local_addr().expect("an address");
        let talk = async {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.expect("sent");
            let mut said = String::new();
            stream.read_to_string(&mut said).await.expect("an answer, and the end of it");
            said
        };
        tokio::select! {
            said = talk => said,
            never = opening(listener) => match never {},
        }
    }

    #[tokio::test]
    async fn a_process_that_opens_its_archive_lives_and_is_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        assert!(ask(&listener, "/healthz").await.starts_with("HTTP/1.1 200"));
        for path in ["/readyz", "/api/v1/entries"] {
            let said = ask(&listener, path).await;
            assert!(said.starts_with("HTTP/1.1 503"), "{said}");
            assert!(said.contains("not_ready") && said.contains("retry-after"), "{said}");
        }
    }
}
