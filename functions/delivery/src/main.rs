//! The delivery service on real wires.

use duet_core::SystemClock;
use duet_delivery::{Deliveries, SimulatedCarrier};
use duet_edge::lambda::{Edge, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let edge = Edge::start()?;
    let carrier = SimulatedCarrier::new(edge.table("DUET_LEDGER_TABLE")?, SystemClock);
    let awaits_clearance = edge.setting("DUET_AWAITS_CLEARANCE")?;
    let table = edge.table("DUET_TABLE")?;
    edge.run(Deliveries::new(
        table,
        SystemClock,
        carrier,
        awaits_clearance,
    ))
    .await
}
