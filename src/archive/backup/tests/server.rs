//! As much of S3 as a backup needs, on loopback: PUT, GET, HEAD and ListObjectsV2 with one key on each page. It looks at
//! who signed and whether the body is the one that was signed, not at the signature.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{Method, StatusCode};

use crate::archive::backup::Objects;

pub(super) const KEY_ID: &str = "AKOFTHETEST";
pub(super) const SECRET: &str = "secret-of-the-test";

#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Vec<u8>>,
    /// Puts until one is refused.
    refuse: Option<usize>,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Bucket>>);

pub(super) struct Server {
    shared: Shared,
    address: String,
}

impl Server {
    pub(super) async fn start() -> Self {
        let shared = Shared(Arc::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let router = Router::new().fallback(answer).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { shared, address }
    }

    pub(super) fn place(&self, to: &str) -> Objects {
        self.place_of(to, KEY_ID, SECRET)
    }

    pub(super) fn place_of(&self, to: &str, id: &str, secret: &str) -> Objects {
        let variables = [
            ("AWS_ACCESS_KEY_ID", id),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_ENDPOINT", &self.address),
            ("AWS_REGION", "eu-test-1"),
            ("AWS_ALLOW_HTTP", "true"),
            ("PATH", "/bin"),
        ];
        Objects::s3(to, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
            .expect("a client")
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.shared.lock().objects.keys().cloned().collect()
    }

    /// The put after as many more is refused, once.
    pub(super) fn refuse_put(&self, after: usize) {
        self.shared.lock().refuse = Some(after);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Bucket> {
        self.0.lock().expect("no test panics while it holds it")
    }
}

fn said(status: StatusCode, body: impl Into<Body>) -> Response {
    Response::builder().status(status).body(body.into()).expect("an answer")
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 27).await.expect("a body").to_vec();
    let text = |name: &str| head.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
    let signed = format!("AWS4-HMAC-SHA256 Credential={KEY_ID}/");
    let by_us = text("authorization").is_some_and(|by| by.starts_with(&signed) && by.contains("/eu-test-1/s3/"));
    let digest = ring::digest::digest(&ring::digest::SHA256, &body);
    let hex = digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("into a text");
        hex
    });
    if !by_us || text("x-amz-content-sha256") != Some(hex) {
        let who = text("authorization").unwrap_or_default();
        let body = format!("<Error><Code>SignatureDoesNotMatch</Code><StringToSign>{who}</StringToSign></Error>");
        return said(StatusCode::FORBIDDEN, body);
    }
    let path = head.uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    if bucket != "bucket" {
        return said(StatusCode::NOT_FOUND, "<Error><Code>NoSuchBucket</Code></Error>");
    }
    let mut held = shared.lock();
    match head.method {
        Method::PUT => {
            let left = held.refuse;
            held.refuse = left.and_then(|left| left.checked_sub(1));
            if left == Some(0) {
                return said(StatusCode::FORBIDDEN, "<Error><Code>AccessDenied</Code></Error>");
            }
            held.objects.insert(key.to_owned(), body);
            Response::builder().header("etag", "\"1\"").body(Body::empty()).expect("an answer")
        }
        Method::GET if key.is_empty() => said(StatusCode::OK, page(&held, head.uri.query().unwrap_or_default())),
        Method::GET | Method::HEAD => match held.objects.get(key) {
            Some(bytes) => Response::builder()
                .header("etag", "\"1\"")
                .header("last-modified", "Tue, 24 Nov 2026 10:00:00 GMT")
                .header("content-length", bytes.len())
                .body(if head.method == Method::GET { Body::from(bytes.clone()) } else { Body::empty() })
                .expect("an answer"),
            None => said(StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>"),
        },
        _ => said(StatusCode::METHOD_NOT_ALLOWED, ""),
    }
}

fn page(held: &Bucket, query: &str) -> String {
    let query: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(query.get("list-type").map(String::as_str), Some("2"));
    assert_eq!(query.get("delimiter").map(String::as_str), Some("/"));
    let prefix = query.get("prefix").cloned().unwrap_or_default();
    let below = held.objects.iter().filter_map(|(key, bytes)| Some((key, key.strip_prefix(&prefix)?, bytes)));
    let direct: Vec<_> = below.filter(|(_, rest, _)| !rest.contains('/')).collect();
    let at: usize = query.get("continuation-token").map_or(0, |token| token.parse().expect("ours"));
    let mut xml = "<ListBucketResult>".to_owned();
    if let Some((key, _, bytes)) = direct.get(at) {
        let size = bytes.len();
        write!(
            xml,
            "<Contents><Key>{key}</Key><Size>{size}</Size><LastModified>2026-11-24T10:00:00.000Z</LastModified></Contents>"
        )
        .expect("into a text");
    }
    if at + 1 < direct.len() {
        write!(xml, "<NextContinuationToken>{}</NextContinuationToken>", at + 1).expect("into a text");
    }
    xml + "</ListBucketResult>"
}
