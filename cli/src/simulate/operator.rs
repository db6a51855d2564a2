//! An operator in the lab: ends all faults, and makes whole what they left.

use std::collections::{BTreeMap, BTreeSet};

use duet_core::id::of_execution;
use duet_core::outcome::INVALID_COMMAND;
use duet_order::domain::Order;
use futures_util::FutureExt;
use serde_json::Value;

use super::script::Script;
use crate::ops::faulty::{Ending, Faulty};
use crate::ops::trouble::Trouble;
use crate::ops::view::View;
use crate::shop::scenario::{Plan, Scenario};
use crate::shop::variant::Variant;
use crate::terminal::exit::Outcome;
use crate::world::World;
use crate::world::lab::Lab;
use crate::world::lab::inputs::Input;
use crate::world::port::express;

/// How long everything may take to come to rest, in milliseconds.
pub(super) const REST: i64 = 30 * 24 * 3_600_000;
/// How often an operator comes back before giving up.
pub(super) const ROUNDS: usize = 8;

impl Lab {
    /// Sends every dead letter back, and takes away what nobody can parse and what
    /// has one of `left` in it; takes failed executions up again, but for those
    /// named in `left` and those of orders that are whole, or parked: these are
    /// repaired. Gives whether there was anything.
    pub fn redrive_all(&self, left: &[&str]) -> bool {
        let (mut worked, failed) = {
            let state = &mut *self.state();
            let letters = state.lab.dead_letters();
            for letter in &letters {
                // What nobody can take is read by a person, and taken away.
                let parses = serde_json::from_str::<serde_json::Value>(&letter.body).is_ok();
                let hopeless = !parses || left.iter().any(|marker| letter.body.contains(marker));
                let now = state.lab.now();
                if hopeless || state.lab.redrive(letter).is_none() {
                    state.lab.discard(letter);
                    state.record(now, || Input::Discard { letter: letter.at });
                } else {
                    state.record(now, || Input::Forward { letter: letter.at });
                }
            }
            (!letters.is_empty(), state.lab.failed_executions())
        };
        for run in failed {
            let id = of_execution(&run.name);
            let done = run.machine.contains("order") && self.is_whole_or_parked(id);
            if !done && !left.contains(&id) {
                let state = &mut *self.state();
                let now = state.lab.now();
                if state.lab.redrive_execution(&run.arn).is_ok() {
                    state.record(now, || Input::RedriveExecution {
                        arn: run.arn.clone(),
                    });
                    worked = true;
                }
            }
        }
        worked | self.submit_again(left)
    }

    /// Where nobody can take a failed execution up again, whoever submitted what did not
    /// come in submits it again, with the same content.
    fn submit_again(&self, left: &[&str]) -> bool {
        let mut again = BTreeSet::new();
        for one in self.described() {
            for failed in self.with(|lab| express::failed(&Self::records(lab, one), one)) {
                let id = failed.subject();
                let hopeless = failed.error.as_deref() == Some(INVALID_COMMAND);
                // A later half is started again by the order's own clock.
                if id == failed.name && !hopeless && !left.contains(&id) && !self.came_in(id) {
                    let sync = one.answers(&failed.machine);
                    again.insert((failed.machine.clone(), failed.name, sync));
                }
            }
        }
        let state = &mut *self.state();
        for (machine, name, sync) in &again {
            let execution = state.lab.execution(machine, name);
            let Some(input) = execution.map(|it| Value::clone(it.input())) else {
                continue;
            };
            // One that cannot be started is told by what is left of its order.
            let _ = state.start((machine, *sync), name, input);
        }
        !again.is_empty()
    }

    /// Whether the order is known, or the customer was told.
    fn came_in(&self, id: &str) -> bool {
        let view = View::load(self, id).now_or_never().and_then(Result::ok);
        view.is_some_and(|view| view.order.is_some() || !view.noticed().is_empty())
    }

    /// Whether an order waits for nothing but, perhaps, a repair.
    fn is_whole_or_parked(&self, id: &str) -> bool {
        let view = View::load(self, id).now_or_never().and_then(Result::ok);
        view.is_some_and(|view| {
            let parked = view
                .order
                .as_ref()
                .is_some_and(|order| !order.owed.is_empty());
            parked || view.is_settled()
        })
    }
}

impl Faulty for Lab {
    fn struck(&self) -> BTreeMap<&'static str, u64> {
        let mut times = BTreeMap::new();
        for (fault, _) in self.with(|lab| lab.struck()) {
            *times.entry(fault.name()).or_default() += 1;
        }
        times
    }

    fn allowed(
        &self,
        variant: &'static Variant,
        scenario: &Scenario,
        plan: &Plan,
        wave: usize,
        order: &Order,
    ) -> Outcome<Ending> {
        let script = Script::of(scenario, plan.clone());
        self.judge(variant, &script, wave, order, false)
    }

    fn set_faults(&self, faults: &[String]) -> Outcome<()> {
        self.state().set_faults(faults.to_vec())
    }

    fn trouble(&self) -> Option<Trouble> {
        let state = self.state();
        Some(Trouble {
            down: state.lab.down(),
            faults: state.faults.clone(),
        })
    }

    async fn clear_up(&self) -> Outcome<()> {
        {
            let state = &mut *self.state();
            let now = state.lab.now();
            state.lab.stop_faults();
            state.record(now, || Input::StopFaults);
            state.lab.settle(REST);
        }
        for _ in 0..ROUNDS {
            let worked = self.redrive_all(&[]);
            self.with(|lab| lab.settle(REST));
            if !worked {
                break;
            }
        }
        Ok(())
    }
}
