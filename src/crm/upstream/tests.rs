use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use tokio::net::TcpListener;
use wiremock::matchers::{any, header as has_header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{Ask, Upstream, UpstreamConfig};
use crate::crm::{Access, CrmError, Lane};

fn config(base: &str) -> UpstreamConfig {
    UpstreamConfig {
        token: Some("s3cret".to_owned().into()),
        requests_per_second: 0,
        ask_timeout: Duration::from_millis(300),
        forward_timeout: Duration::from_millis(300),
        ..UpstreamConfig::new(base.parse().unwrap())
    }
}

async fn before(answers: impl IntoIterator<Item = ResponseTemplate>) -> (MockServer, Upstream) {
    let server = MockServer::start().await;
    let answers: Vec<_> = answers.into_iter().collect();
    let last = answers.len() - 1;
    for (number, answer) in answers.into_iter().enumerate() {
        let mut mock = Mock::given(any()).respond_with(answer).with_priority(u8::try_from(number + 1).unwrap());
        if number < last {
            mock = mock.up_to_n_times(1);
        }
        mock.mount(&server).await;
    }
    let upstream = Upstream::new(config(&server.uri())).unwrap();
    (server, upstream)
}

async fn asked(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

fn delete() -> Request<Bytes> {
    Request::delete("/api/v4/customers/transactions/7").body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn our_own_token_goes_along_and_the_callers_headers_do_not() {
    let (server, upstream) = before(
        [].into_iter().chain([ResponseTemplate::new(200).set_body_raw("{\"price\":1.10}", "application/hal+json")]),
    )
    .await;
    let answer = upstream.ask(&Access::Own, Lane::Live, Ask::get("/api/v4/leads/1?with=contacts")).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"{\"price\":1.10}"[..]));
    let seen = &server.received_requests().await.unwrap()[0];
    assert_eq!(seen.headers.get("authorization").unwrap(), "Bearer s3cret");
    assert_eq!(seen.url.query(), Some("with=contacts"));
}

#[tokio::test]
async fn a_callers_identity_is_passed_on_and_nothing_else_of_him() {
    let (server, upstream) = before([ResponseTemplate::new(200)]).await;
    let mut headers = HeaderMap::new();
    for (name, value) in [("authorization", "Bearer his"), ("cookie", "a=b"), ("x-context-user-id", "71")] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("content-length", HeaderValue::from_static("99"));
    upstream.ask(&Access::Caller(headers), Lane::Live, Ask::get("/x")).await.unwrap();
    let seen = &server.received_requests().await.unwrap()[0];
    assert_eq!(seen.headers.get("authorization").unwrap(), "Bearer his");
    assert_eq!(seen.headers.get("cookie").unwrap(), "a=b");
    assert_eq!(seen.headers.get("x-context-user-id").unwrap(), "71");
    assert!(seen.headers.get("content-length").is_none());
}

#[tokio::test]
async fn without_a_token_of_its_own_nothing_is_asked() {
    let (server, _) = before([ResponseTemplate::new(200)]).await;
    let upstream = Upstream::new(UpstreamConfig { token: None, ..config(&server.uri()) }).unwrap();
    let error = upstream.ask(&Access::Own, Lane::Live, Ask::get("/x")).await.unwrap_err();
    assert!(matches!(error, CrmError::Permanent { status: None, .. }), "{error}");
    assert_eq!(asked(&server).await, 0);
}

#[tokio::test]
async fn a_read_is_repeated_after_5xx_and_a_write_is_not() {
    let (server, upstream) = before([ResponseTemplate::new(502), ResponseTemplate::new(200)]).await;
    assert_eq!(upstream.ask(&Access::Own, Lane::Live, Ask::get("/x")).await.unwrap().status, 200);
    assert_eq!(asked(&server).await, 2);

    let (server, upstream) = before([ResponseTemplate::new(504), ResponseTemplate::new(200)]).await;
    let error = upstream.ask(&Access::Own, Lane::Live, Ask::post("/x", &serde_json::json!([]))).await.unwrap_err();
    assert!(matches!(error, CrmError::Ambiguous { .. }), "{error}");
    assert_eq!(asked(&server).await, 1);
}

#[tokio::test]
async fn a_throttled_read_waits_as_long_as_it_is_told() {
    let told = ResponseTemplate::new(429).insert_header("retry-after", "1");
    let (server, upstream) = before([told, ResponseTemplate::new(200)]).await;
    let start = std::time::Instant::now();
    upstream.ask(&Access::Own, Lane::Live, Ask::get("/x")).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(asked(&server).await, 2);

    let (server, upstream) = before([ResponseTemplate::new(429).insert_header("retry-after", "120")]).await;
    let error = upstream.ask(&Access::Own, Lane::Live, Ask::get("/x")).await.unwrap_err();
    assert!(
        matches!(&error, CrmError::Transient { retry_after: Some(rest), .. } if rest.as_secs() == 120),
        "a caller cannot wait two minutes: {error}"
    );
    assert_eq!(asked(&server).await, 1);
}

#[tokio::test]
async fn a_blocked_account_is_left_alone_by_background_work_until_it_answers_again() {
    let page = "<html><head><title>403 Forbidden</title></head></html>";
    let block = ResponseTemplate::new(403).set_body_raw(page, "text/html; charset=utf-8");
    let (server, upstream) = before([block, ResponseTemplate::new(200)]).await;
    let error = upstream.ask(&Access::Own, Lane::Background, Ask::get("/x")).await.unwrap_err();
    assert!(error.to_string().contains("blocked the account"), "{error}");
    let error = upstream.ask(&Access::Own, Lane::Background, Ask::get("/x")).await.unwrap_err();
    assert!(error.to_string().contains("blocked the account"), "{error}");
    assert_eq!(asked(&server).await, 1, "the second call was not sent");
    assert!(upstream.blocked_for().is_some());
    upstream.ask(&Access::Own, Lane::Live, Ask::get("/x")).await.unwrap();
    assert_eq!(upstream.blocked_for(), None);
}

#[tokio::test]
async fn a_refusal_in_json_is_an_answer() {
    let refusal = ResponseTemplate::new(403).set_body_raw("{\"status\":403}", "application/problem+json");
    let (_server, upstream) = before([refusal]).await;
    assert_eq!(upstream.ask(&Access::Own, Lane::Live, Ask::get("/x")).await.unwrap().status, 403);
    assert_eq!(upstream.blocked_for(), None);
}

#[tokio::test]
async fn the_token_follows_no_redirect() {
    let away = ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:1/x");
    let (_server, upstream) = before([away]).await;
    let error = upstream.ask(&Access::Own, Lane::Live, Ask::get("/x")).await.unwrap_err();
    assert!(matches!(error, CrmError::Permanent { status: Some(302), .. }), "{error}");
}

#[tokio::test]
async fn refused_connections_are_certain_and_silence_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = Upstream::new(config(&format!("http://{address}"))).unwrap();
    drop(listener);
    let error = upstream.forward(Lane::Live, delete()).await.unwrap_err();
    assert!(matches!(error, CrmError::Transient { .. }), "nobody listened: {error}");

    let (server, upstream) = before([ResponseTemplate::new(204).set_delay(Duration::from_secs(5))]).await;
    let error = upstream.forward(Lane::Live, delete()).await.unwrap_err();
    assert!(matches!(error, CrmError::Ambiguous { .. }), "it was heard: {error}");
    assert_eq!(asked(&server).await, 1);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Upstream::new(config(&format!("http://{}", listener.local_addr().unwrap()))).unwrap();
    let cut = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut some = [0; 16];
        tokio::io::AsyncReadExt::read_exact(&mut socket, &mut some).await.unwrap();
    });
    let error = upstream.forward(Lane::Live, delete()).await.unwrap_err();
    assert!(matches!(error, CrmError::Ambiguous { .. }), "some of it was heard: {error}");
    cut.await.unwrap();
}

