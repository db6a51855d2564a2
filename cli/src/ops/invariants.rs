//! The invariants of the brief, checked from the services' tables and the third
//! parties' ledgers, never from what a command answered.

use std::collections::{BTreeMap, BTreeSet};

use duet_core::fact::Notice;
use duet_core::order::Part;
use duet_fraud::review;
use duet_inventory::domain::{Reservation, Status as ReservationStatus, Stock, per_sku};
use duet_order::domain::{Compensation, Fate, Order};
use duet_payment::domain::Status as PaymentStatus;
use serde::Serialize;

use crate::ops::view::View;

/// An invariant, and what breaks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invariant {
    /// Its number in the brief.
    pub number: u8,
    /// What it says.
    pub says: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// What breaks it.
    pub violations: Vec<String>,
}

/// What each invariant says, by number.
const SAYS: [&str; 8] = [
    "money: the provider holds the total of a confirmed order, nothing of a rejected one, and no more than is named as owed",
    "stock: initial = available + reserved + shipped, and nothing is reserved for an order that is undone",
    "one decision: confirmed or rejected, made once",
    "no active delivery without a captured payment and a cleared fraud check, nor for a rejected order",
    "one notice per subject and kind, and none that contradicts the decision",
    "nothing is lost: every order is decided, every message handled or in a dead-letter queue",
    "parity: the same scenario ends the same under every variant",
    "compensation may overtake: what comes late to a rejected order does nothing",
];

/// Violations, gathered by the number of their invariant.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<u8, BTreeSet<String>>);

impl Findings {
    /// Notes that invariant `number` does not hold.
    pub fn broken(&mut self, number: u8, why: impl Into<String>) {
        self.0.entry(number).or_default().insert(why.into());
    }

    /// Takes over the violations of `other`.
    pub fn merge(&mut self, other: Self) {
        for (number, whys) in other.0 {
            self.0.entry(number).or_default().extend(whys);
        }
    }

    /// Every invariant with its violations.
    #[must_use]
    pub fn invariants(&self) -> Vec<Invariant> {
        let one = |(n, says): (usize, &&'static str)| {
            let number = n as u8 + 1;
            let violations: Vec<String> =
                self.0.get(&number).into_iter().flatten().cloned().collect();
            Invariant {
                number,
                says,
                holds: violations.is_empty(),
                violations,
            }
        };
        SAYS.iter().enumerate().map(one).collect()
    }

    /// Checks an order that has ended. `with_fraud`: the shop screens orders.
    pub fn order(&mut self, id: &str, view: &View, with_fraud: bool) {
        let Some(order) = &view.order else {
            return self.broken(6, format!("{id}: never placed"));
        };
        self.money(id, order, view);
        self.decision(id, order, view);
        self.delivery(id, order, view, with_fraud);
        self.notices(id, order, view);
        let undone = order.compensation == Compensation::Done;
        let reserved = view
            .reservation
            .as_ref()
            .is_some_and(|r| r.status == ReservationStatus::Reserved);
        if undone && reserved {
            self.broken(2, format!("{id}: undone, but stock is reserved"));
        }
        if undone && (reserved || view.is_booked() || view.net() != 0) {
            self.broken(
                8,
                format!("{id}: undone, but something came late and stayed"),
            );
        }
        if order.fate == Fate::Confirmed {
            self.shipment(id, order, view);
        }
    }

    fn shipment(&mut self, id: &str, order: &Order, view: &View) {
        let left = view
            .reservation
            .as_ref()
            .filter(|r| r.status == ReservationStatus::Shipped);
        match left {
            None => self.broken(6, format!("{id}: confirmed, but not shipped")),
            Some(left) if per_sku(&left.lines) != per_sku(&order.placed.lines) => {
                self.broken(2, format!("{id}: what was shipped is not what was ordered"));
            }
            Some(_) => {}
        }
    }

