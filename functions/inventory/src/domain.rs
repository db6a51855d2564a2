//! Stock and reservations: pure decisions, no I/O, no clock of its own.
//!
//! Stock is only ever moved from one place to another, so what a SKU began
//! with is what is available, reserved and shipped. A release may overtake the
//! reservation it undoes; what it leaves behind stops the late one.

use std::collections::{BTreeMap, BTreeSet};

use duet_core::fact::{StockRefusal, StockReleased, StockReserved, StockShipped, StockUnavailable};
use duet_core::order::Line;
use duet_core::store::MAX_WRITES;
use duet_core::{Decision, Failure, Money, OrderId, Refusal, Sku};
use serde::{Deserialize, Serialize};

use crate::command::{Command, ReserveStock};

/// A SKU of the catalogue and its stock. `initial` is always the sum of the
/// other three.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// Which.
    pub sku: Sku,
    /// What one costs.
    pub price: Money,
    /// How many there ever were.
    pub initial: i64,
    /// How many may be set aside.
    pub available: i64,
    /// How many are set aside.
    pub reserved: i64,
    /// How many have left.
    pub shipped: i64,
}

/// What the service knows of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// How it stands.
    pub status: Status,
    /// What was asked for; empty when the order was rejected before it came.
    pub lines: Vec<Line>,
}

/// How a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Every line is set aside.
    Reserved,
    /// Nothing ever was.
    Refused,
    /// Nothing is any more, or will be.
    Released,
    /// It has left.
    Shipped,
}

/// How a reservation stands: the reply to every command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Of which order.
    pub order: OrderId,
    /// How it stands.
    pub status: Status,
    /// What a release put back, or a shipment took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<Line>>,
}

/// A reservation's new state, and what moves with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The new state.
    pub reservation: Reservation,
    /// Where every line of it goes; `None` leaves the stock alone.
    pub shift: Option<Shift>,
}

/// Where stock goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shift {
    /// From available to reserved.
    Aside,
    /// From reserved to available.
    Back,
    /// From reserved to shipped.
    Out,
}

impl Shift {
    /// What moving `quantity` adds to the fields of a [`Stock`]; sums to zero.
    #[must_use]
    pub fn deltas(self, quantity: i64) -> BTreeMap<&'static str, i64> {
        let (from, to) = match self {
            Self::Aside => ("available", "reserved"),
            Self::Back => ("reserved", "available"),
            Self::Out => ("reserved", "shipped"),
        };
        BTreeMap::from([(from, -quantity), (to, quantity)])
    }
}

/// The most different SKUs of one order: all of it is one transaction, and two
/// of its writes are the reservation and the command's record.
pub const MAX_SKUS: usize = MAX_WRITES - 2;

/// How many of each SKU `lines` ask for.
#[must_use]
pub fn per_sku(lines: &[Line]) -> BTreeMap<Sku, i64> {
    let mut sums = BTreeMap::new();
    for line in lines {
        // At most 2^32 a line: no list of lines that fits in a message overflows.
        *sums.entry(line.sku.clone()).or_insert(0_i64) += i64::from(line.quantity.get());
    }
    sums
}

