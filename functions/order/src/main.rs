//! The order service on real wires.

use duet_core::SystemClock;
use duet_edge::lambda::{Edge, Error};
use duet_order::{Orders, Patience};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let edge = Edge::start()?.with_scheduler()?;
    let patience = Patience {
        order: edge.setting("DUET_ORDER_DEADLINE_SECONDS")?,
        review: edge.setting("DUET_REVIEW_SECONDS")?,
        compensation: edge.setting("DUET_COMPENSATION_SECONDS")?,
    };
    let orders = Orders::new(
        edge.table("DUET_TABLE")?,
        SystemClock,
        patience,
        edge.setting("DUET_AWAITS_CLEARANCE")?,
    );
    edge.run(orders).await
}
