//! A disk in memory that fails the n-th call, remembers what was written and synced, and loses power.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use crate::archive::journal::disk::{Disk, DiskFile};

/// What changes the disk, in order.
#[derive(Clone, Debug)]
pub enum Op {
    Create { file: usize, name: String },
    Write { file: usize, offset: usize, bytes: Vec<u8> },
    Truncate { file: usize, len: usize },
    Sync { file: usize },
    Rename { from: String, to: String },
    Remove { name: String },
    SyncNames,
}

#[derive(Default)]
struct State {
    files: Vec<Vec<u8>>,
    names: BTreeMap<String, usize>,
    log: Vec<Op>,
    calls: usize,
    fail_at: Option<usize>,
    failed: Option<&'static str>,
    syncs: usize,
    changes_after_failure: usize,
    full: bool,
    hang: Duration,
    garble: Option<usize>,
    /// Changes until the power goes; the last one is cut off half way.
    power: Option<usize>,
    dead: bool,
    died: Arc<tokio::sync::Notify>,
    limit: Option<usize>,
}

/// Cheap to clone; all clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Counts a call, and fails it if it is its turn.
    fn call(&self, what: &'static str) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if state.dead {
            return Err(io::Error::other("the power is off"));
        }
        let changes = matches!(what, "write" | "sync" | "truncate" | "create" | "rename" | "remove");
        if let Some(left) = state.power.as_mut().filter(|_| changes) {
            *left -= 1;
            if *left == 0 {
                state.dead = true;
                state.died.notify_one();
                return Err(io::Error::other("the power goes"));
            }
        }
        state.calls += 1;
        if state.fail_at == Some(state.calls) {
            state.failed = Some(what);
            return Err(io::Error::other("the disk is broken"));
        }
        if state.failed.is_some() && matches!(what, "write" | "sync" | "truncate" | "create" | "rename") {
            state.changes_after_failure += 1;
        }
        Ok(state)
    }

    pub fn calls(&self) -> usize {
        self.state().calls
    }
    /// The n-th call from now on fails, once.
    pub fn fail_in(&self, calls: usize) {
        let mut state = self.state();
        state.fail_at = Some(state.calls + calls);
        state.failed = None;
        state.changes_after_failure = 0;
    }
    /// What failed, and how often something was changed or synced after it.
    pub fn failed(&self) -> Option<(&'static str, usize)> {
        let state = self.state();
        state.failed.map(|what| (what, state.changes_after_failure))
    }
    /// The power goes at the n-th change from now on, which is cut off half way; nothing works after it.
    pub fn power_off_in(&self, changes: usize) {
        self.state().power = Some(changes.max(1));
    }
    /// The power goes now.
    pub fn power_off(&self) {
        let mut state = self.state();
        state.dead = true;
        state.died.notify_one();
    }
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }
    /// Rung when the power goes.
    pub fn died(&self) -> Arc<tokio::sync::Notify> {
        Arc::clone(&self.state().died)
    }
    /// The same disk for another process: what was not synced is still on its way.
    pub fn revived(&self) -> Self {
        let state = self.state();
        let (files, names, log) = (state.files.clone(), state.names.clone(), state.log.clone());
        Self(Arc::new(Mutex::new(State { files, names, log, ..State::default() })))
    }
    /// No more bytes than this fit, in all files together.
    pub fn limit(&self, bytes: usize) {
        self.state().limit = Some(bytes);
    }
    pub fn syncs(&self) -> usize {
        self.state().syncs
    }
    /// Nothing can grow any more.
    pub fn fill(&self) {
        self.state().full = true;
    }
    /// From now on a sync takes this long.
    pub fn hang(&self, pause: Duration) {
        self.state().hang = pause;
    }
    /// The next write of something else than a mark arrives with this byte changed (counted round and round).
    pub fn garble(&self, at: usize) {
        self.state().garble = Some(at);
    }
    pub fn log(&self) -> Vec<Op> {
        self.state().log.clone()
    }
    pub fn log_len(&self) -> usize {
        self.state().log.len()
    }
    /// Names and contents as a process sees them.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        state.names.iter().map(|(name, file)| (name.clone(), state.files[*file].clone())).collect()
    }
    pub fn of(contents: BTreeMap<String, Vec<u8>>) -> Self {
        let disk = Self::default();
        for (number, (name, bytes)) in contents.into_iter().enumerate() {
            disk.state().names.insert(name, number);
            disk.state().files.push(bytes);
        }
        disk
    }
}

