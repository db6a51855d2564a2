//! What the lab's log groups tell of Express executions.

use duet_lab::LogRecord;

use super::Lab;
use crate::shop::variant::{Description, Variant};
use crate::world::World;

impl Lab {
    /// How `variant` is described, where a log group tells of its executions.
    pub(super) fn of_log(&self, variant: &Variant) -> Option<&'static Description> {
        // Its machines are what they are, however far an update has come.
        self.deployed(variant)
            .filter(|there| there.logs().is_some())
    }

    /// What is in the log group of `there`.
    pub(crate) fn records(lab: &duet_lab::Lab, there: &Description) -> Vec<LogRecord> {
        let Some(logs) = there.logs() else {
            return Vec::new();
        };
        let all = lab.log_records().iter();
        all.filter(|it| *it.group == logs.group).cloned().collect()
    }
}
