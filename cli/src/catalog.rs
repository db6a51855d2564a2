//! The catalogue: what the shop sells, at what price, and how much is there.

use duet_core::store::{Browse, CommitError, Store};
use duet_core::{Money, Sku};
use duet_inventory::domain::Stock;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::exit::{Outcome, Problem};
use crate::input;
use crate::report::{Report, table, trimmed};
use crate::world::{TableOf, World};

/// The catalogue that `duet up` seeds.
const BUILT_IN: &str = include_str!("../catalog.json");

/// An entry to seed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
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

/// The entries of `file`, or of the built-in catalogue.
///
/// # Errors
/// [`Problem`] naming the offending entry and field.
pub fn entries(file: Option<&std::path::Path>) -> Outcome<Vec<Entry>> {
    match file {
        None => input::all(BUILT_IN, "the built-in catalogue"),
        Some(path) => checked(&input::read(path)?, &path.display().to_string()),
    }
}

/// The entries in `text`, each with a price that the shop can sell at.
fn checked(text: &str, origin: &str) -> Outcome<Vec<Entry>> {
    let entries: Vec<Entry> = input::all(text, origin)?;
    for entry in &entries {
        if let Err(why) = entry.price.check() {
            let what = format!("{origin}: {}: price.amount: {why}", entry.sku);
            return Err(Problem::usage(what));
        }
    }
    Ok(entries)
}

/// What seeding did.
#[derive(Debug, Serialize)]
pub struct Seeded {
    /// SKUs that were put there.
    pub added: Vec<Sku>,
    /// SKUs that were there already: their stock is left as it is.
    pub kept: Vec<Sku>,
}

/// Puts `entries` into the catalogue. What is there already is left alone, so
/// that seeding again never conjures up stock that was sold.
///
/// # Errors
/// [`Problem`] when the table does not answer.
pub async fn seed<W: World>(world: &W, entries: &[Entry]) -> Outcome<Seeded> {
    let table = world.table(TableOf::Inventory);
    let results: Vec<(Sku, bool)> = stream::iter(entries.to_vec())
        .map(|entry| async move {
            let write = duet_inventory::seed(entry.sku.clone(), entry.price, entry.quantity);
            match table.commit(vec![write]).await {
                Ok(()) => Ok((entry.sku, true)),
                Err(CommitError::Conflict) => Ok((entry.sku, false)),
                Err(CommitError::Fault(fault)) => Err(Problem::from(fault)),
            }
        })
        .buffered(8)
        .try_collect()
        .await?;
    let (added, kept): (Vec<_>, Vec<_>) = results.into_iter().partition(|(_, new)| *new);
    let skus = |some: Vec<(Sku, bool)>| some.into_iter().map(|(sku, _)| sku).collect();
    Ok(Seeded {
        added: skus(added),
        kept: skus(kept),
    })
}

impl Report for Seeded {
    fn text(&self) -> String {
        format!(
            "{} added, {} already there",
            self.added.len(),
            self.kept.len()
        )
    }
}

/// The catalogue as it stands.
#[derive(Debug, Serialize)]
pub struct Catalogue {
    /// Every SKU with its counters.
    pub stock: Vec<Stock>,
}

/// Reads the catalogue.
///
/// # Errors
/// [`Problem`] when the table does not answer.
pub async fn show<W: World>(world: &W) -> Outcome<Catalogue> {
    let items = world.table(TableOf::Inventory).everything().await?;
    let mut stock: Vec<Stock> = items
        .iter()
        .filter(|item| item.key.sk == "stock")
        .map(|item| item.read())
        .collect::<Result<_, _>>()?;
    stock.sort_by(|a, b| a.sku.cmp(&b.sku));
    Ok(Catalogue { stock })
}

impl Report for Catalogue {
    fn text(&self) -> String {
        if self.stock.is_empty() {
            return "the catalogue is empty; `duet catalog seed` fills it".to_owned();
        }
        let mut rows = table(&[
            "SKU",
            "PRICE",
            "INITIAL",
            "AVAILABLE",
            "RESERVED",
            "SHIPPED",
        ]);
        for stock in &self.stock {
            rows.add_row([
                stock.sku.to_string(),
                stock.price.to_string(),
                stock.initial.to_string(),
                stock.available.to_string(),
                stock.reserved.to_string(),
                stock.shipped.to_string(),
            ]);
        }
        trimmed(&rows)
    }
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
        for amount in [9_007_199_254_740_992, i64::MAX] {
            let refused = checked(&entry(amount), "c.json").unwrap_err().to_string();
            assert!(
                refused.contains("c.json: kettle: price.amount: "),
                "{refused}"
            );
        }
    }
}
