//! The goods that the shop begins with.

use duet_core::{Money, Sku};
use serde::{Deserialize, Serialize};

use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::read;

/// The catalogue that `duet up` seeds.
const BUILT_IN: &str = include_str!("../../catalog.json");

/// Goods to seed the catalogue with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Good {
    /// The SKU.
    pub sku: Sku,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The price of one.
    pub price: Money,
    /// How many there are to begin with.
    pub quantity: u32,
}

/// The goods of `file`, or of the built-in catalogue.
///
/// # Errors
/// [`Problem`] naming the offending good and field.
pub fn goods(file: Option<&std::path::Path>) -> Outcome<Vec<Good>> {
    match file {
        None => read::all(BUILT_IN, "the built-in catalogue"),
        Some(path) => checked(&read::text(path)?, &path.display().to_string()),
    }
}

/// The goods in `text`, each with a price that the shop can sell at.
fn checked(text: &str, origin: &str) -> Outcome<Vec<Good>> {
    let goods: Vec<Good> = read::all(text, origin)?;
    for good in &goods {
        if let Err((field, why)) = good.price.check() {
            let what = format!("{origin}: {}: price.{field}: {why}", good.sku);
            return Err(Problem::usage(what));
        }
    }
    Ok(goods)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_past_the_largest_amount_is_refused_with_its_place() {
        let entry = |amount: i64| {
            format!(
                r#"{{"sku": "kettle", "price": {{"amount": {amount}, "currency": "EUR"}}, "quantity": 1}}"#
            )
        };
        assert!(checked(&entry(9_007_199_254_740_991), "c.json").is_ok());
        let unlisted = entry(1).replace("EUR", "XQQ");
        let refused = checked(&unlisted, "c.json").unwrap_err().to_string();
        assert!(
            refused.contains("c.json: kettle: price.currency: "),
            "{refused}"
        );
        for amount in [9_007_199_254_740_992, i64::MAX] {
            let refused = checked(&entry(amount), "c.json").unwrap_err().to_string();
            assert!(refused.contains("c.json: price.amount: "), "{refused}");
        }
    }
}
