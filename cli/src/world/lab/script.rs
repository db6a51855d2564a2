//! What a simulated world is asked to do: a mix of scenarios, drawn by the seed,
//! and the outcomes each may have.

use duet_core::order::Reason;
use duet_order::command::PlaceOrder;
use duet_order::domain::{Compensation, Fate, Order};

use crate::catalog::Entry;
use crate::scenario::{self, Expected, Plan, Scenario};

/// One scenario of a world, and how far it is.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// Its place in the world.
    pub(super) number: usize,
    pub(super) name: &'static str,
    pub(super) expected: Expected,
    pub(super) plan: Plan,
    /// Whether its orders compete for goods of which there are too few.
    pub(super) contended: bool,
    /// When it begins, in milliseconds from the world's beginning.
    pub(super) begins: i64,
}

/// The scenario that needs several orders at once, and so is no scenario of the demo.
const LAST_PIECES: &str = "last-pieces";

/// A number below `below` that `seed` and `what` decide.
pub(super) fn draw(seed: u64, what: u64, below: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ what.wrapping_add(1) << 32,
    );
    random.u64(0..below.max(1))
}

/// The scripts of the world of `seed`, with about `orders` orders.
pub(super) fn scripts(
    seed: u64,
    orders: usize,
    (with_fraud, patience): (bool, u32),
    only: &[&'static Scenario],
) -> Vec<Script> {
    let choice: Vec<&'static Scenario> = match only {
        [] => scenario::ALL.iter().collect(),
        some => some.to_vec(),
    };
    let choice: Vec<_> = choice
        .into_iter()
        .filter(|scenario| with_fraud || !scenario.fraud)
        .collect();
    let mut scripts: Vec<Script> = Vec::new();
    let mut placed = 0;
    while placed < orders && !choice.is_empty() {
        let number = scripts.len();
        let begins = draw(seed, number as u64 * 2, 4_000) as i64;
        // One kind in so many is the contest, which no scenario is.
        let kind = draw(seed, number as u64 * 2 + 1, choice.len() as u64 + 1) as usize;
        let script = match choice.get(kind) {
            Some(scenario) => script_of(scenario, number, begins, patience),
            None if !only.is_empty() => script_of(choice[0], number, begins, patience),
            None => last_pieces(number, begins, patience),
        };
        placed += script.plan.waves.iter().map(Vec::len).sum::<usize>().max(1);
        scripts.push(script);
    }
    scripts
}

fn script_of(scenario: &'static Scenario, number: usize, begins: i64, patience: u32) -> Script {
    Script {
        number,
        name: scenario.name,
        expected: scenario.expected,
        plan: scenario.plan(&format!("n{number}"), 1, patience),
        contended: false,
        begins,
    }
}

/// Three orders for two pieces.
fn last_pieces(number: usize, begins: i64, patience: u32) -> Script {
    let mut script = script_of(&scenario::ALL[0], number, begins, patience);
    script.name = LAST_PIECES;
    script.contended = true;
    for Entry { quantity, .. } in &mut script.plan.goods {
        *quantity = 2;
    }
    let Some(order) = script
        .plan
        .waves
        .first()
        .and_then(|wave| wave.first())
        .cloned()
    else {
        return script;
    };
    let rivals = (1..=3).filter_map(|n| {
        let id = format!("n{number}-rival-{n}");
        Some(PlaceOrder {
            order: id.parse().ok()?,
            ..order.clone()
        })
    });
    script.plan.waves = vec![rivals.collect()];
    script
}

impl Script {
    fn is_contested(&self) -> bool {
        matches!(self.expected, Expected::Contested { .. })
    }

    /// Whether so many of this script's orders may have ended `confirmed`: never
    /// more than the scenario says and, unless something went wrong in its world
    /// (`struck`), no fewer.
    pub(super) fn allows_count(&self, confirmed: usize, struck: bool) -> Result<(), String> {
        let Expected::Contested { confirmed: due, .. } = self.expected else {
            return Ok(());
        };
        match confirmed == due || struck && confirmed < due {
            true => Ok(()),
            false => Err(format!("{confirmed} orders are confirmed, not {due}")),
        }
    }

    /// Whether `order`, in wave `wave` of this script, may have ended as it
    /// did. `struck`: whether anything went wrong in its world.
    ///
    /// What a fault may turn an order into is named here, and nothing else is
    /// let pass.
    pub(super) fn allows(&self, wave: usize, order: &Order, struck: bool) -> Result<(), String> {
        let last = wave + 1 == self.plan.waves.len();
        let expected = match self.expected {
            Expected::Rejected(reason, detail) | Expected::NeedsAttention(reason, detail)
                if last =>
            {
                Some((reason, detail))
            }
            Expected::Contested { reason, .. } if last => Some((reason, None)),
            _ => None,
        };
        let (reason, detail) = match (&order.fate, expected) {
            (Fate::Undecided, _) => return Err("it is not decided".to_owned()),
            (Fate::Confirmed, None) => return Ok(()),
            // How many may be is counted over the wave.
            (Fate::Confirmed, _) if self.is_contested() => return Ok(()),
            // It is not the n-th when those before it were never cleared.
            (Fate::Confirmed, Some((Reason::FraudConfirmed, _)))
                if self.name == "velocity" && struck =>
            {
                return Ok(());
            }
            // What is seen again only after its visibility timeout may find the
            // provider speaking.
            (Fate::Confirmed, Some((Reason::PaymentUnavailable, _)))
                if self.name == "patience-edge" && struck =>
            {
                return Ok(());
            }
            (Fate::Confirmed, Some((reason, _))) => {
                return Err(format!("it is confirmed, not rejected for {reason}"));
            }
            (Fate::Rejected { reason, detail }, _) => (*reason, detail.as_deref()),
        };
        if order.compensation != Compensation::Done || !order.owed.is_empty() {
            return Err(format!(
                "its compensation is {:?}, owed {:?}",
                order.compensation, order.owed
            ));
        }
        let twin =
            expected.is_some_and(|(of, word)| of == reason && (word.is_none() || word == detail));
        // Whoever comes third for two pieces goes without.
        let rival = self.contended && reason == Reason::StockUnavailable;
        let race = struck
            && match reason {
                // A step's retries were used up, and the order gave up on it.
                Reason::PaymentUnavailable | Reason::TimedOut => true,
                Reason::DeliveryFailed => detail == Some("CarrierUnavailable"),
                // The workflow itself died, and the order was parked.
                Reason::Abandoned => true,
                // The person's word came too late, or not at all.
                Reason::ReviewTimedOut => self.plan.person.is_some(),
                // One placed after it was screened before it, and cleared.
                Reason::FraudConfirmed => self.name == "velocity",
                _ => false,
            };
        match twin || rival || race {
            true => Ok(()),
            false => Err(format!(
                "it is rejected for {reason} ({})",
                detail.unwrap_or("no detail")
            )),
        }
    }
}
