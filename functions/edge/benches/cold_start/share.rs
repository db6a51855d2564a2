//! A share of a core, as Lambda gives it: by a cgroup's quota.

use std::fs;
use std::path::{Path, PathBuf};

/// The quota in each period, in microseconds: 128 MB of the 1,769 MB that buy a
/// core (AWS Lambda developer guide, "Configure Lambda function memory").
const PERIOD: u32 = 20_000;
const QUOTA: u32 = PERIOD * 128 / 1_769;

/// A cgroup of our own; it goes when this is dropped.
pub(crate) struct Share(PathBuf);

impl Share {
    /// Makes one, where that is allowed.
    pub(crate) fn new() -> Option<Self> {
        let name = format!("duet-cold-start-{}", std::process::id());
        // The second version's one tree, or the first one's of processors.
        let v2 = |group: &Path| fs::write(group.join("cpu.max"), format!("{QUOTA} {PERIOD}"));
        let v1 = |group: &Path| {
            fs::write(group.join("cpu.cfs_period_us"), PERIOD.to_string())?;
            fs::write(group.join("cpu.cfs_quota_us"), QUOTA.to_string())
        };
        Self::at(Path::new("/sys/fs/cgroup").join(&name), v2)
            .or_else(|| Self::at(Path::new("/sys/fs/cgroup/cpu").join(&name), v1))
    }

    fn at(group: PathBuf, limit: impl Fn(&Path) -> std::io::Result<()>) -> Option<Self> {
        fs::create_dir(&group).ok()?;
        let share = Self(group);
        limit(&share.0).ok()?;
        Some(share)
    }

    /// Limits the process `pid` from now on.
    pub(crate) fn limit(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).expect("the process is there");
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
