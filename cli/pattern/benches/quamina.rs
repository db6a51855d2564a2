//! Events per second beside `quamina`, an automaton for nearly the same language, both from text.
//!
//! The two do not always agree (see the crate's documentation), so each set of rules is first cut down to the rules to
//! which both give the same answer for every event; the share that is left is printed. Then both take turns, five times,
//! and the medians are compared. An argument picks the sets whose names it is a part of.

use std::hint::black_box;
use std::time::{Duration, Instant};

use duet_pattern::{Matcher, Pattern};
use quamina::Quamina;
use serde_json::Value;

mod shop;

/// Turns that each side has.
const TURNS: usize = 5;

/// How long a turn takes at least.
const TURN: Duration = Duration::from_millis(300);

fn ours(rules: &[Value]) -> Matcher<usize> {
    let parsed = |rule: &Value| Pattern::from_value(rule).expect("a valid pattern");
    rules.iter().map(parsed).enumerate().collect()
}

fn theirs(rules: &[Value]) -> Quamina<usize> {
    let mut matcher = Quamina::new();
    for (key, rule) in rules.iter().enumerate() {
        matcher
            .add_pattern(key, &rule.to_string())
            .expect("a pattern that quamina takes");
    }
    matcher
}

fn found_by_ours(matcher: &Matcher<usize>, event: &str) -> Vec<usize> {
    let found = matcher.matches_text(event).expect("JSON");
    found.into_iter().copied().collect()
}

fn found_by_theirs(matcher: &Quamina<usize>, event: &str) -> Vec<usize> {
    let mut found = matcher.matches_for_event(event.as_bytes()).expect("JSON");
    found.sort_unstable();
    found
}

/// The rules to which both give the same answer for every event, and how many matches these have.
fn agreed(rules: &[Value], events: &[String]) -> (Vec<Value>, usize) {
    let (one, other) = (ours(rules), theirs(rules));
    let mut disagreed = vec![false; rules.len()];
    let mut matches = vec![0; rules.len()];
    for event in events {
        let (one, other) = (found_by_ours(&one, event), found_by_theirs(&other, event));
        for key in 0..rules.len() {
            let (one, other) = (one.contains(&key), other.contains(&key));
            disagreed[key] |= one != other;
            matches[key] += usize::from(one);
        }
    }
    let kept = |key: &usize| !disagreed[*key];
    let left = (0..rules.len()).filter(kept).map(|key| rules[key].clone());
    (
        left.collect(),
        (0..rules.len()).filter(kept).map(|key| matches[key]).sum(),
    )
}

/// Nanoseconds an event takes in one turn.
fn turn(events: &[String], mut matched: impl FnMut(&str) -> usize) -> f64 {
    let start = Instant::now();
    let mut tried = 0;
    while start.elapsed() < TURN {
        for event in events {
            black_box(matched(black_box(event)));
        }
        tried += events.len();
    }
    start.elapsed().as_nanos() as f64 / tried as f64
}

fn median(mut turns: Vec<f64>) -> f64 {
    turns.sort_by(f64::total_cmp);
    turns[turns.len() / 2]
}

fn main() {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let events = shop::events(120);
    let bytes = events.iter().map(String::len).sum::<usize>() / events.len();
    println!(
        "{} events of {bytes} bytes, from text; medians of {TURNS} turns",
        events.len()
    );
    println!(
        "{:<22} {:>9} {:>9} {:>12} {:>12} {:>6}",
        "rules", "agreed", "matches", "ours ns", "quamina ns", "times"
    );
    for (name, rules) in [
        ("35 of the shop's", shop::rules(35)),
        ("300 of the shop's", shop::rules(300)),
        ("300 exact", shop::exact(300)),
        ("300 without exact", shop::not_exact(300)),
        ("100 within arrays", shop::arrays(100)),
    ] {
        if !asked.is_empty() && !asked.iter().any(|part| name.contains(part)) {
            continue;
        }
        let (left, matches) = agreed(&rules, &events);
        let (one, other) = (ours(&left), theirs(&left));
        let (mut our, mut their) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            our.push(turn(&events, |event| {
                one.matches_text(event).expect("JSON").len()
            }));
            their.push(turn(&events, |event| {
                other
                    .matches_for_event(event.as_bytes())
                    .expect("JSON")
                    .len()
            }));
        }
        let (our, their) = (median(our), median(their));
        let share = 100.0 * left.len() as f64 / rules.len() as f64;
        println!(
            "{name:<22} {share:>8.0}% {matches:>9} {our:>12.0} {their:>12.0} {:>5.2}x",
            their / our
        );
    }
}
