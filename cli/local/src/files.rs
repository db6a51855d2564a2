//! Small habits with files: whole or not at all, one holder at a time, and the
//! end of a log.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::{Error, Result};

/// How often something is looked at again.
pub(super) const PAUSE: Duration = Duration::from_millis(25);

/// Makes a directory and those above it.
pub(super) fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::file("create directory", path))
}

/// Removes a directory with all in it; one that is not there is fine.
pub(super) fn remove_directory(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove directory", path)(error))
        }
        _ => Ok(()),
    }
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Opens a lock file, making it if need be. Its content means nothing.
pub(super) fn open_lock(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(Error::file("open lock file", path))
}

/// Whether some process holds the lock. The answer is the kernel's, so a crash
/// leaves nothing behind that would have to be told from the living.
pub(super) fn is_held(path: &Path) -> Result<bool> {
    if !path.exists() {
        return Ok(false);
    }
    match open_lock(path)?.try_lock() {
        Ok(()) => Ok(false), // let go again with the handle
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(Error::file("lock", path)(error)),
    }
}

/// Takes the lock, waiting for another holder for at most `limit`. It is held
/// until the file given back is dropped.
pub(super) fn hold(path: &Path, limit: Duration) -> Result<File> {
    let file = open_lock(path)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(Error::file("lock", path)(error)),
            Err(TryLockError::WouldBlock) if began.elapsed() >= limit => {
                return Err(Error::Busy {
                    lock: path.to_path_buf(),
                    waited: limit,
                });
            }
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
        }
    }
}

/// The last `lines` lines of a text file, indented by two; whatever goes wrong
/// gives an empty text, for this only ever embellishes another error.
pub(super) fn tail(path: &Path, lines: usize) -> String {
    /// More than this from the end is never looked at.
    const FAR_ENOUGH: u64 = 64 * 1024;

    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(FAR_ENOUGH)))?;
        file.read_to_end(&mut bytes)
    });
    if read.is_err() {
        return String::new();
    }
    last_lines(&String::from_utf8_lossy(&bytes), lines)
}

/// The last `lines` lines of a text that are not blank, indented by two.
pub(super) fn last_lines(text: &str, lines: usize) -> String {
    let mut last: Vec<&str> = text
        .lines()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .take(lines)
        .collect();
    last.reverse();
    last.iter()
        .map(|line| format!("  {}", line.trim_end()))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_skip_blank_ones() {
        assert_eq!(last_lines("a\nb\n\nc\n\n", 2), "  b\n  c");
        assert_eq!(last_lines("", 2), "");
        assert_eq!(last_lines("one", 5), "  one");
    }

    #[test]
    fn the_tail_of_a_missing_file_is_empty() {
        assert_eq!(tail(Path::new("/nonexistent/log"), 3), "");
    }

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        assert!(!is_held(&path).unwrap());
        let held = hold(&path, Duration::ZERO).unwrap();
        assert!(is_held(&path).unwrap());
        assert!(matches!(
            hold(&path, Duration::ZERO),
            Err(Error::Busy { .. })
        ));
        drop(held);
        assert!(!is_held(&path).unwrap());
    }
}
