//! The catalogue: what the shop sells, at what price, and how much is there.

use duet_core::Sku;
use duet_core::store::{Browse, CommitError, Store};
use duet_inventory::domain::Stock;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::shop::goods::Good;
use crate::shop::services::TableOf;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::world::World;

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
pub async fn seed<W: World>(world: &W, entries: &[Good]) -> Outcome<Seeded> {
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
        let mut rows = table([
            table::word("SKU"),
            table::number("PRICE"),
            table::number("INITIAL").gives_way(3),
            table::number("AVAILABLE"),
            table::number("RESERVED").gives_way(2),
            table::number("SHIPPED").gives_way(1),
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
        rows.text()
    }
}
