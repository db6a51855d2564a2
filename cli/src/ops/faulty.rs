//! Worlds in which things can be made to go wrong.

use std::collections::BTreeMap;
use std::future::Future;

use duet_order::domain::Order;

use crate::ops::trouble::Trouble;
use crate::shop::scenario::{Plan, Scenario};
use crate::shop::variant::Variant;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;

/// How the end of an order is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// As the fault-free twin ended.
    Twin,
    /// Otherwise, as a race allows, and what explains it.
    Raced(&'static str, String),
    /// Otherwise, and nothing allows that.
    Wrong(String),
}

/// A world that may inject faults. Each answer is that of one that does not,
/// unless it says otherwise.
pub trait Faulty: World {
    /// How often each kind of fault struck so far, where faults can be injected.
    fn struck(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }

    /// Whether `order`, of wave `wave` of `plan`, may have ended as it did, where
    /// faults are injected: as it ends without them, or by a named race.
    ///
    /// # Errors
    /// [`crate::terminal::exit::Problem`] when its execution cannot be looked at.
    fn allowed(
        &self,
        _variant: &'static Variant,
        _scenario: &Scenario,
        _plan: &Plan,
        _wave: usize,
        _order: &Order,
    ) -> Outcome<Ending> {
        Ok(Ending::Twin)
    }

    /// From here on faults strike by the rules of `faults`, and by no others.
    ///
    /// # Errors
    /// [`Problem`] when a rule is none, or no fault can be injected here.
    fn set_faults(&self, faults: &[String]) -> Outcome<()> {
        match faults {
            [] => Ok(()),
            _ => Err(Problem::usage(
                "faults strike in the lab only; here `duet break SERVICE` takes a service out of order",
            )),
        }
    }

    /// What was broken on purpose, where that is known.
    fn trouble(&self) -> Option<Trouble> {
        None
    }

    /// Ends all faults and does an operator's work, where faults can be injected:
    /// sends dead letters back, takes failed executions up again, and lets
    /// everything come to rest.
    fn clear_up(&self) -> impl Future<Output = Outcome<()>> + Send {
        async { Ok(()) }
    }
}

/// Nothing can be made to go wrong behind AWS's APIs from a seed.
#[cfg(feature = "aws")]
impl Faulty for crate::world::aws::Aws {}
