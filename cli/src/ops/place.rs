//! Placing orders: checked here, submitted where the variant takes them, and
//! followed until they end.

use std::collections::{BTreeMap, BTreeSet};

use duet_core::CommandMessage;
use duet_core::desk;
use duet_core::store::Store;
use duet_core::{Money, Sku};
use duet_inventory::domain::Stock;
use duet_order::command::{Command, PlaceOrder};
use duet_order::domain::{Compensation, Fate, Order, Standing};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::ops::wait::until;
use crate::shop::message;
use crate::shop::scenario::Hopeless;
use crate::shop::services::{Subject, TableOf};
use crate::shop::variant::Variant;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::progress::Progress;
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::terminal::times::millis;
use crate::world::{Answer, Submitted, World};

/// The most bytes an order may have on its way: Step Functions' limit on state
/// data, the smallest on any route (aws-sdk documentation of StartExecution).
pub const MAX_BYTES: usize = 256 * 1024;

/// How many orders are on their way to the entry at once.
const AT_ONCE: usize = 16;

/// Checks an order before anything is sent.
///
/// # Errors
/// [`Problem`] with the path of the offending field.
pub fn check(order: &PlaceOrder) -> Outcome<()> {
    let no = |path: &str, problem: &str| {
        Problem::usage(format!("order {}: {path}: {problem}", order.order))
    };
    order
        .check()
        .map_err(|wrong| no(&wrong.path, &wrong.problem))?;
    let message = message::command(
        &Command::from(order.clone()),
        order.order.as_str(),
        "",
        jiff::Timestamp::UNIX_EPOCH,
    );
    let bytes = serde_json::to_vec(&message)
        .map_err(Problem::environment)?
        .len();
    if bytes > MAX_BYTES {
        return Err(no(
            ".",
            &format!("{bytes} bytes; an order has at most {MAX_BYTES}"),
        ));
    }
    Ok(())
}

/// The order called `id`, if the order service knows it.
///
/// # Errors
/// [`Problem`] when the table does not answer.
pub async fn find<W: World>(world: &W, id: &str) -> Outcome<Option<Order>> {
    let found = world
        .table(TableOf::Order)
        .load(&[duet_order::key(id)])
        .await?
        .pop()
        .flatten();
    Ok(found.map(|item| item.read()).transpose()?)
}

/// The orders with these ids that there are, by id.
///
/// # Errors
/// [`Problem`] when the table does not answer.
pub async fn find_all<W: World>(
    world: &W,
    ids: impl Iterator<Item = &str>,
) -> Outcome<BTreeMap<String, Order>> {
    let ids: BTreeSet<&str> = ids.collect();
    let keys: Vec<_> = ids.iter().map(duet_order::key).collect();
    let found = world.table(TableOf::Order).load(&keys).await?;
    let found = ids.into_iter().zip(found);
    let found = found.filter_map(|(id, item)| Some((id.to_owned(), item?)));
    found.map(|(id, item)| Ok((id, item.read()?))).collect()
}

/// Hands in what nobody will take.
///
/// # Errors
/// [`Problem`] when the target does not answer.
pub(crate) async fn submit_hopeless<W: World>(
    world: &W,
    variant: &'static Variant,
    hopeless: &Hopeless,
) -> Outcome<()> {
    let order = match hopeless {
        Hopeless::Poison(marker) => return world.submit_poison(variant, marker).await,
        Hopeless::UnknownField(order) => (**order).clone(),
    };
    let id = order.order.to_string();
    let mut message = message::command(&Command::from(order), &id, variant.name, world.now());
    message.data["gift_wrap"] = true.into();
    world.submit(variant, Subject::Order, &message).await?;
    Ok(())
}

