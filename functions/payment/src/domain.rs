//! The life of a payment: pure decisions, no I/O, no clock of its own.
//!
//! Notes of the join may come in any order, twice, or after the rejection; the
//! one that completes the set asks the provider. A rejection may overtake all
//! of it: what it leaves behind (a refund of nothing) stops what comes late.

use duet_core::fact::{
    PaymentCaptured, PaymentDeclined, PaymentRefunded, PaymentUnavailable, RefundFailed,
};
use duet_core::lock::{End, Lock, Step};
use duet_core::{Context, Decision, Failure, Money, OrderId, Refusal, Timestamp};
use serde::{Deserialize, Serialize};

use crate::command::{Command, RefundPayment};
use crate::ports::{CaptureError, Unavailable};

/// A payment as the payment service keeps it, one per order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    /// How it stands.
    #[serde(flatten)]
    pub status: Status,
    /// What is to be charged; kept only until it is settled, for the token's sake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Due>,
    /// Whether the order's stock is set aside.
    #[serde(default)]
    pub reserved: bool,
    /// Whether the provider was ever asked to charge. From then on only the
    /// provider knows what was charged.
    #[serde(default)]
    pub asked: bool,
    /// Held by whoever is asking the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
}

/// What is to be charged, to which card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// How much.
    pub total: Money,
    /// The provider's token for the card.
    pub token: String,
}

/// How a payment stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status")]
pub enum Status {
    /// Nothing is settled.
    #[default]
    Waiting,
    /// The total was charged.
    Captured {
        /// How much.
        amount: Money,
    },
    /// The provider said no.
    Declined,
    /// The provider did not answer within the retry budget; it may have charged.
    Unavailable,
    /// The order is rejected, and the provider is being asked to give back.
    Refunding {
        /// What is known to have been charged.
        charged: Option<Money>,
    },
    /// Nothing of the order's money is kept.
    Refunded {
        /// How much went back, maybe 0.
        amount: Money,
    },
    /// The provider could not be asked to give back within the retry budget.
    RefundFailed {
        /// How much is owed.
        amount: Money,
    },
}

/// How a payment stands: the reply to every command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Of which order.
    pub order: OrderId,
    /// How it stands.
    #[serde(flatten)]
    pub status: Status,
}

/// The key under which the provider knows the payment of `order`.
pub fn provider_key(order: &OrderId) -> String {
    format!("payment-{order}")
}

/// A charge to ask the provider for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// Our key.
    pub key: String,
    /// What, to which card.
    pub due: Due,
}

type Begun<Q> = Result<Step<Payment, Q>, Failure>;

fn done(order: &OrderId, status: Status) -> Decision<Payment> {
    Decision::done(Standing {
        order: order.clone(),
        status,
    })
}

fn settled(status: Status, asked: bool) -> Payment {
    Payment {
        status,
        asked,
        ..Payment::default()
    }
}

/// What `command`, one that may lead to a charge, calls for.
///
/// # Errors
/// [`Failure::Transient`] while another message is asking the provider;
/// [`Failure::Invalid`] when the order was noted with another total.
pub fn capture(
    state: Option<Payment>,
    command: &Command,
    context: &Context,
    now: Timestamp,
) -> Begun<Capture> {
    let order = command.order();
    let mut payment = state.unwrap_or_default();
    match payment.status {
        Status::Waiting => {}
        Status::Declined => return Ok(Step::Settle(refused("PaymentDeclined"))),
        Status::Unavailable => return Ok(Step::Settle(refused("PaymentUnavailable"))),
        // Charged by another command, or rejected before it was: nothing to do.
        status => return Ok(Step::Settle(done(order, status))),
    }
    let lock = Lock::take(
        payment.lock.as_ref(),
        provider_key(order),
        context.run(),
        now,
    )?;
    payment.note(command)?;
    match &payment.due {
        Some(due) if payment.reserved => {
            let question = Capture {
                key: lock.key.clone(),
                due: due.clone(),
            };
            let locked = Payment {
                asked: true,
                lock: Some(lock),
                ..payment
            };
            Ok(Step::Ask { locked, question })
        }
        _ => Ok(Step::Settle(done(order, Status::Waiting).state(payment))),
    }
}

impl Payment {
    fn released(self) -> Self {
        Self {
            lock: self.lock.and_then(Lock::release),
            ..self
        }
    }

