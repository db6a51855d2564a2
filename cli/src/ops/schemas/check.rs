//! What a change of schemas breaks.

use std::path::Path;

use duet_schemas::compatibility::{Break, Change, Verdict, Way, compare};
use serde::{Serialize, Serializer};

use crate::shop::contracts::hearers::Hearers;
use crate::terminal::colour::{Tone, paint};
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::report::Report;
use crate::terminal::table::{folded, prose, table, word};

/// How much of an example is shown.
const EXAMPLE: usize = 240;

/// What became of each contract.
#[derive(Debug)]
pub struct Changes {
    changes: Vec<Change>,
    releases: Vec<String>,
}

/// Compares what `new` names with what `old` names, and with the releases in the
/// folder `released`, if there is one. With `strict` all of them are commands.
///
/// # Errors
/// [`Problem`](crate::terminal::exit::Problem) when something is not there or is no
/// schema.
pub fn check(old: &str, new: &str, released: Option<&Path>, strict: bool) -> Outcome<Changes> {
    let hearers = Hearers::known()?;
    let mut old = super::contracts(old, strict)?;
    let mut new = super::contracts(new, strict)?;
    // Two files are two versions of one contract, whatever they are called.
    if let ([was], [is]) = (old.as_mut_slice(), new.as_mut_slice()) {
        was.name.clone_from(&is.name);
        is.kind = is.kind.max(was.kind);
        was.kind = is.kind;
    }
    let releases = released.map_or(Ok(Vec::new()), super::releases)?;
    Ok(Changes {
        changes: compare(&old, &new, &releases, &|it| hearers.of(&it.name)),
        releases: releases.into_iter().map(|it| it.version).collect(),
    })
}

impl Serialize for Changes {
    /// The changes, as a list.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.changes.serialize(serializer)
    }
}

/// What the same mistake breaks, and whose.
struct Broken<'a> {
    it: &'a Break,
    consumers: Vec<&'a str>,
}

/// The breaks of a change, each with all its consumers.
fn gathered(change: &Change) -> Vec<Broken<'_>> {
    let mut all: Vec<Broken<'_>> = Vec::new();
    for it in &change.breaks {
        let key = |it: &Break| (it.way, it.field.clone(), it.why.clone(), it.against.clone());
        match all.iter_mut().find(|known| key(known.it) == key(it)) {
            Some(known) => known.consumers.push(&it.consumer),
            None => all.push(Broken {
                it,
                consumers: vec![&it.consumer],
            }),
        }
    }
    all
}

impl Report for Changes {
    fn text(&self) -> String {
        let shown = self
            .changes
            .iter()
            .filter(|it| it.change != "unchanged" || it.transitive != Verdict::Yes);
        let shown: Vec<&Change> = shown.collect();
        let mut lines = Vec::new();
        if !shown.is_empty() {
            let mut table = table([
                word("CONTRACT"),
                prose("CHANGE"),
                word("BACKWARD"),
                word("FORWARD"),
                word("FULL"),
                word("TRANSITIVE"),
            ]);
            for it in &shown {
                let verdicts = [it.backward, it.forward, it.full, it.transitive]
                    .map(|it| it.word().to_owned());
                let begin = [it.fact.clone(), it.change.clone()];
                table.add_row(begin.into_iter().chain(verdicts));
            }
            lines.push(table.text());
            lines.push(String::new());
        }
        for change in &shown {
            for broken in gathered(change) {
                lines.push(told(change, &broken));
                let mut below = |text: &str| lines.push(format!("  {}", folded(text, 4)));
                below(&broken.it.why);
                below(&format!("read by: {}", broken.consumers.join(", ")));
                if let Some(example) = &broken.it.example {
                    below(&format!("such as: {}", shown_of(&example.to_string())));
                }
                lines.push(String::new());
            }
        }
        lines.push(self.summary());
        lines.join("\n")
    }

    fn exit(&self) -> Exit {
        match self.changes.iter().all(|it| it.transitive == Verdict::Yes) {
            true => Exit::Done,
            false => Exit::Failed,
        }
    }
}

