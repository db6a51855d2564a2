//! Undecided orders that nobody drives any more: which they are, and what is to
//! be said of them. One rule for the service's own sweep and for people's tools.
//!
//! Three things can leave an order undecided for good. Its execution ended, and
//! the word of it, which AWS sends by best effort only, never came. Its timer
//! was lost. Or an execution of its own never was. A workflow's order is parked,
//! as by the word that did not come; an order without a workflow gets its timer
//! again, so that it is rejected and undone by those who hear of it.

use duet_core::store::{Item, Store};
use duet_core::sweep::{Execution, Sweep, Waits};
use duet_core::time::after;
use duet_core::{Clock, Failure, Timestamp};

use crate::command::{Command, ExpireOrder, ParkOrder};
use crate::domain::{Fate, Order};
use crate::service::Orders;

/// For how long an order is let alone, in seconds: after it was touched, after
/// its execution ended, and after its deadline. Whatever is to come by itself
/// has come by then: an execution that was only just started is known to its
/// engine, the word of one that ended is on its way, and so is a timer.
pub const LET_ALONE_SECONDS: u32 = 60;

/// Who left an order to nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// Its timer, which should have ended it.
    ByTimer,
    /// Its workflow: no execution of it runs.
    ByWorkflow {
        /// The last execution, if there was one.
        execution: Option<String>,
        /// When it ended or, if that is later, the order was last touched.
        at: Timestamp,
    },
}

impl Left {
    /// The command that parks `order`, which was left so.
    #[must_use]
    pub fn parking(self, order: &Order) -> ParkOrder {
        let parking = ParkOrder::of(order.placed.order.clone());
        match self {
            Self::ByTimer => parking,
            Self::ByWorkflow { execution, at } => ParkOrder {
                execution,
                ended_at: Some(at),
                ..parking
            },
        }
    }
}

/// Whether an order was let alone for long enough since `at`.
pub(crate) fn is_over(at: Timestamp, now: Timestamp) -> bool {
    now >= after(at, LET_ALONE_SECONDS)
}

/// Whether it is worth asking, `now`, who drives `order`: it is undecided, and
/// was not touched just now.
#[must_use]
pub fn is_worth_asking(order: &Order, now: Timestamp) -> bool {
    order.fate == Fate::Undecided && is_over(order.last_touched(), now)
}

/// Who left `order`, if `now` nobody drives it any more. `executions` are all
/// about it; `None` where its variant has no workflow.
#[must_use]
pub fn left(order: &Order, executions: Option<&[Execution]>, now: Timestamp) -> Option<Left> {
    if !is_worth_asking(order, now) {
        return None;
    }
    let Some(executions) = executions else {
        return is_over(order.deadline, now).then_some(Left::ByTimer);
    };
    let mut last: Option<(&str, Timestamp)> = None;
    for execution in executions {
        // One that runs drives it.
        let ended = execution.ended?;
        if last.is_none_or(|(_, before)| before <= ended) {
            last = Some((&execution.name, ended));
        }
    }
    let touched = order.last_touched();
    let at = last.map_or(touched, |(_, ended)| ended.max(touched));
    is_over(at, now).then(|| Left::ByWorkflow {
        execution: last.map(|(name, _)| name.to_owned()),
        at,
    })
}

impl<S: Store, C: Clock> Sweep for Orders<S, C> {
    const INDEX: &'static str = "undecided_since";

    fn waits(item: &Item, now: Timestamp) -> Result<Option<Waits>, Failure> {
        let order: Order = item.read()?;
        Ok(is_worth_asking(&order, now).then(|| Waits {
            subject: order.placed.order.to_string(),
            variant: order.variant,
        }))
    }

    fn left(
        item: &Item,
        executions: Option<&[Execution]>,
        now: Timestamp,
    ) -> Result<Option<Command>, Failure> {
        let order: Order = item.read()?;
        Ok(left(&order, executions, now).map(|left| match left {
            Left::ByTimer => ExpireOrder {
                order: order.placed.order,
            }
            .into(),
            left @ Left::ByWorkflow { .. } => left.parking(&order).into(),
        }))
    }
}
