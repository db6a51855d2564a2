//! Screening: evidence from history, the rules, and what follows from a score.
//! Pure decisions over two documents each, no I/O, no clock of its own.

use duet_core::fact::{FraudConfirmed, NoFraudDetected, PossibleFraud, Screened};
use duet_core::time::after;
use duet_core::{Decision, Failure, Handled, Refusal, Timestamp};
use serde::{Deserialize, Serialize};

use crate::command::{Cause, CloseReview, Command, ScreenCustomer, ScreenOrder};
use crate::history::{EmailUse, History, Registration};
use crate::review::{Review, Status};
use crate::rules::{
    Assessment, BLOCK, CUSTOMER_RULES, CustomerEvidence, ORDER_RULES, OrderEvidence, REVIEW,
    assess, is_disposable,
};

/// Two documents: as loaded or, in a decision, as they are to be (`None`: as
/// they are).
pub(crate) type Both<A, B> = (Option<A>, Option<B>);

/// The reply to a screening that did not decline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What follows.
    pub verdict: FindingVerdict,
    /// The sum of the rules that tripped.
    pub score: u32,
    /// Their names.
    pub reasons: Vec<String>,
}

/// What follows from a screening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FindingVerdict {
    /// Nothing: go on.
    Clear,
    /// A person should look; a review is open.
    Review,
    /// Nothing any more: the order was rejected before it was screened.
    Closed,
    /// Nothing: nobody waits for a word about it, and it was not screened.
    Unscreened,
}

/// What a finding says.
fn found(verdict: FindingVerdict, assessment: &Assessment) -> Finding {
    let Assessment { score, reasons } = assessment.clone();
    Finding {
        verdict,
        score,
        reasons,
    }
}

/// The answer to whoever asks about what waits for no clearance: nothing is
/// kept, counted or said.
pub(crate) fn unscreened() -> Handled {
    let nothing = Assessment {
        score: 0,
        reasons: Vec::new(),
    };
    Handled {
        answer: Decision::<()>::done(found(FindingVerdict::Unscreened, &nothing)).answer,
        events: Vec::new(),
        timers: Vec::new(),
        called_off: Vec::new(),
        reply: None,
        repeat: false,
    }
}

/// Screens an order: the review document is written for every order, so that
/// what fraud found can be looked up; it is open only where a person decides.
/// An order that is cleared is remembered: it counts for the customer's others.
///
/// # Errors
/// [`Failure::Invalid`] when another command screened the order before.
pub(crate) fn screen_order(
    (review, history): Both<Review, History>,
    command: &ScreenOrder,
    variant: &str,
    now: Timestamp,
    review_seconds: u32,
) -> Result<Decision<Both<Review, History>>, Failure> {
    let ScreenOrder {
        order,
        customer,
        total,
        country,
        placed_at,
    } = command.clone();
    let history = history.unwrap_or_default();
    let evidence = OrderEvidence {
        total,
        country,
        placed_at,
        nth: history.nth(placed_at),
        forgotten: history.has_forgotten(placed_at),
        registration: history.registration.clone(),
    };
    let assessment = assess(&ORDER_RULES, &evidence);

    let status = match &review {
        Some(Review {
            status: Status::Closed,
            customer: None,
            ..
        }) => {
            let finding = found(FindingVerdict::Closed, &assessment);
            return Ok(Decision::done(finding));
        }
        Some(_) => {
            return Err(Failure::invalid(
                "the order was screened before, by another command",
            ));
        }
        None if assessment.score >= BLOCK => Status::Blocked,
        None if assessment.score >= REVIEW => Status::Open,
        None => Status::Clear,
    };
    let open = status == Status::Open;
    let due = after(now, review_seconds);
    let Assessment { score, reasons } = assessment.clone();
    let review = Review {
        order: order.clone(),
        variant: variant.to_owned(),
        status,
        score,
        reasons: reasons.clone(),
        customer: Some(customer),
        total: Some(total),
        placed_at: Some(placed_at),
        opened_at: open.then_some(now),
        open_since: open.then_some(now),
        due: open.then_some(due),
        closed_at: None,
        note: None,
        by: None,
        reply_to: None,
    };
    let of = Screened::Order {
        order: order.clone(),
    };
    let cleared = (status == Status::Clear).then(|| history.with(&order, placed_at));
    let decision = match status {
        Status::Blocked => Decision::declined(Refusal::new("FraudConfirmed", reasons.join(",")))
            .fact(FraudConfirmed {
                order,
                score,
                reasons,
            }),
        Status::Open => Decision::done(found(FindingVerdict::Review, &assessment))
            .fact(PossibleFraud { of, score, reasons })
            .timer(
                due,
                &Command::from(CloseReview {
                    order,
                    cause: Cause::TimedOut,
                }),
            ),
        _ => Decision::done(found(FindingVerdict::Clear, &assessment)).fact(NoFraudDetected { of }),
    };
    Ok(decision.state((Some(review), cleared)))
}

/// Screens a customer, and remembers them for their orders and for whoever
/// comes with the same e-mail address.
///
/// # Errors
/// [`Failure::Invalid`] when another command screened the customer before, or
/// the e-mail address is none.
pub(crate) fn screen_customer(
    (history, used): Both<History, EmailUse>,
    command: &ScreenCustomer,
) -> Result<Decision<Both<History, EmailUse>>, Failure> {
    if !command.email.contains('@') {
        return Err(Failure::invalid(
            "email: is an address such as ada@example.com",
        ));
    }
    let history = history.unwrap_or_default();
    if history.registration.is_some() {
        return Err(Failure::invalid(
            "the customer was screened before, by another command",
        ));
    }
    let EmailUse { customers, blocked } = used.unwrap_or_default();
    let disposable_email = is_disposable(&command.email);
    let evidence = CustomerEvidence {
        disposable_email,
        others: customers,
        blocked,
    };
    let assessment = assess(&CUSTOMER_RULES, &evidence);
    let suspicious = assessment.score >= REVIEW;

    let registration = Registration {
        country: command.country.clone(),
        disposable_email,
        registered_at: command.registered_at,
        suspicious,
    };
    let history = History {
        registration: Some(registration),
        ..history
    };
    let used = EmailUse {
        customers: customers.saturating_add(1),
        blocked: blocked.saturating_add(u32::from(suspicious)),
    };
    let of = Screened::Customer {
        customer: command.customer.clone(),
    };
    let decision =
        if suspicious {
            let Assessment { score, reasons } = assessment;
            Decision::declined(Refusal::new("PossibleFraud", reasons.join(",")))
                .fact(PossibleFraud { of, score, reasons })
        } else {
            Decision::done(found(FindingVerdict::Clear, &assessment)).fact(NoFraudDetected { of })
        };
    Ok(decision.state((Some(history), Some(used))))
}
