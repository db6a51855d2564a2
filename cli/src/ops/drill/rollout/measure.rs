//! What became of what came, read from the services' tables.

use duet_core::order::Reason;
use duet_core::store::{Key, Store};
use duet_customer::domain::{Customer, Status};
use duet_order::domain::{Compensation, Fate, Order};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::RolloutDrill;
use super::stage::{Batch, Stage};
use crate::ops::place;
use crate::shop::services::TableOf;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::report::{Report, took};
use crate::terminal::table::{self, table};
use crate::world::World;

/// How often it is looked whether all has ended, in milliseconds.
const LOOK_EVERY: u64 = 1_000;

/// The longest list of what is wrong.
const MOST_WRONGS: usize = 10;

/// One stage under one variant.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// The stage at whose beginning, and at the turning from which, they came.
    pub name: &'static str,
    /// The variant.
    pub variant: &'static str,
    /// Orders that were placed.
    pub orders: usize,
    /// Those of them that a person had to look at.
    pub reviews: usize,
    /// Customers who registered.
    pub customers: usize,
    /// Orders that did not end Confirmed, and customers who did not become Active.
    pub lost: usize,
    /// Orders that were parked, or of which something is owed.
    pub parked: usize,
    /// Orders that waited too long, for a fact or for a person.
    pub timed_out: usize,
    /// Orders whose workflow ended and left them.
    pub abandoned: usize,
    /// Whether nothing was lost, parked, timed out or abandoned.
    pub ok: bool,
    /// What is not as it should be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<String>,
}

impl Stage {
    /// Waits until all that came at this stage has ended, or nothing has for
    /// `within` seconds, and tells how.
    pub(super) async fn measure<W: World>(&self, world: &W, within: u64) -> Outcome<Vec<Part>> {
        let mut parts = Vec::new();
        for batch in &self.batches {
            let (orders, customers) = ended(world, batch, within).await?;
            parts.push(self.part(batch, &orders, &customers));
        }
        Ok(parts)
    }

    fn part(
        &self,
        batch: &Batch,
        orders: &[(String, Option<Order>)],
        customers: &[(String, Option<Customer>)],
    ) -> Part {
        let mut part = Part {
            name: self.name(),
            variant: batch.variant.name,
            orders: orders.len(),
            reviews: batch.reviewed.len(),
            customers: customers.len(),
            lost: 0,
            parked: 0,
            timed_out: 0,
            abandoned: 0,
            ok: false,
            wrong: Vec::new(),
        };
        for (id, order) in orders {
            let Some(order) = order else {
                part.lost += 1;
                part.wrong.push(format!("{id}: not known"));
                continue;
            };
            let parked = is_parked(order);
            let reason = match &order.fate {
                Fate::Rejected { reason, .. } => Some(*reason),
                _ => None,
            };
            let late = matches!(reason, Some(Reason::TimedOut | Reason::ReviewTimedOut));
            part.parked += usize::from(parked);
            part.timed_out += usize::from(late);
            part.abandoned += usize::from(reason == Some(Reason::Abandoned));
            part.lost += usize::from(order.fate != Fate::Confirmed);
            if parked || order.fate != Fate::Confirmed {
                let word = place::word(&order.standing());
                part.wrong.push(format!("{id}: {word}"));
            }
        }
        for (id, customer) in customers {
            let status = customer.as_ref().map(|customer| customer.status);
            if status != Some(Status::Active) {
                part.lost += 1;
                part.wrong.push(format!("{id}: {status:?}"));
            }
        }
        if orders.len() < self.wanted {
            part.wrong
                .push(format!("only {} orders were placed", orders.len()));
        }
        part.ok = part.wrong.is_empty();
        let more = part.wrong.len().saturating_sub(MOST_WRONGS);
        part.wrong.truncate(MOST_WRONGS);
        if more > 0 {
            part.wrong.push(format!("and {more} more"));
        }
        part
    }
}

fn is_parked(order: &Order) -> bool {
    order.parkings > 0 || order.compensation == Compensation::Failed || !order.owed.is_empty()
}

