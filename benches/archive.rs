//! What the durable archive costs beside the disk itself and beside a bare log, measured in one run: this machine's
//! rates change from minute to minute, their ratios do not.
//!
//! `cargo bench --bench archive -- [--entries 100000]`

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crm_undo::archive::durable::{Durable, Options, open};
use crm_undo::archive::journal::{self, Draft, Journal, Kind};
use crm_undo::archive::sealed::Sealer;
use crm_undo::archive::{Bin as _, EntryFilter, Ledger as _, Store as _, Write};
use crm_undo::domain::delete::Fate;
use crm_undo::domain::entry::{OperationState, Via};
use crm_undo::domain::event::{CapturedEntry, Event, Stream};
use crm_undo::domain::ids::{EntryId, OperationId};
use crm_undo::domain::record::{Eyes, ManifestLine, Part, RecordRef, SearchKeys, Snapshot};
use crm_undo::domain::world::Clock;
use jiff::Timestamp;
use tokio::sync::oneshot;
use uuid::Uuid;

/// The one of the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WAITERS: u64 = 64;

#[derive(Debug)]
struct Wall;
impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

const FIRST: &[&str] = &[
    "Anna", "Boris", "Clara", "Dmitri", "Elena", "Fedor", "Galina", "Hanna", "Igor", "Julia", "Kirill", "Larisa",
    "Maxim", "Nina", "Oleg", "Polina", "Roman", "Sofia", "Timur", "Ulyana", "Viktor", "Yana", "Zoya", "Artem",
];

fn mixed(n: u64) -> u64 {
    let hash = blake3::hash(&n.to_le_bytes());
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("32 bytes"))
}

fn last_name(n: u64) -> String {
    let mut rest = mixed(n) % 40_000;
    let mut name = String::from("S");
    for part in ["ar", "ov", "el", "in", "ust"].iter().cycle().take(2) {
        let vowel = char::from(b"aeiou"[usize::try_from(rest % 5).expect("small")]);
        let consonant = char::from(b"bdgklmnprstvz"[usize::try_from(rest / 5 % 13).expect("small")]);
        name.extend([vowel, consonant]);
        name.push_str(part);
        rest /= 65;
    }
    name
}

/// A contact of about 2 KB.
fn contact(n: u64) -> Snapshot {
    let first = FIRST[usize::try_from(mixed(n + 7) % FIRST.len() as u64).expect("small")];
    let last = last_name(n);
    let (email, phone) =
        (format!("{first}.{last}{n}@example.com").to_lowercase(), format!("+7916{:07}", mixed(n) % 10_000_000));
    let mut fields = String::new();
    for field in 0..12 {
        let value = mixed(n * 31 + field);
        let _ = write!(
            fields,
            "{{\"field_id\":{},\"field_name\":\"Field {field}\",\"field_type\":\"text\",\"values\":[{{\"value\":\"{value:x}\"}}]}},",
            640_000 + field
        );
    }
    let body = format!(
        "{{\"id\":{n},\"name\":\"{first} {last}\",\"first_name\":\"{first}\",\"last_name\":\"{last}\",\"responsible_user_id\":{},\
         \"created_at\":{},\"updated_at\":{},\"custom_fields_values\":[{fields}{{\"field_code\":\"PHONE\",\"values\":[{{\"value\":\
         \"{phone}\",\"enum_code\":\"WORK\"}}]}},{{\"field_code\":\"EMAIL\",\"values\":[{{\"value\":\"{email}\"}}]}}],\
         \"_links\":{{\"self\":{{\"href\":\"https://acme.example/api/v4/contacts/{n}\"}}}}}}",
        mixed(n) % 20,
        1_600_000_000 + mixed(n) % 100_000_000,
        1_700_000_000 + mixed(n) % 50_000_000
    );
    Snapshot {
        connection: "acme".into(),
        of: RecordRef::new("contacts", n),
        title: format!("{first} {last}"),
        keys: SearchKeys { names: vec![first.into(), last], emails: vec![email], phones: vec![phone] },
        parts: vec![Part { name: "record".into(), content_type: "application/json".into(), body: Bytes::from(body) }],
        associations: Vec::new(),
        manifest: vec![ManifestLine { part: "record".into(), expected: 1, got: 1 }],
        taken_at: Timestamp::now(),
        read_by: Eyes::Gateway,
    }
}

