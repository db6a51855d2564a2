//! The life of an order: pure decisions, no I/O, no clock of its own.
//!
//! The decision is made once and is final. What follows a rejection is kept
//! apart: `compensation` goes from pending to done or failed, and a repair
//! takes it from failed to done.

mod after;
mod follow;
mod standing;

use std::collections::BTreeSet;

use duet_core::fact::{NewOrder, OrderConfirmed, OrderRejected};
use duet_core::id::of_execution;
use duet_core::order::{Address, Line, Owed, Part, Reason};
use duet_core::time::after;
use duet_core::{Context, CustomerId, Decision, Failure, Money, OrderId, Refusal, Timestamp};
use serde::{Deserialize, Serialize};

use crate::command::{
    Command, ConfirmOrder, ExpireCompensation, ExpireOrder, ExtendDeadline, ForgetOrder,
    PlaceOrder, TakeUpOrder,
};
use crate::service::Patience;

use self::after::{expire_compensation, forget, note_undone, park};
pub use self::standing::Standing;

/// An order as the order service keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// What was ordered.
    pub placed: Placed,
    /// NewOrder's data, as the text that was announced: the one place where the
    /// token for the card is, and the address. Gone once the order has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// The variant it runs under; an order never changes style.
    pub variant: String,
    /// The order's fate.
    pub fate: Fate,
    /// How far a rejection is undone.
    pub compensation: Compensation,
    /// What is still to be undone.
    pub pending: BTreeSet<Part>,
    /// What could not be undone, or done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owed: Vec<Owed>,
    /// Whether word came that the goods left after all: it may overtake the
    /// word that they are overdue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shipped: bool,
    /// The fact the order waits for.
    pub waits_for: String,
    /// When it stops waiting.
    pub deadline: Timestamp,
    /// When the decision was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// When a command last changed the order; absent in documents from before
    /// this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched_at: Option<Timestamp>,
    /// Whom to tell, once it is decided, when nobody has said that what follows is
    /// done: whoever placed it says so, where nobody else would see to it. Opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// What was charged when it was rejected, as far as whoever rejected it knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Money>,
    /// Whether it is confirmed, and somebody is still to say that what follows is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// How often it was parked: what tells one parking from the next.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parkings: u32,
    /// When what it says of a person was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten_at: Option<Timestamp>,
    /// Since when it is undecided; absent once it is decided. The attribute by
    /// which it is in the index of undecided orders ([`crate::sweep`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided_since: Option<Timestamp>,
    /// Since when it is parked: something is owed, or not undone; absent otherwise.
    /// The attribute by which it is in the index of parked orders ([`PARKED`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_since: Option<Timestamp>,
}

/// The index of undecided orders.
pub const UNDECIDED: &str = "undecided_since";

/// The index of parked orders.
pub const PARKED: &str = "parked_since";

/// What was ordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub customer: CustomerId,
    /// What is ordered.
    pub lines: Vec<Line>,
    /// The total the buyer was shown.
    pub total: Money,
    /// Where it goes, once it is confirmed, until it is forgotten. Personal
    /// data: never logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_to: Option<Address>,
    /// When the order was taken on.
    pub placed_at: Timestamp,
    /// The mark: whether the order waits for the fraud service's word. Absent in
    /// documents from before there were marks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearance: Option<bool>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How much later than an execution's end an order must have been touched to
/// have moved on since, in seconds: more than the clocks of a function and of
/// the workflow engine differ.
const CLOCKS_DIFFER_SECONDS: u32 = 5;

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision")]
pub enum Fate {
    /// Not yet.
    Undecided,
    /// Yes.
    Confirmed,
    /// No.
    Rejected {
        /// Why.
        reason: Reason,
        /// More about why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
}

/// How far a rejection is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compensation {
    /// There is nothing to undo.
    None,
    /// Under way.
    Pending,
    /// The order is whole again.
    Done,
    /// Parked: somebody has to repair it. The order needs attention.
    Failed,
}

type Decided = Result<Decision<Order>, Failure>;

/// What the order service is set up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long an order may wait.
    pub patience: Patience,
    /// Whether a new order waits for a clearance, where nobody says.
    pub awaits_clearance: bool,
}

/// What is to be done about `command`, given the order as it stands (`None`:
/// never heard of it), what came with the command, and the time.
///
/// # Errors
/// [`Failure::Invalid`] for an unacceptable order, an unknown one, one that
/// runs under another variant, or an execution that is not named after it.
pub fn decide(
    state: Option<Order>,
    command: &Command,
    context: &Context,
    now: Timestamp,
    terms: Terms,
) -> Decided {
    let clocks = state
        .as_ref()
        .map(|order| Clocks::of(order, terms.patience));
    let mut decision = decided(state, command, context, now, terms)?;
    if let Some(order) = &mut decision.state {
        order.touched_at = Some(now);
        if let Some(before) = clocks {
            let after = Clocks::of(order, terms.patience);
            return Ok(before.called_off(after, decision, now));
        }
    }
    Ok(decision)
}

