//! Repairing a parked order: what is missing is asked for again, and nothing
//! else; the order service hears what is whole again. Safe to run twice, for
//! every command it sends is idempotent.

mod report;

use std::collections::BTreeSet;

use duet_core::order::Part;
use duet_core::{CommandMessage, OrderId, Timestamp, Vocabulary};
use duet_delivery::command::CancelDelivery;
use duet_delivery::domain::Status as DeliveryStatus;
use duet_inventory::command::{ReleaseStock, ShipStock};
use duet_inventory::domain::Status as ReservationStatus;
use duet_notification::command::NotifyCustomer;
use duet_order::command::NoteUndone;
use duet_order::domain::{Compensation, Fate, Order};
use duet_payment::command::RefundPayment;
use duet_payment::domain::Status as PaymentStatus;
use serde::Serialize;

use crate::ops::view::View;
use crate::ops::wait::until;
use crate::ops::{orders, place};
use crate::shop::message;
use crate::shop::services::TableOf;
use crate::shop::variant::Variant;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::progress::Progress;
use crate::world::{Commanded, World};

/// The longest pause between two tries of a task, in milliseconds.
const MAX_BACKOFF: u64 = 8_000;

/// Why a refund is still missing that the payment service gave up once more.
const FAILED_AGAIN: &str = "the refund failed again";

/// What a repair did.
#[derive(Debug, Serialize)]
pub struct Repaired {
    /// Which order.
    pub order: String,
    /// How it stands now.
    pub outcome: String,
    /// What was missing and is now done. Empty when nothing was.
    pub repaired: Vec<Part>,
    /// What is still missing, and why.
    pub missing: Vec<Missing>,
}

impl Repaired {
    /// Which order, and what was done, for its timeline; `None` where nothing was
    /// missing.
    #[must_use]
    pub fn noted(&self) -> Option<(String, String)> {
        let parts = |parts: &mut dyn Iterator<Item = Part>| {
            let parts: Vec<String> = parts.map(|part| format!("{part:?}")).collect();
            parts.join(", ")
        };
        let done = parts(&mut self.repaired.iter().copied());
        let missing = parts(&mut self.missing.iter().map(|one| one.part));
        let what = match (done.as_str(), missing.as_str()) {
            ("", "") => return None,
            (done, "") => format!("repaired: {done}"),
            ("", missing) => format!("repair failed: {missing} still missing"),
            (done, missing) => format!("repaired: {done}; {missing} still missing"),
        };
        Some((self.order.clone(), what))
    }
}

/// Something that could not be repaired.
#[derive(Debug, Clone, Serialize)]
pub struct Missing {
    /// What.
    pub part: Part,
    /// Why.
    pub why: String,
}

/// What was done about several orders.
#[derive(Debug, Serialize)]
pub struct AllRepaired {
    /// The orders that could be looked at.
    pub orders: Vec<Repaired>,
    /// Those that could not, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Failed>,
}

/// An order that could not be repaired at all.
#[derive(Debug, Serialize)]
pub struct Failed {
    /// Which order.
    pub order: String,
    /// Why.
    pub error: String,
}

/// The orders that need attention.
///
/// # Errors
/// [`Problem`] when the target does not answer.
pub async fn parked<W: World>(world: &W) -> Outcome<Vec<OrderId>> {
    let filter = orders::Filter {
        attention: true,
        ..orders::Filter::default()
    };
    let listed = orders::list(world, &filter).await?.orders;
    let ids = listed.into_iter().map(|row| row.order.parse());
    ids.collect::<Result<_, _>>().map_err(Problem::environment)
}

/// Repairs these orders one after the other; one that cannot be repaired keeps
/// nobody else from it.
///
/// # Errors
/// [`Problem`] when the target does not answer.
pub async fn each<W: World>(world: &W, ids: &[OrderId], within: u64) -> Outcome<AllRepaired> {
    let mut all = AllRepaired {
        orders: Vec::new(),
        failed: Vec::new(),
    };
    let progress = Progress::new("orders repaired", ids.len() as u64);
    for id in ids {
        let repaired = repair(world, id, within).await;
        progress.step();
        match repaired {
            Ok(repaired) => all.orders.push(repaired),
            Err(problem) if problem.exit == Exit::Environment => return Err(problem),
            Err(problem) => all.failed.push(Failed {
                order: id.to_string(),
                error: problem.message().to_owned(),
            }),
        }
    }
    Ok(all)
}

