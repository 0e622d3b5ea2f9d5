//! Requests that two servers may read differently, and those that nobody may send.

use std::time::Duration;

use super::world::{World, ok};

async fn world() -> World {
    World::new(|_| ok("{}")).await
}

#[tokio::test]
async fn framing_that_can_be_read_in_two_ways_is_refused() {
    let world = world().await;
    for framing in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 99999999999999999999",
        "Content-Length: ",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "content-length: 5\r\nX: y\r\ntransfer-encoding: CHUNKED",
        "X: y\r\n folded: z\r\nContent-Length: 5",
        " X: y\r\nContent-Length: 5",
        "X\0: y",
        "X: y\rContent-Length: 5",
    ] {
        let request = format!(
            "POST /api HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        let mut client = world.connect().await;
        client.write(request.as_bytes()).await;
        let told = client.read().await.unwrap_or_default();
        assert_eq!(told.status(), 400, "{framing:?}: {}", told.first);
        assert!(client.closed(Duration::from_secs(8)).await, "{framing:?}: the connection stays open");
        assert!(client.held.is_empty(), "{framing:?}: a second answer");
    }
    assert!(world.heard().is_empty(), "{:?}", world.heard());
}

#[tokio::test]
async fn chunks_that_are_no_chunks_are_a_bad_request() {
    let world = world().await;
    for chunks in
        ["zz\r\nab\r\n0\r\n\r\n", "5\r\nab\r\n0\r\n\r\n", "-1\r\n\r\n", "ffffffffffffffffff\r\n", "2\nab\n0\n\n"]
    {
        for path in ["/form", "/streamed"] {
            let request = format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
            let mut client = world.connect().await;
            client.write(request.as_bytes()).await;
            tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
            let told = client.read().await;
            // A sender that broke off cannot always be told.
            assert!(told.as_ref().is_none_or(|told| told.status() == 400), "{path} {chunks:?}: {told:?}");
        }
    }
    assert!(world.heard().is_empty(), "no body was whole, so none counts: {:?}", world.heard());
}

#[tokio::test]
async fn only_the_verbs_of_the_list_pass() {
    let world = world().await;
    for (verb, status) in [
        ("TRACE", 405),
        ("CONNECT", 400),
        ("delete", 501),
        ("Delete", 501),
        ("PURGE", 501),
        ("DELETE\t", 400),
        ("PROPFIND", 501),
    ] {
        let told = world.say(format!("{verb} /records/1 HTTP/1.1\r\nHost: a\r\n\r\n")).await.unwrap();
        // hyper itself refuses a path after CONNECT.
        assert!(told.status() == status || (verb == "CONNECT" && told.status() == 405), "{verb}: {}", told.first);
        if status == 405 {
            assert!(told.one("allow").unwrap().contains("DELETE"));
        }
    }
    assert!(world.heard().is_empty());
}

#[tokio::test]
async fn overrides_never_arrive() {
    let world = world().await;
    let headers = "X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\nX-HTTP-Method: DELETE\r\nX_HTTP_METHOD_OVERRIDE: DELETE";
    let told = world.say(format!("POST /streamed HTTP/1.1\r\nHost: a\r\n{headers}\r\nContent-Length: 0\r\n\r\n")).await;
    assert_eq!(told.unwrap().status(), 200);
    let heard = &world.heard()[0];
    assert!(heard.headers.iter().all(|(name, _)| !name.to_lowercase().contains("method")), "{heard:?}");
    for (target, kind, body) in [
        ("/form?_method=DELETE", "application/json", "{}"),
        ("/streamed?a=1&%5Fmethod=DELETE", "application/json", "{}"),
        ("/form", "application/x-www-form-urlencoded", "a=1&_method=DELETE"),
        ("/form", "application/x-www-form-urlencoded; charset=utf-8", "%5f%6dethod=DELETE"),
        (
            "/form",
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE",
        ),
    ] {
        let length = body.len();
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let told = world.say(request).await.unwrap();
        assert_eq!((told.status(), told.text().contains("verb_override")), (400, true), "{target} {body}");
    }
    assert_eq!(world.heard().len(), 1);
}

#[tokio::test]
async fn odd_paths_that_are_no_reads_are_refused_and_written_down() {
    let world = world().await;
    for path in [
        "/x/%2e%2e/records/1",
        "/x/../records/1",
        "/records/%31",
        "/records%2f1",
        "/records%5c1",
        "/records\\1",
        "/records/1;a",
        "/records/1%00",
        "/records/%2531",
        "/records/%",
        "/%D1%8E",
    ] {
        let told = world.say(format!("DELETE {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")).await.unwrap();
        assert_eq!(
            (told.status(), told.text().starts_with("fake says bad_path")),
            (400, true),
            "{path}: {}",
            told.text()
        );
    }
    assert!(world.heard().is_empty());
    assert_eq!(world.store.told(), vec!["refused bad_path"; 11]);
}

#[tokio::test]
async fn targets_hosts_and_expectations() {
    let world = world().await;
    for (request, status) in [
        ("GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET http://evil/x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nHost: x/y@z\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417),
        ("GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", 200),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ] {
        let told = world.say(request).await.unwrap_or_default();
        // hyper closes without a word on what is no HTTP/1.
        assert!(
            told.status() == status || (request.starts_with("PRI") && told.status() == 0),
            "{request:?}: {}",
            told.first
        );
    }
    assert!(world.heard().iter().all(|heard| heard.one("upgrade").is_none() && heard.one("connection").is_none()));
    assert!(world.heard().iter().all(|heard| heard.first == "GET /x HTTP/1.1"));
}

#[tokio::test]
async fn bytes_after_a_delete_without_a_length_never_become_a_request() {
    let world = world().await;
    let mut client = world.connect().await;
    client.write(b"DELETE /records/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let told = client.read().await.unwrap();
    assert_eq!((told.status(), told.one("connection")), (200, Some("close")));
    assert!(client.closed(Duration::from_secs(5)).await);
    assert!(client.held.is_empty());
    let heard: Vec<_> = world.heard().into_iter().map(|heard| heard.first).collect();
    assert_eq!(heard, ["DELETE /records/1 HTTP/1.1"]);
}

#[tokio::test]
async fn pipelined_reads_are_answered_in_order() {
    let world = World::new(|heard| ok(&heard.first)).await;
    let mut client = world.connect().await;
    let requests: Vec<_> = (0..20).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.write(requests.concat().as_bytes()).await;
    for number in 0..20 {
        assert_eq!(client.read().await.unwrap().text(), format!("GET /{number} HTTP/1.1"));
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_is_asked() {
    let world = world().await;
    let mut client = world.connect().await;
    client.write(b"POST /streamed HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
    let told = client.read_head().await.unwrap();
    assert_eq!(told.status(), 100);
    client.write(b"ab").await;
    assert_eq!(client.read().await.unwrap().status(), 200);
    assert_eq!(world.heard()[0].body, b"ab");
    assert_eq!(world.heard()[0].one("expect"), None);
}

#[tokio::test]
async fn a_refused_client_that_waits_is_not_asked_for_its_body() {
    let world = world().await;
    let mut client = world.connect().await;
    client.write(b"POST /refused HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9000000\r\n\r\n").await;
    assert_eq!(client.read().await.unwrap().status(), 403);
    assert!(client.closed(Duration::from_secs(5)).await);
}
