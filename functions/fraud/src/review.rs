//! How fraud stands on one order: what the screening found and, where a person
//! had to look, how that ended. Pure decisions, no I/O, no clock of its own.

use std::fmt;

use duet_core::fact::{FraudConfirmed, NoFraudDetected, ReviewTimedOut, Screened};
use duet_core::{CustomerId, Decision, Failure, Money, OrderId, Refusal, Timestamp};
use serde::{Deserialize, Serialize};

use crate::command::{Cause, CloseReview, Command, DecideReview, MAX_BY, MAX_NOTE, Verdict};
use crate::domain::Both;
use crate::history::History;
use crate::rules::Assessment;

/// How fraud stands on an order, as the fraud service keeps it and as a
/// reviewer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Which order.
    pub order: OrderId,
    /// The variant it runs under; an order never changes style.
    pub variant: String,
    /// How it stands.
    pub status: Status,
    /// The sum of the rules that tripped.
    #[serde(default)]
    pub score: u32,
    /// Their names.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Whose order; `None` for one that was rejected before it was screened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// What it costs; `None` like the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// When the order was placed; `None` like the customer, and in documents
    /// written before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed_at: Option<Timestamp>,
    /// When the review was opened; `None` where there was none to open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// Since when it waits for a person; absent once it does not. The attribute by
    /// which it is in the index of open reviews ([`OPEN`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_since: Option<Timestamp>,
    /// When it closes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// The reviewer's note: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Where the verdict is awaited. Opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

/// How fraud stands on an order. Only `Open` changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// The screening found too little to bother a person.
    Clear,
    /// The screening found enough to refuse the order without one.
    Blocked,
    /// A person should look.
    Open,
    /// A person looked: all is well.
    Approved,
    /// A person looked: it is fraud.
    Rejected,
    /// Nobody looked in time.
    TimedOut,
    /// The order was rejected for another reason, before anybody looked or
    /// even before it was screened.
    Closed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The reply to commands about a review, and what is told to whoever waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How it stands.
    pub verdict: Status,
}

impl Review {
    /// The tombstone of an order that was rejected before it was screened:
    /// the screening that comes late finds it.
    pub(crate) fn tombstone(order: OrderId, variant: &str, now: Timestamp) -> Self {
        Self {
            order,
            variant: variant.to_owned(),
            status: Status::Closed,
            score: 0,
            reasons: Vec::new(),
            customer: None,
            total: None,
            placed_at: None,
            opened_at: None,
            open_since: None,
            due: None,
            closed_at: Some(now),
            note: None,
            by: None,
            reply_to: None,
        }
    }

    /// What is told about the review as it stands.
    #[must_use]
    pub fn told(&self) -> Told {
        Told {
            verdict: self.status,
        }
    }

    /// What the screening found.
    #[must_use]
    pub fn assessment(&self) -> Assessment {
        Assessment {
            score: self.score,
            reasons: self.reasons.clone(),
        }
    }

    fn end(self, status: Status, now: Timestamp) -> Self {
        Self {
            status,
            open_since: None,
            closed_at: Some(now),
            ..self
        }
    }
}

/// … and the clock of `review`, which is over at `now`, is not needed any more.
fn clock_called_off<S>(decision: Decision<S>, review: &Review, now: Timestamp) -> Decision<S> {
    let (Some(set), Some(due)) = (review.opened_at, review.due) else {
        return decision;
    };
    let clock = Command::from(CloseReview {
        order: review.order.clone(),
        cause: Cause::TimedOut,
    });
    decision.call_off(set, due, now, &clock)
}

type Decided = Result<Decision<Review>, Failure>;

/// The index of open reviews.
pub const OPEN: &str = "open_since";

/// Somebody waits for the verdict at `reply_to`.
///
/// # Errors
/// [`Failure::Invalid`] when there is nothing to wait for.
pub(crate) fn open(state: Option<Review>, reply_to: Option<&str>) -> Decided {
    let review = state.ok_or_else(|| Failure::invalid("the order was not screened"))?;
    let reply_to = reply_to.map(ToOwned::to_owned);
    // Never kept: whoever asks again waits at another address, and the latest
    // one is the one that is still waited at.
    Ok(match review.status {
        Status::Clear | Status::Blocked => {
            return Err(Failure::invalid("the order is not under review"));
        }
        Status::Open if reply_to.is_none() || reply_to == review.reply_to => {
            Decision::done(review.told()).unkept()
        }
        Status::Open => Decision::done(review.told())
            .state(Review { reply_to, ..review })
            .unkept(),
        _ => Decision::done(review.told())
            .reply(reply_to, review.told())
            .unkept(),
    })
}

