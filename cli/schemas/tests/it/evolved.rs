//! New code meets old facts: consumers generated for changed schemas, all in one crate,
//! read what was said before the change. What they do not read is held against what the
//! checker says of the change, and each fact against a third judge, a validator that
//! shares no code with either.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use duet_schemas::compatibility::{Change, Verdict, Way};
use duet_schemas::contract::{Contract, Kind, read};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::changes::judged;
use crate::draw::{Draw, Hints, runner};
use crate::generated::asked;
use crate::oracle::{closed, validator};
use crate::{mutate, root, schemas};

/// How many changes.
const CHANGES: usize = 200;
/// How many facts of the old schema a new consumer is given, besides those that were kept.
const DRAWN: usize = 40;

/// What the crate is asked: which facts its types understand as a whole.
const QUESTION: &str = r#"
use serde_json::Value;

#[test]
fn what_is_understood() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drawn.json");
    let all: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for one in &all {
        let name = one["name"].as_str().unwrap();
        let event = CRATE::Event::of("shop", name, one["said"].clone());
        // A word that nobody knows is kept, and means nothing to who reads it.
        let understood = event.is_ok_and(|it| !format!("{it:?}").contains("Unknown("));
        println!("{name} {}", if understood { "read" } else { "lost" });
    }
}
"#;

/// What the shop said under release 0.1.0, by fact.
fn archive() -> BTreeMap<String, Vec<Value>> {
    let text = std::fs::read_to_string(root().join("tests/fixtures/archive.jsonl")).unwrap();
    let mut kept: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let name = event["detail-type"].as_str().unwrap().to_owned();
        let all = kept.entry(name).or_default();
        all.push(event["detail"]["data"].clone());
    }
    kept
}

/// Facts as the schema `old` has them.
fn facts(old: &Value, new: &Value, seed: u64) -> Vec<Value> {
    let mut hints = Hints::default();
    hints.gather(old);
    hints.gather(new);
    let written = closed(old);
    let fits = validator(&written);
    let mut draw = Draw {
        root: &written,
        hints: &hints,
        rng: Rng::with_seed(seed),
        runner: runner(seed),
        strategies: HashMap::new(),
    };
    let all = (0..DRAWN * 40).map(|_| draw.value(&written, 6));
    all.filter(|it| fits.is_valid(it)).take(DRAWN).collect()
}

/// A change, what the checker says of it, and how many of the old facts the new consumer
/// lost, of how many.
struct Evolved {
    verdict: Change,
    lost: usize,
    of: usize,
    schemas: [Value; 2],
}

impl Evolved {
    /// Whether consumer and checker agree, with what the checker says turned round if
    /// `twisted`.
    fn agrees(&self, twisted: bool) -> bool {
        match self.verdict.backward {
            Verdict::NotKnown => true,
            Verdict::Yes => (self.lost > 0) == twisted,
            Verdict::No => (self.lost > 0) != twisted,
        }
    }
}

/// The changes, with what the generated consumers made of the old facts.
fn evolved() -> Vec<Evolved> {
    let kept = archive();
    let all = schemas("events");
    let mut rng = Rng::with_seed(17);
    let (mut contracts, mut given): (Vec<Contract>, Vec<Value>) = (Vec::new(), Vec::new());
    let (mut evolved, mut validators) = (Vec::new(), Vec::new());
    for n in 0..CHANGES {
        let (name, old) = &all[n % all.len()];
        let mut new = old.clone();
        while !mutate::change(&mut new, &mut rng) {}
        let verdict = judged(Kind::Fact, old, &new);
        let consumer = format!("C{n}");
        contracts.extend(read(&consumer, &new.to_string(), false).unwrap());
        let backward = verdict.breaks.iter().filter(|it| it.way == Way::Backward);
        let said: Vec<Value> = backward
            .filter_map(|it| it.example.clone())
            .chain(kept.get(name).into_iter().flatten().cloned())
            .chain(facts(old, &new, n as u64))
            .collect();
        validators.push(validator(&new));
        evolved.push(Evolved {
            verdict,
            lost: 0,
            of: said.len(),
            schemas: [old.clone(), new],
        });
        let said = said.into_iter();
        given.extend(said.map(|said| json!({ "name": consumer, "said": said })));
    }
    let answers = asked("evolved-events", &contracts, QUESTION, &given);
    let answers = answers.lines().filter_map(|line| {
        let (name, answer) = line.strip_prefix('C')?.split_once(' ')?;
        Some((name.parse::<usize>().ok()?, answer))
    });
    let mut answered = 0;
    for ((n, answer), given) in answers.zip(&given) {
        answered += 1;
        evolved[n].lost += usize::from(answer == "lost");
        let fits = validators[n].is_valid(&given["said"]);
        assert_eq!(answer == "read", fits, "{given} {}", evolved[n].schemas[1]);
    }
    assert_eq!(answered, given.len());
    evolved
}

#[test]
fn new_consumers_read_what_was_said_before_as_the_checker_says() {
    let all = evolved();
    let count = |wanted: Verdict| {
        let such = all.iter().filter(|it| it.verdict.backward == wanted);
        such.count()
    };
    let [yes, no, unknown] = [Verdict::Yes, Verdict::No, Verdict::NotKnown].map(count);
    let facts: usize = all.iter().map(|it| it.of).sum();
    println!("yes {yes}, no {no}, not known {unknown}; {facts} facts");
    let differ = |twisted: &BTreeSet<usize>| -> BTreeSet<usize> {
        let each = all.iter().enumerate();
        let differ = each.filter(|(n, it)| !it.agrees(twisted.contains(n)));
        differ.map(|(n, _)| n).collect()
    };
    for n in differ(&BTreeSet::new()) {
        let Evolved {
            verdict,
            lost,
            of,
            schemas: [old, new],
        } = &all[n];
        println!("C{n}: {lost} of {of} lost\n{old}\n{new}\n{verdict:?}");
    }
    assert_eq!(differ(&BTreeSet::new()), BTreeSet::new());
    assert!(yes > 100 && no > 50 && unknown < 20, "{yes} {no} {unknown}");
    // Twenty wrong verdicts are found, and nothing else.
    let mut rng = Rng::with_seed(23);
    let mut planted = BTreeSet::new();
    while planted.len() < 20 {
        let n = rng.usize(..all.len());
        if all[n].verdict.backward != Verdict::NotKnown {
            planted.insert(n);
        }
    }
    assert_eq!(differ(&planted), planted);
}
