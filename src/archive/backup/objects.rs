//! A bucket as the place of backups. An object is there whole or not at all, and durable once the store says that it has it.

use std::fmt;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::{Arc, mpsc};

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path as Key;
use object_store::{ClientConfigKey, Error, ObjectStore, ObjectStoreExt as _};
use tokio::runtime::{Builder, Runtime};

use super::folder::whole;
use super::{ArchiveError, PIECES, Piece, Place, cannot, differs};

/// For one request, unless AWS_TIMEOUT says otherwise: a segment of 64 MiB over a slow line.
const PATIENCE: &str = "600 seconds";

/// Objects below a prefix.
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    shown: String,
    worker: Worker,
}

// Of the client nothing: it knows the credentials.
impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Objects").field(&self.shown).finish()
    }
}

/// Requests run on a runtime of their own, so that waiting for one is possible on any thread.
struct Worker(Option<Runtime>);

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Objects {
    /// Below a prefix of a store.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Key, shown: String) -> Result<Self, ArchiveError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("backup").enable_all().build();
        let worker = Worker(Some(runtime.map_err(|error| cannot("start the client of the object store", &error))?));
        Ok(Self { store, prefix, shown, worker })
    }

    /// `s3://bucket/prefix`, with what `AWS_…` variables say of credentials and endpoint.
    pub fn s3(address: &str, variables: impl Iterator<Item = (String, String)>) -> Result<Self, ArchiveError> {
        let (bucket, prefix) = parts(address)?;
        // The client takes the process's provider of cryptography; `serve` has set the same one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let patience = AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
        let mut builder = AmazonS3Builder::new().with_config(patience, PATIENCE);
        for (name, value) in variables.filter(|(name, _)| name.starts_with("AWS_")) {
            if let Ok(key) = name.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value);
            }
        }
        // Its error may name a value of a variable.
        let refused = |_| ArchiveError::Invalid(format!("{address}: the AWS_ variables cannot be used together"));
        let store = builder.with_bucket_name(bucket).build().map_err(refused)?;
        Self::new(Arc::new(store), prefix, address.to_owned())
    }

    fn key(&self, name: &str) -> Key {
        self.prefix.clone().join(name)
    }

    fn piece(&self, piece: &Piece) -> Key {
        self.key(PIECES).join(piece.stored())
    }

    fn wait<T, F>(&self, what: &str, asked: F) -> Result<Option<T>, ArchiveError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (tell, told) = mpsc::sync_channel(1);
        let runtime = self.worker.0.as_ref().expect("it is taken only when this is dropped");
        runtime.spawn(async move {
            let _ = tell.send(asked.await);
        });
        let lost = || ArchiveError::Backup(format!("cannot {what}: the request ended unexpectedly"));
        match told.recv().map_err(|_| lost())? {
            Ok(done) => Ok(Some(done)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(ArchiveError::Backup(format!("cannot {what} in {}: {}", self.shown, reason(&error)))),
        }
    }

    fn send(&self, what: &str, key: Key, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let store = Arc::clone(&self.store);
        self.wait(what, async move { store.put(&key, bytes.into()).await })?
            .map(|_| ())
            .ok_or_else(|| ArchiveError::Backup(format!("cannot {what} in {}: there is no such bucket", self.shown)))
    }

    fn fetch(&self, what: &str, key: Key) -> Result<Option<Vec<u8>>, ArchiveError> {
        let store = Arc::clone(&self.store);
        Ok(self.wait(what, async move { store.get(&key).await?.bytes().await })?.map(Vec::from))
    }
}

impl Place for Objects {
    fn shown(&self) -> String {
        self.shown.clone()
    }

    fn prepare(&self) -> Result<(), ArchiveError> {
        Ok(())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.send(&format!("write {name}"), self.key(name), bytes.to_vec())
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.fetch(&format!("read {name}"), self.key(name))
    }

    fn names(&self) -> Result<Vec<String>, ArchiveError> {
        let (store, prefix) = (Arc::clone(&self.store), self.prefix.clone());
        let listed = self.wait("list the backups", async move { store.list_with_delimiter(Some(&prefix)).await })?;
        let found = listed.map(|listed| listed.objects).unwrap_or_default();
        Ok(found.iter().filter_map(|object| object.location.filename().map(str::to_owned)).collect())
    }

    fn has(&self, piece: &Piece) -> Result<bool, ArchiveError> {
        let (store, key) = (Arc::clone(&self.store), self.piece(piece));
        let there = self.wait(&format!("look for {}", piece.name), async move { store.head(&key).await })?;
        Ok(there.is_some_and(|there| there.size == piece.bytes))
    }

    fn keep(&self, from: &Path, piece: &Piece) -> Result<(), ArchiveError> {
        let mut bytes = Vec::new();
        std::fs::File::open(from)
            .and_then(|file| file.take(piece.bytes).read_to_end(&mut bytes))
            .map_err(|error| cannot(&format!("read {}", piece.name), &error))?;
        is_that(&bytes, piece)?;
        self.send(&format!("write {}", piece.name), self.piece(piece), bytes)
    }

    fn bring(&self, piece: &Piece, to: &Path) -> Result<(), ArchiveError> {
        let bytes = self.fetch(&format!("read {}", piece.name), self.piece(piece))?;
        let bytes = bytes.ok_or_else(|| ArchiveError::NotFound(format!("{} of the backup", piece.name)))?;
        is_that(&bytes, piece)?;
        whole(to, |file| file.write_all(&bytes)).map_err(|error| cannot(&format!("copy {}", piece.name), &error))
    }
}

fn is_that(bytes: &[u8], piece: &Piece) -> Result<(), ArchiveError> {
    let same = bytes.len() as u64 == piece.bytes && blake3::hash(bytes).to_hex().as_str() == piece.hash;
    if same { Ok(()) } else { Err(differs(piece)) }
}

/// Bucket and prefix of an address.
pub(super) fn parts(address: &str) -> Result<(&str, Key), ArchiveError> {
    let usable = |bucket: &str| {
        !bucket.is_empty() && bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    };
    let parted = address.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
    parted
        .filter(|(bucket, _)| usable(bucket))
        .and_then(|(bucket, prefix)| Some((bucket, Key::parse(prefix).ok()?)))
        .ok_or_else(|| ArchiveError::Invalid(format!("{address:?} is neither a folder nor like s3://bucket/prefix")))
}

/// Why it failed, in our words: stores repeat the key's id, and what was signed, in their answers.
fn reason(error: &Error) -> String {
    let refused = "the store refuses the credentials, or they may not do that".to_owned();
    if matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) {
        return refused;
    }
    let text = error.to_string();
    // A listing's error says its status only in its text.
    let status = text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3));
    match status {
        Some("401" | "403") => return refused,
        Some("404") => return "there is no such bucket".to_owned(),
        Some(status) if status.bytes().all(|byte| byte.is_ascii_digit()) => {
            return format!("the store answered {status}");
        }
        _ => {}
    }
    if text.contains("Received redirect") {
        return "the store says that the bucket is elsewhere: see AWS_REGION and AWS_ENDPOINT".to_owned();
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(found) = cause {
        if let Some(http) = found.downcast_ref::<object_store::client::HttpError>() {
            return format!("no answer from the store ({:?}): see AWS_ENDPOINT", http.kind());
        }
        cause = found.source();
    }
    "the store, or whoever gives its credentials, did not answer as it should".to_owned()
}
