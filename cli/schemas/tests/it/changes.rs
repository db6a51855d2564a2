//! A thousand changes, judged twice.

use std::collections::BTreeSet;

use duet_schemas::compatibility::{Change, Verdict, Way, compare};
use duet_schemas::contract::{Contract, Kind};
use fastrand::Rng;
use serde_json::Value;

use crate::oracle::{closed, counterexample, validator};
use crate::{mutate, schemas};

fn contract(kind: Kind, root: Value) -> Contract {
    Contract {
        name: "X".to_owned(),
        kind,
        root,
        at: String::new(),
        source: None,
        detail_type: None,
    }
}

/// What the checker says of a change from `old` to `new`.
pub(crate) fn judged(kind: Kind, old: &Value, new: &Value) -> Change {
    let (old, new) = (contract(kind, old.clone()), contract(kind, new.clone()));
    compare(&[old], &[new], &[], &|_| Vec::new()).remove(0)
}

/// A change: what it was, and what it is.
struct Changed {
    name: String,
    old: Value,
    new: Value,
}

/// So many changes of the schemas in `folder`, by turns.
fn drawn(folder: &str, many: usize, seed: u64) -> Vec<Changed> {
    let all = schemas(folder);
    let mut rng = Rng::with_seed(seed);
    let each = (0..many).map(|n| {
        let (name, old) = &all[n % all.len()];
        let mut new = old.clone();
        let mut wanted = 1 + rng.u8(..2);
        while wanted > 0 {
            wanted -= u8::from(mutate::change(&mut new, &mut rng));
        }
        let (old, new) = match rng.bool() {
            true => (old.clone(), new),
            false => (new, old.clone()),
        };
        Changed {
            name: name.clone(),
            old,
            new,
        }
    });
    each.collect()
}

/// What the oracle says: whether data that is written is not read, by direction.
fn of_oracle(kind: Kind, changed: &Changed, seed: u64) -> [Result<Option<Value>, ()>; 2] {
    let reader = |schema: &Value| match kind {
        Kind::Fact => schema.clone(),
        Kind::Command => closed(schema),
    };
    [
        counterexample(&closed(&changed.old), &reader(&changed.new), seed),
        counterexample(&closed(&changed.new), &reader(&changed.old), seed),
    ]
}

/// One change in one direction, judged twice.
struct Judged {
    own: Verdict,
    other: Result<Option<Value>, ()>,
}

impl Judged {
    /// Whether both say the same, with what the checker says turned round if
    /// `twisted`. What is not known is nothing to disagree about.
    fn agree(&self, twisted: bool) -> bool {
        let breaks = matches!(self.other, Ok(Some(_)));
        match self.own {
            Verdict::NotKnown => true,
            Verdict::Yes => breaks == twisted,
            Verdict::No => breaks != twisted,
        }
    }
}

/// Both judgements of all changes, each change backward and forward.
fn judgements(kind: Kind, all: &[Changed]) -> Vec<Judged> {
    let mut found = Vec::new();
    for (n, changed) in all.iter().enumerate() {
        let change = judged(kind, &changed.old, &changed.new);
        let others = of_oracle(kind, changed, n as u64);
        for (own, other) in [change.backward, change.forward].into_iter().zip(others) {
            let judged = Judged { own, other };
            if !judged.agree(false) {
                println!(
                    "{n} {}: {own:?}, {:?}\n{}\n{}\n{:#?}",
                    changed.name, judged.other, changed.old, changed.new, change.breaks
                );
            }
            found.push(judged);
        }
    }
    found
}

/// Where the two disagree.
fn disagreements(all: &[Judged], twisted: &BTreeSet<usize>) -> Vec<usize> {
    let places = all.iter().enumerate();
    let differ = places.filter(|(n, judged)| !judged.agree(twisted.contains(n)));
    differ.map(|(n, _)| n).collect()
}

/// How many verdicts were yes, not known, and no.
fn counts(all: &[Judged]) -> [usize; 3] {
    let mut counts = [0; 3];
    all.iter().for_each(|it| counts[it.own as usize] += 1);
    counts
}

#[test]
fn a_thousand_changes_of_facts_are_judged_as_another_judges_them() {
    let all = judgements(Kind::Fact, &drawn("events", 1_000, 7));
    assert_eq!(disagreements(&all, &BTreeSet::new()), Vec::<usize>::new());
    let [yes, unknown, no] = counts(&all);
    println!("yes {yes}, no {no}, not known {unknown}");
    assert!(
        yes > 400 && no > 400 && unknown < 60,
        "{yes} {no} {unknown}"
    );
    // Twenty wrong verdicts are found, and nothing else.
    let mut rng = Rng::with_seed(11);
    let mut planted = BTreeSet::new();
    while planted.len() < 20 {
        let n = rng.usize(..all.len());
        if all[n].own != Verdict::NotKnown {
            planted.insert(n);
        }
    }
    assert_eq!(
        disagreements(&all, &planted),
        planted.into_iter().collect::<Vec<_>>()
    );
}

#[test]
fn changes_of_commands_are_judged_as_another_judges_them() {
    let all = judgements(Kind::Command, &drawn("commands", 300, 5));
    assert_eq!(disagreements(&all, &BTreeSet::new()), Vec::<usize>::new());
    let [yes, unknown, no] = counts(&all);
    assert!(
        yes > 100 && no > 100 && unknown < 20,
        "{yes} {no} {unknown}"
    );
}

/// Who says that something breaks shows data that another finds broken, too.
#[test]
fn an_example_of_a_break_is_one() {
    let mut shown = 0;
    for changed in drawn("events", 400, 3) {
        let change = judged(Kind::Fact, &changed.old, &changed.new);
        for it in change.breaks {
            let (written, read) = match it.way {
                Way::Backward => (&changed.old, &changed.new),
                Way::Forward => (&changed.new, &changed.old),
            };
            let Some(example) = it.example else { continue };
            assert!(
                validator(&closed(written)).is_valid(&example),
                "{example} {written}"
            );
            assert!(!validator(read).is_valid(&example), "{example} {read}");
            shown += 1;
        }
    }
    assert!(shown > 200, "{shown}");
}
