//! How an order stands.

use duet_core::fact::NewOrder;
use duet_core::order::Owed;
use duet_core::time::after;
use duet_core::{Context, Timestamp};
use serde::{Deserialize, Serialize};

use super::{CLOCKS_DIFFER_SECONDS, Compensation, Fate, Order, Terms};

/// How an order stands: the reply to most commands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The decision.
    #[serde(flatten)]
    pub fate: Fate,
    /// How far a rejection is undone.
    pub compensation: Compensation,
    /// What is owed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owed: Vec<Owed>,
}

impl Order {
    /// Whether the order waits for a clearance: by its own mark, or by that of
    /// the message for an order from before there were marks.
    pub(super) fn awaits_clearance(&self, context: &Context, terms: Terms) -> bool {
        let own = self.placed.clearance;
        own.unwrap_or_else(|| context.awaits_clearance(terms.awaits_clearance))
    }

    /// Whether the order was touched after an execution had ended at `ended`:
    /// somebody else drives it, or it is done.
    pub(super) fn moved_on(&self, ended: Timestamp) -> bool {
        self.last_touched() > after(ended, CLOCKS_DIFFER_SECONDS)
    }

    /// When a command last changed the order.
    pub(crate) fn last_touched(&self) -> Timestamp {
        self.touched_at.unwrap_or(self.placed.placed_at)
    }

    /// Whether it is decided and nothing of it is under way. It may have ended, or
    /// be parked and wait for an operator.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.fate != Fate::Undecided && self.compensation != Compensation::Pending
    }

    /// Whether it waits for an operator: something is owed, or could not be undone.
    #[must_use]
    pub fn is_parked(&self) -> bool {
        self.compensation == Compensation::Failed || !self.owed.is_empty()
    }

    /// Whether nothing more is to come: it is confirmed or whole again, and
    /// nothing is owed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let whole = match self.fate {
            Fate::Undecided => false,
            Fate::Confirmed => true,
            Fate::Rejected { .. } => self.compensation == Compensation::Done,
        };
        whole && self.owed.is_empty()
    }

    /// The order without what nobody needs any more. A confirmed order is paid
    /// and booked, so the token has done its work; one that is whole again goes
    /// nowhere, so neither has the address any left. That the order was decided
    /// by a fact that followed from NewOrder, or undone, says that NewOrder was
    /// heard: it need not be said again.
    pub(super) fn settled(mut self) -> Self {
        let undecided = self.fate == Fate::Undecided;
        self.undecided_since = undecided.then_some(self.placed.placed_at);
        self.parked_since = match self.is_parked() {
            true => self.parked_since.or(Some(self.last_touched())),
            false => None,
        };
        match (&self.fate, self.compensation) {
            (Fate::Confirmed, _) => {
                if let Some(said) = self.said.take() {
                    let said: Option<NewOrder> = serde_json::from_str(&said).ok();
                    self.placed.ship_to = said.map(|said| said.ship_to);
                }
            }
            (Fate::Rejected { .. }, Compensation::Done) => {
                self.said = None;
                self.placed.ship_to = None;
            }
            _ => {}
        }
        self
    }

    /// How the order stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            fate: self.fate.clone(),
            compensation: self.compensation,
            owed: self.owed.clone(),
        }
    }
}
