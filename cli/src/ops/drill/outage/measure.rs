//! What a part came to, read from tables and ledgers.

use std::collections::BTreeSet;

use duet_core::OrderId;
use duet_core::store::Store;
use duet_inventory::domain::Stock;
use duet_order::domain::{Compensation, Fate, Order};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::orders::Batch;
use super::{DrillReport, Run};
use crate::ops::drill::AT_ONCE;
use crate::ops::invariants::Findings;
use crate::ops::view::View;
use crate::ops::{demo, dlq, place};
use crate::shop::scenario::Expected;
use crate::shop::services::TableOf;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::report::{Report, took};
use crate::terminal::table::{self, table};
use crate::world::port::operate::Operate;

/// The longest list of what is wrong.
pub(super) const MOST_WRONGS: usize = 10;

/// One part under one variant.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// The variant.
    pub variant: &'static str,
    /// Orders the order service knows.
    pub orders: usize,
    /// Messages about them that lay in dead-letter queues at the height of it.
    pub dead_letters: usize,
    /// Executions of theirs that had failed by then.
    pub failed_executions: usize,
    /// Orders that were parked by then.
    pub parked: usize,
    /// Dead letters that went home, and executions that were taken up again.
    pub redriven: usize,
    /// Orders that `repair` made whole.
    pub repaired: usize,
    /// Orders confirmed in the end.
    pub confirmed: usize,
    /// Orders rejected and whole in the end.
    pub rejected: usize,
    /// Orders something is still owed of.
    pub attention: usize,
    /// Orders the provider took more for than their total.
    pub double_charges: usize,
    /// Whether all is as it should be.
    pub ok: bool,
    /// What is not, if anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<String>,
}

/// What was seen and done before a part ended, by order.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) letters: Vec<String>,
    pub(super) executions: BTreeSet<String>,
    pub(super) parked: BTreeSet<String>,
    pub(super) redriven: Vec<String>,
    pub(super) repaired: BTreeSet<String>,
    /// The orders that must have left a dead letter or a failed execution: a
    /// drill in which nothing broke proves nothing.
    pub(super) lies: BTreeSet<String>,
    /// Whether they must have been parked.
    pub(super) parks: bool,
    pub(super) wrong: Vec<String>,
}

impl Seen {
    fn count<'a>(of: impl IntoIterator<Item = &'a String>, batch: &Batch) -> usize {
        let ids: BTreeSet<&str> = batch.ids().map(OrderId::as_str).collect();
        of.into_iter()
            .filter(|id| ids.contains(id.as_str()))
            .count()
    }
}

impl Seen {
    /// What of the outage did not show under one variant.
    fn untouched(&self, batch: &Batch, part: &Part) -> Option<String> {
        let ids = batch.ids().map(OrderId::as_str);
        let must: BTreeSet<&str> = ids.filter(|id| self.lies.contains(*id)).collect();
        let letters = self.letters.iter().chain(&self.executions);
        let lying: BTreeSet<&str> = letters
            .map(String::as_str)
            .filter(|id| must.contains(id))
            .collect();
        let parked = !self.parks || part.parked >= must.len();
        (!parked || lying.len() < must.len()).then(|| {
            format!(
                "of {} orders {} were parked, {} left a dead letter or a failed execution",
                must.len(),
                part.parked,
                lying.len()
            )
        })
    }
}

impl<W: Operate> Run<'_, W> {
    /// Reads every order everywhere and compares.
    pub(super) async fn measure(
        &self,
        name: &'static str,
        batches: &[Batch],
        expected: Expected,
        seen: &Seen,
    ) -> Outcome<Vec<Part>> {
        let world = self.world;
        let left = dlq::list(world, &self.mine(name)).await?.letters;
        let left: Vec<String> = left
            .into_iter()
            .filter_map(|letter| letter.subject)
            .collect();
        let mut parts = Vec::new();
        for batch in batches {
            let views: Vec<(&OrderId, View)> = stream::iter(batch.ids())
                .map(|id| async move {
                    let view = demo::settled(world, id.as_str(), self.choice.within).await?;
                    Ok::<_, Problem>((id, view))
                })
                .buffered(AT_ONCE)
                .try_collect()
                .await?;
            let goods = [duet_inventory::stock_key(&batch.sku)];
            let shelf = world.table(TableOf::Inventory).load(&goods);
            let mut findings = Findings::default();
            for item in shelf.await?.into_iter().flatten() {
                let stock: Stock = item.read()?;
                findings.stock(
                    &stock,
                    views
                        .iter()
                        .filter_map(|(_, view)| view.reservation.as_ref()),
                );
                if stock.reserved != 0 {
                    findings.broken(
                        2,
                        format!("{}: {} still reserved", stock.sku, stock.reserved),
                    );
                }
            }
            let mut part = tally(name, batch, &views, expected);
            part.dead_letters = Seen::count(&seen.letters, batch);
            part.failed_executions = Seen::count(&seen.executions, batch);
            part.parked = Seen::count(&seen.parked, batch);
            part.redriven = Seen::count(&seen.redriven, batch);
            part.repaired = Seen::count(&seen.repaired, batch);
            for (id, view) in &views {
                findings.order(id.as_str(), view, world.deployment().with_fraud);
            }
            let broken = findings
                .invariants()
                .into_iter()
                .flat_map(|one| one.violations);
            part.wrong.extend(broken);
            let mine = |text: &&String| batch.ids().any(|id| text.starts_with(id.as_str()));
            part.wrong.extend(seen.wrong.iter().filter(mine).cloned());
            let dead = Seen::count(&left, batch);
            if dead > 0 {
                part.wrong.push(format!("{dead} dead letters are left"));
            }
            part.wrong.extend(seen.untouched(batch, &part));
            part.ok = part.wrong.is_empty();
            let more = part.wrong.len().saturating_sub(MOST_WRONGS);
            part.wrong.truncate(MOST_WRONGS);
            if more > 0 {
                part.wrong.push(format!("and {more} more"));
            }
            parts.push(part);
        }
        Ok(parts)
    }
}