/// What is to be done about `command`, given the reservation (`None`: never
/// heard of the order) and the stock of the SKUs that a reserving command names.
///
/// # Errors
/// [`Failure::Invalid`] for lines that are no order's, for shipping what is not
/// set aside, and for releasing what has left.
pub fn decide(
    reservation: Option<Reservation>,
    shelf: &BTreeMap<Sku, Stock>,
    command: &Command,
) -> Result<Decision<Change>, Failure> {
    let order = command.order();
    Ok(match (command, reservation) {
        (Command::ReserveStock(command), None) => reserve(command, shelf)?,
        (
            Command::ReserveStock(_),
            Some(Reservation {
                status: Status::Released,
                ..
            }),
        ) => done(order, Status::Released, None),
        (Command::ReserveStock(_), Some(_)) => {
            return Err(Failure::invalid(
                "the order has a reservation, but not by this command",
            ));
        }
        (
            Command::ReleaseStock(_),
            Some(Reservation {
                status: Status::Shipped,
                ..
            }),
        ) => {
            return Err(Failure::invalid(
                "the order's stock has left and cannot be put back",
            ));
        }
        (Command::ReleaseStock(_), reservation) => release(order, reservation),
        (Command::ShipStock(_), Some(reservation)) if reservation.status == Status::Reserved => {
            let lines = reservation.lines.clone();
            let reservation = Reservation {
                status: Status::Shipped,
                ..reservation
            };
            done(order, Status::Shipped, Some(lines.clone()))
                .state(Change {
                    reservation,
                    shift: Some(Shift::Out),
                })
                .fact(StockShipped {
                    order: order.clone(),
                    lines,
                })
        }
        (
            Command::ShipStock(_),
            Some(Reservation {
                status: Status::Shipped,
                lines,
            }),
        ) => done(order, Status::Shipped, Some(lines)),
        (Command::ShipStock(_), _) => {
            return Err(Failure::invalid("no stock is set aside for the order"));
        }
    })
}

fn done(order: &OrderId, status: Status, lines: Option<Vec<Line>>) -> Decision<Change> {
    Decision::done(Standing {
        order: order.clone(),
        status,
        lines,
    })
}

fn reserve(
    command: &ReserveStock,
    shelf: &BTreeMap<Sku, Stock>,
) -> Result<Decision<Change>, Failure> {
    let ReserveStock {
        order,
        lines,
        total,
    } = command;
    let skus: BTreeSet<_> = lines.iter().map(|line| &line.sku).collect();
    if skus.is_empty() || skus.len() > MAX_SKUS {
        let count = skus.len();
        return Err(Failure::invalid(format!(
            "lines: {count} different SKUs; an order has 1 to {MAX_SKUS}"
        )));
    }
    let order = order.clone();
    let change = |status, shift| Change {
        reservation: Reservation {
            status,
            lines: lines.clone(),
        },
        shift,
    };
    Ok(match obstacle(lines, *total, shelf) {
        None => done(&order, Status::Reserved, None)
            .state(change(Status::Reserved, Some(Shift::Aside)))
            .fact(StockReserved { order }),
        Some((reason, sku)) => Decision::declined(Refusal::new("StockUnavailable", reason))
            .state(change(Status::Refused, None))
            .fact(StockUnavailable { order, reason, sku }),
    })
}

/// What stands in the way of setting `lines` aside at `total`, if anything.
fn obstacle(
    lines: &[Line],
    total: Money,
    shelf: &BTreeMap<Sku, Stock>,
) -> Option<(StockRefusal, Option<Sku>)> {
    let mut sum = Some(total.zero());
    for line in lines {
        let Some(stock) = shelf.get(&line.sku) else {
            return Some((StockRefusal::UnknownSku, Some(line.sku.clone())));
        };
        // A price in another currency, or a sum past all bounds, is no match.
        sum = sum
            .zip(stock.price.times(line.quantity.get()))
            .and_then(|(sum, price)| sum.plus(price));
    }
    if sum != Some(total) {
        return Some((StockRefusal::PriceChanged, None));
    }
    let wanted = per_sku(lines);
    let short = wanted
        .into_iter()
        .find(|(sku, n)| shelf.get(sku).is_none_or(|stock| stock.available < *n));
    short.map(|(sku, _)| (StockRefusal::OutOfStock, Some(sku)))
}

fn release(order: &OrderId, reservation: Option<Reservation>) -> Decision<Change> {
    let (lines, shift, asked) = match reservation {
        Some(Reservation {
            status: Status::Reserved,
            lines,
        }) => (lines.clone(), Some(Shift::Back), lines),
        Some(Reservation { lines, .. }) => (Vec::new(), None, lines),
        None => (Vec::new(), None, Vec::new()),
    };
    let reservation = Reservation {
        status: Status::Released,
        lines: asked,
    };
    done(order, Status::Released, Some(lines.clone()))
        .state(Change { reservation, shift })
        .fact(StockReleased {
            order: order.clone(),
            lines,
        })
}

#[cfg(test)]
mod tests;