/// What an order waits for by the clock: since when, and until when.
struct Clocks {
    order: OrderId,
    deadline: Option<(Timestamp, Timestamp)>,
    compensation: Option<(Timestamp, Timestamp)>,
}

impl Clocks {
    fn of(order: &Order, patience: Patience) -> Self {
        let undecided = order.fate == Fate::Undecided;
        let pending = order.compensation == Compensation::Pending;
        let decided_at = order.decided_at.filter(|_| pending);
        Self {
            order: order.placed.order.clone(),
            deadline: undecided.then_some((order.placed.placed_at, order.deadline)),
            compensation: decided_at.map(|at| (at, after(at, patience.compensation))),
        }
    }

    /// … and whatever `self` waits for and `later` does not is not needed any more.
    fn called_off(self, later: Self, decision: Decision<Order>, now: Timestamp) -> Decision<Order> {
        let order = self.order;
        let decision = match self.deadline.filter(|_| self.deadline != later.deadline) {
            Some((set, due)) => {
                let order = order.clone();
                decision.call_off(set, due, now, &Command::from(ExpireOrder { order }))
            }
            None => decision,
        };
        let over = self.compensation != later.compensation;
        match self.compensation.filter(|_| over) {
            Some((set, due)) => {
                decision.call_off(set, due, now, &Command::from(ExpireCompensation { order }))
            }
            None => decision,
        }
    }
}

fn decided(
    state: Option<Order>,
    command: &Command,
    context: &Context,
    now: Timestamp,
    terms: Terms,
) -> Decided {
    let (variant, patience) = (context.message.variant.as_str(), terms.patience);
    let known = |state: Option<Order>| match state {
        None => Err(Failure::invalid("no such order")),
        Some(order) if order.variant != variant => {
            Err(Failure::invalid("the order runs under another variant"))
        }
        Some(order) => Ok(order),
    };
    let mut decision = match command {
        Command::PlaceOrder(command) => return place(state, command, context, now, terms),
        // An execution may die before it placed its order: nothing was left. Taken
        // up again it may place it, and die once more.
        Command::ParkOrder(_) if state.is_none() => Decision::done("no such order").unkept(),
        Command::ParkOrder(command) => park(known(state)?, command, context, now),
        Command::ConfirmOrder(ConfirmOrder { .. }) => confirm(known(state)?, now),
        Command::RejectOrder(command) => {
            let order = known(state)?;
            let of_fraud = matches!(
                command.reason,
                Reason::FraudConfirmed | Reason::ReviewTimedOut
            );
            if of_fraud && !order.awaits_clearance(context, terms) {
                return Ok(Decision::done(order.standing()).unkept());
            }
            let order = Order {
                captured: order.captured.or(command.captured),
                ..order
            };
            reject(order, command.reason, command.detail.clone(), now, patience)
        }
        Command::ExtendDeadline(ExtendDeadline { .. }) => {
            let order = known(state)?;
            if !order.awaits_clearance(context, terms) {
                return Ok(Decision::done(order.standing()).unkept());
            }
            extend(order, now, patience)
        }
        Command::NoteUndone(command) => note_undone(known(state)?, command),
        Command::ExpireOrder(command) => expire(known(state)?, command, now, patience),
        Command::FollowUpOrder(_) => follow::up(known(state)?, now, patience),
        Command::TakeUpOrder(TakeUpOrder { .. }) => follow::taken_up(&known(state)?)?,
        Command::ExpireCompensation(command) => {
            expire_compensation(known(state)?, command, context, now)
        }
        Command::ForgetOrder(ForgetOrder { .. }) => forget(known(state)?, now),
    };
    decision.state = decision.state.map(Order::settled);
    Ok(decision)
}