/// Repairs order `id`, each step within `within` seconds.
///
/// # Errors
/// [`Problem`] when there is no such order, it is not parked but still under
/// way, or the target does not answer. What could not be repaired is no error
/// but reported as missing.
pub async fn repair<W: World>(world: &W, id: &OrderId, within: u64) -> Outcome<Repaired> {
    let mut view = View::load(world, id.as_str()).await?;
    if let Some(order) = &view.order
        && let Some(left) = orders::left_by(world, order).await?
    {
        let command = left.parking(order);
        let job = Job::of(world, id, order, within)?;
        job.park(&duet_order::Command::from(command)).await?;
        view = View::load(world, id.as_str()).await?;
    }
    let order = view.order.as_ref().ok_or_else(|| {
        Problem::failed(format!("the order service knows no order {id}"))
            .hint("`duet show` tells what other services know of it")
    })?;
    let parts = missing(id, order, &view)?;
    let mut report = Repaired {
        order: id.to_string(),
        outcome: String::new(),
        repaired: Vec::new(),
        missing: Vec::new(),
    };
    if !parts.is_empty() {
        let job = Job::of(world, id, order, within)?;
        for &part in &parts {
            match job.part(part, &view).await? {
                Ok(()) => report.repaired.push(part),
                Err(why) => report.missing.push(Missing { part, why }),
            }
        }
        // Money that went back is news, which only on a bus travels by itself.
        let news = parts.contains(&Part::Payment) && !job.variant.has_facts;
        if news
            && !parts.contains(&Part::Notice)
            && let Err(why) = job.notices().await?
        {
            let part = Part::Notice;
            report.missing.push(Missing { part, why });
        }
        job.note(&report.repaired).await?;
    }
    let now = place::find(world, id.as_str()).await?;
    report.outcome = now.map_or(String::new(), |order| place::word(&order.standing()));
    Ok(report)
}

/// What `order` lacks, latest step first; the notices last, for what is repaired
/// before may be news to the customer.
fn missing(id: &OrderId, order: &Order, view: &View) -> Outcome<Vec<Part>> {
    let owed: BTreeSet<Part> = order.owed.iter().map(|owed| owed.part).collect();
    let mut parts = match (&order.fate, order.compensation) {
        (Fate::Undecided, _) => {
            return Err(Problem::failed(format!(
                "order {id} is not decided; there is nothing to repair yet"
            ))
            .hint(format!(
                "it waits for {} until {}; `duet watch {id}` follows it",
                order.waits_for, order.deadline
            )));
        }
        (Fate::Rejected { .. }, Compensation::Pending) => {
            return Err(
                Problem::failed(format!("order {id} is being undone; it is not parked"))
                    .hint("it ends, or is parked, by itself"),
            );
        }
        (Fate::Rejected { .. }, Compensation::Failed) => {
            let lacks = |part: &Part| order.pending.contains(part) || owed.contains(part);
            Part::COMPENSATED.into_iter().filter(lacks).collect()
        }
        (Fate::Rejected { .. }, _) => Vec::new(),
        (Fate::Confirmed, _) => {
            let shipment = owed.contains(&Part::Shipment);
            Vec::from_iter(shipment.then_some(Part::Shipment))
        }
    };
    if owed.contains(&Part::Notice) || !view.untold().is_empty() {
        parts.push(Part::Notice);
    }
    Ok(parts)
}

/// One repair under way.
struct Job<'a, W> {
    world: &'a W,
    id: &'a OrderId,
    variant: &'static Variant,
    order: &'a Order,
    within: u64,
}

