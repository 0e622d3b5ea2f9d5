//! P9 and backups with the real program: heads go out, changes are found, what is lost comes back.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Setup, World};

fn said(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Answers 500 so many times, then 200; what was posted.
fn listener(failures: usize) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/anchors", listener.local_addr().expect("an address"));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for (turn, stream) in listener.incoming().enumerate() {
            let mut stream = stream.expect("a connection");
            let mut text = String::new();
            let mut part = [0; 4096];
            while !text.ends_with('}') {
                let read = stream.read(&mut part).expect("a request");
                text.push_str(&String::from_utf8_lossy(&part[..read]));
            }
            let status = if turn < failures { "500 No" } else { "200 OK" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = tell.send(text);
        }
    });
    (url, told)
}

/// The address fails three times, so the next try is due 4 s later. The shutdown does not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_waits_is_tried_once_more_at_the_end() {
    let (url, told) = listener(3);
    let config = format!("[audit]\nanchor_url = {url:?}\n");
    let mut world = World::with(Setup { config, ..Setup::default() }).await;
    // A head is due after a thousand events; refusals are the cheapest.
    let refused = async || world.through(Method::DELETE, "/api/v4/unheard/5").send().await.expect("an answer");
    for _ in 0..25 {
        futures::future::join_all((0..44).map(|_| refused())).await;
    }
    let told = tokio::task::spawn_blocking(move || {
        for _ in 0..3 {
            told.recv_timeout(Duration::from_secs(30)).expect("a head comes");
        }
        told
    });
    let told = told.await.expect("no panic");
    let (status, took) = tokio::task::block_in_place(|| world.terminate());
    assert!(status.success() && took < Duration::from_secs(3), "{status}, {took:?}");
    assert!(told.try_recv().is_ok(), "it was tried once more");
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_go_out_and_a_cut_or_a_change_is_found() {
    let outside = tempfile::tempdir().expect("a directory");
    let file = outside.path().join("anchors");
    let (url, told) = listener(1);
    let config = format!("[audit]\nanchor_file = {:?}\nanchor_url = {url:?}\n", file.display().to_string());
    let mut world = World::with(Setup { config, ..Setup::default() }).await;
    let before = tempfile::tempdir().expect("a directory");
    let contact = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    assert!(world.delete("contacts", &[contact]).await.status().is_success());
    let verified = world.cli(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", said(&verified));
    let listed = world.cli(&["audit", "ls"]);
    assert!(said(&listed).contains("captured"), "{}", said(&listed));
    let exported = world.cli(&["audit", "export"]);
    assert!(!said(&exported).contains("Anna"), "events hold no names");
    assert!(world.terminate().0.success());
    // The archive as it was, to be put back later.
    let segment = "data/journal/journal-00000001.seg";
    std::fs::copy(world.dir.path().join(segment), before.path().join("segment")).expect("copied");
    world.start_again();
    let other = world.create("contacts", json!([{"name": "Boris"}])).await[0];
    assert!(world.delete("contacts", &[other]).await.status().is_success());
    assert!(world.terminate().0.success());
    let lines = std::fs::read_to_string(&file).expect("anchors");
    assert!(lines.lines().count() >= 2 && !lines.contains("Anna"), "{lines}");
    let posted: Vec<String> = told.try_iter().collect();
    assert!(posted.iter().any(|text| text.contains("\"signature\"")), "{posted:?}");
    let anchors = file.to_str().expect("text");
    let offline = ["audit", "verify", "--offline", "--config", "crm-undo.toml", "--anchors", anchors];
    let whole = world.cli(&offline);
    assert!(whole.status.success() && said(&whole).contains("nothing was changed"), "{}", said(&whole));
    // The older state has everything in order but its end.
    std::fs::copy(before.path().join("segment"), world.dir.path().join(segment)).expect("put back");
    let cut = world.cli(&offline);
    assert!(!cut.status.success() && said(&cut).contains("it was cut"), "{}", said(&cut));
    assert!(world.cli(&offline[..5]).status.success(), "without anchors nobody could tell");
    world.start_again();
    let online = world.cli(&["audit", "verify", "--anchors", anchors]);
    assert!(!online.status.success() && said(&online).contains("it was cut"), "{}", said(&online));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_disk_comes_back_from_a_backup() {
    let outside = tempfile::tempdir().expect("a directory");
    let place = outside.path().join("backups");
    let config = format!("[backup]\nto = {:?}\n", place.display().to_string());
    let mut world = World::with(Setup { config, ..Setup::default() }).await;
    let contact = world.create("contacts", json!([{"name": "Anna Serova"}])).await[0];
    assert!(world.delete("contacts", &[contact]).await.status().is_success());
    let made = world.cli(&["backup", "create"]);
    assert!(made.status.success() && said(&made).contains("key is NOT in the backup"), "{}", said(&made));
    let verify = ["backup", "verify", "--config", "crm-undo.toml"];
    let verified = world.cli(&verify);
    assert!(verified.status.success() && said(&verified).contains("all whole"), "{}", said(&verified));
    assert!(world.terminate().0.success());
    let data = world.dir.path().join("data");
    for lost in ["journal", "keys", "index"] {
        std::fs::remove_dir_all(data.join(lost)).expect("lost");
    }
    // The key is kept elsewhere: without it nothing comes back.
    std::fs::rename(data.join("archive.key"), outside.path().join("archive.key")).expect("moved");
    let restore = ["backup", "restore", "--config", "crm-undo.toml"];
    let refused = world.cli(&restore);
    assert!(!refused.status.success() && said(&refused).contains("missing"), "{}", said(&refused));
    std::fs::rename(outside.path().join("archive.key"), data.join("archive.key")).expect("moved");
    let restored = world.cli(&restore);
    assert!(restored.status.success(), "{}", said(&restored));
    world.start_again();
    let entries = world.bin("").await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    let operation = entries[0]["operation"].as_str().expect("an operation").to_owned();
    assert_eq!(world.undo(&operation).await["state"], "done");
    assert!(!world.cli(&restore).status.success(), "not over an archive");
    // A request never says where a backup goes; without a place in the configuration there is none.
    let plain = World::start().await;
    let (status, body) = plain.console(Method::POST, "/api/v1/backups", None).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::CONFLICT, Some("no_backup_place")));
}