/// How the orders of `batch` ended.
fn tally(
    name: &'static str,
    batch: &Batch,
    views: &[(&OrderId, View)],
    expected: Expected,
) -> Part {
    let known = || {
        views
            .iter()
            .filter_map(|(id, view)| Some((id, view, view.order.as_ref()?)))
    };
    let whole = |order: &Order| order.owed.is_empty() && order.compensation != Compensation::Failed;
    let is = |test: fn(&Fate) -> bool| {
        known()
            .filter(|(_, _, o)| whole(o) && test(&o.fate))
            .count()
    };
    let taken_twice = known().filter(|(_, view, order)| {
        let total = order.placed.total.amount;
        view.charge
            .as_ref()
            .is_some_and(|charge| charge.captured > total)
    });
    let expected = expected.to_string();
    let mut wrong = Vec::new();
    for (id, _, order) in known() {
        let word = place::word(&order.standing());
        if word != expected {
            wrong.push(format!("{id}: {word}, not {expected}"));
        }
    }
    let orders = known().count();
    if orders < batch.orders.len() {
        wrong.push(format!(
            "{} orders are not known",
            batch.orders.len() - orders
        ));
    }
    Part {
        name,
        variant: batch.variant.name,
        orders,
        dead_letters: 0,
        failed_executions: 0,
        parked: 0,
        redriven: 0,
        repaired: 0,
        confirmed: is(|fate| *fate == Fate::Confirmed),
        rejected: is(|fate| matches!(fate, Fate::Rejected { .. })),
        attention: known().filter(|(_, _, order)| !whole(order)).count(),
        double_charges: taken_twice.count(),
        ok: false,
        wrong,
    }
}

impl Report for DrillReport {
    fn text(&self) -> String {
        let mut rows = table([
            table::prose("PART"),
            table::word("VARIANT"),
            table::number("ORDERS"),
            table::number("PARKED").gives_way(2),
            table::number("DEAD LETTERS").gives_way(4),
            table::number("FAILED EXECUTIONS").gives_way(4),
            table::number("REDRIVEN").gives_way(3),
            table::number("REPAIRED").gives_way(3),
            table::number("CONFIRMED"),
            table::number("REJECTED"),
            table::number("ATTENTION").gives_way(1),
            table::number("CHARGED TWICE").gives_way(1),
            table::word("").states(),
        ]);
        for part in &self.parts {
            rows.add_row([
                part.name.to_owned(),
                part.variant.to_owned(),
                part.orders.to_string(),
                part.parked.to_string(),
                part.dead_letters.to_string(),
                part.failed_executions.to_string(),
                part.redriven.to_string(),
                part.repaired.to_string(),
                part.confirmed.to_string(),
                part.rejected.to_string(),
                part.attention.to_string(),
                part.double_charges.to_string(),
                if part.ok { "ok" } else { "FAILED" }.to_owned(),
            ]);
        }
        let mut text = vec![rows.text()];
        for part in &self.parts {
            let whys = part.wrong.iter();
            text.extend(whys.map(|why| format!("{} {}: {why}", part.name, part.variant)));
        }
        let ok = self.parts.iter().filter(|part| part.ok).count();
        text.push(String::new());
        text.push(format!(
            "{ok} of {} parts as they should be, {}",
            self.parts.len(),
            took(self.elapsed_ms, self.virtual_time)
        ));
        text.join("\n")
    }

    fn exit(&self) -> Exit {
        if self.parts.iter().all(|part| part.ok) {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}
