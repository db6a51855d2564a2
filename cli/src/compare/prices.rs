//! What AWS charges, as data: each price with its date and its source.

use std::sync::LazyLock;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A price is old after so many days.
const STALE_AFTER_DAYS: i32 = 180;

/// A price, us-east-1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// What is charged for.
    pub item: String,
    /// US dollars for [`Self::per`] of the unit.
    pub usd: f64,
    /// For how many.
    pub per: f64,
    /// The unit.
    pub unit: String,
    /// When it was the price, or was looked up.
    pub date: Date,
    /// Who says so.
    pub source: String,
    /// Whether nobody looked at AWS's own list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub second_hand: bool,
}

impl Price {
    /// Dollars for `quantity` units.
    #[must_use]
    pub fn of(&self, quantity: f64) -> f64 {
        quantity * self.usd / self.per
    }

    /// Whether it is older on `today` than prices last.
    #[must_use]
    pub fn is_stale(&self, today: Date) -> bool {
        let age = today - self.date;
        age.get_days() > STALE_AFTER_DAYS
    }
}

/// Every price there is.
pub static PRICES: LazyLock<Vec<Price>> =
    LazyLock::new(|| serde_json::from_str(include_str!("prices.json")).unwrap_or_default());

/// The price of `item`.
#[must_use]
pub fn of(item: &str) -> Option<&'static Price> {
    PRICES.iter().find(|price| price.item == item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_price_has_its_source_and_none_of_the_wrong_ones_is_here() {
        assert!(PRICES.len() > 10);
        for price in PRICES.iter() {
            assert!(!price.source.is_empty() && price.usd > 0.0 && price.per >= 1.0);
        }
        let million = |item| of(item).unwrap().of(1e6);
        // Figures go round that are wrong: 0.25 for a thousand transitions, and
        // 0.25 for a million reads.
        assert_eq!(million("step-functions-transition"), 25.0);
        assert_eq!(million("dynamodb-read"), 0.125);
    }

    #[test]
    fn a_price_is_stale_after_180_days() {
        let price = of("sqs-request").unwrap();
        let days = |days: i32| price.date + jiff::Span::new().days(days);
        assert!(!price.is_stale(days(180)) && price.is_stale(days(181)));
    }
}
