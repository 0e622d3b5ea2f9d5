//! What destroys something goes through the engine, and is told how it can be taken back.

use std::time::Duration;

use super::world::{LONG, World, ok};

#[tokio::test]
async fn a_delete_is_carried_out_and_can_be_undone() {
    let world =
        World::new(|_| b"HTTP/1.1 204 No Content\r\nX-Crm: 1\r\nConnection: x-own\r\nX-Own: 2\r\n\r\n".to_vec()).await;
    let told = world.say("DELETE /records/1?a[]=b HTTP/1.1\r\nHost: a\r\nAuthorization: mine\r\nAccept-Encoding: gzip\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert_eq!((told.status(), told.one("x-crm"), told.one("x-own")), (204, Some("1"), None));
    let operation = told.one("undo-id").expect("an operation").to_owned();
    assert!(told.one("undo-until").unwrap().ends_with('Z'));
    assert_eq!(told.one("link").unwrap(), format!("</api/v1/operations/{operation}/undo>; rel=\"undo\""));
    let heard = world.heard();
    assert_eq!(heard[0].first, "DELETE /records/1?a[]=b HTTP/1.1");
    assert_eq!((heard[0].one("authorization"), heard[0].one("accept-encoding")), (Some("mine"), None));
    assert_eq!(world.store.told()[..2], ["Captured", "Forwarding"]);
}

#[tokio::test]
async fn a_body_decides_and_what_it_does_not_decide_is_refused() {
    let world = World::new(|_| ok("{}")).await;
    let post = |path: &str, more: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\n{more}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let told = world.say(post("/form", "", "delete=1")).await.unwrap();
    assert!(told.one("undo-id").is_some());
    assert_eq!(world.heard()[0].body, b"delete=1");
    let told = world.say(post("/form", "", "change=1")).await.unwrap();
    assert_eq!((told.status(), told.one("undo-id")), (200, None));
    assert_eq!(world.heard().len(), 2);
    for (request, status, code) in [
        (post("/form", "", "garbage"), 400, "unreadable_delete"),
        (post("/form", "", &"x".repeat(1001)), 413, "body_too_large"),
        (post("/form", "", &"x".repeat(3 << 20)), 413, "body_too_large"),
        (post("/form", "Content-Encoding: gzip\r\n", "delete=1"), 415, "coded_body"),
        (post("/refused", "", "x"), 403, "not_understood"),
    ] {
        let told = world.say(&request).await.unwrap();
        assert_eq!(told.status(), status, "{code}");
        assert!(told.text().starts_with(&format!("fake says {code}")), "{}", told.text());
        assert!(world.store.told().contains(&format!("refused {code}")), "{code} is in the audit log");
    }
    assert_eq!(world.heard().len(), 2, "nothing else was forwarded");
    let chunked = format!(
        "POST /form HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        1001,
        "x".repeat(1001)
    );
    assert_eq!(world.say(chunked).await.unwrap().status(), 413);
}

#[tokio::test]
async fn an_unknown_outcome_is_called_that() {
    let world = World::new(|_| vec![]).await;
    let told = world.say("DELETE /records/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert_eq!(told.status(), 504);
    let operation = told.one("undo-id").expect("an operation");
    assert!(told.text().contains("outcome_unknown") && told.text().contains("snapshot is safe"), "{}", told.text());
    assert!(told.text().contains(operation));
}

#[tokio::test]
async fn a_client_that_leaves_cuts_nothing() {
    let world = World::new(|_| b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
    for id in 0..20 {
        let mut client = world.connect().await;
        client.write(format!("DELETE /records/{id} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").as_bytes()).await;
        let deadline = tokio::time::Instant::now() + LONG;
        // It leaves as soon as its snapshot is there.
        while world.store.told().iter().filter(|name| *name == "Captured").count() <= id {
            assert!(tokio::time::Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(client);
    }
    let deadline = tokio::time::Instant::now() + LONG;
    while world.store.told().iter().filter(|name| *name == "Settled").count() < 20 {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", world.store.told());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(world.heard().len(), 20);
}
