//! A violation made small: the fewest scenarios and faults that still show it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use duet_lab::{Definitions, Strike};

use super::{Cut, Options, Violation, cast, seed_of, simulate, variant_of};
use crate::terminal::exit::Outcome;

/// The most runs spent on making a schedule smaller.
const SHRINKING: usize = 150;

/// Looks for the fewest scenarios and faults with which the same invariant is
/// broken, and tells what happened then.
pub(super) fn shrink(
    definitions: &Arc<Definitions>,
    options: &Options,
    world: u64,
    findings: &[(u8, String, String)],
    struck: Vec<Strike>,
) -> Outcome<Vec<Violation>> {
    let numbers: BTreeSet<u8> = findings.iter().map(|(number, ..)| *number).collect();
    let Some(number) = numbers.first().copied() else {
        return Ok(Vec::new());
    };
    let budget = Cell::new(SHRINKING);
    let fails = |cut: &Cut| -> Outcome<bool> {
        if budget.get() == 0 {
            return Ok(false);
        }
        budget.set(budget.get() - 1);
        let end = simulate(definitions, options, world, cut)?;
        Ok(end.findings.iter().any(|(of, ..)| *of == number))
    };
    let all = cast(definitions, options, world).len();
    let mut kept = Cut {
        strikes: Some(struck.into_iter().collect()),
        scripts: Some((0..all).collect()),
        ..Cut::default()
    };
    if !fails(&kept)? {
        kept = Cut::default();
    }
    if let Some(scripts) = kept.scripts.clone() {
        let smaller = fewest(scripts.into_iter().collect(), |some| {
            fails(&Cut {
                scripts: Some(some.iter().copied().collect()),
                ..kept.clone()
            })
        })?;
        kept.scripts = Some(smaller.into_iter().collect());
    }
    if let Some(strikes) = kept.strikes.clone() {
        let smaller = fewest(strikes.into_iter().collect(), |some| {
            fails(&Cut {
                strikes: Some(some.iter().copied().collect()),
                ..kept.clone()
            })
        })?;
        kept.strikes = Some(smaller.into_iter().collect());
    }
    kept.timeline = true;
    let end = simulate(definitions, options, world, &kept)?;
    let (seed, variant) = (seed_of(options, world), variant_of(options, world));
    let named = cast(definitions, options, world);
    let scenarios: Vec<_> = named
        .iter()
        .filter(|script| {
            kept.scripts
                .as_ref()
                .is_none_or(|kept| kept.contains(&script.number))
        })
        .map(|script| script.name)
        .collect();
    let schedule: Vec<String> = end
        .struck
        .iter()
        .map(|(kind, ident)| format!("{kind} #{ident:016x}"))
        .collect();
    let broken = end.findings.iter().filter(|(of, ..)| *of == number);
    Ok(broken
        .map(|(invariant, subject, what)| Violation {
            seed,
            variant: variant.name,
            invariant: *invariant,
            what: what.clone(),
            schedule: schedule.clone(),
            scenarios: scenarios.clone(),
            timeline: end
                .timeline
                .iter()
                .filter(|moment| about(&moment.subject, subject))
                .cloned()
                .collect(),
        })
        .collect())
}

/// Whether a moment about `of` belongs to the story of `subject`: one scenario's
/// orders and customers share what their names begin with.
fn about(of: &str, subject: &str) -> bool {
    let stem = |name: &str| name.split('-').next().unwrap_or_default().to_owned();
    stem(of) == stem(subject)
}

/// The fewest of `all` for which `fails` still says yes, by leaving out ever
/// smaller chunks.
fn fewest<T: Clone>(mut all: Vec<T>, fails: impl Fn(&[T]) -> Outcome<bool>) -> Outcome<Vec<T>> {
    let mut chunk = all.len().div_ceil(2);
    while chunk > 0 {
        let mut at = 0;
        while at < all.len() {
            let mut rest = all.clone();
            rest.drain(at..(at + chunk).min(all.len()));
            if fails(&rest)? {
                all = rest;
            } else {
                at += chunk;
            }
        }
        chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
    }
    Ok(all)
}
