//! What the fraud service remembers of a customer and of an e-mail address:
//! no more than the rules need, and no address. Pure.

use duet_core::time::after;
use duet_core::{Money, OrderId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::rules::VELOCITY_SECONDS;

/// How much order time is remembered, before a customer's newest order: the
/// stretch the rules look at, plus a day for orders that arrive late (the bus
/// and the queues try for 24 hours before a message is a dead letter).
pub const KEPT_SECONDS: u32 = VELOCITY_SECONDS + 24 * 60 * 60;

/// The most orders remembered of a customer, the newest by order time: the
/// document stays small however fast somebody orders, and far more than this
/// within the hour trips the rule all the same.
pub const KEPT_ORDERS: usize = 200;

/// What is remembered of a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// From their screening; `None` when only orders of theirs were seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
    /// Their latest orders, in order time; each order once.
    #[serde(default)]
    pub orders: Vec<Placed>,
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
}

/// One order of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Which.
    pub order: OrderId,
    /// When it was placed: order time, whenever it arrived here.
    pub placed_at: Timestamp,
    /// What it cost; for a reviewer's eyes.
    pub total: Money,
}

impl History {
    /// The how-manieth order of the customer within the hour `placed` is,
    /// itself included, by order time. Orders that arrived here before it but
    /// were placed after it do not count, however late it arrives.
    #[must_use]
    pub fn nth(&self, placed: &Placed) -> usize {
        let counts = |other: &Placed| {
            other.order != placed.order
                && other.placed_at <= placed.placed_at
                && after(other.placed_at, VELOCITY_SECONDS) > placed.placed_at
        };
        1 + self.orders.iter().filter(|other| counts(other)).count()
    }

    /// Remembers `placed`, once, and forgets what no rule will look at.
    pub fn remember(&mut self, placed: Placed) {
        if self.orders.iter().any(|other| other.order == placed.order) {
            return;
        }
        self.orders.push(placed);
        self.orders.sort_by_key(|order| order.placed_at);
        let Some(newest) = self.orders.last().map(|order| order.placed_at) else {
            return;
        };
        let overflow = self.orders.len().saturating_sub(KEPT_ORDERS);
        self.orders.drain(..overflow);
        self.orders
            .retain(|order| after(order.placed_at, KEPT_SECONDS) > newest);
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

    fn placed(order: &str, at: &str) -> Placed {
        let total = serde_json::json!({"amount": 100, "currency": "EUR"});
        Placed {
            order: order.parse().unwrap(),
            placed_at: format!("2026-01-01T{at}Z").parse().unwrap(),
            total: serde_json::from_value(total).unwrap(),
        }
    }

    fn history(orders: &[(&str, &str)]) -> History {
        let mut history = History::default();
        for (order, at) in orders {
            history.remember(placed(order, at));
        }
        history
    }

    #[test]
    fn orders_are_counted_in_order_time() {
        let history = history(&[("d", "11:00:00"), ("b", "10:20:00"), ("a", "10:00:00")]);
        let cases = [
            ("10:59:59", 3), // a, b and itself
            ("11:00:00", 3), // an hour after a: only b and d, and itself
            ("11:19:59", 3),
            ("11:20:00", 2),
            ("10:10:00", 2), // a late arrival: b and d came after it
            ("09:59:59", 1),
            ("12:00:00", 1),
        ];
        for (at, nth) in cases {
            assert_eq!(history.nth(&placed("c", at)), nth, "{at}");
        }
        assert_eq!(
            history.nth(&placed("d", "11:00:00")),
            2,
            "an order is counted once"
        );
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

        let mut history = twice;
        let mut later = placed("c", "10:00:00");
        later.placed_at = after(later.placed_at, KEPT_SECONDS);
        history.remember(later);
        assert_eq!(history.orders.len(), 1);

        for n in 0..2 * KEPT_ORDERS {
            history.remember(placed(&format!("n-{n}"), "23:59:59"));
        }
        assert!(history.orders.len() <= KEPT_ORDERS);
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
