//! What patience is worth: how many orders are lost while a service is out for
//! less than it, and to a third party that stays silent for longer.

use std::sync::Arc;

use duet_customer::command::{Command as CustomerCommand, RegisterCustomer};
use duet_customer::domain::Status;
use duet_lab::{Config, Definitions, Fault, FaultRule};
use duet_order::command::{Command, PlaceOrder};
use duet_order::domain::Fate;
use jiff::SignedDuration;
use serde::Serialize;

use super::super::operator::REST;
use crate::ops::{catalog, customer, place};
use crate::shop::services::{Subject, TableOf};
use crate::shop::variant::Variant;
use crate::shop::{message, scenario};
use crate::simulate::parallel::in_parallel;
use crate::simulate::ready;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::world::World;
use crate::world::lab::Lab;

/// The most orders of one world, and as many registrations.
const AT_ONCE: u32 = 50;
/// For how many seconds a service is out: all of it shorter than the patience.
const OUT: [u32; 4] = [3, 15, 30, 59];
/// For how many seconds a third party is silent about an order.
const SILENT: [u32; 7] = [55, 59, 61, 63, 65, 70, 90];
/// How often a third party does not answer.
const RATES: [f64; 2] = [0.3, 0.5];
/// For how many seconds a third party is silent after a kill.
const AFTER_KILL: u32 = 5;
/// By how much the variants' shares of lost orders may differ.
const APART: f64 = 0.05;
/// Longer than a killed message stays hidden.
const BETWEEN: i64 = 40 * 60;

/// How something is out of order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Out {
    /// Every invocation of the service dies, for so many seconds from the first.
    Dies(u32),
    /// Every answer of the service is a transient fault, for so many seconds
    /// from the first.
    Fails(u32),
    /// One invocation for each order dies; then the service's third party is
    /// silent about the order for [`AFTER_KILL`] seconds.
    KilledOnce,
    /// The service's third party is silent about an order for so many seconds.
    Silent(u32),
    /// The service's third party does not answer this share of calls.
    SilentAt(f64),
}

impl Out {
    /// Whether it may cost no order: it is shorter than the patience.
    fn is_shorter(self) -> bool {
        matches!(self, Self::Dies(_) | Self::Fails(_) | Self::KilledOnce)
    }
}

impl std::fmt::Display for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dies(seconds) => write!(f, "every invocation dies for {seconds} s"),
            Self::Fails(seconds) => write!(f, "every answer is a transient fault for {seconds} s"),
            Self::KilledOnce => write!(f, "one kill, then {AFTER_KILL} s of silence"),
            Self::Silent(seconds) => write!(f, "its third party is silent for {seconds} s"),
            Self::SilentAt(rate) => {
                write!(f, "its third party is silent at {:.0} %", rate * 100.0)
            }
        }
    }
}