impl<'a, W: World> Job<'a, W> {
    fn of(world: &'a W, id: &'a OrderId, order: &'a Order, within: u64) -> Outcome<Self> {
        let variant = world.variant(&order.variant)?;
        Ok(Self {
            world,
            id,
            variant,
            order,
            within,
        })
    }

    fn message(&self, command: &impl Vocabulary, again: &str) -> CommandMessage {
        let mut message = message::command(
            command,
            self.id.as_str(),
            self.variant.name,
            self.world.now(),
        );
        message.metadata.id = format!("{}/repair{again}", message.metadata.id);
        message
    }

    /// Sees to one part; the inner error says why it is still missing.
    async fn part(&self, part: Part, view: &View) -> Outcome<Result<(), String>> {
        let began = self.world.now();
        let mut attempt = next_attempt(view);
        loop {
            let answer = self.once(part, attempt).await?;
            // Who gave up once more is asked once more, while there is time.
            match answer {
                Err(why) if why == FAILED_AGAIN && !self.is_over(began) => attempt += 1,
                answer => return Ok(answer),
            }
        }
    }

    /// Asks for one part once; a refund for the `attempt`-th time.
    async fn once(&self, part: Part, attempt: u32) -> Outcome<Result<(), String>> {
        let order = self.id.clone();
        let (service, message) = match part {
            Part::Delivery => (
                TableOf::Delivery,
                self.message(&duet_delivery::Command::from(CancelDelivery { order }), ""),
            ),
            Part::Payment => {
                let refund = RefundPayment {
                    order,
                    total: self.order.placed.total,
                    attempt,
                };
                (
                    TableOf::Payment,
                    self.message(&duet_payment::Command::from(refund), &attempt.to_string()),
                )
            }
            Part::Stock => (
                TableOf::Inventory,
                self.message(&duet_inventory::Command::from(ReleaseStock { order }), ""),
            ),
            Part::Shipment => (
                TableOf::Inventory,
                self.message(&duet_inventory::Command::from(ShipStock { order }), ""),
            ),
            Part::Notice => return self.notices().await,
        };
        if let Err(why) = self.bring(service, &message).await? {
            return Ok(Err(why));
        }
        self.wait(|view| match part {
            Part::Payment if refund_failed(view, attempt) => Some(Err(FAILED_AGAIN.to_owned())),
            _ => is_done(part, view).then_some(Ok(())),
        })
        .await
    }

    /// The customer hears of the decision, and of money that went back, where
    /// nobody told them before.
    async fn notices(&self) -> Outcome<Result<(), String>> {
        let view = View::load(self.world, self.id.as_str()).await?;
        for kind in view.untold() {
            let subject = self.id.to_string();
            let command = duet_notification::Command::from(NotifyCustomer { subject, kind });
            let message = self.message(&command, &kind.to_string());
            if let Err(why) = self.bring(TableOf::Notification, &message).await? {
                return Ok(Err(why));
            }
        }
        self.wait(|view| is_done(Part::Notice, view).then_some(Ok(())))
            .await
    }

    /// Brings `message` to `service`. Where that answers, a transient failure
    /// is tried again while there is time.
    async fn bring(
        &self,
        service: TableOf,
        message: &CommandMessage,
    ) -> Outcome<Result<(), String>> {
        let mut pause = 500;
        let began = self.world.now();
        loop {
            let commanded = self.world.command(self.variant, service, message).await?;
            let passing = commanded.may_be_asked_again();
            let Commanded::Refused { name, text } = commanded else {
                return Ok(Ok(()));
            };
            if !passing || self.is_over(began) {
                return Ok(Err(format!("{} answered {name} {text}", service.name())));
            }
            self.world.pause(pause).await;
            pause = (pause * 2).min(MAX_BACKOFF);
        }
    }

    /// Whether a step that began then has had its time.
    fn is_over(&self, began: Timestamp) -> bool {
        self.world.now().duration_since(began).as_secs() >= self.within as i64
    }