/// `example`, as far as there is room for it.
fn shown_of(example: &str) -> String {
    match example.char_indices().nth(EXAMPLE) {
        None => example.to_owned(),
        Some((end, _)) => format!("{} ... (whole in --output json)", &example[..end]),
    }
}

/// The headline of what breaks.
fn told(change: &Change, broken: &Broken<'_>) -> String {
    let it = broken.it;
    let (verb, tone) = match it.certain {
        true => ("breaks", Tone::Bad),
        false => ("may break, it is not known", Tone::Declined),
    };
    let meets = match it.way {
        Way::Backward => "new code meets old data",
        Way::Forward => "old code meets new data",
    };
    let of = match &it.against {
        None => String::new(),
        Some(version) => format!(" of release {version}"),
    };
    let field = match it.field.as_str() {
        "" => "as a whole".to_owned(),
        field => format!("field {field}"),
    };
    let text = format!(
        "{}, {field}: {} {verb}: {meets}{of}",
        change.fact,
        it.way.word()
    );
    paint(tone, &folded(&text, 2))
}

impl Changes {
    fn summary(&self) -> String {
        let count = |wanted: Verdict| {
            let such = self.changes.iter().filter(|it| it.transitive == wanted);
            such.count()
        };
        let against = match self.releases.as_slice() {
            [] => String::new(),
            some => format!("; releases: {}", some.join(", ")),
        };
        let changed = self.changes.iter().filter(|it| it.change != "unchanged");
        let text = format!(
            "{} contracts, {} changed: {} break, {} not known, {} compatible; every field counts as read{against}",
            self.changes.len(),
            changed.count(),
            count(Verdict::No),
            count(Verdict::NotKnown),
            count(Verdict::Yes),
        );
        folded(&text, 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::schemas::contracts;
    use crate::shop::contracts::files;

    fn infra() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/schemas")
    }

    /// What was released is read for ever: by whoever replays an archive, and by who
    /// is brought up to date last.
    #[test]
    fn todays_contracts_are_compatible_with_every_release() {
        let hearers = Hearers::known().unwrap();
        let mut today = Vec::new();
        for (path, text) in files().unwrap() {
            if path.starts_with("infra/schemas") {
                today.extend(duet_schemas::contract::read(&path, &text, false).unwrap());
            }
        }
        let releases = crate::ops::schemas::releases(&infra().join("released")).unwrap();
        assert!(
            releases
                .iter()
                .any(|it| it.version == env!("CARGO_PKG_VERSION"))
        );
        for release in releases {
            assert!(release.contracts.len() > 50, "{}", release.version);
            let changes = compare(&release.contracts, &today, &[], &|it| hearers.of(&it.name));
            // A command is strict: something more in it is deployed with its reader first.
            let is_command = |it: &Change| it.fact.contains('.');
            let broken = changes.iter().filter(|it| match is_command(it) {
                true => it.backward != Verdict::Yes,
                false => it.full != Verdict::Yes,
            });
            let broken: Vec<_> = broken
                .map(|it| (&it.fact, &it.change, &it.breaks))
                .collect();
            assert!(broken.is_empty(), "{}: {broken:#?}", release.version);
        }
    }

    #[test]
    fn what_breaks_names_the_field_and_who_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let old = infra().join("events/PaymentCaptured.json");
        let text = std::fs::read_to_string(&old).unwrap();
        let new = folder.path().join("PaymentCaptured.json");
        std::fs::write(&new, text.replace("\"amount\"", "\"sum\"")).unwrap();
        let path = |path: &Path| path.display().to_string();
        let changes = check(&path(&old), &path(&new), None, false).unwrap();
        assert_eq!(changes.exit(), Exit::Failed);
        let delivery = changes.changes[0]
            .breaks
            .iter()
            .find(|it| it.consumer == "delivery");
        assert!(delivery.unwrap().field.ends_with("sum"), "{delivery:?}");
        assert!(
            changes.text().contains("read by: delivery"),
            "{}",
            changes.text()
        );
        assert!(contracts(&path(folder.path()), false).is_ok());
        assert!(contracts("nothing/there.json", false).is_err());
        assert!(contracts("HEAD:nothing/there.json", false).is_err());
    }
}
