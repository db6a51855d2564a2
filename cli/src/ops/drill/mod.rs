//! Drills: something is broken on purpose, as it breaks in earnest, and the
//! operator's commands have to make it good and do no harm.

pub mod outage;
pub mod replay;
pub mod rollout;

use std::num::NonZeroU32;

use clap::ValueEnum;
use duet_core::money::Currency;
use duet_core::order::Line;
use duet_core::{Money, Sku};
use duet_order::command::PlaceOrder;

use crate::shop::scenario::address;
use crate::terminal::exit::{Outcome, Problem};

/// How many orders are placed under each variant unless one says otherwise.
pub const PLACED: usize = 200;

/// How many orders are under way to their entry, or in an operator's hands, at once.
const AT_ONCE: usize = 16;

/// Who acts in a drill, to those who keep that.
const DRILL: &str = "duet drill";

/// The drills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Drill {
    /// Payment, refund, release and the order service are down and return; every order ends as it should.
    Outage,
    /// Everything is said again over finished orders; nothing may change.
    Replay,
    /// Fraud detection is turned on and off under a shop that runs; nothing may be lost.
    Rollout,
}

impl Drill {
    /// How long a person has to decide a review in a lab for it, in seconds.
    #[must_use]
    pub fn review_seconds(self) -> u32 {
        match self {
            Self::Outage | Self::Rollout => outage::REVIEW_SECONDS,
            Self::Replay => 30,
        }
    }
}

/// An order called `id` for one piece of `sku`, of a customer of its own: many
/// orders of one customer would be fraud.
fn order(id: &str, sku: &Sku) -> Outcome<PlaceOrder> {
    Ok(PlaceOrder {
        order: id.parse().map_err(Problem::environment)?,
        customer: id.parse().map_err(Problem::environment)?,
        lines: vec![Line {
            sku: sku.clone(),
            quantity: NonZeroU32::MIN,
        }],
        total: Money {
            amount: 4_990,
            currency: Currency::try_from("EUR".to_owned()).map_err(Problem::environment)?,
        },
        payment_token: "tok_visa".to_owned(),
        ship_to: address(),
    })
}