/// What the disk may hold after the power went before `log[upto]`: `decides` says for each sector of what was not
/// synced whether it arrived, and for names how many of the changes that were not synced arrived.
pub fn after_power_loss(
    start: &BTreeMap<String, Vec<u8>>,
    log: &[Op],
    sector: usize,
    decides: &mut dyn FnMut() -> bool,
) -> SimDisk {
    let mut names: BTreeMap<String, usize> = start.keys().cloned().zip(0..).collect();
    let mut files: Vec<Vec<u8>> = start.values().cloned().collect();
    let mut pending: BTreeMap<usize, Vec<&Op>> = BTreeMap::new();
    let mut pending_names: Vec<&Op> = Vec::new();
    for op in log {
        match op {
            Op::Create { file, .. } => {
                if files.len() <= *file {
                    files.resize(*file + 1, Vec::new());
                }
                pending_names.push(op);
            }
            Op::Rename { .. } | Op::Remove { .. } => pending_names.push(op),
            Op::SyncNames => {
                pending_names.drain(..).for_each(|op| rename(&mut names, op));
            }
            Op::Write { file, .. } | Op::Truncate { file, .. } => pending.entry(*file).or_default().push(op),
            Op::Sync { file } => {
                for op in pending.remove(file).unwrap_or_default() {
                    change(&mut files[*file], op, usize::MAX, &mut || true);
                }
            }
        }
    }
    for (file, ops) in pending {
        for op in ops {
            change(&mut files[file], op, sector, decides);
        }
    }
    for op in pending_names {
        if !decides() {
            break;
        }
        rename(&mut names, op);
    }
    SimDisk::of(names.into_iter().map(|(name, file)| (name, files[file].clone())).collect())
}

fn rename(names: &mut BTreeMap<String, usize>, op: &Op) {
    match op {
        Op::Create { file, name } => {
            names.insert(name.clone(), *file);
        }
        Op::Rename { from, to } => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Op::Remove { name } => {
            names.remove(name);
        }
        _ => {}
    }
}

fn change(content: &mut Vec<u8>, op: &Op, sector: usize, decides: &mut dyn FnMut() -> bool) {
    match op {
        Op::Write { offset, bytes, .. } => {
            let mut at = 0;
            while at < bytes.len() {
                let place = offset + at;
                let part =
                    if sector == usize::MAX { bytes.len() } else { (sector - place % sector).min(bytes.len() - at) };
                if decides() {
                    if content.len() < place + part {
                        content.resize(place + part, 0);
                    }
                    content[place..place + part].copy_from_slice(&bytes[at..at + part]);
                }
                at += part;
            }
        }
        Op::Truncate { len, .. } if decides() => content.resize(*len, 0),
        _ => {}
    }
}

struct SimFile {
    disk: Weak<Mutex<State>>,
    file: usize,
}

impl SimFile {
    fn disk(&self) -> SimDisk {
        SimDisk(self.disk.upgrade().expect("the disk outlives its files"))
    }
}

impl Disk for SimDisk {
    fn lock(&self) -> io::Result<bool> {
        self.call("lock").map(|_| true)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.call("list")?.names.keys().cloned().collect())
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.call("open")?;
        let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { disk: Arc::downgrade(&self.0), file }))
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.call("create")?;
        let file = state.files.len();
        state.files.push(Vec::new());
        state.names.insert(name.to_owned(), file);
        state.log.push(Op::Create { file, name: name.to_owned() });
        Ok(Arc::new(SimFile { disk: Arc::downgrade(&self.0), file }))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.call("rename")?;
        let op = Op::Rename { from: from.to_owned(), to: to.to_owned() };
        rename(&mut state.names, &op);
        state.log.push(op);
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.call("remove")?;
        let op = Op::Remove { name: name.to_owned() };
        rename(&mut state.names, &op);
        state.log.push(op);
        Ok(())
    }
    fn sync_names(&self) -> io::Result<()> {
        self.call("sync")?.log.push(Op::SyncNames);
        Ok(())
    }
    fn space(&self) -> io::Result<(u64, u64)> {
        self.call("space").map(|_| (10 << 30, 10 << 30))
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk().call("len")?.files[self.file].len() as u64)
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let disk = self.disk();
        let state = disk.call("read")?;
        let offset = usize::try_from(offset).unwrap();
        let content = state.files[self.file].get(offset..offset + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(content);
        Ok(())
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let disk = self.disk();
        let offset = usize::try_from(offset).unwrap();
        if disk.is_dead() {
            return Err(io::Error::other("the power is off"));
        }
        let (mut state, written, result) = match disk.call("write") {
            Ok(state) => (state, bytes, Ok(())),
            // A write that fails has written half.
            Err(error) => (disk.state(), &bytes[..bytes.len() / 2], Err(error)),
        };
        let grows = (offset + bytes.len()).saturating_sub(state.files[self.file].len());
        let held = || state.names.values().map(|file| state.files[*file].len()).sum::<usize>();
        if grows > 0 && (state.full || state.limit.is_some_and(|limit| held() + grows > limit)) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut written = written.to_vec();
        if written.len() > 47
            && let Some(at) = state.garble.take()
        {
            let len = written.len();
            written[at % len] ^= 0x10;
        }
        let op = Op::Write { file: self.file, offset, bytes: written };
        change(&mut state.files[self.file], &op, usize::MAX, &mut || true);
        state.log.push(op);
        result
    }
    fn sync(&self) -> io::Result<()> {
        let disk = self.disk();
        let pause = disk.state().hang;
        std::thread::sleep(pause);
        let mut state = disk.call("sync")?;
        state.syncs += 1;
        state.log.push(Op::Sync { file: self.file });
        Ok(())
    }
    fn truncate(&self, len: u64) -> io::Result<()> {
        let disk = self.disk();
        let mut state = disk.call("truncate")?;
        let op = Op::Truncate { file: self.file, len: usize::try_from(len).unwrap() };
        change(&mut state.files[self.file], &op, usize::MAX, &mut || true);
        state.log.push(op);
        Ok(())
    }
}
