//! How complex a pattern's wildcards are, as Event Ruler counts it.
//!
//! Event Ruler turns the wildcards of a field into one automaton over bytes, quotation marks included, and counts for the
//! worst text how many beginnings of wildcards match it at once (`MachineComplexityEvaluator`: for `*a*b` and the text
//! `ab` these are `*`, `*a*` and `*a*b`). EventBridge refuses a rule above a limit that it does not publish. Known are rules
//! that it took with 7 and with 9, and rules that it refused with 11 and with 12; the limit here is [`LIMIT`].
//!
//! This module must not know what else a pattern asks for.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::operator::{Operator, Test};

/// What is taken at most.
pub(crate) const LIMIT: usize = 10;

/// What AWS says above it.
pub(crate) const TOO_COMPLEX: &str = "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character";

/// Sets of states that are looked at, at most: a bound on the work, far above what a rule of 2,048 characters needs.
const MOST_SETS: usize = 4_096;

/// A byte of a text, or a `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Byte(u8),
    Any,
}

/// A state of the automaton.
#[derive(Debug, Default)]
struct State {
    by_byte: BTreeMap<u8, Vec<usize>>,
    /// Where any byte leads.
    by_any: Option<usize>,
    /// The tests that can still be reached.
    tests: BTreeSet<usize>,
}

/// The most beginnings of wildcards that one text can match at once, or [`LIMIT`] + 1 if there are more than that.
pub(crate) fn complexity<'t>(tests: impl Iterator<Item = &'t Test>) -> usize {
    let mut automaton = Automaton::default();
    let mut known = HashSet::new();
    for (number, test) in tests.enumerate() {
        if !known.insert(&test.source) {
            continue;
        }
        match &test.operator {
            Operator::Wildcard(wildcard) => automaton.add(number, &tokens(wildcard.pieces())),
            Operator::NoneOf(refused) => {
                for operator in refused {
                    if let Operator::Wildcard(wildcard) = operator {
                        automaton.add(number, &tokens(wildcard.pieces()));
                    }
                }
            }
            _ => {}
        }
    }
    automaton.worst()
}

fn tokens(pieces: &[String]) -> Vec<Token> {
    let mut tokens = vec![Token::Byte(b'"')];
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            tokens.push(Token::Any);
        }
        tokens.extend(piece.bytes().map(Token::Byte));
    }
    tokens.push(Token::Byte(b'"'));
    tokens
}

#[derive(Debug)]
struct Automaton {
    states: Vec<State>,
}

impl Default for Automaton {
    fn default() -> Self {
        Self {
            states: vec![State::default()],
        }
    }
}

impl Automaton {
    /// Adds the way of one wildcard. Beginnings are shared up to and with the first `*`; after it each wildcard has states
    /// of its own.
    fn add(&mut self, test: usize, tokens: &[Token]) {
        let (mut before, mut at) = (0, 0);
        let mut shared = true;
        let mut after_any = false;
        for &token in tokens {
            let known = match token {
                _ if !shared => None,
                Token::Any => self.states[at].by_any,
                Token::Byte(byte) => self.states[at]
                    .by_byte
                    .get(&byte)
                    .and_then(|next| next.first().copied()),
            };
            let next = known.unwrap_or_else(|| {
                let next = self.states.len();
                self.states.push(State::default());
                match token {
                    Token::Any => {
                        self.states[at].by_any = Some(next);
                        self.states[next].by_any = Some(next);
                    }
                    Token::Byte(byte) => {
                        let from = if after_any {
                            vec![at, before]
                        } else {
                            vec![at]
                        };
                        for from in from {
                            let ways = self.states[from].by_byte.entry(byte).or_default();
                            ways.push(next);
                        }
                    }
                }
                next
            });
            self.states[next].tests.insert(test);
            after_any = token == Token::Any;
            shared = shared && !after_any;
            (before, at) = (at, next);
        }
    }

    fn worst(&self) -> usize {
        let mut bytes: BTreeSet<Option<u8>> = [None].into();
        for state in &self.states {
            bytes.extend(state.by_byte.keys().copied().map(Some));
        }
        let mut open = vec![vec![0]];
        let mut seen: HashSet<Vec<usize>> = HashSet::new();
        let mut worst = 0;
        while let Some(active) = open.pop() {
            for byte in &bytes {
                let mut next: Vec<usize> = active
                    .iter()
                    .flat_map(|at| {
                        let state = &self.states[*at];
                        let ways = byte.and_then(|byte| state.by_byte.get(&byte));
                        ways.into_iter().flatten().copied().chain(state.by_any)
                    })
                    .collect();
                next.sort_unstable();
                next.dedup();
                worst = worst.max(self.weight(&next));
                if worst > LIMIT {
                    return LIMIT + 1;
                }
                if !next.is_empty() && seen.len() < MOST_SETS && seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        worst
    }

    /// The beginnings that match where these states are active: also the `*` that each of them stands before.
    fn weight(&self, active: &[usize]) -> usize {
        active
            .iter()
            .map(|at| {
                let state = &self.states[*at];
                let star = state
                    .by_any
                    .filter(|star| active.binary_search(star).is_err());
                state.tests.len() + star.map_or(0, |star| self.states[star].tests.len())
            })
            .sum()
    }
}