type Found<T> = Vec<(String, Option<T>)>;

/// The orders and customers of `batch`, once they have ended.
async fn ended<W: World>(
    world: &W,
    batch: &Batch,
    within: u64,
) -> Outcome<(Found<Order>, Found<Customer>)> {
    let ids = batch.orders.iter().chain(&batch.reviewed);
    let ids: Vec<String> = ids.map(ToString::to_string).collect();
    let (mut most, mut moved) = (0, world.now());
    loop {
        let orders: Found<Order> =
            load(world, TableOf::Order, &ids, |id| duet_order::key(id)).await?;
        let customers: Found<Customer> = load(world, TableOf::Customer, &batch.customers, |id| {
            duet_customer::key(id)
        })
        .await?;
        let decided = orders.iter().filter_map(|(_, order)| order.as_ref());
        let decided = decided.filter(|order| order.is_at_rest()).count();
        let known = customers
            .iter()
            .filter_map(|(_, customer)| customer.as_ref());
        let known = known.filter(|it| it.status != Status::Pending).count();
        let all = decided + known;
        if all > most {
            (most, moved) = (all, world.now());
        }
        let late = world.now().duration_since(moved).as_secs() >= within as i64;
        if all == orders.len() + customers.len() || late {
            return Ok((orders, customers));
        }
        world.pause(LOOK_EVERY).await;
    }
}

/// The documents with these ids.
async fn load<W: World, T: DeserializeOwned>(
    world: &W,
    of: TableOf,
    ids: &[String],
    key: fn(&str) -> Key,
) -> Outcome<Found<T>> {
    let keys: Vec<Key> = ids.iter().map(|id| key(id)).collect();
    let items = world.table(of).load(&keys).await?.into_iter();
    let read = ids.iter().zip(items).map(|(id, item)| {
        let document = item.map(|item| item.read()).transpose()?;
        Ok((id.clone(), document))
    });
    read.collect()
}

impl Report for RolloutDrill {
    fn text(&self) -> String {
        let mut rows = table([
            table::prose("STAGE"),
            table::word("VARIANT"),
            table::number("ORDERS"),
            table::number("REVIEWS").gives_way(2),
            table::number("CUSTOMERS").gives_way(3),
            table::number("LOST"),
            table::number("PARKED").gives_way(1),
            table::number("TIMED OUT").gives_way(1),
            table::number("ABANDONED").gives_way(1),
            table::word("").states(),
        ]);
        for part in &self.parts {
            let counts = [
                part.orders,
                part.reviews,
                part.customers,
                part.lost,
                part.parked,
                part.timed_out,
                part.abandoned,
            ];
            let mut row = vec![part.name.to_owned(), part.variant.to_owned()];
            row.extend(counts.map(|count| count.to_string()));
            row.push(if part.ok { "ok" } else { "FAILED" }.to_owned());
            rows.add_row(row);
        }
        let mut text = vec![rows.text()];
        for part in &self.parts {
            let whys = part.wrong.iter();
            text.extend(whys.map(|why| format!("{} {}: {why}", part.name, part.variant)));
        }
        text.push(String::new());
        text.push(
            match self.refused {
                true => "turning it off while reviews were open was refused",
                false => "turning it off while reviews were open was not refused as it should be",
            }
            .to_owned(),
        );
        if self.dead_letters > 0 {
            text.push(format!("{} messages died", self.dead_letters));
        }
        if self.unheard > 0 {
            text.push(format!(
                "{} facts were on their way to a queue that was gone by then, where nobody waited for them",
                self.unheard
            ));
        }
        let ok = self.parts.iter().filter(|part| part.ok).count();
        text.push(format!(
            "{ok} of {} parts as they should be, {}",
            self.parts.len(),
            took(self.elapsed_ms, self.virtual_time)
        ));
        text.join("\n")
    }

    fn exit(&self) -> Exit {
        if self.ok { Exit::Done } else { Exit::Failed }
    }
}
