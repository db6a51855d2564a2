//! The life of a delivery: pure decisions, no I/O, no clock of its own.
//!
//! Notes of the join may come in any order, twice, or after the rejection; the
//! one that completes the set asks the carrier. A rejection may overtake all of
//! it: what it leaves behind (a cancellation) stops what comes late.

use duet_core::fact::{DeliveryCancelled, DeliveryFailed, DeliveryRefusal, DeliveryScheduled};
use duet_core::lock::{End, Lock, Step};
use duet_core::order::Address;
use duet_core::{Context, Decision, Failure, OrderId, Refusal, Timestamp};
use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::ports::{BookError, Unavailable};

/// A delivery as the delivery service keeps it, one per order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// How it stands.
    #[serde(flatten)]
    pub status: Status,
    /// Where it goes; personal data, kept only until it is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_to: Option<Address>,
    /// The order's mark: whether it waits for a clearance. Absent until the
    /// order is noted, and in documents from before there were marks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaits_clearance: Option<bool>,
    /// Whether the order is paid.
    #[serde(default)]
    pub paid: bool,
    /// Whether the fraud service has cleared it.
    #[serde(default)]
    pub cleared: bool,
    /// Whether the carrier was ever asked to book. From then on only the
    /// carrier knows what is booked.
    #[serde(default)]
    pub asked: bool,
    /// Held by whoever is asking the carrier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
}

/// How a delivery stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status")]
pub enum Status {
    /// Nothing is settled.
    #[default]
    Waiting,
    /// The carrier has the order.
    Scheduled {
        /// The carrier's reference.
        tracking: String,
    },
    /// The carrier does not take the order, or did not answer within the retry
    /// budget; then it may have booked all the same.
    Failed {
        /// Why.
        reason: DeliveryRefusal,
    },
    /// The order is rejected, and the carrier is being asked to cancel.
    Cancelling,
    /// Nothing is on its way, or will be.
    Cancelled,
}

/// How a delivery stands: the reply to every command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Of which order.
    pub order: OrderId,
    /// How it stands.
    #[serde(flatten)]
    pub status: Status,
}

/// The key under which the carrier knows the delivery of `order`.
pub fn carrier_key(order: &OrderId) -> String {
    format!("delivery-{order}")
}

/// A delivery to ask the carrier for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    /// Our key.
    pub key: String,
    /// Where it goes.
    pub ship_to: Address,
}

type Begun<Q> = Result<Step<Delivery, Q>, Failure>;

fn done(order: &OrderId, status: Status) -> Decision<Delivery> {
    Decision::done(Standing {
        order: order.clone(),
        status,
    })
}

fn settled(delivery: Delivery, status: Status) -> Delivery {
    Delivery {
        status,
        ship_to: None,
        lock: None,
        ..delivery
    }
}

fn refused(reason: DeliveryRefusal) -> Decision<Delivery> {
    Decision::declined(Refusal::new("DeliveryFailed", reason))
}

/// What `command`, one that may lead to a booking, calls for. The join waits
/// for a clearance if the order's mark says so; for an order without one, if
/// `awaits_clearance`.
///
/// # Errors
/// [`Failure::Transient`] while another message is asking the carrier;
/// [`Failure::Invalid`] when the order was noted with another address.
pub fn book(
    state: Option<Delivery>,
    command: &Command,
    awaits_clearance: bool,
    context: &Context,
    now: Timestamp,
) -> Begun<Book> {
    let order = command.order();
    let mut delivery = state.unwrap_or_default();
    match delivery.status {
        Status::Waiting => {}
        Status::Failed { reason } => return Ok(Step::Settle(refused(reason))),
        // Booked by another command, or rejected before it was: nothing to do.
        status => return Ok(Step::Settle(done(order, status))),
    }
    let lock = Lock::take(
        delivery.lock.as_ref(),
        carrier_key(order),
        context.run(),
        now,
    )?;
    delivery.note(command)?;
    if let Command::NoteOrder(_) = command {
        delivery.awaits_clearance = context.clearance;
    }
    let awaits = delivery.awaits_clearance.unwrap_or(awaits_clearance);
    let complete = delivery.paid && (delivery.cleared || !awaits);
    match &delivery.ship_to {
        Some(ship_to) if complete => {
            let question = Book {
                key: lock.key.clone(),
                ship_to: ship_to.clone(),
            };
            let locked = Delivery {
                asked: true,
                lock: Some(lock),
                ..delivery
            };
            Ok(Step::Ask { locked, question })
        }
        _ => Ok(Step::Settle(done(order, Status::Waiting).state(delivery))),
    }
}