    /// Looks until `found` has an answer.
    async fn wait(
        &self,
        found: impl Fn(&View) -> Option<Result<(), String>>,
    ) -> Outcome<Result<(), String>> {
        let answer = until(self.world, self.within, async || {
            let view = View::load(self.world, self.id.as_str()).await?;
            Ok(found(&view).ok_or(()))
        });
        Ok(answer.await?.unwrap_or_else(|()| {
            Err(format!(
                "asked for, but not done after {} s; `duet dlq list` tells whether the command lies dead",
                self.within
            ))
        }))
    }

    /// Has an order that nobody drives parked, so that it can be mended.
    async fn park(&self, command: &duet_order::Command) -> Outcome<()> {
        let parked = self
            .bring(TableOf::Order, &self.message(command, ""))
            .await?;
        parked.map_err(Problem::failed)?;
        let decided = self
            .wait(|view| {
                let order = view.order.as_ref()?;
                (order.fate != Fate::Undecided).then_some(Ok(()))
            })
            .await?;
        decided.map_err(|why| Problem::failed(format!("the order was not parked: {why}")))
    }

    /// Lets the order service know of `parts`, or waits until it heard of them
    /// from the services' own facts.
    async fn note(&self, parts: &[Part]) -> Outcome<()> {
        let told = |part: &Part| match part {
            Part::Delivery | Part::Payment | Part::Stock => self.variant.has_facts,
            // No fact says to the order that these were made good.
            Part::Shipment | Part::Notice => false,
        };
        let untold: Vec<Part> = parts.iter().copied().filter(|part| !told(part)).collect();
        if !untold.is_empty() {
            let command = duet_order::Command::from(NoteUndone {
                order: self.id.clone(),
                parts: untold,
                // As it was when the repair began: what is parked again meanwhile is
                // another parking, to be mended by another repair.
                parking: Some(self.order.parkings).filter(|parkings| *parkings > 0),
            });
            let noted = self
                .bring(TableOf::Order, &self.message(&command, ""))
                .await?;
            noted.map_err(Problem::failed)?;
        }
        let heard = self
            .wait(|view| {
                let order = view.order.as_ref()?;
                let lacks = |part: &Part| {
                    order.pending.contains(part) || order.owed.iter().any(|owed| owed.part == *part)
                };
                (!parts.iter().any(lacks)).then_some(Ok(()))
            })
            .await?;
        heard.map_err(|why| Problem::failed(format!("the order service was not told: {why}")))
    }
}

/// Whether the service that owns `part` has it done.
fn is_done(part: Part, view: &View) -> bool {
    let stock = |wanted: ReservationStatus| {
        view.reservation
            .as_ref()
            .is_some_and(|reservation| reservation.status == wanted)
    };
    match part {
        Part::Delivery => view
            .delivery
            .as_ref()
            .is_some_and(|delivery| delivery.status == DeliveryStatus::Cancelled),
        Part::Payment => view
            .payment
            .as_ref()
            .is_some_and(|payment| matches!(payment.status, PaymentStatus::Refunded { .. })),
        // What was refused was never set aside.
        Part::Stock => stock(ReservationStatus::Released) || stock(ReservationStatus::Refused),
        Part::Shipment => stock(ReservationStatus::Shipped),
        Part::Notice => view.order.is_some() && view.untold().is_empty(),
    }
}

/// The refunds that were answered, by attempt, as the payment service kept them.
fn refunds(view: &View) -> impl Iterator<Item = (u32, &str)> {
    view.steps
        .iter()
        .filter(|step| step.service == TableOf::Payment.name())
        .filter_map(|step| {
            let attempt = step.command.strip_prefix("RefundPayment")?.trim();
            Some((attempt.parse().unwrap_or(0), step.outcome.as_str()))
        })
}

/// The number of the next refund that was not answered yet: two repairs at once
/// ask for the same one.
fn next_attempt(view: &View) -> u32 {
    let last = refunds(view).map(|(attempt, _)| attempt).max();
    last.map_or(1, |last| last.saturating_add(1))
}

fn refund_failed(view: &View, attempt: u32) -> bool {
    refunds(view).any(|(n, outcome)| n == attempt && outcome.starts_with("RefundFailed"))
}