fn capture(operation: OperationId, snapshots: &[Snapshot]) -> (Event, Vec<EntryId>) {
    let ids: Vec<EntryId> = snapshots.iter().map(|_| EntryId(Uuid::now_v7())).collect();
    let entries = ids.iter().zip(snapshots).map(|(id, snapshot)| CapturedEntry {
        id: *id,
        record: snapshot.of.clone(),
        snapshot: snapshot.id(),
        expires_at: Timestamp::MAX,
    });
    let event = Event::Captured {
        operation,
        connection: "acme".into(),
        via: Via::Proxy,
        by: "importer".into(),
        route: "amocrm.delete".into(),
        entries: entries.collect(),
    };
    (event, ids)
}

/// Snapshots, captured and about to be forwarded, in one durable write: what a delete waits for.
async fn commit(store: &Durable, snapshots: Vec<Snapshot>) -> (OperationId, Vec<EntryId>) {
    let operation = OperationId(Uuid::now_v7());
    let (captured, ids) = capture(operation, &snapshots);
    let appends = vec![(Stream::operation(operation), 0, vec![captured, Event::Forwarding])];
    store.commit(Write { snapshots, appends }).await.expect("committed");
    (operation, ids)
}

async fn settle(store: &Durable, operation: OperationId, ids: Vec<EntryId>) {
    let fates = ids.into_iter().map(|id| (id, Fate::Deleted)).collect();
    let settled = Event::Settled { fates, answer: Some(200), state: OperationState::Confirmed };
    store.append(&Stream::operation(operation), 2, vec![settled]).await.expect("settled");
}

fn open_at(dir: &Path) -> Durable {
    let options = Options { dir: dir.to_owned(), key_file: None, key: None, min_free_bytes: 1, clock: Arc::new(Wall) };
    open(options).expect("opened")
}

fn percentile(times: &mut [Duration], of: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() * of / 100).min(times.len() - 1)].as_secs_f64() * 1_000.0
}

fn bytes_below(dir: &Path) -> u64 {
    fs::read_dir(dir).map_or(0, |entries| {
        let sizes = entries.flatten().map(|entry| match entry.metadata() {
            Ok(it) if it.is_dir() => bytes_below(&entry.path()),
            Ok(it) => std::os::unix::fs::MetadataExt::blocks(&it) * 512,
            Err(_) => 0,
        });
        sizes.sum()
    })
}

/// Megabytes that the process has in memory.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn row(what: &str, value: &str) {
    println!("| {what:<52} | {value:>22} |");
}

