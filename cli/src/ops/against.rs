//! Two orders side by side, of one variant or of two: what both did and when, what
//! only one did, and what came out differently.
//!
//! Steps are matched by what they are, in the order of their times: by service and
//! command; then by service and fact, because variants name alike what a service says,
//! and not always what asks it; then by what the commands may lead to, so that what
//! came out differently is beside what it should have been.

use serde::Serialize;

use crate::ops::timeline::{self, Timeline};
use crate::ops::view::{Step, View};
use crate::shop::contracts::told::may_say;
use crate::terminal::exit::Outcome;
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::terminal::times::millis;
use crate::world::World;

/// Two orders.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Against {
    /// The orders: the one that was asked for, and the other.
    pub orders: [Side; 2],
    /// What they did, in order of time since each one's beginning.
    pub steps: Vec<Pair>,
}

/// One of the orders as a whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// Its id.
    pub order: String,
    /// The variant it runs under; `None` when no service placed it.
    pub variant: Option<&'static str>,
    /// How it stands, in a word.
    pub outcome: String,
    /// From the first thing to the last, in milliseconds.
    pub elapsed_ms: i64,
    /// How many attempts were not the first.
    pub retries: u32,
    /// How many facts were told again.
    pub duplicates: u32,
    /// Where something of it lies dead.
    pub dead_letters: Vec<String>,
    /// What it waits for, or lacks.
    pub missing: Vec<String>,
}

/// A step of both orders, or of one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// The service.
    pub service: &'static str,
    /// The command; the fact, where the commands differ.
    pub step: String,
    /// What each of the orders did; `None` for the one that did not.
    pub did: [Option<Did>; 2],
    /// What is not the same in both, but for times.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<Differs>,
}

/// What one order did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Did {
    /// The command, and what tells its repetitions apart.
    pub command: String,
    /// Milliseconds since the order began.
    pub after_ms: i64,
    /// `done`, or the refusal's name.
    pub outcome: String,
    /// The facts it announced.
    pub facts: Vec<String>,
}

/// In what a step of both is not the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Differs {
    /// Another command asked for it.
    Command,
    /// It came out differently.
    Outcome,
    /// It announced other facts.
    Facts,
}

/// Reads the orders `one` and `other`.
///
/// # Errors
/// [`crate::terminal::exit::Problem`] when nobody ever heard of one of them, or the
/// target does not answer.
pub async fn read<W: World>(world: &W, one: &str, other: &str) -> Outcome<Against> {
    let (one, other) = (load(world, one).await?, load(world, other).await?);
    let steps = pairs(&one.1, &other.1);
    Ok(Against {
        orders: [one.0, other.0],
        steps,
    })
}

/// A step, and how to know it again.
#[derive(Debug, Clone)]
struct Known {
    service: &'static str,
    /// The command, without ids.
    command: String,
    did: Did,
}

async fn load<W: World>(world: &W, id: &str) -> Outcome<(Side, Vec<Known>)> {
    let timeline = timeline::read(world, id).await?;
    let view = View::load(world, id).await?;
    let known = view.steps.iter().map(|step| known(&timeline, step));
    let known = known.collect();
    let side = Side {
        order: timeline.order,
        variant: timeline.variant,
        outcome: timeline.outcome,
        elapsed_ms: timeline.elapsed_ms,
        retries: timeline.retries,
        duplicates: timeline.duplicates,
        dead_letters: timeline
            .dead_letters
            .into_iter()
            .map(|dead| dead.place)
            .collect(),
        missing: timeline.missing.into_iter().map(|it| it.what).collect(),
    };
    Ok((side, known))
}

fn known(timeline: &Timeline, step: &Step) -> Known {
    // An order's id, an execution's name, a time: they tell the steps of one order
    // apart, and no two orders have them in common.
    let tells = |word: &&str| {
        let is_time = word.len() > 9 && word.bytes().all(|b| b.is_ascii_digit());
        !word.is_empty() && !is_time && !word.starts_with(timeline.order.as_str())
    };
    let words: Vec<&str> = step.command.split(' ').filter(tells).collect();
    let began = timeline.began_at.unwrap_or(step.at);
    Known {
        service: step.service,
        command: words.join(" "),
        did: Did {
            command: step.command.clone(),
            after_ms: step.at.duration_since(began).as_millis() as i64,
            outcome: step.outcome.clone(),
            facts: step.facts.clone(),
        },
    }
}

impl Known {
    /// Whether it came to something, and did not only note what others said.
    fn decided(&self) -> bool {
        self.did.outcome != "done" || !self.did.facts.is_empty()
    }

    fn may_say(&self) -> &'static [&'static str] {
        may_say(self.service, bare(&self.command))
    }
}

/// The steps of both, matched.
fn pairs(one: &[Known], other: &[Known]) -> Vec<Pair> {
    let mut left: Vec<Option<&Known>> = one.iter().map(Some).collect();
    let mut right: Vec<Option<&Known>> = other.iter().map(Some).collect();
    let mut pairs = Vec::new();
    let alike: [fn(&Known, &Known) -> bool; 5] = [
        |a, b| a.command == b.command,
        |a, b| unnumbered(&a.command) == unnumbered(&b.command),
        |a, b| a.did.facts.iter().any(|fact| b.did.facts.contains(fact)),
        |a, b| a.decided() && b.decided() && a.may_say().iter().any(|it| b.may_say().contains(it)),
        |a, b| bare(&a.command) == bare(&b.command),
    ];
    for alike in alike {
        for a in &mut left {
            let Some(first) = *a else { continue };
            let fits = |b: &Option<&Known>| {
                b.is_some_and(|b| b.service == first.service && alike(first, b))
            };
            if let Some(second) = right.iter().position(fits) {
                pairs.push(pair([a.take(), right[second].take()]));
            }
        }
    }
    let only_one = left.into_iter().flatten().map(|a| pair([Some(a), None]));
    pairs.extend(only_one);
    let only_other = right.into_iter().flatten().map(|b| pair([None, Some(b)]));
    pairs.extend(only_other);
    pairs.sort_by_key(|pair| pair.did.iter().flatten().map(|did| did.after_ms).min());
    pairs
}