fn place(
    state: Option<Order>,
    command: &PlaceOrder,
    context: &Context,
    now: Timestamp,
    terms: Terms,
) -> Decided {
    // Before anything is touched: what an execution leaves behind is known by
    // the execution's name.
    let named = |execution: &str| of_execution(execution) == command.order.as_str();
    if !context.execution.as_deref().is_none_or(named) {
        return Err(Failure::invalid(
            "the execution is not named after its order",
        ));
    }
    if state.is_some() {
        return Err(Failure::invalid(
            "the order exists, but was not placed by this command",
        ));
    }
    if let Err(no) = command.check() {
        return Err(Failure::invalid(format!("{}: {}", no.path, no.problem)));
    }
    let PlaceOrder {
        order,
        customer,
        lines,
        total,
        payment_token,
        ship_to,
    } = command.clone();
    let announced = NewOrder {
        order: order.clone(),
        customer,
        lines,
        total,
        payment_token,
        ship_to,
        placed_at: now,
        clearance: Some(context.awaits_clearance(terms.awaits_clearance)),
    };
    let placed = Placed {
        order: order.clone(),
        customer: announced.customer.clone(),
        lines: announced.lines.clone(),
        total,
        ship_to: None,
        placed_at: now,
        clearance: announced.clearance,
    };
    let deadline = after(now, terms.patience.order);
    let answer = Decision::done(&placed);
    let state = Order {
        placed,
        // Plain data: it has a text.
        said: serde_json::to_string(&announced).ok(),
        variant: context.message.variant.clone(),
        fate: Fate::Undecided,
        compensation: Compensation::None,
        pending: BTreeSet::new(),
        owed: Vec::new(),
        shipped: false,
        waits_for: "DeliveryScheduled".to_owned(),
        deadline,
        decided_at: None,
        touched_at: None,
        reply_to: context.reply_to.clone(),
        captured: None,
        unfinished: false,
        parkings: 0,
        forgotten_at: None,
        undecided_since: Some(now),
        parked_since: None,
    };
    Ok(answer
        .state(state)
        .announce("said", announced)
        .timer(deadline, &Command::from(ExpireOrder { order })))
}

fn confirm(order: Order, now: Timestamp) -> Decision<Order> {
    match &order.fate {
        Fate::Confirmed => Decision::done(order.standing()),
        Fate::Rejected { reason, .. } => Decision::declined(Refusal::new("OrderRejected", reason)),
        Fate::Undecided => {
            let fact = OrderConfirmed {
                order: order.placed.order.clone(),
                customer: order.placed.customer.clone(),
                total: order.placed.total,
                placed_at: order.placed.placed_at,
            };
            let order = Order {
                fate: Fate::Confirmed,
                decided_at: Some(now),
                unfinished: order.reply_to.is_some(),
                ..order
            };
            let timer = follow::timer_of_decision(&order, now);
            let decision = Decision::done(order.standing()).state(order).fact(fact);
            follow::with(decision, timer)
        }
    }
}

fn reject(
    order: Order,
    reason: Reason,
    detail: Option<String>,
    now: Timestamp,
    patience: Patience,
) -> Decision<Order> {
    match &order.fate {
        Fate::Confirmed => Decision::declined(Refusal::new("OrderConfirmed", "")),
        Fate::Rejected { .. } => Decision::done(order.standing()),
        Fate::Undecided => {
            let id = order.placed.order.clone();
            let fact = OrderRejected {
                order: id.clone(),
                customer: order.placed.customer.clone(),
                total: order.placed.total,
                reason,
                detail: detail.clone(),
                placed_at: order.placed.placed_at,
            };
            let order = Order {
                fate: Fate::Rejected { reason, detail },
                compensation: Compensation::Pending,
                pending: BTreeSet::from(Part::COMPENSATED),
                decided_at: Some(now),
                ..order
            };
            let timer = follow::timer_of_decision(&order, now);
            let decision = Decision::done(order.standing())
                .state(order)
                .fact(fact)
                .timer(
                    after(now, patience.compensation),
                    &Command::from(ExpireCompensation { order: id }),
                );
            follow::with(decision, timer)
        }
    }
}

fn extend(order: Order, now: Timestamp, patience: Patience) -> Decision<Order> {
    if order.fate != Fate::Undecided {
        return Decision::done(order.standing());
    }
    let deadline = after(after(now, patience.review), patience.order);
    let id = order.placed.order.clone();
    let order = Order {
        deadline,
        waits_for: "NoFraudDetected, DeliveryScheduled".to_owned(),
        ..order
    };
    Decision::done(order.standing())
        .state(order)
        .timer(deadline, &Command::from(ExpireOrder { order: id }))
}

fn expire(
    order: Order,
    command: &ExpireOrder,
    now: Timestamp,
    patience: Patience,
) -> Decision<Order> {
    if order.fate != Fate::Undecided {
        return follow::at_deadline(order, now);
    }
    if now < order.deadline {
        // Extended meanwhile, or a clock that runs behind: ask again then.
        let again = Command::from(command.clone());
        return Decision::done(order.standing())
            .unkept()
            .timer(order.deadline, &again);
    }
    let waited_for = order.waits_for.clone();
    let driver = order.reply_to.clone();
    let decision = reject(order, Reason::TimedOut, Some(waited_for), now, patience);
    follow::told(decision, driver, now)
}
