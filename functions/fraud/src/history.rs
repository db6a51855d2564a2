//! What the fraud service remembers of a customer and of an e-mail address:
//! no more than the rules need, and no address. Pure.

use duet_core::time::after;
use duet_core::{OrderId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::rules::VELOCITY_SECONDS;

/// How much order time is remembered, before a customer's newest order: the
/// stretch the rules look at, plus a day for orders that arrive late (the bus
/// and the queues try for 24 hours before a message is a dead letter).
pub const KEPT_SECONDS: u32 = VELOCITY_SECONDS + 24 * 60 * 60;

/// The most orders remembered of a customer, the newest by order time: the
/// document stays small however many of them people approve.
pub const KEPT_ORDERS: usize = 200;

/// What is remembered of a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// From their screening; `None` when only orders of theirs were seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
    /// Their latest orders that were cleared, by the rules or by a person, in
    /// order time; each order once.
    #[serde(default)]
    pub orders: Vec<Placed>,
    /// When the newest order was placed that is remembered no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<Timestamp>,
}

/// A customer as screened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The country they registered with.
    pub country: String,
    /// Whether their e-mail domain is one for throw-away mail boxes.
    pub disposable_email: bool,
    /// When they registered.
    pub registered_at: Timestamp,
    /// Whether they were found suspicious, and so are blocked. Absent from
    /// documents written before it was kept.
    #[serde(default)]
    pub suspicious: bool,
}

impl Registration {
    /// Whether the account is blocked. Of a customer screened before that was
    /// kept it is known by the mail box alone, which was always enough.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.suspicious || self.disposable_email
    }
}

/// One order of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Which.
    pub order: OrderId,
    /// When it was placed: order time, whenever it arrived here.
    pub placed_at: Timestamp,
}

impl History {
    /// How many orders the fullest hour has that an order placed at `placed_at`
    /// would be in, itself included: 1 where there is no other. An hour holds
    /// its first instant and not its last. Orders placed before and after it
    /// count alike, so it does not matter which of them is screened first.
    #[must_use]
    pub fn nth(&self, placed_at: Timestamp) -> usize {
        let within =
            |from: Timestamp, at: Timestamp| from <= at && at < after(from, VELOCITY_SECONDS);
        let times = || self.orders.iter().map(|order| order.placed_at);
        // The fullest hour begins with one of the orders in it.
        let begins = times().filter(|&from| within(from, placed_at));
        let count = |from| times().filter(|&at| within(from, at)).count();
        1 + begins.chain([placed_at]).map(count).max().unwrap_or(0)
    }

    /// Whether an hour that `placed_at` is in may hold orders that are
    /// remembered no more.
    #[must_use]
    pub fn has_forgotten(&self, placed_at: Timestamp) -> bool {
        let reach = self.forgotten.map(|last| after(last, VELOCITY_SECONDS));
        reach.is_some_and(|reach| placed_at < reach)
    }

    /// The history with `order`, which is cleared, and without what is of no
    /// use any more. An order is remembered once.
    #[must_use]
    pub fn with(mut self, order: &OrderId, placed_at: Timestamp) -> Self {
        if self.orders.iter().any(|other| other.order == *order) {
            return self;
        }
        let order = order.clone();
        self.orders.push(Placed { order, placed_at });
        self.orders.sort_by_key(|order| order.placed_at);
        let newest = self
            .orders
            .last()
            .map_or(placed_at, |order| order.placed_at);
        let old = |order: &&Placed| after(order.placed_at, KEPT_SECONDS) <= newest;
        let overflow = self.orders.len().saturating_sub(KEPT_ORDERS);
        let forgets = self.orders.iter().filter(old).count().max(overflow);
        for order in self.orders.drain(..forgets) {
            self.forgotten = self.forgotten.max(Some(order.placed_at));
        }
        self
    }
}

/// What is remembered of an e-mail address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailUse {
    /// How many customers registered with it.
    pub customers: u32,
    /// How many of them were found suspicious here. Whether their account is
    /// blocked is the customer service's to know, and follows from it.
    pub blocked: u32,
}

/// The digest by which an e-mail address is remembered: SHA-256 of its
/// lower-cased form, in hexadecimal. Mail systems tell upper from lower case in
/// theory only, and who registers twice counts on that.
#[must_use]
pub fn digest(email: &str) -> String {
    sha256(&email.trim().to_lowercase())
}

/// SHA-256 of `text`, in hexadecimal.
pub(crate) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-01-01T{time}Z").parse().unwrap()
    }

    fn history(orders: &[(&str, &str)]) -> History {
        let with = |history: History, (order, time): &(&str, &str)| {
            history.with(&order.parse().unwrap(), at(time))
        };
        orders.iter().fold(History::default(), with)
    }

    #[test]
    fn the_fullest_hour_counts_whatever_came_first() {
        let history = history(&[("d", "11:00:00"), ("b", "10:20:00"), ("a", "10:00:00")]);
        let cases = [
            ("09:00:00", 1), // a is an hour later
            ("09:00:01", 2), // a
            ("09:20:01", 3), // a and b: both come after it
            ("10:00:00", 3),
            ("10:00:01", 3), // from a to b, or from b to d: never all three
            ("10:59:59", 3),
            ("11:00:00", 3), // an hour after a: b and d
            ("11:19:59", 3),
            ("11:20:00", 2), // an hour after b
            ("12:00:00", 1),
        ];
        for (time, nth) in cases {
            assert_eq!(history.nth(at(time)), nth, "{time}");
        }
    }

    #[test]
    fn an_order_is_remembered_once_and_not_for_ever() {
        let twice = history(&[("a", "10:00:00"), ("a", "10:00:00"), ("b", "09:00:00")]);
        let order: Vec<_> = twice
            .orders
            .iter()
            .map(|placed| placed.order.as_str())
            .collect();
        assert_eq!(order, ["b", "a"]);

        assert_eq!(twice.forgotten, None);
        let id = |text: &str| text.parse().unwrap();
        let mut history = twice.with(&id("c"), after(at("10:00:00"), KEPT_SECONDS));
        assert_eq!(history.orders.len(), 1);
        assert_eq!(history.forgotten, Some(at("10:00:00")));
        for (time, forgotten) in [("09:59:59", true), ("10:59:59", true), ("11:00:00", false)] {
            assert_eq!(history.has_forgotten(at(time)), forgotten, "{time}");
        }

        for n in 0..2 * KEPT_ORDERS {
            history = history.with(&id(&format!("n-{n}")), at("23:59:59"));
        }
        assert_eq!(history.orders.len(), KEPT_ORDERS);
        assert!(history.has_forgotten(at("23:59:59")));
    }

    #[test]
    fn an_address_is_remembered_by_a_digest_of_its_lower_case() {
        assert_eq!(digest("Ada@Example.com"), digest("ada@example.com"));
        assert_ne!(digest("ada@example.com"), digest("bob@example.com"));
        // FIPS 180-4 test vector "abc".
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest("ABC"), abc);
    }
}
