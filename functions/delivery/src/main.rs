//! The delivery service on real wires.

use duet_core::Environment;
use duet_delivery::SimulatedCarrier;
use duet_edge::lambda::{Edge, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let edge = Edge::start()?;
    let carrier = SimulatedCarrier::new(edge.table("DUET_LEDGER_TABLE")?, edge.clock());
    let service = duet_delivery::build(&edge, carrier)?;
    edge.run(service).await
}
