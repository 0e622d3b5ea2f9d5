//! Seven in any second, then HTML 429, then HTML 403 for everybody.

use std::time::{Duration, Instant};

use mock_server::Options;
use serde_json::{Value, json};

use crate::crm::Crm;

const PAGE_403: &str = "<html><head><title>403 Forbidden</title></head><body><center><h1>403 Forbidden</h1></center><hr><center>nginx</center></body></html>";

async fn limited(per_integration: u32, per_account: u32) -> Crm {
    let tokens = ["one", "two"].map(|name| (name.to_owned(), format!("{name}-token"))).to_vec();
    Crm::with(Options {
        tokens,
        requests_per_second: per_integration,
        account_requests_per_second: per_account,
        ..Options::default()
    })
    .await
}

async fn ask(crm: &Crm, token: &str) -> crate::crm::Reply {
    let bearer = format!("Bearer {token}");
    crm.send("GET", "/api/v4/account", &[("authorization", bearer.as_str())], "").await
}

#[tokio::test]
async fn any_second_holds_seven() {
    let crm = limited(7, 50).await;
    let started = Instant::now();
    let mut good = 0;
    while started.elapsed() < Duration::from_millis(2600) {
        let reply = ask(&crm, "one-token").await;
        match reply.status {
            200 => good += 1,
            _ => assert_eq!((reply.status, reply.content_type.as_str()), (429, "text/html")),
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(good >= 14, "only {good} were let through");
    let heard = crm.mock("GET", "requests?since=0", Value::Null).await;
    let times: Vec<i64> = heard["requests"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["status"] == 200)
        .map(|row| row["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_microsecond())
        .collect();
    for eight in times.windows(8) {
        // The ledger writes the time down a moment after the window did; a busy machine makes it a long one.
        assert!(eight[7] - eight[0] > 950_000, "eight within {} µs", eight[7] - eight[0]);
    }
    assert_eq!(ask(&crm, "two-token").await.status, 200, "another integration has a budget of its own");
}

#[tokio::test]
async fn who_does_not_listen_blocks_the_account() {
    let crm = limited(1, 50).await;
    crm.switch("block_after_overruns", json!(5)).await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(ask(&crm, "one-token").await.status);
    }
    assert_eq!(statuses, [200, 429, 429, 429, 429, 429, 403, 403]);
    let other = ask(&crm, "two-token").await;
    assert_eq!((other.status, other.content_type.as_str(), other.text.as_str()), (403, "text/html", PAGE_403));
    crm.mock("POST", "limits", json!({"requests_per_second": 0})).await;
    assert_eq!(ask(&crm, "two-token").await.status, 200);
}

#[tokio::test]
async fn the_account_has_a_limit_too_and_control_calls_have_none() {
    let crm = limited(0, 3).await;
    for token in ["one-token", "two-token", "one-token"] {
        assert_eq!(ask(&crm, token).await.status, 200);
    }
    assert_eq!(ask(&crm, "two-token").await.status, 429);
    for _ in 0..20 {
        crm.mock("GET", "state", Value::Null).await;
    }
    let heard = crm.mock("GET", "requests?since=0", Value::Null).await;
    assert_eq!(heard["requests"].as_array().map(Vec::len), Some(4));
    assert_eq!(heard["requests"][1]["integration"], "two");
}
