//! A replay, in words.

use std::collections::BTreeSet;

use super::{Replay, Via};
use crate::terminal::exit::Exit;
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};

impl Report for Replay {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        if self.counts.is_empty() {
            lines.push("the journal has no such events".to_owned());
        } else {
            let mut rows = table([table::word("EVENT"), table::number("COUNT")]);
            for (kind, count) in &self.counts {
                rows.add_row([kind.clone(), count.to_string()]);
            }
            lines.push(rows.text());
        }
        let kept: BTreeSet<&str> = self.rules.iter().map(String::as_str).collect();
        let via = match self.via {
            Via::Archive => "the archive",
            Via::Journal => "the journal",
        };
        lines.push(format!(
            "{} events past {} rules: {} messages, through {via}",
            self.events,
            kept.len(),
            self.messages
        ));
        if self.dry_run {
            lines.push("nothing was sent".to_owned());
            return lines.join("\n");
        }
        let sent = match (self.sent, self.via) {
            (Some(sent), Via::Journal) => format!("{sent} messages sent"),
            (Some(sent), Via::Archive) => format!("{sent} events replayed"),
            (None, _) => "replayed".to_owned(),
        };
        lines.push(format!("{}: {sent} in {:.1} s", self.name, self.elapsed_s));
        if let (Some(sent), Via::Archive) = (self.sent, self.via)
            && (sent as usize) < self.events as usize
        {
            lines.push(format!(
                "the archive did not have {} of them yet: try again in ten minutes, or add --rate 100/s to go through the journal",
                self.events as usize - sent as usize
            ));
        }
        for refused in &self.refused {
            lines.push(format!(
                "refused: {} past {}: {}",
                refused.event, refused.rule, refused.why
            ));
        }
        if !self.completed {
            lines.push("the replay has not come to its end yet".to_owned());
        }
        if !self.quiet {
            lines.push("the consumers are still at work".to_owned());
        }
        lines.join("\n")
    }

    fn exit(&self) -> Exit {
        let good = self.dry_run || (self.completed && self.quiet && self.refused.is_empty());
        if good { Exit::Done } else { Exit::Failed }
    }
}