/// Submits one order under `variant`.
///
/// # Errors
/// [`Problem`] when the id is taken by other content or by another variant, or
/// the target does not answer.
pub async fn submit<W: World>(
    world: &W,
    variant: &'static Variant,
    order: &PlaceOrder,
) -> Outcome<Submitted> {
    if let Some(repeat) = placed_before(world, variant, order).await? {
        return Ok(repeat);
    }
    let message = command(world, variant, order);
    let submitted = world.submit(variant, Subject::Order, &message).await?;
    unless_it_clashes(order, submitted)
}

/// Submits one order under `variant`, as [`submit`] does, and waits for the answer where
/// the entry gives one.
async fn ask<W: World>(
    world: &W,
    variant: &'static Variant,
    order: &PlaceOrder,
) -> Outcome<(Submitted, Option<Answer>)> {
    if let Some(repeat) = placed_before(world, variant, order).await? {
        return Ok((repeat, None));
    }
    let message = command(world, variant, order);
    let (submitted, answer) = world.ask(variant, Subject::Order, &message).await?;
    Ok((unless_it_clashes(order, submitted)?, answer))
}

fn command<W: World>(world: &W, variant: &Variant, order: &PlaceOrder) -> CommandMessage {
    let command = Command::from(order.clone());
    message::command(&command, order.order.as_str(), variant.name, world.now())
}

/// `Already` where `order` was placed before, with this content and under this variant.
async fn placed_before<W: World>(
    world: &W,
    variant: &Variant,
    order: &PlaceOrder,
) -> Outcome<Option<Submitted>> {
    let Some(there) = find(world, order.order.as_str()).await? else {
        return Ok(None);
    };
    if there.variant != variant.name {
        let other = there.variant;
        let why = format!("under {other}; an order never changes style");
        return Err(taken(order, &why));
    }
    match same(world, order).await? {
        true => Ok(Some(Submitted::Already)),
        false => Err(taken(order, OTHERWISE)),
    }
}

/// How an order was placed whose id is taken by other content.
const OTHERWISE: &str = "with other content";

fn unless_it_clashes(order: &PlaceOrder, submitted: Submitted) -> Outcome<Submitted> {
    match submitted {
        Submitted::Clashes => Err(taken(order, OTHERWISE)),
        other => Ok(other),
    }
}

fn taken(order: &PlaceOrder, why: &str) -> Problem {
    Problem::failed(format!("order {} was placed before {why}", order.order))
        .hint("choose another --id")
}

/// Whether `order` is what was placed under its id, by what the order service
/// keeps of that for ever: a hash.
async fn same<W: World>(world: &W, order: &PlaceOrder) -> Outcome<bool> {
    let key = duet_order::placing_key(order.order.as_str());
    let found = world.table(TableOf::Order).load(&[key]).await?.pop();
    let kept = found.flatten().map(|record| desk::kept_hash(&record));
    Ok(kept.transpose()? == Some(desk::hash(&Command::from(order.clone()))))
}