/// Runs `each` on many tasks until `count` are done; how many a second.
async fn together<F, Fut>(waiters: u64, count: u64, each: F) -> f64
where
    F: Fn(u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    let (next, each, begun) = (Arc::new(AtomicU64::new(0)), Arc::new(each), Instant::now());
    let tasks: Vec<_> = (0..waiters)
        .map(|_| {
            let (next, each) = (Arc::clone(&next), Arc::clone(&each));
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        break;
                    }
                    each(n).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("ran");
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = count as f64;
    count / begun.elapsed().as_secs_f64()
}

/// A log that does nothing but be one: whoever waits hands over bytes, one thread writes what is there with one
/// `fdatasync` into space that was filled with zeros. Not sealed, not read back, not indexed.
struct BareLog(std::sync::mpsc::Sender<(Vec<u8>, oneshot::Sender<()>)>);

impl BareLog {
    fn create(path: &Path) -> Self {
        let mut file = File::create(path).expect("a file");
        file.write_all(&vec![0; 64 << 20]).expect("written");
        file.sync_all().expect("synced");
        let (sender, receiver) = std::sync::mpsc::channel::<(Vec<u8>, oneshot::Sender<()>)>();
        std::thread::spawn(move || {
            let mut at = 0;
            while let Ok(first) = receiver.recv() {
                let (mut out, mut waiting) = (Vec::new(), Vec::new());
                for (bytes, done) in std::iter::once(first).chain(receiver.try_iter()) {
                    out.extend_from_slice(&bytes);
                    waiting.push(done);
                }
                std::os::unix::fs::FileExt::write_all_at(&file, &out, at).expect("written");
                file.sync_data().expect("synced");
                at += out.len() as u64;
                for done in waiting {
                    let _ = done.send(());
                }
            }
        });
        Self(sender)
    }

    async fn append(&self, bytes: Vec<u8>) {
        let (done, wait) = oneshot::channel();
        self.0.send((bytes, done)).expect("it runs");
        wait.await.expect("durable");
    }
}

/// What the journal is given by [`commit`].
fn drafts(log: &Journal, snapshot: &Snapshot) -> Vec<Draft> {
    let (captured, _) = capture(OperationId(Uuid::now_v7()), std::slice::from_ref(snapshot));
    let event = serde_json::to_vec(&captured).expect("an event");
    let sealed = Some((log.fresh_slot().expect("a slot"), snapshot.encode()));
    vec![
        Draft { kind: Kind::Snapshot, body: snapshot.id().0[..16].to_vec(), sealed },
        Draft { kind: Kind::Event, body: event, sealed: None },
        Draft { kind: Kind::Event, body: b"{\"event\":\"forwarding\"}".to_vec(), sealed: None },
    ]
}

/// Bare log, journal alone and the whole store in turns: rates of one round, its waiters' snapshots made before.
async fn writing(dir: &Path) {
    const COUNT: u64 = 6_000;
    let sealer = Sealer::open_or_create(&dir.join("alone.key"), &dir.join("alone")).expect("a key");
    let how = journal::Options { min_free_bytes: 1, ..journal::Options::new(dir.join("alone")) };
    let alone = Arc::new(Journal::open(how, sealer).expect("opened").0);
    let store = Arc::new(open_at(&dir.join("w")));
    let (mut of_bare, mut of_alone, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..6 {
        let snapshots: Arc<Vec<Snapshot>> = Arc::new((0..COUNT).map(|n| contact(round * COUNT + n)).collect());
        let at = |n: u64| usize::try_from(n).expect("small");
        let (log, all, before) = (Arc::clone(&alone), Arc::clone(&snapshots), alone.bytes());
        let alone_rate = together(WAITERS, COUNT, move |n| {
            let (log, drafts) = (Arc::clone(&log), drafts(&log, &all[at(n)]));
            async move { drop(log.append(drafts).await.expect("appended")) }
        })
        .await;
        let bytes = vec![7; usize::try_from((alone.bytes() - before) / COUNT).expect("small")];
        let log = Arc::new(BareLog::create(&dir.join("bare")));
        let bare_rate = together(WAITERS, COUNT, move |_| {
            let (log, bytes) = (Arc::clone(&log), bytes.clone());
            async move { log.append(bytes).await }
        })
        .await;
        let (writer, all) = (Arc::clone(&store), Arc::clone(&snapshots));
        let rate = together(WAITERS, COUNT, move |n| {
            let (store, snapshot) = (Arc::clone(&writer), all[at(n)].clone());
            async move { drop(commit(&store, vec![snapshot]).await) }
        })
        .await;
        // The first round trains the dictionary.
        if round > 0 {
            println!("round {round}: bare {bare_rate:.0}/s, journal alone {alone_rate:.0}/s, store {rate:.0}/s");
            of_bare.push(rate / bare_rate);
            of_alone.push(rate / alone_rate);
            rates.push((rate, alone_rate, bare_rate));
        }
    }
    drop(alone);
    let middle = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    row("durable commits, 64 waiters", &format!("{:.0}/s", middle(rates.iter().map(|it| it.0).collect())));
    row("journal alone, the same frames", &format!("{:.0}/s", middle(rates.iter().map(|it| it.1).collect())));
    row("bare log, as many bytes", &format!("{:.0}/s", middle(rates.iter().map(|it| it.2).collect())));
    row("commits, of the journal alone (floor 0.60)", &format!("{:.2}", middle(of_alone)));
    row("commits, of the bare log (floor 0.60)", &format!("{:.2}", middle(of_bare)));

    let mut file = File::create(dir.join("sync")).expect("a file");
    file.write_all(&vec![0; 8 << 20]).expect("written");
    file.sync_all().expect("synced");
    let (mut syncs, mut commits) = (Vec::new(), Vec::new());
    for n in 0..1_000 {
        let begun = Instant::now();
        std::os::unix::fs::FileExt::write_all_at(&file, &[1; 4096], n * 4096).expect("written");
        file.sync_data().expect("synced");
        syncs.push(begun.elapsed());
        let snapshot = contact(1_000_000 + n);
        let begun = Instant::now();
        commit(&store, vec![snapshot]).await;
        commits.push(begun.elapsed());
    }
    let (sync, single) = (percentile(&mut syncs, 50), percentile(&mut commits, 50));
    row("4 KB write + fdatasync, p50", &format!("{sync:.3} ms"));
    row("single durable commit, p50", &format!("{single:.3} ms"));
    row("ratio (floor 2.0)", &format!("{:.2}", single / sync));
}

async fn timed(store: &Durable, filter: &EntryFilter) -> (Duration, usize) {
    let begun = Instant::now();
    let page = store.entries(filter).await.expect("listed");
    (begun.elapsed(), page.rows.len())
}

async fn reading(store: &Durable, entries: u64) {
    let all = EntryFilter { limit: 50, ..EntryFilter::default() };
    let mut times = Vec::new();
    for _ in 0..200 {
        times.push(timed(store, &all).await.0);
    }
    row("list page of 50, p50 (floor 2 ms)", &format!("{:.2} ms", percentile(&mut times, 50)));
    let (mut times, mut empty) = (Vec::new(), 0);
    let mut by_kind: [Vec<Duration>; 5] = Default::default();
    for n in 0..400 {
        let at = mixed(n) % entries;
        let it = contact(at);
        let q = match n % 5 {
            0 => it.title,
            1 => it.keys.emails[0].clone(),
            2 => it.keys.phones[0][5..].to_owned(),
            3 => it.of.id,
            _ => it.keys.names[1].chars().take(4).collect(),
        };
        let (time, found) = timed(store, &EntryFilter { q: Some(q), ..all.clone() }).await;
        times.push(time);
        by_kind[usize::try_from(n % 5).expect("small")].push(time);
        empty += usize::from(found == 0);
    }
    let kinds = ["name and surname", "e-mail", "last digits of a phone", "old id", "beginning of a surname"];
    for (kind, times) in kinds.iter().zip(&mut by_kind) {
        row(
            &format!("  by {kind}, p50 and p99"),
            &format!("{:.2} {:.2} ms", percentile(times, 50), percentile(times, 99)),
        );
    }
    row("search, p50", &format!("{:.2} ms", percentile(&mut times, 50)));
    row("search, p99 (floor 50 ms)", &format!("{:.2} ms", percentile(&mut times, 99)));
    row("searches that found nothing (must be 0)", &empty.to_string());
}

/// Deletes of one record each, captured and settled.
async fn deletes(home: &Path, entries: u64) {
    let store = Arc::new(open_at(home));
    let writer = Arc::clone(&store);
    let rate = together(WAITERS, entries, move |n| {
        let store = Arc::clone(&writer);
        async move {
            let (operation, ids) = commit(&store, vec![contact(n)]).await;
            settle(&store, operation, ids).await;
        }
    })
    .await;
    row("deletes of one record, captured and settled", &format!("{rate:.0}/s"));
}

/// Runs a part of this program as a process of its own: memory is measured from the beginning, and it can be killed.
fn apart(part: &str, home: &Path, entries: u64) -> Child {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.args([part, &home.display().to_string(), "--entries", &entries.to_string()]);
    command.spawn().expect("started")
}

/// Some thousands more, and then the process is killed.
fn killed(home: &Path, entries: u64) {
    let journal = bytes_below(&home.join("journal"));
    let mut child = apart("--write", home, entries);
    let begun = Instant::now();
    while bytes_below(&home.join("journal")) < journal + (65 << 20) && begun.elapsed() < Duration::from_secs(8) {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
}

async fn opened(home: &Path, entries: u64) {
    let begun = Instant::now();
    let store = open_at(home);
    row("  until it was ready", &format!("{:.2} s", begun.elapsed().as_secs_f64()));
    row("  frames read to catch up", &store.opened().caught_up.to_string());
    if let Some(why) = &store.opened().rebuilt {
        row("  rebuilt", why);
    }
    store.ready().expect("ready");
    row("  memory after opening (floor 160 MB)", &format!("{} MB", memory()));
    reading(&store, entries).await;
    row("  memory after reading (floor 160 MB)", &format!("{} MB", memory()));
}

async fn holding(dir: &Path, entries: u64) {
    let home = dir.join("h");
    deletes(&home, entries).await;
    let stats = open_at(&home).stats().await.expect("stats");
    let index = bytes_below(&home.join("index"));
    row("journal, bytes a record", &format!("{}", stats.journal_bytes / entries));
    row("index, bytes a record", &format!("{}", index / entries));
    row("together (floor 950)", &format!("{}", (stats.journal_bytes + index) / entries));
    row("reopened clean (floor 2 s)", "");
    apart("--open", &home, entries).wait().expect("ended");
    killed(&home, entries);
    row("reopened after a kill (floor 3 s)", "");
    apart("--open", &home, entries).wait().expect("ended");
    fs::remove_dir_all(home.join("index")).expect("removed");
    row("reopened without an index: rebuilt", "");
    apart("--open", &home, entries).wait().expect("ended");
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--entries").skip(1);
    let entries = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let given = |part: &str| std::env::args().skip_while(|argument| argument != part).nth(1);
    let (open, write) = (given("--open"), given("--write"));
    let dir =
        tempfile::tempdir_in(std::env::var_os("BENCH_DIR").unwrap_or_else(|| "target".into())).expect("a directory");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if let Some(home) = open {
            return opened(Path::new(&home), entries).await;
        }
        if let Some(home) = write {
            return deletes(Path::new(&home), u64::MAX).await;
        }
        println!("{entries} entries\n");
        row("what", "measured");
        writing(dir.path()).await;
        holding(dir.path(), entries).await;
    });
}
