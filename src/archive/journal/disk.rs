//! The disk, as little of it as the journal needs, as a trait: tests give one that fails and that loses power.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;

/// One directory.
pub trait Disk: Send + Sync {
    /// Makes the directory this process's alone until the journal is dropped; `false`: another has it.
    fn lock(&self) -> io::Result<bool>;
    /// Names of the files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// A file that is there, to read and write.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// A new, empty file.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names durable.
    fn sync_names(&self) -> io::Result<()>;
    /// Bytes free for us, and bytes in all.
    fn space(&self) -> io::Result<(u64, u64)>;
}

/// One file.
pub trait DiskFile: Send + Sync {
    fn len(&self) -> io::Result<u64>;
    /// Fills `buffer` or fails.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of it or fails.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes the content durable, and its length. Fails if the file has lost its name: what is written to a removed
    /// file is gone with the process.
    fn sync(&self) -> io::Result<()>;
    fn truncate(&self, len: u64) -> io::Result<()>;
}

/// The real one.
pub struct RealDisk {
    dir: PathBuf,
    lock: std::sync::OnceLock<File>,
}

impl RealDisk {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, lock: std::sync::OnceLock::new() }
    }
}

impl Disk for RealDisk {
    fn lock(&self) -> io::Result<bool> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(self.dir.join("journal.lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(self.lock.set(file).is_ok()),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        std::fs::read_dir(&self.dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).open(self.dir.join(name))?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        Ok(Arc::new(options.open(self.dir.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.dir.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    fn space(&self) -> io::Result<(u64, u64)> {
        let stat = rustix::fs::statvfs(&self.dir)?;
        Ok((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize)))
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()?;
        if self.metadata()?.nlink() == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the segment was removed from its directory"));
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}