/// A reviewer's word: the first one stands. An order that is approved counts
/// for its customer's others.
///
/// # Errors
/// [`Failure::Invalid`] when the order was never screened or the note is too long.
pub(crate) fn decide(
    (review, history): Both<Review, History>,
    command: &DecideReview,
    now: Timestamp,
) -> Result<Decision<Both<Review, History>>, Failure> {
    let review = review.ok_or_else(|| Failure::invalid("the order was not screened"))?;
    for (name, text, most) in [
        ("note", &command.note, MAX_NOTE),
        ("by", &command.by, MAX_BY),
    ] {
        if text.as_ref().is_some_and(|it| it.chars().count() > most) {
            return Err(Failure::invalid(format!(
                "{name}: has at most {most} characters"
            )));
        }
    }
    if review.status != Status::Open {
        return Ok(Decision::declined(Refusal::new("ReviewClosed", review.status)).unkept());
    }
    let order = review.order.clone();
    let Assessment { score, reasons } = review.assessment();
    let status = match command.verdict {
        Verdict::Approve => Status::Approved,
        Verdict::Reject => Status::Rejected,
    };
    let review = Review {
        note: command.note.clone(),
        by: command.by.clone(),
        ..review.end(status, now)
    };
    let placed_at = review.placed_at.filter(|_| status == Status::Approved);
    let history = placed_at.map(|at| history.unwrap_or_default().with(&order, at));
    let decision = Decision::done(review.told()).reply(review.reply_to.clone(), review.told());
    let decision = clock_called_off(decision, &review, now);
    let decision = decision.state((Some(review), history));
    Ok(match command.verdict {
        Verdict::Approve => decision.fact(NoFraudDetected {
            of: Screened::Order { order },
        }),
        Verdict::Reject => decision.fact(FraudConfirmed {
            order,
            score,
            reasons,
        }),
    })
}

/// Nobody needs the review any more. A verdict that was given stands, and is
/// the answer.
///
/// Whoever asks for `TimedOut` is obeyed at once, the review's own timer and
/// the one whose wait for the verdict ended alike: the timer is delivered at
/// its due time, and asking is itself the news that the time is over. The
/// earlier asker is told, for the clock is ours; should it be the one who
/// stopped waiting, nobody hears it.
///
/// # Errors
/// [`Failure::Invalid`] when the time of a review is over that never was.
pub(crate) fn close(
    state: Option<Review>,
    command: &CloseReview,
    variant: &str,
    now: Timestamp,
) -> Decided {
    let closed = Told {
        verdict: Status::Closed,
    };
    Ok(match (state, command.cause) {
        (None, Cause::TimedOut) => return Err(Failure::invalid("the order was not screened")),
        (None, Cause::OrderRejected) => {
            let tombstone = Review::tombstone(command.order.clone(), variant, now);
            Decision::done(closed).state(tombstone)
        }
        (Some(review), Cause::TimedOut) if review.status == Status::Open => {
            let fact = ReviewTimedOut {
                order: review.order.clone(),
            };
            let review = review.end(Status::TimedOut, now);
            Decision::done(review.told())
                .reply(review.reply_to.clone(), review.told())
                .state(review)
                .fact(fact)
        }
        (Some(review), Cause::OrderRejected) if review.status == Status::Open => {
            let review = review.end(Status::Closed, now);
            let decision = Decision::done(review.told()).reply(review.reply_to.clone(), closed);
            clock_called_off(decision, &review, now).state(review)
        }
        // There was no review to close.
        (
            Some(Review {
                status: Status::Clear | Status::Blocked,
                ..
            }),
            _,
        ) => Decision::done(closed).unkept(),
        (Some(review), _) => Decision::done(review.told()).unkept(),
    })
}