    /// Checks that a parked order names how much money is owed, where there is
    /// anything to give back.
    pub fn named(&mut self, id: &str, view: &View) {
        let owed = view.order.iter().flat_map(|order| &order.owed);
        let unnamed = owed
            .filter(|owed| owed.part == Part::Payment)
            .any(|owed| owed.amount.is_none_or(|amount| amount.amount == 0));
        if unnamed && view.net() != 0 {
            self.broken(
                1,
                format!(
                    "{id}: {} is owed, and the order does not say so",
                    view.net()
                ),
            );
        }
    }

    /// Checks the money of an order, whether it has ended or waits for an operator.
    pub fn money(&mut self, id: &str, order: &Order, view: &View) {
        let total = order.placed.total.amount;
        let owed: Option<Option<i64>> = order
            .owed
            .iter()
            .find(|owed| owed.part == Part::Payment)
            .map(|owed| owed.amount.map(|amount| amount.amount));
        let net = view.net();
        let voided = view.charge.as_ref().is_some_and(|charge| charge.voided);
        let charged = view
            .steps
            .iter()
            .any(|step| step.facts.iter().any(|fact| fact == "PaymentCaptured"));
        let right = match (&order.fate, order.compensation, owed) {
            (Fate::Undecided, ..) => true,
            (Fate::Confirmed, ..) => net == total,
            // Exactly what is named, unless the answer of the provider was lost:
            // then it may have given back, or never charged, what it was asked to.
            (Fate::Rejected { .. }, Compensation::Failed, Some(Some(amount))) => {
                net == amount || (net == 0 && (voided || !charged))
            }
            // Nobody knows how much: at most the total.
            (Fate::Rejected { .. }, Compensation::Failed, Some(None)) => (0..=total).contains(&net),
            (Fate::Rejected { .. }, Compensation::Pending, _) => true,
            (Fate::Rejected { .. }, ..) => net == 0,
        };
        if !right {
            self.broken(
                1,
                format!(
                    "{id}: {} with {net} of {total} held by the provider",
                    fate(order)
                ),
            );
        }
        let (captured, refunded) = view
            .charge
            .as_ref()
            .map_or((0, 0), |charge| (charge.captured, charge.refunded));
        if captured > total {
            self.broken(1, format!("{id}: captured more than once"));
        }
        // What the service keeps and announces is what the provider did.
        let kept = match view.payment.as_ref().map(|payment| payment.status) {
            Some(PaymentStatus::Captured { amount }) => amount.amount == captured - refunded,
            Some(PaymentStatus::Refunded { amount }) => amount.amount == refunded,
            _ => true,
        };
        if !kept {
            self.broken(
                1,
                format!(
                    "{id}: the payment service has {:?}, the provider captured {captured} and gave back {refunded}",
                    view.payment.as_ref().map(|payment| payment.status)
                ),
            );
        }
    }

    fn decision(&mut self, id: &str, order: &Order, view: &View) {
        if order.fate == Fate::Undecided {
            self.broken(6, format!("{id}: not decided"));
        }
        let decisions = view
            .steps
            .iter()
            .flat_map(|step| &step.facts)
            .filter(|fact| ["OrderConfirmed", "OrderRejected"].contains(&fact.as_str()))
            .count();
        if decisions > 1 {
            self.broken(3, format!("{id}: decided {decisions} times"));
        }
        let fits = match order.fate {
            Fate::Rejected { .. } => order.compensation != Compensation::None,
            _ => order.compensation == Compensation::None,
        };
        if !fits {
            self.broken(
                3,
                format!(
                    "{id}: {} with compensation {:?}",
                    fate(order),
                    order.compensation
                ),
            );
        }
    }