impl Delivery {
    fn released(self) -> Self {
        Self {
            lock: self.lock.and_then(Lock::release),
            ..self
        }
    }

    fn note(&mut self, command: &Command) -> Result<(), Failure> {
        let ship_to = match command {
            Command::ScheduleDelivery(c) => {
                // Whoever asks for a delivery at once has seen to the rest.
                (self.paid, self.cleared) = (true, true);
                &c.ship_to
            }
            Command::NoteOrder(c) => &c.ship_to,
            Command::NotePayment(_) => {
                self.paid = true;
                return Ok(());
            }
            Command::NoteClearance(_) => {
                self.cleared = true;
                return Ok(());
            }
            Command::CancelDelivery(_) => return Ok(()),
        };
        if self.ship_to.as_ref().is_some_and(|noted| noted != ship_to) {
            return Err(Failure::invalid(
                "the order was noted before with another address",
            ));
        }
        self.ship_to = Some(ship_to.clone());
        Ok(())
    }
}

/// What the carrier's answer to a booking calls for.
pub fn booked(
    delivery: Delivery,
    order: &OrderId,
    answer: Result<String, BookError>,
    context: &Context,
) -> End<Delivery> {
    let reason = match answer {
        Ok(tracking) => {
            let status = Status::Scheduled {
                tracking: tracking.clone(),
            };
            return End::Settle(
                done(order, status.clone())
                    .state(settled(delivery, status))
                    .fact(DeliveryScheduled {
                        order: order.clone(),
                        tracking,
                    }),
            );
        }
        // Cancelled by a hand that is not ours, or the document would have
        // changed and this answer been dropped: it will never be booked.
        Err(BookError::NotServed | BookError::Cancelled) => DeliveryRefusal::NotServed,
        Err(BookError::Unavailable(_)) if context.last_attempt => {
            DeliveryRefusal::CarrierUnavailable
        }
        Err(BookError::Unavailable(silence)) => {
            return End::Release(delivery.released(), Failure::transient(silence));
        }
    };
    let state = settled(delivery, Status::Failed { reason });
    End::Settle(refused(reason).state(state).fact(DeliveryFailed {
        order: order.clone(),
        reason,
    }))
}

/// What a rejection calls for. A booking's lock does not keep it out: the
/// carrier is asked to cancel by the booking's own key, and the booking, when
/// it comes back, finds the delivery changed.
///
/// # Errors
/// [`Failure::Transient`] while another cancellation is asking the carrier.
pub fn cancel(
    state: Option<Delivery>,
    order: &OrderId,
    context: &Context,
    now: Timestamp,
) -> Begun<String> {
    let delivery = state.unwrap_or_default();
    match delivery.status {
        Status::Cancelled => Ok(Step::Settle(cancelled_of(order))),
        Status::Waiting if !delivery.asked => Ok(tombstone(delivery, order)),
        Status::Failed {
            reason: DeliveryRefusal::NotServed,
        } => Ok(tombstone(delivery, order)),
        _ => {
            let key = carrier_key(order);
            let lock = match delivery.status {
                Status::Cancelling => Lock::take(delivery.lock.as_ref(), key, context.run(), now)?,
                _ => Lock::seize(key, context.run()),
            };
            let question = lock.key.clone();
            let locked = Delivery {
                lock: Some(lock),
                ..settled(delivery, Status::Cancelling)
            };
            Ok(Step::Ask { locked, question })
        }
    }
}

/// Nothing is booked, and what comes late finds this and does nothing.
fn tombstone<Q>(delivery: Delivery, order: &OrderId) -> Step<Delivery, Q> {
    Step::Settle(cancelled_of(order).state(settled(delivery, Status::Cancelled)))
}

fn cancelled_of(order: &OrderId) -> Decision<Delivery> {
    done(order, Status::Cancelled).fact(DeliveryCancelled {
        order: order.clone(),
    })
}

/// What the carrier's answer to a cancellation calls for. There is no giving
/// up: what is on its way has to be stopped.
pub fn cancelled(
    delivery: Delivery,
    order: &OrderId,
    answer: Result<(), Unavailable>,
) -> End<Delivery> {
    match answer {
        Ok(()) => End::Settle(cancelled_of(order).state(settled(delivery, Status::Cancelled))),
        Err(silence) => End::Release(delivery.released(), Failure::transient(silence)),
    }
}

#[cfg(test)]
mod tests;
