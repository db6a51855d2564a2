//! How an order ended, for whoever counts.

use duet_core::service::Ending;
use duet_core::{Event, Fact};

/// What `event` says of how its order ended.
pub(crate) fn of(event: &Event) -> Option<Ending> {
    match &event.fact {
        Fact::OrderConfirmed(fact) => Some(Ending {
            outcome: "Confirmed",
            reason: None,
            began: Some(fact.placed_at),
        }),
        Fact::OrderRejected(fact) => Some(Ending {
            outcome: "Rejected",
            reason: Some(fact.reason.to_string()),
            began: Some(fact.placed_at),
        }),
        // On top of the decision, which was made before or, for an order that
        // its workflow abandoned, is made by this.
        Fact::OrderNeedsAttention(_) => Some(Ending {
            outcome: "NeedsAttention",
            reason: None,
            began: None,
        }),
        _ => None,
    }
}