#[tokio::test]
async fn a_forwarded_request_keeps_its_bytes_and_gets_the_crms_host() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/ajax/leads/multiple/delete/"))
        .and(has_header("host", server.address().to_string().as_str()))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    let upstream = Upstream::new(config(&server.uri())).unwrap();
    let request = Request::post("/ajax/leads/multiple/delete/?a[]=1&&b")
        .header(header::HOST, "crm.example")
        .body(Bytes::from_static(b"ID[]=1&ID[]=2"))
        .unwrap();
    assert_eq!(upstream.forward(Lane::Live, request).await.unwrap().status, 200);
    let seen = &server.received_requests().await.unwrap()[0];
    assert_eq!(seen.body, b"ID[]=1&ID[]=2");
    assert_eq!(seen.headers.get("authorization"), None, "a caller's own request carries his identity, not ours");
}

#[test]
fn an_address_that_cannot_be_one_is_refused_in_words() {
    for (base, word) in [
        ("ftp://acme.amocrm.ru", "http or https"),
        ("/api", "scheme and host"),
        ("https://token@acme.amocrm.ru", "token_env"),
        ("https://acme.amocrm.ru/api/v4", "leave out"),
    ] {
        let error = super::origin(&base.parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains(word), "{base}: {error}");
    }
}
