//! An order as every service and both third parties have it.

use duet_core::desk::envelopes;
use duet_core::fact::Notice;
use duet_core::store::{Browse, Item, Store};
use duet_core::{Answer, Metadata, OrderId, Timer, Timestamp};
use duet_delivery::adapters::Booking;
use duet_delivery::domain::Delivery;
use duet_fraud::review::{Review, Status};
use duet_inventory::domain::{Reservation, Status as ReservationStatus};
use duet_notification::domain::Recorded;
use duet_order::domain::{Compensation, Fate, Order};
use duet_payment::adapters::Charge;
use duet_payment::domain::{Payment, Status as PaymentStatus};
use futures_util::future::try_join_all;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ops::actions::{self, Action};
use crate::ops::place::word;
use crate::shop::services::TableOf;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;

/// An order in every service and ledger. A service that never heard of it has `None`.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    /// The order service.
    pub order: Option<Order>,
    /// The fraud service.
    pub review: Option<Review>,
    /// The inventory service.
    pub reservation: Option<Reservation>,
    /// The payment service.
    pub payment: Option<Payment>,
    /// The delivery service.
    pub delivery: Option<Delivery>,
    /// The notification service.
    pub notices: Vec<Recorded>,
    /// The payment provider's ledger.
    pub charge: Option<Charge>,
    /// The carrier's ledger.
    pub booking: Option<Booking>,
    /// What the services did, in order of time.
    pub steps: Vec<Step>,
    /// What operators did about it, in order of time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
}

/// What parity compares of an order: without names and times. Refund notices are
/// left out: one variant may never have captured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Print {
    /// How it stands.
    pub standing: String,
    /// What the provider holds of its money, in minor units.
    pub net: i64,
    /// Whether the carrier has a delivery on its way.
    pub booked: bool,
    /// The notices sent.
    pub notices: Vec<String>,
}

/// A command that took effect.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// In which service.
    pub service: &'static str,
    /// The command, and what tells its repetitions apart.
    pub command: String,
    /// `done`, or the refusal's name.
    pub outcome: String,
    /// The facts it announced.
    pub facts: Vec<String>,
    /// The id of the message that asked for it, where the record tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The envelopes of the facts.
    #[serde(skip)]
    pub said: Vec<Metadata>,
    /// The timers it set: what is to be done, and when.
    #[serde(skip)]
    pub timers: Vec<(String, Timestamp)>,
}

/// What is read of an idempotency record.
#[derive(Deserialize)]
struct Record {
    at: Timestamp,
    #[serde(default)]
    cause: Option<String>,
    answer: Answer,
    #[serde(default)]
    timers: Vec<Timer>,
}

impl View {
    /// Reads the order `id` everywhere.
    ///
    /// # Errors
    /// [`crate::terminal::exit::Problem`] when a table does not answer or holds what
    /// this version cannot read.
    pub async fn load<W: World>(world: &W, id: &str) -> Outcome<Self> {
        let read = TableOf::SERVICES.map(|of| async move { world.table(of).partition(id).await });
        let partitions = try_join_all(read).await?;
        let of = |table: TableOf| {
            let at = TableOf::SERVICES.iter().position(|there| *there == table);
            at.map_or(&[][..], |at| &partitions[at])
        };
        let order: OrderId = id.parse().map_err(Problem::usage)?;
        let charge = duet_payment::adapters::charge_key(duet_payment::domain::provider_key(&order));
        let booking =
            duet_delivery::adapters::booking_key(duet_delivery::domain::carrier_key(&order));
        let charge = world
            .table(TableOf::Provider)
            .load(&[charge])
            .await?
            .pop()
            .flatten();
        let booking = world
            .table(TableOf::Carrier)
            .load(&[booking])
            .await?
            .pop()
            .flatten();
        let review: Option<Review> = document(of(TableOf::Fraud), "review")?;
        let mut actions = actions::about(world, id).await?;
        actions.extend(review.as_ref().and_then(verdict));
        actions.sort_by_key(|action| action.at);
        let notices = of(TableOf::Notification)
            .iter()
            .filter(|item| item.key.sk.starts_with("notice#"));
        Ok(Self {
            order: document(of(TableOf::Order), "order")?,
            review,
            reservation: document(of(TableOf::Inventory), "reservation")?,
            payment: document(of(TableOf::Payment), "payment")?,
            delivery: document(of(TableOf::Delivery), "delivery")?,
            notices: notices.map(Item::read).collect::<Result<_, _>>()?,
            charge: charge.map(|item| item.read()).transpose()?,
            booking: booking.map(|item| item.read()).transpose()?,
            steps: steps(TableOf::SERVICES.iter().zip(&partitions))?,
            actions,
        })
    }

