//! The same over a bucket: in memory, and over HTTP with the real client.

use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{ObjectStore as _, ObjectStoreExt as _};

use super::server::{KEY_ID, SECRET, Server};
use super::{Stage, all, deleted, drill, erase, repair, restore, snapshot, titles};
use crate::archive::backup::{ERASURES, Objects, Place, RING, is_place};
use crate::archive::{Archive as _, ArchiveError};

fn below(store: &Arc<InMemory>, prefix: &str) -> Objects {
    let store: Arc<InMemory> = Arc::clone(store);
    Objects::new(store, Key::parse(prefix).expect("a prefix"), format!("memory/{prefix}")).expect("a client")
}

async fn whole_story(place: &dyn Place) {
    let stage = Stage::new();
    deleted(stage.store(), 1, vec![snapshot(1, "Anna"), snapshot(2, "Boris")]).await;
    let first = stage.back_up_to(place, 1).expect("a backup");
    assert_eq!((first.segments, first.copied), (1, 1));
    let again = stage.back_up_to(place, 1).expect("another in the same second");
    assert_eq!((again.copied, again.bytes), (0, 0), "nothing happened since");
    assert!(again.manifest > first.manifest, "{} and {}", again.manifest, first.manifest);
    deleted(stage.store(), 2, vec![snapshot(3, "Clara")]).await;
    let rings = RING.map(|name| place.get(name).expect("read").expect("a ring"));
    erase(stage.store(), 1).await.expect("erased");
    let last = stage.back_up_to(place, 3).expect("a backup");
    assert_eq!((last.copied, last.erasures > 0), (1, true));

    let (restored, report) =
        drill(place, None, &stage.options("data"), stage.dir.path().join("drill")).await.expect("a drill");
    assert_eq!((restored.manifest, report.damage), (last.manifest, vec![]));
    restore(place, None, &stage.options("newest"), false).expect("restored");
    assert_eq!(titles(&stage.open("newest"), &all()).await, ["Clara", "Boris"]);

    // The ring of the old backup put back: the list alone keeps it erased.
    for (name, ring) in RING.iter().zip(&rings) {
        place.put(name, ring).expect("written");
    }
    restore(place, Some(&first.manifest), &stage.options("older"), false).expect("restored");
    let older = stage.open("older");
    assert!(older.get(&snapshot(1, "Anna").id()).await.is_err(), "erased");
    assert_eq!(older.get(&snapshot(2, "Boris").id()).await.expect("kept"), snapshot(2, "Boris"));
    drop(older);
    let absent = restore(place, Some("manifest-none.json"), &stage.options("none"), false);
    assert!(matches!(absent, Err(ArchiveError::Backup(_))), "{absent:?}");
    // Another archive's backups do not mix with these.
    let other = Stage::new();
    assert!(matches!(other.back_up_to(place, 4), Err(ArchiveError::Invalid(_))));
}

#[tokio::test]
async fn a_bucket_in_memory_keeps_what_a_folder_keeps() {
    let store = Arc::new(InMemory::new());
    whole_story(&below(&store, "")).await;
    // Another prefix of the same bucket is another place.
    whole_story(&below(&store, "deep/er")).await;
    let objects = store.list_with_delimiter(None).await.expect("listed").objects;
    assert!(objects.iter().any(|object| object.location.as_ref() == ERASURES));
}

#[tokio::test]
async fn without_the_list_and_with_damage_a_bucket_is_refused() {
    let store = Arc::new(InMemory::new());
    let (stage, place) = (Stage::new(), below(&store, "p"));
    deleted(stage.store(), 1, vec![snapshot(1, "Anna")]).await;
    stage.back_up_to(&place, 1).expect("a backup");
    let list = Key::parse(format!("p/{ERASURES}")).expect("a key");
    store.delete(&list).await.expect("gone");
    let refused = restore(&place, None, &stage.options("a"), false);
    assert!(
        matches!(&refused, Err(ArchiveError::Invalid(why)) if why.contains("--accept-lost-erasures")),
        "{refused:?}"
    );
    restore(&place, None, &stage.options("a"), true).expect("restored");
    let pieces = store.list_with_delimiter(Some(&Key::parse("p/segments").expect("a key"))).await.expect("listed");
    let piece = &pieces.objects[0].location;
    let mut bytes = store.get(piece).await.expect("there").bytes().await.expect("read").to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    store.put(piece, bytes.into()).await.expect("written");
    let damaged = restore(&place, None, &stage.options("b"), true);
    assert!(matches!(damaged, Err(ArchiveError::Damaged { .. })), "{damaged:?}");
    assert!(!stage.dir.path().join("b/journal").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_client_speaks_to_a_bucket_over_http() {
    let server = Server::start().await;
    let place = server.place("s3://bucket/of/acme/");
    whole_story(&place).await;
    assert!(server.keys().iter().all(|key| key.starts_with("of/acme/")), "{:?}", server.keys());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_that_fails_leaves_the_former_backup_whole_and_the_next_create_finishes() {
    let server = Server::start().await;
    let place = server.place("s3://bucket");
    let mut stage = Stage::new();
    deleted(stage.store(), 1, vec![snapshot(1, "A")]).await;
    let mut former = stage.back_up_to(&place, 1).expect("a backup");
    // A piece, two rings, the list, the manifest.
    for fails in 0..5_u64 {
        deleted(stage.store(), u128::from(2 + fails), vec![snapshot(u128::from(2 + fails), "more")]).await;
        server.refuse_put(usize::try_from(fails).expect("small"));
        let failed = stage.back_up_to(&place, 10 + 2 * i64::try_from(fails).expect("small"));
        assert!(matches!(failed, Err(ArchiveError::Backup(_))), "put {fails}: {failed:?}");
        let name = format!("former-{fails}");
        let restored = restore(&place, None, &stage.options(&name), false).expect("the former one is whole");
        assert_eq!(restored.manifest, former.manifest, "put {fails}");
        assert_eq!(titles(&stage.open(&name), &all()).await.len() as u64, 1 + fails);
        former = stage.back_up_to(&place, 11 + 2 * i64::try_from(fails).expect("small")).expect("the next finishes");
        assert_eq!(former.copied, u64::from(fails == 0), "put {fails}: what was copied is not copied again");
    }
    drop(stage.store.take());
    assert_eq!(repair(Some(&place), &stage.options("data")).expect("repaired"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_names_neither_the_keys_nor_what_the_store_says_of_them() {
    let server = Server::start().await;
    let stage = Stage::new();
    let stranger = server.place_of("s3://bucket", "AKSTRANGER9", "canary-secret-9");
    let refused = stage.back_up_to(&stranger, 1).expect_err("the store refuses").to_string();
    assert!(refused.contains("refuses the credentials"), "{refused}");
    let nowhere = server.place("s3://absent");
    let absent = stage.back_up_to(&nowhere, 1).expect_err("no such bucket").to_string();
    assert!(absent.contains("no such bucket"), "{absent}");
    let shown = format!("{refused} {absent} {stranger:?} {nowhere:?}");
    for secret in ["AKSTRANGER9", "canary-secret-9", KEY_ID, SECRET, "StringToSign"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn an_address_is_a_folder_or_a_bucket() {
    for good in ["", "backups", "/mnt/backups", "s3://bucket", "s3://bucket/", "s3://bucket/a/b/"] {
        assert!(is_place(good).is_ok(), "{good}");
    }
    for bad in
        ["s3://", "s3:///a", "gs://bucket", "https://bucket", "s3://user:secret@host/x", "s3://b/a//b", "s3://b/.."]
    {
        assert!(is_place(bad).is_err(), "{bad}");
    }
}