    fn delivery(&mut self, id: &str, order: &Order, view: &View, with_fraud: bool) {
        if !view.is_booked() {
            if order.fate == Fate::Confirmed {
                self.broken(
                    4,
                    format!("{id}: confirmed, but the carrier has no delivery"),
                );
            }
            return;
        }
        let cleared = view
            .review
            .as_ref()
            .is_some_and(|r| matches!(r.status, review::Status::Clear | review::Status::Approved));
        // The mark is the order's; one without runs as the shop does.
        if order.placed.clearance.unwrap_or(with_fraud) && !cleared {
            self.broken(4, format!("{id}: on its way without a cleared fraud check"));
        }
        if view
            .charge
            .as_ref()
            .is_none_or(|charge| charge.captured == 0)
        {
            self.broken(4, format!("{id}: on its way without a captured payment"));
        }
        if matches!(order.fate, Fate::Rejected { .. }) && order.compensation == Compensation::Done {
            self.broken(4, format!("{id}: rejected, but on its way"));
        }
    }

    fn notices(&mut self, id: &str, order: &Order, view: &View) {
        let of = |kind: Notice| {
            view.notices
                .iter()
                .filter(|notice| notice.kind == kind)
                .count()
        };
        for kind in [
            Notice::OrderConfirmed,
            Notice::OrderRejected,
            Notice::PaymentRefunded,
        ] {
            if of(kind) > 1 {
                self.broken(5, format!("{id}: {} notices {kind}", of(kind)));
            }
        }
        let (yes, no) = (of(Notice::OrderConfirmed), of(Notice::OrderRejected));
        let fits = match order.fate {
            Fate::Undecided => (yes, no) == (0, 0),
            Fate::Confirmed => (yes, no) == (1, 0),
            Fate::Rejected { .. } => (yes, no) == (0, 1),
        };
        if !fits {
            self.broken(
                5,
                format!(
                    "{id}: {} with {yes} confirmations and {no} rejections sent",
                    fate(order)
                ),
            );
        }
        let (refunded, told) = (view.refunded(), of(Notice::PaymentRefunded));
        let owed = order.owed.iter().any(|owed| owed.part == Part::Notice);
        if told > 0 && refunded == 0 {
            self.broken(
                5,
                format!("{id}: told of a refund, and nothing was refunded"),
            );
        }
        if told == 0 && refunded > 0 && !owed {
            self.broken(5, format!("{id}: {refunded} refunded, and nobody was told"));
        }
    }

    /// Checks the counters of one SKU: against what there was, and against the
    /// `reservations` of all orders that could want it.
    pub fn stock<'a>(
        &mut self,
        stock: &Stock,
        reservations: impl IntoIterator<Item = &'a Reservation>,
    ) {
        let there = stock.available + stock.reserved + stock.shipped;
        if there != stock.initial {
            self.broken(
                2,
                format!("{}: {} initially, {there} now", stock.sku, stock.initial),
            );
        }
        let (mut reserved, mut shipped) = (0, 0);
        for reservation in reservations {
            let counter = match reservation.status {
                ReservationStatus::Reserved => &mut reserved,
                ReservationStatus::Shipped => &mut shipped,
                ReservationStatus::Refused | ReservationStatus::Released => continue,
            };
            *counter += per_sku(&reservation.lines).get(&stock.sku).unwrap_or(&0);
        }
        if (stock.reserved, stock.shipped) != (reserved, shipped) {
            self.broken(
                2,
                format!(
                    "{}: {} reserved and {} shipped by its counters, {reserved} and {shipped} by the reservations",
                    stock.sku, stock.reserved, stock.shipped
                ),
            );
        }
        if [stock.available, stock.reserved, stock.shipped]
            .iter()
            .any(|n| *n < 0)
        {
            self.broken(
                2,
                format!(
                    "{}: oversold: {} available, {} reserved, {} shipped",
                    stock.sku, stock.available, stock.reserved, stock.shipped
                ),
            );
        }
    }
}

fn fate(order: &Order) -> &'static str {
    match order.fate {
        Fate::Undecided => "undecided",
        Fate::Confirmed => "confirmed",
        Fate::Rejected { .. } => "rejected",
    }
}
