//! Objects of buckets as files of a folder: the object KEY of the bucket BUCKET is the
//! file FOLDER/BUCKET/KEY.
//!
//! What is written goes into the folder, or stays in memory where nothing may change.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use duet_asl::{ObjectError, Objects};

/// Bytes by bucket and key.
type Kept = BTreeMap<(String, String), Vec<u8>>;

/// A folder with a folder for each bucket.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    /// What was written, by bucket and key, where the files stay as they are.
    kept: Option<Mutex<Kept>>,
}

impl Folder {
    /// The folder `root`; what is written becomes a file.
    #[must_use]
    pub fn written(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            kept: None,
        }
    }

    /// The folder `root`, whose files stay as they are.
    #[must_use]
    pub fn untouched(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            kept: Some(Mutex::default()),
        }
    }

    /// The file of an object, or the folder of a bucket.
    fn place(&self, bucket: &str, key: &str) -> Result<PathBuf, ObjectError> {
        let mut place = self.root.clone();
        for part in std::iter::once(bucket).chain(key.split('/').filter(|_| !key.is_empty())) {
            let mut components = Path::new(part).components();
            let plain = match (components.next(), components.next()) {
                (Some(Component::Normal(name)), None) => name == part,
                _ => false,
            };
            if !plain {
                return Err(ObjectError::Failed(format!(
                    "'{bucket}/{key}' is no path of a file: a part of it is empty, a dot or two"
                )));
            }
            place.push(part);
        }
        Ok(place)
    }

    fn written_to(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let kept = self.kept.as_ref()?.lock();
        let kept = kept.unwrap_or_else(PoisonError::into_inner);
        kept.get(&(bucket.to_owned(), key.to_owned())).cloned()
    }
}

/// What the system says of a file.
fn failed(path: &Path, error: &std::io::Error) -> ObjectError {
    ObjectError::Failed(format!("{}: {error}", path.display()))
}

/// Adds the keys of the files below `folder`, whose own keys begin with `so_far`.
fn walk(folder: &Path, so_far: &str, keys: &mut Vec<String>) -> Result<(), ObjectError> {
    let entries = std::fs::read_dir(folder).map_err(|e| failed(folder, &e))?;
    for entry in entries {
        let entry = entry.map_err(|e| failed(folder, &e))?;
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            let text = format!("{}: its name is not text in UTF-8", path.display());
            return Err(ObjectError::Failed(text));
        };
        let key = format!("{so_far}{name}");
        // A link to a folder is not followed: it might lead round in a circle.
        match entry.file_type().map_err(|e| failed(&path, &e))? {
            kind if kind.is_dir() => walk(&path, &format!("{key}/"), keys)?,
            _ if path.is_file() => keys.push(key),
            _ => {}
        }
    }
    Ok(())
}

impl Objects for Folder {
    fn bucket(&self, bucket: &str) -> Result<(), ObjectError> {
        match self.place(bucket, "")?.is_dir() {
            true => Ok(()),
            false => Err(ObjectError::NoBucket(bucket.to_owned())),
        }
    }

    fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, ObjectError> {
        if let Some(bytes) = self.written_to(bucket, key) {
            return Ok(bytes);
        }
        self.bucket(bucket)?;
        let place = self.place(bucket, key)?;
        if !place.is_file() {
            return Err(ObjectError::NoObject {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            });
        }
        std::fs::read(&place).map_err(|e| failed(&place, &e))
    }

    fn keys(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, ObjectError> {
        self.bucket(bucket)?;
        let mut keys = Vec::new();
        walk(&self.place(bucket, "")?, "", &mut keys)?;
        if let Some(kept) = &self.kept {
            let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let here = kept.keys().filter(|(of, _)| of == bucket);
            keys.extend(here.map(|(_, key)| key.clone()));
        }
        keys.retain(|key| key.starts_with(prefix));
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.bucket(bucket)?;
        let place = self.place(bucket, key)?;
        if let Some(kept) = &self.kept {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert((bucket.to_owned(), key.to_owned()), bytes);
            return Ok(());
        }
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder).map_err(|e| failed(folder, &e))?;
        }
        std::fs::write(&place, bytes).map_err(|e| failed(&place, &e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("b/in")).unwrap();
        std::fs::write(folder.path().join("b/in/x.csv"), "a").unwrap();
        std::fs::write(folder.path().join("b/y"), "b").unwrap();
        std::fs::write(folder.path().join("secret"), "c").unwrap();
        folder
    }

    #[test]
    fn keys_are_paths_below_the_bucket() {
        let folder = folder();
        let objects = Folder::written(folder.path());
        assert_eq!(objects.keys("b", "").unwrap(), ["in/x.csv", "y"]);
        assert_eq!(objects.keys("b", "i").unwrap(), ["in/x.csv"]);
        assert_eq!(objects.get("b", "in/x.csv").unwrap(), b"a");
        assert_eq!(
            objects.keys("none", ""),
            Err(ObjectError::NoBucket("none".into()))
        );
        assert!(matches!(
            objects.get("b", "in"),
            Err(ObjectError::NoObject { .. })
        ));
    }

    #[test]
    fn nothing_outside_of_the_bucket_is_reached() {
        let folder = folder();
        let objects = Folder::written(folder.path());
        for (bucket, key) in [
            ("b", "../secret"),
            ("b", "/secret"),
            ("b", "in//x.csv"),
            ("b", "./y"),
            ("..", "x"),
            ("b/in", "x.csv"),
            ("", "secret"),
        ] {
            assert!(objects.get(bucket, key).is_err(), "{bucket} {key}");
            assert!(
                objects.put(bucket, key, Vec::new()).is_err(),
                "{bucket} {key}"
            );
        }
    }

    #[test]
    fn what_is_written_becomes_a_file_or_stays_in_memory() {
        let folder = folder();
        let drafts = Folder::untouched(folder.path());
        drafts.put("b", "out/1", b"n".to_vec()).unwrap();
        assert_eq!(drafts.get("b", "out/1").unwrap(), b"n");
        assert_eq!(drafts.keys("b", "out/").unwrap(), ["out/1"]);
        assert!(!folder.path().join("b/out").exists());
        assert!(drafts.put("none", "x", Vec::new()).is_err());
        let files = Folder::written(folder.path());
        files.put("b", "out/1", b"n".to_vec()).unwrap();
        assert_eq!(std::fs::read(folder.path().join("b/out/1")).unwrap(), b"n");
    }
}