    /// Whether no service ever heard of the order.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_none() && self.steps.is_empty()
    }

    /// What the provider holds of the order's money, in minor units.
    #[must_use]
    pub fn net(&self) -> i64 {
        self.charge.as_ref().map_or(0, Charge::net)
    }

    /// Whether the carrier has a delivery on its way.
    #[must_use]
    pub fn is_booked(&self) -> bool {
        self.booking.as_ref().is_some_and(Booking::active)
    }

    /// The notices that are due about the order as it stands.
    #[must_use]
    pub fn due_notices(&self) -> Vec<Notice> {
        match self.order.as_ref().map(|order| &order.fate) {
            None | Some(Fate::Undecided) => Vec::new(),
            Some(Fate::Confirmed) => vec![Notice::OrderConfirmed],
            Some(Fate::Rejected { .. }) => {
                let refunded = (self.refunded() > 0).then_some(Notice::PaymentRefunded);
                [Notice::OrderRejected]
                    .into_iter()
                    .chain(refunded)
                    .collect()
            }
        }
    }

    /// The notices that are due and that nobody sent.
    #[must_use]
    pub fn untold(&self) -> Vec<Notice> {
        let mut due = self.due_notices();
        due.retain(|kind| !self.notices.iter().any(|notice| notice.kind == *kind));
        due
    }

    /// What the payment service gave back, in minor units.
    #[must_use]
    pub fn refunded(&self) -> i64 {
        match self.payment.as_ref().map(|payment| payment.status) {
            Some(PaymentStatus::Refunded { amount }) => amount.amount,
            _ => 0,
        }
    }

    /// What parity compares of it.
    #[must_use]
    pub fn print(&self) -> Print {
        let order = self.order.as_ref();
        let mut notices = self.noticed();
        notices.retain(|kind| *kind != Notice::PaymentRefunded.to_string());
        Print {
            standing: order.map_or("Unknown".to_owned(), |order| word(&order.standing())),
            net: self.net(),
            booked: self.is_booked(),
            notices,
        }
    }

    /// Whether everything the order leads to has happened: decided, undone where
    /// it has to be, shipped where it has to be, and everybody told. What is owed
    /// waits for an operator, and not for time to pass.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let done = match self
            .order
            .as_ref()
            .map(|order| (&order.fate, order.compensation))
        {
            None | Some((Fate::Undecided, _)) => false,
            Some((Fate::Confirmed, _)) => self
                .reservation
                .as_ref()
                .is_some_and(|r| r.status == ReservationStatus::Shipped),
            Some((Fate::Rejected { .. }, compensation)) => compensation != Compensation::Pending,
        };
        done && self.untold().is_empty()
    }

    /// The kinds of notices sent about the order.
    #[must_use]
    pub fn noticed(&self) -> Vec<String> {
        self.notices
            .iter()
            .map(|notice| notice.kind.to_string())
            .collect()
    }
}

/// What a person decided about a review, if one did: its service keeps who and why.
fn verdict(review: &Review) -> Option<Action> {
    let what = match review.status {
        Status::Approved => "review approved",
        Status::Rejected => "review rejected",
        _ => return None,
    };
    Some(Action {
        at: review.closed_at?,
        what: what.to_owned(),
        by: review.by.clone().unwrap_or_else(|| "somebody".to_owned()),
        note: review.note.clone(),
    })
}

fn document<T: DeserializeOwned>(items: &[Item], sk: &str) -> Outcome<Option<T>> {
    Ok(items
        .iter()
        .find(|item| item.key.sk == sk)
        .map(Item::read)
        .transpose()?)
}

/// The steps in the idempotency records of each service's partition.
pub fn steps<'a>(
    partitions: impl Iterator<Item = (&'a TableOf, &'a Vec<Item>)>,
) -> Outcome<Vec<Step>> {
    let mut steps = Vec::new();
    for (of, items) in partitions {
        for item in items {
            let Some(command) = item.key.sk.strip_prefix("done#") else {
                continue;
            };
            let Record {
                at,
                cause,
                answer,
                timers,
            } = item.read()?;
            let said: Vec<Metadata> = envelopes(item)?;
            let of_fact = said.first().and_then(|fact| fact.causationid.clone());
            steps.push(Step {
                at,
                service: of.name(),
                command: said_of(command),
                outcome: match answer {
                    Answer::Done(_) => "done".to_owned(),
                    Answer::Declined(no) if no.detail.is_empty() => no.name,
                    Answer::Declined(no) => format!("{} ({})", no.name, no.detail),
                },
                facts: said.iter().map(|fact| fact.kind.clone()).collect(),
                cause: cause.or(of_fact),
                said,
                timers: timers
                    .into_iter()
                    .map(|timer| (timer.command, timer.due))
                    .collect(),
            });
        }
    }
    steps.sort_by_key(|step| step.at);
    Ok(steps)
}

/// The name of an idempotency record as people read it: the command, and what of it
/// tells it from others of its kind. A digest tells nobody anything.
fn said_of(record: &str) -> String {
    let is_digest = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words = record.split('#').filter(|word| !is_digest(word));
    words.collect::<Vec<_>>().join(" ")
}
