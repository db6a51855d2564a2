//! The life of a payment: pure decisions, no I/O, no clock of its own.
//!
//! Notes of the join may come in any order, twice, or after the rejection; the
//! one that completes the set asks the provider. A rejection may overtake all
//! of it: what it leaves behind (a refund of nothing) stops what comes late.

use duet_core::fact::{
    PaymentCaptured, PaymentDeclined, PaymentRefunded, PaymentUnavailable, RefundFailed,
};
use duet_core::lock::{End, Lock, Step, locked};
use duet_core::{Decision, Failure, Money, OrderId, Refusal, Timestamp};
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

/// What `command`, one that may lead to a charge, calls for. `lock` is what its
/// message would hold the payment by.
///
/// # Errors
/// [`Failure::Transient`] while another message is asking the provider;
/// [`Failure::Invalid`] when the order was noted with another total.
pub fn capture(
    state: Option<Payment>,
    command: &Command,
    lock: Lock,
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
    if payment
        .lock
        .as_ref()
        .is_some_and(|theirs| theirs.keeps_out(&lock, now))
    {
        return Err(locked());
    }
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
    last_attempt: bool,
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
        Err(CaptureError::Unavailable(_)) if last_attempt => refused("PaymentUnavailable")
            .state(settled(Status::Unavailable, true))
            .fact(PaymentUnavailable { order }),
        Err(CaptureError::Unavailable(silence)) => {
            return End::Release(
                Payment {
                    lock: None,
                    ..payment
                },
                Failure::transient(silence),
            );
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
    lock: Lock,
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
        Status::Refunding { .. }
            if payment
                .lock
                .is_some_and(|theirs| theirs.keeps_out(&lock, now)) =>
        {
            return Err(locked());
        }
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
    let question = lock.key.clone();
    let locked = Payment {
        lock: Some(lock),
        ..settled(Status::Refunding { charged }, true)
    };
    Ok(Step::Ask { locked, question })
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
    last_attempt: bool,
) -> End<Payment> {
    let order = command.order.clone();
    match answer {
        Ok(given_back) => {
            let amount = given_back.unwrap_or(command.total.zero());
            let state = settled(Status::Refunded { amount }, true);
            End::Settle(refunded_to(&order, amount).state(state))
        }
        Err(_) if last_attempt => {
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
        Err(silence) => End::Release(
            Payment {
                lock: None,
                ..payment
            },
            Failure::transient(silence),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{CapturePayment, NoteOrder, NoteReservation};

    fn euros(amount: i64) -> Money {
        serde_json::from_value(serde_json::json!({"amount": amount, "currency": "EUR"})).unwrap()
    }

    fn order() -> OrderId {
        "o-1".parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn lock(by: &str, until: i64) -> Lock {
        Lock {
            key: provider_key(&order()),
            by: by.to_owned(),
            until: at(until),
        }
    }

    fn note_order(amount: i64) -> Command {
        NoteOrder {
            order: order(),
            total: euros(amount),
            payment_token: "tok_ok".into(),
        }
        .into()
    }

    fn note_reservation() -> Command {
        NoteReservation { order: order() }.into()
    }

    fn refund_all() -> RefundPayment {
        RefundPayment {
            order: order(),
            total: euros(500),
            attempt: 0,
        }
    }

    fn state<Q: std::fmt::Debug>(step: Begun<Q>) -> Payment {
        match step.unwrap() {
            Step::Settle(decision) => decision.state.unwrap(),
            Step::Ask { locked, .. } => locked,
        }
    }

    fn waiting() -> Payment {
        state(capture(None, &note_order(500), lock("a", 10), at(0)))
    }

    fn asking() -> Payment {
        state(capture(
            Some(waiting()),
            &note_reservation(),
            lock("b", 10),
            at(0),
        ))
    }

    #[test]
    fn the_note_that_completes_the_set_asks() {
        for (first, second) in [
            (note_order(500), note_reservation()),
            (note_reservation(), note_order(500)),
        ] {
            let half = capture(None, &first, lock("a", 10), at(0));
            assert!(matches!(half, Ok(Step::Settle(_))));
            let Ok(Step::Ask { locked, question }) =
                capture(Some(state(half)), &second, lock("b", 10), at(0))
            else {
                panic!("the set is complete");
            };
            assert_eq!(
                (question.key.as_str(), question.due.total),
                ("payment-o-1", euros(500))
            );
            assert_eq!((locked.asked, locked.lock), (true, Some(lock("b", 10))));
        }
    }

    #[test]
    fn a_charge_at_once_needs_no_notes() {
        let command = CapturePayment {
            order: order(),
            amount: euros(500),
            payment_token: "tok_ok".into(),
        }
        .into();
        assert!(matches!(
            capture(None, &command, lock("a", 10), at(0)),
            Ok(Step::Ask { .. })
        ));
    }

    #[test]
    fn an_order_is_noted_with_one_total() {
        let other = capture(Some(waiting()), &note_order(501), lock("b", 10), at(0));
        assert!(matches!(other, Err(Failure::Invalid(_))));
    }

    #[test]
    fn a_lock_keeps_others_out_until_it_expires() {
        let again = |by, now| capture(Some(asking()), &note_reservation(), lock(by, 20), at(now));
        assert!(matches!(again("c", 9), Err(Failure::Transient(_))));
        assert!(matches!(again("c", 10), Ok(Step::Ask { .. })));
        assert!(
            matches!(again("b", 9), Ok(Step::Ask { .. })),
            "its own message goes on"
        );
    }

    #[test]
    fn silence_releases_the_lock_and_keeps_the_notes() {
        let silence = || Err(CaptureError::Unavailable(Unavailable("x".into())));
        let End::Release(payment, Failure::Transient(_)) =
            captured(asking(), &order(), euros(500), silence(), false)
        else {
            panic!("silence is transient");
        };
        assert_eq!(
            (payment.lock, payment.due.is_some(), payment.reserved),
            (None, true, true)
        );
        let End::Settle(given_up) = captured(asking(), &order(), euros(500), silence(), true)
        else {
            panic!("the last attempt gives up");
        };
        assert_eq!(given_up.state, Some(settled(Status::Unavailable, true)));
        assert_eq!(
            given_up.facts,
            [PaymentUnavailable { order: order() }.into()]
        );
    }

    #[test]
    fn a_rejection_that_comes_first_leaves_a_tombstone() {
        let Ok(Step::Settle(decision)) = refund(None, &refund_all(), lock("r", 10), at(0)) else {
            panic!("nobody needs to be asked");
        };
        assert_eq!(
            decision.facts,
            [PaymentRefunded {
                order: order(),
                amount: euros(0)
            }
            .into()]
        );
        let late = capture(decision.state, &note_order(500), lock("a", 10), at(0));
        let Ok(Step::Settle(late)) = late else {
            panic!("a late note does nothing")
        };
        assert_eq!(
            (late.state, late.facts),
            (None, vec![]),
            "and its token is not kept"
        );
    }

    #[test]
    fn a_rejection_asks_the_provider_once_anybody_did() {
        let unavailable = settled(Status::Unavailable, true);
        let released = Payment {
            lock: None,
            ..asking()
        };
        let charged = settled(Status::Captured { amount: euros(500) }, true);
        for there in [asking(), released, unavailable, charged] {
            let step = refund(Some(there), &refund_all(), lock("r", 10), at(0));
            assert!(matches!(step, Ok(Step::Ask { .. })));
            let payment = state(step);
            assert_eq!(payment.due, None, "the token is not kept");
            let other = refund(Some(payment), &refund_all(), lock("s", 10), at(0));
            assert!(
                matches!(other, Err(Failure::Transient(_))),
                "one refund at a time"
            );
        }
        let declined = Some(settled(Status::Declined, true));
        assert!(matches!(
            refund(declined, &refund_all(), lock("r", 10), at(0)),
            Ok(Step::Settle(_))
        ));
    }

    #[test]
    fn what_the_provider_gave_back_counts() {
        let there = settled(Status::Refunding { charged: None }, true);
        for (given_back, amount) in [(None, 0), (Some(euros(500)), 500)] {
            let End::Settle(decision) =
                refunded(there.clone(), &refund_all(), Ok(given_back), true)
            else {
                panic!("an answer settles it");
            };
            assert_eq!(
                decision.facts,
                [PaymentRefunded {
                    order: order(),
                    amount: euros(amount)
                }
                .into()]
            );
        }
    }

    #[test]
    fn giving_up_names_what_is_owed() {
        let silence = || Err(Unavailable("x".into()));
        for (charged, owed) in [(Some(euros(300)), 300), (None, 500)] {
            let there = settled(Status::Refunding { charged }, true);
            let End::Settle(decision) = refunded(there, &refund_all(), silence(), true) else {
                panic!("the last attempt gives up");
            };
            assert_eq!(
                decision.facts,
                [RefundFailed {
                    order: order(),
                    amount: euros(owed)
                }
                .into()]
            );
            let again = state(refund(decision.state, &refund_all(), lock("r", 10), at(0)));
            assert_eq!(
                again.status,
                Status::Refunding {
                    charged: Some(euros(owed))
                }
            );
        }
    }

    #[test]
    fn documents_survive_the_table() {
        for payment in [
            waiting(),
            asking(),
            settled(
                Status::Refunding {
                    charged: Some(euros(5)),
                },
                true,
            ),
        ] {
            let text = serde_json::to_string(&payment).unwrap();
            assert_eq!(serde_json::from_str::<Payment>(&text).unwrap(), payment);
        }
        let standing = Standing {
            order: order(),
            status: Status::Refunded { amount: euros(0) },
        };
        assert_eq!(
            serde_json::to_value(standing).unwrap(),
            serde_json::json!({"order": "o-1", "status": "Refunded", "amount": {"amount": 0, "currency": "EUR"}}),
        );
    }
}
