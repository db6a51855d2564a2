//! What each variant survives: good orders under a kind of fault, or while a
//! service is out of order for a time.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use duet_core::Timestamp;
use duet_lab::{Config, Fault, FaultRule};
use duet_order::domain::{Compensation, Fate, Order};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::worlds::Ask;
use crate::ops::{catalog, place};
use crate::shop::scenario;
use crate::simulate::ready;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;
use crate::world::lab::Lab;

/// The most orders of one world.
pub(super) const AT_ONCE: u32 = 50;
/// How long a world runs on by itself, in milliseconds: past every deadline.
const ALONE: i64 = 6 * 3_600_000;
/// How often an operator comes back before giving up.
const ROUNDS: usize = 8;

/// What goes wrong, if nobody says otherwise: what an engine, a bus, a queue, a
/// function, a table and a third party do, and a service that is out.
const USUAL: [&str; 12] = [
    "duplicate",
    "delay",
    "target-unavailable",
    "abort",
    "lost-callback",
    "throttle",
    "crash-after-commit",
    "store-fault",
    "silent",
    "outage@payment:60s",
    "outage@payment:3600s",
    "outage@order:15s",
];

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// A kind of fault, at a rate.
    Rate(FaultRule),
    /// A service is out from the first order on: each invocation dies.
    Outage {
        /// The service.
        service: String,
        /// For so long.
        seconds: u32,
    },
}

impl FromStr for Trouble {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule: FaultRule = text.parse()?;
        Ok(match (rule.kind, &rule.place, rule.seconds) {
            (Fault::Outage, Some(service), Some(seconds)) => Self::Outage {
                service: service.clone(),
                seconds,
            },
            _ => Self::Rate(rule),
        })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outage { service, seconds } => write!(f, "outage@{service}:{seconds}s"),
            Self::Rate(rule) => {
                f.write_str(rule.kind.name())?;
                if let Some(place) = &rule.place {
                    write!(f, "@{place}")?;
                }
                write!(f, ":{}", rule.rate)
            }
        }
    }
}

/// The twelve that are tried unless somebody says otherwise.
///
/// # Errors
/// Why one of them cannot be read, which a test rules out.
pub fn usual() -> Result<Vec<Trouble>, String> {
    USUAL.iter().map(|text| text.parse()).collect()
}

/// What became of good orders.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Row {
    /// What went wrong.
    pub fault: String,
    /// Under which variant.
    pub variant: String,
    /// Good orders: each is confirmed where nothing goes wrong.
    pub orders: u32,
    /// Those that were not confirmed in the end, after an operator's work.
    pub lost: u32,
    /// Those that took longer than any order does where nothing goes wrong.
    pub late: u32,
    /// From the last order, or the end of the outage, until the last order that
    /// ended by itself had ended; absent where none did.
    pub recovery_ms: Option<i64>,
    /// Dead letters that nobody had looked at by then.
    pub dead_letters: u32,
    /// Orders that were parked by then.
    pub parked: u32,
    /// Executions that had failed by then.
    pub failed_executions: u32,
    /// The commands an operator gives to make all whole: one for all dead
    /// letters, one for all failed executions, one for each parked order.
    pub operator_steps: u32,
}

impl Row {
    /// A part of the same row.
    pub(super) fn add(&mut self, part: &Self) {
        self.orders += part.orders;
        self.lost += part.lost;
        self.late += part.late;
        self.recovery_ms = self.recovery_ms.max(part.recovery_ms);
        self.dead_letters += part.dead_letters;
        self.parked += part.parked;
        self.failed_executions += part.failed_executions;
    }

    /// Counts the operator's commands.
    pub(super) fn count_steps(&mut self) {
        let any = |n: u32| u32::from(n > 0);
        self.operator_steps = any(self.dead_letters) + any(self.failed_executions) + self.parked;
    }
}