/// How many good orders were lost to one thing under one variant.
#[derive(Debug, Clone, Serialize)]
pub struct Lost {
    /// The service.
    pub service: &'static str,
    /// How it, or the third party behind it, was out of order.
    pub out: Out,
    /// The variant.
    pub variant: &'static str,
    /// Orders, each of which is confirmed where nothing goes wrong; where a
    /// service is out, as many customers register.
    pub orders: u32,
    /// Those not confirmed, or whose customer is not registered.
    pub lost: u32,
    /// The share of these.
    pub share: f64,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct PatienceBench {
    /// How long a step is tried before it is given up, in seconds.
    pub patience_s: u32,
    /// Every measurement.
    pub rows: Vec<Lost>,
    /// By how much the variants' shares differ at most, where a third party is silent.
    pub widest: f64,
}

/// One measurement.
#[derive(Clone, Copy)]
struct Cell {
    service: TableOf,
    out: Out,
    variant: &'static Variant,
    orders: u32,
}

/// Measures with `orders` orders for each way in which a service is out for less
/// than the patience, and `points` for each point of a silent third party.
///
/// # Errors
/// [`Problem`] when the definitions do not fit the code.
pub fn run(
    definitions: &Arc<Definitions>,
    variants: &[&'static Variant],
    (orders, points): (u32, u32),
    threads: usize,
) -> Outcome<PatienceBench> {
    let outages = OUT.into_iter().flat_map(|s| [Out::Dies(s), Out::Fails(s)]);
    let outages: Vec<Out> = outages.collect();
    let silences = SILENT.into_iter().map(Out::Silent);
    let silences = silences.chain(RATES.into_iter().map(Out::SilentAt));
    let silences: Vec<Out> = std::iter::once(Out::KilledOnce).chain(silences).collect();
    let services = TableOf::SERVICES.into_iter();
    let outages = services.flat_map(|service| outages.iter().map(move |out| (service, *out)));
    let behind = [TableOf::Payment, TableOf::Delivery].into_iter();
    let silences = behind.flat_map(|service| silences.iter().map(move |out| (service, *out)));
    let cells: Vec<Cell> = outages
        .chain(silences)
        .flat_map(|(service, out)| {
            let orders = if out.is_shorter() { orders } else { points };
            variants.iter().map(move |variant| Cell {
                service,
                out,
                variant,
                orders,
            })
        })
        .collect();
    let worlds = cells.iter().enumerate().flat_map(|(n, cell)| {
        let firsts = (0..cell.orders).step_by(AT_ONCE as usize);
        firsts.map(move |first| (n, first, AT_ONCE.min(cell.orders - first)))
    });
    let worlds: Vec<(usize, u32, u32)> = worlds.collect();
    let lost = in_parallel(threads, "worlds", worlds.len() as u64, |at| {
        let (n, first, orders) = worlds[at as usize];
        cells[n].lost(definitions, u64::from(first) + 1, orders)
    })?;
    let mut rows: Vec<Lost> = cells.iter().map(Cell::row).collect();
    for ((n, ..), lost) in worlds.iter().zip(lost) {
        rows[*n].lost += lost;
    }
    for row in &mut rows {
        row.share = f64::from(row.lost) / f64::from(row.orders.max(1));
    }
    let widest = rows
        .chunks(variants.len().max(1))
        .filter(|same| same.iter().all(|row| !row.out.is_shorter()))
        .map(apart)
        .fold(0.0, f64::max);
    let patience = definitions.outputs.get("PatienceSeconds");
    let patience = patience.and_then(|seconds| seconds.parse().ok());
    Ok(PatienceBench {
        patience_s: patience.unwrap_or_default(),
        rows,
        widest,
    })
}

/// By how much the shares of `rows` differ.
fn apart(rows: &[Lost]) -> f64 {
    let shares = rows.iter().map(|row| row.share);
    let most = shares.clone().fold(0.0, f64::max);
    most - shares.fold(1.0, f64::min)
}

impl Cell {
    fn row(&self) -> Lost {
        Lost {
            service: self.service.name(),
            out: self.out,
            variant: self.variant.name,
            orders: self.orders,
            lost: 0,
            share: 0.0,
        }
    }

    /// How many of `orders` orders are lost in the world of `seed`.
    fn lost(&self, definitions: &Arc<Definitions>, seed: u64, orders: u32) -> Outcome<u32> {
        let service = self.service.name();
        let rule = |kind: Fault, rate: f64| FaultRule {
            place: Some(service.to_owned()),
            rate,
            ..FaultRule::from(kind)
        };
        let faults = match self.out {
            // It is taken out of order by hand; the rule has the lab count.
            Out::Dies(_) | Out::KilledOnce => vec![rule(Fault::Outage, 0.0)],
            Out::Fails(_) => vec![rule(Fault::StoreFault, 1.0)],
            Out::Silent(_) => Vec::new(),
            Out::SilentAt(rate) => vec![rule(Fault::Silent, rate)],
        };
        let config = Config {
            seed,
            faults,
            ..Config::default()
        };
        let world = Lab::new(definitions, config)?;
        let patience = world.deployment().patience_seconds;
        let happy = scenario::named("happy").map_err(Problem::usage)?;
        // A message waits by its id, and that comes of the order's: other worlds, other names.
        let plan = happy.plan(&format!("bench-{seed}"), orders as usize, patience);
        ready(catalog::seed(&world, &plan.goods))??;
        let orders = plan.waves.into_iter().flatten();
        let orders: Vec<PlaceOrder> = orders.map(|order| self.changed(order)).collect();
        let down = |down: bool| {
            let done = world.with(|lab| lab.set_down(service, down));
            done.map_err(Problem::usage)
        };
        match self.out {
            Out::KilledOnce => {
                for order in &orders {
                    down(true)?;
                    let before = struck(&world, Fault::Outage);
                    self.place(&world, order)?;
                    self.until_tried(&world, Fault::Outage, before)?;
                    down(false)?;
                    let to = world.now() + SignedDuration::from_secs(BETWEEN);
                    world.with(|lab| lab.advance(to));
                }
            }
            out => {
                if matches!(out, Out::Dies(_)) {
                    down(true)?;
                }
                for order in &orders {
                    self.place(&world, order)?;
                    if out.is_shorter() {
                        self.register(&world, order)?;
                    }
                }
                if let Out::Dies(seconds) | Out::Fails(seconds) = out {
                    let kind = match out {
                        Out::Dies(_) => Fault::Outage,
                        _ => Fault::StoreFault,
                    };
                    self.until_tried(&world, kind, 0)?;
                    let to = world.now() + SignedDuration::from_secs(i64::from(seconds));
                    world.with(|lab| lab.advance(to));
                    down(false)?;
                    world.with(duet_lab::Lab::stop_faults);
                }
            }
        }
        world.with(|lab| lab.settle(REST));
        let mut lost = 0;
        for order in &orders {
            let there = ready(place::find(&world, order.order.as_str()))??;
            let confirmed =
                there.is_some_and(|it| it.fate == Fate::Confirmed && it.owed.is_empty());
            let registered = match self.out {
                Out::Dies(_) | Out::Fails(_) => {
                    let there = ready(customer::find(&world, order.order.as_str()))??;
                    there.is_some_and(|it| it.status == Status::Active)
                }
                _ => true,
            };
            lost += u32::from(!(confirmed && registered));
        }
        Ok(lost)
    }

    /// `order` with the card or postcode that makes the third party silent.
    fn changed(&self, mut order: PlaceOrder) -> PlaceOrder {
        let seconds = match self.out {
            Out::Silent(seconds) => seconds,
            Out::KilledOnce => AFTER_KILL,
            _ => return order,
        };
        match self.service {
            TableOf::Delivery => order.ship_to.postcode = format!("silent-{seconds}s"),
            _ => order.payment_token = format!("tok_silent_{seconds}s"),
        }
        order
    }

    fn place(&self, world: &Lab, order: &PlaceOrder) -> Outcome<()> {
        let id = order.order.as_str();
        let command = Command::from(order.clone());
        let message = message::command(&command, id, self.variant.name, world.now());
        ready(world.submit(self.variant, Subject::Order, &message))??;
        Ok(())
    }

    /// Registers a customer who is called like `order`.
    fn register(&self, world: &Lab, order: &PlaceOrder) -> Outcome<()> {
        let id = order.order.as_str();
        let command = CustomerCommand::from(RegisterCustomer {
            customer: id.parse().map_err(Problem::usage)?,
            name: "Ada Example".to_owned(),
            email: format!("{id}@example.org"),
            country: "SE".to_owned(),
        });
        let message = message::command(&command, id, self.variant.name, world.now());
        ready(world.submit(self.variant, Subject::Customer, &message))??;
        Ok(())
    }

    /// Lets things happen until `kind` struck more than `before` times.
    fn until_tried(&self, world: &Lab, kind: Fault, before: u64) -> Outcome<()> {
        while struck(world, kind) == before {
            if !world.with(duet_lab::Lab::step) {
                let service = self.service.name();
                return Err(Problem::failed(format!("{service} was never tried")));
            }
        }
        Ok(())
    }
}

/// How often `kind` struck so far.
fn struck(world: &Lab, kind: Fault) -> u64 {
    let touched = world.with(|lab| lab.touched());
    touched.get(&kind).copied().unwrap_or(0)
}

impl Report for PatienceBench {
    fn text(&self) -> String {
        let mut variants: Vec<&str> = self.rows.iter().map(|row| row.variant).collect();
        variants.sort_unstable();
        variants.dedup();
        let mut columns = vec![
            table::word("SERVICE"),
            table::prose("OUT OF ORDER"),
            table::number("ORDERS"),
        ];
        let names = self.rows.iter().map(|row| row.variant).take(variants.len());
        columns.extend(names.map(table::prose));
        let mut rows = table(columns);
        for same in self.rows.chunks(variants.len().max(1)) {
            let first = &same[0];
            let mut cells = vec![
                first.service.to_owned(),
                first.out.to_string(),
                first.orders.to_string(),
            ];
            cells.extend(same.iter().map(|row| {
                let deviation = (row.share * (1.0 - row.share) / f64::from(row.orders)).sqrt();
                let (share, deviation) = (row.share * 100.0, deviation * 100.0);
                match row.lost {
                    0 => "0".to_owned(),
                    lost => format!("{lost}: {share:.1} ± {deviation:.1} %"),
                }
            }));
            rows.add_row(cells);
        }
        format!(
            "{}\n\norders lost, with the standard error of the share, at a patience of {} s; where a third party is silent the variants' shares differ by at most {:.1} points",
            rows.text(),
            self.patience_s,
            self.widest * 100.0
        )
    }

    fn exit(&self) -> Exit {
        let spared = |row: &Lost| !row.out.is_shorter() || row.lost == 0;
        match self.rows.iter().all(spared) && self.widest <= APART {
            true => Exit::Done,
            false => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::shop::variant;

    #[test]
    fn what_is_shorter_than_the_patience_costs_nothing_and_what_is_longer_costs_all() {
        let definitions = super::super::super::definitions(&BTreeMap::new()).unwrap();
        // The lengths are those of the patience that most have.
        let most = |it: &&Variant| it.keeps_executions || it.has_facts;
        let variants: Vec<_> = variant::ALL.iter().filter(most).collect();
        let bench = run(&definitions, &variants, (2, 2), 2).unwrap();
        let cells = OUT.len() * 2 * TableOf::SERVICES.len();
        let cells = cells + 2 * (1 + SILENT.len() + RATES.len());
        assert_eq!(bench.rows.len(), cells * variants.len());
        for row in &bench.rows {
            let right = match row.out {
                Out::Silent(90) => row.lost == row.orders,
                Out::Silent(55 | 59) => row.lost == 0,
                Out::Silent(_) | Out::SilentAt(_) => true,
                _ => row.lost == 0,
            };
            assert!(right, "{row:?}");
        }
        let exit = |lost, widest| {
            let mut bench = bench.clone();
            bench.rows[0].lost = lost;
            bench.widest = widest;
            bench.exit()
        };
        assert_eq!(exit(0, 0.05), Exit::Done);
        assert_eq!((exit(1, 0.0), exit(0, 0.06)), (Exit::Failed, Exit::Failed));
    }
}
