//! Old code meets new facts: changes of the schemas of facts, said so by the shop in the
//! lab, and what became of them. What `duet schemas check` says of a change is held
//! against that; it shares no code with the services, and none with what is drawn here.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adapt;
#[path = "../../cli/schemas/tests/it/draw.rs"]
mod draw;
#[path = "../../cli/schemas/tests/it/mutate.rs"]
mod mutate;
#[path = "../../cli/schemas/tests/it/oracle.rs"]
#[expect(dead_code, reason = "its judgement is another test's")]
mod oracle;
mod shop;

use std::collections::{BTreeMap, BTreeSet};

use duet_cli::shop::contracts::hearers::Hearers;
use duet_schemas::compatibility::{Change, Verdict, Way, compare};
use duet_schemas::contract::{Contract, read};
use fastrand::Rng;
use serde_json::Value;

use crate::shop::{Seen, Shop};

/// How many changes are drawn.
const CHANGES: usize = 1_000;
/// How many wrong verdicts are planted.
const PLANTED: usize = 20;

/// A change of a fact's schema, and what is said of it.
struct Changed {
    old: Value,
    new: Value,
    verdict: Change,
}

/// The fact called `name`, with `schema`.
fn contract(name: &str, schema: &Value) -> Contract {
    read(name, &schema.to_string(), false).unwrap().remove(0)
}

/// Changes of all facts, by turns; each is one or two drawn steps.
fn drawn(many: usize, seed: u64) -> Vec<Changed> {
    let hearers = Hearers::known().unwrap();
    let all = shop::schemas();
    let mut rng = Rng::with_seed(seed);
    let each = (0..many).map(|n| {
        let (name, old) = &all[n % all.len()];
        let mut new = old.clone();
        let mut wanted = 1 + rng.u8(..2);
        while wanted > 0 {
            wanted -= u8::from(mutate::change(&mut new, &mut rng));
        }
        let (before, after) = (contract(name, old), contract(name, &new));
        let hears = |it: &Contract| hearers.of(&it.name);
        let verdict = compare(&[before], &[after], &[], &hears).remove(0);
        Changed {
            old: old.clone(),
            new,
            verdict,
        }
    });
    each.collect()
}

/// What of `seen` is not what the verdict `forward` says; none where they agree.
fn differs(changed: &Changed, forward: Verdict, seen: &Seen) -> Option<String> {
    match forward {
        Verdict::NotKnown => None,
        Verdict::Yes if !seen.refused.is_empty() => Some(format!("is refused: {:?}", seen.refused)),
        Verdict::Yes => seen.ended.clone(),
        Verdict::No => {
            let breaks = changed.verdict.breaks.iter();
            let named: BTreeSet<&str> = breaks
                .filter(|it| it.way == Way::Forward && it.consumer != "not known")
                .map(|it| it.consumer.as_str())
                .collect();
            let refused: BTreeSet<&str> = seen.refused.keys().map(String::as_str).collect();
            let is_so = refused == named && changed.verdict.forward == Verdict::No;
            (!is_so).then(|| format!("breaks {refused:?} and not {named:?}"))
        }
    }
}

/// The places where verdict and shop disagree, with the verdicts at `twisted` turned
/// round.
fn disagreements(all: &[(Changed, Seen)], twisted: &BTreeSet<usize>) -> BTreeMap<usize, String> {
    let each = all.iter().enumerate().filter_map(|(n, (changed, seen))| {
        let own = changed.verdict.forward;
        let forward = match (twisted.contains(&n), own) {
            (true, Verdict::Yes) => Verdict::No,
            (true, Verdict::No) => Verdict::Yes,
            _ => own,
        };
        Some((n, differs(changed, forward, seen)?))
    });
    each.collect()
}

/// What became of each change in the shop; as many at once as there are processors.
fn tried(shop: &Shop, changes: Vec<Changed>) -> Vec<(Changed, Seen)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let each = changes.len().div_ceil(threads);
    let try_one = |(n, changed): (usize, &Changed)| {
        shop.tried(&changed.verdict, &changed.old, &changed.new, n as u64)
    };
    let numbered: Vec<(usize, &Changed)> = changes.iter().enumerate().collect();
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let parts = numbered.chunks(each);
        let parts =
            parts.map(|part| scope.spawn(|| part.iter().copied().map(try_one).collect::<Vec<_>>()));
        let parts: Vec<_> = parts.collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap())
            .collect()
    });
    changes.into_iter().zip(seen).collect()
}

#[test]
fn the_shop_bears_a_thousand_changes_of_its_facts_as_the_check_says() {
    let all = tried(&Shop::new(), drawn(CHANGES, 18));
    let count = |wanted: Verdict| {
        let such = all.iter().filter(|it| it.0.verdict.forward == wanted);
        such.count()
    };
    let said: usize = all.iter().map(|it| it.1.said).sum();
    let judged = all.iter().filter(|it| it.1.is_same).count();
    let [yes, no, unknown] = [Verdict::Yes, Verdict::No, Verdict::NotKnown].map(count);
    println!(
        "yes {yes}, no {no}, not known {unknown}; {said} facts said anew; the ends of {judged} judged"
    );
    let wrong = disagreements(&all, &BTreeSet::new());
    for (n, why) in &wrong {
        let changed = &all[*n].0;
        println!(
            "{n} {} ({}): {why}\n{}\n{}",
            changed.verdict.fact, changed.verdict.change, changed.old, changed.new
        );
    }
    assert!(wrong.is_empty(), "{} disagreements", wrong.len());
    assert!(
        yes > 250 && no > 250 && unknown < 60,
        "{yes} {no} {unknown}"
    );
    assert!(said > 2 * CHANGES && judged > 200, "{said} {judged}");
    // Wrong verdicts are found, and nothing else.
    let mut rng = Rng::with_seed(20);
    let mut planted = BTreeSet::new();
    while planted.len() < PLANTED {
        let n = rng.usize(..all.len());
        if all[n].0.verdict.forward != Verdict::NotKnown {
            planted.insert(n);
        }
    }
    let found: BTreeSet<usize> = disagreements(&all, &planted).into_keys().collect();
    assert_eq!(found, planted);
}
