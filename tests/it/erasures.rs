//! P10: what is erased is unreadable at once, is not found, and is never restored.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{ADMIN, World};

const NAME: &str = "Erasmina Vanish";

async fn deleted(world: &World) -> (u64, u64) {
    let phone = json!([{"field_code": "PHONE", "values": [{"value": "+7 999 777-66-55", "enum_code": "WORK"}]}]);
    let contacts = json!([{"name": NAME, "custom_fields_values": phone}, {"name": "Boris Stays"}]);
    let ids = world.create("contacts", contacts).await;
    assert_eq!(world.delete("contacts", &ids).await.status(), StatusCode::OK);
    (ids[0], ids[1])
}

async fn privacy(world: &World) -> String {
    let new = json!({"role": "privacy", "person": "vera"});
    let (status, made) = world.console(Method::POST, "/api/v1/tokens", Some(new)).await;
    assert_eq!(status, StatusCode::CREATED);
    made["token"].as_str().expect("a secret").to_owned()
}

fn search(dir: &Path, words: &[&str], found: &mut Vec<String>) {
    for file in std::fs::read_dir(dir).expect("a directory").flatten() {
        if file.path().is_dir() {
            search(&file.path(), words, found);
        } else {
            let text = String::from_utf8_lossy(&std::fs::read(file.path()).expect("a file")).to_lowercase();
            found.extend(words.iter().filter(|word| text.contains(**word)).map(|_| file.path().display().to_string()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_erased_and_stays_erased() {
    let mut world = World::start().await;
    let (anna, boris) = deleted(&world).await;
    let record = format!("contacts/{anna}");
    // A plan that holds her values.
    let entry = world.bin("?q=vanish").await[0]["id"].as_str().expect("an id").to_owned();
    let (status, plan) = world.console(Method::POST, "/api/v1/restore-plans", Some(json!({"entries": [entry]}))).await;
    assert!(status.is_success(), "{plan}");
    let old = world.dir.path().join("old");
    let vera = privacy(&world).await;
    let what = ["erase", "--record", &record, "--connection", "acme", "--reason", "Art. 17, letter 12"];

    // An administrator does not erase; the dry run changes nothing; nobody to ask changes nothing.
    let (code, _, said) = world.told_as(ADMIN, &[&what[..], &["--yes"]].concat());
    assert!(code != 0 && said.contains("privacy"), "{said}");
    let (code, shown, _) = world.told_as(&vera, &[&what[..], &["--dry-run", "--json"]].concat());
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!((code, &shown["entries"][0], &shown["plans"][0]), (0, &json!(entry), &plan["id"]));
    assert_eq!(world.told_as(&vera, &what).0, 2);
    assert_eq!(world.bin("?q=vanish").await.len(), 1);
    let stale = json!({"entry": entry, "reason": "x", "digest": "00"});
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("{}/api/v1/erasures", world.console);
    let answer = http.post(&url).bearer_auth(&vera).json(&stale).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::CONFLICT);

    // The archive as it was, for an old backup.
    world.terminate();
    copy(&world.dir.path().join("data"), &old);
    world.start_again();
    let (code, act, said) = world.told_as(&vera, &[&what[..], &["--yes", "--json"]].concat());
    assert_eq!(code, 0, "{said}");
    let act: Value = serde_json::from_str(&act).expect("JSON");
    assert_eq!(
        (&act["who"], &act["where"], &act["why"]),
        (&json!("vera"), &json!("acme"), &json!("Art. 17, letter 12"))
    );
    assert!(act["when"].is_string() && act["how"].is_string());
    assert_eq!(act["what"]["entries"], json!([entry]));
    let events: Vec<&str> = act["log"].as_array().expect("a log").iter().filter_map(|e| e["event"].as_str()).collect();
    assert!(events.starts_with(&["captured", "forwarding", "settled"]) && events.ends_with(&["erased"]), "{events:?}");
    assert!(!act.to_string().contains("Erasmina"));

    for again in [false, true] {
        if again {
            world.kill_and_restart();
        }
        assert!(world.bin("?q=vanish").await.is_empty() && world.bin("?q=7776655").await.is_empty());
        assert_eq!(world.bin("?q=boris").await.len(), 1);
        let seen = world.see(&format!("/api/v1/entries/{entry}")).await;
        assert_eq!(seen["state"], "erased", "{seen}");
        assert!(!seen.to_string().contains("Erasmina"));
        let (status, told) =
            world.console(Method::POST, "/api/v1/restore-plans", Some(json!({"entries": [entry]}))).await;
        let steps = told["steps"].to_string();
        assert!(!status.is_success() || steps.contains("erased"), "{status} {told}");
        let path = format!("/api/v1/restore-plans/{}", plan["id"].as_str().expect("an id"));
        assert_eq!(world.console(Method::GET, &path, None).await.0, StatusCode::NOT_FOUND);
        assert!(!world.see("/api/v1/audit?limit=200").await.to_string().contains("Erasmina"));
        assert_eq!(world.see("/api/v1/erasures").await["erasures"][0]["why"], "Art. 17, letter 12");
    }
    assert_eq!(world.effects("created", "contacts").await.len(), 2, "nothing was made again");

    // An old backup of the journal and the index beside the key ring as it is: nothing of her comes back.
    world.terminate();
    let data = world.dir.path().join("data");
    for folder in ["journal", "index"] {
        std::fs::remove_dir_all(data.join(folder)).expect("removed");
        copy(&old.join(folder), &data.join(folder));
    }
    world.start_again();
    assert!(world.bin("?q=vanish").await.is_empty());
    assert_eq!(world.see(&format!("/api/v1/entries/{entry}")).await["state"], "erased");
    let kept = world.bin("?q=boris").await;
    assert_eq!(kept[0]["record_id"], json!(boris.to_string()), "{kept:?}");
    let mut found = Vec::new();
    search(&data, &["erasmina", "vanish", "7776655"], &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_and_a_record_are_needed() {
    let world = World::start().await;
    let (anna, _) = deleted(&world).await;
    let vera = privacy(&world).await;
    let record = format!("contacts/{anna}");
    let (code, _, said) = world.told_as(&vera, &["erase", "--record", &record, "--connection", "acme"]);
    assert!(code == 64 && said.contains("--reason"), "{said}");
    let blank = ["erase", "--record", &record, "--connection", "acme", "--reason", " ", "--yes"];
    assert_ne!(world.told_as(&vera, &blank).0, 0);
    let nobody = ["erase", "--record", "contacts/999999", "--connection", "acme", "--reason", "x", "--yes"];
    assert_eq!(world.told_as(&vera, &nobody).0, 64);
    assert_eq!(world.bin("?q=vanish").await.len(), 1);
    // In words, too.
    let told = world.told_as(&vera, &["erase", "--record", &record, "--connection", "acme", "--reason", "x", "-y"]);
    assert!(told.0 == 0 && told.1.contains("who    vera") && told.1.contains("captured"), "{told:?}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for file in std::fs::read_dir(from).expect("listed").flatten() {
        let target = to.join(file.file_name());
        if file.path().is_dir() {
            copy(&file.path(), &target);
        } else {
            std::fs::copy(file.path(), target).expect("copied");
        }
    }
}
