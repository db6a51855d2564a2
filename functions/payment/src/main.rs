//! The payment service on real wires.

use duet_core::SystemClock;
use duet_edge::lambda::{Edge, Error};
use duet_payment::{Payments, SimulatedProvider};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let edge = Edge::start()?;
    let provider = SimulatedProvider::new(edge.table("DUET_LEDGER_TABLE")?, SystemClock);
    let payments = Payments::new(edge.table("DUET_TABLE")?, SystemClock, provider);
    edge.run(payments).await
}