impl Ask<'_> {
    /// `orders` good orders, one a second, while `trouble` is there. An order is
    /// late after `usual` milliseconds.
    pub(super) fn troubled(&self, trouble: &Trouble, orders: u32, usual: i64) -> Outcome<Row> {
        let faults = match trouble {
            Trouble::Rate(rule) => vec![rule.clone()],
            Trouble::Outage { .. } => Vec::new(),
        };
        let config = Config {
            seed: self.seed,
            faults,
            profile: Some(Arc::clone(self.profile)),
            assumptions: self.draw,
            ..Config::default()
        };
        let world = Lab::new(self.definitions, config)?;
        let happy = scenario::named("happy").map_err(Problem::usage)?;
        let patience = world.patience(self.variant);
        let plan = happy.plan(&format!("failure-{}", self.seed), orders as usize, patience);
        ready(catalog::seed(&world, &plan.goods))??;
        let began = world.now();
        let mut out = match trouble {
            Trouble::Outage { service, seconds } => {
                let down = world.with(|lab| lab.set_down(service, true));
                down.map_err(Problem::usage)?;
                Some((
                    service,
                    began + SignedDuration::from_secs((*seconds).into()),
                ))
            }
            Trouble::Rate(_) => None,
        };
        let mut since = began;
        let mut placed: Vec<(String, Timestamp)> = Vec::new();
        for order in plan.waves.into_iter().flatten() {
            let at = self.place(&world, &order)?;
            placed.push((order.order.to_string(), at));
            let next = at + SignedDuration::from_secs(1);
            advance(&world, next, &mut out)?;
            since = since.max(at);
        }
        if let Some((_, until)) = out {
            advance(&world, until, &mut out)?;
            since = until;
        }
        world.with(|lab| lab.settle(ALONE));
        let mut row = self.seen(&world, &placed, since, usual)?;
        self.operate(&world);
        for (id, _) in &placed {
            let confirmed = ready(place::find(&world, id))??.is_some_and(|it| is_good(&it));
            row.lost += u32::from(!confirmed);
        }
        Ok(row)
    }

    /// What is there before an operator looks.
    fn seen(
        &self,
        world: &Lab,
        placed: &[(String, Timestamp)],
        since: Timestamp,
        usual: i64,
    ) -> Outcome<Row> {
        let mut row = Row {
            orders: placed.len() as u32,
            ..Row::default()
        };
        for (id, at) in placed {
            let order = ready(place::find(world, id))??;
            let parked = order.as_ref().is_some_and(|it| !it.owed.is_empty());
            row.parked += u32::from(parked);
            let Some(ended) = order.filter(|_| !parked).and_then(|it| ended_at(&it)) else {
                row.late += 1;
                continue;
            };
            let took = ended.as_millisecond() - at.as_millisecond();
            row.late += u32::from(took > usual);
            let after = ended.as_millisecond() - since.as_millisecond();
            row.recovery_ms = row.recovery_ms.max(Some(after.max(0)));
        }
        let (letters, failed) =
            world.with(|lab| (lab.dead_letters().len(), lab.failed_executions().len()));
        row.dead_letters = letters as u32;
        row.failed_executions = failed as u32;
        Ok(row)
    }

    /// An operator ends what goes wrong, and sends back what lies dead.
    fn operate(&self, world: &Lab) {
        world.with(duet_lab::Lab::stop_faults);
        for _ in 0..ROUNDS {
            let worked = world.redrive_all(&[]);
            world.with(|lab| lab.settle(ALONE));
            if !worked {
                break;
            }
        }
    }
}

/// Lets time pass until `to`; a service that is out comes back on the way.
fn advance(world: &Lab, to: Timestamp, out: &mut Option<(&String, Timestamp)>) -> Outcome<()> {
    if let Some((service, until)) = *out
        && until <= to
    {
        world.with(|lab| lab.advance(until));
        let up = world.with(|lab| lab.set_down(service, false));
        up.map_err(Problem::usage)?;
        *out = None;
    }
    world.with(|lab| lab.advance(to));
    Ok(())
}

fn is_good(order: &Order) -> bool {
    order.fate == Fate::Confirmed && order.owed.is_empty()
}

/// When an order was confirmed, or rejected and undone.
fn ended_at(order: &Order) -> Option<Timestamp> {
    match (&order.fate, order.compensation) {
        (Fate::Confirmed, _) => order.decided_at,
        (Fate::Rejected { .. }, Compensation::None | Compensation::Done) => order.touched_at,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_troubles_are_twelve_and_read_back() {
        let usual = usual().unwrap();
        assert_eq!(usual.len(), 12);
        for trouble in &usual {
            assert_eq!(&trouble.to_string().parse::<Trouble>().unwrap(), trouble);
        }
        let outages = usual
            .iter()
            .filter(|it| matches!(it, Trouble::Outage { .. }));
        assert_eq!(outages.count(), 3);
    }
}
