//! Load, decide, save: the reservation, every SKU's counters and the record in
//! one transaction.

use std::collections::BTreeMap;

use duet_core::order::Line;
use duet_core::service::Reaction;
use duet_core::store::{Expect, Item, Key, Store, Write};
use duet_core::{
    Clock, Desk, Environment, Fact, Failure, Handled, Money, ParseError, Received, Request,
    Service, Sku,
};

use crate::command::Command;
use crate::domain::{self, Change, MAX_SKUS, Stock};

/// The inventory service over its table.
#[derive(Debug, Clone)]
pub struct Inventory<S, C> {
    desk: Desk<S, C>,
}

impl<S: Store, C: Clock> Inventory<S, C> {
    /// The service over `store`.
    pub fn new(store: S, clock: C) -> Self {
        Self {
            desk: Desk::new("inventory", store, clock),
        }
    }
}

/// Where the reservation of order `id` is kept.
pub fn reservation_key(id: impl ToString) -> Key {
    Key::new(id, "reservation")
}

/// Where the stock of `sku` is kept.
#[must_use]
pub fn stock_key(sku: &Sku) -> Key {
    Key::new(format!("sku#{sku}"), "stock")
}

/// Puts `sku` into the catalogue. Conflicts when it is there: seeding again
/// never resets stock.
pub fn seed(sku: Sku, price: Money, quantity: u32) -> Write {
    let quantity = i64::from(quantity);
    let key = stock_key(&sku);
    let stock = Stock {
        sku,
        price,
        initial: quantity,
        available: quantity,
        reserved: 0,
        shipped: 0,
    };
    Write::put(key, &stock, Expect::Absent)
}

/// Adds `quantity` to the stock of a SKU that the catalogue has.
#[must_use]
pub fn restock(sku: &Sku, quantity: u32) -> Write {
    let quantity = i64::from(quantity);
    Write::Add {
        key: stock_key(sku),
        deltas: BTreeMap::from([("initial", quantity), ("available", quantity)]),
    }
}

/// The inventory service, as its environment says.
///
/// # Errors
/// What is wrong with the environment.
pub fn build<E: Environment>(env: &E) -> Result<Inventory<E::Table, E::Clock>, E::Error> {
    Ok(Inventory::new(env.table("DUET_TABLE")?, env.clock()))
}

impl<S: Store, C: Clock> Service for Inventory<S, C> {
    const NAME: &'static str = "inventory";
    const SAYS: &'static [(&'static str, &'static [&'static str])] = &[
        ("ReserveStock", &["StockReserved", "StockUnavailable"]),
        ("ReleaseStock", &["StockReleased"]),
        ("ShipStock", &["StockShipped", "ShipmentOverdue"]),
    ];
    const UNDOES: &'static [(&'static str, &'static str)] = &[("ReserveStock", "ReleaseStock")];
    type Command = Command;

    async fn handle(&self, request: Request<Command>) -> Result<Handled, Failure> {
        let Request { command, context } = request;
        let order = command.order();
        let ticket = self.desk.ticket(&context, &command, order.as_str(), "");
        let key = reservation_key(order);
        let mut keys = vec![key.clone()];
        if let Command::ReserveStock(command) = &command {
            // More than the domain accepts are not worth a read.
            keys.extend(
                domain::per_sku(&command.lines)
                    .keys()
                    .take(MAX_SKUS)
                    .map(stock_key),
            );
        }
        // A conflict is a real shortage, or the order's other message.
        self.desk
            .once(&context)
            .over(&ticket, &keys, |items| {
                let item = items.first().and_then(Option::as_ref);
                let reservation = item.map(Item::read).transpose()?;
                let mut shelf = BTreeMap::new();
                for item in items.iter().skip(1).flatten() {
                    let stock: Stock = item.read()?;
                    shelf.insert(stock.sku.clone(), stock);
                }
                let decision = domain::decide(reservation, &shelf, &command)?;
                let writes = match &decision.state {
                    Some(change) => writes(key.clone(), Expect::unchanged(item), change),
                    None => Vec::new(),
                };
                Ok((writes, decision))
            })
            .await
    }

    fn policy(received: &Received<'_>) -> Result<Reaction<Command>, ParseError> {
        Ok(crate::policy::reaction(&received.fact()?))
    }

    fn overdue(command: &Command) -> Option<Fact> {
        crate::policy::overdue(command)
    }
}

/// What `change` writes. Counters are added to without comparing versions:
/// orders for the same SKU do not disturb one another while there is enough.
fn writes(key: Key, expect: Expect, change: &Change) -> Vec<Write> {
    let lines: &[Line] = &change.reservation.lines;
    let mut writes = vec![Write::put(key, &change.reservation, expect)];
    if let Some(shift) = change.shift {
        writes.extend(domain::per_sku(lines).iter().map(|(sku, &n)| Write::Add {
            key: stock_key(sku),
            deltas: shift.deltas(n),
        }));
    }
    writes
}
