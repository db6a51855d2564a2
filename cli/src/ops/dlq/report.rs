//! Dead letters, in words.

use super::{AllDropped, Dropped, Layer, Letter, Letters, Redrive, Shown};
use crate::terminal::exit::Exit;
use crate::terminal::inline;
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::terminal::times::span;

/// `letters`, each with what the last column, called `last`, says of it.
fn rows<'a>(last: &str, letters: impl Iterator<Item = (&'a Letter, &'a str)>) -> String {
    let mut rows = table([
        table::word("ID"),
        table::word("DIED").gives_way(3),
        table::word("FOR").gives_way(1),
        table::word("WHAT").gives_way(4),
        table::word("ABOUT").gives_way(5),
        table::number("AGE").gives_way(2),
        table::prose(last),
    ]);
    for (letter, why) in letters {
        let layer = match letter.layer {
            Layer::Undelivered => "undelivered",
            Layer::Unprocessed => "unprocessed",
            Layer::Execution => "execution",
        };
        let age = letter.age_seconds.map_or(String::new(), span);
        rows.add_row([
            letter.id.as_str(),
            layer,
            &letter.consumer,
            letter.kind.as_deref().unwrap_or("-"),
            letter.subject.as_deref().unwrap_or("-"),
            &age,
            why,
        ]);
    }
    rows.text()
}

impl Letter {
    /// Whom it is about, where that can be read, and what was `done` with it.
    fn noted(&self, done: &str) -> Option<(String, String)> {
        let kind = self.kind.as_deref().unwrap_or("unread");
        let done = format!("dead letter {kind} of {} {done}", self.place);
        Some((self.subject.clone()?, done))
    }
}

impl Redrive {
    /// Whom it was about, and what was done, for the order's timeline.
    pub fn noted(&self) -> Vec<(String, String)> {
        let sent = self.redriven.iter().filter(|_| !self.dry_run);
        sent.filter_map(|letter| letter.noted("sent back"))
            .collect()
    }
}

impl AllDropped {
    /// Whom it was about, and what was done, for the order's timeline.
    pub fn noted(&self) -> Vec<(String, String)> {
        let dropped = self.dropped.iter();
        dropped
            .filter_map(|letter| letter.noted("dropped"))
            .collect()
    }
}

impl Dropped {
    /// Whom it was about, and what was done, for the order's timeline.
    pub fn noted(&self) -> Option<(String, String)> {
        self.dropped.noted("dropped")
    }
}

impl Report for Letters {
    fn text(&self) -> String {
        if self.letters.is_empty() {
            return "no dead letters".to_owned();
        }
        let listed = rows("CAUSE", self.letters.iter().map(|l| (l, l.cause.as_str())));
        match self.more {
            0 => listed,
            more => format!("{listed}\nand {more} newer; --limit shows more"),
        }
    }
}

impl Report for Shown {
    fn text(&self) -> String {
        let this = std::iter::once((&self.letter, self.letter.cause.as_str()));
        let mut lines = vec![rows("CAUSE", this)];
        lines.push(match (&self.letter.home, self.letter.homeless()) {
            (Some(home), _) => format!("in {}, goes back to {home}", self.letter.place),
            (None, why) => format!(
                "in {}, goes back nowhere: {}",
                self.letter.place,
                why.unwrap_or_default()
            ),
        });
        for (name, value) in &self.attributes {
            lines.push(format!("{}: {}", inline(name), inline(value)));
        }
        lines.extend(self.body.clone());
        let exported = self.exported.iter();
        lines.extend(exported.map(|file| format!("its text is in {}", file.display())));
        lines.join("\n")
    }
}

impl Report for Dropped {
    fn text(&self) -> String {
        format!("dropped {} from {}", self.dropped.id, self.dropped.place)
    }
}

impl Report for AllDropped {
    fn text(&self) -> String {
        match self.dropped.len() {
            0 => "no such dead letters".to_owned(),
            some => format!(
                "dropped {some}\n{}",
                rows("CAUSE", self.dropped.iter().map(|l| (l, l.cause.as_str())))
            ),
        }
    }
}

impl Report for Redrive {
    fn text(&self) -> String {
        let did = if self.dry_run { "would be" } else { "were" };
        let mut lines = vec![format!("{} {did} sent back", self.redriven.len())];
        if !self.redriven.is_empty() {
            let sent = |l: &Letter| l.home.clone().unwrap_or_default();
            let homes: Vec<_> = self.redriven.iter().map(|l| (l, sent(l))).collect();
            lines.push(rows(
                "GOES TO",
                homes.iter().map(|(l, home)| (*l, home.as_str())),
            ));
        }
        if !self.kept.is_empty() {
            lines.push(format!("{} stay", self.kept.len()));
            lines.push(rows(
                "WHY",
                self.kept.iter().map(|k| (&k.letter, k.why.as_str())),
            ));
        }
        lines.join("\n")
    }

    fn exit(&self) -> Exit {
        if self.kept.is_empty() {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}
