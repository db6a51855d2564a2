//! The customer service on real wires.

use duet_core::SystemClock;
use duet_customer::Customers;
use duet_edge::lambda::{Edge, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let edge = Edge::start()?;
    let customers = Customers::new(
        edge.table("DUET_TABLE")?,
        SystemClock,
        edge.setting("DUET_AWAITS_CLEARANCE")?,
    );
    edge.run(customers).await
}
