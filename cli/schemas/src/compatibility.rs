//! What a change of contracts breaks: BACKWARD, FORWARD, FULL and TRANSITIVE, in the
//! meaning of Confluent's schema registry
//! ([compatibility types](https://docs.confluent.io/platform/current/schema-registry/fundamentals/schema-evolution.html)).

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::accept::Example;
use crate::contract::{Contract, Kind};
use crate::difference::told;
use crate::node::Document;
use crate::subset::{Gap, Pair};

/// Whether something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    /// It does, proved.
    #[serde(rename = "yes")]
    Yes,
    /// Nobody knows.
    #[serde(rename = "not known")]
    NotKnown,
    /// It does not, and there is an example.
    #[serde(rename = "no")]
    No,
}

impl Verdict {
    /// As a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::NotKnown => "not known",
            Self::No => "no",
        }
    }

    fn of(gaps: &[Gap]) -> Self {
        let each = gaps.iter().map(|gap| match gap.example {
            Some(_) => Self::No,
            None => Self::NotKnown,
        });
        each.max().unwrap_or(Self::Yes)
    }
}

/// Which code meets which data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// New code reads old data.
    Backward,
    /// Old code reads new data.
    Forward,
}

impl Way {
    /// As a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Backward => "backward",
            Self::Forward => "forward",
        }
    }
}

/// What breaks, or may break.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Break {
    /// Whose code does not read what it meets; `not known` where nobody says who
    /// reads the contract.
    pub consumer: String,
    /// The field, as a dotted path; empty for the contract as a whole.
    pub field: String,
    /// Which code meets which data.
    pub way: Way,
    /// The release that it is compared with, where that is not the old side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// What is wrong.
    pub why: String,
    /// Whether it surely breaks; where not, it is not known.
    pub certain: bool,
    /// Data that is written so and not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Value>,
}

/// What a change of one contract does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The contract's name.
    pub fact: String,
    /// What changed, in words.
    pub change: String,
    /// New code reads old data.
    pub backward: Verdict,
    /// Old code reads new data.
    pub forward: Verdict,
    /// Both.
    pub full: Verdict,
    /// Both, against the old side and each release.
    pub transitive: Verdict,
    /// What breaks.
    pub breaks: Vec<Break>,
}

/// The contracts of one release, and what it is called.
#[derive(Debug, Clone)]
pub struct Release {
    /// Its version.
    pub version: String,
    /// What it said.
    pub contracts: Vec<Contract>,
}

/// Compares `new` with `old` and with `releases`. `hears` names those who read a
/// contract; each is taken to read every field.
#[must_use]
pub fn compare(
    old: &[Contract],
    new: &[Contract],
    releases: &[Release],
    hears: &dyn Fn(&Contract) -> Vec<String>,
) -> Vec<Change> {
    let key = |it: &Contract| (it.kind, it.name.clone());
    let all: BTreeSet<_> = old.iter().chain(new).map(key).collect();
    let find =
        |of: &[Contract], wanted: &(Kind, String)| of.iter().find(|it| key(it) == *wanted).cloned();
    let changes = all.iter().map(|wanted| {
        let earlier = releases.iter().filter_map(|release| {
            Some((release.version.as_str(), find(&release.contracts, wanted)?))
        });
        let earlier: Vec<(&str, Contract)> = earlier.collect();
        change(find(old, wanted), find(new, wanted), &earlier, hears)
    });
    changes.flatten().collect()
}

/// The change of one contract; none where neither side has it.
fn change(
    old: Option<Contract>,
    new: Option<Contract>,
    earlier: &[(&str, Contract)],
    hears: &dyn Fn(&Contract) -> Vec<String>,
) -> Option<Change> {
    let of = new.as_ref().or(old.as_ref())?.clone();
    let consumers = match hears(&of) {
        none if none.is_empty() => vec!["not known".to_owned()],
        some => some,
    };
    let mut change = Change {
        fact: of.name.clone(),
        change: match (&old, &new) {
            (Some(old), Some(new)) => told(old, new),
            (None, _) => "new".to_owned(),
            (_, None) => "gone".to_owned(),
        },
        backward: Verdict::Yes,
        forward: Verdict::Yes,
        full: Verdict::Yes,
        transitive: Verdict::Yes,
        breaks: Vec::new(),
    };
    if let Some(old) = &old {
        for way in [Way::Backward, Way::Forward] {
            let gaps = gaps(old, new.as_ref(), way);
            let verdict = Verdict::of(&gaps);
            match way {
                Way::Backward => change.backward = verdict,
                Way::Forward => change.forward = verdict,
            }
            change.add(&gaps, &consumers, way, None);
        }
    }
    change.full = change.backward.max(change.forward);
    change.transitive = change.full;
    for (version, earlier) in earlier {
        if old.as_ref() == Some(earlier) {
            continue;
        }
        for way in [Way::Backward, Way::Forward] {
            let gaps = gaps(earlier, new.as_ref(), way);
            change.transitive = change.transitive.max(Verdict::of(&gaps));
            change.add(&gaps, &consumers, way, Some(version));
        }
    }
    Some(change)
}

impl Change {
    /// Adds what breaks, unless the same is known already.
    fn add(&mut self, gaps: &[Gap], consumers: &[String], way: Way, against: Option<&str>) {
        for gap in gaps {
            for consumer in consumers {
                let one = Break {
                    consumer: consumer.clone(),
                    field: gap.field.clone(),
                    way,
                    against: against.map(str::to_owned),
                    why: gap.why.clone(),
                    certain: gap.example.is_some(),
                    example: gap.example.clone(),
                };
                let same = |it: &Break| {
                    (&it.consumer, &it.field, it.way, &it.why)
                        == (&one.consumer, &one.field, one.way, &one.why)
                };
                if !self.breaks.iter().any(same) {
                    self.breaks.push(one);
                }
            }
        }
    }
}

/// Where `way` is blocked between `old` and `new`. A contract that is gone is read
/// by nobody any more, and lies in archives and queues.
fn gaps(old: &Contract, new: Option<&Contract>, way: Way) -> Vec<Gap> {
    let Some(new) = new else {
        let document = Document {
            root: &old.root,
            open: false,
        };
        let example = match document.example(&[old.schema()]) {
            Example::Is(value) => value,
            _ => Value::Null,
        };
        let gap = Gap {
            field: String::new(),
            why: "is gone: what was kept of it is read by nobody".to_owned(),
            example: Some(example),
        };
        return match way {
            Way::Backward => vec![gap],
            Way::Forward => Vec::new(),
        };
    };
    let (written, read) = match way {
        Way::Backward => (old, new),
        Way::Forward => (new, old),
    };
    let writer = Document {
        root: &written.root,
        open: false,
    };
    let reader = Document {
        root: &read.root,
        open: read.kind == Kind::Fact,
    };
    Pair::gaps(writer, written.schema(), reader, read.schema())
}