    fn note(&mut self, command: &Command) -> Result<(), Failure> {
        let due = match command {
            Command::CapturePayment(c) => Due {
                total: c.amount,
                token: c.payment_token.clone(),
            },
            Command::NoteOrder(c) => Due {
                total: c.total,
                token: c.payment_token.clone(),
            },
            Command::NoteReservation(_) => {
                self.reserved = true;
                return Ok(());
            }
            Command::RefundPayment(_) => return Ok(()),
        };
        if self.due.as_ref().is_some_and(|noted| *noted != due) {
            return Err(Failure::invalid(
                "the order was noted before with another total or token",
            ));
        }
        self.due = Some(due);
        // Whoever asks for a charge at once has seen to the stock.
        self.reserved |= matches!(command, Command::CapturePayment(_));
        Ok(())
    }
}

fn refused(name: &str) -> Decision<Payment> {
    Decision::declined(Refusal::new(name, ""))
}

/// What the provider's answer to a capture calls for.
pub fn captured(
    payment: Payment,
    order: &OrderId,
    amount: Money,
    answer: Result<(), CaptureError>,
    context: &Context,
) -> End<Payment> {
    let order = order.clone();
    End::Settle(match answer {
        Ok(()) => {
            let status = Status::Captured { amount };
            done(&order, status)
                .state(settled(status, true))
                .fact(PaymentCaptured { order, amount })
        }
        // Voided by a hand that is not ours, or the document would have
        // changed and this answer been dropped: it will never be charged.
        Err(CaptureError::Declined | CaptureError::Voided) => refused("PaymentDeclined")
            .state(settled(Status::Declined, true))
            .fact(PaymentDeclined { order }),
        Err(CaptureError::Unavailable(_)) if context.last_attempt => refused("PaymentUnavailable")
            .state(settled(Status::Unavailable, true))
            .fact(PaymentUnavailable { order }),
        Err(CaptureError::Unavailable(silence)) => {
            return End::Release(payment.released(), Failure::transient(silence));
        }
    })
}

/// What a rejection calls for. A capture's lock does not keep it out: the
/// provider is asked to void by the capture's own key, and the capture, when
/// it comes back, finds the payment changed.
///
/// # Errors
/// [`Failure::Transient`] while another refund is asking the provider.
pub fn refund(
    state: Option<Payment>,
    command: &RefundPayment,
    context: &Context,
    now: Timestamp,
) -> Begun<String> {
    let payment = state.unwrap_or_default();
    let charged = match payment.status {
        Status::Refunded { amount } => {
            return Ok(Step::Settle(refunded_to(&command.order, amount)));
        }
        Status::Declined => None,
        Status::Waiting if !payment.asked => None,
        Status::Waiting | Status::Unavailable => Some(None),
        Status::Captured { amount } | Status::RefundFailed { amount } => Some(Some(amount)),
        Status::Refunding { charged } => Some(charged),
    };
    let Some(charged) = charged else {
        // Nothing was charged, and what comes late finds this and does nothing.
        let nothing = command.total.zero();
        let tombstone = settled(Status::Refunded { amount: nothing }, payment.asked);
        return Ok(Step::Settle(
            refunded_to(&command.order, nothing).state(tombstone),
        ));
    };
    let key = provider_key(&command.order);
    let lock = match payment.status {
        Status::Refunding { .. } => Lock::take(payment.lock.as_ref(), key, context.run(), now)?,
        _ => Lock::seize(key, context.run()),
    };
    let question = lock.key.clone();
    let locked = Payment {
        lock: Some(lock),
        ..settled(Status::Refunding { charged }, true)
    };
    Ok(match payment.status {
        Status::RefundFailed { .. } => Step::AskAgain { locked, question },
        _ => Step::Ask { locked, question },
    })
}

fn refunded_to(order: &OrderId, amount: Money) -> Decision<Payment> {
    done(order, Status::Refunded { amount }).fact(PaymentRefunded {
        order: order.clone(),
        amount,
    })
}

/// What the provider's answer to a void calls for. What it says was given back
/// counts, not what was thought to have been charged.
pub fn refunded(
    payment: Payment,
    command: &RefundPayment,
    answer: Result<Option<Money>, Unavailable>,
    context: &Context,
) -> End<Payment> {
    let order = command.order.clone();
    match answer {
        Ok(given_back) => {
            let amount = given_back.unwrap_or(command.total.zero());
            let state = settled(Status::Refunded { amount }, true);
            End::Settle(refunded_to(&order, amount).state(state))
        }
        Err(_) if context.last_attempt => {
            let amount = match payment.status {
                Status::Refunding {
                    charged: Some(amount),
                } => amount,
                _ => command.total,
            };
            let state = settled(Status::RefundFailed { amount }, true);
            End::Settle(
                refused("RefundFailed")
                    .state(state)
                    .fact(RefundFailed { order, amount }),
            )
        }
        Err(silence) => End::Release(payment.released(), Failure::transient(silence)),
    }
}

#[cfg(test)]
mod tests;
