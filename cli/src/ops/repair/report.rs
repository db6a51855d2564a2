//! What was repaired, in words.

use super::{AllRepaired, Repaired};
use crate::terminal::exit::Exit;
use crate::terminal::report::Report;

impl Report for Repaired {
    fn text(&self) -> String {
        let mut lines = vec![format!("{}  {}", self.order, self.outcome)];
        if self.repaired.is_empty() && self.missing.is_empty() {
            lines.push("nothing was missing".to_owned());
        }
        lines.extend(
            self.repaired
                .iter()
                .map(|part| format!("repaired: {part:?}")),
        );
        lines.extend(
            self.missing
                .iter()
                .map(|missing| format!("missing: {:?}: {}", missing.part, missing.why)),
        );
        lines.join("\n")
    }

    fn exit(&self) -> Exit {
        if self.missing.is_empty() {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}

impl Report for AllRepaired {
    fn text(&self) -> String {
        if self.orders.is_empty() && self.failed.is_empty() {
            return "no order needs attention".to_owned();
        }
        let repaired = self.orders.iter().map(Report::text);
        let failed = self.failed.iter();
        let failed = failed.map(|one| format!("{}  not repaired: {}", one.order, one.error));
        repaired.chain(failed).collect::<Vec<_>>().join("\n")
    }

    fn exit(&self) -> Exit {
        let all_done = self.orders.iter().all(|one| one.exit() == Exit::Done);
        match all_done && self.failed.is_empty() {
            true => Exit::Done,
            false => Exit::Failed,
        }
    }
}