/// The command without the numbers that an operator's further tries have.
fn unnumbered(command: &str) -> Vec<&str> {
    let is_word = |word: &&str| !word.bytes().all(|b| b.is_ascii_digit());
    command.split(' ').filter(is_word).collect()
}

/// The command without what tells its repetitions apart.
fn bare(command: &str) -> &str {
    command.split(' ').next().unwrap_or(command)
}

fn pair(both: [Option<&Known>; 2]) -> Pair {
    let mut differs = Vec::new();
    let mut step = both.iter().flatten().map(|one| one.command.clone());
    let mut step = step.next().unwrap_or_default();
    if let [Some(a), Some(b)] = both {
        if a.command != b.command {
            differs.push(Differs::Command);
            let common = a.did.facts.iter().find(|fact| b.did.facts.contains(fact));
            step = match common {
                Some(fact) if bare(&a.command) != bare(&b.command) => fact.clone(),
                _ => bare(&a.command).to_owned(),
            };
        }
        if a.did.outcome != b.did.outcome {
            differs.push(Differs::Outcome);
        }
        if a.did.facts != b.did.facts {
            differs.push(Differs::Facts);
        }
    }
    let service = both.iter().flatten().map(|one| one.service).next();
    Pair {
        service: service.unwrap_or_default(),
        step,
        did: both.map(|one| one.map(|one| one.did.clone())),
        differs,
    }
}

impl Pair {
    /// What is to be said of it besides its times.
    fn remarks(&self) -> String {
        let [Some(one), Some(other)] = &self.did else {
            let only = if self.did[0].is_some() { 1 } else { 2 };
            let did = self.did.iter().flatten().next();
            let outcome = did.map(|did| did.outcome.as_str());
            return match outcome.filter(|outcome| *outcome != "done") {
                Some(outcome) => format!("only {only}: {outcome}"),
                None => format!("only {only}"),
            };
        };
        let ways = [bare(&one.command), bare(&other.command)];
        let same_way = ways[0] == ways[1];
        let told = |what: &Differs| match what {
            Differs::Command if same_way => {
                let rest = |did: &Did| did.command.replacen(ways[0], "", 1).trim().to_owned();
                Some(format!("{} / {}", rest(one), rest(other)))
            }
            Differs::Command => Some(format!("by {} / {}", ways[0], ways[1])),
            Differs::Outcome => Some(format!("{} / {}", one.outcome, other.outcome)),
            // A refusal is both an outcome and a fact.
            Differs::Facts if one.outcome != other.outcome => None,
            Differs::Facts => Some(format!(
                "says {} / {}",
                said(&one.facts),
                said(&other.facts)
            )),
        };
        let told: Vec<String> = self.differs.iter().filter_map(told).collect();
        match told.is_empty() && one.outcome != "done" {
            true => one.outcome.clone(),
            false => told.join("; "),
        }
    }

    /// Whether both did it, and it came out differently.
    fn came_out_differently(&self) -> bool {
        let it = [Differs::Outcome, Differs::Facts];
        self.differs.iter().any(|differs| it.contains(differs))
    }
}

fn said(facts: &[String]) -> String {
    match facts {
        [] => "nothing".to_owned(),
        facts => facts.join("+"),
    }
}

impl Side {
    fn lines(&self, number: usize) -> Vec<String> {
        let under = self.variant.map_or("under no variant".to_owned(), |name| {
            format!("under {name}")
        });
        let mut about = vec![under, millis(self.elapsed_ms)];
        for (count, what) in [(self.retries, "retries"), (self.duplicates, "told again")] {
            if count > 0 {
                about.push(format!("{count} {what}"));
            }
        }
        about.extend(
            self.dead_letters
                .iter()
                .map(|place| format!("dead in {place}")),
        );
        about.extend(self.missing.iter().map(|what| format!("missing: {what}")));
        vec![
            table::folded(&format!("{number}  {}  {}", self.order, self.outcome), 3),
            table::folded_behind(&about.join(", "), "   ", "   "),
        ]
    }
}

impl Report for Against {
    fn text(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        for (at, side) in self.orders.iter().enumerate() {
            lines.extend(side.lines(at + 1));
        }
        let mut rows = table([
            table::word("SERVICE"),
            table::word("STEP"),
            table::number("1 AFTER"),
            table::number("2 AFTER"),
            table::prose("DIFFERENCE"),
        ]);
        for pair in &self.steps {
            let after = |did: &Option<Did>| {
                let did = did.as_ref();
                did.map_or("-".to_owned(), |did| millis(did.after_ms))
            };
            rows.add_row([
                pair.service.to_owned(),
                pair.step.clone(),
                after(&pair.did[0]),
                after(&pair.did[1]),
                pair.remarks(),
            ]);
        }
        let count = |wanted: fn(&Pair) -> bool| self.steps.iter().filter(|it| wanted(it)).count();
        lines.extend([
            String::new(),
            rows.text(),
            String::new(),
            table::folded(
                &format!(
                    "{} steps of both, of which {} came out differently; {} only of 1, {} only of 2",
                    count(|it| it.did.iter().all(Option::is_some)),
                    count(Pair::came_out_differently),
                    count(|it| it.did[1].is_none()),
                    count(|it| it.did[0].is_none()),
                ),
                0,
            ),
        ]);
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests;