/// An order, as far as it is known.
#[derive(Debug, Clone, Serialize)]
pub struct Placed {
    /// Its id.
    pub order: String,
    /// The variant it runs under.
    pub variant: &'static str,
    /// Whether it had been placed before.
    pub repeat: bool,
    /// What the entry answered, where it answers and had something to say: `Confirmed`,
    /// `Rejected` or `UnderReview`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// How it stands; absent until somebody waited for it.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// From placing it to its decision, by the services' own clocks; where only the entry
    /// answered, from placing it to the answer, by the caller's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<i64>,
    /// Why it was not placed, or not seen to end, where it is one of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

/// All orders of one call.
#[derive(Debug, Serialize)]
pub struct Orders {
    /// One row each.
    pub orders: Vec<Placed>,
}

/// Submits `orders` and, if `wait` says so, follows each for so many seconds until it is
/// decided and no compensation is pending; so it does where the entry answers and the
/// answer leaves open what becomes of the order. One of several that cannot be submitted,
/// or has not ended in time, is told by its row.
///
/// # Errors
/// [`Problem`] when the only order cannot be submitted, or has not ended in time.
pub async fn all<W: World>(
    world: &W,
    orders: Vec<(&'static Variant, PlaceOrder)>,
    wait: bool,
    within: u64,
) -> Outcome<Orders> {
    let progress = Progress::new("orders placed", orders.len() as u64);
    let is_one_of_several = orders.len() > 1;
    let placed = stream::iter(orders)
        .map(|(variant, order)| {
            let progress = &progress;
            async move {
                let placed = one(world, variant, &order, wait, within).await;
                progress.step();
                match placed {
                    Err(problem) if is_one_of_several => Ok(Placed {
                        error: Some(problem.message().to_owned()),
                        exit: problem.exit,
                        ..Placed::new(variant, &order)
                    }),
                    placed => placed,
                }
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(Orders { orders: placed })
}

impl Placed {
    fn new(variant: &'static Variant, order: &PlaceOrder) -> Self {
        Self {
            order: order.order.to_string(),
            variant: variant.name,
            repeat: false,
            answer: None,
            standing: None,
            elapsed_ms: None,
            error: None,
            exit: Exit::Done,
        }
    }
}

/// Submits `asked`, and follows it to its end where that is called for: see [`all`].
async fn one<W: World>(
    world: &W,
    variant: &'static Variant,
    asked: &PlaceOrder,
    wait: bool,
    within: u64,
) -> Outcome<Placed> {
    let began = world.now();
    let (submitted, answer) = ask(world, variant, asked).await?;
    let mut placed = Placed {
        repeat: submitted == Submitted::Already,
        ..Placed::new(variant, asked)
    };
    let id = asked.order.as_str();
    if let Some(answer) = &answer {
        placed.answer = answer.decision().map(str::to_owned);
        let took = world.now().duration_since(began);
        placed.elapsed_ms = Some(took.as_millis() as i64);
        if placed.answer.is_none() && find(world, id).await?.is_none() {
            return Err(came_to_nothing(id, answer));
        }
        if placed.answer.as_deref() == Some("Rejected") {
            placed.exit = Exit::Failed;
        }
    }
    // Another execution drives it, or this one failed: the order itself says what is next.
    let is_open = answer.is_some() && placed.answer.is_none();
    if !wait && !is_open {
        return Ok(placed);
    }
    let order = ended(world, id, within).await?;
    // Two that were sent at once under one id: the other one may have come first.
    if !same(world, asked).await? {
        return Err(Problem::failed(format!(
            "order {} was placed at the same time with other content, and that one was taken",
            asked.order
        ))
        .hint("choose another --id"));
    }
    let standing = order.standing();
    if matches!(standing.fate, Fate::Rejected { .. }) {
        placed.exit = Exit::Failed;
    }
    placed.standing = Some(standing);
    let decided = order
        .decided_at
        .map(|at| at.duration_since(order.placed.placed_at));
    placed.elapsed_ms = decided.map(|took| took.as_millis() as i64);
    Ok(placed)
}

/// Says that nothing was placed, as the entry answered.
fn came_to_nothing(id: &str, answer: &Answer) -> Problem {
    let why = answer.error.as_deref().unwrap_or(&answer.status);
    Problem::failed(format!(
        "order {id} was not placed: its execution ended with {why}"
    ))
    .hint("to place it again under the same id is safe")
}

/// The order called `id` once it is decided and no compensation is pending.
///
/// # Errors
/// [`Problem`] when that takes longer than `seconds`.
pub async fn ended<W: World>(world: &W, id: &str, seconds: u64) -> Outcome<Order> {
    let ended = until(world, seconds, async || {
        let order = find(world, id).await?;
        Ok(match order {
            Some(order) if order.is_at_rest() => Ok(order),
            other => Err(other),
        })
    });
    ended.await?.map_err(|order| {
        let how = order.map_or("not known to the order service".to_owned(), |order| {
            word(&order.standing())
        });
        Problem::failed(format!("order {id} has not ended after {seconds} s: {how}"))
            .hint(format!("`duet show {id}` tells what it waits for"))
    })
}

/// How an order stands, in one word of the brief: `Confirmed`,
/// `Rejected(PaymentDeclined)`, …
#[must_use]
pub fn word(standing: &Standing) -> String {
    let fate = match &standing.fate {
        Fate::Undecided => "Undecided".to_owned(),
        Fate::Confirmed => "Confirmed".to_owned(),
        Fate::Rejected {
            reason,
            detail: None,
        } => format!("Rejected({reason})"),
        Fate::Rejected {
            reason,
            detail: Some(detail),
        } => format!("Rejected({reason}, {detail})"),
    };
    match standing.compensation {
        Compensation::Failed => format!("{fate}, NeedsAttention"),
        Compensation::Pending => format!("{fate}, compensating"),
        Compensation::None | Compensation::Done if standing.owed.is_empty() => fate,
        Compensation::None | Compensation::Done => {
            let owed: Vec<_> = standing
                .owed
                .iter()
                .map(|owed| format!("{:?}", owed.part).to_lowercase())
                .collect();
            format!("{fate}, owes {}", owed.join(" and "))
        }
    }
}

impl Report for Orders {
    fn text(&self) -> String {
        let mut rows = table([
            table::word("ORDER"),
            table::word("VARIANT").gives_way(1),
            table::prose("OUTCOME").states(),
            table::number("TOOK").gives_way(2),
        ]);
        for placed in &self.orders {
            let said = placed.standing.as_ref().map(word);
            let said = said.or_else(|| placed.answer.clone());
            let how = match (&placed.error, said, placed.repeat) {
                (Some(error), ..) => format!("FAILED: {error}"),
                (None, Some(said), _) => said,
                (None, None, false) => "submitted".to_owned(),
                (None, None, true) => "submitted before".to_owned(),
            };
            let elapsed = placed.elapsed_ms.map_or(String::new(), millis);
            rows.add_row([
                placed.order.clone(),
                placed.variant.to_owned(),
                how,
                elapsed,
            ]);
        }
        rows.text()
    }

    fn exit(&self) -> Exit {
        let exits = self.orders.iter().map(|placed| placed.exit);
        exits.max_by_key(|exit| *exit as u8).unwrap_or(Exit::Done)
    }
}

/// What `lines` cost by the catalogue: the total a buyer is shown.
///
/// # Errors
/// [`Problem`] when the catalogue lacks a SKU or the prices do not add up.
pub async fn total<W: World>(world: &W, lines: &[(Sku, u32)]) -> Outcome<Money> {
    let keys: Vec<_> = lines
        .iter()
        .map(|(sku, _)| duet_inventory::stock_key(sku))
        .collect();
    let mut distinct = keys.clone();
    distinct.sort();
    distinct.dedup();
    let items = world.table(TableOf::Inventory).load(&distinct).await?;
    let stock: BTreeMap<_, Stock> = items
        .into_iter()
        .flatten()
        .map(|item| Ok((item.key.clone(), item.read()?)))
        .collect::<Result<_, duet_core::Failure>>()?;
    let mut sum: Option<Money> = None;
    for ((sku, quantity), key) in lines.iter().zip(&keys) {
        let price = stock.get(key).map(|stock| stock.price).ok_or_else(|| {
            Problem::usage(format!("the catalogue has no SKU {sku}"))
                .hint("`duet catalog show` lists what there is; --total and --currency state a total of your own")
        })?;
        let line = price.times(*quantity);
        sum = match (sum, line) {
            (None, line) => line,
            (Some(sum), Some(line)) => sum.plus(line),
            (Some(_), None) => None,
        };
        if sum.is_none() {
            return Err(Problem::usage(
                "the lines do not add up: different currencies, or too large a sum",
            ));
        }
    }
    sum.ok_or_else(|| Problem::usage("an order has at least one line"))
}

#[cfg(test)]
mod tests;
